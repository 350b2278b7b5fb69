//! All objects of a kind, page by page.

use naru_core::failure::Failure;
use serde::Deserialize;
use serde_json::Value;

use super::objects::typed;
use crate::call::Call;
use crate::client::Client;
use crate::discovery::Served;
use crate::object::GroupKind;

/// Which objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// Empty for all of them.
    pub namespace: String,
    /// `app=web,tier!=cache`.
    pub labels: Option<String>,
    /// `metadata.name=web`; of other fields only those that the kind has for it.
    pub fields: Option<String>,
    /// How many at a time.
    pub page: u32,
    /// More than these are no answer (`k8s-too-many`).
    pub objects_max: usize,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct List {
    /// Each with its `apiVersion` and `kind`.
    pub items: Vec<Value>,
    /// The state of the whole list, to watch from.
    pub resource_version: String,
}

impl Default for ListQuery {
    fn default() -> ListQuery {
        let objects_max = 20_000;
        ListQuery { namespace: String::new(), labels: None, fields: None, page: 500, objects_max }
    }
}

impl ListQuery {
    /// Everything of a namespace.
    pub fn of(namespace: impl Into<String>) -> ListQuery {
        ListQuery { namespace: namespace.into(), ..ListQuery::default() }
    }

    /// Only what has these labels.
    pub fn with_labels(self, labels: impl Into<String>) -> ListQuery {
        ListQuery { labels: Some(labels.into()), ..self }
    }
}

/// A list that changes faster than it can be read is told so.
const RESTARTS_MAX: u32 = 3;

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    metadata: PageMeta,
    #[serde(default)]
    items: Option<Vec<Value>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PageMeta {
    resource_version: String,
    r#continue: String,
}

impl Client {
    /// The objects of `query`. A list whose continuation has expired begins anew, a few times.
    pub async fn list(&self, kind: &GroupKind, query: &ListQuery) -> Result<List, Failure> {
        let mut restarts = 0;
        loop {
            match self.pages(kind, query).await {
                Err(failure) if failure.code == "k8s-expired" && restarts < RESTARTS_MAX => restarts += 1,
                answer => return answer,
            }
        }
    }

    async fn pages(&self, kind: &GroupKind, query: &ListQuery) -> Result<List, Failure> {
        let (mut list, mut next, mut pages) = (List::default(), String::new(), 0);
        loop {
            let page: Page = self.on(kind, |served| list_call(kind, served, query, &next)).await?;
            // Of built-in kinds the server leaves it out.
            let served = self.served(kind).await?;
            let items = page.items.unwrap_or_default();
            list.items.extend(items.iter().map(|item| typed(item, &served)));
            if list.items.len() > query.objects_max {
                let failure = Failure::refused("k8s-too-many").arg("kind", kind).arg("cluster", self.cluster());
                return Err(failure.arg("most", query.objects_max));
            }
            list.resource_version = page.metadata.resource_version;
            if page.metadata.r#continue.is_empty() {
                return Ok(list);
            }
            pages += 1;
            // A page may be empty and not the last.
            if page.metadata.r#continue == next || pages == PAGES_MAX {
                return Err(self.unreadable("a list that does not go on"));
            }
            next = page.metadata.r#continue;
        }
    }
}

/// More than the largest list has, at the smallest page that anybody asks for.
const PAGES_MAX: u32 = 10_000;

fn list_call(kind: &GroupKind, served: &Served, query: &ListQuery, next: &str) -> Result<Call, Failure> {
    let place = kind.named(query.namespace.clone(), "");
    in_namespace(kind, served, &query.namespace)?;
    let call = Call::get(served.list_path(&query.namespace), served.about("list", &place, ""));
    let call = selected(call, query).query("limit", query.page.max(1).to_string());
    Ok(if next.is_empty() { call } else { call.query("continue", next) })
}

pub(crate) fn selected(call: Call, query: &ListQuery) -> Call {
    call.maybe("labelSelector", query.labels.as_deref()).maybe("fieldSelector", query.fields.as_deref())
}

/// Of what belongs to the cluster there is none in a namespace.
pub(crate) fn in_namespace(kind: &GroupKind, served: &Served, namespace: &str) -> Result<(), Failure> {
    if namespace.is_empty() {
        return Ok(());
    }
    kind.named(namespace, "any").check()?;
    served.stands(kind, namespace, "")
}
