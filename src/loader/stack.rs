//! What the kernel leaves on the stack for a new program: argc, argv, envp and
//! the auxiliary vector (System V ABI, AMD64 supplement, 3.4.1).

// Keys of the auxiliary vector, linux/auxvec.h.
const AT_NULL: usize = 0;
pub const AT_PHDR: usize = 3;
pub const AT_PHNUM: usize = 5;
pub const AT_BASE: usize = 7;
pub const AT_ENTRY: usize = 9;
pub const AT_SECURE: usize = 23;

/// Replaces the first byte of a hidden variable's name.
const HIDDEN: u8 = 1;

/// The stack of a new program, from its lowest word, argc, upwards.
#[derive(Clone, Copy)]
pub struct Stack(*mut usize);

impl Stack {
    /// # Safety
    /// `lowest` must be the stack pointer that the kernel gave to the program.
    pub unsafe fn new(lowest: *mut usize) -> Self {
        Stack(lowest)
    }

    /// The value for a key of the auxiliary vector.
    pub fn auxiliary(self, key: usize) -> Option<usize> {
        // SAFETY: `find` returns an entry of the vector, which is two words.
        self.find(key).map(|entry| unsafe { *entry.add(1) })
    }

    /// Changes the value for a key. Returns whether the key exists.
    pub fn set_auxiliary(self, key: usize, value: usize) -> bool {
        match self.find(key) {
            // SAFETY: as above, and the stack belongs to this program.
            Some(entry) => unsafe {
                *entry.add(1) = value;
                true
            },
            None => false,
        }
    }

    /// The value of an environment variable; `name` ends in `=`.
    pub fn variable(self, name: &[u8]) -> Option<*const u8> {
        let mut found = None;
        self.each_variable(|variable| {
            if found.is_none() && starts_with(variable, name) {
                // SAFETY: the name was just read, so its end is inside the string.
                found = Some(unsafe { variable.add(name.len()) }.cast_const());
            }
        });
        found
    }

    /// Hides the `LD_*` variables from ld.so: they are meant for the host's loader and
    /// libraries. Variables that only make ld.so print something stay.
    pub fn hide_loader_variables(self) {
        self.each_variable(|variable| {
            let talk =
                starts_with(variable, b"LD_DEBUG") || starts_with(variable, b"LD_SHOW_AUXV=");
            if starts_with(variable, b"LD_") && !talk {
                // SAFETY: the string has at least the three bytes that were just read.
                unsafe { *variable = HIDDEN };
            }
        });
    }

    /// Undoes `hide_loader_variables`, so that child processes inherit the variables.
    pub fn show_loader_variables(self) {
        self.each_variable(|variable| {
            // SAFETY: reads up to the first difference, and writes a byte that was just
            // read.
            unsafe {
                if *variable == HIDDEN && starts_with(variable.add(1), b"D_") {
                    *variable = b'L';
                }
            }
        });
    }

    fn each_variable(self, mut visit: impl FnMut(*mut u8)) {
        let mut entry = self.environment();
        // SAFETY: envp is an array of pointers to C strings that ends with NULL.
        unsafe {
            while *entry != 0 {
                visit(*entry as *mut u8);
                entry = entry.add(1);
            }
        }
    }

    fn find(self, key: usize) -> Option<*mut usize> {
        let mut entry = self.environment();
        // SAFETY: after envp's NULL there are pairs of words, up to one with AT_NULL.
        unsafe {
            while *entry != 0 {
                entry = entry.add(1);
            }
            entry = entry.add(1);
            while *entry != AT_NULL {
                if *entry == key {
                    return Some(entry);
                }
                entry = entry.add(2);
            }
        }
        None
    }

    fn environment(self) -> *mut usize {
        // SAFETY: before envp there are argc, argc pointers and a NULL.
        unsafe { self.0.add(1 + *self.0 + 1) }
    }
}

/// Whether a C string begins with these bytes.
pub fn starts_with(string: *const u8, prefix: &[u8]) -> bool {
    let mut index = 0;
    while index < prefix.len() {
        // SAFETY: all earlier bytes of the string were equal to bytes of the prefix,
        // which has no NUL, so the string has not ended yet. `index` is inside the
        // prefix.
        if unsafe { *string.add(index) != *prefix.get_unchecked(index) } {
            return false;
        }
        index += 1;
    }
    true
}
