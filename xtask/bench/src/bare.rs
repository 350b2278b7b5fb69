//! What the API is held against: an axum handler that parses the same JSON and stores nothing, and one that does not
//! even read, which shows what the generator alone can do.

use std::collections::BTreeMap;
use std::process::Command;

use axum::http::StatusCode;
use axum::routing::post;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::Result;
use crate::cases::Bench;
use crate::process::Process;

/// A message as an ordinary program would read it.
#[derive(Deserialize)]
struct Item {
    template: String,
    to: String,
    customer: Option<String>,
    variables: BTreeMap<String, String>,
}

/// Serves the handler until it is killed.
pub async fn serve() -> Result<()> {
    let handler = async |Json(item): Json<Item>| {
        let bytes = item.template.len() + item.to.len() + item.customer.map_or(0, |it| it.len()) + item.variables.len();
        (StatusCode::ACCEPTED, Json(json!({ "id": format!("{bytes:032x}-0") })))
    };
    let receipts = async |Json(call): Json<Value>| match call["receipts"].as_array() {
        Some(_) => StatusCode::OK,
        None => StatusCode::BAD_REQUEST,
    };
    let router = Router::new().route("/v1/messages", post(handler)).route("/v1/receipts/bench", post(receipts));
    let listener = listen().await?.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, router).await.map_err(|e| e.to_string())
}

/// Answers every request that ends with a brace until it is killed.
pub async fn serve_canned() -> Result<()> {
    const ANSWER: &[u8] = b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}";
    let listener = listen().await?;
    let mut connections = JoinSet::new();
    loop {
        let (mut stream, _) = listener.accept().await.map_err(|e| e.to_string())?;
        connections.spawn(async move {
            let _ = stream.set_nodelay(true);
            let mut buffer = vec![0; 64 * 1024];
            // A request of one kilobyte comes in one piece or two; both end as JSON ends.
            while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                if buffer[read - 1] == b'}' && stream.write_all(ANSWER).await.is_err() {
                    break;
                }
            }
        });
    }
}

async fn listen() -> Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|e| e.to_string())?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    println!("listens at {address} ");
    Ok(listener)
}

/// Starts one of these roles of this program, and returns it with its address.
pub async fn start(bench: &Bench, role: &str) -> Result<(Process, std::net::SocketAddr)> {
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut command = Command::new(own);
    command.arg(role);
    let mut process = Process::start(command, bench.folder(), role)?;
    let address =
        process.says("where it listens", |text| text.split_once("listens at ")?.1.split_once(' ')?.0.parse().ok());
    let address = address.await?;
    Ok((process, address))
}
