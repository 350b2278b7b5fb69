//! The stylesheet, the script and the mark, compiled in. Their address changes with their content, so a browser keeps
//! them for ever and never shows an old one.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use naru_core::id::write_hex;
use sha2::{Digest, Sha256};

/// A static file.
pub(crate) struct Asset {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
    version: LazyLock<String>,
}

/// The one stylesheet.
pub(crate) static STYLE: Asset = Asset {
    name: "naru.css",
    kind: "text/css; charset=utf-8",
    text: include_str!("../assets/naru.css"),
    version: LazyLock::new(|| version(STYLE.text)),
};

/// The one script.
pub(crate) static SCRIPT: Asset = Asset {
    name: "naru.js",
    kind: "text/javascript; charset=utf-8",
    text: include_str!("../assets/naru.js"),
    version: LazyLock::new(|| version(SCRIPT.text)),
};

/// The mark in the browser's tab.
pub(crate) static MARK: Asset = Asset {
    name: "naru.svg",
    kind: "image/svg+xml",
    text: include_str!("../assets/naru.svg"),
    version: LazyLock::new(|| version(MARK.text)),
};

impl Asset {
    /// Its address.
    pub(crate) fn href(&self) -> String {
        format!("/assets/{}/{}", self.version.as_str(), self.name)
    }
}

/// Serves them.
pub(crate) fn routes() -> Router {
    Router::new().route("/assets/{version}/{name}", get(serve))
}

async fn serve(Path((version, name)): Path<(String, String)>) -> Response {
    let Some(asset) = [&STYLE, &SCRIPT, &MARK].into_iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // While two versions of naru run side by side, a page of one may ask the other: better this style than none.
    let cache = if version == *asset.version { "public, max-age=31536000, immutable" } else { "no-cache" };
    ([(CONTENT_TYPE, asset.kind), (CACHE_CONTROL, cache)], asset.text).into_response()
}

fn version(text: &str) -> String {
    let mut hex = [0u8; 12];
    write_hex(&Sha256::digest(text.as_bytes())[..6], &mut hex).to_owned()
}
