//! What cannot be done is told in the language of the chat, by what it is about and with what to do; and nothing is half done.

use naru_testkit::argocd::fault::Fault;
use naru_testkit::gitlab::{Gitlab, TOKEN};
use naru_testkit::slack::CHANNEL;
use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::json;

use super::{KIM, LEE, Shop, last_look};

/// A second app, `pay`: its code, its chart and its images are at a GitLab.
struct Mall {
    shop: Shop,
    gitlab: Gitlab,
}

impl Mall {
    async fn open() -> Mall {
        let mut shop = Shop::with("app_token = { file = 'app' }").await;
        let gitlab = Gitlab::start();
        let (code, charts) = (gitlab.project("shop/code"), gitlab.project("shop/charts"));
        let template = "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: pay }\nspec:\n  template:\n    spec:\n      \
                        containers:\n      - name: pay\n        image: \"registry.test/shop/pay:{{ .Values.image.tag }}\"\n";
        let files: [(&str, Option<&[u8]>); 2] = [
            ("pay/values.yaml", Some(b"image: { tag: first }\n")),
            ("pay/templates/deployment.yaml", Some(template.as_bytes())),
        ];
        charts.commit("main", &files, "Chart");
        drop(code);
        let url = gitlab.git_url("shop/charts");
        shop.platform.argocd.world(|world| {
            world.use_git(&url, &charts.path());
            world.add_app(
                "pay-staging",
                json!({
                    "project": "default", "destination": { "namespace": "staging", "server": "in-cluster" },
                    "source": { "repoURL": url, "path": "pay", "targetRevision": "main" },
                }),
            );
        });
        shop.platform.argocd.settle();
        let apps = std::fs::read_to_string(shop.house.path("apps.toml")).unwrap();
        let pay = format!(
            "[app.pay]\nrepository = '{}'\nimage = 'registry.test/shop/pay'\n\
             env.staging = {{ application = 'pay-staging', project = 'default', branch = 'main' }}\n",
            gitlab.git_url("shop/code")
        );
        shop.house.write("apps.toml", &(apps + &pay));
        shop.house.write("gitlab", TOKEN);
        let config =
            std::fs::read_to_string(shop.house.path("naru.toml")).unwrap().replace("lang = 'en'", "lang = 'ko'");
        let outside = format!(
            "[gitlab]\nurl = '{0}'\ntoken = {{ file = 'gitlab' }}\n\
             [registry.'registry.test']\nurl = '{0}'\nuser = 'naru'\npassword = {{ file = 'gitlab' }}\n\
             [git.host.'127.0.0.1']\ntoken = {{ file = 'gitlab' }}\n",
            gitlab.url
        );
        shop.house.write("naru.toml", &(config + &outside));
        shop.start().await;
        Mall { shop, gitlab }
    }

    /// A commit on a branch of the code of `pay`, whose pipeline stands so.
    fn push(&self, branch: &str, pipeline: &str) -> String {
        let code = self.gitlab.project_of("shop/code");
        if code.head(branch).is_none() {
            code.branch(branch, "main");
        }
        let text = format!("{branch} {}", code.log(branch).len());
        let commit = code.commit(branch, &[("src", Some(text.as_bytes()))], "Change");
        self.gitlab.pipeline("shop/code", &commit, branch, pipeline);
        commit
    }

    /// Says a line that is refused, and holds that it is told so, in Korean, to whoever said it alone.
    async fn refused(&self, line: &str, expect: &[&str]) {
        let key = self.shop.slack.say(KIM, CHANNEL, line);
        let told = self.shop.told(&key).await;
        for part in expect {
            assert!(told.contains(part), "{line}: {part:?} is not in {told}");
        }
        let (detail, hint) = told.split_once('\n').unwrap_or_else(|| panic!("{line}: nothing says what to do: {told}"));
        for text in [detail, hint] {
            assert!(text.chars().any(|c| ('가'..='힣').contains(&c)), "{line}: {told}");
        }
        self.is_untouched(line).await;
    }

    /// Nothing was written, synced, locked or left to be done.
    async fn is_untouched(&self, after: &str) {
        let shop = &self.shop;
        let written = [&*self.gitlab.project_of("shop/charts"), &shop.platform.charts]
            .map(|charts| charts.log("main").into_iter().filter(|it| it.message.contains("Naru-Operation")).count());
        assert_eq!(written, [0, 0], "{after}: something was written");
        let syncs = shop.platform.argocd.ledger().into_iter().filter(|call| call.path.ends_with("/sync")).count();
        assert_eq!(syncs, 0, "{after}: something was synced");
        assert_eq!(shop.slack.messages(CHANNEL).len(), 0, "{after}: everybody was told");
        let key = shop.slack.say(KIM, CHANNEL, "/naru op list");
        assert_eq!(shop.told(&key).await, "진행 중인 작업이 없습니다", "{after}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_is_told_in_korean_and_leaves_nothing_half_done() {
    let mut mall = Mall::open().await;
    mall.refused("/naru deploy wbe", &["`wbe` 앱이 없습니다", "혹시 이 앱인가요? web"]).await;
    mall.refused("/naru deploy pya pay", &["`pya` 앱이 없습니다", "pay"]).await;
    mall.refused("/naru deploy web to moon", &["`moon` 환경이 없습니다", "production, staging"]).await;
    mall.refused("/naru deploy pay to production", &["pay", "production", "staging"]).await;
    mall.refused("/naru deploy web mian", &["`mian`이 없습니다", "main"]).await;
    mall.refused("/naru rollback web", &["이전 릴리스는 0개", "naru history web@staging"]).await;
    mall.refused("/naru unpin web", &["고정된 것이 없습니다", "naru who web"]).await;

    let failed = mall.push("feature/cart", "failed");
    mall.refused(
        "/naru deploy pay feature/cart",
        &["파이프라인이 실패했습니다", &failed[..12], "/-/pipelines/1", "다시 푸시"],
    )
    .await;
    let built = mall.push("fix", "success");
    mall.refused("/naru deploy pay fix", &[&format!("shop/pay:fix-{}` 이미지가 없습니다", &built[..8]), "파이프라인"])
        .await;

    let key = mall.shop.slack.say(LEE, CHANNEL, "/naru lock staging for 2h “주말 특가”");
    assert!(mall.shop.told(&key).await.contains("잠갔습니다"));
    mall.refused(
        "/naru deploy web",
        &["lee (U0LEE) 님이", "까지 `staging` 대상을 잠갔습니다: 주말 특가", "--break-glass"],
    )
    .await;
    mall.refused("/naru unlock staging", &["lee (U0LEE) 님이", "주말 특가", "관리자"]).await;
    let key = mall.shop.slack.say(LEE, CHANNEL, "/naru unlock staging");
    assert!(mall.shop.told(&key).await.contains("풀었습니다"));

    let deny = json!({ "kind": "deny", "schedule": "0 0 * * *", "duration": "25h", "applications": ["*"] });
    let windows = |windows: serde_json::Value| {
        mall.shop.platform.argocd.world(|world| {
            world.change_project("default", &json!({ "spec": { "syncWindows": windows } }));
        });
    };
    windows(json!([deny]));
    mall.refused("/naru deploy web", &["동기화하지 않는 시간입니다", "deny", "manualSync"]).await;
    windows(json!([]));

    mall.shop.platform.argocd.fault_at("GET /api/v1/applications/web-staging", Fault::TokenExpired);
    mall.refused("/naru deploy web", &["토큰을 받아들이지 않습니다", "argocd account generate-token"]).await;

    // Argo CD is down, however often it is asked.
    mall.shop.serve.take().unwrap().stop().await;
    let config = std::fs::read_to_string(mall.shop.house.path("naru.toml")).unwrap();
    let nowhere = format!("http://127.0.0.1:{}", naru_testkit::port::free());
    mall.shop.house.write("naru.toml", &config.replace(&mall.shop.platform.argocd.url(), &nowhere));
    mall.shop.start().await;
    mall.refused("/naru deploy web", &["연결할 수 없습니다", &nowhere, "바뀐 것은 없습니다"]).await;
    mall.shop.serve.take().unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_turns_out_on_the_way_is_told_by_the_card_in_korean() {
    let mut mall = Mall::open().await;
    let charts = mall.gitlab.project_of("shop/charts");
    let written = || charts.log("main").into_iter().filter(|it| it.message.contains("Naru-Operation")).count();

    // A pipeline that runs is waited for, and where it fails nothing was written.
    let commit = mall.push("feature/cart", "running");
    mall.shop.slack.say(KIM, CHANNEL, "/naru deploy pay feature/cart");
    mall.shop.card("the pipeline to be waited for", |look| look.contains("파이프라인이 진행 중입니다")).await;
    mall.gitlab.pipeline("shop/code", &commit, "feature/cart", "failed");
    let card = mall.shop.card("the pipeline to fail", |look| look.contains("파이프라인이 실패했습니다")).await;
    assert!(last_look(&card).contains("*실패*"), "{}", last_look(&card));
    assert_eq!(written(), 0);

    // A conflict in Git is nobody's trouble: what somebody else pushed meanwhile stays, and so does the deploy.
    let commit = mall.push("fix", "success");
    let tag = format!("fix-{}", &commit[..8]);
    mall.gitlab.push_image("shop/pay", &tag);
    let pushes = charts.hold_pushes();
    mall.shop.slack.say(KIM, CHANNEL, "/naru deploy pay fix");
    eventually("the push to be held", PATIENCE, async || (pushes.count() > 0).then_some(())).await;
    charts.commit("main", &[("pay/README", Some(b"ours"))], "Meanwhile");
    drop(pushes);
    let card = mall
        .shop
        .card("the deploy to be done", |look| look.contains("2단계 중 2단계 완료") && look.contains(&tag))
        .await;
    assert!(last_look(&card).contains("*완료* 2"), "{}", last_look(&card));
    assert_eq!((written(), charts.file("main", "pay/README").is_some()), (1, true));

    // A branch that people guard is changed by a merge request, and the card says who is waited for.
    charts.protect("main");
    let commit = mall.push("fix", "success");
    let tag = format!("fix-{}", &commit[..8]);
    mall.gitlab.push_image("shop/pay", &tag);
    mall.shop.slack.say(KIM, CHANNEL, "/naru deploy pay fix");
    let card = mall.shop.card("the merge request", |look| look.contains("사람을 기다립니다")).await;
    assert!(
        last_look(&card).contains("병합 요청 !1") && last_look(&card).contains("/-/merge_requests/1"),
        "{}",
        last_look(&card)
    );
    assert_eq!(written(), 1);
    mall.gitlab.merge("shop/charts", 1);
    mall.shop.card("the deploy to be done", |look| look.contains("2단계 중 2단계 완료") && look.contains(&tag)).await;
    mall.shop.serve.take().unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_acknowledged_before_it_is_planned() {
    let mut mall = Mall::open().await;
    mall.shop.platform.argocd.fault_at("GET /api/v1/applications/web-staging", Fault::Hold);
    let key = mall.shop.slack.say(KIM, CHANNEL, "/naru deploy web");
    eventually("the acknowledgement", PATIENCE, async || (!mall.shop.slack.acks_of(&key).is_empty()).then_some(()))
        .await;
    assert_eq!(mall.shop.slack.messages(CHANNEL).len(), 0, "it was acknowledged only when it was planned");
    let is_held = || mall.shop.platform.argocd.ledger().iter().any(|call| call.fault == Some(Fault::Hold));
    eventually("the look to be held", PATIENCE, async || is_held().then_some(())).await;
    mall.shop.platform.argocd.release();
    mall.shop.card("the deploy to be done", |look| look.contains("2단계 중 2단계 완료")).await;

    // What was deployed is told, and going on in spite of a lock is recorded.
    let key = mall.shop.slack.say(KIM, CHANNEL, "/naru history web");
    let told = mall.shop.told(&key).await;
    assert!(told.contains("web → staging (main)") && told.contains("kim (U0KIM)"), "{told}");
    let key = mall.shop.slack.say(LEE, CHANNEL, "/naru lock all for 1h 점검");
    assert!(mall.shop.told(&key).await.contains("`all` 대상을"));
    mall.shop.platform.code.commit("main", &[("src", Some(b"2"))], "Change");
    let key = mall.shop.slack.say(KIM, CHANNEL, "/naru deploy web");
    assert!(mall.shop.told(&key).await.contains("`all` 대상을 잠갔습니다: 점검"));
    let key = mall.shop.slack.say(KIM, CHANNEL, "/naru deploy web --plan");
    let told = mall.shop.told(&key).await;
    assert!(
        told.contains("web/.argocd-source-web-staging.yaml") && told.contains(&mall.shop.platform.tag("main")),
        "{told}"
    );
    mall.shop.slack.say(KIM, CHANNEL, "/naru deploy web --break-glass “결제 장애”");
    eventually("the second deploy", PATIENCE, async || {
        (mall.shop.platform.image("staging") == format!("shop/web:{}", mall.shop.platform.tag("main"))).then_some(())
    })
    .await;
    let record = mall.shop.house.done(&["op", "record", "--limit", "100", "--json"]);
    assert!(record.contains("broke-glass") && record.contains("결제 장애"), "{record}");
    mall.shop.serve.take().unwrap().stop().await;
}
