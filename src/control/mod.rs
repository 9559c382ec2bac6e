//! The control protocol: frames of JSON, as Gunicorn 25 and later speak it.
//!
//! A frame is its length in four bytes, the highest first, and a JSON object. A
//! request is `{"id": 1, "command": "show", "args": ["workers"]}`. Its reply has
//! the same `id`, and either `"status": "ok"` and `data`, or `"status": "error"`
//! and `error`, a sentence. The master also speaks it to its workers.

#![forbid(unsafe_code)]

mod frame;
mod message;

pub use frame::{Frames, frame, read, write};
pub use message::{Reply, Request};

/// How the names of the abstract sockets begin at which servers listen for
/// commands. The master's process id follows, a slash, and a random number.
pub const SOCKET_PREFIX: &str = "rgunicorn/";
