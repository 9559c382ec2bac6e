//! `Py_GetArgcArgv`, for C code that needs the process's command line.
//!
//! CPython's function gives `sys.orig_argv`, which here says how
//! `sys.executable` is started again. The package `setproctitle` calls the
//! function, and then finds the words in memory, before the environment, and
//! writes a title there. The build makes CPython's own function weak
//! (scripts/cpython/build).

use std::ffi::{CStr, CString, c_int};
use std::ptr;
use std::sync::OnceLock;

use libc::wchar_t;
use pyo3::prelude::*;
use pyo3_ffi::Py_DecodeLocale;

/// Gives the words of the command line. From then on they are in the process's
/// original memory for them, followed by the environment.
pub type Words = fn() -> Vec<CString>;

static WORDS: OnceLock<Words> = OnceLock::new();

/// Gives these words to C code.
pub fn show(words: Words) {
    WORDS.get_or_init(|| words);
}

/// Sets the title with `setproctitle`; false if it is not imported.
pub fn retitle(text: &str) -> bool {
    if !super::is_started() {
        return false;
    }
    Python::attach(|py| {
        let modules = py.import("sys")?.getattr("modules")?;
        let module = modules.get_item("setproctitle")?;
        module.call_method1("setproctitle", (text,)).map(drop)
    })
    .is_ok()
}

/// The command line as the system has it; no words if they were not given.
///
/// # Safety
/// Each pointer is null or valid for a write.
#[allow(non_snake_case, reason = "the name is CPython's")]
#[unsafe(no_mangle)]
unsafe extern "C" fn Py_GetArgcArgv(count: *mut c_int, words: *mut *mut *mut wchar_t) {
    let shown = WORDS.get().map_or_else(Vec::new, |words| words());
    let decoded: Box<[_]> = shown.iter().map(|word| decode(word)).collect();
    // It lives as long as the process, as CPython's list does.
    let list = Box::leak(decoded);
    // SAFETY: as the caller promises.
    unsafe {
        if !count.is_null() {
            *count = list.len() as c_int;
        }
        if !words.is_null() {
            *words = if list.is_empty() {
                ptr::null_mut()
            } else {
                list.as_mut_ptr()
            };
        }
    }
}

fn decode(word: &CStr) -> *mut wchar_t {
    // SAFETY: the pointer is to a C string. Python is preinitialised, because
    // its C functions are called only afterwards.
    unsafe { Py_DecodeLocale(word.as_ptr(), ptr::null_mut()) }
}
