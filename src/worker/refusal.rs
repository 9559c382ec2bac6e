//! A request that the server answers itself, before the app sees it.

use crate::http::Head;
use crate::log::{AccessLog, AccessRecord};

/// What the access log has of such a request.
#[derive(Debug)]
pub struct Refusal {
    /// The client's.
    pub address: String,
    /// What has come as the request line, if that is all there is.
    pub line: Vec<u8>,
    /// The head, if it was whole.
    pub head: Option<Box<Head>>,
    /// What the request is called, if it has a name.
    pub id: Option<Box<str>>,
    pub status: u16,
    /// Bytes of the answer's body.
    pub body_bytes: u64,
}

impl Refusal {
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
}
