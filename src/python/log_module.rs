//! The built-in module `_rgunicorn_log`: the logs for Python code.
//!
//! - `write(level, text, line)`: a record with the level numbered as in `logging`;
//!   its line is `line`, unless that is None
//! - `access(text, line)`: a line of the access log, in the same way
//! - `raw(text)`: text for the error log as it is
//! - `metric(type, name, value)`: a metric for statsd, where there is one
//! - `settings()`: a dict of the settings of the logs
//! - `divert(logger, error, access, level)`: which log's lines `logger` is to have, and
//!   the least level of the error log

use std::ffi::{CStr, c_char, c_int};
use std::ptr;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3_ffi::*;

use super::definition::{self, Static, method};
use super::logger::PythonLogger;
use crate::log::{self, Diverted, Metric};

/// The module's name.
pub const NAME: &CStr = c"_rgunicorn_log";

/// The module's init function, for `PyImport_AppendInittab`.
pub extern "C" fn init() -> *mut PyObject {
    // SAFETY: the import system calls this with the GIL held, and the
    // definition is static.
    unsafe { PyModuleDef_Init(DEFINITION.get().cast()) }
}

static DEFINITION: Static<PyModuleDef> = definition::module(NAME, c"The error log.", &METHODS);

static METHODS: Static<[PyMethodDef; 7]> = Static::new([
    method(c"write", write, METH_VARARGS),
    method(c"access", access, METH_VARARGS),
    method(c"raw", raw, METH_VARARGS),
    method(c"metric", metric, METH_VARARGS),
    method(c"settings", settings, METH_NOARGS),
    method(c"divert", divert, METH_VARARGS),
    PyMethodDef::zeroed(),
]);

unsafe extern "C" fn write(_: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    let mut level: c_int = 0;
    let (mut text, mut line): (*const c_char, *const c_char) = (ptr::null(), ptr::null());
    // SAFETY: CPython calls its methods with the GIL held and a tuple of
    // arguments. The pointers match the format, and the text lives as long as
    // the tuple.
    unsafe {
        let format = c"isz".as_ptr();
        if PyArg_ParseTuple(arguments, format, &mut level, &mut text, &mut line) == 0 {
            return ptr::null_mut();
        }
        log::straight_error(level, text_of(text), text_or_none(line));
        Py_NewRef(Py_None())
    }
}

unsafe extern "C" fn access(_: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    let (mut text, mut line): (*const c_char, *const c_char) = (ptr::null(), ptr::null());
    // SAFETY: as above.
    unsafe {
        if PyArg_ParseTuple(arguments, c"sz".as_ptr(), &mut text, &mut line) == 0 {
            return ptr::null_mut();
        }
        log::straight_access(text_of(text), text_or_none(line));
        Py_NewRef(Py_None())
    }
}

unsafe extern "C" fn raw(_: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    let mut text: *const c_char = ptr::null();
    // SAFETY: as above.
    unsafe {
        if PyArg_ParseTuple(arguments, c"s".as_ptr(), &mut text) == 0 {
            return ptr::null_mut();
        }
        log::straight_raw(text_of(text));
        Py_NewRef(Py_None())
    }
}

/// SAFETY: `text` must be a zero-terminated string that lives for `'a`.
unsafe fn text_of<'a>(text: *const c_char) -> &'a str {
    // SAFETY: as the caller promises. CPython gives UTF-8.
    unsafe { CStr::from_ptr(text) }.to_str().unwrap_or_default()
}

/// SAFETY: `text` must be null, or as for [`text_of`].
unsafe fn text_or_none<'a>(text: *const c_char) -> Option<&'a str> {
    // SAFETY: as the caller promises.
    (!text.is_null()).then(|| unsafe { text_of(text) })
}

unsafe extern "C" fn metric(_: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    let mut texts: [*const c_char; 3] = [ptr::null(); 3];
    let [kind, name, value] = &mut texts;
    // SAFETY: as above.
    unsafe {
        if PyArg_ParseTuple(arguments, c"sss".as_ptr(), kind, name, value) == 0 {
            return ptr::null_mut();
        }
        let [kind, name, value] = texts.map(|text| CStr::from_ptr(text).to_string_lossy());
        let kind = match &*kind {
            "gauge" => Some(Metric::Gauge),
            "counter" => Some(Metric::Counter),
            "histogram" => Some(Metric::Histogram),
            "timer" => Some(Metric::Timer),
            _ => None,
        };
        if let Some(kind) = kind {
            log::metric(kind, &name, &value);
        }
        Py_NewRef(Py_None())
    }
}

unsafe extern "C" fn settings(_: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: the GIL is held.
    let py = unsafe { Python::assume_attached() };
    match dict_of_settings(py) {
        Ok(dict) => dict.into_ptr(),
        Err(error) => {
            error.restore(py);
            ptr::null_mut()
        }
    }
}

fn dict_of_settings(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let outline = log::outline().unwrap_or_default();
    let dict = PyDict::new(py);
    dict.set_item("errorlog", outline.error_file)?;
    dict.set_item("loglevel", outline.level)?;
    let accesslog = outline.access_file;
    let to_syslog = outline.syslog && !outline.no_access_to_syslog;
    dict.set_item("is_accessed", accesslog.is_some() || to_syslog)?;
    dict.set_item("accesslog", accesslog)?;
    dict.set_item("access_log_format", outline.access_format)?;
    dict.set_item("syslog", outline.syslog)?;
    dict.set_item(
        "disable_redirect_access_to_syslog",
        outline.no_access_to_syslog,
    )?;
    Ok(dict)
}

unsafe extern "C" fn divert(_: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    let mut logger: *mut PyObject = ptr::null_mut();
    let (mut error, mut access, mut level): (c_int, c_int, c_int) = (0, 0, 0);
    // SAFETY: as in `write`; the object is borrowed from the tuple.
    unsafe {
        let format = c"Oppi".as_ptr();
        if PyArg_ParseTuple(
            arguments,
            format,
            &mut logger,
            &mut error,
            &mut access,
            &mut level,
        ) == 0
        {
            return ptr::null_mut();
        }
        let logger = Bound::from_borrowed_ptr(Python::assume_attached(), logger);
        let diverted = Diverted {
            error: error != 0,
            access: access != 0,
        };
        log::divert(Arc::new(PythonLogger(logger.unbind())), diverted);
        log::let_through(level);
        Py_NewRef(Py_None())
    }
}
