//! The last lines of the error log, which the master and its workers share.

use std::sync::OnceLock;

use crate::system::{LineRing, Shared};

static RING: OnceLock<Shared<LineRing>> = OnceLock::new();

/// From now on the last lines of the error log are kept, in memory that forked
/// processes share. To be called before there are any.
pub fn keep_recent() {
    // Without memory to share there are no such lines.
    if RING.get().is_none()
        && let Ok(ring) = Shared::new()
    {
        let _ = RING.set(ring);
    }
}

/// The last lines of this process and of those it has forked, the oldest first.
pub fn recent() -> Vec<String> {
    RING.get().map(|ring| ring.lines()).unwrap_or_default()
}

/// Keeps a line, if lines are kept.
pub fn keep(line: impl FnOnce() -> String) {
    if let Some(ring) = RING.get() {
        ring.add(line().trim_end());
    }
}
