//! The libraries that the executable carries.

use core::arch::asm;

include!(concat!(env!("OUT_DIR"), "/carried.rs"));

/// One carried library: its name and its place in the packed file. Offsets and
/// not pointers, because the table is read before relocation.
pub struct Library {
    name: [u8; 24],
    offset: usize,
    length: usize,
    /// Of the file that it is: more than `length` when it is packed.
    size: usize,
}

impl Library {
    // Always inlined, these four: a call of a public function goes through the
    // global offset table, which ld.so has not filled in yet at the first use.

    /// The file name, as other libraries need it (`DT_NEEDED`), without NUL.
    #[inline(always)]
    pub fn name(&self) -> &[u8] {
        let mut length = 0;
        while length < self.name.len() && self.name[length] != 0 {
            length += 1;
        }
        // SAFETY: `length` was counted up to at most the array's length.
        unsafe { self.name.get_unchecked(..length) }
    }

    /// How long the file is, when it is carried as a zstd frame. The loader
    /// serves no such library; the program does ([`crate::serve_opens_with`]).
    #[inline(always)]
    pub fn unpacked_size(&self) -> Option<usize> {
        if self.size == self.length {
            None
        } else {
            Some(self.size)
        }
    }

    /// The file, or the zstd frame of it.
    #[inline(always)]
    pub fn bytes(&self) -> &'static [u8] {
        // SAFETY: the build script wrote offset and length of a part of the
        // packed file, which lives in read-only data as long as the process.
        unsafe { core::slice::from_raw_parts(packed().add(self.offset), self.length) }
    }
}

/// Every carried library; ld.so is the first.
#[inline(always)]
pub fn libraries() -> &'static [Library] {
    let table: *const Library;
    // SAFETY: computes an address relative to the instruction (see `packed`);
    // the table has this type and length.
    unsafe {
        asm!("lea {}, [rip + {}]", out(reg) table, sym LIBRARIES, options(pure, nomem, nostack, preserves_flags));
        core::slice::from_raw_parts(table, LIBRARIES_COUNT)
    }
}

/// Where the packed file lies. The address is taken by `lea`: rustc would read
/// it from the global offset table.
#[inline(always)]
fn packed() -> *const u8 {
    let address: *const u8;
    // SAFETY: computes an address relative to the instruction; touches nothing.
    unsafe {
        asm!("lea {}, [rip + rgunicorn_carried]", out(reg) address, options(pure, nomem, nostack, preserves_flags));
    }
    address
}
