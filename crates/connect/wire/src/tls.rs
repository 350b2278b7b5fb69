//! Which certificates are trusted: those by a public authority, and by the authorities of the configuration.

use std::path::Path;
use std::sync::Arc;

use naru_core::failure::Failure;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, TrustAnchor};
use rustls::{ClientConfig, RootCertStore};

/// The authorities of the configuration, besides the public ones.
#[derive(Default)]
pub struct OwnAuthorities {
    certificates: Vec<CertificateDer<'static>>,
    roots: Vec<TrustAnchor<'static>>,
}

impl OwnAuthorities {
    /// Reads the certificates of a PEM file, which the configuration names at `key`.
    pub fn read(path: &Path, key: &str) -> Result<OwnAuthorities, Failure> {
        let wrong = |why: String| {
            let failure = Failure::usage("certificates-wrong").arg("path", path.display());
            failure.arg("key", key).cause_text(why)
        };
        let pem = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
        let mut own = OwnAuthorities::default();
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|e| wrong(e.to_string()))?;
            store.add(certificate.clone()).map_err(|e| wrong(e.to_string()))?;
            own.certificates.push(certificate);
        }
        own.roots = store.roots;
        if own.roots.is_empty() { Err(wrong("it holds no certificate".to_owned())) } else { Ok(own) }
    }

    /// Each certificate's bytes.
    pub fn der(&self) -> impl Iterator<Item = Vec<u8>> {
        self.certificates.iter().map(|certificate| certificate.to_vec())
    }

    /// TLS that takes certificates by a public authority or one of these. The cryptography is named here rather than
    /// taken from the process, so that it works whoever starts it.
    pub fn client(&self) -> Result<ClientConfig, Failure> {
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().chain(&self.roots).cloned().collect();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(Failure::bug)?.with_root_certificates(RootCertStore { roots });
        Ok(config.with_no_client_auth())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_refused_and_named() {
        let folder = naru_testkit::temp_dir();
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (name, content) in [("none.pem", None), ("text.pem", Some("a text")), ("broken.pem", Some(broken))] {
            let path = folder.path().join(name);
            content.iter().for_each(|content| std::fs::write(&path, content).unwrap());
            let failure = OwnAuthorities::read(&path, "argocd.ca_file").err().unwrap();
            assert_eq!(failure.code, "certificates-wrong", "{name}");
            assert_eq!(failure.args["key"], "argocd.ca_file");
            assert!(failure.args["path"].ends_with(name) && failure.causes.len() == 1, "{failure:?}");
        }
    }

    #[test]
    fn public_authorities_are_trusted_without_a_file() {
        let own = OwnAuthorities::default();
        assert!(own.client().is_ok() && own.der().next().is_none());
    }
}
