//! The scope dicts ("HTTP & WebSocket ASGI Message Format", connection scope).

use super::fields::FieldCache;
use crate::exchange::Exchange;
use crate::http::{Scheme, Version, percent_decode};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

/// Makes scopes from templates.
pub struct ScopeMaker {
    http: Template,
    websocket: Template,
    /// The state that the app's lifespan has set. Each request gets a copy
    /// (lifespan protocol, "Lifespan State").
    state: Option<Py<PyDict>>,
    fields: FieldCache,
}

/// The common part of all scopes of a kind.
struct Template {
    scope: Py<PyDict>,
    extensions: Py<PyDict>,
}

impl Template {
    /// The extensions are copied, too, because apps may add their own.
    fn copy<'py>(&self, py: Python<'py>, exchange: &Exchange) -> PyResult<Bound<'py, PyDict>> {
        let scope = self.scope.bind(py).copy()?;
        let extensions = self.extensions.bind(py).copy()?;
        if let Some(facts) = exchange.stream().tls() {
            // The "TLS Extension" of ASGI, version 0.2.
            let tls = PyDict::new(py);
            tls.set_item(intern!(py, "server_cert"), &facts.server_certificate)?;
            tls.set_item(intern!(py, "client_cert_chain"), &facts.client_chain)?;
            tls.set_item(intern!(py, "client_cert_name"), &facts.client_name)?;
            // A client with a bad certificate gets no connection.
            tls.set_item(intern!(py, "client_cert_error"), py.None())?;
            tls.set_item(intern!(py, "tls_version"), facts.version)?;
            tls.set_item(intern!(py, "cipher_suite"), facts.cipher_suite)?;
            extensions.set_item(intern!(py, "tls"), tls)?;
        }
        scope.set_item(intern!(py, "extensions"), extensions)?;
        Ok(scope)
    }
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

    pub fn http<'py>(&self, py: Python<'py>, exchange: &Exchange) -> PyResult<Bound<'py, PyDict>> {
        let scope = self.http.copy(py, exchange)?;
        let method = latin1(py, exchange.head.method());
        scope.set_item(intern!(py, "method"), method)?;
        let scheme = PyString::intern(py, exchange.scheme().as_str());
        self.fill(&scope, exchange, &scheme)?;
        Ok(scope)
    }

    pub fn websocket<'py>(
        &self,
        py: Python<'py>,
        exchange: &Exchange,
        subprotocols: &[String],
    ) -> PyResult<Bound<'py, PyDict>> {
        let scope = self.websocket.copy(py, exchange)?;
        scope.set_item(intern!(py, "subprotocols"), subprotocols)?;
        let scheme = match exchange.scheme() {
            Scheme::Http => intern!(py, "ws"),
            Scheme::Https => intern!(py, "wss"),
        };
        self.fill(&scope, exchange, scheme)?;
        Ok(scope)
    }

    fn fill<'py>(
        &self,
        scope: &Bound<'py, PyDict>,
        exchange: &Exchange,
        scheme: &Bound<'py, PyString>,
    ) -> PyResult<()> {
        let py = scope.py();
        let head = &exchange.head;
        let version = match head.version() {
            Version::Http10 => intern!(py, "1.0"),
            Version::Http11 => intern!(py, "1.1"),
            // The ASGI specification writes it without a zero.
            Version::Http2 => intern!(py, "2"),
        };
        let (address, port) = exchange.remote();
        // There may be no port if a proxy has told the client's address.
        let port = port.or((!address.is_empty()).then_some(0));
        let client = port.map(|port| (address, port));
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
        scope.set_item(intern!(py, "server"), exchange.server())?;
        scope.set_item(intern!(py, "client"), client)?;
        if let Some(id) = exchange.names.id() {
            scope.set_item(intern!(py, "rgunicorn.request_id"), id)?;
        }
        if let Some(state) = &self.state {
            scope.set_item(intern!(py, "state"), state.bind(py).copy()?)?;
        }
        Ok(())
    }
}

/// A `str` with one character for each byte. A token is ASCII.
fn latin1<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    match bytes {
        b"GET" => intern!(py, "GET").clone(),
        b"POST" => intern!(py, "POST").clone(),
        _ => PyString::new(py, &String::from_utf8_lossy(bytes)),
    }
}
