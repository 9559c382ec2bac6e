//! Another way for the lines of a log than straight to its output: Python's
//! `logging`. What implements it is not known here.

use std::cell::Cell;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::thread;
use std::time::{Duration, Instant};

use super::record::AccessRecord;

/// Takes the records of both logs.
pub trait Sink: Send + Sync {
    /// A record of the error log, its level numbered as in Python's `logging`.
    fn error(&self, level: u8, message: &str);

    /// A request.
    fn access(&self, record: &AccessRecord<'_>);

    /// Text that is to stand in the error log as it is.
    fn raw(&self, text: &str);

    /// Opens log files anew.
    fn reopen(&self);
}

/// Which lines go to the sink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Diverted {
    pub error: bool,
    pub access: bool,
}

/// Gives the lines that `diverted` names to this sink; it is told in any case
/// when files are opened anew.
pub fn divert(sink: Arc<dyn Sink>, diverted: Diverted) {
    *lock_to_write() = Some((sink, diverted));
}

/// From now on, all lines go straight to their outputs.
pub fn undivert() {
    *lock_to_write() = None;
}

/// The same, once no thread is at the sink any more, or this time has gone.
pub fn undivert_in(longest: Duration) {
    undivert();
    let deadline = Instant::now() + longest;
    while AT_SINK.load(Ordering::Acquire) > 0 && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(1));
    }
}

/// How many threads may be at the sink.
static AT_SINK: AtomicUsize = AtomicUsize::new(0);

/// The sink as long as a thread uses it.
pub(super) struct SinkGuard(Arc<dyn Sink>);

impl Deref for SinkGuard {
    type Target = dyn Sink;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl Drop for SinkGuard {
    fn drop(&mut self) {
        AT_SINK.fetch_sub(1, Ordering::Release);
    }
}

thread_local! {
    /// Whether this thread is bringing a record of the error log there.
    static AT_SINK_NOW: Cell<bool> = const { Cell::new(false) };

    /// Whether all lines of this thread go straight to their outputs.
    static STRAIGHT: Cell<bool> = const { Cell::new(false) };
}

/// From now on, all lines of this thread go straight to their outputs: it does
/// its work also while the sink waits for what hangs.
pub fn go_straight() {
    STRAIGHT.set(true);
}

/// Gives the sink a record of the error log. False if these do not go there, or
/// if it is the sink that has made this one.
pub(super) fn take_error(level: u8, message: &str) -> bool {
    match of_errors() {
        Some(sink) if !STRAIGHT.get() && !AT_SINK_NOW.replace(true) => {
            sink.error(level, message);
            AT_SINK_NOW.set(false);
            true
        }
        _ => false,
    }
}

/// True while the sink of this thread has a record of the error log.
pub(super) fn is_under_way() -> bool {
    AT_SINK_NOW.get()
}

/// The sink for lines of the error log, if they go there.
pub(super) fn of_errors() -> Option<SinkGuard> {
    found(|diverted| diverted.error)
}

/// The sink for requests, if they go there.
pub(super) fn of_requests() -> Option<SinkGuard> {
    found(|diverted| diverted.access && !STRAIGHT.get())
}

/// The sink, whatever goes there.
pub(super) fn any() -> Option<SinkGuard> {
    found(|_| true)
}

static SINK: RwLock<Option<(Arc<dyn Sink>, Diverted)>> = RwLock::new(None);

fn found(wants: impl Fn(Diverted) -> bool) -> Option<SinkGuard> {
    let sink = SINK.read().unwrap_or_else(PoisonError::into_inner);
    let (sink, diverted) = sink.as_ref()?;
    wants(*diverted).then(|| {
        // Under the lock: who takes the sink away sees it.
        AT_SINK.fetch_add(1, Ordering::Acquire);
        SinkGuard(Arc::clone(sink))
    })
}

fn lock_to_write() -> RwLockWriteGuard<'static, Option<(Arc<dyn Sink>, Diverted)>> {
    SINK.write().unwrap_or_else(PoisonError::into_inner)
}
