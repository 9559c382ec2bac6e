//! Whole calls of small apps, over a stream in memory.

mod request;
mod response;

use super::*;
use crate::exchange::tests::{TestStream, Wire, parse};
use crate::http::{BodyDecoder, Limits};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::cell::RefCell;
use std::ffi::CString;
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
    /// The number of writes after which the client is gone.
    closed_after: Option<usize>,
    options: AppOptions,
    piece: usize,
    /// What the request is called.
    id: Option<&'a str>,
}

fn module(code: &str) -> Call<'static> {
    Call {
        code: code.to_owned(),
        request: "GET /a%20b/c?d=e HTTP/1.1\r\nHost: example.org\r\n\r\n",
        closed_after: None,
        options: AppOptions {
            sendfile: true,
            software: "rgunicorn/test".to_owned(),
            ..AppOptions::default()
        },
        piece: usize::MAX,
        id: None,
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
            options: self.options,
            piece: self.piece,
            id: None,
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
        let application = Application::new(callable, &self.options).unwrap();
        let (head, length) = parse(self.request);
        let body = &self.request.as_bytes()[length..];
        let wire = Arc::new(Mutex::new(Wire {
            decoder: Some(BodyDecoder::new(head.framing(), &Limits::default())),
            incoming: body.chunks(self.piece).map(<[u8]>::to_vec).collect(),
            closed_after: self.closed_after,
            ..Wire::default()
        }));
        let exchange = TestStream::exchange(&wire, head, self.id);
        let mut logged = (0, 0);
        LOGGED.take();
        let keep_alive = application.call(&exchange, |finished| {
            logged = (finished.status, finished.body_bytes);
            ::log::info!("access line");
        });
        let wire = wire.lock().unwrap();
        Reply {
            writes: wire
                .written
                .iter()
                .map(|write| String::from_utf8_lossy(write).into_owned())
                .collect(),
            keep_alive,
            files_sent: wire.files,
            logged,
            errors: LOGGED.take(),
            globals,
        }
    }
}
