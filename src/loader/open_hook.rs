//! Handles every file that ld.so opens: at start and in any later `dlopen`, in any
//! thread.

use core::{
    ffi::{c_char, c_int},
    mem::MaybeUninit,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering},
};

use crate::{
    carried::libraries,
    executable, memory_file,
    stack::starts_with,
    syscall::{self, ENOENT},
};

/// Opens a path (a C string) for the program: returns a descriptor to read from, at
/// position 0, or -1 if the program does not provide this path. It is called inside
/// ld.so while ld.so's lock is held, so it must not call `dlopen` or `dlsym`.
pub type OpenCallback = extern "C" fn(path: *const c_char) -> c_int;

/// Lets the program provide files, such as shared objects in the app's zip and carried
/// libraries that are packed. It is asked first.
pub fn serve_opens_with(callback: OpenCallback) {
    CALLBACK.store(callback as *mut (), Ordering::Release);
}

/// Lets libraries that are not carried be loaded from the host's usual folders. Off by
/// default, because a library of the host may need another C library.
pub fn allow_host_libraries() {
    HOST_LIBRARIES.store(true, Ordering::Release);
}

static CALLBACK: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());
static HOST_LIBRARIES: AtomicBool = AtomicBool::new(false);

/// Where ld.so continues after its open call. The first stage sets it.
pub(crate) static RESUME: AtomicUsize = AtomicUsize::new(0);

/// The folder that ld.so's search path is changed to at build time (build.rs). It does
/// not exist; carried libraries appear to be in it.
pub const VIRTUAL_FOLDER: &str = "/.rg/";

/// The longest path of a host library, in bytes.
const LONGEST: usize = 256;

/// Replaces ld.so's `openat(AT_FDCWD, path, flags, mode)`: returns a descriptor or
/// `-errno`.
///
/// # Safety
/// `path` must be a C string, which it always is in ld.so.
pub(crate) unsafe extern "C" fn open(path: *const u8, flags: u32, mode: u32) -> isize {
    // SAFETY: `path` is a C string by the caller's promise, and it outlives the call.
    let name = unsafe { bytes(path) };
    let answer = if let Some(descriptor) = ask_program(path) {
        Ok(descriptor)
    } else if starts_with(path, VIRTUAL_FOLDER.as_bytes()) {
        carried_library(last_part(name))
            .unwrap_or_else(|| host_library(last_part(name), flags as usize))
    } else if is_hosts_own(name) {
        Err(ENOENT)
    } else {
        // SAFETY: as above.
        unsafe { syscall::open(path, flags as usize, mode as usize) }
    };
    match answer {
        Ok(descriptor) => descriptor as isize,
        Err(errno) => -errno,
    }
}

fn ask_program(path: *const u8) -> Option<usize> {
    let callback = CALLBACK.load(Ordering::Acquire);
    if callback.is_null() {
        return None;
    }
    // SAFETY: only `serve_opens_with` stores a value here, a function of this type.
    let callback = unsafe { core::mem::transmute::<*mut (), OpenCallback>(callback) };
    usize::try_from(callback(path.cast())).ok()
}

/// A carried library, in the executable or as a new memory file. The program provides those that are packed.
fn carried_library(name: &[u8]) -> Option<Result<usize, isize>> {
    let table = libraries();
    let mut index = 0;
    while index < table.len() {
        // SAFETY: `index` is below the length.
        let library = unsafe { table.get_unchecked(index) };
        if same(library.name(), name) && library.unpacked_size().is_none() {
            if library.is_mapped()
                && let Some(file) = executable::at_mapped_library()
            {
                return Some(Ok(file));
            }
            let file = memory_file::holding(library.bytes());
            // After the start, whoever asked for the library gets the error.
            if file.is_err() && CALLBACK.load(Ordering::Acquire).is_null() {
                syscall::fail(c"a carried library cannot be written to memory: there is no memory left, or the limit for files forbids it (ulimit -f)");
            }
            return Some(file);
        }
        index += 1;
    }
    None
}

/// A library of the host, if the user allowed that.
fn host_library(name: &[u8], flags: usize) -> Result<usize, isize> {
    if !HOST_LIBRARIES.load(Ordering::Acquire) {
        return Err(ENOENT);
    }
    let try_in = |folder: &[u8]| {
        // Not `[0; 256]`, which would call memset.
        let mut path = MaybeUninit::<[u8; LONGEST]>::uninit();
        let start = path.as_mut_ptr().cast::<u8>();
        if folder.len() + name.len() >= LONGEST {
            return Err(ENOENT);
        }
        // SAFETY: both parts and the NUL fit, as checked above.
        unsafe {
            copy(folder, start);
            copy(name, start.add(folder.len()));
            start.add(folder.len() + name.len()).write(0);
            syscall::open(start, flags, 0)
        }
    };
    try_in(b"/lib/x86_64-linux-gnu/")
        .or_else(|_| try_in(b"/usr/lib/x86_64-linux-gnu/"))
        .or_else(|_| try_in(b"/lib64/"))
        .or_else(|_| try_in(b"/usr/lib64/"))
        .or_else(|_| try_in(b"/usr/local/lib/"))
        .or_else(|_| try_in(b"/usr/lib/"))
}

/// Files of the host's loader and C library that would make ours load libraries of the
/// host: its cache, its preloads, its character converters.
fn is_hosts_own(name: &[u8]) -> bool {
    same(last_part(name), b"ld.so.cache")
        || same(last_part(name), b"ld.so.preload")
        || contains(name, b"/gconv/")
}

/// The part of a path after its last slash.
fn last_part(name: &[u8]) -> &[u8] {
    let mut start = name.len();
    // SAFETY: 0 < start <= the length; the same below.
    unsafe {
        while start > 0 && *name.get_unchecked(start - 1) != b'/' {
            start -= 1;
        }
        name.get_unchecked(start..)
    }
}

fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && contains(left, right)
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    let mut start = 0;
    while start + needle.len() <= hay.len() {
        let mut matched = 0;
        // SAFETY: start + matched < start + needle.len() <= hay.len().
        unsafe {
            while matched < needle.len()
                && *hay.get_unchecked(start + matched) == *needle.get_unchecked(matched)
            {
                matched += 1;
            }
        }
        if matched == needle.len() {
            return true;
        }
        start += 1;
    }
    false
}

/// The bytes of a C string, without its NUL.
///
/// # Safety
/// As for `CStr::from_ptr`, which would call strlen of the C library.
unsafe fn bytes<'a>(string: *const u8) -> &'a [u8] {
    let mut length = 0;
    // SAFETY: the string ends in NUL.
    unsafe {
        while *string.add(length) != 0 {
            length += 1;
        }
        core::slice::from_raw_parts(string, length)
    }
}

/// # Safety
/// `target` must have room for the bytes.
unsafe fn copy(bytes: &[u8], target: *mut u8) {
    let mut index = 0;
    while index < bytes.len() {
        // SAFETY: `index` is inside both.
        unsafe { target.add(index).write(*bytes.get_unchecked(index)) };
        index += 1;
    }
}
