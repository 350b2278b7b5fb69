//! The files that a release may change, as their branches have them now: each branch is asked for once, however many apps
//! write to it.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use naru_core::failure::Failure;
use naru_estate::estate::Estate;
use naru_estate::place::Way;
use naru_estate::step;
use naru_git::name::Branch;

/// Repositories that are read at once.
const READ_AT_ONCE: usize = 8;

/// A repository's address and a branch; none is its own.
type Place = (String, Option<String>);

/// What was read.
pub(super) struct Files(BTreeMap<Place, (Branch, BTreeMap<String, Option<String>>)>);

impl Files {
    /// Reads what these ways lead to.
    pub async fn read<'a>(estate: &Estate, ways: impl Iterator<Item = &'a Way>) -> Result<Files, Failure> {
        let mut wanted: BTreeMap<Place, BTreeSet<String>> = BTreeMap::new();
        for way in ways {
            if let Way::File { url, branch, path, .. } = way {
                wanted.entry((url.clone(), branch.clone())).or_default().insert(path.clone());
            }
        }
        let mut reads = Vec::new();
        for (place, paths) in wanted {
            reads.push(async move {
                let repository = estate.repository(&place.0)?;
                let branch = match &place.1 {
                    Some(branch) => Branch::new(branch)?,
                    None => repository.default_branch().await?,
                };
                let texts = step::read(estate, &repository, &branch, &paths).await?;
                Ok::<_, Failure>((place, (branch, texts)))
            });
        }
        let read: Vec<Result<_, Failure>> = futures_util::stream::iter(reads).buffered(READ_AT_ONCE).collect().await;
        Ok(Files(read.into_iter().collect::<Result<_, _>>()?))
    }

    /// A file's branch and its text; no text where there is no such file.
    pub fn get(&self, url: &str, branch: Option<&str>, path: &str) -> Result<(&Branch, Option<&str>), Failure> {
        let place = (url.to_owned(), branch.map(str::to_owned));
        let (branch, texts) = self.0.get(&place).ok_or_else(|| Failure::bug("a file was not read before"))?;
        Ok((branch, texts.get(path).and_then(Option::as_deref)))
    }
}
