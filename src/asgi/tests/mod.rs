//! Whole calls of small apps on a real event loop, over a channel in memory.

mod http;
mod websocket;

use super::*;
use crate::http::{HeadParser, Policy, Scheme};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::collections::VecDeque;
use std::ffi::CString;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};

/// What a client does, and what it and the worker see.
#[derive(Default)]
struct Wire {
    /// Pieces of the body, or of a WebSocket; nothing else than `Waiting`
    /// comes when they are used up, unless the client has ended.
    incoming: VecDeque<Vec<u8>>,
    ended: bool,
    invalid: bool,
    written: Vec<Vec<u8>>,
    full: bool,
    broken: bool,
    upgraded: bool,
    hung_up: bool,
    /// Status, bytes, whether the connection may be used again.
    finished: Option<(u16, u64, bool)>,
}

struct Memory {
    head: Head,
    wire: Arc<Mutex<Wire>>,
}

impl Memory {
    fn take(&self, into: &mut Vec<u8>) -> Progress {
        let mut wire = self.wire.lock().unwrap();
        match wire.incoming.pop_front() {
            Some(piece) => into.extend(piece),
            None if !wire.ended => return Progress::Waiting,
            None => {}
        }
        match wire.ended && wire.incoming.is_empty() {
            true => Progress::Ended,
            false => Progress::Some,
        }
    }

    fn done(&self, finished: &Finished<'_>) {
        let finished = (finished.status, finished.body_bytes, finished.keep_alive);
        self.wire.lock().unwrap().finished = Some(finished);
    }
}

impl Channel for Memory {
    fn head(&self) -> &Head {
        &self.head
    }

    fn rules(&self) -> ResponseRules {
        ResponseRules::of(&self.head)
    }

    fn stamp(&self) -> (&str, &str) {
        ("server", "today")
    }

    fn id(&self) -> Option<&str> {
        None
    }

    fn echo(&self) -> Option<(&str, &str)> {
        None
    }

    fn read(&mut self, into: &mut Vec<u8>) -> Result<Progress, BodyError> {
        if self.wire.lock().unwrap().invalid {
            return Err(crate::http::Error::ChunkEnd.into());
        }
        Ok(self.take(into))
    }

    fn write(&mut self, parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        let mut wire = self.wire.lock().unwrap();
        if wire.broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        wire.written
            .push(parts.iter().flat_map(|part| part.to_vec()).collect());
        Ok(())
    }

    fn inform(&mut self, interim: &[u8]) -> io::Result<()> {
        self.write(&mut [IoSlice::new(interim)])
    }

    fn send_file(&mut self, file: File, offset: u64, length: u64) -> io::Result<()> {
        let mut bytes = vec![0; length as usize];
        file.read_exact_at(&mut bytes, offset)?;
        self.write(&mut [IoSlice::new(&bytes)])
    }

    fn is_full(&self) -> bool {
        self.wire.lock().unwrap().full
    }

    fn finish(self: Box<Self>, finished: &Finished<'_>) {
        self.done(finished);
    }

    fn upgrade(&mut self) {
        self.wire.lock().unwrap().upgraded = true;
    }

    fn receive(&mut self, into: &mut Vec<u8>) -> io::Result<Progress> {
        Ok(self.take(into))
    }

    fn close(self: Box<Self>, finished: &Finished<'_>) {
        self.done(finished);
    }

    fn has_hung_up(&self) -> bool {
        self.wire.lock().unwrap().hung_up
    }
}

/// An app, its loop, and one connection.
struct Session {
    event_loop: Py<PyAny>,
    globals: Py<PyDict>,
    application: Arc<Application>,
    wire: Arc<Mutex<Wire>>,
    call: Option<Arc<Call>>,
}

impl Session {
    /// `code` defines `app`.
    fn new(code: &str) -> Session {
        crate::python::start_once();
        Python::attach(|py| {
            let globals = PyDict::new(py);
            let code = CString::new(format!("import asyncio\nlog = []\n{code}")).unwrap();
            py.run(&code, Some(&globals), None).unwrap();
            let event_loop = py
                .import("asyncio")
                .unwrap()
                .call_method0("new_event_loop")
                .unwrap();
            let state = PyDict::new(py);
            state.set_item("pool", 1).unwrap();
            let app = globals.get_item("app").unwrap().unwrap();
            let settings = Settings {
                root_path: "/root".to_owned(),
                websocket_max_message_size: 1000,
            };
            let application = Application::new(app, &event_loop, Some(state), settings).unwrap();
            Session {
                event_loop: event_loop.unbind(),
                globals: globals.unbind(),
                application: Arc::new(application),
                wire: Arc::default(),
                call: None,
            }
        })
    }

    /// The head comes, with what is on the wire so far.
    fn request(&mut self, head: &str) -> &mut Self {
        let mut parser = HeadParser::default();
        let mut parsed = Head::default();
        let length = parser.advance(head.as_bytes(), &Policy::default(), &mut parsed);
        assert_eq!(length, Ok(Some(head.len())));
        let head = parsed;
        let channel = Box::new(Memory {
            head: head.clone(),
            wire: self.wire.clone(),
        });
        let application = self.application.clone();
        let started = Arc::new(Mutex::new(None));
        let result = started.clone();
        self.within(move |py| {
            let request = Request {
                scheme: Scheme::Http,
                server: Some(("127.0.0.1", 80)),
                client: Some(("10.0.0.1", 1234)),
                tls: None,
            };
            let call = if crate::websocket::is_upgrade(head.method(), head.fields()) {
                let handshake = crate::websocket::Handshake::read(head.fields()).unwrap();
                application.websocket(py, &request, handshake, channel.clone_box())
            } else {
                application.http(py, &request, channel.clone_box())
            };
            *result.lock().unwrap() = Some(call);
        });
        self.call = started.lock().unwrap().take();
        self
    }

    /// Runs `act` as a callback of the loop, and what follows from it.
    fn within(&self, act: impl Fn(Python<'_>) + Send + Sync + 'static) {
        Python::attach(|py| {
            let event_loop = self.event_loop.bind(py);
            let callback = pyo3::types::PyCFunction::new_closure(py, None, None, move |args, _| {
                act(args.py());
            })
            .unwrap();
            event_loop.call_method1("call_soon", (callback,)).unwrap();
            self.run_until_idle(event_loop);
        });
    }

    fn run_until_idle(&self, event_loop: &Bound<'_, PyAny>) {
        for _ in 0..5 {
            let stop = event_loop.getattr("stop").unwrap();
            event_loop.call_method1("call_soon", (stop,)).unwrap();
            event_loop.call_method0("run_forever").unwrap();
        }
    }

    /// More comes from the client.
    fn comes(&self, piece: &[u8]) -> &Self {
        self.wire.lock().unwrap().incoming.push_back(piece.to_vec());
        self.tell(Call::ready)
    }

    /// All has come.
    fn ends(&self) -> &Self {
        self.wire.lock().unwrap().ended = true;
        self.tell(Call::ready)
    }

    /// The client is gone.
    fn leaves(&self) -> &Self {
        let mut wire = self.wire.lock().unwrap();
        (wire.hung_up, wire.broken, wire.ended) = (true, true, true);
        drop(wire);
        self.tell(Call::hung_up)
    }

    fn tell(&self, what: impl Fn(&Call, Python<'_>) + Send + Sync + 'static) -> &Self {
        let call = self.call.clone().unwrap();
        self.within(move |py| what(&call, py));
        self
    }

    /// The worker closes the WebSocket.
    fn close(&self, reason: &'static str) {
        let call = self.call.clone().unwrap();
        self.within(move |py| call.close(py, crate::websocket::CloseCode::RESTART, reason));
    }

    fn written(&self) -> String {
        let written = self.wire.lock().unwrap().written.concat();
        String::from_utf8_lossy(&written).into_owned()
    }

    fn finished(&self) -> Option<(u16, u64, bool)> {
        self.wire.lock().unwrap().finished
    }

    /// What the app has put into its list `log`.
    fn log(&self) -> String {
        Python::attach(|py| {
            let log = self.globals.bind(py).get_item("log").unwrap().unwrap();
            log.to_string()
        })
    }

    fn is_running(&self) -> bool {
        self.call.as_ref().unwrap().is_running()
    }
}

impl Memory {
    fn clone_box(&self) -> Box<Memory> {
        Box::new(Memory {
            head: self.head.clone(),
            wire: self.wire.clone(),
        })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        Python::attach(|py| {
            let _ = self.event_loop.bind(py).call_method0("close");
        });
    }
}
