//! What adapters promise the engine, held against the real vendors: one suite for every adapter, and for each what is
//! its own.

mod house;
mod suite;
mod vendors;
