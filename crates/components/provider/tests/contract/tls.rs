//! TLS from the first byte and by STARTTLS, and passwords, which travel nowhere else.

use std::sync::Arc;
use std::time::Duration;

use naru_core::lifecycle::Lifecycle;
use naru_dispatch::provider::{Answer, Verdict};
use naru_provider::Config;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::house::{House, messages, send};
use crate::vendors::{MailVendor, SandboxVendor, Vendor};

/// Made for these tests alone, for `localhost` and 127.0.0.1, good until 2126.
const CERTIFICATE: &str = include_str!("localhost.pem");
const KEY: &str = include_str!("localhost.key");

fn taken() -> Answer {
    Answer::Each(vec![Verdict::Taken])
}

fn untrusted() -> Answer {
    Answer::Unsent { code: "tls-failed".to_owned() }
}

fn with_authority(house_file: &str) -> Config {
    Config { ca_file: Some(house_file.into()), ..Config::default() }
}

/// Speaks TLS on a free port and passes everything on to `target` in clear.
async fn tls_in_front_of(target: String) -> u16 {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    Lifecycle::default().spawn("tls", async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, target) = (acceptor.clone(), target.clone());
            Lifecycle::default().spawn("tls connection", async move {
                // A client that does not trust the certificate hangs up: what some cases are about.
                let Ok(mut inside) = acceptor.accept(stream).await else { return };
                let mut outside = TcpStream::connect(target).await.unwrap();
                let _ = copy_bidirectional(&mut inside, &mut outside).await;
            });
        }
    });
    port
}

/// Sends twice through TLS, over one connection, and once where the certificate is not trusted.
async fn check_tls<V: Vendor>(scheme: &str) {
    let vendor = V::start().await;
    let house = House::build(with_authority("ca.pem")).await;
    house.file("ca.pem", CERTIFICATE);
    let mut config = vendor.config(&house);
    let url = config["url"].as_str().unwrap().to_owned();
    let port = tls_in_front_of(url.split_once("://").unwrap().1.to_owned()).await;
    config["url"] = format!("{scheme}://localhost:{port}").into();
    let provider = house.provider(&config).unwrap();
    let messages = messages(&house.ctx, (0..2).map(|n| vendor.address(n)));
    for (key, message) in ["first", "second"].into_iter().zip(messages.chunks(1)) {
        assert_eq!(send(&*provider, key, message).await, taken());
    }
    assert_eq!(vendor.ledger().await.len(), 2);

    let stranger = House::build(Config::default()).await;
    let provider = stranger.provider(&config).unwrap();
    assert_eq!(send(&*provider, "third", &messages[..1]).await, untrusted());
    assert!(provider.check().await.is_err());
    assert_eq!(vendor.ledger().await.len(), 2);
}

#[tokio::test]
async fn https_carries_messages_and_trusts_no_stranger() {
    check_tls::<SandboxVendor>("https").await;
}

#[tokio::test]
async fn smtps_carries_messages_and_trusts_no_stranger() {
    check_tls::<MailVendor>("smtps").await;
}

#[tokio::test]
async fn starttls_comes_before_the_password() {
    let vendor = MailVendor::start().await;
    let house = House::build(with_authority("ca.pem")).await;
    house.file("ca.pem", &vendor.server.certificate);
    let mut config = vendor.config(&house);
    config["url"] = format!("smtp+starttls://localhost:{}", vendor.server.port).into();
    config["user"] = "shop".into();
    config["secret"] = json!({ "file": house.file("password", "right\n") });
    let provider = house.provider(&config).unwrap();
    let messages = messages(&house.ctx, (0..2).map(|n| vendor.address(n)));
    assert_eq!(provider.check().await, Ok(()));
    for message in messages.chunks(1) {
        assert_eq!(send(&*provider, "key", message).await, taken());
    }
    let mails = vendor.server.ledger().await;
    assert!(mails.len() == 2 && mails.iter().all(|mail| mail.encrypted && mail.user == "shop"), "{mails:?}");

    // A wrong password is the account's fault, not the messages': they wait.
    house.file("password", "wrong");
    let provider = house.provider(&config).unwrap();
    let pause = Answer::Throttled { after: Some(Duration::from_secs(60)) };
    for _ in 0..2 {
        assert_eq!(send(&*provider, "key", &messages[..1]).await, pause);
    }
    assert!(provider.check().await.unwrap_err().contains("535"));

    let stranger = House::build(Config::default()).await;
    stranger.file("password", "right");
    let provider = stranger.provider(&config).unwrap();
    assert_eq!(send(&*provider, "key", &messages[..1]).await, untrusted());
    assert_eq!(vendor.server.ledger().await.len(), 2);
}

#[tokio::test]
async fn a_wrong_key_pauses_the_lane_and_fails_no_message() {
    let vendor = SandboxVendor::with(json!({ "api_key": "right" })).await;
    let house = House::build(Config::default()).await;
    let mut config = vendor.config(&house);
    config["secret"] = json!({ "file": house.file("key", "wrong") });
    let provider = house.provider(&config).unwrap();
    let messages = messages(&house.ctx, (0..3).map(|n| vendor.address(n)));
    let pause = Answer::Throttled { after: Some(Duration::from_secs(60)) };
    assert_eq!(send(&*provider, "key", &messages).await, pause);
    assert_eq!(provider.check().await, Err("http-401".to_owned()));
    house.file("key", "right");
    let provider = house.provider(&config).unwrap();
    assert_eq!(provider.check().await, Ok(()));
    assert_eq!(send(&*provider, "key", &messages).await, Answer::Each(vec![Verdict::Taken; 3]));
    assert_eq!(vendor.ledger().await.len(), 3);
}
