//! What `ps` shows for a process.

use std::ffi::{CStr, c_char};
use std::ptr;

use nix::libc;

/// The memory that `ps` reads: that of the command line and, behind it, of
/// the environment.
#[derive(Debug)]
pub struct Title {
    start: *mut u8,
    length: usize,
}

unsafe extern "C" {
    /// The environment's strings and a null pointer (POSIX).
    static environ: *mut *mut c_char;
}

impl Title {
    /// Frees that memory for titles: the command line and the environment move
    /// elsewhere, and whoever asks for them finds them there. Nothing where
    /// they do not lie as Linux lays them out.
    ///
    /// To be called first of all, with the number of words on the command line.
    pub fn claim(words: usize) -> Option<Self> {
        // SAFETY: the process has one thread, and nobody has changed the
        // environment yet, so the array of its strings still lies where the
        // kernel has put it: behind that of the command line's and a null
        // pointer (System V ABI, "Initial Process Stack"). It is checked that
        // the strings follow each other without a gap before any is moved; the
        // arrays are our own memory and may be written.
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
            // The null pointer between the arrays is skipped.
            let mut count = 0;
            while !(*variables.add(count)).is_null() {
                count += 1;
            }
            let slots = (0..words).chain(words + 1..words + 1 + count);
            for slot in slots.clone() {
                let text = *arguments.add(slot);
                if text == end {
                    end = end.add(CStr::from_ptr(text).to_bytes_with_nul().len());
                } else if slot < words {
                    return None;
                } else {
                    // The environment may lie elsewhere; the title is shorter.
                    break;
                }
            }
            for slot in slots {
                let copy = libc::strdup(*arguments.add(slot));
                if copy.is_null() {
                    return None;
                }
                // The copies live as long as the process.
                *arguments.add(slot) = copy;
            }
            let length = end.offset_from_unsigned(start);
            Some(Self {
                start: start.cast(),
                length,
            })
        }
    }

    /// Shows this text, cut off where the memory ends.
    pub fn set(&self, text: &str) {
        let count = text.len().min(self.length.saturating_sub(1));
        // SAFETY: the memory is ours, and at least one zero byte stays behind
        // the text.
        unsafe {
            ptr::copy_nonoverlapping(text.as_ptr(), self.start, count);
            ptr::write_bytes(self.start.add(count), 0, self.length - count);
        }
    }
}
