//! What the connections of a worker share, and may use from any thread.

use super::Heartbeat;
use super::connection::{Connection, State};
use super::exchange::echo;
use super::handover::Handover;
use super::output::Room;
use super::own_page::own_page;
use super::pump::Pump;
use crate::config::TrustedPeers;
use crate::http::{AddressField, Limits, Policy, RequestIds, Status};
use crate::log::id_note;
use crate::net::{Listener, Tls};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::eventfd::EventFd;
use ring::rand::{SecureRandom, SystemRandom};
use socket2::Socket;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// What a worker accepts, and how long it waits.
#[derive(Debug)]
pub struct Rules {
    /// What the master shares with the worker.
    pub heartbeat: Heartbeat,
    /// Certificates, if TLS is spoken.
    pub tls: Option<Arc<Tls>>,
    /// What is accepted of clients.
    pub stranger: Policy,
    /// What is accepted of proxies whose word is taken.
    pub trusted: Policy,
    pub trusted_peers: TrustedPeers,
    /// Peers that may send a PROXY header.
    pub proxy_peers: TrustedPeers,
    /// Where trusted peers tell the client's address.
    pub address_field: Option<AddressField>,
    /// The field of request ids, if requests have ids.
    pub request_id: Option<String>,
    /// True if answers have it too.
    pub echoes_id: bool,
    /// How long a head may take, from its first byte or from the connection's
    /// beginning.
    pub head_patience: Option<Duration>,
    /// How long a body may take that is slower than `body_rate`.
    pub body_patience: Option<Duration>,
    /// Bytes per second of a body that cost a client no patience.
    pub body_rate: u32,
    /// How long a client may take nothing of its answer.
    pub send_patience: Option<Duration>,
    /// The most connections of one address; 0 for any number.
    pub most_per_client: u32,
    /// What a client is told that has too many; 0 for no word.
    pub retry_after: u32,
    /// How long the next request on a connection may take to begin; zero for
    /// one request for each connection (Gunicorn's `keepalive`).
    pub keep_alive: Duration,
    /// The same once the worker ends (`keepalive_grace`).
    pub last_keep_alive: Duration,
    /// Bytes of a body that are held in memory.
    pub body_in_memory: u64,
    /// Where longer ones lie meanwhile (Gunicorn's `tmp_upload_dir`).
    pub upload_dir: Option<PathBuf>,
    /// Bytes of a body that are received before the app is called; what is
    /// beyond, the app receives itself.
    pub body_before_app: u64,
    /// How much of an answer is kept for a client that is slower than the app.
    pub room: Room,
    /// Connections at a time (Gunicorn's `worker_connections`).
    pub most_connections: usize,
    /// Requests at a time; 0 for any number.
    pub most_requests: usize,
    /// True if the app has one request at a time, and the others wait for it.
    pub serves_one: bool,
    /// How long requests may go on when the worker is to stop.
    pub graceful: Duration,
    /// How many connections are accepted before the others are looked after.
    pub accepts_at_once: usize,
}

impl Rules {
    /// True if clients are asked for a certificate.
    pub fn asks_for_certificates(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.asks_clients())
    }

    pub fn limits(&self) -> &Limits {
        &self.stranger.limits
    }

    /// The patience with a client that has sent `received` bytes of a body since
    /// `left` of it was left.
    pub fn repay(&self, left: Duration, received: usize) -> Duration {
        let received = u32::try_from(received).unwrap_or(u32::MAX);
        let earned = Duration::from_secs(1).saturating_mul(received) / self.body_rate.max(1);
        let more = left.saturating_add(earned);
        more.min(self.body_patience.unwrap_or(Duration::MAX))
    }
}

/// Waits for a socket in the manner of a worker class.
pub trait Waiter: Send + Sync {
    /// Returns once the socket may be ready or the time is over, or sooner. It
    /// is called with the GIL held if the thread has it, and lets it go.
    fn wait(&self, socket: &Socket, ready: PollFlags, longest: Duration) -> io::Result<()>;
}

/// Names a connection: its place, and the how manieth in this place it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id {
    pub place: u32,
    pub generation: u32,
}

impl Id {
    pub fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.place)
    }

    pub fn from_bits(bits: u64) -> Id {
        Id {
            place: bits as u32,
            generation: (bits >> 32) as u32,
        }
    }
}

/// Where a listener is bound, as requests are told.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    /// The address without its port.
    pub host: String,
}

impl Server {
    fn new(address: SocketAddr) -> Arc<Server> {
        let host = address.ip().to_string();
        Arc::new(Server { address, host })
    }
}

/// The shared part of a reactor.
pub struct Hub {
    pub rules: Rules,
    pub epoll: Epoll,
    pub waiter: Box<dyn Waiter>,
    ids: Mutex<RequestIds>,
    pub listeners: Vec<Listener>,
    /// For each listener where it is bound; nothing for a unix socket.
    servers: Vec<Option<Arc<Server>>>,
    wake: EventFd,
    /// True while the reactor waits for events.
    sleeping: AtomicBool,
    asked_to_stop: AtomicBool,
    stopping: AtomicBool,
    /// Connections for the reactor to look at.
    returned: Mutex<Vec<Id>>,
    /// The connections that are open, by their places.
    open: Mutex<Vec<Weak<Connection>>>,
    /// Requests that are under way, where their number is limited.
    requests: Arc<AtomicUsize>,
    /// Once a connection needs it.
    pump: Mutex<Option<Pump>>,
}

/// A request's share in the number of those that are under way.
#[derive(Debug)]
pub struct Admission(Option<Arc<AtomicUsize>>);

impl Drop for Admission {
    fn drop(&mut self) {
        if let Some(requests) = &self.0 {
            requests.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Hub {
    pub fn new(
        rules: Rules,
        epoll: Epoll,
        waiter: Box<dyn Waiter>,
        listeners: Vec<Listener>,
        wake: EventFd,
    ) -> Hub {
        let servers = listeners.iter().map(|it| it.inet().map(Server::new));
        Hub {
            servers: servers.collect(),
            listeners,
            ids: Mutex::new(RequestIds::new(random())),
            rules,
            epoll,
            waiter,
            wake,
            sleeping: AtomicBool::new(false),
            asked_to_stop: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            returned: Mutex::default(),
            open: Mutex::default(),
            requests: Arc::default(),
            pump: Mutex::default(),
        }
    }

    /// Admits a request, unless there are as many as may be.
    pub fn admit(&self) -> Option<Admission> {
        let most = self.rules.most_requests;
        if most == 0 {
            return Some(Admission(None));
        }
        let before = self.requests.fetch_add(1, Ordering::Relaxed);
        // Dropped, it is not counted any more.
        let admission = Admission(Some(Arc::clone(&self.requests)));
        (before < most).then_some(admission)
    }

    /// Takes note of a connection.
    pub fn opened(&self, connection: &Arc<Connection>) {
        let place = connection.id.place as usize;
        let mut open = self.open();
        if open.len() <= place {
            open.resize(place + 1, Weak::new());
        }
        open[place] = Arc::downgrade(connection);
    }

    /// The connection of that name, if it is still there.
    pub fn connection(&self, id: Id) -> Option<Arc<Connection>> {
        let connection = self.open().get(id.place as usize)?.upgrade()?;
        (connection.id == id).then_some(connection)
    }

    /// What carries bytes for apps that have taken their connections.
    ///
    /// # Errors
    /// The process has no descriptors or threads left.
    pub fn pump(self: &Arc<Self>) -> io::Result<Pump> {
        let mut pump = self.pump.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pump) = &*pump {
            return Ok(pump.clone());
        }
        let started = Pump::start(Arc::downgrade(self))?;
        Ok(pump.insert(started).clone())
    }

    /// Forgets one.
    pub fn closed(&self, id: Id) {
        self.open()[id.place as usize] = Weak::new();
    }

    /// Tells clients that have asked and were not answered that they are not
    /// going to be: the worker ends. Gives their number. Any thread may call it.
    pub fn dismiss(&self) -> usize {
        let open: Vec<_> = self.open().iter().filter_map(Weak::upgrade).collect();
        let mut told = open
            .iter()
            .filter(|connection| connection.dismiss())
            .count();
        if !self.rules.heartbeat.leaves_queue() {
            for listener in &self.listeners {
                while let Ok((socket, _)) = listener.accept() {
                    self.turn_away(&socket, "The server stops");
                    told += 1;
                }
            }
        }
        told
    }

    /// Tells a client that was just accepted why nothing is done for it.
    pub fn turn_away(&self, socket: &Socket, why: &str) {
        if self.rules.tls.is_none() && socket.set_nonblocking(true).is_ok() {
            let id = self.rules.request_id.is_some().then(|| self.next_id());
            let note = id_note(id.as_deref());
            ::log::debug!("A client that has just come is turned away{note}: {why}");
            let status = Status::SERVICE_UNAVAILABLE;
            let echo = echo(&self.rules, id.as_deref());
            let page = own_page(&self.rules, status, why, false, echo.as_slice());
            // Its buffer is empty; and if it takes nothing, nothing is lost.
            let _ = socket.send_with_flags(&page.bytes, libc::MSG_NOSIGNAL);
            let _ = socket.shutdown(Shutdown::Write);
        }
    }

    fn open(&self) -> MutexGuard<'_, Vec<Weak<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Encrypts a connection that begins, if TLS is spoken.
    pub fn begin_tls(&self, state: &mut State) {
        if let Some(tls) = &self.rules.tls {
            state.encrypt(tls);
        }
    }

    /// A new request id.
    pub fn next_id(&self) -> String {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.next_id()
    }

    /// Has the reactor look at a connection again.
    pub fn give_back(&self, id: Id) {
        self.returned().push(id);
        if self.sleeping.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    /// The connections that were given back.
    pub fn returned(&self) -> MutexGuard<'_, Vec<Id>> {
        self.returned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the reactor's wait.
    pub fn wake(&self) {
        // It fails only when billions of calls were not noticed.
        let _ = self.wake.write(1);
    }

    /// Takes note of all calls of `wake` so far.
    pub fn woken(&self) {
        let _ = self.wake.read();
    }

    /// Says that the reactor is about to wait; false if it had better not.
    pub fn fall_asleep(&self) -> bool {
        self.sleeping.store(true, Ordering::SeqCst);
        self.returned().is_empty()
    }

    pub fn wake_up(&self) {
        self.sleeping.store(false, Ordering::SeqCst);
    }

    /// Where that listener is bound.
    pub fn server(&self, listener: usize) -> Option<Arc<Server>> {
        self.servers[listener].clone()
    }

    /// Where a listener is bound, perhaps one of another worker's.
    pub fn server_at(&self, address: SocketAddr) -> Arc<Server> {
        let mut known = self.servers.iter().flatten();
        let known = known.find(|it| it.address == address);
        known.map_or_else(|| Server::new(address), Arc::clone)
    }

    /// Says that the worker is to end: the reactor learns of it in its own time.
    pub fn ask_to_stop(&self) {
        self.asked_to_stop.store(true, Ordering::Relaxed);
    }

    /// True if connections may stay open after their answers: the worker goes
    /// on, or others take them up that `can_move`.
    pub fn keeps_connections(&self, can_move: bool) -> bool {
        !self.asked_to_stop.load(Ordering::Relaxed) || can_move && self.has_successors()
    }

    /// True once the worker takes no new connections, and ends those it has.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// From now on the worker takes no new connections, and ends those it has.
    pub fn stop(&self) {
        self.ask_to_stop();
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// True while connections go to other workers as soon as they are idle.
    pub fn hands_over(&self) -> bool {
        self.is_stopping() && self.has_successors()
    }

    fn has_successors(&self) -> bool {
        self.rules.heartbeat.hands_over() && self.handover().is_some()
    }

    /// How idle connections go from one worker to another.
    pub fn handover(&self) -> Option<&Handover> {
        self.rules.heartbeat.seat.as_ref()?.handover()
    }

    /// How long an idle connection waits for its next request.
    pub fn idle_patience(&self) -> Duration {
        match self.is_stopping() {
            true => self.rules.last_keep_alive,
            false => self.rules.keep_alive,
        }
    }

    /// Has epoll tell also when the socket can be written to again.
    pub fn watch_for_room(&self, socket: &Socket, id: Id) -> io::Result<()> {
        let mut event = EpollEvent::new(INTEREST | EpollFlags::EPOLLOUT, id.to_bits());
        Ok(self.epoll.modify(socket, &mut event)?)
    }
}

/// What every connection is watched for.
pub const INTEREST: EpollFlags = EpollFlags::EPOLLIN
    .union(EpollFlags::EPOLLRDHUP)
    .union(EpollFlags::EPOLLET);

/// Waits for the socket alone: for threads that have nothing else to do.
#[derive(Debug)]
pub struct Alone;

impl Waiter for Alone {
    fn wait(&self, socket: &Socket, ready: PollFlags, longest: Duration) -> io::Result<()> {
        let mut events = [PollFd::new(socket.as_fd(), ready)];
        // Rounded up, lest the last millisecond be spent polling.
        let pause = PollTimeout::try_from(longest + Duration::from_millis(1));
        match poll(&mut events, pause.unwrap_or(PollTimeout::MAX)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// A number that no other worker has.
fn random() -> u128 {
    let mut bytes = [0; 16];
    // Without it ids would repeat those of other workers, and no more.
    let _ = SystemRandom::new().fill(&mut bytes);
    u128::from_ne_bytes(bytes)
}

/// `patience` from `now` on as a deadline.
pub fn deadline(now: Instant, patience: Option<Duration>) -> Option<Instant> {
    patience.and_then(|patience| now.checked_add(patience))
}
