//! A connection that carries HTTP/2: many requests at a time, each in a stream.
//!
//! The session makes and reads the frames ([`crate::http2`]). [`beginning`] decides
//! whether a connection carries HTTP/2, [`driving`] moves bytes between the session and
//! the socket, [`watching`] looks at them on their way, [`requests`] makes requests of
//! streams, [`stream`] is the app's end of one, [`sending`] chooses whose data goes out
//! next, and [`ending`] ends streams and connections. [`state`] is what all of them know.

mod beginning;
mod driving;
mod ending;
mod requests;
mod sending;
mod state;
mod stream;
mod watching;

use super::{Connection, ConnectionState, Event, Phase, PhaseEvent};

pub use state::Http2;
