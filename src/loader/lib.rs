//! The first stage: the code that runs before anything else.
//!
//! # Why
//!
//! A fully static executable cannot load wheels with native code, and a dynamic one
//! needs the host's ld.so and C library. rgunicorn is a dynamic executable that names no
//! interpreter (it has no `PT_INTERP`) and brings its own: ld.so, glibc and the
//! libraries that wheels expect are in its read-only data.
//!
//! # How
//!
//! 1. The kernel maps the executable. It finds no interpreter and jumps to the ELF entry
//!    point, `rgunicorn_entry` (entry.rs). Nothing is relocated yet, and there is no
//!    thread-local storage and no C library.
//! 2. The first stage (first_stage.rs) writes the carried ld.so into a sealed memory
//!    file, in which its only open call is replaced by a jump to ours. It maps this file
//!    as the kernel would have done, and changes the auxiliary vector so that ld.so seems
//!    to be started by the kernel (program_headers.rs, stack.rs). It hides the host's
//!    `LD_*` variables while ld.so reads them.
//! 3. ld.so does its work. Whatever it opens, now and in any later `dlopen`, comes to
//!    `open_hook.rs`: carried libraries come from memory or, for the largest, from the
//!    executable itself (executable.rs), everything else from the kernel. (Libraries that only wheels need are packed; the program unpacks them, as
//!    it has a C library then.)
//! 4. ld.so jumps to the program's entry point, which is our second one: it makes the
//!    variables visible again and goes on to the ordinary `_start`.
//!
//! `/proc/self/exe`, `argv` and the vDSO are as the kernel made them. There is no second
//! exec and no file on a disk.
//!
//! # Rules for the code in this crate
//!
//! Until step 3 nothing may need a relocation or a C library: no table with pointers, no
//! formatting, no panic that can happen, no foreign symbol except through `lea` in
//! assembly, no loop that the compiler may turn into `memcpy` (hence `no_builtins`). The
//! crate is compiled with optimisation in every profile, because unoptimised code calls
//! functions of the C library.

#![no_std]
#![no_builtins]

/// The address of a symbol, taken by `lea`: rustc would read it from the global offset
/// table, which is not filled in yet.
macro_rules! address_of {
    ($symbol:literal) => {{
        let address;
        // SAFETY: only computes an address relative to the instruction.
        unsafe {
            core::arch::asm!(
                concat!("lea {}, [rip + ", $symbol, "]"),
                out(reg) address,
                options(pure, nomem, nostack, preserves_flags)
            );
        }
        address
    }};
}

mod carried;
mod entry;
mod executable;
mod first_stage;
mod memory_file;
mod open_hook;
mod program_headers;
mod stack;
mod syscall;

pub use carried::{Library, libraries};
pub use memory_file::memory_file_holding;
pub use open_hook::{OpenCallback, VIRTUAL_FOLDER, allow_host_libraries, serve_opens_with};
