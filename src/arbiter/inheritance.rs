//! What the master gets from the process that has started it, and what it leaves
//! to the program that comes after it. Variables of the environment name all of
//! it.
//!
//! | variable | says | set by |
//! |---|---|---|
//! | `LISTEN_PID`, `LISTEN_FDS` | descriptors from 3 on are listening sockets | the service manager |
//! | `GUNICORN_FD` | these descriptors are listening sockets | the master before (USR2) |
//! | `GUNICORN_PID` | the process of the master before | the master before |
//! | `RGUNICORN_LENT` | the service manager holds the sockets, too | the master before |
//! | `RGUNICORN_STATUS` | this descriptor listens at `status_bind` | the master before, or this process |
//! | `RGUNICORN_COUNTS` | this file has what was counted so far | this process |
//! | `RGUNICORN_WORKERS` | workers of this process: `pid:age:state:heartbeat:channel,...` | this process, which has executed itself again |
//! | `RGUNICORN_BELL` | how they wake this process | this process |
//! | `RGUNICORN_HANDOVER` | the sockets by which they hand connections over: `give,take` | this process |
//! | `RGUNICORN_CHILD` | the master that is to replace this one | this process |
//! | `RGUNICORN_PIDFILE` | the pid file that it has written | this process |

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::unistd::Pid;

use super::pidfile::Pidfile;
use crate::net::Listener;
use crate::process::Program;
use crate::process::environment::remove_variable;

/// The variables that are meant for the master, and for nobody after it.
const VARIABLES: [&str; 13] = [
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    SOCKETS,
    PARENT,
    MANAGED,
    STATUS,
    COUNTS,
    WORKERS,
    WAKER,
    HANDOVER,
    CHILD,
    PIDFILE,
];

const SOCKETS: &str = "GUNICORN_FD";
const PARENT: &str = "GUNICORN_PID";
const MANAGED: &str = "RGUNICORN_LENT";
const STATUS: &str = "RGUNICORN_STATUS";
const COUNTS: &str = "RGUNICORN_COUNTS";
const WORKERS: &str = "RGUNICORN_WORKERS";
const WAKER: &str = "RGUNICORN_BELL";
const HANDOVER: &str = "RGUNICORN_HANDOVER";
const CHILD: &str = "RGUNICORN_CHILD";
const PIDFILE: &str = "RGUNICORN_PIDFILE";

/// The first descriptor that systemd passes (`sd_listen_fds(3)`).
const FIRST: RawFd = 3;

/// As many descriptors as Linux lets any process have (`fs.nr_open`).
const MAX_DESCRIPTORS: RawFd = 1 << 20;

/// What the master has been given.
#[derive(Debug, Default)]
pub struct Inheritance {
    /// Sockets that listen already.
    pub sockets: Vec<RawFd>,
    /// The variable that has named them.
    variable: &'static str,
    /// Whether the service manager holds them, too, and keeps them after this process.
    pub managed: bool,
    /// The socket that listens at `status_bind`.
    pub status: Option<RawFd>,
    /// What was counted so far.
    pub counts: Option<OwnedFd>,
    /// The master that this one is to replace.
    pub parent: Option<Pid>,
    /// The master that is to replace this one.
    pub child: Option<Pid>,
    /// Workers that are children of this process already.
    pub workers: Vec<InheritedWorker>,
    pub waker: Option<OwnedFd>,
    /// How they hand connections over: the end to give, and the end to take.
    pub handover: Option<[OwnedFd; 2]>,
    /// The pid file of this process.
    pub pidfile: Option<Pidfile>,
}

/// A worker that this process has started before it executed itself again.
#[derive(Debug)]
pub struct InheritedWorker<F = OwnedFd> {
    pub pid: Pid,
    pub age: u64,
    /// Whether it was told to end.
    pub is_ending: bool,
    pub heartbeat: Option<F>,
    /// The master's end of its channel.
    pub channel: Option<F>,
}

impl Inheritance {
    /// Reads the variables, and takes them out of the environment.
    pub fn take() -> Self {
        let inheritance = Self::read(|name| env::var_os(name));
        VARIABLES.iter().for_each(remove_variable);
        inheritance
    }

    fn read(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let text = |name: &str| variable(name).and_then(|text| text.into_string().ok());
        let number = |name: &str| text(name).and_then(|text| text.trim().parse::<i32>().ok());
        let pid = |name| number(name).filter(|pid| *pid > 0).map(Pid::from_raw);
        let list = |name| text(name).unwrap_or_default();
        let mut inheritance = Self {
            parent: pid(PARENT),
            child: pid(CHILD),
            managed: variable(MANAGED).is_some(),
            status: number(STATUS),
            counts: number(COUNTS).and_then(take),
            waker: number(WAKER).and_then(take),
            handover: pair(&list(HANDOVER)),
            pidfile: variable(PIDFILE).map(|path| Pidfile::known(path.into())),
            ..Self::default()
        };
        if pid("LISTEN_PID") == Some(Pid::this()) {
            // No process can have more.
            let count = number("LISTEN_FDS").unwrap_or_default();
            let count = count.clamp(0, MAX_DESCRIPTORS);
            inheritance.sockets = (FIRST..FIRST + count).collect();
            inheritance.managed = count > 0;
            inheritance.variable = "LISTEN_FDS";
        }
        if inheritance.sockets.is_empty() {
            inheritance.variable = SOCKETS;
            let numbers = list(SOCKETS);
            let numbers = numbers.split(',').map(str::trim);
            inheritance.sockets = numbers.filter_map(|it| it.parse().ok()).collect();
        }
        let workers = list(WORKERS);
        inheritance.workers = workers
            .split(',')
            .filter_map(InheritedWorker::read)
            .collect();
        inheritance
    }

    /// Whether this process goes on with sockets or workers that were there before.
    pub fn is_successor(&self) -> bool {
        !self.sockets.is_empty() || !self.workers.is_empty()
    }

    /// Whether this process has executed itself again.
    pub fn is_reexec(&self) -> bool {
        self.waker.is_some()
    }

    /// The error of a socket that a variable has promised, with the variable's name.
    pub fn wrong_variable(&self, error: io::Error) -> io::Error {
        let variable = self.variable;
        io::Error::other(format!(
            "The variable {variable} is wrong: {error}; leave it out"
        ))
    }

    /// The same, for the program that is executed next.
    pub fn legacy(&self) -> Legacy<'_> {
        Legacy {
            sockets: self.sockets.clone(),
            listeners: &[],
            managed: self.managed,
            status: self.status,
            counts: self.counts.as_ref().map(AsFd::as_fd),
            parent: self.parent,
            child: self.child,
            workers: self.workers.iter().map(InheritedWorker::left).collect(),
            waker: self.waker.as_ref().map(AsFd::as_fd),
            handover: self
                .handover
                .as_ref()
                .map(|it| it.each_ref().map(AsFd::as_fd)),
            pidfile: self.pidfile.as_ref().map(Pidfile::path),
        }
    }
}

impl InheritedWorker {
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        Some(Self {
            pid: Pid::from_raw(parts.next()?.parse().ok().filter(|pid| *pid > 0)?),
            age: parts.next()?.parse().ok()?,
            is_ending: parts.next()? == "ending",
            heartbeat: parts.next()?.parse().ok().and_then(take),
            channel: parts.next().and_then(|it| it.parse().ok()).and_then(take),
        })
    }

    fn left(&self) -> InheritedWorker<BorrowedFd<'_>> {
        InheritedWorker {
            pid: self.pid,
            age: self.age,
            is_ending: self.is_ending,
            heartbeat: self.heartbeat.as_ref().map(AsFd::as_fd),
            channel: self.channel.as_ref().map(AsFd::as_fd),
        }
    }
}

/// What the master leaves to the program that comes after it.
pub struct Legacy<'a> {
    /// The numbers of the listening sockets.
    pub sockets: Vec<RawFd>,
    /// Those of them that must be left open for it.
    pub listeners: &'a [Listener],
    pub managed: bool,
    /// The number of the socket that listens at `status_bind`.
    pub status: Option<RawFd>,
    /// What was counted so far.
    pub counts: Option<BorrowedFd<'a>>,
    pub parent: Option<Pid>,
    pub child: Option<Pid>,
    pub workers: Vec<InheritedWorker<BorrowedFd<'a>>>,
    pub waker: Option<BorrowedFd<'a>>,
    pub handover: Option<[BorrowedFd<'a>; 2]>,
    pub pidfile: Option<&'a Path>,
}

impl<'a> Legacy<'a> {
    /// Only the sockets; `managed` says whether a service manager holds them, too.
    pub fn of(listeners: &'a [Listener], managed: bool) -> Self {
        let number = |listener: &Listener| listener.as_fd().as_raw_fd();
        Self {
            sockets: listeners.iter().map(number).collect(),
            listeners,
            managed,
            status: None,
            counts: None,
            parent: None,
            child: None,
            workers: Vec::new(),
            waker: None,
            handover: None,
            pidfile: None,
        }
    }

    /// Gives it to a program: by its variables, and by descriptors that stay
    /// open.
    pub fn give_to(&self, program: &mut Program) {
        for (name, value) in self.variables() {
            program.environment.insert(name.into(), value);
        }
        self.leave_open(true);
    }

    /// Undoes it for a program that could not be executed.
    pub fn take_back(&self) {
        self.leave_open(false);
    }

    fn variables(&self) -> Vec<(&'static str, OsString)> {
        let comma = |texts: Vec<String>| OsString::from(texts.join(","));
        let number = |descriptor: &BorrowedFd<'_>| descriptor.as_raw_fd().to_string();
        let pid = |pid: Pid| pid.to_string().into();
        let sockets = self.sockets.iter().map(RawFd::to_string).collect();
        let workers = self.workers.iter().map(InheritedWorker::text).collect();
        let ends = self.handover.as_ref();
        let variables = [
            (SOCKETS, Some(comma(sockets))),
            (MANAGED, self.managed.then(|| "1".into())),
            (STATUS, self.status.map(|it| it.to_string().into())),
            (COUNTS, self.counts.as_ref().map(|it| number(it).into())),
            (PARENT, self.parent.map(pid)),
            (CHILD, self.child.map(pid)),
            (WORKERS, (!self.workers.is_empty()).then(|| comma(workers))),
            (WAKER, self.waker.as_ref().map(|it| number(it).into())),
            (
                HANDOVER,
                ends.map(|it| comma(it.iter().map(number).collect())),
            ),
            (PIDFILE, self.pidfile.map(OsString::from)),
        ];
        let given = variables.into_iter();
        given
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }

    fn leave_open(&self, open: bool) {
        let flags = if open {
            FdFlag::empty()
        } else {
            FdFlag::FD_CLOEXEC
        };
        let listeners = self.listeners.iter().map(AsFd::as_fd);
        let workers = self.workers.iter();
        let workers = workers.flat_map(|it| [it.heartbeat, it.channel].into_iter().flatten());
        // SAFETY: the status keeps it open as long as the master lives.
        let status = self.status.map(|it| unsafe { BorrowedFd::borrow_raw(it) });
        let others = self
            .waker
            .into_iter()
            .chain(self.handover.into_iter().flatten())
            .chain(self.counts)
            .chain(status);
        for descriptor in listeners.chain(workers).chain(others) {
            // It is open, and then this cannot fail.
            let _ = fcntl(descriptor, FcntlArg::F_SETFD(flags));
        }
    }
}

impl InheritedWorker<BorrowedFd<'_>> {
    /// What `read` reads.
    fn text(&self) -> String {
        let state = if self.is_ending { "ending" } else { "serving" };
        let number = |descriptor: Option<BorrowedFd<'_>>| {
            descriptor.map_or("-".to_owned(), |it| it.as_raw_fd().to_string())
        };
        let (heartbeat, channel) = (number(self.heartbeat), number(self.channel));
        let Self { pid, age, .. } = self;
        format!("{pid}:{age}:{state}:{heartbeat}:{channel}")
    }
}

/// Takes two descriptors that were left open for this process, if there are two.
fn pair(numbers: &str) -> Option<[OwnedFd; 2]> {
    let (one, other) = numbers.split_once(',')?;
    let ends = [one, other].map(|number| number.parse().ok().and_then(take));
    let [Some(one), Some(other)] = ends else {
        return None;
    };
    Some([one, other])
}

/// Takes a descriptor that was left open for this process, if it is open.
fn take(number: RawFd) -> Option<OwnedFd> {
    if number < 0 {
        return None;
    }
    // SAFETY: it is cloned at once, which fails for what is not open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    let ours = borrowed.try_clone_to_owned().ok()?;
    nix::unistd::close(number).ok()?;
    Some(ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, OsString)]) -> Inheritance {
        Inheritance::read(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.clone())
        })
    }

    #[test]
    fn systemds_sockets_are_for_the_process_that_it_names() {
        let us = ("LISTEN_PID", Pid::this().to_string().into());
        let count = ("LISTEN_FDS", "2".into());
        let inheritance = read(&[us, count.clone()]);
        assert_eq!(inheritance.sockets, [3, 4]);
        assert!(inheritance.managed);
        let inheritance = read(&[("LISTEN_PID", "1".into()), count]);
        assert!(inheritance.sockets.is_empty() && !inheritance.managed);
    }

    #[test]
    fn an_old_master_leaves_its_sockets_and_its_name() {
        let fds = ("GUNICORN_FD", "3,17".into());
        let inheritance = read(&[fds, ("GUNICORN_PID", "42".into())]);
        assert_eq!(inheritance.sockets, [3, 17]);
        assert_eq!(inheritance.parent, Some(Pid::from_raw(42)));
        assert!(!inheritance.managed);
    }

    #[test]
    fn workers_are_found_again() {
        let text = "7:1:serving:-,8:12:ending:-,nonsense".into();
        let inheritance = read(&[("RGUNICORN_WORKERS", text)]);
        let workers: Vec<_> = inheritance.workers.iter().collect();
        assert_eq!(workers.len(), 2);
        assert_eq!((workers[1].pid.as_raw(), workers[1].age), (8, 12));
        assert!(workers[1].is_ending && !workers[0].is_ending);
        let again = read(&inheritance.legacy().variables());
        assert_eq!(again.workers.len(), 2);
        assert_eq!(again.workers[1].age, 12);
    }
}
