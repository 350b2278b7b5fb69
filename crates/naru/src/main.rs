//! naru: carries a shop's messages and runs its platform.
//!
//! This crate is the door of the house. It reads the configuration, builds the rooms, and lets their words be said in
//! the terminal ([`cli`], [`client`]) and over HTTP ([`http`], [`serve`]). A word is one function wherever it is said:
//! here its arguments are only parsed, and its answer ([`render`]) or failure ([`report`]) only drawn.
//!
//! Must never know: what a word means, what a table holds, what a provider is. A change must keep this: removing a
//! room is removing its word in [`components`], its folder and its dependency line.

mod cli;
mod client;
mod components;
mod config;
mod demo;
mod doctor;
mod engines;
mod environment;
mod follow;
mod house;
mod http;
mod init;
mod kernel;
mod log;
mod render;
mod report;
mod run;
mod sandbox;
mod serve;
mod signal;
mod slack;
mod table;
mod terminal;
mod wire;
mod wrap;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use naru_core::failure::Kind;

/// A quarter of what a stored API call costs went into the C library's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // One TLS backend for everything that dials out. An error only says that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut args = std::env::args_os().skip(1);
    let is_guard = args.next().is_some_and(|word| word == wrap::guard::WORD);
    // A guard waits for one process and shall weigh nothing.
    let runtime = match is_guard {
        true => tokio::runtime::Builder::new_current_thread().enable_all().build(),
        false => tokio::runtime::Runtime::new(),
    };
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("error: could not start threads: {e}");
            return ExitCode::FAILURE;
        }
    };
    if is_guard {
        return ExitCode::from(runtime.block_on(wrap::guard::guard(args)));
    }
    // A panic has printed itself by now; it ends as any other bug of ours does.
    let code = catch_unwind(AssertUnwindSafe(|| runtime.block_on(run::run()))).unwrap_or(Kind::Bug.exit_code());
    // Threads that still wait for a terminal or a disk do not hold the end up.
    runtime.shutdown_background();
    ExitCode::from(code)
}
