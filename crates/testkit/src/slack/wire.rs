//! Socket Mode: <https://docs.slack.dev/apis/events-api/using-socket-mode>.

use std::future::pending;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use crate::slack::book::Link;
use crate::slack::{Desk, Slack};

/// What a socket is told to do.
pub enum Order {
    Text(String),
    Close,
    Cut,
    Freeze,
}

impl Slack {
    /// Renews every open socket as Slack does: a warning, and once others have opened, the end. Completes after it.
    pub async fn refresh(&self) {
        let old = self.numbers();
        self.order(&old, || Order::Text(disconnect("warning")));
        self.desk.until(|book| book.links.iter().any(|link| old.iter().all(|number| link.number > *number))).await;
        self.order(&old, || Order::Text(disconnect("refresh_requested")));
        self.order(&old, || Order::Close);
        self.desk.until(|book| !book.links.iter().any(|link| old.contains(&link.number))).await;
    }

    /// Renews every open socket without a warning: says so and closes.
    pub fn refresh_at_once(&self) {
        let old = self.numbers();
        self.order(&old, || Order::Text(disconnect("refresh_requested")));
        self.order(&old, || Order::Close);
    }

    /// Cuts every open connection.
    pub fn cut(&self) {
        self.order(&self.numbers(), || Order::Cut);
    }

    /// Makes every open socket deaf and dumb without closing it, as a firewall that has forgotten it.
    pub fn freeze(&self) {
        let numbers = self.numbers();
        for link in &mut self.desk.book().links {
            link.is_frozen = true;
        }
        self.order(&numbers, || Order::Freeze);
    }

    /// Delivers everything that was said so far once more, whether it was acknowledged or not.
    pub fn repeat(&self) {
        let mut book = self.desk.book();
        for index in 0..book.envelopes.len() {
            book.deliver(index);
        }
    }

    fn numbers(&self) -> Vec<u64> {
        self.desk.book().links.iter().map(|link| link.number).collect()
    }

    fn order(&self, numbers: &[u64], order: impl Fn() -> Order) {
        for link in self.desk.book().links.iter().filter(|link| numbers.contains(&link.number)) {
            // One that has just gone needs no orders.
            let _ = link.orders.send(order());
        }
    }
}

fn disconnect(reason: &str) -> String {
    json!({ "type": "disconnect", "reason": reason, "debug_info": { "host": "stand-in" } }).to_string()
}

pub async fn serve(listener: TcpListener, desk: Arc<Desk>) {
    let mut sockets = JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        sockets.spawn(socket(tcp, desk.clone()));
        while sockets.try_join_next().is_some() {}
    }
}

#[expect(clippy::result_large_err, reason = "the library's own type")]
async fn socket(tcp: TcpStream, desk: Arc<Desk>) {
    let check = |request: &Request, response: Response| {
        let ticket = request.uri().query().and_then(|query| query.strip_prefix("ticket=")).unwrap_or_default();
        match desk.book().tickets.remove(ticket) {
            true => Ok(response),
            false => Err(ErrorResponse::new(None)),
        }
    };
    let Ok(mut stream) = accept_hdr_async(tcp, check).await else { return };
    if desk.book().sockets_off {
        return drop(stream.send(Message::text(disconnect("link_disabled"))).await);
    }
    let (orders, ordered) = unbounded_channel();
    let number = {
        let mut book = desk.book();
        let number = book.next();
        // Before anything else that the socket brings.
        let hello = json!({ "type": "hello", "num_connections": book.links.len() + 1, "connection_info": {} });
        orders.send(Order::Text(hello.to_string())).expect("the other end is here");
        let open = book.links.len();
        book.hellos.push(open);
        book.links.push(Link { number, orders, is_frozen: false });
        book.deliver_again();
        number
    };
    desk.changed.notify_waiters();
    talk(&mut stream, ordered, &desk).await;
    {
        let mut book = desk.book();
        book.links.retain(|link| link.number != number);
        book.deliver_again();
    }
    desk.changed.notify_waiters();
}

/// Until either end closes it.
async fn talk(stream: &mut WebSocketStream<TcpStream>, mut orders: UnboundedReceiver<Order>, desk: &Desk) {
    loop {
        tokio::select! {
            // What was ordered first goes first, whatever comes in.
            biased;
            Some(order) = orders.recv() => match order {
                Order::Text(text) => if stream.send(Message::text(text)).await.is_err() { return },
                // Slack does not wait for the other end's close.
                Order::Close => return drop(stream.close(None).await),
                Order::Cut => return,
                Order::Freeze => gone(stream).await,
            },
            frame = stream.next() => match frame {
                Some(Ok(Message::Text(text))) => {
                    desk.book().acknowledge(&text);
                    desk.changed.notify_waiters();
                }
                Some(Ok(Message::Ping(_))) => desk.book().pings += 1,
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
        }
    }
}

/// Holds the connection and does nothing with it, for as long as the stand-in lives.
async fn gone(_stream: &mut WebSocketStream<TcpStream>) {
    pending().await
}
