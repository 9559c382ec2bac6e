//! Sockets that listen.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, close};
use socket2::{Domain, SockAddr, SockFilter, Socket, Type};

use super::address::{Address, AddressError};

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// A program for the kernel's packet filter (`SO_ATTACH_FILTER`, classic BPF)
/// that reads a segment's TCP header and drops segments that would begin a
/// connection. Handshakes that have begun can finish.
const NO_NEW_CONNECTIONS: &[SockFilter] = &[
    // The byte of flags (RFC 9293, section 3.1).
    instruction(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 0, 0, 13),
    // SYN: drop; else: accept.
    instruction(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, 0, 1, 0x02),
    instruction(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
    instruction(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX),
];

const fn instruction(code: u32, yes: u8, no: u8, k: u32) -> SockFilter {
    SockFilter::new(code as u16, yes, no, k)
}

/// A listening socket. It is non-blocking and closed on exec.
///
/// Its text is the URL in the log: `http://127.0.0.1:8000`, with the real port
/// if the setting has port 0, or `unix:PATH`.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    /// The address in the settings.
    asked: Address,
    local: Local,
}

/// The options of new listening sockets.
#[derive(Clone, Copy, Debug)]
pub struct ListenerOptions {
    /// The largest number of waiting connections, as in `listen(2)`.
    pub backlog: u32,
    /// The permissions that the files of unix sockets do not have (`umask`).
    pub umask: Mode,
    /// The owner of the files of unix sockets; nothing for this process's own.
    pub owner: Option<(Uid, Gid)>,
    /// Let several sockets listen at one TCP address (`SO_REUSEPORT`).
    pub reuse_port: bool,
}

/// The real address of a listener.
#[derive(Clone, Debug)]
enum Local {
    Inet(SocketAddr),
    /// The path, and the device and inode of the socket's file; nothing for an
    /// inherited socket whose file cannot be found.
    Unix(PathBuf, Option<(u64, u64)>),
    /// A unix socket without a file.
    Abstract(OsString),
}

/// The other end of an accepted connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A client over TCP.
    Inet(SocketAddr),
    /// A client over a unix socket, which has no address.
    Unix,
}

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The text is not an address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The system refused. The log has the reason.
    #[error("Can't connect to {0}")]
    Refused(Address),
    #[error(transparent)]
    System(#[from] io::Error),
}

/// Listens at an address as Gunicorn does: if the address is in use, it is
/// tried `tries` times, once a second. Errors are logged.
///
/// # Errors
/// The address cannot be used.
pub fn bind_with_retries(
    address: &Address,
    making: &ListenerOptions,
    tries: u32,
) -> Result<Listener, BindError> {
    for attempt in 1..=tries {
        let error = match Listener::bind(address, making) {
            Ok(listener) => return Ok(listener),
            Err(error) => error,
        };
        let errno = error.raw_os_error().map(Errno::from_raw);
        match errno {
            Some(Errno::EADDRINUSE) => ::log::error!("Connection in use: {address}"),
            Some(Errno::EADDRNOTAVAIL) => ::log::error!("Invalid address: {address}"),
            _ => {}
        }
        ::log::error!("connection to {address} failed: {error}");
        // Other errors do not go away.
        let may_pass = matches!(errno, Some(Errno::EADDRINUSE | Errno::EADDRNOTAVAIL));
        if !may_pass || attempt == tries {
            break;
        }
        ::log::debug!("Retrying in 1 second.");
        thread::sleep(PAUSE);
    }
    Err(BindError::Refused(address.clone()))
}

impl Listener {
    /// Listens at an address.
    ///
    /// # Errors
    /// The system's error. It is also an error if a unix socket's path is
    /// another kind of file, or if another process listens there.
    pub fn bind(address: &Address, making: &ListenerOptions) -> io::Result<Self> {
        let backlog = i32::try_from(making.backlog).unwrap_or(i32::MAX);
        let (socket, local) = match address {
            Address::Tcp { host, port } => {
                let address = Address::resolve(host, *port)?;
                Self::bind_tcp(address, backlog, making.reuse_port)?
            }
            Address::Unix(path) => Self::bind_unix(path, backlog, making)?,
            Address::Abstract(name) => Self::bind_abstract(name, backlog)?,
            Address::Inherited(number) => return Self::inherit(*number, Some(address.clone())),
        };
        let asked = address.clone();
        let listener = Self {
            socket,
            asked,
            local,
        };
        Ok(listener)
    }

    /// Takes over a descriptor that this process has inherited. `asked` is its
    /// address in the settings, if that is known.
    ///
    /// # Errors
    /// The descriptor is not open, or is not a listening socket.
    pub fn inherit(number: RawFd, asked: Option<Address>) -> io::Result<Self> {
        let wrong = |what| io::Error::other(format!("descriptor {number} {what}"));
        if number < 0 {
            return Err(wrong("cannot be"));
        }
        // SAFETY: the number is not negative, as `borrow_raw` requires. If the
        // descriptor is not open, `fcntl` gives an error.
        let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
        let clone = borrowed.try_clone_to_owned();
        let socket = Socket::from(clone.map_err(|error| match error.raw_os_error() {
            Some(libc::EBADF) => wrong("is not open"),
            _ => error,
        })?);
        // Anything other than a socket is an error.
        if !socket.is_listener().unwrap_or(false) {
            return Err(wrong("is no socket that listens"));
        }
        if number > 2 {
            // The clone, which is closed on exec, replaces it.
            close(number)?;
        }
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let local = if let Some(address) = address.as_socket() {
            Local::Inet(address)
        } else if let Some(path) = address.as_pathname() {
            let file = fs::symlink_metadata(path).ok();
            let made = file.map(|file| (file.dev(), file.ino()));
            Local::Unix(path.to_owned(), made)
        } else {
            let name = address.as_abstract_namespace().unwrap_or_default();
            Local::Abstract(OsString::from_vec(name.to_vec()))
        };
        let asked = asked.unwrap_or_else(|| local.address());
        let listener = Self {
            socket,
            asked,
            local,
        };
        Ok(listener)
    }

    /// Another descriptor of the same socket.
    ///
    /// # Errors
    /// The process has no descriptors left.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            socket: self.socket.try_clone()?,
            asked: self.asked.clone(),
            local: self.local.clone(),
        })
    }

    /// The address in the settings.
    pub fn asked(&self) -> &Address {
        &self.asked
    }

    /// Sets its address in the settings.
    pub fn known_as(mut self, address: Address) -> Self {
        self.asked = address;
        self
    }

    /// True if it listens at this address.
    pub fn is_at(&self, address: &Address) -> bool {
        match (&self.local, address) {
            (Local::Inet(local), Address::Tcp { host, port }) => Address::resolve(host, *port)
                .is_ok_and(|it| it.ip() == local.ip() && (*port == 0 || *port == local.port())),
            (local, address) => local.address() == *address,
        }
    }

    /// Refuses new clients, and keeps those that wait in the queue. For a
    /// socket that no other process has, shortly before it is closed.
    ///
    /// A client whose segment is dropped here tries again after a second. By
    /// then the port is closed, or another process listens. Without this, the
    /// client could get into a queue from which nobody accepts any more.
    pub fn turn_away(&self) {
        match &self.local {
            // It fails if the kernel has no filters; then new clients are not
            // refused.
            Local::Inet(_) => drop(self.socket.attach_filter(NO_NEW_CONNECTIONS)),
            Local::Unix(..) => self.unlink(),
            Local::Abstract(_) => {}
        }
    }

    fn bind_tcp(
        address: SocketAddr,
        backlog: i32,
        reuse_port: bool,
    ) -> io::Result<(Socket, Local)> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        if reuse_port {
            socket.set_reuse_port(true)?;
        }
        // Accepted connections inherit it.
        socket.set_tcp_nodelay(true)?;
        socket.bind(&address.into())?;
        socket.set_nonblocking(true)?;
        socket.listen(backlog)?;
        let local = socket.local_addr()?.as_socket().unwrap_or(address);
        Ok((socket, Local::Inet(local)))
    }

    fn bind_unix(
        path: &Path,
        backlog: i32,
        making: &ListenerOptions,
    ) -> io::Result<(Socket, Local)> {
        clear_the_way(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        let address = SockAddr::unix(path)?;
        let before = umask(making.umask);
        let bound = socket.bind(&address);
        umask(before);
        bound?;
        if let Some((user, group)) = making.owner {
            chown(path, Some(user.as_raw()), Some(group.as_raw()))?;
        }
        socket.set_nonblocking(true)?;
        socket.listen(backlog)?;
        let file = fs::symlink_metadata(path)?;
        let made = Some((file.dev(), file.ino()));
        Ok((socket, Local::Unix(path.to_owned(), made)))
    }

    fn bind_abstract(name: &OsStr, backlog: i32) -> io::Result<(Socket, Local)> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // An abstract name begins with a zero byte.
        let path = [b"\0", name.as_bytes()].concat();
        socket.bind(&SockAddr::unix(OsStr::from_bytes(&path))?)?;
        socket.set_nonblocking(true)?;
        socket.listen(backlog)?;
        Ok((socket, Local::Abstract(name.to_owned())))
    }

    /// Accepts a connection. Its socket is non-blocking and closed on exec.
    ///
    /// # Errors
    /// `WouldBlock` if none is waiting, or the error of `accept(2)`.
    pub fn accept(&self) -> io::Result<(Socket, Peer)> {
        let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        let (connection, address) = self.socket.accept4(flags)?;
        let peer = address.as_socket().map_or(Peer::Unix, Peer::Inet);
        Ok((connection, peer))
    }

    /// True if a client waits to be accepted.
    pub fn has_client(&self) -> bool {
        let mut events = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        poll(&mut events, PollTimeout::ZERO).is_ok_and(|count| count > 0)
    }

    /// Ends the listening in all processes that have this socket. Waiting
    /// clients are dropped.
    pub fn close_everywhere(&self) {
        // It only fails if that was done before.
        let _ = self.socket.shutdown(Shutdown::Read);
    }

    /// The number of connections in the queue of a TCP listener.
    pub fn waiting(&self) -> Option<u32> {
        let Local::Inet(_) = self.local else {
            return None;
        };
        // SAFETY: the struct has only integers, for which zero is a valid
        // value.
        let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
        let mut length = size_of_val(&info) as libc::socklen_t;
        // SAFETY: both pointers are valid for the call, and the kernel writes
        // at most `length` bytes, which is the size of the struct.
        let result = unsafe {
            let (info, length) = ((&raw mut info).cast(), &raw mut length);
            let (socket, kind) = (self.socket.as_raw_fd(), libc::TCP_INFO);
            libc::getsockopt(socket, libc::IPPROTO_TCP, kind, info, length)
        };
        // For a listening socket, this field is the length of the queue.
        (result == 0).then_some(info.tcpi_unacked)
    }

    /// The address and port of a TCP listener.
    pub fn inet(&self) -> Option<SocketAddr> {
        match self.local {
            Local::Inet(address) => Some(address),
            Local::Unix(..) | Local::Abstract(_) => None,
        }
    }

    /// Removes the file of a unix socket, unless another file has replaced it.
    pub fn unlink(&self) {
        if let Local::Unix(path, Some(made)) = &self.local
            && let Ok(file) = fs::symlink_metadata(path)
            && (file.dev(), file.ino()) == *made
            && let Err(error) = fs::remove_file(path)
        {
            ::log::warn!("The socket {} cannot be removed: {error}.", path.display());
        }
    }
}

impl Local {
    fn address(&self) -> Address {
        match self {
            Self::Inet(address) => Address::Tcp {
                host: address.ip().to_string(),
                port: address.port(),
            },
            Self::Unix(path, _) => Address::Unix(path.clone()),
            Self::Abstract(name) => Address::Abstract(name.clone()),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.local {
            Local::Inet(address) => write!(f, "http://{address}"),
            Local::Unix(path, _) => write!(f, "unix:{}", path.display()),
            Local::Abstract(name) => write!(f, "unix:@{}", name.display()),
        }
    }
}

/// Removes the socket file of an earlier process.
fn clear_the_way(path: &Path) -> io::Result<()> {
    let file = match fs::symlink_metadata(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !file.file_type().is_socket() {
        return Err(io::Error::other(format!(
            "'{}' is there and is not a socket; move it away or name another path",
            path.display()
        )));
    }
    if UnixStream::connect(path).is_ok() {
        return Err(Errno::EADDRINUSE.into());
    }
    fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::os::fd::IntoRawFd;
    use std::os::unix::fs::PermissionsExt;

    use nix::fcntl::{FcntlArg, FdFlag, fcntl};

    use super::*;

    fn bind(text: &str) -> io::Result<Listener> {
        let making = ListenerOptions {
            backlog: 16,
            umask: Mode::empty(),
            owner: None,
            reuse_port: false,
        };
        Listener::bind(&Address::parse(text).unwrap(), &making)
    }

    #[test]
    fn port_0_takes_a_free_one_and_shows_it() {
        let listener = bind("127.0.0.1:0").unwrap();
        let address = listener.inet().unwrap();
        assert_ne!(address.port(), 0);
        assert_eq!(listener.to_string(), format!("http://{address}"));
    }

    #[test]
    fn a_listener_does_not_block_and_is_closed_on_exec() {
        let listener = bind("127.0.0.1:0").unwrap();
        let error = listener.accept().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let flags = fcntl(&listener, FcntlArg::F_GETFD).unwrap();
        assert!(FdFlag::from_bits_retain(flags).contains(FdFlag::FD_CLOEXEC));

        let client = TcpStream::connect(listener.inet().unwrap()).unwrap();
        let (connection, peer) = listener.accept().unwrap();
        assert_eq!(peer, Peer::Inet(client.local_addr().unwrap()));
        assert!(connection.tcp_nodelay().unwrap());
        assert!(connection.nonblocking().unwrap());
        let flags = fcntl(&connection, FcntlArg::F_GETFD).unwrap();
        assert!(FdFlag::from_bits_retain(flags).contains(FdFlag::FD_CLOEXEC));
    }

    #[test]
    fn those_who_wait_are_kept_when_new_ones_are_turned_away() {
        let listener = bind("127.0.0.1:0").unwrap();
        let address = listener.inet().unwrap();
        let _client = TcpStream::connect(address).unwrap();
        listener.turn_away();
        let timeout = Duration::from_millis(100);
        let error = TcpStream::connect_timeout(&address, timeout).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(listener.accept().is_ok());
        assert!(listener.accept().is_err());
        drop(listener);
        let error = TcpStream::connect(address).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn an_abstract_socket_needs_no_file() {
        let name = format!("unix:@rgunicorn-test-{}", std::process::id());
        let listener = bind(&name).unwrap();
        assert_eq!(listener.to_string(), name);
        let error = bind(&name).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn what_was_inherited_is_recognised() {
        let bound = bind("127.0.0.1:0").unwrap();
        let number = bound.socket.try_clone().unwrap().into_raw_fd();
        let listener = Listener::inherit(number, None).unwrap();
        assert_eq!(listener.inet(), bound.inet());
        assert!(listener.is_at(&Address::parse("127.0.0.1:0").unwrap()));
        assert!(!listener.is_at(&Address::parse("127.0.0.1:1").unwrap()));
        let stream = TcpStream::connect(bound.inet().unwrap()).unwrap();
        assert!(Listener::inherit(stream.into_raw_fd(), None).is_err());
    }

    #[test]
    fn ipv6_has_brackets() {
        // Not every machine has IPv6.
        if let Ok(listener) = bind("[::1]:0") {
            assert!(listener.to_string().starts_with("http://[::1]:"));
        }
    }

    #[test]
    fn a_port_that_is_taken_is_in_use() {
        let first = bind("127.0.0.1:0").unwrap();
        let error = bind(&first.inet().unwrap().to_string()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_unix_socket_is_open_to_all_and_removed_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let text = format!("unix:{}", path.display());
        let listener = bind(&text).unwrap();
        assert_eq!(listener.to_string(), text);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o777);
        let _client = UnixStream::connect(&path).unwrap();
        assert_eq!(listener.accept().unwrap().1, Peer::Unix);
        listener.unlink();
        assert!(!path.exists());
    }

    #[test]
    fn a_unix_socket_left_behind_is_replaced_but_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let text = format!("unix:{}", path.display());
        drop(bind(&text).unwrap());
        let second = bind(&text).unwrap();
        let in_use = bind(&text).unwrap_err();
        assert_eq!(in_use.kind(), io::ErrorKind::AddrInUse);

        fs::remove_file(&path).unwrap();
        fs::write(&path, "not a socket").unwrap();
        assert!(
            bind(&text)
                .unwrap_err()
                .to_string()
                .contains("not a socket")
        );
        second.unlink();
        assert!(path.exists());
    }
}
