//! Which certificates are trusted: public authorities and those of the configuration.

use std::path::Path;
use std::sync::Arc;

use naru_core::failure::Failure;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// TLS that takes certificates by a public authority or one of `ca_file`.
pub fn config(ca_file: Option<&Path>) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = ca_file {
        add(&mut roots, path)?;
    }
    // Named here rather than taken from the process, so that it works whoever starts it.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(builder.map_err(Failure::bug)?.with_root_certificates(roots).with_no_client_auth())
}

fn add(roots: &mut RootCertStore, path: &Path) -> Result<(), Failure> {
    let wrong = |why: String| Failure::usage("argocd-ca-wrong").arg("path", path.display()).cause_text(why);
    let pem = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|e| wrong(e.to_string()))?;
        roots.add(certificate).map_err(|e| wrong(e.to_string()))?;
    }
    if roots.len() == before { Err(wrong("it holds no certificate".to_owned())) } else { Ok(()) }
}
