//! The request that a connection receives or answers now.

use crate::http::{BodyError, Head};
use crate::worker::request::body::Body;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Default)]
pub struct CurrentRequest {
    /// What the request is called that the app has, if it has a name.
    pub id: Option<Arc<str>>,
    /// The head while the body is received; afterwards the app has it.
    pub head: Option<Box<Head>>,
    /// Whether there is more to the request than its head, and what of it.
    pub body: Option<Box<Body>>,
    /// True once a part of the response was sent, other than interim ones.
    pub answered: bool,
    /// True while the app was told to hold back its output.
    pub held_back: bool,
    /// When the reactor gives the client up, as an ASGI app waits for more of
    /// its body. (Other apps wait in `wait_for_body`, which keeps the time.)
    pub body_deadline: Option<Instant>,
    /// True once an app has waited too long for more of the body.
    pub body_is_late: bool,
    /// What the client may still take of its request's time.
    pub time_left: Duration,
}

impl CurrentRequest {
    /// A request that has begun, and whose body may take that long.
    pub fn new(body_timeout: Option<Duration>) -> CurrentRequest {
        CurrentRequest {
            time_left: body_timeout.unwrap_or(Duration::MAX),
            ..CurrentRequest::default()
        }
    }

    /// Gives what was received to the body, as far as it belongs there.
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

    /// The app does not wait for the body any more: the time that it has waited
    /// is taken off the client's.
    pub fn stop_clock(&mut self) {
        if let Some(end) = self.body_deadline.take() {
            self.time_left = end.saturating_duration_since(Instant::now());
        }
    }
}
