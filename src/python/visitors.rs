//! Threads that look into the interpreter. It must not be ended while they are
//! in it: CPython would end them in the middle of Rust code.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How many there are.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// The pause between two looks whether they are gone.
const PAUSE: Duration = Duration::from_millis(5);

/// A thread that enters the interpreter, or waits for it, while this value lives.
#[derive(Debug)]
pub struct Visitor(());

impl Visitor {
    pub fn new() -> Visitor {
        COUNT.fetch_add(1, Ordering::AcqRel);
        Visitor(())
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        COUNT.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Waits until there are no visitors any more, at most for this time. Not to be
/// called with the GIL, which they may need.
pub fn wait_for_visitors(longest: Duration) {
    let deadline = Instant::now() + longest;
    while COUNT.load(Ordering::Acquire) > 0 && Instant::now() < deadline {
        thread::sleep(PAUSE);
    }
}
