//! A value in memory that processes share after a fork.

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use nix::unistd::ftruncate;
use std::ffi::c_void;
use std::io;
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;

/// A type whose values processes may share.
///
/// # Safety
/// All zeros are a valid value, there is nothing to drop, and another process
/// may change any part of it at any time: all fields are atomics, or are
/// guarded by atomics.
pub unsafe trait Shareable: Sync {}

/// A shared value. A new one is all zeros.
#[derive(Debug)]
pub struct Shared<T: Shareable> {
    memory: NonNull<T>,
    /// The file of the memory, if the system allows one. A master that executes
    /// itself again finds the value through it.
    file: Option<OwnedFd>,
}

impl<T: Shareable> Shared<T> {
    const SIZE: NonZeroUsize = NonZeroUsize::new(size_of::<T>()).expect("it has fields");

    /// # Errors
    /// The system has no memory left to share.
    pub fn new() -> io::Result<Shared<T>> {
        match Self::make_file() {
            Ok(file) => Self::of(file),
            // A system call filter may forbid it. Then the value is lost when
            // the master executes itself again.
            Err(_) => Self::anonymous(),
        }
    }

    /// The value in a file from [`file`](Shared::file).
    ///
    /// # Errors
    /// The file cannot be mapped.
    pub fn of(file: OwnedFd) -> io::Result<Shared<T>> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping overlaps no memory that is in use.
        let memory = unsafe { mmap(None, Self::SIZE, access, MapFlags::MAP_SHARED, &file, 0)? };
        Ok(Shared {
            memory: memory.cast(),
            file: Some(file),
        })
    }

    /// A value without a file.
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

    /// The file of the memory, if it has one.
    pub fn file(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(AsFd::as_fd)
    }

    fn make_file() -> nix::Result<OwnedFd> {
        let file = memfd_create("shared", MFdFlags::MFD_CLOEXEC)?;
        ftruncate(&file, Self::SIZE.get() as i64)?;
        Ok(file)
    }
}

impl<T: Shareable> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the mapping is page-aligned, large enough, zeroed at first (a
        // valid value: see `Shareable`), and lives as long as `self`.
        unsafe { self.memory.as_ref() }
    }
}

impl<T: Shareable> Drop for Shared<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this size, and no reference into it
        // outlives `self`.
        let _ = unsafe { munmap(self.memory.cast::<c_void>(), Self::SIZE.get()) };
    }
}

// SAFETY: the pointer is the only owner of its mapping, and any thread may use
// the value: see `Shareable`.
unsafe impl<T: Shareable> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Shareable> Sync for Shared<T> {}
