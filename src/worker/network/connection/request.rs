//! The request that a connection receives or answers at present.

use super::blocks::Pace;
use crate::exchange::Names;
use crate::http::{BodyError, Head};
use crate::scoreboard::Method;
use crate::worker::request::body::Body;
use std::time::{Duration, Instant};

#[derive(Default)]
pub struct CurrentRequest {
    /// For counting the request.
    pub method: Method,
    /// True once the request was counted.
    pub counted: bool,
    /// What the request is called, once its head is complete.
    pub names: Names,
    /// The head while the body is received; after that the app has it.
    pub head: Option<Box<Head>>,
    /// The body, if there is one.
    pub body: Option<Box<Body>>,
    /// True if the request says that no other follows on the connection.
    pub is_last: bool,
    /// True once a part of the final response was sent.
    pub answered: bool,
    /// How quickly the app makes the blocks of the response.
    pub pace: Pace,
    /// True while the app should wait before it writes more.
    pub held_back: bool,
    /// When the client's time ends while an ASGI app waits for more of the
    /// body. (Other apps wait in `wait_for_body`, which keeps the time itself.)
    pub body_deadline: Option<Instant>,
    /// True once the client's time for the body is over.
    pub body_is_late: bool,
    /// How much time the client has left to send the body, or to take the
    /// response.
    pub time_left: Duration,
}

impl CurrentRequest {
    /// A new request, whose body may take this long.
    pub fn new(method: &[u8], body_timeout: Option<Duration>) -> CurrentRequest {
        CurrentRequest {
            method: Method::of(method),
            time_left: body_timeout.unwrap_or(Duration::MAX),
            ..CurrentRequest::default()
        }
    }

    /// Moves the body's part of the received bytes to the body.
    pub fn feed(&mut self, received: &mut Vec<u8>) -> Result<(), BodyError> {
        if let Some(body) = &mut self.body
            && !received.is_empty()
            && !body.has_ended()
        {
            let mut input = &received[..];
            body.feed(&mut input)?;
            let used = received.len() - input.len();
            received.drain(..used);
        }
        Ok(())
    }

    /// Ends the client's time for the body, as bytes have arrived: the rest of
    /// the time is kept for the next wait.
    pub fn stop_clock(&mut self) {
        if let Some(end) = self.body_deadline.take() {
            self.time_left = end.saturating_duration_since(Instant::now());
        }
    }
}
