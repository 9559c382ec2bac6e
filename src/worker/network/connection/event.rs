//! What the network tells a worker class.

use crate::exchange::Exchange;
use crate::worker::request::refusal::Refusal;

/// What has happened in the network.
#[allow(
    clippy::large_enum_variant,
    reason = "a box would cost each request an allocation"
)]
pub enum Event {
    /// A request: the whole of it, or the part that is received before the app
    /// is called.
    Request(Exchange),
    /// More of a body or of an upgraded connection may be read from the stream
    /// with this key.
    Readable(u64),
    /// An app that had to wait may write again to the stream with this key.
    Writable(u64),
    /// The client of the stream with this key has closed the connection or its
    /// sending side, or was too slow. Reading and writing give the reason.
    HungUp(u64),
    /// A request that the server has answered itself.
    Refused(Box<Refusal>),
}
