//! `Py_GetArgcArgv`, for C code that looks for the process's own command line.
//!
//! CPython's answers with `sys.orig_argv`, which here says how `sys.executable`
//! is started again. The package `setproctitle` calls it, and then looks for the
//! words in memory, before the environment, to show a title there. The build makes
//! CPython's own function weak (scripts/cpython/build).

use std::ffi::{CStr, CString, c_int};
use std::ptr;
use std::sync::OnceLock;

use libc::wchar_t;
use pyo3::prelude::*;
use pyo3_ffi::Py_DecodeLocale;

/// Gives the words of the command line, which lie in the process's own memory
/// for it from then on, the environment behind them.
pub type Words = fn() -> Vec<CString>;

static WORDS: OnceLock<Words> = OnceLock::new();

/// Lets C code have these words.
pub fn show(words: Words) {
    WORDS.get_or_init(|| words);
}

/// Shows a title by `setproctitle`, if that is imported; false if it is not.
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

/// The command line, as the system has it; no words where nobody shows them.
///
/// # Safety
/// Both pointers may be null; else a value can be written to them.
#[allow(non_snake_case, reason = "the name is CPython's")]
#[unsafe(no_mangle)]
unsafe extern "C" fn Py_GetArgcArgv(count: *mut c_int, words: *mut *mut *mut wchar_t) {
    let shown = WORDS.get().map_or_else(Vec::new, |words| words());
    let decoded: Box<[_]> = shown.iter().map(|word| decode(word)).collect();
    // It lives as long as the process, as CPython's does.
    let list = Box::leak(decoded);
    // SAFETY: the caller's promise.
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
    // SAFETY: a C string; Python is preinitialised, as its C functions are
    // called only then.
    unsafe { Py_DecodeLocale(word.as_ptr(), ptr::null_mut()) }
}
