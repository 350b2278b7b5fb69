//! A campaign from an uploaded file: taken in and looked at before anything leaves, with what is refused told.

use naru_testkit::wait::{PATIENCE, eventually};
use sqlx::{Connection, SqliteConnection};

use crate::browser::{Browser, EVIL, Page};
use crate::campaign::Vendor;
use crate::house::House;

const NEW: &str = "/campaigns/-new";
const FILE: &str = "휴대폰,name,order\r\n010-2000-0001,김민수,A-1\r\n010-2000-0002,이서연,A-2\r\n전화,박지훈,A-3\r\n";

/// A house with a template, whose lane has a price.
fn house() -> House {
    let house = House::new();
    let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
    let priced = "[dispatch.lane.sandbox]\nprice_krw = 8.4";
    assert!(config.contains("[dispatch.lane.sandbox]"), "{config}");
    house.write("naru.toml", &config.replace("[dispatch.lane.sandbox]", priced));
    house.done(&["template", "push", "templates"]);
    house
}

/// The page of a campaign once it shows `text`.
async fn shows(browser: &Browser, path: &str, text: &str) -> Page {
    eventually(text, PATIENCE, async || {
        let page = browser.get(path).await;
        page.html.contains(text).then_some(page)
    })
    .await
}

#[tokio::test]
async fn a_file_is_looked_at_before_it_is_sent() {
    let house = house();
    let vendor = Vendor::start(&house, &[]).await;
    let serve = house.serve().await;
    let browser = Browser::of(&house, &serve, "marketer", "operate").await;
    browser.get("/campaigns").await.shows(NEW);
    browser.get(NEW).await.shows("<option value=\"shipped\">").shows("multipart/form-data");

    let typed = [("template", "shipped"), ("name", "가을 세일"), ("maps", "")];
    let taken = browser.upload(NEW, &typed, "가을.csv", FILE.as_bytes()).await;
    assert_eq!(taken.status, 303, "{}", taken.html);
    let page = shows(&browser, &taken.location, "Before it is sent").await;
    page.shows("waits for a word").shows("About ₩17, at ₩8.4 a message").shows("010-****-0001").shows("of 90 bytes");
    page.hides("김민수").hides("01020000001").shows("rejected.csv").shows("전***").shows("value=\"\"");
    browser.in_korean().get(&taken.location).await.shows("보내기 전 확인").shows("약 ₩17");
    let rejected = browser.get(&format!("{}/rejected.csv", taken.location)).await;
    rejected.shows("address-bad").shows("전화,박지훈,A-3");
    assert!(vendor.entries().await.is_empty(), "nothing leaves before a word");

    // The same again is told, and leads to what there is.
    let again = browser.upload(NEW, &typed, "가을.csv", FILE.as_bytes()).await;
    assert_eq!(again.status, 409);
    again.shows("was taken in before").shows(&taken.location).shows("value=\"가을 세일\"");

    assert_eq!(browser.post(&format!("{}/start", taken.location), &[]).await.status, 303);
    shows(&browser, &taken.location, ">done<").await;
    assert_eq!(vendor.entries().await.len(), 2);

    // What was mended is sent alone: the refused rows' own file.
    let mended = rejected.html.replace("전화,", "010-2000-0003,");
    let typed = [("template", "shipped"), ("name", "가을 세일 2"), ("maps", "")];
    let taken = browser.upload(NEW, &typed, "rejected.csv", mended.as_bytes()).await;
    shows(&browser, &taken.location, "Before it is sent").await;
    assert_eq!(browser.post(&format!("{}/discard", taken.location), &[]).await.status, 303);
    shows(&browser, &taken.location, ">cancelled<").await;
    assert_eq!(vendor.entries().await.len(), 2);
    serve.stop().await;
}

#[tokio::test]
async fn what_cannot_be_taken_in_is_told_and_what_was_typed_is_kept() {
    let house = house();
    let serve = house.serve().await;
    let browser = Browser::of(&house, &serve, "marketer", "send").await;
    let check = async |typed: [&str; 3], file: (&str, &[u8]), status: u16, why: &str| {
        let [template, name, maps] = typed;
        let fields = [("template", template), ("name", name), ("maps", maps)];
        let page = browser.upload(NEW, &fields, file.0, file.1).await;
        assert_eq!(page.status, status, "{why}: {}", page.html);
        page.shows(why).is_harmless();
        page.hides("/spool/");
        let escaped = name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
        page.shows(&format!("value=\"{escaped}\""));
    };
    let good = ("a.csv", FILE.as_bytes());
    check(["shipped", "n", ""], ("", b""), 422, "No file was chosen").await;
    check(["none", "n", ""], good, 404, "none").await;
    check(["shipped", &"긴".repeat(101), ""], good, 400, "1 to 100 characters").await;
    check(["shipped", "n", "to=없음"], good, 422, "없음").await;
    check(["shipped", "n", "--map size=휴대폰"], good, 400, "size").await;
    check(["shipped", "n", ""], ("b.csv", b"name,order\r\nx,y\r\n"), 422, "--map to=").await;
    check(["shipped", "n", ""], ("c.xls", b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1 old"), 422, "c.xls").await;
    check(["shipped", "n", ""], ("picture.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), 422, "picture.csv").await;
    check(["shipped", "n", ""], ("d.csv", b""), 422, "d.csv").await;
    check([EVIL, EVIL, EVIL], (EVIL, FILE.as_bytes()), 404, "template").await;
    let broken = browser.send_raw(NEW, "multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form").await;
    assert_eq!(broken.status, 422);
    browser.get("/campaigns").await.shows("No campaign yet");

    // Whoever may send says when what waits begins, and steers nothing that leaves.
    let fields = [("template", "shipped"), ("name", "n")];
    let taken = browser.upload(NEW, &fields, "a.csv", FILE.as_bytes()).await;
    shows(&browser, &taken.location, "Before it is sent").await.shows("/discard");
    assert_eq!(browser.post(&format!("{}/start", taken.location), &[]).await.status, 303);
    browser.get(&taken.location).await.hides("/pause");
    assert_eq!(browser.post(&format!("{}/pause", taken.location), &[]).await.status, 403);
    assert_eq!(browser.post(&format!("{}/cancel", taken.location), &[]).await.status, 403);

    let viewer = Browser::of(&house, &serve, "viewer", "view").await;
    assert_eq!(viewer.get(NEW).await.status, 403);
    assert_eq!(viewer.upload(NEW, &[("template", "shipped")], "a.csv", FILE.as_bytes()).await.status, 403);
    viewer.get("/campaigns").await.hides(NEW);
    serve.stop().await;
}

#[tokio::test]
async fn a_file_that_nobody_reads_any_more_goes_on_with_the_same_again() {
    let house = house();
    let serve = house.serve().await;
    let browser = Browser::of(&house, &serve, "marketer", "operate").await;
    let typed = [("template", "shipped"), ("name", "가을"), ("maps", "")];
    let taken = browser.upload(NEW, &typed, "가을.csv", FILE.as_bytes()).await;
    shows(&browser, &taken.location, "Before it is sent").await;
    serve.stop().await;

    // As a kill leaves it between two commits.
    let url = format!("sqlite://{}", house.path("naru-data/naru.db").display());
    let mut conn = SqliteConnection::connect(&url).await.unwrap();
    let undo = "UPDATE dispatch_import SET state = 'running', expires_at = 0, lines = 2, accepted = 1, refused = 0, summary = '';
                DELETE FROM dispatch_side; DELETE FROM dispatch_frame; DELETE FROM dispatch_find";
    sqlx::raw_sql(undo).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();

    let serve = house.serve().await;
    let browser = Browser::of(&house, &serve, "again", "operate").await;
    let page = browser.get(&taken.location).await;
    page.shows("Nobody reads its file any more").shows("up to line 2").shows("가을");
    let again = browser.upload(NEW, &typed, "가을.csv", FILE.as_bytes()).await;
    assert_eq!((again.status, &again.location), (303, &taken.location));
    let page = shows(&browser, &taken.location, "Before it is sent").await;
    page.hides("Nobody reads").shows("One row of its file is not sent");
    serve.stop().await;
}

#[tokio::test]
async fn two_who_pause_at_once_both_have_it_paused() {
    let house = house();
    let serve = house.serve().await;
    let one = Browser::of(&house, &serve, "one", "operate").await;
    let other = Browser::of(&house, &serve, "other", "operate").await;
    let taken = one.upload(NEW, &[("template", "shipped"), ("name", "n")], "a.csv", FILE.as_bytes()).await;
    shows(&one, &taken.location, "Before it is sent").await;
    assert_eq!(one.post(&format!("{}/start", taken.location), &[]).await.status, 303);
    let pause = format!("{}/pause", taken.location);
    let (first, second) = tokio::join!(one.post(&pause, &[]), other.post(&pause, &[]));
    assert_eq!((first.status, second.status), (303, 303));
    one.get(&taken.location).await.shows(">paused<");
    let resume = format!("{}/resume", taken.location);
    let (first, second) = tokio::join!(one.post(&resume, &[]), other.post(&resume, &[]));
    assert_eq!((first.status, second.status), (303, 303));
    one.get(&taken.location).await.shows(">running<");
    serve.stop().await;
}

#[tokio::test]
async fn why_messages_did_not_go_is_told_in_words() {
    let house = house();
    let serve = house.serve().await;
    let browser = Browser::of(&house, &serve, "marketer", "operate").await;
    let fields = [("template", "sale"), ("name", "가을")];
    let taken = browser.upload(NEW, &fields, "a.csv", FILE.as_bytes()).await;
    shows(&browser, &taken.location, "Before it is sent").await.hides("no-consent");
    assert_eq!(browser.post(&format!("{}/start", taken.location), &[]).await.status, 303);
    let page = shows(&browser, &taken.location, "The receiver did not agree to advertisements").await;
    page.shows("<code>no-consent</code>").shows("<td class=\"number\">2</td>");
    browser.in_korean().get(&taken.location).await.shows("광고 수신에 동의하지 않았습니다");
    serve.stop().await;
}

#[tokio::test]
async fn a_file_of_more_than_2_gib_is_refused_and_leaves_nothing() {
    let house = house();
    let serve = house.serve().await;
    let browser = Browser::of(&house, &serve, "marketer", "send").await;
    let field =
        |name: &str, value: &str| format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let file = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n";
    let head = [&field("template", "shipped"), &field("name", "the sale"), file].concat();
    let page = browser.upload_long(NEW, &head, (2 << 30) + (1 << 20)).await;
    assert_eq!(page.status, 413, "{}", page.html);
    page.shows("2 GiB").shows("value=\"the sale\"");
    let left = std::fs::read_dir(house.path("naru-data/spool")).map(Iterator::count);
    assert_eq!(left.unwrap_or_default(), 0);
    // What is long and not too long arrives, however fast it comes.
    let page = browser.upload_long(NEW, &format!("{head}to\n"), 64 << 20).await;
    assert_eq!(page.status, 422, "{}", page.html);
    page.hides("no file has begun");
    // A head without an end would be kept in memory to the last byte of it.
    let page = browser.upload_long(NEW, "--x\r\nContent-Disposition: form-data; name=", 16 << 20).await;
    assert_eq!(page.status, 422, "{}", page.html);
    page.shows("no file has begun");
    serve.stop().await;
}
