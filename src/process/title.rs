//! The text that `ps` shows for this process.

use crate::system::lock;
use std::ffi::{CStr, CString, c_char};
use std::ops::Range;
use std::ptr;
use std::sync::{Mutex, OnceLock};

use nix::libc;

/// The memory that `ps` reads: that of the command line and, behind it, of
/// the environment.
#[derive(Debug)]
struct Title {
    memory: Range<*mut u8>,
    /// The command line's array of pointers, and how many there are.
    arguments: *mut *mut c_char,
    words: usize,
    shown: Mutex<Shown>,
}

#[derive(Debug)]
struct Shown {
    /// The words of the command line, or the title as one word.
    words: Vec<CString>,
    /// Whether others may write to the memory, too.
    shared: bool,
}

// SAFETY: the pointers are those of the process's own command line, which stays
// where it is; `shown` is locked by whoever writes through them.
unsafe impl Send for Title {}
// SAFETY: as above.
unsafe impl Sync for Title {}

unsafe extern "C" {
    /// The environment's strings and a null pointer (POSIX).
    static mut environ: *mut *mut c_char;
}

static TITLE: OnceLock<Option<Title>> = OnceLock::new();

/// Shows a title through a Python package for titles; false if there is none.
pub type Retitle = fn(&str) -> bool;

static RETITLE: OnceLock<Retitle> = OnceLock::new();

/// Finds the memory that titles are written to. No title is shown where the
/// command line and the environment do not lie as Linux lays them out.
///
/// Must be called first, with the number of words on the command line.
pub fn claim(words: usize) {
    // SAFETY: the caller's promise: nobody has changed the environment yet.
    TITLE.get_or_init(|| unsafe { Title::find(words) });
}

/// Shows titles through a package that writes to the memory, too: it clears
/// only the text that it has written itself.
pub fn show_through(retitle: Retitle) {
    RETITLE.get_or_init(|| retitle);
}

/// Shows this text, cut off where the memory ends.
pub fn set(text: &str) {
    let Some(Some(title)) = TITLE.get() else {
        return;
    };
    if RETITLE.get().is_some_and(|retitle| retitle(text)) {
        return;
    }
    let mut shown = lock(&title.shown);
    title.move_out();
    let count = text.len().min(title.length() - 1);
    let text = text.as_bytes()[..count].split(|byte| *byte == 0).next();
    let word = CString::new(text.unwrap_or_default()).unwrap_or_default();
    title.write(&word);
    shown.words = vec![word];
}

/// The words that are shown. They lie in the memory from then on, the
/// environment behind them, as the kernel has laid them out: packages that
/// show titles look for both there.
pub fn share() -> Vec<CString> {
    let Some(Some(title)) = TITLE.get() else {
        return Vec::new();
    };
    let mut shown = lock(&title.shown);
    if !shown.shared {
        shown.shared = true;
        title.lay_out(&shown.words);
    }
    shown.words.clone()
}

impl Title {
    /// SAFETY: to be called while the environment is as the kernel has made it.
    unsafe fn find(words: usize) -> Option<Self> {
        // SAFETY: the process has one thread, and the array of the
        // environment's strings still lies where the kernel has put it: behind
        // that of the command line's and a null pointer (System V ABI, "Initial
        // Process Stack"). The strings are checked to follow each other without
        // a gap.
        unsafe {
            let variables = environ;
            if variables.is_null() || words == 0 {
                return None;
            }
            let arguments = variables.sub(words + 1);
            if !(*arguments.add(words)).is_null() {
                return None;
            }
            let start = *arguments;
            let mut end = start;
            let mut line = Vec::new();
            for slot in 0..words {
                let text = *arguments.add(slot);
                if text != end {
                    return None;
                }
                let text = CStr::from_ptr(text);
                line.push(text.to_owned());
                end = end.add(text.count_bytes() + 1);
            }
            // If the environment is not there, the title has less room.
            let mut variable = variables;
            while *variable == end {
                end = end.add(CStr::from_ptr(end).count_bytes() + 1);
                variable = variable.add(1);
            }
            Some(Self {
                memory: start.cast()..end.cast(),
                arguments,
                words,
                shown: Mutex::new(Shown {
                    words: line,
                    shared: false,
                }),
            })
        }
    }

    fn length(&self) -> usize {
        // SAFETY: both ends are of one piece of memory.
        unsafe { self.memory.end.offset_from_unsigned(self.memory.start) }
    }

    /// Moves the command line and the environment out of the memory; the arrays of
    /// pointers lead to the copies.
    fn move_out(&self) {
        // SAFETY: both arrays are the process's own and may be written. The
        // copies live as long as the process.
        unsafe {
            for slot in 0..self.words {
                self.move_string(self.arguments.add(slot));
            }
            each_variable(|variable| self.move_string(variable));
        }
    }

    /// SAFETY: `slot` holds a C string.
    unsafe fn move_string(&self, slot: *mut *mut c_char) {
        // SAFETY: the caller's promise.
        unsafe {
            if self.memory.contains(&(*slot).cast()) {
                let copy = libc::strdup(*slot);
                if !copy.is_null() {
                    *slot = copy;
                }
            }
        }
    }

    /// One word, and zeros up to the memory's end.
    fn write(&self, word: &CStr) {
        let bytes = word.to_bytes();
        // SAFETY: the memory is ours, and nothing that others use lies in it
        // any more. The word is shorter than it.
        unsafe {
            ptr::write_bytes(self.memory.start, 0, self.length());
            ptr::copy_nonoverlapping(bytes.as_ptr(), self.memory.start, bytes.len());
        }
    }

    /// Writes the words and, as far as there is room, the environment's strings
    /// behind them, and lets the environment lie there.
    fn lay_out(&self, words: &[CString]) {
        self.move_out();
        let mut free = self.memory.clone();
        // SAFETY: as in `write`; no string is written that has no room.
        unsafe {
            ptr::write_bytes(self.memory.start, 0, self.length());
            for word in words {
                place(word, &mut free);
            }
            let mut has_room = true;
            each_variable(|variable| {
                if has_room {
                    match place(CStr::from_ptr(*variable), &mut free) {
                        Some(placed) => *variable = placed,
                        None => has_room = false,
                    }
                }
            });
        }
    }
}

/// Copies a string to the beginning of this memory, which is shorter then;
/// nothing where there is no room.
///
/// SAFETY: the memory may be written.
unsafe fn place(text: &CStr, free: &mut Range<*mut u8>) -> Option<*mut c_char> {
    let bytes = text.to_bytes_with_nul();
    // SAFETY: the caller's promise, and the length is checked.
    unsafe {
        if free.end.offset_from_unsigned(free.start) < bytes.len() {
            return None;
        }
        let placed = free.start;
        ptr::copy_nonoverlapping(bytes.as_ptr(), placed, bytes.len());
        free.start = placed.add(bytes.len());
        Some(placed.cast())
    }
}

/// SAFETY: nobody else may change the environment meanwhile.
unsafe fn each_variable(mut visit: impl FnMut(*mut *mut c_char)) {
    // SAFETY: the caller's promise; the array ends with a null pointer.
    unsafe {
        let mut variable = environ;
        while !variable.is_null() && !(*variable).is_null() {
            visit(variable);
            variable = variable.add(1);
        }
    }
}
