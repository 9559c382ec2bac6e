//! The environ dict (PEP 3333, "environ Variables"), with Gunicorn's additions.

use super::errors::ErrorStream;
use super::file_wrapper::FileWrapper;
use super::input::Input;
use super::options::AppOptions;
use super::start_response::StartResponse;
use super::text;
use crate::exchange::Exchange;
use crate::http::{Head, Scheme, Version, percent_decode};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyDict, PyString};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, PoisonError};

/// The two parts of a request's path: the part up to the app, and the part that
/// the app itself handles.
pub struct Mount<'a> {
    script_name: &'a [u8],
    /// Still percent-encoded.
    path_info: &'a [u8],
}

/// Makes environs. Each is a copy of a template with the values of the request
/// before; only values that differ are made again.
pub struct EnvironMaker {
    script_name: String,
    errors: Py<ErrorStream>,
    last: Mutex<Last>,
}

/// What is kept from the requests before.
struct Last {
    template: Py<PyDict>,
    values: [Vec<u8>; KEYS.len()],
    fields: Fields,
}

/// Keys of the template whose value depends on the request.
const KEYS: [&str; 11] = [
    "REQUEST_METHOD",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
    "RAW_URI",
    "SERVER_PROTOCOL",
    "SERVER_NAME",
    "SERVER_PORT",
    "REMOTE_ADDR",
    "wsgi.url_scheme",
    "wsgi.input",
];

impl EnvironMaker {
    pub fn new(py: Python<'_>, options: &AppOptions) -> PyResult<EnvironMaker> {
        let template = PyDict::new(py);
        template.set_item("wsgi.version", (1, 0))?;
        let errors = Bound::new(py, ErrorStream::default())?;
        template.set_item("wsgi.errors", &errors)?;
        template.set_item("wsgi.multithread", options.multithread)?;
        template.set_item("wsgi.multiprocess", options.multiprocess)?;
        template.set_item("wsgi.run_once", false)?;
        template.set_item("wsgi.file_wrapper", py.get_type::<FileWrapper>())?;
        template.set_item("wsgi.input_terminated", true)?;
        template.set_item("SERVER_SOFTWARE", &options.software)?;
        for key in KEYS
            .into_iter()
            .chain(["wsgi.early_hints", "gunicorn.socket"])
        {
            template.set_item(PyString::intern(py, key), "")?;
        }
        // A dict does not shrink, and its copy has the same size. So each
        // environ has room for the fields of most requests.
        for place in ["1", "2", "3", "4"] {
            template.set_item(place, "")?;
        }
        for place in ["1", "2", "3", "4"] {
            template.del_item(place)?;
        }
        Ok(EnvironMaker {
            script_name: options.script_name.trim_end_matches('/').to_owned(),
            errors: errors.unbind(),
            last: Mutex::new(Last {
                template: template.unbind(),
                values: Default::default(),
                fields: Fields::default(),
            }),
        })
    }

    /// The stream that the app writes errors to.
    pub fn errors(&self) -> &ErrorStream {
        self.errors.get()
    }

    /// The app's part of this request's path.
    ///
    /// # Errors
    /// The path is not below SCRIPT_NAME. The text says so.
    pub fn mount<'a>(&'a self, exchange: &'a Exchange) -> Result<Mount<'a>, String> {
        let head = &exchange.head;
        let mut script_name = self.script_name.as_bytes();
        if exchange.client().trusted
            && let Some(stated) = head.field("SCRIPT_NAME")
        {
            script_name = stated.strip_suffix(b"/").unwrap_or(stated);
        }
        let path_info = path_info(head, script_name)?;
        Ok(Mount {
            script_name,
            path_info,
        })
    }

    pub fn make<'py>(
        &self,
        py: Python<'py>,
        exchange: &Exchange,
        &Mount {
            script_name,
            path_info,
        }: &Mount<'_>,
        input: &Bound<'py, Input>,
        start: &StartResponse,
    ) -> PyResult<Bound<'py, PyDict>> {
        let head = &exchange.head;
        let path = percent_decode(path_info);
        let (remote_addr, remote_port) = exchange.remote();
        let mut digits = itoa::Buffer::new();
        let (server_name, server_port) = match exchange.server() {
            Some((name, port)) => (name.as_bytes(), digits.format(port).as_bytes()),
            None => server_of_host(exchange),
        };
        // No Python code runs while this lock is held. But the first use of an
        // interned name may release the GIL, so a thread that waits for the
        // lock must not hold the GIL.
        let last = self.last.lock_py_attached(py);
        let mut last = last.unwrap_or_else(PoisonError::into_inner);
        let environ = last.copy_with(
            py,
            [
                head.method(),
                script_name,
                &path,
                head.query(),
                head.target(),
                head.version().as_str().as_bytes(),
                server_name,
                server_port,
                remote_addr.as_bytes(),
                exchange.scheme().as_str().as_bytes(),
            ],
        )?;
        environ.set_item(intern!(py, "wsgi.input"), input)?;
        environ.set_item(intern!(py, "wsgi.early_hints"), start.early_hints(py))?;
        environ.set_item(intern!(py, "gunicorn.socket"), start.socket(py))?;
        if head.version() == Version::Http2 {
            let send_trailers = intern!(py, "gunicorn.http2.send_trailers");
            environ.set_item(send_trailers, start.send_trailers(py))?;
        }
        if let Some(port) = remote_port {
            let port = text::from_bytes(py, digits.format(port).as_bytes());
            environ.set_item(intern!(py, "REMOTE_PORT"), port)?;
        }
        for (name, value) in exchange.extra() {
            let value = text::from_bytes(py, value.as_bytes());
            environ.set_item(PyString::intern(py, name), value)?;
        }
        for (name, value) in head.fields() {
            last.fields.add_to(&environ, name, value)?;
        }
        Ok(environ)
    }
}

impl Last {
    /// A copy of the template, with these values of all [`KEYS`] but the last.
    fn copy_with<'py>(
        &mut self,
        py: Python<'py>,
        values: [&[u8]; KEYS.len() - 1],
    ) -> PyResult<Bound<'py, PyDict>> {
        let template = self.template.bind(py);
        for ((last, value), key) in self.values.iter_mut().zip(values).zip(KEYS) {
            if last != value {
                let text = text::from_bytes(py, value);
                template.set_item(PyString::intern(py, key), text)?;
                last.clear();
                last.extend_from_slice(value);
            }
        }
        template.copy()
    }
}

/// The path below `script_name`.
fn path_info<'a>(head: &'a Head, script_name: &[u8]) -> Result<&'a [u8], String> {
    let path = match head.path() {
        // `http://host` asks for the root (RFC 9110 section 4.2.3).
        b"" if head.method() != b"CONNECT" => b"/",
        path => path,
    };
    match path.strip_prefix(script_name) {
        Some(rest) if script_name.is_empty() || rest.is_empty() || rest[0] == b'/' => Ok(rest),
        _ => Err(format!(
            "Configuration problem: Request path '{}' does not start with SCRIPT_NAME '{}'",
            path.escape_ascii(),
            script_name.escape_ascii()
        )),
    }
}

/// SERVER_NAME and SERVER_PORT for a listener without an address.
fn server_of_host(exchange: &Exchange) -> (&[u8], &[u8]) {
    let default: &[u8] = match exchange.scheme() {
        Scheme::Http => b"80",
        Scheme::Https => b"443",
    };
    let host = exchange.head.field("Host").filter(|host| !host.is_empty());
    let host = host.unwrap_or(b"localhost");
    // The colons of an IPv6 address are in brackets.
    let address_end = host.iter().rposition(|&b| b == b']').unwrap_or(0);
    match host[address_end..].iter().rposition(|&b| b == b':') {
        Some(colon) => match host.split_at(address_end + colon) {
            (name, b":") => (name, default),
            (name, port) => (name, &port[1..]),
        },
        None => (host, default),
    }
}

/// The fields that clients have sent, each with its last value.
#[derive(Default)]
struct Fields(HashMap<Box<[u8]>, Field, BuildHasherDefault<Fnv>>);

struct Field {
    key: Py<PyString>,
    value: Vec<u8>,
    text: Py<PyString>,
}

/// The Fowler-Noll-Vo hash: fast for names. Clients may choose names whose
/// hashes collide; this does no harm, because few names are kept.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Fields {
    /// The largest number of names that are kept. Clients choose the names.
    const MOST: usize = 256;

    /// Longer values are not kept.
    const LONGEST: usize = 256;

    /// Sets a field, or appends it to a field with the same name.
    fn add_to(&mut self, environ: &Bound<'_, PyDict>, name: &[u8], value: &[u8]) -> PyResult<()> {
        let py = environ.py();
        let (key, text) = match self.0.get_mut(name) {
            Some(field) => field.with(py, value),
            None => {
                let key = PyString::intern(py, &environ_key(name));
                let text = text::from_bytes(py, value);
                if self.0.len() < Self::MOST {
                    let field = Field {
                        key: key.clone().unbind(),
                        value: Vec::new(),
                        text: PyString::intern(py, "").unbind(),
                    };
                    self.0.insert(name.into(), field);
                }
                (key, text)
            }
        };
        if let Some(first) = set_default(environ, &key, &text)? {
            let first = first.cast_into::<PyString>()?;
            environ.set_item(key, first.add(intern!(py, ","))?.add(text)?)?;
        }
        Ok(())
    }
}

impl Field {
    /// The key, and this value as text.
    fn with<'py>(
        &mut self,
        py: Python<'py>,
        value: &[u8],
    ) -> (Bound<'py, PyString>, Bound<'py, PyString>) {
        if self.value != value {
            let text = text::from_bytes(py, value);
            if value.len() > Fields::LONGEST {
                return (self.key.bind(py).clone(), text);
            }
            self.value.clear();
            self.value.extend_from_slice(value);
            self.text = text.unbind();
        }
        (self.key.bind(py).clone(), self.text.bind(py).clone())
    }
}

/// Sets a key that is absent; gives the value of one that is present.
fn set_default<'py>(
    dict: &Bound<'py, PyDict>,
    key: &Bound<'py, PyString>,
    value: &Bound<'py, PyString>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let mut there = std::ptr::null_mut();
    // SAFETY: all three are alive, the first is a dict, and `there` gets a new
    // reference unless the call fails.
    unsafe {
        match ffi::compat::PyDict_SetDefaultRef(
            dict.as_ptr(),
            key.as_ptr(),
            value.as_ptr(),
            &raw mut there,
        ) {
            ..0 => Err(PyErr::fetch(dict.py())),
            found => {
                let there = Bound::from_owned_ptr(dict.py(), there);
                Ok((found > 0).then_some(there))
            }
        }
    }
}

/// `HTTP_` and the name, except for the two fields that have keys of their own
/// in CGI. A name is a token, so it is ASCII.
fn environ_key(name: &[u8]) -> String {
    let upper: String = name
        .iter()
        .map(|&b| {
            if b == b'-' {
                '_'
            } else {
                char::from(b.to_ascii_uppercase())
            }
        })
        .collect();
    match upper.as_str() {
        "CONTENT_TYPE" | "CONTENT_LENGTH" => upper,
        _ => format!("HTTP_{upper}"),
    }
}
