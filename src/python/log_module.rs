//! The built-in module `_rgunicorn_log`: the error log, as Python sees it.
//!
//! - `write(level, text)`: a record with the level numbered as in `logging`
//! - `metric(type, name, value)`: a metric for statsd, where there is one
//! - `level()`: the least level that is told, numbered as in `logging`

use std::ffi::{CStr, c_char, c_int};
use std::ptr;

use ::log::{Level, LevelFilter};
use pyo3_ffi::*;

use super::definition::{self, Static, method};
use crate::log::{self, Metric};

/// The module's name.
pub const NAME: &CStr = c"_rgunicorn_log";

/// The module's init function, for `PyImport_AppendInittab`.
pub extern "C" fn init() -> *mut PyObject {
    // SAFETY: the import system calls this with the GIL held, and the
    // definition is static.
    unsafe { PyModuleDef_Init(DEFINITION.get().cast()) }
}

static DEFINITION: Static<PyModuleDef> = definition::module(NAME, c"The error log.", &METHODS);

static METHODS: Static<[PyMethodDef; 4]> = Static::new([
    method(c"write", write, METH_VARARGS),
    method(c"metric", metric, METH_VARARGS),
    method(c"level", level, METH_NOARGS),
    PyMethodDef::zeroed(),
]);

unsafe extern "C" fn write(_: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    let mut level: c_int = 0;
    let mut text: *const c_char = ptr::null();
    // SAFETY: as CPython calls its methods: GIL held, a tuple of arguments; the
    // pointers fit the format, and the text lives as long as the tuple.
    unsafe {
        if PyArg_ParseTuple(arguments, c"is".as_ptr(), &mut level, &mut text) == 0 {
            return ptr::null_mut();
        }
        let text = CStr::from_ptr(text).to_string_lossy();
        match level {
            50.. => ::log::error!(target: "critical", "{text}"),
            level => ::log::log!(named(level), "{text}"),
        }
        Py_NewRef(Py_None())
    }
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

unsafe extern "C" fn level(_: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: as above.
    unsafe { PyLong_FromLong(number(::log::max_level()).into()) }
}

fn named(level: c_int) -> Level {
    match level {
        40.. => Level::Error,
        30.. => Level::Warn,
        20.. => Level::Info,
        _ => Level::Debug,
    }
}

fn number(level: LevelFilter) -> c_int {
    match level {
        LevelFilter::Off => 60,
        LevelFilter::Error => 40,
        LevelFilter::Warn => 30,
        LevelFilter::Info => 20,
        LevelFilter::Debug | LevelFilter::Trace => 10,
    }
}
