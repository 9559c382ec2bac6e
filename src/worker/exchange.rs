//! One request on its way through the app, and its answer on the way back.

use super::connection::{Client, Connection};
use super::hub::{Admission, Id, Rules};
use super::own_page::own_page;
use crate::http::{BodyError, Head, ProxyHeader, Scheme, Status, client_address, is_request_id};
use crate::wsgi::{Channel, Given};
use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

/// A request that waits for its answer. It may be moved to any thread, and
/// nothing of it waits for the client. Dropped without [`finish`], it takes
/// the connection with it.
///
/// [`finish`]: Exchange::finish
pub struct Exchange {
    pub head: Head,
    /// When the request was whole.
    pub started: Instant,
    /// What the request is called in the logs.
    pub id: Option<Arc<str>>,
    /// The client's address and port, if a proxy has told them.
    told: Option<(String, Option<u16>)>,
    connection: Option<Arc<Connection>>,
    _admission: Admission,
}

impl Exchange {
    pub(super) fn new(connection: Arc<Connection>, head: Head, admission: Admission) -> Exchange {
        Exchange {
            id: request_id(&connection, |name| head.field(name)),
            told: told_address(&connection, &head),
            head,
            started: Instant::now(),
            connection: Some(connection),
            _admission: admission,
        }
    }

    /// The connection, which outlives the exchange: only the exchange's own
    /// app may read or write through it.
    pub fn connection(&self) -> &Arc<Connection> {
        self.connection.as_ref().expect("it is there until the end")
    }

    pub fn id(&self) -> Id {
        self.connection().id
    }

    pub fn client(&self) -> &Client {
        &self.connection().client
    }

    /// The client's address, empty over a unix socket, and its port.
    pub fn remote(&self) -> (&str, Option<u16>) {
        let client = self.client();
        match &self.told {
            Some((address, port)) => (address, *port),
            None => (&client.address, client.port),
        }
    }

    /// What else the environ has: the PROXY header's word, the client's
    /// certificate, the request's id.
    pub fn extra(&self) -> Vec<(&str, Cow<'_, str>)> {
        let connection = self.connection();
        let mut extra: Vec<(&str, Cow<'_, str>)> = Vec::new();
        if let Some(header) = connection.proxy.get() {
            extra.push(("PROXY_PROTOCOL", header.name().into()));
            if let ProxyHeader::Addresses { destination, .. } = header {
                extra.push(("PROXY_ADDR", destination.ip().to_string().into()));
                extra.push(("PROXY_PORT", destination.port().to_string().into()));
            }
        }
        if let Some(certificate) = connection.certificate.get() {
            let variables = certificate.variables.iter();
            extra.extend(variables.map(|(name, value)| (name.as_str(), value.into())));
        } else if connection.hub.rules.asks_for_certificates() {
            extra.push(("SSL_CLIENT_VERIFY", "NONE".into()));
        }
        if let Some(id) = &self.id {
            extra.push(("REQUEST_ID", (&**id).into()));
        }
        extra
    }

    /// The field that tells the client of the request's id.
    pub fn echo(&self) -> Option<(&str, &str)> {
        echo(&self.connection().hub.rules, self.id.as_deref())
    }

    /// Address and port the listener is bound to; nothing for a unix socket.
    pub fn server(&self) -> Option<(&str, u16)> {
        let server = self.client().server.as_ref()?;
        Some((&server.host, server.address.port()))
    }

    /// How the client reached the site.
    pub fn scheme(&self) -> Scheme {
        let own = match self.connection().hub.rules.tls {
            Some(_) => Scheme::Https,
            None => Scheme::Http,
        };
        self.head.stated_scheme().unwrap_or(own)
    }

    /// True if the answer may say that the connection stays, as far as the
    /// client and the worker are concerned.
    pub fn may_keep_alive(&self) -> bool {
        self.head.keep_alive() && self.connection().may_stay()
    }

    /// Answers in the app's place, unless a part of its answer went out; what
    /// it writes from now on is refused.
    pub fn refuse(&self, status: Status) -> bool {
        let connection = self.connection();
        let is_head = self.head.method() == b"HEAD";
        let echo = self.echo();
        let page = own_page(&connection.hub.rules, status, "", is_head, echo.as_slice());
        connection.refuse(&page.bytes)
    }

    /// Ends the request once all of its answer was written.
    pub fn finish(mut self, keep_alive: bool) {
        if let Some(connection) = self.connection.take() {
            connection.finish(keep_alive);
        }
    }
}

/// The field that tells the client of this id, if it is to be told.
pub(super) fn echo<'a>(rules: &'a Rules, id: Option<&'a str>) -> Option<(&'a str, &'a str)> {
    let field = rules.request_id.as_deref().filter(|_| rules.echoes_id)?;
    Some((field, id?))
}

/// What a request is called, if requests have names: as a trusted client says
/// in the `field` of that name, else as nobody has said yet.
pub(super) fn request_id<'a>(
    connection: &Connection,
    field: impl FnOnce(&str) -> Option<&'a [u8]>,
) -> Option<Arc<str>> {
    let name = connection.hub.rules.request_id.as_ref()?;
    let told = match connection.client.trusted {
        true => field(name).filter(|id| is_request_id(id)),
        false => None,
    };
    let told = told.and_then(|id| str::from_utf8(id).ok());
    Some(told.map_or_else(|| connection.hub.next_id().into(), Arc::from))
}

/// What a trusted field says of the client, else what a PROXY header says.
pub(super) fn told_address(connection: &Connection, head: &Head) -> Option<(String, Option<u16>)> {
    let rules = &connection.hub.rules;
    if let Some(field) = rules.address_field
        && connection.client.trusted
        && let Some((address, port)) =
            client_address(head, field, |ip| rules.trusted_peers.trusts(ip))
    {
        return Some((address.to_string(), port));
    }
    match connection.proxy.get()? {
        ProxyHeader::Addresses { source, .. } => {
            Some((source.ip().to_string(), Some(source.port())))
        }
        ProxyHeader::Local => None,
    }
}

/// Heads that were used: their buffers have grown already.
impl Exchange {
    const MOST_SPARE: usize = 64;

    /// A head to be filled.
    pub(super) fn spare_head() -> Head {
        SPARE.with_borrow_mut(Vec::pop).unwrap_or_default()
    }
}

thread_local! {
    /// Heads that were used: their buffers have grown already.
    static SPARE: RefCell<Vec<Head>> = const { RefCell::new(Vec::new()) };
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.abort();
        }
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < Exchange::MOST_SPARE {
                spare.push(std::mem::take(&mut self.head));
            }
        });
    }
}

impl Channel for Connection {
    fn read(&self, into: &mut Vec<u8>) -> Result<Option<usize>, BodyError> {
        Connection::read(self, into)
    }

    fn wait_for_body(&self) -> Result<(), BodyError> {
        Connection::wait_for_body(self)
    }

    fn write(&self, parts: &mut [IoSlice<'_>]) -> io::Result<bool> {
        Connection::write(self, parts)
    }

    fn inform(&self, interim: &[u8]) -> io::Result<bool> {
        Connection::inform(self, interim)
    }

    fn send_file(&self, file: OwnedFd, offset: u64, length: u64) -> io::Result<bool> {
        Connection::send_file(self, file, offset, length)
    }

    fn wait_for_room(&self) -> io::Result<()> {
        Connection::wait_for_room(self)
    }

    fn may_stay(&self) -> bool {
        Connection::may_stay(self)
    }

    fn give_away(&self, for_good: bool) -> io::Result<Given> {
        Connection::give_away(self, for_good)
    }

    fn look(&self) -> io::Result<OwnedFd> {
        Connection::look(self)
    }

    fn app_has_closed(&self) {
        Connection::app_has_closed(self);
    }
}
