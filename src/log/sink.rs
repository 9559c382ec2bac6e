//! Lines that go to Python's `logging` and not directly to the log's
//! destination. The room `python` implements the sink.

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

    /// Text for the error log that is not changed.
    fn raw(&self, text: &str);

    /// Opens log files again.
    fn reopen(&self);
}

/// The logs whose lines go to the sink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Diverted {
    pub error: bool,
    pub access: bool,
}

/// Sends the lines of the logs in `diverted` to this sink. It is always told to
/// open its files again.
pub fn divert(sink: Arc<dyn Sink>, diverted: Diverted) {
    *lock_to_write() = Some((sink, diverted));
}

/// From now on, all lines go directly to their destinations.
pub fn undivert() {
    *lock_to_write() = None;
}

/// The same. Waits until no thread uses the sink any more, but not longer than
/// this time.
pub fn undivert_in(longest: Duration) {
    undivert();
    let deadline = Instant::now() + longest;
    while AT_SINK.load(Ordering::Acquire) > 0 && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(1));
    }
}

/// The number of threads that use the sink.
static AT_SINK: AtomicUsize = AtomicUsize::new(0);

/// The sink while a thread uses it.
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
    /// True while this thread passes a record of the error log to the sink.
    static AT_SINK_NOW: Cell<bool> = const { Cell::new(false) };

    /// True if all lines of this thread go directly to their destinations.
    static STRAIGHT: Cell<bool> = const { Cell::new(false) };
}

/// From now on, all lines of this thread go directly to their destinations: the
/// thread must work also while the sink hangs.
pub fn go_straight() {
    STRAIGHT.set(true);
}

/// Passes a record of the error log to the sink. False if such records do not
/// go there, or if the sink itself has made this one.
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

/// True while this thread passes a record of the error log to the sink.
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

/// The sink, whichever logs go there.
pub(super) fn any() -> Option<SinkGuard> {
    found(|_| true)
}

static SINK: RwLock<Option<(Arc<dyn Sink>, Diverted)>> = RwLock::new(None);

fn found(wants: impl Fn(Diverted) -> bool) -> Option<SinkGuard> {
    let sink = SINK.read().unwrap_or_else(PoisonError::into_inner);
    let (sink, diverted) = sink.as_ref()?;
    wants(*diverted).then(|| {
        // Under the lock, so that whoever removes the sink sees the count.
        AT_SINK.fetch_add(1, Ordering::Acquire);
        SinkGuard(Arc::clone(sink))
    })
}

fn lock_to_write() -> RwLockWriteGuard<'static, Option<(Arc<dyn Sink>, Diverted)>> {
    SINK.write().unwrap_or_else(PoisonError::into_inner)
}
