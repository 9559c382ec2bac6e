//! A client of HTTP/2 over raw frames. It shares no code with the server, can send what
//! nobody may send, and checks that the server keeps the windows, sizes and order of frames.

mod client;
pub mod frame;
pub mod hpack;
mod response;
mod transport;
mod windows;

pub use client::{Http2, PREFACE};
pub use transport::Origin;
