//! What a server says of itself, and how it is steered: metrics, health, a page,
//! and the control socket.
//!
//! The master keeps a [`Status`] up to date, and takes [`Order`]s from it. The
//! clients are answered by a second thread of the master, which runs no Python: it
//! also answers while the master is in a hook, and while workers hang.
//!
//! The thread holds a lock except while it waits. The master holds it to fork
//! ([`Status::hold`]): no child is made while the thread has any other lock.

mod metrics;
mod order;
mod page;
mod process;
mod recently;
pub mod report;
mod server;
mod settings;
mod view;

pub use order::Order;
pub use view::{Counts, Facts, MemoryUse, Phase};

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Seek};
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::thread;

use nix::sys::epoll::EpollEvent;
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::config::Settings;
use crate::log;
use crate::system::lock;
use crate::worker::{Heartbeat, MasterWaker};
use order::Orders;
use server::{Poller, Server};
use view::View;

/// How many times an address is tried at the start that is in use.
const FIRST_TRIES: u32 = 2;

/// What a server says of itself.
#[derive(Debug)]
pub struct Status {
    shared: Arc<Shared>,
    /// Whether the thread was started.
    has_thread: bool,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    poller: Poller,
}

/// What the thread and the master share.
#[derive(Debug)]
struct State {
    view: View,
    server: Server,
    orders: Orders,
}

/// Keeps the thread from doing anything but wait.
pub struct Held<'a>(MutexGuard<'a, State>);

impl Status {
    /// # Errors
    /// The process has no descriptors left.
    pub fn new(waker: &MasterWaker) -> io::Result<Self> {
        let poller = Poller::new()?;
        let state = State {
            view: View::default(),
            server: Server::new(&poller),
            orders: Orders::new(waker),
        };
        Ok(Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                poller,
            }),
            has_thread: false,
        })
    }

    /// Takes new settings, and listens where they say; `inherited` is a socket
    /// that listens for it already. What is open and stays is not touched. A
    /// master that `is_second`, beside the one that it replaces, leaves the file
    /// of the control socket to that one.
    ///
    /// # Errors
    /// An address cannot be had, or a file is wrong. It listens where it did
    /// before, with the old certificates and the old token.
    pub fn configure(
        &mut self,
        settings: &Settings,
        inherited: Option<RawFd>,
        is_second: bool,
    ) -> anyhow::Result<()> {
        // The thread answers meanwhile: it must not wait for an address.
        let tries = if self.has_thread { 1 } else { FIRST_TRIES };
        let mut state = lock(&self.shared.state);
        let State { view, server, .. } = &mut *state;
        view.settings = settings::changed(settings);
        view.allows_control = settings.status.status_allow_control;
        server.configure(settings, inherited, is_second, tries)?;
        let (listens, is_wanted) = (server.listens(), server.listener().is_some());
        drop(state);
        if listens
            && !self.has_thread
            && let Err(error) = self.start_thread()
        {
            if is_wanted {
                return Err(error.into());
            }
            ::log::warn!("`rgunicorn ctl` will not find this server: {error}");
        }
        Ok(())
    }

    /// Reads the files that other settings name, without a change.
    ///
    /// # Errors
    /// A file is wrong.
    pub fn check(settings: &Settings) -> anyhow::Result<()> {
        Server::check(settings)
    }

    /// Starts the thread, and waits until it only waits: the caller may fork.
    fn start_thread(&mut self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let (sender, receiver) = mpsc::channel();
        let thread = thread::Builder::new().name("status".to_owned());
        thread.spawn(move || {
            // Lines that go to Python's `logging` would wait for the GIL.
            log::go_straight();
            let events = Poller::events();
            let _ = sender.send(());
            shared.run(events);
        })?;
        self.has_thread = true;
        receiver.recv().map_err(io::Error::other)
    }

    /// Holds the thread, so that this process can be forked.
    pub fn hold(&self) -> Held<'_> {
        Held(lock(&self.shared.state))
    }

    /// A file with what was counted so far, for the program that this process
    /// executes next; nothing where the system allows no such file.
    pub fn counts(&self) -> Option<OwnedFd> {
        let counts = lock(&self.shared.state).view.counts();
        let mut file = File::from(memfd_create("counts", MFdFlags::MFD_CLOEXEC).ok()?);
        serde_json::to_writer(&mut file, &counts).ok()?;
        file.rewind().ok()?;
        Some(file.into())
    }

    /// Goes on from such a file, and gives what is in it.
    pub fn go_on_from(&self, counts: OwnedFd) -> Counts {
        let counts: Counts = serde_json::from_reader(File::from(counts)).unwrap_or_default();
        lock(&self.shared.state).view.go_on_from(counts.clone());
        counts
    }

    /// The descriptor of the socket that listens at `status_bind`, for the
    /// master that comes after this one.
    pub fn listener(&self) -> Option<RawFd> {
        lock(&self.shared.state).server.listener()
    }

    /// A worker was started. `channel` is the master's end of its channel.
    pub fn started(
        &self,
        pid: i32,
        age: u64,
        generation: u64,
        heartbeat: &Heartbeat,
        channel: Option<UnixStream>,
    ) {
        let mut state = lock(&self.shared.state);
        state.view.add(pid, age, generation, heartbeat);
        if let Some(channel) = channel {
            state.server.add_worker(pid, channel);
        }
    }

    /// A worker has ended, for this reason.
    pub fn ended(&self, pid: i32, age: u64, reason: &str) {
        let mut state = lock(&self.shared.state);
        state.view.remove(age, reason);
        state.server.remove_worker(pid);
    }

    /// Looks at the workers, and keeps what the master says of the server.
    /// `phase` gives what the worker with this age was told.
    pub fn look(&self, facts: Facts, phase: impl Fn(u64) -> Option<Phase>) {
        let mut state = lock(&self.shared.state);
        let State {
            view,
            server,
            orders,
        } = &mut *state;
        server.pause(facts.is_upgrading);
        orders.obeyed();
        view.facts = facts;
        view.look(phase);
    }

    /// How much memory a worker used that has not ended yet.
    pub fn memory_of(&self, age: u64) -> Option<MemoryUse> {
        lock(&self.shared.state).view.memory_of(age)
    }

    /// Takes what the master was asked to do.
    pub fn take_orders(&self) -> VecDeque<Order> {
        lock(&self.shared.state).orders.take()
    }

    /// Closes the sockets, and removes their files; but not that of
    /// `status_bind` if another master has the socket, too.
    pub fn close(&self, is_shared: bool) {
        lock(&self.shared.state).server.close(is_shared);
    }
}

impl Held<'_> {
    /// Closes the descriptors in a process that was just forked, and has no
    /// thread, and takes the memory of other workers out of it. The lock stays
    /// held there for ever.
    pub fn close_in_child(mut self) {
        self.0.server.close_in_child();
        self.0.view.forget_workers();
        std::mem::forget(self);
    }
}

impl Shared {
    /// The work of the thread.
    fn run(&self, mut events: Vec<EpollEvent>) {
        let mut pause = None;
        loop {
            let waited = self.poller.wait(&mut events, pause);
            let mut state = lock(&self.state);
            let state = &mut *state;
            let ready = match waited {
                Ok(count) => events[..count].iter().map(EpollEvent::data),
                Err(error) => {
                    ::log::error!("The status server cannot wait, and ends: {error}");
                    return state.server.drop_clients();
                }
            };
            let turn = AssertUnwindSafe(|| {
                let State {
                    view,
                    server,
                    orders,
                } = state;
                server.turn(ready, view, orders)
            });
            match catch_unwind(turn) {
                Ok(next) => pause = next,
                Err(_) => {
                    ::log::error!("An error in the status server; its connections are closed");
                    state.server.drop_clients();
                    pause = None;
                }
            }
        }
    }
}
