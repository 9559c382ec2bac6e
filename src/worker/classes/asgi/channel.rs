//! An exchange of the reactor's as the protocol room wants it.

use super::{Answered, Shared};
use crate::asgi::{Channel, Finished, Progress};
use crate::exchange::{Exchange, today};
use crate::http::{BodyError, Head, HttpDate, ResponseRules};
use crate::log::{AccessRecord, Whole, id_note};
use crate::worker::request::in_flight::Tracked;
use crate::wsgi::Seen;
use std::fs::File;
use std::io::{self, IoSlice};
use std::sync::Arc;

/// So much of a body is given to the app at once.
const LARGE: usize = 1 << 20;

pub struct RequestChannel {
    exchange: Exchange,
    shared: Arc<Shared>,
    /// Until the connection is not HTTP's any more.
    tracked: Option<Tracked>,
    date: HttpDate,
    /// What the hooks have seen of the request, if there are any.
    seen: Option<Seen<'static>>,
    /// True since the app was asked to wait before it writes more.
    held_back: bool,
}

impl RequestChannel {
    pub fn new(
        exchange: Exchange,
        shared: Arc<Shared>,
        seen: Option<Seen<'static>>,
    ) -> RequestChannel {
        let date = today();
        let in_flight = &shared.in_flight;
        let tracked = in_flight.begin(&exchange);
        RequestChannel {
            tracked: Some(tracked),
            exchange,
            shared,
            date,
            seen,
            held_back: false,
        }
    }

    fn log(&mut self, finished: &Finished<'_>) {
        self.shared.forget(self.exchange.stream().key());
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
        if self
            .tracked
            .as_ref()
            .is_some_and(|tracked| !tracked.log_answer())
        {
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

impl Channel for RequestChannel {
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
        self.exchange.id_field()
    }

    fn read(&mut self, into: &mut Vec<u8>) -> Result<Progress, BodyError> {
        let mut progress = Progress::Waiting;
        while into.len() < LARGE {
            match self.exchange.stream().read(into) {
                Ok(Some(0)) => return Ok(Progress::Ended),
                Ok(Some(_)) => progress = Progress::Some,
                Ok(None) => {
                    if progress == Progress::Waiting {
                        self.exchange.stream().expect_body();
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
        self.held_back = self.exchange.stream().write(parts)?;
        Ok(())
    }

    fn inform(&mut self, interim: &[u8]) -> io::Result<()> {
        self.held_back = self.exchange.stream().write_interim(interim)?;
        Ok(())
    }

    fn send_file(&mut self, file: File, offset: u64, length: u64) -> io::Result<()> {
        let stream = self.exchange.stream();
        self.held_back = stream.send_file(file.into(), offset, length)?;
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.held_back && self.exchange.stream().is_held_back()
    }

    fn finish(mut self: Box<Self>, finished: &Finished<'_>) {
        self.log(finished);
        if !finished.broken {
            self.exchange.finish(finished.keep_alive);
        }
        // Else it goes, and takes the connection with it.
    }

    fn upgrade(&mut self) {
        self.tracked = None;
        self.exchange.stream().upgrade();
    }

    fn receive(&mut self, into: &mut Vec<u8>) -> io::Result<Progress> {
        match self.exchange.stream().read(into) {
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
        self.exchange.stream().has_hung_up()
    }
}
