//! The request that a connection receives or answers at present.

use crate::exchange::Names;
use crate::http::{BodyError, Head};
use crate::scoreboard::Method;
use crate::worker::request::body::Body;
use std::time::{Duration, Instant};

/// A block waits if it comes within this time of the one before. So an app that makes
/// its blocks slowly has each of them sent at once.
const QUICK: Duration = Duration::from_micros(100);

/// For how many blocks that come quickly the thread may send once: to wake it costs more
/// than to send a few blocks.
const PRICE: i32 = 8;

/// The most blocks that are counted for later.
const MOST_SAVED: i32 = 2 * PRICE;

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

/// How quickly the app makes the blocks of a body.
#[derive(Debug, Default)]
pub struct Pace {
    last: Option<Instant>,
    /// How many blocks came quickly, minus the price of what was sent late.
    saved: i32,
}

impl Pace {
    /// Notes that a block comes now. True if it may wait for the next one.
    pub fn note_block(&mut self) -> bool {
        let now = Instant::now();
        let before = self.last.replace(now);
        let is_quick = before.is_some_and(|before| now.duration_since(before) < QUICK);
        if is_quick {
            self.saved = (self.saved + 1).min(MOST_SAVED);
        }
        is_quick && self.saved > 0
    }

    /// Notes that the next one did not come in time.
    pub fn note_late(&mut self) {
        self.saved -= PRICE;
    }
}
