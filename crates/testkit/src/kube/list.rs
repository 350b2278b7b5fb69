//! Lists, whole or by page.

use serde_json::{Value, json};

use super::fault::Entry;
use super::kind::Kind;
use super::path::ResourcePlace;
use super::refusal::Refusal;
use super::selector::Selector;
use super::world::{Rest, World};
use super::write::presented;

const EXPIRED: &str = "The provided continue parameter is too old to display a consistent list result. You can start a \
                       new list without the continue parameter.";

/// What is asked for of labels and fields.
pub fn selector(entry: &Entry) -> Result<Selector, Refusal> {
    let text = |name: &str| entry.parameter(name).unwrap_or_default();
    Selector::read(text("labelSelector"), text("fieldSelector"))
}

/// The list, or its next page. All pages show the state of the first.
pub fn answer(world: &mut World, kind: &Kind, place: &ResourcePlace, entry: &Entry) -> Result<Value, Refusal> {
    let limit = entry.parameter("limit").and_then(|limit| limit.parse::<usize>().ok()).filter(|limit| *limit > 0);
    let rest = match entry.parameter("continue").filter(|token| !token.is_empty()) {
        Some(token) => world.rests.remove(token).ok_or_else(|| Refusal::expired(EXPIRED))?,
        None => first(world, kind, place, selector(entry)?),
    };
    let Rest { version, mut items, selector } = rest;
    let left = items.split_off(limit.unwrap_or(items.len()).min(items.len()));
    let mut metadata = json!({ "resourceVersion": version.to_string() });
    if !left.is_empty() {
        let token = format!("page-{version}-{}", world.uid());
        metadata["continue"] = json!(token);
        if selector.is_empty() {
            metadata["remainingItemCount"] = json!(left.len());
        }
        world.rests.insert(token, Rest { version, items: left, selector });
    }
    Ok(json!({
        "kind": format!("{}List", kind.kind), "apiVersion": kind.api_version(), "metadata": metadata, "items": items,
    }))
}

fn first(world: &World, kind: &Kind, place: &ResourcePlace, selector: Selector) -> Rest {
    let is_meant =
        |key: &super::world::Key| key.0 == kind.resource() && (place.namespace.is_empty() || key.1 == place.namespace);
    let found = world.objects.iter().filter(|(key, stored)| is_meant(key) && selector.takes(&stored.object));
    let items = found.map(|(_, stored)| {
        let mut item = presented(world, kind, stored);
        if let Some(fields) = item.as_object_mut().filter(|_| !kind.custom) {
            fields.remove("kind");
            fields.remove("apiVersion");
        }
        item
    });
    Rest { version: world.version, items: items.collect(), selector }
}
