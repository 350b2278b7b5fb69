//! What adapters promise the engine, held against the real vendors: one suite for every adapter, and for each what is
//! its own.

#![allow(clippy::unwrap_used, reason = "what helps a test is a test")]

mod config;
mod house;
mod levels;
mod receipts;
mod script;
mod suite;
mod tls;
mod two_phase;
mod vendors;
mod wire;
