//! A value in memory that processes share across a fork.

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use nix::unistd::ftruncate;
use std::ffi::c_void;
use std::io;
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;

/// What may be shared between processes.
///
/// # Safety
/// All zeros are a value of it, it has no drop, and everything in it may be
/// changed by another process at any time: it is made of atomics, or guards
/// the rest with them.
pub unsafe trait Plain: Sync {}

/// The value, all zeros at first.
#[derive(Debug)]
pub struct Shared<T: Plain> {
    memory: NonNull<T>,
    /// The file that the memory is, where the system gives one: through it the
    /// master finds the value again after it has executed itself anew.
    file: Option<OwnedFd>,
}

impl<T: Plain> Shared<T> {
    const SIZE: NonZeroUsize = NonZeroUsize::new(size_of::<T>()).expect("it has fields");

    /// # Errors
    /// The system has no memory left to share.
    pub fn new() -> io::Result<Shared<T>> {
        match Self::make_file() {
            Ok(file) => Self::of(file),
            // A filter against it; the value is then lost when the master
            // executes itself anew.
            Err(_) => Self::anonymous(),
        }
    }

    /// The value in a file that [`file`](Shared::file) gave.
    ///
    /// # Errors
    /// It cannot be mapped.
    pub fn of(file: OwnedFd) -> io::Result<Shared<T>> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping overlaps no memory that is in use.
        let memory = unsafe { mmap(None, Self::SIZE, access, MapFlags::MAP_SHARED, &file, 0)? };
        Ok(Shared {
            memory: memory.cast(),
            file: Some(file),
        })
    }

    /// A value that no other program can find.
    ///
    /// # Errors
    /// The system has no memory left to share.
    pub fn anonymous() -> io::Result<Shared<T>> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: as above.
        let memory = unsafe { mmap_anonymous(None, Self::SIZE, access, MapFlags::MAP_SHARED)? };
        Ok(Shared {
            memory: memory.cast(),
            file: None,
        })
    }

    /// The file that the memory is, if it is one.
    pub fn file(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(AsFd::as_fd)
    }

    fn make_file() -> nix::Result<OwnedFd> {
        let file = memfd_create("shared", MFdFlags::MFD_CLOEXEC)?;
        ftruncate(&file, Self::SIZE.get() as i64)?;
        Ok(file)
    }
}

impl<T: Plain> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the mapping is page-aligned, large enough, zeroed at first
        // (a valid value, says `Plain`), and lives as long as `self`.
        unsafe { self.memory.as_ref() }
    }
}

impl<T: Plain> Drop for Shared<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this size, and no reference into
        // it outlives `self`. It cannot fail for such a one.
        let _ = unsafe { munmap(self.memory.cast::<c_void>(), Self::SIZE.get()) };
    }
}

// SAFETY: the pointer is the only owner of its mapping, and what it leads to
// may be used from any thread, says `Plain`.
unsafe impl<T: Plain> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Plain> Sync for Shared<T> {}
