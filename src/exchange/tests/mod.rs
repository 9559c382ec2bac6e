//! A client in memory, for the tests of WSGI and ASGI apps.

use super::{Admissions, Client, Detached, Exchange, ExchangeRules, Names, Server, Stream};
use crate::http::{
    BodyDecoder, BodyError, BodyPiece, ErrorPage, Head, HeadParser, HttpDate, Interim, Policy,
    ProxyHeader,
};
use crate::net::{ClientCertificate, TlsFacts};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard};

/// What a client sends, and what it gets.
#[derive(Default)]
pub struct Wire {
    /// Decodes the body from the pieces; without it, the pieces are the body.
    pub decoder: Option<BodyDecoder>,
    /// The pieces that the client sends. When they are used up, the server must
    /// wait, unless the client has ended.
    pub incoming: VecDeque<Vec<u8>>,
    pub ended: bool,
    pub invalid: bool,
    /// True after a piece of the body was read: the next one comes later.
    pub pause: bool,
    /// The writes of the server.
    pub written: Vec<Vec<u8>>,
    /// The number of writes after which the client is gone.
    pub closed_after: Option<usize>,
    /// The number of files that were sent.
    pub files: usize,
    pub full: bool,
    pub broken: bool,
    pub upgraded: bool,
    pub hung_up: bool,
    /// True if the connection was kept; nothing before the end of the exchange,
    /// or if it was aborted.
    pub kept: Option<bool>,
}

/// The server's end of it.
pub struct TestStream {
    pub wire: Arc<Mutex<Wire>>,
    rules: ExchangeRules,
    client: Client,
}

impl TestStream {
    pub fn new(wire: Arc<Mutex<Wire>>) -> TestStream {
        TestStream {
            wire,
            rules: ExchangeRules {
                server: "rgunicorn".to_owned(),
                request_id: Some("X-Request-ID".to_owned()),
                id_in_response: true,
                ..ExchangeRules::default()
            },
            client: Client {
                ip: None,
                address: "127.0.0.2".to_owned(),
                port: Some(40_000),
                trusted: false,
                may_proxy: false,
                server: Some(Server::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 8000)))),
            },
        }
    }

    /// A request over this wire.
    pub fn exchange(wire: &Arc<Mutex<Wire>>, head: Head, id: Option<&str>) -> Exchange {
        let stream = Arc::new(TestStream::new(Arc::clone(wire)));
        let admission = Admissions::new(0).admit().expect("there is no limit");
        let names = Names {
            id: id.map(Arc::from),
            trace: None,
        };
        Exchange::new(stream, head, names, None, admission)
    }

    fn wire(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().unwrap()
    }
}

/// The head at the start of `request`, and its length.
pub fn parse(request: &str) -> (Head, usize) {
    let mut head = Head::default();
    let length = HeadParser::default()
        .advance(request.as_bytes(), &Policy::default(), &mut head)
        .unwrap()
        .unwrap();
    (head, length)
}

impl Stream for TestStream {
    fn key(&self) -> u64 {
        0
    }

    fn rules(&self) -> &ExchangeRules {
        &self.rules
    }

    fn date(&self) -> HttpDate {
        HttpDate::new(0)
    }

    fn client(&self) -> &Client {
        &self.client
    }

    fn tls(&self) -> Option<&TlsFacts> {
        None
    }

    fn proxy_header(&self) -> Option<&ProxyHeader> {
        None
    }

    fn certificate(&self) -> Option<&ClientCertificate> {
        None
    }

    fn read(&self, into: &mut Vec<u8>) -> Result<Option<usize>, BodyError> {
        let mut wire = self.wire();
        let wire = &mut *wire;
        if wire.invalid {
            return Err(crate::http::Error::ChunkEnd.into());
        }
        if let Some(decoder) = &mut wire.decoder {
            let piece = wire.incoming.front_mut();
            let mut input = piece.as_ref().map_or(&[][..], |piece| &piece[..]);
            let found = match decoder.next(&mut input)? {
                BodyPiece::Data(data) => {
                    into.extend_from_slice(data);
                    Some(data.len())
                }
                BodyPiece::End => Some(0),
                BodyPiece::NeedMore => None,
            };
            let rest = input.to_vec();
            if let Some(piece) = piece {
                *piece = rest;
            }
            return Ok(found);
        }
        if std::mem::take(&mut wire.pause) && !(wire.ended && wire.incoming.is_empty()) {
            return Ok(None);
        }
        Ok(match wire.incoming.pop_front() {
            Some(piece) => {
                wire.pause = !wire.upgraded;
                into.extend_from_slice(&piece);
                Some(piece.len())
            }
            None => wire.ended.then_some(0),
        })
    }

    fn wait_for_body(&self) -> Result<(), BodyError> {
        let mut wire = self.wire();
        wire.incoming.pop_front();
        match wire.incoming.is_empty() {
            true => Err(io::Error::from(io::ErrorKind::ConnectionReset).into()),
            false => Ok(()),
        }
    }

    fn expect_body(&self) {}

    fn write(&self, parts: &mut [IoSlice<'_>]) -> io::Result<bool> {
        let mut wire = self.wire();
        if wire.broken || wire.closed_after == Some(wire.written.len()) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        wire.written
            .push(parts.iter().flat_map(|part| part.to_vec()).collect());
        Ok(true)
    }

    fn write_interim(&self, interim: &Interim) -> io::Result<bool> {
        self.write(&mut [IoSlice::new(&interim.text())])
    }

    fn send_file(&self, file: OwnedFd, offset: u64, length: u64) -> io::Result<bool> {
        let mut bytes = vec![0; length as usize];
        File::from(file).read_exact_at(&mut bytes, offset)?;
        self.wire().files += 1;
        self.write(&mut [IoSlice::new(&bytes)])
    }

    fn wait_for_room(&self) -> io::Result<()> {
        Ok(())
    }

    fn is_held_back(&self) -> bool {
        self.wire().full
    }

    fn has_hung_up(&self) -> bool {
        self.wire().hung_up
    }

    fn may_stay(&self) -> bool {
        true
    }

    fn upgrade(&self) {
        self.wire().upgraded = true;
    }

    fn detach(&self, _: bool) -> io::Result<Detached> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn is_detached_for_good(&self) -> bool {
        false
    }

    fn duplicate_socket(&self) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn app_has_closed(&self) {}

    fn end_for_app(&self) {}

    fn count_response(&self, _status: u16) {}

    fn refuse(&self, page: &ErrorPage) -> bool {
        self.write(&mut [IoSlice::new(&page.text())]).is_ok()
    }

    fn finish(&self, keep_alive: bool) {
        self.wire().kept = Some(keep_alive);
    }

    fn abort(&self) {}
}
