//! The messages that the app sends: dicts with a type and other keys.

use crate::http::{ResponseError, ResponseHead};
use crate::python::type_name;
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyMemoryView, PyString};

/// A message, and its type.
pub struct Message<'a, 'py> {
    dict: &'a Bound<'py, PyDict>,
    kind: Bound<'py, PyString>,
}

impl<'a, 'py> Message<'a, 'py> {
    pub fn new(message: &'a Bound<'py, PyAny>) -> PyResult<Message<'a, 'py>> {
        let message = message.cast::<PyDict>().map_err(|_| {
            PyTypeError::new_err(format!(
                "an ASGI message must be a dict, not {}",
                type_name(message)
            ))
        })?;
        let kind = message.get_item(pyo3::intern!(message.py(), "type"))?;
        let kind = kind.and_then(|kind| kind.cast_into::<PyString>().ok());
        let kind = kind.ok_or_else(|| PyTypeError::new_err("an ASGI message has no 'type'"))?;
        Ok(Message {
            dict: message,
            kind,
        })
    }

    pub fn kind(&self) -> PyResult<&str> {
        self.kind.to_str()
    }

    /// The value of a key; nothing if it is absent or None.
    pub fn get(&self, key: &Bound<'py, PyString>) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.dict.get_item(key)?.filter(|value| !value.is_none()))
    }

    /// True if the key is present and its value is true.
    pub fn flag(&self, key: &Bound<'py, PyString>) -> PyResult<bool> {
        match self.dict.get_item(key)? {
            Some(value) => value.is_truthy(),
            None => Ok(false),
        }
    }

    /// Bytes; empty if the key is absent.
    pub fn bytes(&self, key: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyBytes>> {
        match self.get(key)? {
            Some(value) => bytes(value, &format_args!("'{key}' of '{}'", self.kind)),
            None => Ok(PyBytes::new(self.dict.py(), b"")),
        }
    }

    /// The head of a response: `status` and `headers`.
    pub fn response_head(&self) -> PyResult<ResponseHead> {
        let py = self.dict.py();
        let status = self.dict.get_item(pyo3::intern!(py, "status"))?;
        let status: Option<u16> = status.and_then(|status| status.extract().ok());
        let status = status
            .filter(|code| (100..=999).contains(code))
            .ok_or_else(|| {
                PyTypeError::new_err(format!("'status' of '{}' must be a status code", self.kind))
            })?;
        let mut head = ResponseHead::with_code(status).map_err(invalid)?;
        self.add_fields(&mut head)?;
        Ok(head)
    }

    /// Adds the message's `headers`.
    pub fn add_fields(&self, head: &mut ResponseHead) -> PyResult<()> {
        self.fields(|name, value| head.add(name, value))
    }

    /// Calls `each` with the name and value of each of the message's `headers`.
    pub fn fields(
        &self,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<(), ResponseError>,
    ) -> PyResult<()> {
        let Some(headers) = self.get(pyo3::intern!(self.dict.py(), "headers"))? else {
            return Ok(());
        };
        for pair in headers.try_iter()? {
            let pair = pair?;
            let (Ok(2), Ok(name), Ok(value)) = (pair.len(), pair.get_item(0), pair.get_item(1))
            else {
                return Err(PyTypeError::new_err(format!(
                    "a header must be a name and a value, not {}",
                    type_name(&pair)
                )));
            };
            let name = bytes(name, &"the name of a header")?;
            let value = bytes(value, &"the value of a header")?;
            each(name.as_bytes(), value.as_bytes()).map_err(invalid)?;
        }
        Ok(())
    }
}

/// The app's error for a response that cannot be sent.
pub fn invalid(error: ResponseError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// A bytes-like value as bytes. `what` names it in the error.
fn bytes<'py>(
    value: Bound<'py, PyAny>,
    what: &dyn std::fmt::Display,
) -> PyResult<Bound<'py, PyBytes>> {
    let value = match value.cast_into::<PyBytes>() {
        Ok(bytes) => return Ok(bytes),
        Err(error) => error.into_inner(),
    };
    if value.is_instance_of::<PyByteArray>() || value.is_instance_of::<PyMemoryView>() {
        let copy = value.py().get_type::<PyBytes>().call1((value,))?;
        return Ok(copy.cast_into::<PyBytes>()?);
    }
    Err(PyTypeError::new_err(format!(
        "{what} must be bytes, not {}",
        type_name(&value)
    )))
}

/// The error of a message that cannot come now.
pub fn unexpected(message: &Message<'_, '_>, expected: &str) -> PyErr {
    let kind = message.kind().unwrap_or_default();
    PyRuntimeError::new_err(format!(
        "Expected {expected}, not the ASGI message '{kind}'"
    ))
}
