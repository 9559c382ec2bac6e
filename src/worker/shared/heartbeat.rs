//! What a worker tells the master, through memory that both share: that it is
//! alive, that it serves, that it wants a successor, and what it is doing.

use crate::worker::shared::balance::WorkerSlot;
use crate::worker::shared::memory::{Plain, Shared};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{read, write};
use std::cell::UnsafeCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// How much of a request line is kept.
const LONGEST_LINE: usize = 256;

/// Memory that the master and one worker share across the fork.
///
/// The master makes it before it forks, the worker writes, the master reads.
/// All methods may be called from any thread, and none waits.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    page: Arc<Shared<Page>>,
    waker: MasterWaker,
    /// Where the workers see each other's connections.
    pub slot: Option<WorkerSlot>,
}

/// What a worker rings when the master should look at its heartbeat at once.
///
/// One serves all workers. Its descriptor is readable once it was rung.
#[derive(Clone, Debug)]
pub struct MasterWaker(Arc<OwnedFd>);

#[derive(Debug)]
struct Page {
    /// Monotonic milliseconds of the last beat, 0 before the first.
    beat: AtomicU64,
    ready: AtomicBool,
    retiring: AtomicBool,
    leaves_queue: AtomicBool,
    hands_over: AtomicBool,
    too_large: AtomicBool,
    begun: AtomicU64,
    ended: AtomicU64,
    /// True while a thread writes the request line.
    writing: AtomicBool,
    /// How many bytes of the line count.
    length: AtomicU32,
    line: UnsafeCell<[u8; LONGEST_LINE]>,
}

// SAFETY: zeros are values of all fields, and `begin_request` says how the line
// is guarded.
unsafe impl Plain for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

impl MasterWaker {
    /// # Errors
    /// The process has no descriptors left.
    pub fn new() -> io::Result<MasterWaker> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(MasterWaker(Arc::new(EventFd::from_flags(flags)?.into())))
    }

    /// The one that workers already ring.
    pub fn adopt(descriptor: OwnedFd) -> MasterWaker {
        MasterWaker(Arc::new(descriptor))
    }

    /// Wakes the master.
    pub fn ring(&self) {
        // It can only fail because it rings already.
        let _ = write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Stops it ringing.
    pub fn silence(&self) {
        // It can only fail because it does not ring.
        let _ = read(&self.0, &mut [0; 8]);
    }
}

impl AsFd for MasterWaker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The worker's side.
impl Heartbeat {
    /// Says that the worker is alive, now.
    pub fn beat(&self) {
        self.page.beat.store(now(), Ordering::Relaxed);
    }

    /// Says that the app is loaded and the worker takes connections. The
    /// master may then end the worker that this one replaces.
    pub fn ready(&self) {
        self.beat();
        self.page.ready.store(true, Ordering::Release);
        self.waker.ring();
    }

    /// Asks the master for a successor. The worker goes on serving until the
    /// master sends TERM, which it does as soon as the successor is ready.
    pub fn retire(&self) {
        if !self.page.retiring.swap(true, Ordering::Relaxed) {
            self.waker.ring();
        }
    }

    /// Says before the worker kills itself that it has too much memory.
    pub fn grew_too_large(&self) {
        self.page.too_large.store(true, Ordering::Relaxed);
    }

    /// True if at its end the worker leaves those who wait to be accepted to
    /// others, who take connections from the same sockets.
    pub fn leaves_queue(&self) -> bool {
        self.page.leaves_queue.load(Ordering::Acquire)
    }

    /// True if at its end the worker gives its idle connections to other
    /// workers of its master.
    pub fn hands_over(&self) -> bool {
        self.page.hands_over.load(Ordering::Acquire)
    }

    /// Counts a request that the app is about to handle, and notes its line
    /// (the concatenated parts, cut off at 256 bytes) for the case that it is
    /// the worker's last.
    pub fn begin_request(&self, line: &[&[u8]]) {
        let page = &self.page;
        page.begun.fetch_add(1, Ordering::Relaxed);
        if page.writing.swap(true, Ordering::Acquire) {
            // Another thread began one at the same moment; either will do.
            return;
        }
        let mut length = 0;
        for part in line {
            let count = part.len().min(LONGEST_LINE - length);
            // SAFETY: `count` bytes fit behind `length` in the array. `writing`
            // keeps other threads of this process out, and the master, who
            // may read a torn line, copies bytes through a pointer, too.
            unsafe {
                let start = page.line.get().cast::<u8>().add(length);
                start.copy_from_nonoverlapping(part.as_ptr(), count);
            }
            length += count;
        }
        page.length.store(length as u32, Ordering::Relaxed);
        page.writing.store(false, Ordering::Release);
    }

    /// Counts a request that is over.
    pub fn end_request(&self) {
        self.page.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// The master's side.
impl Heartbeat {
    /// # Errors
    /// The system has no memory left to share.
    pub fn new(waker: &MasterWaker) -> io::Result<Heartbeat> {
        Ok(Heartbeat::of(Shared::new()?, waker))
    }

    /// The page of a worker that is alive; a fresh one, as of a worker that
    /// serves, when it has got lost.
    ///
    /// # Errors
    /// It cannot be mapped.
    pub fn adopt(file: Option<OwnedFd>, waker: &MasterWaker) -> io::Result<Heartbeat> {
        let Some(file) = file else {
            let heartbeat = Heartbeat::new(waker)?;
            heartbeat.page.ready.store(true, Ordering::Release);
            return Ok(heartbeat);
        };
        Ok(Heartbeat::of(Shared::of(file)?, waker))
    }

    fn of(page: Shared<Page>, waker: &MasterWaker) -> Heartbeat {
        Heartbeat {
            page: Arc::new(page),
            waker: waker.clone(),
            slot: None,
        }
    }

    /// The file that the page is, if it is one.
    pub fn file(&self) -> Option<BorrowedFd<'_>> {
        self.page.file()
    }

    /// The time since the last beat; nothing before the first one, since an
    /// app may take its time to load.
    pub fn silence(&self) -> Option<Duration> {
        match self.page.beat.load(Ordering::Relaxed) {
            0 => None,
            beat => Some(Duration::from_millis(now().saturating_sub(beat))),
        }
    }

    /// Says before TERM that others go on with the worker's sockets.
    pub fn leave_queue(&self) {
        self.page.leaves_queue.store(true, Ordering::Release);
    }

    /// Says whether other workers of this master go on when this one ends.
    pub fn hand_over(&self, others_go_on: bool) {
        self.page.hands_over.store(others_go_on, Ordering::Release);
    }

    /// True once the worker serves.
    pub fn is_ready(&self) -> bool {
        self.page.ready.load(Ordering::Acquire)
    }

    /// True once the worker wants a successor.
    pub fn is_retiring(&self) -> bool {
        self.page.retiring.load(Ordering::Relaxed)
    }

    /// True if the worker has killed itself, as it had too much memory.
    pub fn is_too_large(&self) -> bool {
        self.page.too_large.load(Ordering::Relaxed)
    }

    /// How many requests the worker has finished.
    pub fn requests(&self) -> u64 {
        self.page.ended.load(Ordering::Relaxed)
    }

    /// How many requests the worker is handling.
    pub fn in_flight(&self) -> u64 {
        let ended = self.page.ended.load(Ordering::Relaxed);
        let begun = self.page.begun.load(Ordering::Relaxed);
        begun.saturating_sub(ended)
    }

    /// The line of the request that was begun last; empty before the first.
    pub fn last_request(&self) -> Vec<u8> {
        let page = &self.page;
        let length = page.length.load(Ordering::Relaxed) as usize;
        let mut line = vec![0; length.min(LONGEST_LINE)];
        // SAFETY: the array has at least as many bytes. The worker may be
        // writing; what was read may then be a mixture, but bytes are bytes.
        unsafe {
            let start = page.line.get().cast::<u8>();
            start.copy_to_nonoverlapping(line.as_mut_ptr(), line.len());
        }
        line
    }
}

/// Milliseconds of the monotonic clock, the same in every process; never 0.
/// The coarse clock is a few of them behind, and costs next to nothing.
fn now() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE).expect("Linux has this clock");
    (Duration::from(now).as_millis() as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::thread;

    fn heartbeat() -> Heartbeat {
        Heartbeat::new(&MasterWaker::new().unwrap()).unwrap()
    }

    fn rings(waker: &MasterWaker) -> bool {
        let mut ready = [PollFd::new(waker.as_fd(), PollFlags::POLLIN)];
        poll(&mut ready, PollTimeout::ZERO).unwrap() == 1
    }

    #[test]
    fn silence_begins_with_the_first_beat() {
        let heartbeat = heartbeat();
        assert_eq!(heartbeat.silence(), None);
        heartbeat.beat();
        thread::sleep(Duration::from_millis(20));
        let silence = heartbeat.silence().unwrap();
        assert!(silence >= Duration::from_millis(15), "{silence:?}");
    }

    #[test]
    fn the_master_is_woken_for_what_it_must_act_on() {
        let waker = MasterWaker::new().unwrap();
        let heartbeat = Heartbeat::new(&waker).unwrap();
        heartbeat.beat();
        assert!(!rings(&waker) && !heartbeat.is_ready() && !heartbeat.is_retiring());
        heartbeat.ready();
        assert!(rings(&waker) && heartbeat.is_ready());
        waker.silence();
        heartbeat.retire();
        assert!(rings(&waker) && heartbeat.is_retiring());
        waker.silence();
        heartbeat.retire();
        assert!(!rings(&waker), "once is enough");
    }

    #[test]
    fn requests_are_counted_and_the_last_is_known() {
        let heartbeat = heartbeat();
        assert_eq!(heartbeat.last_request(), b"");
        heartbeat.begin_request(&[b"GET", b" ", b"/a"]);
        heartbeat.begin_request(&[b"GET ", &[b'x'; 1000]]);
        assert_eq!((heartbeat.requests(), heartbeat.in_flight()), (0, 2));
        assert_eq!(heartbeat.last_request().len(), 256);
        heartbeat.end_request();
        heartbeat.begin_request(&[b"GET /b"]);
        assert_eq!((heartbeat.requests(), heartbeat.in_flight()), (1, 2));
        assert_eq!(heartbeat.last_request(), b"GET /b");
    }
}
