//! The local time.

use std::mem::MaybeUninit;

/// A moment, in seconds since the epoch, in the time zone of this process. The
/// first call must come before the process has a second thread, since it reads
/// the zone from the environment.
pub fn local_time(seconds: libc::time_t) -> libc::tm {
    let mut tm = MaybeUninit::zeroed();
    // SAFETY: both pointers are valid for the call, and all zeros is a valid
    // `tm`, which stays when the year does not fit. The environment is read at
    // the first call only, when there is no other thread to change it.
    unsafe {
        libc::localtime_r(&seconds, tm.as_mut_ptr());
        tm.assume_init()
    }
}
