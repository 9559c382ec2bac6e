//! The scope dicts ("HTTP & WebSocket ASGI Message Format", connection scope).

use super::Channel;
use super::fields::FieldCache;
use crate::http::{Scheme, percent_decode};
use crate::net::TlsFacts;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

/// One request, as the worker knows it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub scheme: Scheme,
    /// The listener's address and port; nothing over a unix socket.
    pub server: Option<(&'a str, u16)>,
    /// The client's address and port; nothing over a unix socket.
    pub client: Option<(&'a str, u16)>,
    /// Of the connection to the server itself.
    pub tls: Option<&'a TlsFacts>,
}

/// Makes scopes from templates.
pub struct ScopeMaker {
    http: Template,
    websocket: Template,
    /// What lifespan has left for the requests; each gets a copy (lifespan
    /// protocol, "Lifespan State").
    state: Option<Py<PyDict>>,
    fields: FieldCache,
}

/// What all scopes of a kind have.
struct Template {
    scope: Py<PyDict>,
    extensions: Py<PyDict>,
}

impl Template {
    /// Extensions are copied, too: apps add to them what is theirs.
    fn copy<'py>(&self, py: Python<'py>, request: &Request<'_>) -> PyResult<Bound<'py, PyDict>> {
        let scope = self.scope.bind(py).copy()?;
        let extensions = self.extensions.bind(py).copy()?;
        if let Some(facts) = request.tls {
            extensions.set_item(intern!(py, "tls"), tls(py, facts)?)?;
        }
        scope.set_item(intern!(py, "extensions"), extensions)?;
        Ok(scope)
    }
}

/// The "TLS Extension" of ASGI, version 0.2.
fn tls<'py>(py: Python<'py>, facts: &TlsFacts) -> PyResult<Bound<'py, PyDict>> {
    let extension = PyDict::new(py);
    extension.set_item(intern!(py, "server_cert"), &facts.server_certificate)?;
    extension.set_item(intern!(py, "client_cert_chain"), &facts.client_chain)?;
    extension.set_item(intern!(py, "client_cert_name"), &facts.client_name)?;
    // Whoever shows a bad one has no connection.
    extension.set_item(intern!(py, "client_cert_error"), py.None())?;
    extension.set_item(intern!(py, "tls_version"), facts.version)?;
    extension.set_item(intern!(py, "cipher_suite"), facts.cipher_suite)?;
    Ok(extension)
}

impl ScopeMaker {
    pub fn new(
        py: Python<'_>,
        root_path: &str,
        state: Option<Bound<'_, PyDict>>,
    ) -> PyResult<ScopeMaker> {
        let template = |kind: &str, names: &[&str]| -> PyResult<Template> {
            let scope = PyDict::new(py);
            let versions = PyDict::new(py);
            versions.set_item("version", "3.0")?;
            versions.set_item("spec_version", "2.4")?;
            scope.set_item("type", PyString::intern(py, kind))?;
            scope.set_item("asgi", versions)?;
            scope.set_item("root_path", root_path)?;
            let extensions = PyDict::new(py);
            for name in names {
                extensions.set_item(name, PyDict::new(py))?;
            }
            Ok(Template {
                scope: scope.unbind(),
                extensions: extensions.unbind(),
            })
        };
        Ok(ScopeMaker {
            http: template(
                "http",
                &[
                    "http.response.pathsend",
                    "http.response.trailers",
                    "http.response.early_hint",
                ],
            )?,
            websocket: template("websocket", &["websocket.http.response"])?,
            state: state.map(Bound::unbind),
            fields: FieldCache::default(),
        })
    }

    pub fn http<'py>(
        &self,
        py: Python<'py>,
        channel: &dyn Channel,
        request: &Request<'_>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let scope = self.http.copy(py, request)?;
        let method = latin1(py, channel.head().method());
        scope.set_item(intern!(py, "method"), method)?;
        let scheme = PyString::intern(py, request.scheme.as_str());
        self.fill(&scope, channel, request, &scheme)?;
        Ok(scope)
    }

    pub fn websocket<'py>(
        &self,
        py: Python<'py>,
        channel: &dyn Channel,
        request: &Request<'_>,
        subprotocols: &[String],
    ) -> PyResult<Bound<'py, PyDict>> {
        let scope = self.websocket.copy(py, request)?;
        scope.set_item(intern!(py, "subprotocols"), subprotocols)?;
        let scheme = match request.scheme {
            Scheme::Http => intern!(py, "ws"),
            Scheme::Https => intern!(py, "wss"),
        };
        self.fill(&scope, channel, request, scheme)?;
        Ok(scope)
    }

    fn fill<'py>(
        &self,
        scope: &Bound<'py, PyDict>,
        channel: &dyn Channel,
        request: &Request<'_>,
        scheme: &Bound<'py, PyString>,
    ) -> PyResult<()> {
        let py = scope.py();
        let head = channel.head();
        let version = match head.version().as_str() {
            "HTTP/1.0" => intern!(py, "1.0"),
            _ => intern!(py, "1.1"),
        };
        let raw_path = match head.path() {
            // `http://host` asks for the root (RFC 9110 section 4.2.3).
            b"" => b"/",
            path => path,
        };
        let path = percent_decode(raw_path);
        scope.set_item(intern!(py, "http_version"), version)?;
        scope.set_item(intern!(py, "scheme"), scheme)?;
        scope.set_item(intern!(py, "path"), String::from_utf8_lossy(&path))?;
        scope.set_item(intern!(py, "raw_path"), PyBytes::new(py, raw_path))?;
        scope.set_item(intern!(py, "query_string"), PyBytes::new(py, head.query()))?;
        scope.set_item(intern!(py, "headers"), self.fields.list(py, head.fields())?)?;
        scope.set_item(intern!(py, "server"), request.server)?;
        scope.set_item(intern!(py, "client"), request.client)?;
        if let Some(id) = channel.id() {
            scope.set_item(intern!(py, "rgunicorn.request_id"), id)?;
        }
        if let Some(state) = &self.state {
            scope.set_item(intern!(py, "state"), state.bind(py).copy()?)?;
        }
        Ok(())
    }
}

/// A `str` of one character for each byte; of a token, that is ASCII.
fn latin1<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    match bytes {
        b"GET" => intern!(py, "GET").clone(),
        b"POST" => intern!(py, "POST").clone(),
        _ => PyString::new(py, &String::from_utf8_lossy(bytes)),
    }
}
