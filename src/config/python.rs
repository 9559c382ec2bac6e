//! Values to and from Python.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString, PyTuple,
};

use super::value::Value;

impl Value {
    /// What a config file gives: the types that settings have, and the name of
    /// anything else.
    pub(super) fn from_python(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(if object.is_none() {
            Self::None
        } else if object.is_instance_of::<PyBool>() {
            Self::Bool(object.extract()?)
        } else if object.is_instance_of::<PyInt>() {
            // A number that does not fit is refused as too large later.
            Self::Int(object.extract().unwrap_or(i64::MAX))
        } else if object.is_instance_of::<PyFloat>() {
            Self::Float(object.extract()?)
        } else if object.is_instance_of::<PyString>() {
            match object.extract::<OsString>() {
                Ok(text) => text.into(),
                // It has lone surrogates, which no file name has.
                Err(_) => Self::Str(object.str()?.to_string_lossy().into_owned()),
            }
        } else if let Ok(bytes) = object.cast::<PyBytes>() {
            OsStr::from_bytes(bytes.as_bytes()).to_owned().into()
        } else if let Ok(dict) = object.cast::<PyDict>() {
            let entry = |(key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
                Ok((key.str()?.to_string(), Self::from_python(&value)?))
            };
            Self::Dict(dict.iter().map(entry).collect::<PyResult<_>>()?)
        } else if is_collection(object) {
            let items = object.try_iter()?;
            Self::List(
                items
                    .map(|item| Self::from_python(&item?))
                    .collect::<PyResult<_>>()?,
            )
        } else if let Ok(path) = object.extract::<PathBuf>() {
            path.into_os_string().into()
        } else {
            let module = object.py().import("_rgunicorn.config_file")?;
            Self::Object(module.call_method1("name_of", (object,))?.extract()?)
        })
    }

    /// The value as a Python object. A value that only Python can hold becomes its
    /// name.
    pub(super) fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(match self {
            Self::None => py.None().into_bound(py),
            Self::Str(text) | Self::Object(text) => text.into_pyobject(py)?.into_any(),
            Self::Raw(text) => text.into_pyobject(py)?.into_any(),
            Self::Int(number) => number.into_pyobject(py)?.into_any(),
            Self::Float(number) => number.into_pyobject(py)?.into_any(),
            Self::Bool(switch) => PyBool::new(py, *switch).to_owned().into_any(),
            Self::List(items) => {
                let list = PyList::empty(py);
                for item in items {
                    list.append(item.to_python(py)?)?;
                }
                list.into_any()
            }
            Self::Dict(entries) => {
                let dict = PyDict::new(py);
                for (name, value) in entries {
                    dict.set_item(name, value.to_python(py)?)?;
                }
                dict.into_any()
            }
        })
    }
}

fn is_collection(object: &Bound<'_, PyAny>) -> bool {
    object.is_instance_of::<PyList>()
        || object.is_instance_of::<PyTuple>()
        || object.is_instance_of::<PySet>()
        || object.is_instance_of::<PyFrozenSet>()
}
