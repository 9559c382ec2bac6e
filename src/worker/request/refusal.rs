//! A request that the server answers itself, without the app.

use std::fmt::Display;
use std::time::Duration;

use crate::exchange::{
    AccessEntry, Exchange, ExchangeRules, Finished, Names, RequestLine, error_page,
};
use crate::http::{ErrorPage, Head, Status};
use crate::log::{self, AccessLog};
use crate::scoreboard::{Board, Method};

/// The data of such a request and its response for the logs.
#[derive(Debug, Default)]
pub struct Refusal {
    /// The client's address.
    address: String,
    /// The received part of the request line, if the head is not complete.
    line: Vec<u8>,
    /// The head, if it is complete.
    head: Option<Box<Head>>,
    /// What the request is called.
    names: Names,
    status: u16,
    /// Bytes of the response's body.
    body_bytes: u64,
}

impl Refusal {
    /// For a request with a complete head.
    pub fn of_head(address: String, names: Names, head: Box<Head>) -> Refusal {
        Refusal {
            address,
            names,
            head: Some(head),
            ..Refusal::default()
        }
    }

    /// For a request whose head is incomplete or invalid. `received` are its
    /// bytes so far.
    pub fn of_part(address: String, names: Names, received: &[u8]) -> Refusal {
        let mut lines = received.split(|byte| b"\r\n".contains(byte));
        Refusal {
            address,
            names,
            line: lines.find(|line| !line.is_empty()).unwrap_or(b"").to_vec(),
            ..Refusal::default()
        }
    }

    /// For a request that the app has; only its names are known here.
    pub fn of_queued(address: String, names: Names) -> Refusal {
        Refusal {
            address,
            names,
            ..Refusal::default()
        }
    }

    /// For a request that was about to be given to the app. Takes its head.
    pub fn of_exchange(exchange: &mut Exchange) -> Refusal {
        Refusal {
            address: exchange.remote().0.to_owned(),
            names: exchange.names.clone(),
            head: Some(Box::new(std::mem::take(&mut exchange.head))),
            ..Refusal::default()
        }
    }

    /// The request's names as a part of a line of the error log.
    pub fn note(&self) -> impl Display {
        self.names.note()
    }

    /// The response: an error page with this `message`, the request's names, and
    /// further `fields`. The request is counted on the worker's `board`.
    pub fn answer(
        &mut self,
        board: &Board,
        rules: &ExchangeRules,
        status: Status,
        message: &str,
        fields: &[(&str, &str)],
    ) -> ErrorPage {
        let head = self.head.as_deref();
        let is_head = head.is_some_and(|head| head.method() == b"HEAD");
        let page = error_page(rules, status, message, is_head, &self.names, fields);
        board.answered(Method::of(head.map_or(b"", Head::method)), status.code);
        self.status = status.code;
        self.body_bytes = page.body().len() as u64;
        page
    }

    /// Notes that the client was told no more than this status.
    pub fn note_status(&mut self, board: &Board, status: u16) {
        let head = self.head.as_deref();
        board.answered(Method::of(head.map_or(b"", Head::method)), status);
        self.status = status;
    }

    /// Writes the request's line to the access log.
    pub fn log(&self, log: &AccessLog) {
        let head = self.head.as_deref();
        let unparsed = RequestLine {
            target: &self.line,
            ..RequestLine::default()
        };
        let entry = AccessEntry {
            remote_addr: &self.address,
            names: &self.names,
            line: head.map_or(unparsed, RequestLine::of),
            head,
            elapsed: Duration::ZERO,
            finished: Finished::own(self.status, self.body_bytes),
        };
        entry.write(log);
    }

    /// Writes the line at once, for a worker that may end before it writes its
    /// buffered lines.
    pub fn log_now(&self) {
        if let Some(log) = log::access() {
            self.log(&log);
            log.flush();
        }
    }
}
