//! A request in flight, from its head to the end of its response: what WSGI and
//! ASGI have in common, whatever the protocol below.
//!
//! A worker makes an [`Exchange`] of each request and gives it to the app's
//! side, which reads the body and writes the response through the exchange's
//! [`Stream`]. [`Response`] frames the app's response as HTTP. [`Finished`]
//! describes the finished response for the hooks of a config file
//! ([`WatchedRequest`]) and for the access log ([`AccessEntry`]).

mod access;
mod admission;
mod client;
mod date;
mod error_page;
mod file;
mod finished;
mod hooks;
mod names;
mod response;
mod rules;
mod stream;

pub use access::{AccessEntry, RequestLine};
pub use admission::{Admission, Admissions};
pub use client::{Client, Server};
pub use date::today;
pub use error_page::{error_page, send_page};
pub use file::{Rest, rest_of};
pub use finished::Finished;
pub use hooks::WatchedRequest;
pub use names::Names;
pub use response::Response;
pub use rules::ExchangeRules;
pub use stream::{Detached, Frames, Stream};

use crate::http::{ErrorPage, Head, ProxyHeader, ResponseRules, Scheme, Status, Version};
use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;

/// A request that waits for its response. It may be moved to any thread, and
/// its methods never wait. If it is dropped without [`finish`], its connection
/// is closed.
///
/// [`finish`]: Exchange::finish
pub struct Exchange {
    pub head: Head,
    /// When the request was given to the app.
    pub started: Instant,
    /// What the request is called.
    pub names: Names,
    /// The client's address and port, if a trusted proxy has stated them.
    forwarded: Option<(String, Option<u16>)>,
    stream: Option<Arc<dyn Stream>>,
    _admission: Admission,
}

impl Exchange {
    pub fn new(
        stream: Arc<dyn Stream>,
        head: Head,
        names: Names,
        forwarded: Option<(String, Option<u16>)>,
        admission: Admission,
    ) -> Exchange {
        Exchange {
            names,
            forwarded,
            head,
            started: Instant::now(),
            stream: Some(stream),
            _admission: admission,
        }
    }

    /// The stream to the client. It may live longer than the exchange, but only
    /// the app of this exchange may read from it and write to it.
    pub fn stream(&self) -> &Arc<dyn Stream> {
        self.stream.as_ref().expect("it is there until the end")
    }

    pub fn client(&self) -> &Client {
        self.stream().client()
    }

    /// True if the client has taken the request back, and nobody waits for the
    /// response. Only HTTP/2 can say so.
    pub fn was_taken_back(&self) -> bool {
        self.head.version() == Version::Http2 && self.stream().has_hung_up()
    }

    /// The client's address, empty over a unix socket, and its port.
    pub fn remote(&self) -> (&str, Option<u16>) {
        let client = self.client();
        match &self.forwarded {
            Some((address, port)) => (address, *port),
            None => (&client.address, client.port),
        }
    }

    /// Further entries of the environ: the addresses of the PROXY header, the
    /// client's certificate, the request's id.
    pub fn extra(&self) -> Vec<(&str, Cow<'_, str>)> {
        let stream = self.stream();
        let mut extra: Vec<(&str, Cow<'_, str>)> = Vec::new();
        if let Some(header) = stream.proxy_header() {
            extra.push(("PROXY_PROTOCOL", header.name().into()));
            if let ProxyHeader::Addresses { destination, .. } = header {
                extra.push(("PROXY_ADDR", destination.ip().to_string().into()));
                extra.push(("PROXY_PORT", destination.port().to_string().into()));
            }
        }
        if let Some(certificate) = stream.certificate() {
            let variables = certificate.variables.iter();
            extra.extend(variables.map(|(name, value)| (name.as_str(), value.into())));
        } else if stream.rules().asks_for_certificates {
            extra.push(("SSL_CLIENT_VERIFY", "NONE".into()));
        }
        if let Some(id) = self.names.id() {
            extra.push(("REQUEST_ID", id.into()));
        }
        extra
    }

    /// The address and port of the listener; nothing for a unix socket.
    pub fn server(&self) -> Option<(&str, u16)> {
        let server = self.client().server.as_ref()?;
        Some((&server.host, server.address.port()))
    }

    /// The scheme of the URL: what a trusted proxy states, otherwise that of the
    /// connection.
    pub fn scheme(&self) -> Scheme {
        let own = match self.stream().rules().encrypted {
            true => Scheme::Https,
            false => Scheme::Http,
        };
        self.head.stated_scheme().unwrap_or(own)
    }

    /// The properties of the request that decide how its response is framed.
    /// The connection may stay open if both the client and the worker allow it.
    pub fn response_rules(&self) -> ResponseRules {
        ResponseRules {
            keep_alive: self.head.keep_alive() && self.stream().may_stay(),
            ..ResponseRules::of(&self.head)
        }
    }

    /// Sends an error page. Nothing of another response may have been sent.
    pub fn send_error_page(&self, status: Status, message: &str) -> Finished<'static> {
        let page = self.error_page(status, message);
        self.stream().count_response(status.code);
        let sent = send_page(&**self.stream(), &page);
        let body_bytes = sent.map_or(0, |_| page.body().len() as u64);
        Finished::own(status.code, body_bytes)
    }

    /// Answers with an error page in place of the app, unless a part of the
    /// app's response was sent. The app can write no more.
    pub fn refuse(&self, status: Status) -> bool {
        self.stream().refuse(&self.error_page(status, ""))
    }

    fn error_page(&self, status: Status, message: &str) -> ErrorPage {
        let rules = self.stream().rules();
        let is_head = self.head.method() == b"HEAD";
        error_page(rules, status, message, is_head, &self.names, &[])
    }

    /// The request's names as a line of the error log has them, after its target.
    pub fn note(&self) -> impl Display {
        self.names.note()
    }

    /// The request and its response, for the access log.
    pub fn access_entry<'a>(&'a self, finished: &'a Finished<'a>) -> AccessEntry<'a> {
        AccessEntry {
            remote_addr: self.remote().0,
            names: &self.names,
            line: RequestLine::of(&self.head),
            head: Some(&self.head),
            elapsed: self.started.elapsed(),
            finished: *finished,
        }
    }

    /// Ends the request, after the whole response was written.
    pub fn finish(mut self, keep_alive: bool) {
        if let Some(stream) = self.stream.take() {
            stream.finish(keep_alive);
        }
    }
}

thread_local! {
    /// Used heads. Their buffers are large enough for most requests.
    static SPARE_HEADS: RefCell<Vec<Head>> = const { RefCell::new(Vec::new()) };
}

/// A head to be filled.
pub fn spare_head() -> Head {
    SPARE_HEADS.with_borrow_mut(Vec::pop).unwrap_or_default()
}

impl Drop for Exchange {
    fn drop(&mut self) {
        const MOST_SPARE: usize = 64;
        if let Some(stream) = self.stream.take() {
            stream.abort();
        }
        SPARE_HEADS.with_borrow_mut(|spare| {
            if spare.len() < MOST_SPARE {
                spare.push(std::mem::take(&mut self.head));
            }
        });
    }
}

#[cfg(test)]
pub mod tests;
