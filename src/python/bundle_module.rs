//! The built-in module `_rgunicorn_bundle`: the bundle for Python code.
//!
//! It uses CPython's own interface, because pyo3's modules cannot be imported
//! in subinterpreters, and every interpreter imports from the bundle.
//!
//! - `find(path)`: the file of the module that would be at `path` (without its
//!   ending), and whether it is a package; or `None`
//! - `code(path)`, `data(path)`: of the file at `path`, or `None`
//! - `names(folder)`: what is in it; empty when there is no such folder
//! - `is_folder(path)`
//! - `headers()`: the folder on the disk where the C headers are extracted, or
//!   `None` where there is no place for them
//! - `pip()`: the folder on the disk where the carried pip is extracted, or its
//!   wheel's bytes where there is no place for it
//! - `serve_zip(path)`: from now on, native modules can be loaded out of this
//!   zip; of an absolute path, the bytes
//! - `time_zone(zone)`: the name and the value, as bytes, of the variable that
//!   the C library lacks to know the zone of this name, or `None`
//! - `time_zone_name()`: what `TZ` was before its value was one for the C
//!   library alone, or `None`
//! - `zip_names(path)`: the names of all entries of this zip, in the order of its
//!   directory; of an absolute path, the bytes; `None` if they are plain ASCII, or it
//!   cannot be read
//! - `site_dirs()`: the `site-packages` folders that were chosen for this process
//! - `customizing()`: the folders whose `sitecustomize` is run
//! - `serves()`: whether this process is the server's, and not one that is Python
//!
//! Paths are relative to the executable, as in `lib/python3.13/os.py`.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3_ffi::*;

use super::bundle::{self, File};
use super::definition::{self, Static, method};
use super::extract::extract;
use super::{carried_pip, native_modules, site_dirs, time_zone, zip_names};

/// The module's name.
pub const NAME: &CStr = c"_rgunicorn_bundle";

/// Whether the interpreter is the server's, and not a `python` command's.
pub static SERVES: AtomicBool = AtomicBool::new(false);

/// The module's init function, for `PyImport_AppendInittab`.
pub extern "C" fn init() -> *mut PyObject {
    // SAFETY: the import system calls this with the GIL held, and the
    // definition is static.
    unsafe { PyModuleDef_Init(DEFINITION.get().cast()) }
}

static DEFINITION: Static<PyModuleDef> =
    definition::module(NAME, c"The files inside the executable.", &METHODS);

static METHODS: Static<[PyMethodDef; 15]> = Static::new([
    method(c"find", find, METH_O),
    method(c"code", code, METH_O),
    method(c"data", data, METH_O),
    method(c"names", names, METH_O),
    method(c"is_folder", is_folder, METH_O),
    method(c"headers", headers, METH_NOARGS),
    method(c"pip", pip, METH_NOARGS),
    method(c"serve_zip", serve_zip, METH_O),
    method(c"time_zone", time_zone, METH_O),
    method(c"time_zone_name", time_zone_name, METH_NOARGS),
    method(c"zip_names", zip_names, METH_O),
    method(c"site_dirs", site_dirs, METH_NOARGS),
    method(c"customizing", customizing, METH_NOARGS),
    method(c"serves", serves, METH_NOARGS),
    PyMethodDef::zeroed(),
]);

unsafe extern "C" fn find(_: *mut PyObject, path: *mut PyObject) -> *mut PyObject {
    // SAFETY: as CPython calls its methods: GIL held, a live argument.
    unsafe {
        let Some(path) = text(path) else {
            return ptr::null_mut();
        };
        for (ending, package) in [("/__init__.py", 1), (".py", 0)] {
            if let Some(file) = File::find(&format!("{path}{ending}")) {
                let path = string(file.path());
                let pair = PyTuple_Pack(2, path, PyBool_FromLong(package));
                Py_DecRef(path);
                return pair;
            }
        }
        Py_NewRef(Py_None())
    }
}

unsafe extern "C" fn code(_: *mut PyObject, path: *mut PyObject) -> *mut PyObject {
    // SAFETY: as above; the code was marshalled by this very CPython.
    unsafe {
        of_file(path, |file| {
            let code = file.code();
            if code.is_empty() {
                return Py_NewRef(Py_None());
            }
            PyMarshal_ReadObjectFromString(code.as_ptr().cast(), code.len() as Py_ssize_t)
        })
    }
}

unsafe extern "C" fn data(_: *mut PyObject, path: *mut PyObject) -> *mut PyObject {
    // SAFETY: as above.
    unsafe { of_file(path, |file| bytes_object(OsStr::from_bytes(&file.data()))) }
}

unsafe extern "C" fn names(_: *mut PyObject, folder: *mut PyObject) -> *mut PyObject {
    // SAFETY: as above.
    unsafe {
        let Some(folder) = text(folder) else {
            return ptr::null_mut();
        };
        list(bundle::names(folder).into_iter().map(|name| string(name)))
    }
}

unsafe extern "C" fn is_folder(_: *mut PyObject, path: *mut PyObject) -> *mut PyObject {
    // SAFETY: as above.
    unsafe {
        let Some(path) = text(path) else {
            return ptr::null_mut();
        };
        PyBool_FromLong(bundle::is_folder(path).into())
    }
}

unsafe extern "C" fn headers(_: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    const FOLDER: &str = concat!("include/python", env!("RGUNICORN_PYTHON_MINOR"));
    // SAFETY: as above.
    unsafe {
        match extract(FOLDER, "include") {
            Ok(place) => path_object(&place.join(FOLDER)),
            Err(_) => Py_NewRef(Py_None()),
        }
    }
}

unsafe extern "C" fn pip(_: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: as above.
    unsafe {
        match carried_pip::extract() {
            Ok(place) => path_object(&place),
            Err(_) => bytes_object(OsStr::from_bytes(&carried_pip::wheel())),
        }
    }
}

unsafe extern "C" fn serve_zip(_: *mut PyObject, path: *mut PyObject) -> *mut PyObject {
    // SAFETY: as above; the bytes are copied before the object can go.
    unsafe {
        let Some(path) = bytes(path) else {
            return ptr::null_mut();
        };
        native_modules::serve_zip(Path::new(path));
        Py_NewRef(Py_None())
    }
}

unsafe extern "C" fn time_zone(_: *mut PyObject, zone: *mut PyObject) -> *mut PyObject {
    // SAFETY: as above; the pair takes references of its own.
    unsafe {
        let Some(zone) = bytes(zone) else {
            return ptr::null_mut();
        };
        let Some((name, value)) = time_zone::what_lacks(zone) else {
            return Py_NewRef(Py_None());
        };
        let (name, value) = (bytes_object(name.as_ref()), bytes_object(&value));
        let pair = PyTuple_Pack(2, name, value);
        Py_DecRef(name);
        Py_DecRef(value);
        pair
    }
}

unsafe extern "C" fn time_zone_name(_: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: as above.
    unsafe {
        match time_zone::name() {
            Some(name) => bytes_object(&name),
            None => Py_NewRef(Py_None()),
        }
    }
}

unsafe extern "C" fn zip_names(_: *mut PyObject, path: *mut PyObject) -> *mut PyObject {
    // SAFETY: as above; the object outlives the call.
    unsafe {
        let Some(path) = bytes(path) else {
            return ptr::null_mut();
        };
        match zip_names::of_file(Path::new(path)) {
            Some(names) => list(names.iter().map(|name| string(name))),
            None => Py_NewRef(Py_None()),
        }
    }
}

unsafe extern "C" fn site_dirs(_: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: as above; pointer and length are of one path.
    unsafe { list(site_dirs::chosen().iter().map(|folder| path_object(folder))) }
}

unsafe extern "C" fn customizing(_: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: as above.
    unsafe {
        list(
            site_dirs::customizing()
                .iter()
                .map(|folder| path_object(folder)),
        )
    }
}

unsafe extern "C" fn serves(_: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: as above.
    unsafe { PyBool_FromLong(SERVES.load(Ordering::Relaxed).into()) }
}

/// A list that owns the items.
///
/// SAFETY: call with the GIL held.
unsafe fn list(items: impl Iterator<Item = *mut PyObject>) -> *mut PyObject {
    // SAFETY: the caller's promise; PyList_Append takes a reference of its own.
    unsafe {
        let list = PyList_New(0);
        for item in items {
            if item.is_null() || PyList_Append(list, item) < 0 {
                Py_DecRef(list);
                return ptr::null_mut();
            }
            Py_DecRef(item);
        }
        list
    }
}

/// SAFETY: call with the GIL held and a live `path`.
unsafe fn of_file(path: *mut PyObject, make: impl FnOnce(File) -> *mut PyObject) -> *mut PyObject {
    // SAFETY: as the caller promises.
    unsafe {
        let Some(path) = text(path) else {
            return ptr::null_mut();
        };
        match File::find(path) {
            Some(file) => make(file),
            None => Py_NewRef(Py_None()),
        }
    }
}

/// A Python string's text; `None` with an exception set when it is not one.
///
/// SAFETY: call with the GIL held; the text lives as long as the object.
unsafe fn text<'a>(object: *mut PyObject) -> Option<&'a str> {
    let mut length = 0;
    // SAFETY: the caller's promise; the pointer is checked before it is read,
    // and CPython gives valid UTF-8.
    unsafe {
        let start = PyUnicode_AsUTF8AndSize(object, &mut length);
        (!start.is_null()).then(|| {
            let bytes = std::slice::from_raw_parts(start.cast(), length as usize);
            std::str::from_utf8_unchecked(bytes)
        })
    }
}

/// The bytes of a Python object; `None` with an exception set when it has none.
///
/// SAFETY: call with the GIL held; the bytes live as long as the object.
unsafe fn bytes<'a>(object: *mut PyObject) -> Option<&'a OsStr> {
    let mut start = ptr::null_mut();
    let mut length = 0;
    // SAFETY: the caller's promise; the pointer is CPython's, of this length.
    unsafe {
        if PyBytes_AsStringAndSize(object, &mut start, &mut length) < 0 {
            return None;
        }
        let bytes = std::slice::from_raw_parts(start.cast(), length as usize);
        Some(OsStr::from_bytes(bytes))
    }
}

/// SAFETY: call with the GIL held.
unsafe fn bytes_object(bytes: &OsStr) -> *mut PyObject {
    let bytes = bytes.as_bytes();
    // SAFETY: the caller's promise; pointer and length are of one piece.
    unsafe { PyBytes_FromStringAndSize(bytes.as_ptr().cast(), bytes.len() as Py_ssize_t) }
}

/// A path as Python has it: a string.
///
/// SAFETY: call with the GIL held.
unsafe fn path_object(path: &Path) -> *mut PyObject {
    let bytes = path.as_os_str().as_bytes();
    // SAFETY: the caller's promise; pointer and length are of one path.
    unsafe { PyUnicode_DecodeFSDefaultAndSize(bytes.as_ptr().cast(), bytes.len() as Py_ssize_t) }
}

/// SAFETY: call with the GIL held.
unsafe fn string(text: &str) -> *mut PyObject {
    // SAFETY: the caller's promise; pointer and length are of one string.
    unsafe { PyUnicode_FromStringAndSize(text.as_ptr().cast(), text.len() as Py_ssize_t) }
}
