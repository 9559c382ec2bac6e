//! An exchange of the reactor's as the protocol room wants it.

use super::{Answered, Shared};
use crate::asgi::{Channel, Finished, Progress};
use crate::http::{BodyError, Head, HttpDate, ResponseRules};
use crate::log::{AccessRecord, Whole, id_note};
use crate::worker::exchange::Exchange;
use crate::worker::in_flight::Held;
use crate::worker::today::today;
use crate::wsgi::Seen;
use std::fs::File;
use std::io::{self, IoSlice};
use std::sync::Arc;

/// So much of a body is given to the app at once.
const LARGE: usize = 1 << 20;

pub struct Way {
    exchange: Exchange,
    shared: Arc<Shared>,
    /// Until the connection is not HTTP's any more.
    held: Option<Held>,
    date: HttpDate,
    /// What the hooks have seen of the request, if there are any.
    seen: Option<Seen<'static>>,
    /// True since the app was asked to wait before it writes more.
    held_back: bool,
}

impl Way {
    pub fn new(exchange: Exchange, shared: Arc<Shared>, seen: Option<Seen<'static>>) -> Way {
        let date = today();
        let in_flight = &shared.in_flight;
        let held = in_flight.begin(&exchange);
        Way {
            held: Some(held),
            exchange,
            shared,
            date,
            seen,
            held_back: false,
        }
    }

    fn log(&mut self, finished: &Finished<'_>) {
        self.shared.forget(self.exchange.id());
        self.shared.heartbeat.end_request();
        if let Some(seen) = self.seen.take() {
            self.shared.answered().push(Answered {
                seen,
                head: finished.head.cloned(),
                sent: finished.body_bytes,
                keep_alive: finished.keep_alive,
            });
        }
        let Some(log) = self.shared.access_log else {
            return;
        };
        if self.held.as_ref().is_some_and(|held| !held.log_answer()) {
            return;
        }
        let head = &self.exchange.head;
        log.line(&AccessRecord {
            remote_addr: self.exchange.remote().0,
            method: head.method(),
            target: head.target(),
            path: head.path(),
            query: head.query(),
            protocol: head.version().as_str(),
            status: finished.status,
            body_bytes: finished.body_bytes,
            elapsed: self.exchange.started.elapsed(),
            request_id: self.exchange.id.as_deref().unwrap_or_default().as_bytes(),
            request_field: &|name| head.field(name).map(Into::into),
            response_field: &|name| finished.head?.field(name),
            whole: &|| Whole {
                request_fields: Whole::fields(head.fields()),
                status: finished
                    .head
                    .map_or_else(Vec::new, |it| it.status().to_vec()),
                response_fields: Whole::fields(
                    finished.head.into_iter().flat_map(|it| it.fields()),
                ),
                environ: None,
            },
            ..AccessRecord::unknown()
        });
        self.shared.flush_unless_busy(log);
    }
}

impl Channel for Way {
    fn head(&self) -> &Head {
        &self.exchange.head
    }

    fn rules(&self) -> ResponseRules {
        ResponseRules {
            keep_alive: self.exchange.may_keep_alive(),
            ..ResponseRules::of(&self.exchange.head)
        }
    }

    fn stamp(&self) -> (&str, &str) {
        (&self.shared.server, self.date.as_str())
    }

    fn id(&self) -> Option<&str> {
        self.exchange.id.as_deref()
    }

    fn echo(&self) -> Option<(&str, &str)> {
        self.exchange.echo()
    }

    fn read(&mut self, into: &mut Vec<u8>) -> Result<Progress, BodyError> {
        let mut progress = Progress::Waiting;
        while into.len() < LARGE {
            match self.exchange.connection().read(into) {
                Ok(Some(0)) => return Ok(Progress::Ended),
                Ok(Some(_)) => progress = Progress::Some,
                Ok(None) => {
                    if progress == Progress::Waiting {
                        self.exchange.connection().expect_body();
                    }
                    break;
                }
                Err(BodyError::Client(error)) => return Err(error.into()),
                Err(error) => {
                    let (address, note) = (self.exchange.remote().0, id_note(self.id()));
                    ::log::warn!("Invalid request from ip={address}{note}: {error}");
                    return Err(error);
                }
            }
        }
        Ok(progress)
    }

    fn write(&mut self, parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        self.held_back = self.exchange.connection().write(parts)?;
        Ok(())
    }

    fn inform(&mut self, interim: &[u8]) -> io::Result<()> {
        self.held_back = self.exchange.connection().inform(interim)?;
        Ok(())
    }

    fn send_file(&mut self, file: File, offset: u64, length: u64) -> io::Result<()> {
        let connection = self.exchange.connection();
        self.held_back = connection.send_file(file.into(), offset, length)?;
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.held_back && self.exchange.connection().is_held_back()
    }

    fn finish(mut self: Box<Self>, finished: &Finished<'_>) {
        self.log(finished);
        if !finished.broken {
            self.exchange.finish(finished.keep_alive);
        }
        // Else it goes, and takes the connection with it.
    }

    fn upgrade(&mut self) {
        self.held = None;
        self.exchange.connection().upgrade();
    }

    fn receive(&mut self, into: &mut Vec<u8>) -> io::Result<Progress> {
        match self.exchange.connection().read(into) {
            Ok(Some(0)) => Ok(Progress::Ended),
            Ok(Some(_)) => Ok(Progress::Some),
            Ok(None) => Ok(Progress::Waiting),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn close(mut self: Box<Self>, finished: &Finished<'_>) {
        self.log(finished);
        self.exchange.finish(false);
    }

    fn has_hung_up(&self) -> bool {
        self.exchange.connection().has_hung_up()
    }
}
