//! A PostgreSQL server of a test, if Debian's package is installed.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use tempfile::TempDir;

use super::{folder, wait_until};

/// PostgreSQL does not run as root, so it runs as this user: Debian's `nobody`.
const USER: u32 = 65534;

/// A running server on a unix socket. It ends when this is dropped.
pub struct Postgres {
    folder: TempDir,
    programs: PathBuf,
    server: Child,
}

/// A session that keeps its locks until it is dropped.
pub struct Session(Child);

/// Starts a server with an empty database. If there is no PostgreSQL, it prints a note
/// and returns `None`.
pub fn start() -> Option<Postgres> {
    let Some(programs) = programs() else {
        eprintln!("skipped: PostgreSQL is not installed");
        return None;
    };
    let folder = folder();
    if geteuid().is_root() {
        chown(folder.path(), Some(USER), Some(USER)).unwrap();
    }
    let data = folder.path().join("data");
    let made = ordinary(&programs.join("initdb"))
        .args(["--auth=trust", "--username=postgres", "--no-sync"])
        .args(["--encoding=UTF8", "--locale=C", "-D"])
        .arg(&data)
        .current_dir(folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{told}");
    let server = ordinary(&programs.join("postgres"))
        .args(["-c", "listen_addresses=", "-c", "fsync=off", "-k"])
        .arg(folder.path())
        .arg("-D")
        .arg(&data)
        .current_dir(folder.path())
        .stderr(fs::File::create(folder.path().join("log")).unwrap())
        .spawn()
        .unwrap();
    let postgres = Postgres {
        folder,
        programs,
        server,
    };
    wait_until("PostgreSQL answers", || {
        let mut asked = postgres.psql();
        asked.args(["-c", "SELECT 1"]).stderr(Stdio::null());
        asked.stdout(Stdio::null()).status().unwrap().success()
    });
    Some(postgres)
}

impl Postgres {
    /// The variables with which libpq finds it.
    pub fn variables(&self) -> [(&'static str, &Path); 2] {
        [
            ("PGHOST", self.folder.path()),
            ("PGUSER", Path::new("postgres")),
        ]
    }

    /// A session that has run this query, which must return one row.
    pub fn session(&self, query: &str) -> Session {
        let mut session = self.psql();
        session.args(["--no-align", "--tuples-only"]);
        let mut session = session
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = session.stdin.as_mut().unwrap();
        writeln!(input, "{query}; SELECT 'done';").unwrap();
        let lines = BufReader::new(session.stdout.as_mut().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line == "done"));
        Session(session)
    }

    fn psql(&self) -> Command {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["--no-psqlrc", "postgres"])
            .envs(self.variables());
        psql
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Ends it immediately, with its child processes.
        let pid = Pid::from_raw(self.server.id().try_into().unwrap());
        let _ = kill(pid, Signal::SIGQUIT);
        let _ = self.server.wait();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// The folder of the newest version's programs, which are not in `$PATH`.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let programs = versions.map(|version| version.path().join("bin"));
    programs
        .filter(|folder| folder.join("initdb").exists())
        .max()
}

/// A program that does not run as root.
fn ordinary(program: &Path) -> Command {
    let mut command = Command::new(program);
    if geteuid().is_root() {
        command.uid(USER).gid(USER);
    }
    command
}
