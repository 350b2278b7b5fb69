//! Templates in the store: versions that never change, and a cache of those in use.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use naru_core::clock::{Clock, Micros, Millis};
use naru_core::failure::Failure;
use naru_store::Store;
use naru_store::error::StoreError;
use serde::Serialize;
use sqlx::Row;

use crate::template::{Template, TemplateText};

/// Templates in memory at most; a shop has hundreds, each a few kilobytes.
const CACHED_MAX: usize = 10_000;
/// How long the newest version is taken to be the newest: another instance may have pushed one. A push here is seen at
/// once.
const NEWEST_US: Micros = 1_000_000;

/// Reads and writes templates.
#[derive(Clone)]
pub struct Templates {
    store: Store,
    clock: Arc<dyn Clock>,
    cache: Arc<RwLock<Cache>>,
    newest: Arc<RwLock<Newest>>,
}

type Cache = HashMap<(String, u32), Arc<Template>>;
/// With the moment of reading.
type Newest = HashMap<String, (Arc<Template>, Micros)>;

/// A line of a list of templates or of versions.
#[derive(Clone, Debug, Serialize)]
pub struct TemplateRow {
    /// The text.
    pub text: TemplateText,
    /// Its version.
    pub version: u32,
    /// When it was pushed.
    pub pushed_at: Millis,
    /// By whom.
    pub pushed_by: String,
}

impl TemplateRow {
    /// Reads the columns `version, text, pushed_at, pushed_by` in this order.
    fn from_row(row: &sqlx::any::AnyRow) -> Result<TemplateRow, Failure> {
        let json: String = row.try_get(1).map_err(StoreError::from)?;
        Ok(TemplateRow {
            text: serde_json::from_str(&json).map_err(Failure::bug)?,
            version: row.try_get::<i64, _>(0).map_err(StoreError::from)? as u32,
            pushed_at: row.try_get(2).map_err(StoreError::from)?,
            pushed_by: row.try_get(3).map_err(StoreError::from)?,
        })
    }
}

impl Templates {
    /// Templates of `store`.
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Templates {
        Templates { store, clock, cache: Arc::default(), newest: Arc::default() }
    }

    /// Stores `text` as a new version where it differs from the newest; answers the version and whether it is new.
    pub async fn push(&self, text: TemplateText, by: &str, now: Millis) -> Result<(u32, bool), Failure> {
        self.store_text(text, None, by, now).await
    }

    /// As [`Templates::push`], where `seen` is still the newest version; 0 says that there is none yet.
    pub async fn push_onto(
        &self,
        text: TemplateText,
        seen: u32,
        by: &str,
        now: Millis,
    ) -> Result<(u32, bool), Failure> {
        self.store_text(text, Some(seen), by, now).await
    }

    async fn store_text(
        &self,
        text: TemplateText,
        seen: Option<u32>,
        by: &str,
        now: Millis,
    ) -> Result<(u32, bool), Failure> {
        // Checked before anything is stored; the number does not matter for that.
        Template::new(text.clone(), 1)?;
        let json = serde_json::to_string(&text).map_err(Failure::bug)?;
        let (by, id) = (by.to_owned(), text.id.clone());
        let stored = self.store.write(move |conn| {
            let (text, json, by) = (text.clone(), json.clone(), by.clone());
            Box::pin(async move {
                let newest = sqlx::query(NEWEST).bind(text.id.as_str()).fetch_optional(&mut *conn).await?;
                let (version, known): (i64, String) = match newest {
                    Some(row) => (row.try_get(0)?, row.try_get(1)?),
                    None => (0, String::new()),
                };
                if let Some(seen) = seen.filter(|seen| i64::from(*seen) != version) {
                    return Ok(Err(unseen(&text.id, seen, version)));
                }
                if known == json {
                    return Ok(Ok((version as u32, false)));
                }
                sqlx::query(
                    "INSERT INTO dispatch_template (id, version, text, pushed_at, pushed_by)
                     VALUES ($1, $2, $3, $4, $5)",
                )
                .bind(text.id.as_str())
                .bind(version + 1)
                .bind(json)
                .bind(now)
                .bind(by)
                .execute(&mut *conn)
                .await?;
                Ok(Ok((version as u32 + 1, true)))
            })
        });
        let stored = stored.await?;
        self.newest.write().unwrap_or_else(|poisoned| poisoned.into_inner()).remove(&id);
        stored
    }

    /// The newest version of `id`.
    pub async fn newest(&self, id: &str) -> Result<Arc<Template>, Failure> {
        let now = self.clock.monotonic_us();
        if let Some((template, at)) = self.newest.read().unwrap_or_else(|poisoned| poisoned.into_inner()).get(id)
            && now.saturating_sub(*at) < NEWEST_US
        {
            return Ok(template.clone());
        }
        let template = self.read_newest(id).await?;
        let mut newest = self.newest.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        if newest.len() >= CACHED_MAX {
            newest.clear();
        }
        newest.insert(id.to_owned(), (template.clone(), now));
        Ok(template)
    }

    async fn read_newest(&self, id: &str) -> Result<Arc<Template>, Failure> {
        let row = sqlx::query(NEWEST).bind(id).fetch_optional(self.store.reader()).await.map_err(StoreError::from)?;
        let Some(row) = row else { return Err(self.unknown(id).await) };
        let (version, json): (i64, String) =
            (row.try_get(0).map_err(StoreError::from)?, row.try_get(1).map_err(StoreError::from)?);
        self.keep(version as u32, &json)
    }

    /// A version that something stored refers to.
    pub async fn version(&self, id: &str, version: u32) -> Result<Arc<Template>, Failure> {
        if let Some(template) = self.cached(id, version) {
            return Ok(template);
        }
        let json: Option<String> =
            sqlx::query_scalar("SELECT text FROM dispatch_template WHERE id = $1 AND version = $2")
                .bind(id)
                .bind(i64::from(version))
                .fetch_optional(self.store.reader())
                .await
                .map_err(StoreError::from)?;
        match json {
            Some(json) => self.keep(version, &json),
            None => Err(Failure::not_found("template-version-unknown").arg("template", id).arg("version", version)),
        }
    }

    /// A version that was read before.
    fn cached(&self, id: &str, version: u32) -> Option<Arc<Template>> {
        let cache = self.cache.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        cache.get(&(id.to_owned(), version)).cloned()
    }

    /// The newest version of every template, by id.
    pub async fn list(&self) -> Result<Vec<TemplateRow>, Failure> {
        self.page("", CACHED_MAX).await
    }

    /// The newest version of templates whose id comes behind `after`, by id.
    pub async fn page(&self, after: &str, limit: usize) -> Result<Vec<TemplateRow>, Failure> {
        let rows = sqlx::query(
            "SELECT t.version, t.text, t.pushed_at, t.pushed_by FROM dispatch_template t
             WHERE t.id > $1 AND t.version = (SELECT MAX(n.version) FROM dispatch_template n WHERE n.id = t.id)
             ORDER BY t.id LIMIT $2",
        );
        let rows = rows.bind(after).bind(limit as i64).fetch_all(self.store.reader()).await;
        rows.map_err(StoreError::from)?.iter().map(TemplateRow::from_row).collect()
    }

    /// Versions of a template, newest first, older than `before` where one is named.
    pub async fn versions(&self, id: &str, before: Option<u32>, limit: usize) -> Result<Vec<TemplateRow>, Failure> {
        let rows = sqlx::query(
            "SELECT version, text, pushed_at, pushed_by FROM dispatch_template WHERE id = $1 AND version < $2
             ORDER BY version DESC LIMIT $3",
        );
        let before = before.map_or(i64::MAX, i64::from);
        let rows = rows.bind(id).bind(before).bind(limit as i64).fetch_all(self.store.reader()).await;
        rows.map_err(StoreError::from)?.iter().map(TemplateRow::from_row).collect()
    }

    fn keep(&self, version: u32, json: &str) -> Result<Arc<Template>, Failure> {
        let text: TemplateText = serde_json::from_str(json).map_err(Failure::bug)?;
        let key = (text.id.clone(), version);
        let mut cache = self.cache.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(known) = cache.get(&key) {
            return Ok(known.clone());
        }
        if cache.len() >= CACHED_MAX {
            cache.clear();
        }
        let template = Arc::new(Template::new(text, version)?);
        cache.insert(key, template.clone());
        Ok(template)
    }

    async fn unknown(&self, id: &str) -> Failure {
        let names: Vec<String> = match self.list().await {
            Ok(rows) => rows.into_iter().map(|row| row.text.id).take(20).collect(),
            Err(failure) => return failure,
        };
        let known = if names.is_empty() { "-".to_owned() } else { names.join(", ") };
        Failure::not_found("template-unknown").arg("template", id).arg("known", known)
    }
}

const NEWEST: &str = "SELECT version, text FROM dispatch_template WHERE id = $1 ORDER BY version DESC LIMIT 1";

/// Somebody else was faster than whoever had seen another version as the newest.
fn unseen(id: &str, seen: u32, newest: i64) -> Failure {
    let code = if seen == 0 { "template-exists" } else { "template-changed" };
    Failure::conflict(code).arg("template", id).arg("newest", newest)
}
