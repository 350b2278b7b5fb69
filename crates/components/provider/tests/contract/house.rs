//! The room as the binary builds it, and messages to send with it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use naru_component::Component;
use naru_component::ctx::{Ctx, Parts};
use naru_core::clock::SystemClock;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_core::lifecycle::Lifecycle;
use naru_core::masked::Address;
use naru_core::metric::Metrics;
use naru_core::text::Texts;
use naru_dispatch::config::LaneConfig;
use naru_dispatch::message::MessageId;
use naru_dispatch::provider::{Answer, Outgoing, Provider, Providers, Request};
use naru_job::gate::Gate;
use naru_job::instance::Instance;
use naru_provider::Config;
use naru_store::Store;
use naru_store::open::{Access, StoreConfig};
use naru_testkit::wait::PATIENCE;
use naru_web::front::Door;
use naru_web::state::Web;
use serde_json::Value;

/// The component, built in a folder of its own. Dropping it stops what was started with its lifecycle.
pub struct House {
    pub ctx: Ctx,
    component: Component,
    pub folder: tempfile::TempDir,
}

impl House {
    pub async fn build(config: Config) -> House {
        let folder = naru_testkit::temp_dir();
        let lifecycle = Lifecycle::default();
        let store = Store::open(&StoreConfig::default(), folder.path(), Access::Write, &lifecycle).await.unwrap();
        let ctx = Ctx::new(Parts {
            store,
            clock: SystemClock::shared(),
            lifecycle,
            metrics: Metrics::default(),
            instance: Instance::named("test"),
            gate: Gate::default(),
            data_dir: folder.path().to_owned(),
            config_dir: folder.path().to_owned(),
        });
        let catalogs = [naru_core::TEXTS, naru_store::TEXTS, naru_web::TEXTS, naru_provider::TEXTS];
        ctx.set_texts(Arc::new(Texts::new(&catalogs).unwrap()));
        let component = naru_provider::component(config, &ctx);
        House { ctx, component, folder }
    }

    /// The provider of a lane called `test` with these keys.
    pub fn provider(&self, keys: &Value) -> Result<Arc<dyn Provider>, Failure> {
        self.ctx.find::<dyn Providers>().unwrap().provider("test", &lane(keys))
    }

    /// Serves the room's routes behind the real front, and tells where.
    pub async fn serve(&self) -> String {
        let parts = naru_web::state::Parts {
            store: self.ctx.store().clone(),
            clock: self.ctx.clock().clone(),
            lifecycle: self.ctx.lifecycle().clone(),
            texts: self.ctx.texts().unwrap(),
            menu: Vec::new(),
        };
        let routes = self.component.routes.clone().with_state(self.ctx.clone());
        let front = Web::new(parts).front(Door::Network, routes);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let service = front.into_make_service_with_connect_info::<SocketAddr>();
        self.ctx.lifecycle().spawn("front", async move { axum::serve(listener, service).await });
        address
    }

    /// Puts a secret (or any text) into a file of the house, and returns the file's name.
    pub fn file(&self, name: &str, text: &str) -> String {
        std::fs::write(self.folder.path().join(name), text).unwrap();
        name.to_owned()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.ctx.lifecycle().stop();
    }
}

/// `[dispatch.lane.test]` with these keys.
pub fn lane(keys: &Value) -> LaneConfig {
    serde_json::from_value(keys.clone()).unwrap()
}

/// Messages of one new frame to `addresses`.
pub fn messages(ctx: &Ctx, addresses: impl IntoIterator<Item = Address>) -> Vec<Outgoing> {
    let frame = Id::new(ctx.clock().now_ms());
    let message = |(slot, to)| Outgoing {
        id: MessageId { frame, slot: slot as u16 },
        to,
        subject: Some("출고 안내".to_owned()),
        text: "안녕하세요, \"민수\"님.\n주문하신 상품이 출고되었습니다.".to_owned(),
    };
    addresses.into_iter().enumerate().map(message).collect()
}

/// Sends `messages` under `key` and waits as long as it takes.
pub async fn send(provider: &dyn Provider, key: &str, messages: &[Outgoing]) -> Answer {
    send_within(PATIENCE, provider, key, messages).await
}

/// Sends `messages` under `key` and waits for `timeout`.
pub async fn send_within(timeout: Duration, provider: &dyn Provider, key: &str, messages: &[Outgoing]) -> Answer {
    provider.send(Request { key: key.to_owned(), messages: messages.to_vec(), timeout }).await
}

/// Makes one HTTP request by hand and returns status and body.
pub async fn http(address: &str, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    // HTTP/1.0: the answer ends where the connection does.
    let head =
        format!("{method} {path} HTTP/1.0\r\nhost: {address}\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    stream.write_all((head + body).as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}
