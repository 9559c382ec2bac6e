//! The exchange behind one call of the app.

use super::Observer;
use crate::exchange::{Exchange, Finished};
use crate::http::{BodyError, Status};
use std::io;

/// So much of a body is given to the app at once.
const LARGE: usize = 1 << 20;

/// A request that the app has, and who learns of its end. No call waits.
pub struct Link {
    exchange: Exchange,
    observer: Box<dyn Observer>,
    /// True since the app was asked to wait before it writes more.
    held_back: bool,
}

/// What a read has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Bytes, and there will be more.
    Some,
    /// The last bytes, or none; there will be no more.
    Ended,
    /// Nothing yet: the worker tells when there is.
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

    /// Appends what has come of the request's body to `into`.
    pub fn read_body(&self, into: &mut Vec<u8>) -> Result<Progress, BodyError> {
        let stream = self.exchange.stream();
        let mut progress = Progress::Waiting;
        while into.len() < LARGE {
            match stream.read(into) {
                Ok(Some(0)) => return Ok(Progress::Ended),
                Ok(Some(_)) => progress = Progress::Some,
                Ok(None) => {
                    if progress == Progress::Waiting {
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
        Ok(progress)
    }

    /// Appends what has come since the upgrade to `into`; `Ended` once the
    /// client sends no more.
    pub fn read_upgraded(&self, into: &mut Vec<u8>) -> Result<Progress, BodyError> {
        Ok(match self.exchange.stream().read(into)? {
            Some(0) => Progress::Ended,
            Some(_) => Progress::Some,
            None => Progress::Waiting,
        })
    }

    /// Takes note of what a write has said.
    pub fn written(&mut self, written: io::Result<bool>) -> io::Result<()> {
        self.held_back |= written?;
        Ok(())
    }

    /// True while so much is kept that the app should wait.
    pub fn is_full(&self) -> bool {
        self.held_back && self.exchange.stream().is_held_back()
    }

    /// True once the client has ended its side of the connection.
    pub fn has_hung_up(&self) -> bool {
        self.exchange.stream().has_hung_up()
    }

    /// From now on the bytes belong to neither HTTP nor this connection's other
    /// requests.
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
        // Else the exchange takes the connection with it.
    }

    /// Answers with an error page in place of the app, which has sent nothing.
    pub fn fail(self, status: Status, message: &str) {
        let finished = self.exchange.send_error_page(status, message);
        self.finish(&finished);
    }
}
