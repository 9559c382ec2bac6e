//! System calls without a C library, and the function that reports a failed start.

use core::{arch::asm, ffi::CStr};

/// The error number of a failed system call, as a positive number.
pub type Errno = isize;

pub const ENOENT: Errno = 2;
pub const EINVAL: Errno = 22;

/// The path is relative to the current folder (`openat(2)`).
pub const AT_FDCWD: isize = -100;

// Numbers of x86_64, from the kernel's arch/x86/entry/syscalls/syscall_64.tbl.
pub const WRITE: usize = 1;
pub const CLOSE: usize = 3;
pub const LSEEK: usize = 8;
pub const MMAP: usize = 9;
pub const MUNMAP: usize = 11;
pub const RT_SIGACTION: usize = 13;
pub const PREAD64: usize = 17;
pub const FCNTL: usize = 72;
pub const EXIT_GROUP: usize = 231;
pub const OPENAT: usize = 257;
pub const MEMFD_CREATE: usize = 319;

/// Calls the kernel.
///
/// # Safety
/// The caller is responsible for what the call does with the arguments.
pub unsafe fn syscall(number: usize, arguments: [usize; 6]) -> Result<usize, Errno> {
    let answer: isize;
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the kernel changes only rax, rcx and r11; the caller is responsible for
    // the rest.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => answer,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    // Results from -4095 to -1 are error numbers.
    if (-4095..0).contains(&answer) {
        Err(-answer)
    } else {
        Ok(answer as usize)
    }
}

/// Opens a file.
///
/// # Safety
/// `path` must be a C string.
pub unsafe fn open(path: *const u8, flags: usize, mode: usize) -> Result<usize, Errno> {
    // SAFETY: openat reads the path, which is a C string by the caller's promise.
    unsafe {
        syscall(
            OPENAT,
            [AT_FDCWD as usize, path as usize, flags, mode, 0, 0],
        )
    }
}

/// Closes a descriptor that this crate opened.
pub fn close(descriptor: usize) {
    // SAFETY: the descriptors come from `open` and `memfd_create`, and are not used
    // after this. If closing fails, nothing is lost.
    let _ = unsafe { syscall(CLOSE, [descriptor, 0, 0, 0, 0, 0]) };
}

/// Ignores the signal for writing beyond the limit for files, so that the write fails
/// with an error instead.
pub fn survive_file_size_limit() {
    // signal(7); the kernel's own `struct sigaction`: handler, flags, restorer, mask.
    const SIGXFSZ: usize = 25;
    const SIG_IGN: usize = 1;
    let action: [usize; 4] = [SIG_IGN, 0, 0, 0];
    // SAFETY: the kernel only reads the action. Its mask has 8 bytes.
    let _ = unsafe {
        syscall(
            RT_SIGACTION,
            [SIGXFSZ, action.as_ptr() as usize, 0, 8, 0, 0],
        )
    };
}

/// Writes one sentence to standard error and ends the process with exit code 127, which
/// shells use for a program that cannot be started.
pub fn fail(sentence: &CStr) -> ! {
    const STANDARD_ERROR: usize = 2;
    let say = |part: &CStr| {
        // SAFETY: reads a string that is valid. An error cannot be reported anywhere.
        let _ = unsafe {
            syscall(
                WRITE,
                [
                    STANDARD_ERROR,
                    part.as_ptr() as usize,
                    part.count_bytes(),
                    0,
                    0,
                    0,
                ],
            )
        };
    };
    // Three calls instead of a loop over a table: a table of strings has pointers.
    say(c"rgunicorn cannot start: ");
    say(sentence);
    say(c"\n");
    // SAFETY: ends the process.
    let _ = unsafe { syscall(EXIT_GROUP, [127, 0, 0, 0, 0, 0]) };
    loop {
        core::hint::spin_loop();
    }
}
