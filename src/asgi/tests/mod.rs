//! Whole calls of small apps on a real event loop, over a stream in memory.

mod http;
mod websocket;

use super::*;
use crate::exchange::Finished;
use crate::exchange::tests::{TestStream, Wire, parse};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::ffi::CString;
use std::sync::{Arc, Mutex};

/// Status, bytes, whether the connection may be used again.
type Outcome = (u16, u64, bool);

/// Keeps what a worker is told of a response.
struct OutcomeKeeper(Arc<Mutex<Option<Outcome>>>);

impl Observer for OutcomeKeeper {
    fn upgraded(&mut self) {}

    fn finished(&mut self, _: &Exchange, finished: &Finished<'_>) {
        let outcome = (finished.status, finished.body_bytes, finished.keep_alive);
        *self.0.lock().unwrap() = Some(outcome);
    }
}

/// An app, its loop, and one connection.
struct Session {
    event_loop: Py<PyAny>,
    globals: Py<PyDict>,
    application: Arc<Application>,
    wire: Arc<Mutex<Wire>>,
    finished: Arc<Mutex<Option<Outcome>>>,
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
            let options = AppOptions {
                root_path: "/root".to_owned(),
                websocket_max_message_size: 1000,
            };
            let application = Application::new(app, &event_loop, Some(state), options).unwrap();
            Session {
                event_loop: event_loop.unbind(),
                globals: globals.unbind(),
                application: Arc::new(application),
                wire: Arc::default(),
                finished: Arc::default(),
                call: None,
            }
        })
    }

    /// The head comes, with the bytes that are on the wire.
    fn request(&mut self, head: &str) -> &mut Self {
        let head_length = head.len();
        let (head, length) = parse(head);
        assert_eq!(length, head_length);
        let application = self.application.clone();
        let (wire, finished) = (self.wire.clone(), self.finished.clone());
        let started = Arc::new(Mutex::new(None));
        let result = started.clone();
        self.within(move |py| {
            let exchange = TestStream::exchange(&wire, head.clone(), None);
            let observer = Box::new(OutcomeKeeper(finished.clone()));
            let call = if crate::websocket::is_upgrade(head.method(), head.fields()) {
                let handshake = crate::websocket::Handshake::read(head.fields()).unwrap();
                application.websocket(py, exchange, handshake, observer)
            } else {
                application.http(py, exchange, observer)
            };
            *result.lock().unwrap() = Some(call);
        });
        self.call = started.lock().unwrap().take();
        self
    }

    /// Runs `act` as a callback of the loop, and then the loop until it is
    /// idle.
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

    /// The client has sent everything.
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
        *self.finished.lock().unwrap()
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

impl Drop for Session {
    fn drop(&mut self) {
        Python::attach(|py| {
            let _ = self.event_loop.bind(py).call_method0("close");
        });
    }
}
