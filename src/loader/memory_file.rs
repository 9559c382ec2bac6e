//! Files that exist only in memory.

use core::ffi::{CStr, c_int};

use crate::syscall::{self, EINVAL, Errno, MMAP, MUNMAP};

// memfd_create(2), linux/memfd.h.
const MFD_CLOEXEC: usize = 1;
const MFD_ALLOW_SEALING: usize = 2;
/// The file can never be executed by `execve`, but can be mapped as executable. Kernels
/// since 6.3 know the flag, and refuse memory files without it if `vm.memfd_noexec` is
/// 2.
const MFD_NOEXEC_SEAL: usize = 8;

// fcntl(2), linux/fcntl.h: no more seals, no shrinking, growing or writing.
const F_ADD_SEALS: usize = 1033;
const ALL_SEALS: usize = 1 | 2 | 4 | 8;

// openat(2), asm-generic/fcntl.h.
const O_RDWR: usize = 2;
const O_CLOEXEC: usize = 0o2000000;
const O_TMPFILE: usize = 0o20000000 | 0o200000;

// mmap(2), asm-generic/mman-common.h.
const PROT_READ: usize = 1;
const PROT_EXEC: usize = 4;
const MAP_PRIVATE: usize = 2;

/// A new empty file without a name. If the kernel or a seccomp filter refuses memory
/// files, it is an unnamed file in the first folder where such files can be made and
/// mapped as executable.
pub fn create() -> Result<usize, Errno> {
    let flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    let refused = match memfd(flags | MFD_NOEXEC_SEAL) {
        Err(EINVAL) => memfd(flags),
        answer => answer,
    };
    refused
        .or_else(|_| unnamed(c"/dev/shm"))
        .or_else(|_| unnamed(c"/tmp"))
        .or_else(|_| unnamed(c"/run"))
        .or_else(|_| unnamed(c"."))
}

/// Writes all bytes at the file's position.
pub fn write(file: usize, bytes: &[u8]) -> Result<(), Errno> {
    let mut written = 0;
    while written < bytes.len() {
        // SAFETY: the range is inside `bytes`.
        written += unsafe {
            syscall::syscall(
                syscall::WRITE,
                [
                    file,
                    bytes.as_ptr().add(written) as usize,
                    bytes.len() - written,
                    0,
                    0,
                    0,
                ],
            )
        }?;
    }
    Ok(())
}

/// Forbids all changes of the file. Unnamed files on a disk have no seals, but nobody
/// else can open them.
pub fn seal(file: usize) {
    // SAFETY: only changes the file's seals.
    let _ = unsafe { syscall::syscall(syscall::FCNTL, [file, F_ADD_SEALS, ALL_SEALS, 0, 0, 0]) };
}

/// A sealed memory file with these bytes, at position 0, for a program that provides
/// files. The caller must close the descriptor. `None` if the system provides no memory
/// file.
pub fn memory_file_holding(bytes: &[u8]) -> Option<c_int> {
    holding(bytes).ok().map(|file| file as c_int)
}

/// A sealed file with these bytes, at position 0, as ld.so needs it.
pub fn holding(bytes: &[u8]) -> Result<usize, Errno> {
    let file = create()?;
    let filled = write(file, bytes).and_then(|()| {
        // SAFETY: sets the position of our own file to its start.
        unsafe { syscall::syscall(syscall::LSEEK, [file, 0, 0, 0, 0, 0]) }
    });
    match filled {
        Ok(_) => {
            seal(file);
            Ok(file)
        }
        Err(error) => {
            syscall::close(file);
            Err(error)
        }
    }
}

fn memfd(flags: usize) -> Result<usize, Errno> {
    // The name is visible in /proc/PID/maps.
    // SAFETY: only reads the name.
    unsafe {
        syscall::syscall(
            syscall::MEMFD_CREATE,
            [c"rgunicorn".as_ptr() as usize, flags, 0, 0, 0, 0],
        )
    }
}

/// An unnamed file in this folder, if it can be mapped as executable. Containers often
/// mount their writable folders with `noexec`.
fn unnamed(folder: &CStr) -> Result<usize, Errno> {
    // SAFETY: `folder` is a C string.
    let file = unsafe {
        syscall::open(
            folder.as_ptr().cast(),
            O_TMPFILE | O_RDWR | O_CLOEXEC,
            0o600,
        )
    }?;
    match try_mapping(file) {
        Ok(()) => Ok(file),
        Err(errno) => {
            syscall::close(file);
            Err(errno)
        }
    }
}

/// Maps a page of the file as code, and unmaps it again.
fn try_mapping(file: usize) -> Result<(), Errno> {
    const PAGE: usize = 4096;
    // SAFETY: the kernel chooses the address, and nobody uses the mapping.
    unsafe {
        let page = syscall::syscall(MMAP, [0, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0])?;
        syscall::syscall(MUNMAP, [page, PAGE, 0, 0, 0, 0]).map(drop)
    }
}
