//! Whether this process has children that are copies of it: they have copies of
//! its descriptors, too.

use nix::libc;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

static HAS_FORKED: AtomicBool = AtomicBool::new(false);

/// From now on notes when this process forks, whoever does it.
pub fn watch_forks() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        // SAFETY: the handler only writes to an atomic.
        let refused = unsafe { libc::pthread_atfork(Some(note_fork), None, None) };
        if refused != 0 {
            HAS_FORKED.store(true, Ordering::Relaxed);
        }
    });
}

/// True once this process has forked since [`watch_forks`]. A child that runs
/// another program has no copies: the descriptors are closed on exec.
pub fn has_forked() -> bool {
    HAS_FORKED.load(Ordering::Relaxed)
}

extern "C" fn note_fork() {
    HAS_FORKED.store(true, Ordering::Relaxed);
}
