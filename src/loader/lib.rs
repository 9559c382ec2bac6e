//! The first stage: what runs before anything else exists.
//!
//! # Why
//!
//! A fully static executable cannot load wheels with native code; a dynamic
//! one needs the host's ld.so and C library. rgunicorn is a dynamic executable
//! that names no interpreter (it has no `PT_INTERP`) and brings its own: ld.so,
//! glibc and what wheels expect beside it lie in its read-only data.
//!
//! # How
//!
//! 1. The kernel maps the executable and, finding no interpreter, jumps to its
//!    ELF entry, `rgunicorn_entry` (entry.rs). Nothing is relocated yet, there
//!    is no thread-local storage and no C library.
//! 2. The first stage (first_stage.rs) writes the carried ld.so into a sealed
//!    memory file, with its one open call turned into a jump to ours, maps it
//!    as the kernel would have done, and edits the auxiliary vector so that
//!    ld.so believes it was the kernel (program_headers.rs, stack.rs). It
//!    hides the host's `LD_*` variables for as long as ld.so reads them.
//! 3. ld.so does its work. Whatever it opens, now and in any later `dlopen`,
//!    comes to `open_hook.rs`: carried libraries are served from memory,
//!    everything else goes to the kernel. (Those that only wheels need are
//!    packed; the program unpacks them, which has a C library by then.)
//! 4. ld.so jumps to the program's entry, which is our second stub: it puts
//!    the environment back and goes on to the ordinary `_start`.
//!
//! `/proc/self/exe`, `argv`, the vDSO and the stack are as the kernel made
//! them; there is no second exec and no file on disk.
//!
//! # Rules for the code in this crate
//!
//! Until step 3 nothing may need relocation or a C library: no table that
//! holds pointers, no formatting, no panic that can happen, no foreign symbol
//! but through `lea` in assembly, no loop that the compiler may turn into
//! `memcpy` (hence `no_builtins`). The crate is compiled with optimisation in
//! every profile, because unoptimised code calls helpers.

#![no_std]
#![no_builtins]

mod carried;
mod entry;
mod first_stage;
mod memory_file;
mod open_hook;
mod program_headers;
mod stack;
mod syscall;

pub use carried::{Library, libraries};
pub use memory_file::memory_file_holding;
pub use open_hook::{OpenCallback, VIRTUAL_FOLDER, allow_host_libraries, serve_opens_with};
