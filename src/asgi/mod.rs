//! ASGI 3 (HTTP, WebSocket and lifespan message formats, version 2.4): one
//! request of one app, on the app's event loop.
//!
//! [`Application::http`] and [`Application::websocket`] make the scope, start
//! the app as a task and give a [`Call`]: what the worker tells of the
//! connection. What the app holds as `receive` and `send` is made here, too.
//! Nothing waits: what is behind the exchange is a
//! [`Stream`](crate::exchange::Stream), which is the worker's business, and a
//! message that has not come suspends the task.

mod answer;
mod application;
mod awaitable;
mod fields;
mod http;
mod link;
mod message;
mod scope;
mod websocket;
mod websocket_state;

pub use application::{Application, Call, Settings};

use crate::exchange::{Exchange, Finished};
use crate::http::Status;
use link::Link;

/// Who learns of what becomes of an exchange.
pub trait Observer: Send {
    /// The connection is not HTTP's any more.
    fn upgraded(&mut self);

    /// The response is complete, or broken off; the exchange is about to end.
    fn finished(&mut self, exchange: &Exchange, finished: &Finished<'_>);
}

/// Answers with an error page, in place of the app.
pub fn fail(exchange: Exchange, observer: Box<dyn Observer>, status: Status) {
    Link::new(exchange, observer).fail(status, "");
}

#[cfg(test)]
mod tests;
