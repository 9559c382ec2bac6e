//! ASGI 3 (HTTP, WebSocket and lifespan message formats, version 2.4): one
//! request of one app, on the app's event loop.
//!
//! [`Application::http`] and [`Application::websocket`] make the scope, start
//! the app as a task and give a [`Call`]: the worker tells it what happens on
//! the connection. The app's `receive` and `send` are made here, too. Nothing
//! in this room waits: a task that needs a message which has not come is
//! suspended.

mod application;
mod awaitable;
mod fields;
mod http;
mod link;
mod message;
mod observer;
mod response;
mod scope;
mod serving;
mod websocket;
mod websocket_state;

pub use application::{AppOptions, Application, Call};
pub use observer::Observer;

use crate::exchange::Exchange;
use crate::http::Status;
use link::Link;

/// Answers with an error page, in place of the app.
pub fn fail(exchange: Exchange, observer: Box<dyn Observer>, status: Status) {
    Link::new(exchange, observer).fail(status, "");
}

#[cfg(test)]
mod tests;
