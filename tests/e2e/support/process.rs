//! Runs the program, and reads its output.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::{DEADLINE, Target, program};

/// The private memory of a process, in bytes.
pub fn own_memory(pid: Pid) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kilobytes.parse::<usize>().unwrap() << 10
}

/// A command that is being built.
pub struct Start {
    command: Command,
}

impl Start {
    /// The program with `args`, and an environment without settings of the user.
    pub fn new<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Self {
        Self::program(program(), args)
    }

    /// A server on a free port of the loopback interface.
    pub fn server<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Self {
        Self::new(["--bind", "127.0.0.1:0"]).args(args)
    }

    pub fn program<S: AsRef<OsStr>>(
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = S>,
    ) -> Self {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            let habit = [
                "PYTHON",
                "GUNICORN_",
                "RGUNICORN_",
                "DJANGO_",
                "FLASK_",
                "LD_",
            ];
            if habit.iter().any(|prefix| text.starts_with(prefix)) || text == "VIRTUAL_ENV" {
                command.env_remove(&name);
            }
        }
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
        Self { command }.env("XDG_CACHE_HOME", cache)
    }

    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    pub fn cwd(mut self, dir: impl AsRef<Path>) -> Self {
        self.command.current_dir(dir);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// As another user; needs root.
    pub fn user(mut self, id: u32) -> Self {
        self.command.uid(id).gid(id);
        self
    }

    /// Calls `act` in the new process, directly before it executes the program.
    ///
    /// # Safety
    /// As for `CommandExt::pre_exec`: `act` runs in a forked process.
    pub unsafe fn just_before(
        mut self,
        act: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        // SAFETY: the caller's promise.
        unsafe { self.command.pre_exec(act) };
        self
    }

    /// With this socket as descriptor 3, and the variables with which systemd says so.
    pub fn activated(mut self, socket: impl Into<OwnedFd>) -> Self {
        let socket = socket.into();
        self.command.env("LISTEN_FDS", "1");
        let act = move || {
            // SAFETY: nobody uses descriptor 3 in a process that was just forked to
            // execute a program, and the strings end with a NUL.
            unsafe {
                // It may be descriptor 3 already; it would be closed then.
                if nix::libc::dup2(socket.as_raw_fd(), 3) < 0
                    || nix::libc::fcntl(3, nix::libc::F_SETFD, 0) < 0
                {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(())
        };
        // SAFETY: it only calls functions that are safe after a fork.
        unsafe { self.command.pre_exec(act) };
        self
    }

    /// Starts it and returns.
    pub fn spawn(mut self) -> Process {
        let mut child = self
            .command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {:?}: {error}", self.command));
        let stdout = Lines::collect(child.stdout.take().unwrap());
        let stderr = Lines::collect(child.stderr.take().unwrap());
        Process {
            child,
            stdout,
            stderr,
        }
    }

    /// Runs it until it ends.
    pub fn run(self) -> Finished {
        self.run_for(DEADLINE)
    }

    /// The same with a longer time limit, for example for large downloads.
    pub fn run_slowly(self) -> Finished {
        self.run_for(10 * DEADLINE)
    }

    fn run_for(self, limit: Duration) -> Finished {
        let mut process = self.spawn();
        let code = process.exit_code_within(limit);
        Finished {
            code,
            stdout: process.stdout.whole(),
            stderr: process.stderr.whole(),
        }
    }
}

/// The result of a finished command.
#[derive(Debug)]
pub struct Finished {
    /// As a shell reports it: 128 + the signal that ended it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    #[track_caller]
    pub fn expect_success(self) -> Self {
        assert_eq!(self.code, 0, "{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// A running program. Its whole process group is killed when this is dropped.
pub struct Process {
    child: Child,
    pub stdout: Lines,
    pub stderr: Lines,
}

impl Process {
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap())
    }

    /// Waits until the log says where the server listens, and until its workers are
    /// starting. Returns the addresses in the order of the `--bind` options.
    #[track_caller]
    pub fn targets(&self) -> Vec<Target> {
        let line = self.stderr.wait_for("Listening at: ");
        let (_, list) = line.split_once("Listening at: ").unwrap();
        let (list, _) = list.rsplit_once(" (").unwrap();
        list.split(',').map(Target::parse).collect()
    }

    #[track_caller]
    pub fn target(&self) -> Target {
        self.targets().remove(0)
    }

    /// The pids of the workers that have started, once there are `count`.
    #[track_caller]
    pub fn workers(&self, count: usize) -> Vec<Pid> {
        const BOOTING: &str = "Booting worker with pid: ";
        let lines = self.stderr.wait_until(
            |lines| lines.iter().filter(|line| line.contains(BOOTING)).count() >= count,
            &format!("{count} lines with {BOOTING:?}"),
        );
        lines
            .iter()
            .filter_map(|line| line.split_once(BOOTING))
            .map(|(_, pid)| Pid::from_raw(pid.trim().parse().unwrap()))
            .collect()
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Waits until it ends. Returns the code as a shell reports it.
    #[track_caller]
    pub fn exit_code(&mut self) -> i32 {
        self.exit_code_within(DEADLINE)
    }

    #[track_caller]
    fn exit_code_within(&mut self, limit: Duration) -> i32 {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status
                    .code()
                    .unwrap_or_else(|| 128 + status.signal().unwrap());
            }
            assert!(
                Instant::now() < deadline,
                "still running:\n{}",
                self.stderr.so_far()
            );
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // First the process group with the workers: an orphan would outlive the test.
        // The group may be empty already.
        let _ = killpg(self.pid(), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// The lines from a pipe, which a thread reads.
#[derive(Clone)]
pub struct Lines {
    shared: Arc<(Mutex<Collected>, Condvar)>,
}

#[derive(Default)]
struct Collected {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    fn collect(pipe: impl Read + Send + 'static) -> Self {
        let lines = Self {
            shared: Arc::default(),
        };
        let writer = lines.clone();
        thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe
                .read_until(b'\n', &mut line)
                .is_ok_and(|count| count > 0)
            {
                let text = String::from_utf8_lossy(&line);
                let (collected, changed) = &*writer.shared;
                let text = text.trim_end_matches('\n').to_owned();
                collected.lock().unwrap().lines.push(text);
                changed.notify_all();
                line.clear();
            }
            let (collected, changed) = &*writer.shared;
            collected.lock().unwrap().ended = true;
            changed.notify_all();
        });
        lines
    }

    /// Waits for the first line that contains `text`.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        let found = |lines: &[String]| lines.iter().any(|line| line.contains(text));
        self.wait_until(found, &format!("{text:?}"))
            .into_iter()
            .find(|line| line.contains(text))
            .unwrap()
    }

    /// All lines, as soon as `enough` is true for them.
    #[track_caller]
    pub fn wait_until(&self, enough: impl Fn(&[String]) -> bool, what: &str) -> Vec<String> {
        let deadline = Instant::now() + DEADLINE;
        let (collected, changed) = &*self.shared;
        let mut collected = collected.lock().unwrap();
        loop {
            if enough(&collected.lines) {
                return collected.lines.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !collected.ended && !left.is_zero(),
                "waited in vain for {what} in:\n{}",
                collected.lines.join("\n")
            );
            collected = changed.wait_timeout(collected, left).unwrap().0;
        }
    }

    pub fn so_far(&self) -> String {
        self.shared.0.lock().unwrap().lines.join("\n")
    }

    /// All output, once the pipe is closed.
    #[track_caller]
    pub fn whole(&self) -> String {
        let (collected, changed) = &*self.shared;
        let (collected, waited) = changed
            .wait_timeout_while(collected.lock().unwrap(), DEADLINE, |all| !all.ended)
            .unwrap();
        assert!(!waited.timed_out(), "somebody keeps the pipe open");
        collected.lines.join("\n")
    }
}
