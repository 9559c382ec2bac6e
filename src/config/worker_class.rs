//! The kinds of workers, and the names that Gunicorn's users have for them.

use std::fmt;

use super::value::{FromValue, ToValue, Value};

/// The kind of worker that serves the requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkerClass {
    /// One request at a time.
    Sync,
    /// Requests in several threads.
    Gthread,
    /// Apps that speak ASGI, on asyncio.
    Asgi,
    /// Greenlets; the app carries gevent.
    Gevent,
    /// The same with WebSockets; the app carries gevent-websocket.
    GeventWebsocket,
    /// Tornado's loop; the app carries tornado.
    Tornado,
    /// asyncio for apps of aiohttp, which the app carries.
    Aiohttp,
    /// A class in Python, by its dotted name, until it is known which of the
    /// others serves for it.
    Named(String),
}

/// The class of the package gevent-websocket, which has no other name.
const GEVENT_WEBSOCKET: &str = "geventwebsocket.gunicorn.workers.GeventWebSocketWorker";

/// Every name, short or dotted.
const NAMES: &[(&str, WorkerClass)] = &[
    ("sync", WorkerClass::Sync),
    ("gunicorn.workers.sync.SyncWorker", WorkerClass::Sync),
    ("gthread", WorkerClass::Gthread),
    (
        "gunicorn.workers.gthread.ThreadWorker",
        WorkerClass::Gthread,
    ),
    ("asgi", WorkerClass::Asgi),
    ("gunicorn.workers.gasgi.ASGIWorker", WorkerClass::Asgi),
    ("uvicorn.workers.UvicornWorker", WorkerClass::Asgi),
    ("uvicorn.workers.UvicornH11Worker", WorkerClass::Asgi),
    ("uvicorn_worker.UvicornWorker", WorkerClass::Asgi),
    ("uvicorn_worker.UvicornH11Worker", WorkerClass::Asgi),
    ("gevent", WorkerClass::Gevent),
    ("gevent_wsgi", WorkerClass::Gevent),
    ("gevent_pywsgi", WorkerClass::Gevent),
    ("gunicorn.workers.ggevent.GeventWorker", WorkerClass::Gevent),
    (
        "gunicorn.workers.ggevent.GeventPyWSGIWorker",
        WorkerClass::Gevent,
    ),
    (GEVENT_WEBSOCKET, WorkerClass::GeventWebsocket),
    ("flask_sockets.worker", WorkerClass::GeventWebsocket),
    ("flask_sockets.Worker", WorkerClass::GeventWebsocket),
    ("tornado", WorkerClass::Tornado),
    (
        "gunicorn.workers.gtornado.TornadoWorker",
        WorkerClass::Tornado,
    ),
    ("aiohttp", WorkerClass::Aiohttp),
    ("aiohttp.GunicornWebWorker", WorkerClass::Aiohttp),
    ("aiohttp.GunicornUVLoopWebWorker", WorkerClass::Aiohttp),
    ("aiohttp.worker.GunicornWebWorker", WorkerClass::Aiohttp),
    (
        "aiohttp.worker.GunicornUVLoopWebWorker",
        WorkerClass::Aiohttp,
    ),
];

impl WorkerClass {
    /// The names that are usual here.
    pub const SHORT_NAMES: &'static [&'static str] =
        &["sync", "gthread", "asgi", "gevent", "tornado", "aiohttp"];

    /// Why the name cannot be that of a class in Python. It is asked for when all
    /// sources were read: another one may give another class.
    pub fn refusal(&self) -> Option<String> {
        let Self::Named(name) = self else { return None };
        match name.as_str() {
            "eventlet" | "gunicorn.workers.geventlet.EventletWorker" => Some(
                "eventlet is no longer maintained, and Gunicorn has dropped it, too; take 'gevent' \
                 or 'gthread'"
                    .to_owned(),
            ),
            name if !name.contains('.') => Some(format!(
                "there is no worker class '{name}'; take 'sync', 'gthread', 'asgi', 'gevent' or \
                 'tornado', or the dotted name of a class that derives from Gunicorn's"
            )),
            _ => None,
        }
    }

    /// True for the classes that `asgi` replaces if the app speaks ASGI.
    pub fn depends_on_app(&self) -> bool {
        matches!(self, Self::Sync | Self::Gthread)
    }

    /// True for the classes whose requests are greenlets.
    pub fn is_gevent(&self) -> bool {
        matches!(self, Self::Gevent | Self::GeventWebsocket)
    }

    /// The class that serves with so many threads: `sync` has only one.
    pub fn with_threads(self, threads: u32) -> Self {
        match self {
            Self::Sync if threads > 1 => Self::Gthread,
            class => class,
        }
    }
}

impl FromValue for WorkerClass {
    /// Reads a name, also after `egg:gunicorn#`. A name that is not known is kept.
    fn from_value(value: Value) -> Result<Self, String> {
        let name = match &value {
            Value::Str(name) => name.trim(),
            // A class, by its dotted name.
            Value::Object(name) => name,
            other => return Err(format!("{other} is not the name of a worker class")),
        };
        let short = name.strip_prefix("egg:gunicorn#").unwrap_or(name);
        let mut names = NAMES.iter();
        if let Some((_, class)) = names.find(|(known, _)| *known == short) {
            return Ok(class.clone());
        }
        Ok(Self::Named(short.to_owned()))
    }
}

impl fmt::Display for WorkerClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sync => "sync",
            Self::Gthread => "gthread",
            Self::Asgi => "asgi",
            Self::Gevent => "gevent",
            Self::GeventWebsocket => GEVENT_WEBSOCKET,
            Self::Tornado => "tornado",
            Self::Aiohttp => "aiohttp",
            Self::Named(name) => name,
        })
    }
}

impl ToValue for WorkerClass {
    fn to_value(&self) -> Value {
        Value::Str(self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str) -> Result<WorkerClass, String> {
        WorkerClass::from_value(Value::Str(name.to_owned()))
    }

    #[test]
    fn worker_classes_are_known_by_all_their_names() {
        for (name, class) in NAMES {
            let short = class.to_string();
            for name in [name, format!("egg:gunicorn#{short}").as_str()] {
                assert_eq!(check(name), Ok(class.clone()));
            }
        }
    }

    #[test]
    fn unknown_ones_are_refused_with_advice() {
        let refusal = |name| check(name).unwrap().refusal();
        assert!(refusal("eventlet").unwrap().contains("'gevent'"));
        assert!(refusal("mine").unwrap().contains("'mine'"));
        assert_eq!(refusal("mine.Worker"), None);
        assert!(WorkerClass::from_value(Value::Int(1)).is_err());
    }
}
