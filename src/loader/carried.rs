//! The libraries that the executable carries.

use core::arch::asm;

use crate::stack::starts_with;

include!(concat!(env!("OUT_DIR"), "/carried.rs"));

/// A carried library: its name and its place in the packed file. It has offsets and no
/// pointers, because the table is read before relocation.
pub struct Library {
    name: [u8; 24],
    offset: usize,
    length: usize,
    /// The size of the file itself; more than `length` if it is packed.
    size: usize,
}

impl Library {
    // The functions below are always inlined: a call of a public function uses the
    // global offset table, which ld.so has not filled in yet at the first use.

    /// The file name, as other libraries need it (`DT_NEEDED`), without NUL.
    #[inline(always)]
    pub fn name(&self) -> &[u8] {
        let mut length = 0;
        while length < self.name.len() && self.name[length] != 0 {
            length += 1;
        }
        // SAFETY: `length` is at most the length of the array.
        unsafe { self.name.get_unchecked(..length) }
    }

    /// The size of the file in bytes, if it is carried as a zstd frame. The loader does
    /// not provide such libraries; the program does ([`crate::serve_opens_with`]).
    #[inline(always)]
    pub fn unpacked_size(&self) -> Option<usize> {
        if self.size == self.length {
            None
        } else {
            Some(self.size)
        }
    }

    /// Whether ld.so can map it from the executable itself ([`crate::executable`]).
    #[inline(always)]
    pub(crate) fn is_mapped(&self) -> bool {
        self.name().len() == MAPPED.len() && starts_with(self.name.as_ptr(), MAPPED)
    }

    /// The file, or its zstd frame.
    #[inline(always)]
    pub fn bytes(&self) -> &'static [u8] {
        let packed: *const u8 = address_of!("rgunicorn_carried");
        // SAFETY: the build script wrote the offset and length of a part of the packed
        // file, which is in read-only data until the process ends.
        unsafe { core::slice::from_raw_parts(packed.add(self.offset), self.length) }
    }
}

/// Every carried library; ld.so is the first.
#[inline(always)]
pub fn libraries() -> &'static [Library] {
    let table: *const Library;
    // SAFETY: computes an address relative to the instruction, as `address_of!` does;
    // the table has this type and length.
    unsafe {
        asm!("lea {}, [rip + {}]", out(reg) table, sym LIBRARIES, options(pure, nomem, nostack, preserves_flags));
        core::slice::from_raw_parts(table, LIBRARIES_COUNT)
    }
}
