//! Definitions of built-in modules that use CPython's own interface. Every
//! interpreter of the process can import them; they have no state.

use std::cell::UnsafeCell;
use std::ffi::{CStr, c_int};
use std::ptr;

use pyo3_ffi::*;

/// A static to which only CPython writes.
#[repr(transparent)]
pub(super) struct Static<T>(UnsafeCell<T>);
// SAFETY: CPython changes its definitions under its own locks, and Rust does
// not read them again.
unsafe impl<T> Sync for Static<T> {}

impl<T> Static<T> {
    pub(super) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    pub(super) const fn get(&self) -> *mut T {
        self.0.get()
    }
}

/// A module's definition; its methods end with [`PyMethodDef::zeroed`].
pub(super) const fn module<const N: usize>(
    name: &'static CStr,
    doc: &'static CStr,
    methods: &'static Static<[PyMethodDef; N]>,
) -> Static<PyModuleDef> {
    Static::new(PyModuleDef {
        m_base: PyModuleDef_HEAD_INIT,
        m_name: name.as_ptr(),
        m_doc: doc.as_ptr(),
        m_size: 0,
        m_methods: methods.get().cast(),
        m_slots: SLOTS.get().cast(),
        m_traverse: None,
        m_clear: None,
        m_free: None,
    })
}

pub(super) type Method = unsafe extern "C" fn(*mut PyObject, *mut PyObject) -> *mut PyObject;

/// One of a module's methods. `flags` (`METH_O`, ...) say how it is called.
pub(super) const fn method(name: &'static CStr, function: Method, flags: c_int) -> PyMethodDef {
    PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: PyMethodDefPointer {
            PyCFunction: function,
        },
        ml_flags: flags,
        ml_doc: ptr::null(),
    }
}

static SLOTS: Static<[PyModuleDef_Slot; 2]> = Static::new([
    PyModuleDef_Slot {
        slot: Py_mod_multiple_interpreters,
        value: Py_MOD_PER_INTERPRETER_GIL_SUPPORTED,
    },
    PyModuleDef_Slot {
        slot: 0,
        value: ptr::null_mut(),
    },
]);
