//! The executable's own file, from which ld.so maps the C library.
//!
//! A copy in memory would cost a third of the time that it takes to start, and two
//! megabytes for each start. The library lies in the executable at the start of a page.
//! What ld.so reads first, the head of the library, is a second one, made by build.rs and
//! the linker: its offsets are from the start of the executable.

use core::mem::MaybeUninit;

use crate::syscall::{self, LSEEK, PREAD64};

/// The head that ld.so reads, bytes: more than the headers of any C library.
const LONGEST: usize = 2048;
/// An ELF64 file header and its fields (System V ABI, chapter 4).
const FILE_HEADER: usize = 64;
const E_PHOFF: usize = 32;
const E_PHNUM: usize = 56;
const PROGRAM_HEADER: usize = 56;

const O_CLOEXEC: usize = 0o2000000;

/// A descriptor of the executable, at the head of the library. `None` if its file cannot
/// be read (there is no /proc, or the user may only execute it).
pub(crate) fn at_mapped_library() -> Option<usize> {
    let start: usize = address_of!("__ehdr_start");
    let head: usize = address_of!("rgunicorn_mapped_head");
    // The first segment begins with the file.
    let place = head - start;
    // SAFETY: build.rs wrote a file header there.
    let (offset, count) = unsafe {
        (
            ((head + E_PHOFF) as *const usize).read_unaligned(),
            ((head + E_PHNUM) as *const u16).read_unaligned() as usize,
        )
    };
    let length = FILE_HEADER + count * PROGRAM_HEADER;
    // In a program that is linked the ordinary way, the linker was not told to fill it in.
    if offset != place + FILE_HEADER || length > LONGEST {
        return None;
    }
    // SAFETY: it is a C string.
    let file = unsafe { syscall::open(c"/proc/self/exe".as_ptr().cast(), O_CLOEXEC, 0) }.ok()?;
    if has_head(file, place, head, length) && seek(file, place) {
        return Some(file);
    }
    syscall::close(file);
    None
}

/// Whether the file has there what is in memory at `head`. Something else may be mounted
/// at /proc.
fn has_head(file: usize, place: usize, head: usize, length: usize) -> bool {
    // Not `[0; LONGEST]`, which would call memset.
    let mut read = MaybeUninit::<[u8; LONGEST]>::uninit();
    let read = read.as_mut_ptr().cast::<u8>();
    // SAFETY: the kernel writes at most `length` bytes, which is at most `LONGEST`.
    let answer = unsafe { syscall::syscall(PREAD64, [file, read as usize, length, place, 0, 0]) };
    if answer != Ok(length) {
        return false;
    }
    let mut index = 0;
    while index < length {
        // SAFETY: both have `length` bytes.
        if unsafe { *read.add(index) != *(head as *const u8).add(index) } {
            return false;
        }
        index += 1;
    }
    true
}

fn seek(file: usize, place: usize) -> bool {
    // SAFETY: sets the position of our own file.
    unsafe { syscall::syscall(LSEEK, [file, place, 0, 0, 0, 0]) == Ok(place) }
}
