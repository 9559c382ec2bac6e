//! What the master gets from who has started it, and what it leaves to who
//! comes after it. All of it travels in the environment.
//!
//! | variable | says | set by |
//! |---|---|---|
//! | `LISTEN_PID`, `LISTEN_FDS` | descriptors from 3 on are listening sockets | systemd |
//! | `GUNICORN_FD` | so are these | the master before (USR2) |
//! | `GUNICORN_PID` | which process that is | the master before |
//! | `RGUNICORN_LENT` | the service manager holds the sockets, too | the master before |
//! | `RGUNICORN_WORKERS` | workers of this process: `pid:age:state:heartbeat,...` | this process, which has executed itself anew |
//! | `RGUNICORN_BELL` | how they wake this process | this process |
//! | `RGUNICORN_HANDOVER` | by which they hand connections over: `give,take` | this process |
//! | `RGUNICORN_CHILD` | the master that is to replace us | this process |
//! | `RGUNICORN_PIDFILE` | the pid file that it has written | this process |

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::unistd::Pid;

use super::pidfile::Pidfile;

/// The variables that are meant for the master, and for nobody after it.
pub const VARIABLES: [&str; 11] = [
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "GUNICORN_FD",
    "GUNICORN_PID",
    "RGUNICORN_LENT",
    "RGUNICORN_WORKERS",
    "RGUNICORN_BELL",
    "RGUNICORN_HANDOVER",
    "RGUNICORN_CHILD",
    "RGUNICORN_PIDFILE",
];

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
    /// Whether the service manager holds them, too, and will go on with them.
    pub managed: bool,
    /// The master that we are to replace.
    pub parent: Option<Pid>,
    /// The master that is to replace us.
    pub child: Option<Pid>,
    /// Workers that are children of this process already.
    pub workers: Vec<InheritedWorker>,
    pub waker: Option<OwnedFd>,
    /// By which they hand connections over: the end to give, the one to take.
    pub handover: Option<[OwnedFd; 2]>,
    /// The pid file of this process.
    pub pidfile: Option<Pidfile>,
}

/// A worker that this process has started before it executed itself anew.
#[derive(Debug)]
pub struct InheritedWorker {
    pub pid: Pid,
    pub age: u64,
    /// Whether it was told to end.
    pub is_ending: bool,
    pub heartbeat: Option<OwnedFd>,
}

impl Inheritance {
    /// Reads the variables.
    pub fn read(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let text = |name: &str| variable(name).and_then(|text| text.into_string().ok());
        let number = |name: &str| text(name).and_then(|text| text.trim().parse::<i32>().ok());
        let pid = |name| number(name).filter(|pid| *pid > 0).map(Pid::from_raw);
        let list = |name| text(name).unwrap_or_default();
        let mut inheritance = Self {
            parent: pid("GUNICORN_PID"),
            child: pid("RGUNICORN_CHILD"),
            managed: variable("RGUNICORN_LENT").is_some(),
            waker: number("RGUNICORN_BELL").and_then(take),
            handover: pair(&list("RGUNICORN_HANDOVER")),
            pidfile: variable("RGUNICORN_PIDFILE").map(|path| Pidfile::known(path.into())),
            ..Self::default()
        };
        if pid("LISTEN_PID") == Some(Pid::this()) {
            // More than a process can have is as wrong as one too many.
            let count = number("LISTEN_FDS").unwrap_or_default();
            let count = count.clamp(0, MAX_DESCRIPTORS);
            inheritance.sockets = (FIRST..FIRST + count).collect();
            inheritance.managed = count > 0;
            inheritance.variable = "LISTEN_FDS";
        }
        if inheritance.sockets.is_empty() {
            inheritance.variable = "GUNICORN_FD";
            let numbers = list("GUNICORN_FD");
            let numbers = numbers.split(',').map(str::trim);
            inheritance.sockets = numbers.filter_map(|it| it.parse().ok()).collect();
        }
        let workers = list("RGUNICORN_WORKERS");
        inheritance.workers = workers
            .split(',')
            .filter_map(InheritedWorker::read)
            .collect();
        inheritance
    }
}

impl Inheritance {
    /// Whether this process has executed itself anew.
    pub fn is_reexec(&self) -> bool {
        self.waker.is_some()
    }

    /// The error of a socket that a variable has promised: it names the
    /// variable.
    pub fn wrong_variable(&self, error: io::Error) -> io::Error {
        let variable = self.variable;
        io::Error::other(format!(
            "The variable {variable} is wrong: {error}; leave it out"
        ))
    }

    /// The variables that say all this once more, for the program that is
    /// executed next; the descriptors stay open for it.
    pub fn written_down(&self) -> Vec<(&'static str, OsString)> {
        let numbers: Vec<_> = self.sockets.iter().map(RawFd::to_string).collect();
        let workers: Vec<_> = self
            .workers
            .iter()
            .map(InheritedWorker::written_down)
            .collect();
        let mut variables = vec![
            ("GUNICORN_FD", numbers.join(",").into()),
            ("RGUNICORN_WORKERS", workers.join(",").into()),
        ];
        variables.extend(self.managed.then(|| ("RGUNICORN_LENT", "1".into())));
        let pid = |name, pid: Option<Pid>| pid.map(|it| (name, it.to_string().into()));
        variables.extend(pid("GUNICORN_PID", self.parent));
        variables.extend(pid("RGUNICORN_CHILD", self.child));
        let path = |file: &Pidfile| ("RGUNICORN_PIDFILE", file.path().into());
        variables.extend(self.pidfile.as_ref().map(path));
        if let Some(waker) = &self.waker {
            leave_open(waker, true);
            variables.push(("RGUNICORN_BELL", waker.as_raw_fd().to_string().into()));
        }
        if let Some(ends) = &self.handover {
            let ends = ends.each_ref().map(|end| {
                leave_open(end, true);
                end.as_raw_fd().to_string()
            });
            variables.push(("RGUNICORN_HANDOVER", ends.join(",").into()));
        }
        variables
    }
}

impl InheritedWorker {
    fn written_down(&self) -> String {
        let state = if self.is_ending { "ending" } else { "serving" };
        let file = self.heartbeat.as_ref().map(|file| {
            leave_open(file, true);
            file.as_raw_fd().to_string()
        });
        let file = file.as_deref().unwrap_or("-");
        format!("{}:{}:{state}:{file}", self.pid, self.age)
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        Some(Self {
            pid: Pid::from_raw(parts.next()?.parse().ok().filter(|pid| *pid > 0)?),
            age: parts.next()?.parse().ok()?,
            is_ending: parts.next()? == "ending",
            heartbeat: parts.next()?.parse().ok().and_then(take),
        })
    }
}

/// Takes two descriptors that were left open for us, if that is what they are.
fn pair(numbers: &str) -> Option<[OwnedFd; 2]> {
    let (one, other) = numbers.split_once(',')?;
    let ends = [one, other].map(|number| number.parse().ok().and_then(take));
    let [Some(one), Some(other)] = ends else {
        return None;
    };
    Some([one, other])
}

/// Takes a descriptor that was left open for us, if it is one.
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

/// Lets a descriptor stay open in the program that is executed next, or not.
pub fn leave_open(descriptor: impl AsFd, open: bool) {
    let flags = if open {
        FdFlag::empty()
    } else {
        FdFlag::FD_CLOEXEC
    };
    // It is open, and then this cannot fail.
    let _ = fcntl(descriptor, FcntlArg::F_SETFD(flags));
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
        let again = read(&inheritance.written_down());
        assert_eq!(again.workers.len(), 2);
        assert_eq!(again.workers[1].age, 12);
    }
}
