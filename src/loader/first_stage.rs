//! Maps ld.so and starts it as if the kernel had done so.

use core::{
    mem::{MaybeUninit, size_of},
    sync::atomic::Ordering,
};

use crate::{
    carried::{OPEN_SITE, libraries},
    memory_file, open_hook,
    program_headers::{self, PT_LOAD, ProgramHeader},
    stack::{AT_BASE, AT_ENTRY, AT_PHDR, AT_PHNUM, AT_SECURE, Stack},
    syscall::{self, Errno, fail},
};

/// Names a loader that is used instead of the carried one, and finds libraries in its
/// usual way. This keeps the user's right to replace the library (LGPL).
const OWN_LOADER: &[u8] = b"RGUNICORN_LOADER=";

/// Allows libraries of the host from the start (see `allow_host_libraries`).
const HOST_LIBRARIES: &[u8] = b"RGUNICORN_HOST_LIBRARIES=";

/// `jmp *0(%rip)`; the 8 bytes of the target follow it.
const JUMP: [u8; 6] = [0xff, 0x25, 0, 0, 0, 0];
const JUMP_LENGTH: usize = JUMP.len() + size_of::<usize>();
/// The length of the call that the jump replaces (build.rs), in bytes.
const OPEN_SITE_LENGTH: usize = 15;

// mmap(2), asm-generic/mman.h.
const PROT_NONE: usize = 0;
const MAP_PRIVATE: usize = 2;
const MAP_FIXED: usize = 0x10;
const MAP_ANONYMOUS: usize = 0x20;

const PAGE: usize = 4096;

/// Offsets into an ELF64 file header.
const E_ENTRY: usize = 24;
const E_PHOFF: usize = 32;
const E_PHNUM: usize = 56;
/// The file header and program headers of a loader are within this many bytes.
const HEADERS: usize = 1024;

/// Prepares everything. Returns the entry point of ld.so, which must be jumped to with
/// the kernel's stack.
///
/// # Safety
/// Only the entry point of the ELF file calls it, with the stack pointer that the
/// kernel gave.
pub(crate) unsafe extern "C" fn first_stage(lowest: *mut usize) -> usize {
    // SAFETY: `lowest` is the kernel's stack pointer by the caller's promise.
    let stack = unsafe { Stack::new(lowest) };
    syscall::survive_file_size_limit();
    // The process has more privileges than the user who started it (a set-user-ID file,
    // file capabilities), so the user's variables are ignored. ld.so does the same, and
    // removes the dangerous ones, so they are not hidden from it.
    let secure = stack.auxiliary(AT_SECURE).is_some_and(|value| value != 0);
    if secure {
        return start(stack, carried_loader());
    }
    if let Some(word) = stack.variable(HOST_LIBRARIES) {
        match switch(word) {
            Some(true) => open_hook::allow_host_libraries(),
            Some(false) => {}
            None => fail(c"RGUNICORN_HOST_LIBRARIES is neither yes nor no; take 1, true, yes or on, or 0, false, no or off"),
        }
    }
    match stack.variable(OWN_LOADER) {
        Some(path) => start(stack, own_loader(path)),
        None => {
            stack.hide_loader_variables();
            start(stack, carried_loader())
        }
    }
}

/// The value of a variable that is a switch; `None` for any other word. The setting of
/// the same name accepts the same words (src/config).
fn switch(word: *const u8) -> Option<bool> {
    if is(word, b"1") || is(word, b"true") || is(word, b"yes") || is(word, b"on") {
        return Some(true);
    }
    let off = is(word, b"0") || is(word, b"false") || is(word, b"no") || is(word, b"off");
    if off || is(word, b"") {
        Some(false)
    } else {
        None
    }
}

/// Whether a C string is this lower-case word, in any case.
fn is(string: *const u8, word: &[u8]) -> bool {
    let mut index = 0;
    while index < word.len() {
        // SAFETY: all earlier bytes of the string were equal to bytes of the word,
        // which has no NUL, so the string has not ended yet. `index` is inside the
        // word.
        let (byte, wanted) = unsafe { (*string.add(index), *word.get_unchecked(index)) };
        if byte.to_ascii_lowercase() != wanted {
            return false;
        }
        index += 1;
    }
    // SAFETY: the string has at least as many bytes as the word before its NUL.
    unsafe { *string.add(index) == 0 }
}

/// A loader in memory.
struct Loader {
    base: usize,
    entry: usize,
}

/// Changes the auxiliary vector, so that `loader` finds the executable mapped and
/// itself started as if by the kernel.
fn start(stack: Stack, loader: Loader) -> usize {
    let (Some(headers), Some(count)) = (stack.auxiliary(AT_PHDR), stack.auxiliary(AT_PHNUM)) else {
        fail(c"the kernel did not say where the program headers are");
    };
    // The difference between the executable's addresses and those that it was linked for:
    // the address of its file header, as it is linked for address 0.
    let base: usize = address_of!("__ehdr_start");
    // SAFETY: these are the kernel's own values, and there is no other thread yet.
    let shown =
        unsafe { program_headers::with_interpreter(headers as *const ProgramHeader, count, base) };
    let Some((headers, count)) = shown else {
        fail(c"the executable has more program headers than its loader expects");
    };
    let told = stack.set_auxiliary(AT_PHDR, headers)
        && stack.set_auxiliary(AT_PHNUM, count)
        && stack.set_auxiliary(AT_BASE, loader.base)
        && stack.set_auxiliary(AT_ENTRY, address_of!("rgunicorn_second_entry"));
    if !told {
        fail(c"the kernel's auxiliary vector lacks AT_BASE or AT_ENTRY");
    }
    loader.entry
}

/// Maps the carried ld.so, in which the open call is replaced by a jump to our
/// function.
fn carried_loader() -> Loader {
    // SAFETY: the table is never empty.
    let bytes = unsafe { libraries().get_unchecked(0) }.bytes();
    let target: usize = address_of!("rgunicorn_open_hook");
    // SAFETY: the build script found the whole open call inside the file.
    let (before, after) = unsafe {
        (
            bytes.get_unchecked(..OPEN_SITE),
            bytes.get_unchecked(OPEN_SITE + JUMP_LENGTH..),
        )
    };
    let Ok(file) = memory_file::create() else {
        fail(c"no memory file can be made: memfd_create is refused, and none of /dev/shm, /tmp, /run and . can be written and lets files be run");
    };
    let filled = memory_file::write(file, before)
        .and_then(|()| memory_file::write(file, &JUMP))
        .and_then(|()| memory_file::write(file, &target.to_ne_bytes()))
        .and_then(|()| memory_file::write(file, after));
    if filled.is_err() {
        fail(c"the carried ld.so cannot be written to memory: there is no memory left, or the limit for files forbids it (ulimit -f)");
    }
    memory_file::seal(file);
    let Ok(loader) = map(file, bytes.as_ptr()) else {
        fail(c"the carried ld.so cannot be mapped: a security policy forbids executable mappings, or there is no memory left");
    };
    syscall::close(file);
    open_hook::RESUME.store(
        loader.base + OPEN_SITE + OPEN_SITE_LENGTH,
        Ordering::Relaxed,
    );
    loader
}

/// Maps the loader that the user named.
fn own_loader(path: *const u8) -> Loader {
    const O_CLOEXEC: usize = 0o2000000;
    // SAFETY: the environment's strings are C strings.
    let Ok(file) = (unsafe { syscall::open(path, O_CLOEXEC, 0) }) else {
        fail(c"the file that RGUNICORN_LOADER names cannot be opened; unset it to use the carried loader");
    };
    // Not `[0; HEADERS]`, which would call memset.
    let mut headers = MaybeUninit::<[u8; HEADERS]>::uninit();
    let headers = headers.as_mut_ptr().cast::<u8>();
    // SAFETY: the kernel writes at most `HEADERS` bytes, the length of the array.
    let read =
        unsafe { syscall::syscall(syscall::PREAD64, [file, headers as usize, HEADERS, 0, 0, 0]) };
    if read != Ok(HEADERS) || !crate::stack::starts_with(headers, b"\x7fELF") {
        fail(c"the file that RGUNICORN_LOADER names is not a loader; unset it to use the carried one");
    }
    let Ok(loader) = map(file, headers) else {
        fail(c"the loader that RGUNICORN_LOADER names cannot be mapped; unset it to use the carried one");
    };
    syscall::close(file);
    loader
}

/// Maps the segments of a shared object from `file` as the kernel maps a program
/// interpreter. `headers` points to the first bytes of the file, with the program
/// headers.
fn map(file: usize, headers: *const u8) -> Result<Loader, Errno> {
    // SAFETY: both callers have `headers` begin with an ELF header and the program
    // headers.
    let (entry, table, count) = unsafe {
        (
            headers.add(E_ENTRY).cast::<usize>().read_unaligned(),
            headers
                .add(headers.add(E_PHOFF).cast::<usize>().read_unaligned())
                .cast::<ProgramHeader>(),
            headers.add(E_PHNUM).cast::<u16>().read_unaligned() as usize,
        )
    };

    let mut end = 0;
    each_segment(table, count, |segment| {
        end = up(segment.virtual_address + segment.memory_size);
        Ok(())
    })?;
    // First one reservation for all, so that the segments keep their distances.
    let base = mmap(
        0,
        end,
        PROT_NONE,
        MAP_PRIVATE | MAP_ANONYMOUS,
        usize::MAX,
        0,
    )?;
    each_segment(table, count, |segment| {
        let start = down(segment.virtual_address);
        let protection = protection(segment.flags);
        let file_end = segment.virtual_address + segment.file_size;
        let memory_end = segment.virtual_address + segment.memory_size;
        mmap(
            base + start,
            file_end - start,
            protection,
            MAP_PRIVATE | MAP_FIXED,
            file,
            down(segment.offset),
        )?;
        if memory_end > file_end {
            // The rest of the last page from the file must be zero ...
            let mut byte = base + file_end;
            while byte < base + up(file_end) {
                // SAFETY: the byte is in the page that was just mapped. The page is
                // writable: only writable segments are longer in memory than in the
                // file.
                unsafe { (byte as *mut u8).write_volatile(0) };
                byte += 1;
            }
            // ... and the pages after it are new.
            if up(memory_end) > up(file_end) {
                let fixed = MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS;
                mmap(
                    base + up(file_end),
                    up(memory_end) - up(file_end),
                    protection,
                    fixed,
                    usize::MAX,
                    0,
                )?;
            }
        }
        Ok(())
    })?;
    Ok(Loader {
        base,
        entry: base + entry,
    })
}

/// Calls `visit` with each segment to map. Generic instead of `dyn`, because a vtable
/// has pointers.
fn each_segment(
    table: *const ProgramHeader,
    count: usize,
    mut visit: impl FnMut(ProgramHeader) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let mut index = 0;
    while index < count {
        // SAFETY: `index` is below the table's length.
        let header = unsafe { table.add(index).read_unaligned() };
        if header.kind == PT_LOAD {
            visit(header)?;
        }
        index += 1;
    }
    Ok(())
}

fn mmap(
    address: usize,
    length: usize,
    protection: usize,
    flags: usize,
    file: usize,
    offset: usize,
) -> Result<usize, Errno> {
    // SAFETY: MAP_FIXED is used only inside a reservation of our own.
    unsafe {
        syscall::syscall(
            syscall::MMAP,
            [address, length, protection, flags, file, offset],
        )
    }
}

/// The protection bits of mmap from the flags of a segment, which have the reverse
/// order.
fn protection(flags: u32) -> usize {
    let flags = flags as usize;
    (flags & 1) << 2 | (flags & 2) | (flags & 4) >> 2
}

fn down(address: usize) -> usize {
    address & !(PAGE - 1)
}

fn up(address: usize) -> usize {
    down(address + PAGE - 1)
}
