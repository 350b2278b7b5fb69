//! Files and API calls into messages; templates and campaigns.

pub mod file;

/// The sentences of this crate.
pub const TEXTS: naru_core::text::Catalog = naru_core::text::Catalog {
    name: "campaign",
    en: include_str!("../texts/en.ftl"),
    ko: include_str!("../texts/ko.ftl"),
};
