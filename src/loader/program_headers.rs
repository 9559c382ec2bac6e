//! The program headers that ld.so gets.
//!
//! ld.so computes the address of the executable from `PT_PHDR`, and asserts that there
//! is a `PT_INTERP`. The linker leaves `PT_INTERP` out (`--no-dynamic-linker`), and
//! `PT_PHDR`, if there is one, describes the real table. So ld.so gets a copy of the
//! table that begins with these two.

use core::{cell::UnsafeCell, mem::size_of};

/// An ELF64 program header (System V ABI, chapter 5).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ProgramHeader {
    pub kind: u32,
    pub flags: u32,
    pub offset: usize,
    pub virtual_address: usize,
    pub physical_address: usize,
    pub file_size: usize,
    pub memory_size: usize,
    pub alignment: usize,
}

pub const PT_LOAD: u32 = 1;
const PT_INTERP: u32 = 3;
const PT_PHDR: u32 = 6;
const PF_R: u32 = 4;

/// More than linkers make (lld: about 12), and small enough for .bss.
const MOST: usize = 32;

struct Table(UnsafeCell<[ProgramHeader; MOST]>);
// SAFETY: it is written once, by the first stage, before there is a second thread.
unsafe impl Sync for Table {}

const NONE: ProgramHeader = ProgramHeader {
    kind: 0,
    flags: 0,
    offset: 0,
    virtual_address: 0,
    physical_address: 0,
    file_size: 0,
    memory_size: 0,
    alignment: 0,
};
static SHOWN: Table = Table(UnsafeCell::new([NONE; MOST]));

/// The name that ld.so takes for itself. Libraries refer to it by its last part.
static INTERPRETER: [u8; 26] = *b"/.rg/ld-linux-x86-64.so.2\0";

/// Fills the table from the real one (`count` headers at `real`) of an executable that
/// is loaded `bias` bytes above its linked addresses. Returns the table's address and
/// length, or `None` if the real table is too long.
///
/// # Safety
/// `real` and `count` must be the kernel's AT_PHDR and AT_PHNUM, and nobody else may
/// use the table yet.
pub unsafe fn with_interpreter(
    real: *const ProgramHeader,
    count: usize,
    bias: usize,
) -> Option<(usize, usize)> {
    if count + 2 > MOST {
        return None;
    }
    let shown = SHOWN.0.get().cast::<ProgramHeader>();
    let header = |kind, address: usize, size| ProgramHeader {
        kind,
        flags: PF_R,
        offset: 0,
        virtual_address: address.wrapping_sub(bias),
        physical_address: address.wrapping_sub(bias),
        file_size: size,
        memory_size: size,
        alignment: 8,
    };
    let mut total = 2;
    // SAFETY: at most `count + 2` headers are written, which fit; `real` has `count`
    // headers by the caller's promise.
    unsafe {
        let mut index = 0;
        while index < count {
            let real = real.add(index).read();
            if real.kind != PT_PHDR {
                shown.add(total).write(real);
                total += 1;
            }
            index += 1;
        }
        shown.write(header(
            PT_PHDR,
            shown as usize,
            total * size_of::<ProgramHeader>(),
        ));
        shown.add(1).write(header(
            PT_INTERP,
            (&raw const INTERPRETER) as usize,
            INTERPRETER.len(),
        ));
    }
    Some((shown as usize, total))
}
