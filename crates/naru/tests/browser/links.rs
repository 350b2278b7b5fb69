//! No page is forgotten: whatever a link leads to is among what is looked at.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::person::Person;
use crate::sights::Sight;

/// Follows every link that there is from the first page on.
const FOLLOW: &str = "(async () => {
    const seen = new Set(['/']), pages = [];
    for (const path of seen) {
        if (seen.size > 400) throw new Error('links without an end: ' + [...seen].slice(-9).join(' '));
        const answer = await fetch(path);
        if (!(answer.headers.get('content-type') ?? '').startsWith('text/html') && answer.ok) continue;
        pages.push([answer.status, new URL(answer.url).pathname]);
        const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
        for (const link of page.querySelectorAll('a[href]')) {
            const to = new URL(link.getAttribute('href'), answer.url);
            if (to.origin === location.origin) seen.add(to.pathname + to.search);
        }
    }
    return pages;
})()";

/// Returns what is wrong with links: where nothing is, and where is a page that nobody looks at.
pub async fn follow(person: &Person, sights: &[Sight]) -> Vec<String> {
    person.open("/").await;
    let Value::Array(found) = person.tab.eval(FOLLOW).await else { unreachable!("a list") };
    let looked_at: BTreeSet<String> = sights.iter().map(|sight| kind(sight.path())).collect();
    let path = |page: &Value| page[1].as_str().unwrap().to_owned();
    let dead = found.iter().filter(|page| page[0] != 200).map(|page| format!("a link to {page}"));
    let kinds: BTreeSet<String> = found.iter().map(|page| kind(&path(page))).collect();
    assert!(kinds.len() > 15, "links lead somewhere: {kinds:?}");
    let forgotten = kinds.difference(&looked_at).map(|kind| format!("{kind} is not in sights.rs"));
    dead.chain(forgotten).collect()
}

/// `/campaigns/0192…` and every other campaign are pages of one kind.
fn kind(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').collect();
    let is_id = |at: usize, part: &str| {
        let hex = part.split('-').next().unwrap_or_default();
        // No template is called what begins with a hyphen.
        (hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
            || (at == 2 && parts[1] == "templates" && !part.starts_with('-'))
    };
    let named = parts.iter().enumerate().map(|(at, part)| if is_id(at, part) { "*" } else { part });
    named.collect::<Vec<_>>().join("/")
}
