//! Whole calls of small apps, over a source and a sink in memory.

mod request;
mod response;

use super::*;
use crate::exchange::{Detached, Stream};
use crate::http::{
    BodyDecoder, BodyError, Head, HeadParser, HttpDate, Limits, Piece, Policy, ResponseRules,
    Scheme,
};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, Once};

thread_local! {
    static LOGGED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct LogKeeper;

impl ::log::Log for LogKeeper {
    fn enabled(&self, _: &::log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &::log::Record<'_>) {
        let line = format!("{} {}", record.level(), record.args());
        LOGGED.with_borrow_mut(|logged| logged.push(line));
    }

    fn flush(&self) {}
}

/// Starts the interpreter and the log, once.
fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        ::log::set_logger(&LogKeeper).unwrap();
        ::log::set_max_level(::log::LevelFilter::Debug);
        crate::python::start_once();
    });
}

/// A client in memory: its body comes in pieces, each after a wait, and what it
/// gets is kept, each write on its own.
struct Client {
    body: Mutex<(BodyDecoder, VecDeque<Vec<u8>>)>,
    sent: Mutex<Sent>,
    closed_after: Option<usize>,
}

#[derive(Default)]
struct Sent {
    writes: Vec<Vec<u8>>,
    files: usize,
}

impl Stream for Client {
    fn read(&self, into: &mut Vec<u8>) -> Result<Option<usize>, BodyError> {
        let (decoder, pieces) = &mut *self.body.lock().unwrap();
        let piece = pieces.front_mut();
        let mut input = piece.as_ref().map_or(&[][..], |piece| &piece[..]);
        let found = match decoder.next(&mut input)? {
            Piece::Data(data) => {
                into.extend_from_slice(data);
                Some(data.len())
            }
            Piece::End => Some(0),
            Piece::NeedMore => None,
        };
        let rest = input.to_vec();
        if let Some(piece) = piece {
            *piece = rest;
        }
        Ok(found)
    }

    fn wait_for_body(&self) -> Result<(), BodyError> {
        let mut body = self.body.lock().unwrap();
        body.1.pop_front();
        match body.1.is_empty() {
            true => Err(io::Error::from(io::ErrorKind::ConnectionReset).into()),
            false => Ok(()),
        }
    }

    fn write(&self, parts: &mut [IoSlice<'_>]) -> io::Result<bool> {
        let mut sent = self.sent.lock().unwrap();
        if self.closed_after == Some(sent.writes.len()) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        sent.writes
            .push(parts.iter().flat_map(|part| part.to_vec()).collect());
        Ok(true)
    }

    fn write_interim(&self, interim: &[u8]) -> io::Result<bool> {
        self.write(&mut [IoSlice::new(interim)])
    }

    fn send_file(&self, file: OwnedFd, offset: u64, length: u64) -> io::Result<bool> {
        let mut bytes = vec![0; length as usize];
        File::from(file).read_exact_at(&mut bytes, offset)?;
        self.sent.lock().unwrap().files += 1;
        self.write(&mut [IoSlice::new(&bytes)])
    }

    fn wait_for_room(&self) -> io::Result<()> {
        Ok(())
    }

    fn may_stay(&self) -> bool {
        true
    }

    fn detach(&self, _: bool) -> io::Result<Detached> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn duplicate_socket(&self) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn app_has_closed(&self) {}

    fn key(&self) -> u64 {
        0
    }

    fn client(&self) -> &crate::exchange::Client {
        unreachable!()
    }

    fn rules(&self) -> &crate::exchange::ExchangeRules {
        unreachable!()
    }

    fn proxy_header(&self) -> Option<&crate::http::ProxyHeader> {
        None
    }

    fn certificate(&self) -> Option<&crate::net::ClientCertificate> {
        None
    }

    fn tls(&self) -> Option<&crate::net::TlsFacts> {
        None
    }

    fn expect_body(&self) {}

    fn is_held_back(&self) -> bool {
        false
    }

    fn has_hung_up(&self) -> bool {
        false
    }

    fn upgrade(&self) {}

    fn is_detached_for_good(&self) -> bool {
        false
    }

    fn end_for_app(&self) {}

    fn refuse(&self, _: &[u8]) -> bool {
        false
    }

    fn finish(&self, _: bool) {}

    fn abort(&self) {}
}

struct Reply {
    writes: Vec<String>,
    keep_alive: bool,
    files_sent: usize,
    /// Status and body bytes, as the access log gets them.
    logged: (u16, u64),
    errors: Vec<String>,
    globals: Py<PyDict>,
}

impl Reply {
    fn text(&self) -> String {
        self.writes.concat()
    }

    fn status(&self) -> u16 {
        self.text()[9..12].parse().unwrap()
    }

    fn body(&self) -> String {
        self.text().split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// A global variable of the app's module, as `str()` shows it.
    fn global(&self, name: &str) -> String {
        Python::attach(|py| {
            let globals = self.globals.bind(py);
            globals.get_item(name).unwrap().unwrap().to_string()
        })
    }

    fn errors(&self) -> String {
        self.errors.join("\n")
    }
}

/// An app's source, which defines `app` or only its body, and how it is called.
#[derive(Clone)]
struct Call<'a> {
    code: String,
    request: &'a str,
    /// Number of writes after which the client is gone.
    closed_after: Option<usize>,
    settings: Settings,
    piece: usize,
    echo: Option<(&'a str, &'a str)>,
}

fn module(code: &str) -> Call<'static> {
    Call {
        code: code.to_owned(),
        request: "GET /a%20b/c?d=e HTTP/1.1\r\nHost: example.org\r\n\r\n",
        closed_after: None,
        settings: Settings {
            sendfile: true,
            server_header: "rgunicorn".to_owned(),
            software: "rgunicorn/test".to_owned(),
            ..Settings::default()
        },
        piece: usize::MAX,
        echo: None,
    }
}

/// An app with this body; it may use `ok()` to start a response.
fn app(body: &str) -> Call<'static> {
    module(&format!(
        "def app(environ, start_response):\n    \
             ok = lambda *headers: start_response('200 OK', list(headers))\n    {}\n",
        body.replace('\n', "\n    ")
    ))
}

impl<'a> Call<'a> {
    fn request(self, request: &str) -> Call<'_> {
        Call {
            request,
            code: self.code,
            closed_after: self.closed_after,
            settings: self.settings,
            piece: self.piece,
            echo: None,
        }
    }

    fn run(&self) -> Reply {
        start();
        let (callable, globals) = Python::attach(|py| {
            let globals = PyDict::new(py);
            let code = CString::new(self.code.as_str()).unwrap();
            py.run(&code, Some(&globals), None).unwrap();
            (
                globals.get_item("app").unwrap().unwrap().unbind(),
                globals.unbind(),
            )
        });
        let application = Application::new(callable, &self.settings).unwrap();
        let (head, length) = parse(self.request);
        let body = &self.request.as_bytes()[length..];
        let client = Arc::new(Client {
            body: Mutex::new((
                BodyDecoder::new(head.framing(), &Limits::default()),
                body.chunks(self.piece).map(<[u8]>::to_vec).collect(),
            )),
            sent: Mutex::default(),
            closed_after: self.closed_after,
        });
        let request = Request {
            head: &head,
            scheme: Scheme::Http,
            server: Some(("127.0.0.1", 8000)),
            remote_addr: "127.0.0.2",
            remote_port: Some(40_000),
            trusted: false,
            extra: &[],
            id: self.echo.map(|(_, id)| id),
            echo: self.echo,
        };
        let mut logged = (0, 0);
        LOGGED.take();
        let keep_alive = application.call(
            &request,
            ResponseRules::of(&head),
            HttpDate::new(0),
            client.clone(),
            |finished| {
                logged = (finished.status, finished.body_bytes);
                ::log::info!("access line");
            },
        );
        let sent = client.sent.lock().unwrap();
        Reply {
            writes: sent
                .writes
                .iter()
                .map(|write| String::from_utf8_lossy(write).into_owned())
                .collect(),
            keep_alive,
            files_sent: sent.files,
            logged,
            errors: LOGGED.take(),
            globals,
        }
    }
}

fn parse(request: &str) -> (Head, usize) {
    let mut head = Head::default();
    let length = HeadParser::default()
        .advance(request.as_bytes(), &Policy::default(), &mut head)
        .unwrap()
        .unwrap();
    (head, length)
}
