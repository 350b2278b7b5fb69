//! TLS as both ways to Slack speak it.

use std::sync::Arc;

use naru_core::failure::Failure;
use rustls::{ClientConfig, RootCertStore};

/// TLS that takes certificates by a public authority. The cryptography is named here rather than taken from the
/// process, so that it works whoever starts it.
pub(crate) fn client() -> Result<ClientConfig, Failure> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(config.map_err(Failure::bug)?.with_root_certificates(roots).with_no_client_auth())
}
