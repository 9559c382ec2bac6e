//! HTTP/2 (RFC 9113) over memory, *sans-IO*: no sockets, no Python, no threads.
//!
//! A [`Session`] is the server's side of one connection. The owner of the bytes
//!
//! 1. gives it the client's bytes with [`Session::receive`],
//! 2. calls [`Session::advance`] until it is [`Advance::Waiting`], and takes the
//!    requests,
//! 3. reads and answers each request through its [`Carrier`],
//! 4. sends what [`Session::advance`] has put into the output.
//!
//! The crate `h2` makes and reads the frames. Beside it, a [`Scanner`] looks at the
//! client's bytes before the session gets them, and a [`SentScanner`] at its output.

#![forbid(unsafe_code)]

mod abuse;
mod carrier;
mod frame;
mod memory;
mod scanner;
mod sent;
mod session;
mod upgrade;

pub use abuse::{Abuse, FloodLimits};
pub use carrier::{Carrier, Gone, Received, frame_head, page_head, trailers_of};
pub use frame::PREFACE;
pub use scanner::Scanner;
pub use sent::{Sent, SentScanner};
pub use session::{Advance, Request, Session, SessionOptions};
pub use upgrade::{Upgrade, asked};

pub use h2::Reason;
