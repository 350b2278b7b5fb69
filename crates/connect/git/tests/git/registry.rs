//! Image registries, against the stand-in GitLab's.

use naru_core::clock::SystemClock;
use naru_core::lifecycle::Lifecycle;
use naru_git::registry::{Registry, RegistryConfig};
use naru_testkit::gitlab::{Fault, Gitlab, TOKEN};

use crate::house::code;

fn client(url: &str, password: Option<&str>) -> Registry {
    let folder = naru_testkit::temp_dir();
    let mut config = format!("url = \"{url}\"\nuser = \"naru\"\n");
    if let Some(password) = password {
        std::fs::write(folder.path().join("password"), password).unwrap();
        config += "password = { file = \"password\" }\n";
    }
    let config: RegistryConfig = toml::from_str(&config).unwrap();
    Registry::new(&config, folder.path(), "registry.x", SystemClock::shared(), Lifecycle::default()).unwrap()
}

#[tokio::test]
async fn a_tag_is_told_by_its_digest_and_an_absent_one_is_none() {
    let stand_in = Gitlab::start();
    let digest = stand_in.push_image("shop/web/app", "main-1a2b3c4d");
    let registry = client(&stand_in.url, Some(TOKEN));
    let found = registry.digest("shop/web/app", "main-1a2b3c4d").await.unwrap().unwrap();
    assert_eq!(found.as_str(), digest);
    assert_eq!(registry.digest("shop/web/app", "absent").await.unwrap(), None);
    assert_eq!(registry.digest("shop/absent", "main-1a2b3c4d").await.unwrap(), None);
    let failure = registry.tag_absent("shop/web/app", "absent");
    assert_eq!((failure.code.as_str(), failure.args["tag"].as_str()), ("registry-tag-absent", "absent"));
    assert_eq!(stand_in.calls("GET", "/v2/"), 0, "the content is not asked for");

    // A tag that moves is seen to have moved.
    stand_in.push_image("shop/web/app", "latest");
    let before = registry.digest("shop/web/app", "latest").await.unwrap();
    assert_ne!(before, Some(found));
}

#[tokio::test]
async fn without_the_header_the_digest_is_computed() {
    let stand_in = Gitlab::start();
    let digest = stand_in.push_image("web", "v1");
    stand_in.hide_digests();
    let registry = client(&stand_in.url, Some(TOKEN));
    assert_eq!(registry.digest("web", "v1").await.unwrap().unwrap().as_str(), digest);
}

#[tokio::test]
async fn credentials_that_are_wrong_or_missing_are_refused() {
    let stand_in = Gitlab::start();
    stand_in.push_image("web", "v1");
    for password in [Some("hunter2"), None] {
        let failure = client(&stand_in.url, password).digest("web", "v1").await.unwrap_err();
        assert_eq!(failure.code, "registry-credentials-refused", "{password:?}");
        assert!(!failure.to_string().contains("hunter2"));
    }
}

#[tokio::test]
async fn a_registry_that_fails_is_asked_again_a_few_times() {
    let stand_in = Gitlab::start();
    let digest = stand_in.push_image("web", "v1");
    let registry = client(&stand_in.url, Some(TOKEN));
    for path in ["/v2/", "/jwt/auth"] {
        stand_in.fault(path, Fault::Status(503), 2);
        assert_eq!(registry.digest("web", "v1").await.unwrap().unwrap().as_str(), digest);
    }
    stand_in.fault("/v2/", Fault::Status(503), 4);
    assert_eq!(code(registry.digest("web", "v1").await), "registry-unavailable");
    stand_in.fault("/v2/", Fault::Throttle { retry_after_s: 60 }, 1);
    let failure = registry.digest("web", "v1").await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.retry_after_s), ("registry-throttled", Some(60)));
    stand_in.fault("/jwt/auth", Fault::Page, 1);
    assert_eq!(code(registry.digest("web", "v1").await), "registry-answer-unreadable");
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_is_not_asked_for() {
    let stand_in = Gitlab::start();
    let registry = client(&stand_in.url, Some(TOKEN));
    for (name, tag) in [("../x", "v1"), ("Web", "v1"), ("web", "../v1"), ("web", "-v1"), ("", "v1"), ("web?x", "v1")] {
        assert_eq!(code(registry.digest(name, tag).await), "registry-image-wrong", "{name}:{tag}");
    }
    assert_eq!(stand_in.ledger(), []);
}
