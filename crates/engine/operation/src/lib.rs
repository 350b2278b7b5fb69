//! The engine that changes the platform: an operation is a plan of steps that is shown, approved, and carried out step by
//! step, each of which is stored before and after, so that whoever takes over after a crash goes on at that step.
//!
//! What is outside cannot be fenced: a process that froze may still finish a call it had begun. So a step reads before it
//! writes, and doing it twice is doing it once; what the store says is fenced by the lease under which all operations are
//! carried out. One process carries them, whoever else is there: who may begin is then a question with one answer.
//!
//! Must never know: an app, a cluster, any outside service. A change must keep this: nothing is done whose intent is not on
//! the disk; what a plan shows is what is carried out, or it is planned and shown again; of two operations on one target
//! the one that was asked for first ends before the other begins; what a run holds only its own end lets go.

pub mod card;
pub mod component;
pub mod config;
pub mod course;
pub mod engine;
pub mod grant;
pub mod kind;
pub mod lock;
pub mod operation;
pub mod page;
pub mod plan;
pub mod queue;
pub mod record;
pub mod reminder;
mod rows;
mod runner;
pub mod schema;
pub mod undo;
pub mod word;
