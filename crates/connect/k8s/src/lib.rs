//! A client of the Kubernetes API: objects of any kind as untyped JSON, on clusters old and new.
//!
//! An estate has clusters of many versions at once, and what they serve differs: a CronJob is `batch/v1beta1` on one
//! and `batch/v1` on the next. So no kind is a type here: a caller names group and kind, the server is asked which
//! version of it it serves ([`discovery`]), and what comes back is read where it is used. `kube` does what a kubeconfig
//! asks for (certificates, tokens that rotate, helper programs) and carries the requests; what an answer means, how
//! often it may be asked again and how much of it is read is decided here. Questions are repeated where a repeat is
//! harmless; a write is sent once, and where its answer is lost the failure says so.
//!
//! Must never know: storage, or what an environment or a night is. A change must keep: no answer, list or stream is
//! read without a bound; no write is repeated; nothing is run inside a container and nothing is evicted; no failure
//! carries what a kubeconfig or a helper program says beside its meaning, since tokens stand there.

pub mod calls;
pub mod client;
pub mod config;
pub mod discovery;
pub mod object;
pub mod version;
pub mod watch;

mod call;
mod connect;
mod pace;
mod refusal;

use naru_core::text::Catalog;

/// The sentences of this crate.
pub const TEXTS: Catalog =
    Catalog { name: "k8s", en: include_str!("../texts/en.ftl"), ko: include_str!("../texts/ko.ftl") };
