//! What a worker tells the master through shared memory: that it is alive, that
//! it serves, that it wants a successor, and which requests it handles.

use crate::scoreboard::{Board, now};
use crate::system::{Shareable, Shared};
use crate::worker::shared::balance::WorkerSlot;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::unistd::{read, write};
use std::cell::UnsafeCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// How many bytes of a request line are kept.
const MAX_LINE: usize = 256;

/// Memory that the master and one worker share.
///
/// The master makes it before it forks. The worker writes, the master reads.
/// Any thread may call the methods, and none of them waits.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    memory: Arc<Shared<Memory>>,
    waker: MasterWaker,
    /// The worker's entry in the table of all workers.
    pub slot: Option<WorkerSlot>,
}

/// Wakes the master, so that it reads the heartbeats at once.
///
/// All workers share one. Its descriptor is readable after
/// [`wake`](MasterWaker::wake).
#[derive(Clone, Debug)]
pub struct MasterWaker(Arc<OwnedFd>);

#[derive(Debug)]
struct Memory {
    /// The time of the last beat in monotonic milliseconds; 0 before the first.
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
    /// How many bytes of `line` are in use.
    length: AtomicU32,
    line: UnsafeCell<[u8; MAX_LINE]>,
    /// The server asks balancers to send no more clients.
    draining: AtomicBool,
    board: Board,
}

// SAFETY: zero is a valid value of all fields. `begin_request` says what guards
// the line.
unsafe impl Shareable for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl MasterWaker {
    /// # Errors
    /// The process has no descriptors left.
    pub fn new() -> io::Result<MasterWaker> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(MasterWaker(Arc::new(EventFd::from_flags(flags)?.into())))
    }

    /// The one that the workers already use.
    pub fn adopt(descriptor: OwnedFd) -> MasterWaker {
        MasterWaker(Arc::new(descriptor))
    }

    /// Wakes the master.
    pub fn wake(&self) {
        // It fails only when billions of writes were not read.
        let _ = write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Makes the descriptor unreadable again.
    pub fn clear(&self) {
        // It fails only if the descriptor is not readable.
        let _ = read(&self.0, &mut [0; 8]);
    }
}

impl AsFd for MasterWaker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Heartbeat {
    /// What the worker counts and measures.
    pub fn board(&self) -> &Board {
        &self.memory.board
    }
}

/// The methods of the worker.
impl Heartbeat {
    /// Says that the worker is alive.
    pub fn beat(&self) {
        self.memory.beat.store(now(), Ordering::Relaxed);
    }

    /// Says that the app is loaded and the worker accepts connections. The
    /// master may then end the worker that this one replaces.
    pub fn ready(&self) {
        self.beat();
        self.memory.ready.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Asks the master for a successor. The worker goes on serving until the
    /// master sends TERM, which it does as soon as the successor is ready.
    pub fn retire(&self) {
        if !self.memory.retiring.swap(true, Ordering::Relaxed) {
            self.waker.wake();
        }
    }

    /// Says that the worker is about to kill itself because it uses too much
    /// memory.
    pub fn grew_too_large(&self) {
        self.memory.too_large.store(true, Ordering::Relaxed);
    }

    /// True if the worker, when it ends, leaves clients that wait to be
    /// accepted to other processes, which listen on the same sockets.
    pub fn leaves_queue(&self) -> bool {
        self.memory.leaves_queue.load(Ordering::Acquire)
    }

    /// True if the worker, when it ends, gives its idle connections to other
    /// workers of its master.
    pub fn hands_over(&self) -> bool {
        self.memory.hands_over.load(Ordering::Acquire)
    }

    /// True while the server asks balancers to send no more clients.
    pub fn is_draining(&self) -> bool {
        self.memory.draining.load(Ordering::Relaxed)
    }

    /// Counts a request that the app is about to handle, and keeps its line:
    /// the concatenated parts, cut off at 256 bytes. The master logs the line
    /// if the worker dies.
    pub fn begin_request(&self, line: &[&[u8]]) {
        let memory = &self.memory;
        memory.begun.fetch_add(1, Ordering::Relaxed);
        if memory.writing.swap(true, Ordering::Acquire) {
            // Another thread writes its line at this moment; either line will
            // do.
            return;
        }
        let mut length = 0;
        for part in line {
            let count = part.len().min(MAX_LINE - length);
            // SAFETY: `count` bytes fit after `length` bytes of the array.
            // `writing` keeps other threads of this process out. The master may
            // read while this writes and get a mixture of two lines; it, too,
            // copies bytes through a pointer.
            unsafe {
                let start = memory.line.get().cast::<u8>().add(length);
                start.copy_from_nonoverlapping(part.as_ptr(), count);
            }
            length += count;
        }
        memory.length.store(length as u32, Ordering::Relaxed);
        memory.writing.store(false, Ordering::Release);
    }

    /// Counts a request that has ended.
    pub fn end_request(&self) {
        self.memory.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// The methods of the master.
impl Heartbeat {
    /// # Errors
    /// The system has no memory left to share.
    pub fn new(waker: &MasterWaker) -> io::Result<Heartbeat> {
        Ok(Heartbeat::of(Shared::new()?, waker))
    }

    /// The memory of a worker that already serves. If its file was lost, new
    /// memory that says so.
    ///
    /// # Errors
    /// The memory cannot be mapped.
    pub fn adopt(file: Option<OwnedFd>, waker: &MasterWaker) -> io::Result<Heartbeat> {
        let Some(file) = file else {
            let heartbeat = Heartbeat::new(waker)?;
            heartbeat.memory.ready.store(true, Ordering::Release);
            return Ok(heartbeat);
        };
        Ok(Heartbeat::of(Shared::of(file)?, waker))
    }

    fn of(memory: Shared<Memory>, waker: &MasterWaker) -> Heartbeat {
        Heartbeat {
            memory: Arc::new(memory),
            waker: waker.clone(),
            slot: None,
        }
    }

    /// The file of the memory, if it has one.
    pub fn file(&self) -> Option<BorrowedFd<'_>> {
        self.memory.file()
    }

    /// The time since the last beat; nothing before the first one, since an app
    /// may take long to load.
    pub fn since_beat(&self) -> Option<Duration> {
        match self.memory.beat.load(Ordering::Relaxed) {
            0 => None,
            beat => Some(Duration::from_millis(now().saturating_sub(beat))),
        }
    }

    /// Says, before the master sends TERM, that other processes go on listening
    /// on the worker's sockets.
    pub fn leave_queue(&self) {
        self.memory.leaves_queue.store(true, Ordering::Release);
    }

    /// Says whether other workers of this master serve on after this one ends.
    pub fn hand_over(&self, others_go_on: bool) {
        self.memory
            .hands_over
            .store(others_go_on, Ordering::Release);
    }

    /// Says whether the server asks balancers to send no more clients.
    pub fn drain(&self, draining: bool) {
        self.memory.draining.store(draining, Ordering::Relaxed);
    }

    /// True once the worker serves.
    pub fn is_ready(&self) -> bool {
        self.memory.ready.load(Ordering::Acquire)
    }

    /// True once the worker wants a successor.
    pub fn is_retiring(&self) -> bool {
        self.memory.retiring.load(Ordering::Relaxed)
    }

    /// True if the worker has killed itself because it used too much memory.
    pub fn is_too_large(&self) -> bool {
        self.memory.too_large.load(Ordering::Relaxed)
    }

    /// How many requests the worker has finished.
    pub fn requests(&self) -> u64 {
        self.memory.ended.load(Ordering::Relaxed)
    }

    /// How many requests the worker is handling.
    pub fn in_flight(&self) -> u64 {
        let ended = self.memory.ended.load(Ordering::Relaxed);
        let begun = self.memory.begun.load(Ordering::Relaxed);
        begun.saturating_sub(ended)
    }

    /// The line of the request that was begun last; empty before the first.
    pub fn last_request(&self) -> Vec<u8> {
        let memory = &self.memory;
        let length = memory.length.load(Ordering::Relaxed) as usize;
        let mut line = vec![0; length.min(MAX_LINE)];
        // SAFETY: the array has at least as many bytes. The worker may write at
        // the same time; then the copy is a mixture of two lines, but any byte
        // is a valid value.
        unsafe {
            let start = memory.line.get().cast::<u8>();
            start.copy_to_nonoverlapping(line.as_mut_ptr(), line.len());
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::thread;

    fn heartbeat() -> Heartbeat {
        Heartbeat::new(&MasterWaker::new().unwrap()).unwrap()
    }

    fn is_woken(waker: &MasterWaker) -> bool {
        let mut ready = [PollFd::new(waker.as_fd(), PollFlags::POLLIN)];
        poll(&mut ready, PollTimeout::ZERO).unwrap() == 1
    }

    #[test]
    fn the_time_since_a_beat_begins_with_the_first() {
        let heartbeat = heartbeat();
        assert_eq!(heartbeat.since_beat(), None);
        heartbeat.beat();
        thread::sleep(Duration::from_millis(20));
        let time = heartbeat.since_beat().unwrap();
        assert!(time >= Duration::from_millis(15), "{time:?}");
    }

    #[test]
    fn the_master_is_woken_for_what_it_must_act_on() {
        let waker = MasterWaker::new().unwrap();
        let heartbeat = Heartbeat::new(&waker).unwrap();
        heartbeat.beat();
        assert!(!is_woken(&waker) && !heartbeat.is_ready() && !heartbeat.is_retiring());
        heartbeat.ready();
        assert!(is_woken(&waker) && heartbeat.is_ready());
        waker.clear();
        heartbeat.retire();
        assert!(is_woken(&waker) && heartbeat.is_retiring());
        waker.clear();
        heartbeat.retire();
        assert!(!is_woken(&waker), "once is enough");
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
