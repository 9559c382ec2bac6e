//! The exchange behind one call of the app.

use super::observer::Observer;
use crate::exchange::{Exchange, Finished};
use crate::http::{BodyError, Status};
use std::io;

/// The app gets at most about this many bytes of the body in one message.
const LARGE: usize = 1 << 20;

/// A request that the app handles, and the observer of its end. No call waits.
pub struct Link {
    exchange: Exchange,
    observer: Box<dyn Observer>,
    /// True once a write has asked the app to wait.
    held_back: bool,
}

/// The result of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOutcome {
    /// There are bytes, and more may come.
    Some,
    /// The body has ended, perhaps with some last bytes.
    Ended,
    /// There is nothing yet. The worker tells when there is.
    Waiting,
}

impl Link {
    pub fn new(exchange: Exchange, observer: Box<dyn Observer>) -> Link {
        Link {
            exchange,
            observer,
            held_back: false,
        }
    }

    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Appends the received bytes of the request's body to `into`.
    pub fn read_body(&self, into: &mut Vec<u8>) -> Result<ReadOutcome, BodyError> {
        let stream = self.exchange.stream();
        let mut outcome = ReadOutcome::Waiting;
        while into.len() < LARGE {
            match stream.read(into) {
                Ok(Some(0)) => return Ok(ReadOutcome::Ended),
                Ok(Some(_)) => outcome = ReadOutcome::Some,
                Ok(None) => {
                    if outcome == ReadOutcome::Waiting {
                        stream.expect_body();
                    }
                    break;
                }
                Err(BodyError::Client(error)) => return Err(error.into()),
                Err(error) => {
                    let (address, note) = (self.exchange.remote().0, self.exchange.note());
                    ::log::warn!("Invalid request from ip={address}{note}: {error}");
                    return Err(error);
                }
            }
        }
        Ok(outcome)
    }

    /// Appends the bytes that were received after the upgrade to `into`;
    /// `Ended` when the client sends no more.
    pub fn read_upgraded(&self, into: &mut Vec<u8>) -> Result<ReadOutcome, BodyError> {
        Ok(match self.exchange.stream().read(into)? {
            Some(0) => ReadOutcome::Ended,
            Some(_) => ReadOutcome::Some,
            None => ReadOutcome::Waiting,
        })
    }

    /// Notes the result of a write.
    pub fn written(&mut self, written: io::Result<bool>) -> io::Result<()> {
        // A write of nothing does not ask to wait.
        self.held_back = written? || self.is_full();
        Ok(())
    }

    /// True while the app should wait before it writes more.
    pub fn is_full(&self) -> bool {
        self.held_back && self.exchange.stream().is_held_back()
    }

    /// True once the client has closed its sending side.
    pub fn has_hung_up(&self) -> bool {
        self.exchange.stream().has_hung_up()
    }

    /// From now on the bytes belong to another protocol, until the connection
    /// closes.
    pub fn upgrade(&mut self) {
        self.observer.upgraded();
        self.exchange.stream().upgrade();
    }

    /// The response is complete, or broken off.
    pub fn finish(mut self, finished: &Finished<'_>) {
        self.observer.finished(&self.exchange, finished);
        if !finished.broken {
            self.exchange.finish(finished.keep_alive);
        }
        // Otherwise, dropping the exchange closes the connection.
    }

    /// Answers with an error page. The app has sent nothing.
    pub fn fail(self, status: Status, message: &str) {
        let finished = self.exchange.send_error_page(status, message);
        self.finish(&finished);
    }
}
