//! Every page and part of this crate, served to be looked at: `cargo run -p naru-web --example pages -- 127.0.0.1:7071`.
//!
//! For whoever changes the stylesheet. The figures are made up; `/` moves by itself, to see a live page.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use futures_util::{Stream, StreamExt};
use maud::html;
use naru_core::clock::SystemClock;
use naru_core::failure::{Failure, Kind};
use naru_core::lifecycle::Lifecycle;
use naru_core::text::{Catalog, Texts};
use naru_store::Store;
use naru_store::open::{Access, StoreConfig};
use naru_web::failed::Failed;
use naru_web::front::Door;
use naru_web::live::Patch;
use naru_web::page::chart::{Slice, account, progress, stacked};
use naru_web::page::part::{Look, Tone, badge, button, empty, fields, heading, notice, section};
use naru_web::page::{Markup, Reader, moment};
use naru_web::role::Role;
use naru_web::state::{MenuItem, Parts, Web};
use naru_web::visit::{Resume, SignedIn, Visit};
use naru_web::{link, schema};

const TEXTS: Catalog = Catalog {
    name: "pages",
    en: "menu-parts = Parts\nmenu-empty = Empty\nmenu-fault = Fault\nmenu-bug = Our fault\n\
         file-column-missing = The file has no column for { $name }\n    .hint = Add `--map { $name }=COLUMN`\n",
    ko: "menu-parts = 부품\nmenu-empty = 빈 목록\nmenu-fault = 실패\nmenu-bug = naru의 잘못\n\
         file-column-missing = 파일에 { $name } 열이 없습니다\n    .hint = `--map { $name }=열이름`을 붙이세요\n",
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address: SocketAddr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7071".to_owned()).parse()?;
    let folder = naru_testkit::temp_dir();
    let (clock, lifecycle) = (SystemClock::shared(), Lifecycle::default());
    let store = Store::open(&StoreConfig::default(), folder.path(), Access::Write, &lifecycle).await?;
    store.migrate(&[(schema::NAME, schema::SCHEMA)], clock.now_ms()).await?;
    let item = |text, href| MenuItem { text, href, role: Role::View };
    let menu = vec![
        item("menu-parts", "/"),
        item("menu-empty", "/empty"),
        item("menu-fault", "/fault"),
        item("menu-bug", "/bug"),
    ];
    let texts = Arc::new(Texts::new(&[naru_core::TEXTS, naru_store::TEXTS, naru_web::TEXTS, TEXTS])?);
    let path = link::first_link(&store, clock.now_ms()).await?.unwrap_or_default();
    let web = Web::new(Parts { store, clock, lifecycle: lifecycle.clone(), texts, menu });
    let rooms = Router::new()
        .route("/", get(parts))
        .route("/live", get(live))
        .route("/empty", get(nothing))
        .route("/fault", get(fault))
        .route("/bug", get(|| async { Failed(Failure::bug("an example of one")) }));
    println!("http://{address}{path}");
    let listener = tokio::net::TcpListener::bind(address).await?;
    let service = web.front(Door::Network, rooms).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).await?;
    Ok(())
}

const TOTAL: u64 = 1_000_000;

async fn parts(visit: Visit, SignedIn(_): SignedIn) -> Markup {
    let reader = &visit.reader;
    let actions = html! {
        (button("/fault", "일시 정지", Look::Plain))
        (button("/fault", "취소", Look::Danger))
    };
    let body = html! {
        (heading("11월 기획전 안내", actions))
        div data-live="/live" {
            div.columns {
                (section("진행", html! { div #progress { (progress(reader, "발송", TOTAL / 5, TOTAL)) } }))
                (section("캠페인", fields(&[
                    ("상태".to_owned(), badge(Tone::Going, "발송 중")),
                    ("채널".to_owned(), html! { "alimtalk → sms" }),
                    ("시작".to_owned(), moment::at(reader.now - 3_600_000)),
                    ("마지막 발송".to_owned(), moment::ago(reader, reader.now - 90_000)),
                ])))
            }
        }
        (section("결과", html! { div #outcomes { (outcomes(reader, TOTAL / 5)) } }))
        (notice(Tone::Warn, "알 수 없는 결과가 12건 있습니다. `naru message show ID`로 확인하세요"))
        div.actions { @for tone in TONES { (badge(tone, tone.class())) } }
    };
    visit.page("11월 기획전 안내", body)
}

const TONES: [Tone; 8] =
    [Tone::Idle, Tone::Going, Tone::Good, Tone::Bad, Tone::Warn, Tone::Held, Tone::Ended, Tone::Doubt];

fn outcomes(reader: &Reader, done: u64) -> Markup {
    let labels = ["대기", "발송", "도착", "실패", "만료", "제외", "취소", "알 수 없음"];
    let counts = [TOTAL - done, done * 30 / 100, done - done * 30 / 100 - 13_612, 8_200, 1_400, 4_000, 0, 12];
    let slice = |((label, count), tone): ((&str, u64), Tone)| Slice { label: label.to_owned(), count, tone };
    let slices: Vec<Slice> = labels.into_iter().zip(counts).zip(TONES).map(slice).collect();
    html! { (stacked(reader, "결과", &slices)) (account(reader, "접수", TOTAL, &slices)) }
}

async fn live(visit: Visit, SignedIn(_): SignedIn, Resume(seen): Resume) -> Result<Response, Failed> {
    Ok(visit.web().live(patches(visit.reader.clone(), seen.unwrap_or(TOTAL / 5)))?)
}

fn patches(reader: Reader, seen: u64) -> impl Stream<Item = Patch> + Send {
    let ticks = tokio_stream::wrappers::IntervalStream::new(tokio::time::interval(Duration::from_millis(300)));
    ticks.scan(seen, move |done, _| {
        *done = (*done + 1_731).min(TOTAL);
        let parts = vec![("progress", progress(&reader, "발송", *done, TOTAL)), ("outcomes", outcomes(&reader, *done))];
        std::future::ready(Some(Patch { id: *done, parts }))
    })
}

async fn nothing(visit: Visit, SignedIn(_): SignedIn) -> Markup {
    let body = html! {
        (heading("캠페인", html! {}))
        (empty("아직 캠페인이 없습니다", "`naru send --template ID --to 파일`로 첫 캠페인을 보내세요"))
    };
    visit.page("캠페인", body)
}

async fn fault() -> Failed {
    let cause = "열: 휴대폰번호, 고객번호, 이름";
    Failed(Failure::new(Kind::Refused, "file-column-missing").arg("name", "상품").cause_text(cause))
}
