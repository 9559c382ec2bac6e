//! A request that the server answers itself, before the app sees it.

use std::fmt::Display;
use std::sync::Arc;

use crate::exchange::{Exchange, ExchangeRules, error_page};
use crate::http::{ErrorResponse, Head, Status};
use crate::log::{self, AccessLog, AccessRecord, Whole, id_note};

/// What the logs have of such a request, and its answer.
#[derive(Debug, Default)]
pub struct Refusal {
    /// The client's.
    address: String,
    /// What has come as the request line, if that is all there is.
    line: Vec<u8>,
    /// The head, if it was whole.
    head: Option<Box<Head>>,
    /// What the request is called, if it has a name.
    id: Option<Arc<str>>,
    status: u16,
    /// Bytes of the answer's body.
    body_bytes: u64,
}

impl Refusal {
    /// Of a request that has this head, from that client.
    pub fn of_head(address: String, id: Option<Arc<str>>, head: Box<Head>) -> Refusal {
        Refusal {
            address,
            id,
            head: Some(head),
            ..Refusal::default()
        }
    }

    /// Of a request whose head is not whole, or is none: of what was
    /// `received` since its start.
    pub fn of_part(address: String, id: Option<Arc<str>>, received: &[u8]) -> Refusal {
        let mut lines = received.split(|byte| b"\r\n".contains(byte));
        Refusal {
            address,
            id,
            line: lines.find(|line| !line.is_empty()).unwrap_or(b"").to_vec(),
            ..Refusal::default()
        }
    }

    /// Of a request that is on its way to the app, and of which only the id is
    /// known here.
    pub fn of_queued(address: String, id: Option<Arc<str>>) -> Refusal {
        Refusal {
            address,
            id,
            ..Refusal::default()
        }
    }

    /// Of one that was to go to the app; takes its head.
    pub fn of_exchange(exchange: &mut Exchange) -> Refusal {
        Refusal {
            address: exchange.remote().0.to_owned(),
            id: exchange.id.clone(),
            head: Some(Box::new(std::mem::take(&mut exchange.head))),
            ..Refusal::default()
        }
    }

    /// What the error log calls the request.
    pub fn note(&self) -> impl Display {
        id_note(self.id.as_deref())
    }

    /// The answer: it says `message`, and has `fields` besides the request's
    /// id.
    pub fn answer(
        &mut self,
        rules: &ExchangeRules,
        status: Status,
        message: &str,
        fields: &[(&str, &str)],
    ) -> ErrorResponse {
        let head = self.head.as_deref();
        let is_head = head.is_some_and(|head| head.method() == b"HEAD");
        let id = self.id.as_deref();
        let page = error_page(rules, status, message, is_head, id, fields);
        self.status = status.code;
        self.body_bytes = page.body_length as u64;
        page
    }

    /// Writes the request's line.
    pub fn log(&self, log: &AccessLog) {
        let head = self.head.as_deref();
        let field = |name: &str| head?.field(name).map(Into::into);
        let known = AccessRecord {
            remote_addr: &self.address,
            target: &self.line,
            status: self.status,
            body_bytes: self.body_bytes,
            request_id: self.id.as_deref().unwrap_or_default().as_bytes(),
            request_field: &field,
            whole: &|| Whole {
                request_fields: head.map_or_else(Vec::new, |head| Whole::fields(head.fields())),
                ..Whole::default()
            },
            ..AccessRecord::unknown()
        };
        log.line(&match head {
            None => known,
            Some(head) => AccessRecord {
                method: head.method(),
                target: head.target(),
                path: head.path(),
                query: head.query(),
                protocol: head.version().as_str(),
                ..known
            },
        });
    }

    /// Writes it in a worker that may not come to writing logs any more.
    pub fn log_at_last(&self) {
        if let Some(log) = log::access() {
            self.log(&log);
            log.flush();
        }
    }
}
