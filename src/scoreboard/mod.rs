//! What a worker counts and measures, in memory that it shares with the master.
//!
//! The worker writes, with a few atomic operations for each request; the master
//! reads at any time, also when the worker hangs or has been killed. [`Board`]
//! is the shared part, [`Counters`] a copy of its counters, [`RunningRequest`]
//! a copy of one of its requests in flight.

mod board;
mod counters;
mod histogram;
mod request_table;
mod slots;

pub use board::{Board, Gauge, now};
pub use counters::{Counter, Counters, METHODS, Method, STATUS_CLASSES};
pub use histogram::Histogram;
pub use slots::{RequestText, RunningRequest};
