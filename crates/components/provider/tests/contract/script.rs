//! Servers that play a script: what no healthy vendor says, and hang-ups at any point of a conversation.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use naru_core::lifecycle::Lifecycle;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// An HTTP server that answers each request with the next text, and then hangs up on that connection if told so.
pub struct HttpScript {
    address: String,
    pub connections: Arc<AtomicUsize>,
}

impl HttpScript {
    pub async fn play(answers: impl IntoIterator<Item = String>, hang_up: bool) -> HttpScript {
        let answers = Arc::new(Mutex::new(answers.into_iter().collect::<VecDeque<_>>()));
        let (address, connections) = serve(move |stream| {
            let answers = answers.clone();
            async move {
                let mut stream = BufReader::new(stream);
                while read_request(&mut stream).await.is_some() {
                    let next = answers.lock().unwrap().pop_front().expect("the script has an answer");
                    let _ = stream.write_all(next.as_bytes()).await;
                    if hang_up {
                        return;
                    }
                }
            }
        })
        .await;
        HttpScript { address, connections }
    }

    pub fn config(&self) -> Value {
        json!({ "provider": "sandbox", "channel": "sms", "url": format!("http://{}/vendor/", self.address) })
    }
}

/// Listens on a free port and gives each connection to `talk`; tells where, and how many there were.
pub async fn serve<F: Future<Output = ()> + Send + 'static>(
    talk: impl Fn(TcpStream) -> F + Send + 'static,
) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = connections.clone();
    Lifecycle::default().spawn("script", async move {
        while let Ok((stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::Relaxed);
            Lifecycle::default().spawn("script connection", talk(stream));
        }
    });
    (address, connections)
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> Option<()> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    stream.read_exact(&mut vec![0; length]).await.ok()?;
    Some(())
}

/// What a mail server does at one point of the conversation; at all others it does what it should.
#[derive(Clone, Copy, Debug)]
pub enum Does {
    Reply(u16),
    HangUp,
    Nothing,
}

pub async fn mail_talk(stream: TcpStream, point: &'static str, does: Does) {
    let mut stream = BufReader::new(stream);
    let mut command = "CONNECT".to_owned();
    loop {
        let expected = match command.as_str() {
            "CONNECT" => 220,
            "DATA" => 354,
            _ => 250,
        };
        let code = match does {
            Does::Reply(code) if command == point => code,
            Does::HangUp if command == point => return,
            Does::Nothing if command == point => {
                let _ = stream.read_to_end(&mut Vec::new()).await;
                return;
            }
            _ => expected,
        };
        if stream.write_all(format!("{code} so be it\r\n").as_bytes()).await.is_err() || code == 421 {
            return;
        }
        let in_data = command == "DATA" && code == 354;
        command.clear();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            let word = line.trim_end().split([' ', ':']).next().unwrap();
            if !in_data || line == ".\r\n" {
                command.push_str(word);
                break;
            }
        }
    }
}

/// An HTTP answer with its length.
pub fn reply(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// The keys of a lane to the mail server at `address`.
pub fn mail_config(address: &str) -> Value {
    json!({ "provider": "smtp", "channel": "email", "url": format!("smtp://{address}"), "from": "a@b.kr" })
}
