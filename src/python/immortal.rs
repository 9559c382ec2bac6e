//! Objects whose memory forked processes share. To use an object changes its
//! reference count, and so copies its page. The objects that a program consists
//! of exist until its end. If they are immortal, as `None` is (PEP 683), they
//! are not counted, and their pages stay shared.
//!
//! These are functions, classes and modules, with their code and constants.
//! Objects that must be closed are not among them, nor functions with a
//! closure.

use std::collections::HashSet;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{
    PyBytes, PyCode, PyDict, PyFloat, PyFrozenSet, PyFunction, PyInt, PyList, PyModule, PyString,
    PyTuple, PyType,
};

/// Makes the loaded objects of a program immortal. It must be called when
/// everything is loaded, before `gc.freeze`.
///
/// # Errors
/// Only without memory.
pub(super) fn immortalise(py: Python<'_>) -> PyResult<()> {
    let objects = py.import("gc")?.call_method0("get_objects")?;
    let mut immortals = Immortals::default();
    for object in objects.cast::<PyList>()?.iter() {
        if let Ok(function) = object.cast_exact::<PyFunction>() {
            immortals.add_function(function)?;
        } else if object.cast::<PyType>().is_ok() || object.cast_exact::<PyModule>().is_ok() {
            immortals.add(&object);
        } else if let Ok(dict) = object.cast_exact::<PyDict>() {
            for (name, value) in dict.iter() {
                immortals.add_constant(&name)?;
                immortals.add_constant(&value)?;
            }
        }
    }
    Ok(())
}

/// The objects that are immortal already.
#[derive(Default)]
struct Immortals(HashSet<*mut ffi::PyObject>);

impl Immortals {
    /// False if it was one before.
    fn add(&mut self, object: &Bound<'_, PyAny>) -> bool {
        let none = object.py().None();
        // SAFETY: both objects are alive and the GIL is held. A reference count
        // begins with 32 bits that in `None` mark an immortal object, in every
        // version since PEP 683. Objects without the mark have fewer than 2^31
        // references.
        unsafe {
            let mark = none.as_ptr().cast::<u32>().read();
            object.as_ptr().cast::<u32>().write(mark);
        }
        self.0.insert(object.as_ptr())
    }

    fn add_function(&mut self, function: &Bound<'_, PyFunction>) -> PyResult<()> {
        self.add_constant(&function.getattr("__code__")?)?;
        if function.getattr("__closure__")?.is_none() {
            self.add(function);
        }
        Ok(())
    }

    /// Makes code and its constants immortal; other objects are ignored.
    fn add_constant(&mut self, object: &Bound<'_, PyAny>) -> PyResult<()> {
        if object.cast_exact::<PyString>().is_ok()
            || object.cast_exact::<PyBytes>().is_ok()
            || object.cast_exact::<PyInt>().is_ok()
            || object.cast_exact::<PyFloat>().is_ok()
        {
            self.add(object);
        } else if let Ok(tuple) = object.cast_exact::<PyTuple>() {
            // It may also have objects that are no constants.
            if !self.0.contains(&object.as_ptr()) && self.are_constants(tuple)? {
                self.add(object);
            }
        } else if object.cast_exact::<PyCode>().is_ok() && self.add(object) {
            for part in [
                "co_consts",
                "co_names",
                "co_linetable",
                "co_exceptiontable",
                "co_filename",
                "co_name",
                "co_qualname",
            ] {
                self.add_constant(&object.getattr(part)?)?;
            }
        }
        Ok(())
    }

    fn are_constants(&mut self, tuple: &Bound<'_, PyTuple>) -> PyResult<bool> {
        let mut all = true;
        for item in tuple.iter() {
            self.add_constant(&item)?;
            let known = self.0.contains(&item.as_ptr()) || item.is_none();
            all &= known || item.cast_exact::<PyFrozenSet>().is_ok();
        }
        Ok(all)
    }
}
