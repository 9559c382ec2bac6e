//! Shared code of the end-to-end tests: processes, sockets, and real sites.

pub mod browser;
pub mod certificates;
pub mod docker;
pub mod http;
pub mod http2;
pub mod nginx;
pub mod packages;
pub mod postgres;
pub mod process;
pub mod prometheus;
pub mod root;
pub mod site;
pub mod status;
pub mod system_calls;
pub mod uninterrupted;

pub use http::{Client, Response, Sleepers, Target};
pub use process::{Finished, Process, Start, own_memory};
pub use root::Root;
pub use uninterrupted::{Uninterrupted, uninterrupted};

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// The time limit for everything that must happen. It only matters if a test is about
/// to fail.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The program under test: that of this build, or the one in `RGUNICORN_BIN`.
pub fn program() -> PathBuf {
    std::env::var_os("RGUNICORN_BIN")
        .map_or_else(|| env!("CARGO_BIN_EXE_rgunicorn").into(), PathBuf::from)
}

/// Copies the program. Another process does the copying: if this process had the copy
/// open while another test starts a child, the child would inherit the descriptor, and
/// nobody could execute the copy (ETXTBSY, execve(2)).
pub fn copy_program(to: impl AsRef<Path>) {
    let done = Command::new("cp").arg(program()).arg(to.as_ref()).status();
    assert!(done.unwrap().success());
}

/// One of the sites in `tests/apps`.
pub fn app(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/apps")
        .join(name)
}

/// One of the scripts in `tests/python`, which the program runs.
pub fn python_script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/python")
        .join(name)
}

/// A temporary folder, which other users can read.
pub fn folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o755))
        .tempdir()
        .unwrap()
}

/// Waits until the condition is true.
#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Makes tests from functions that take the arguments for a worker class and its app in
/// `tests/apps/mirror`: one test each for `sync`, `gthread` and `asgi`.
macro_rules! in_all_classes {
    ($($name:ident,)+) => {
        mod sync {
            $( #[test] fn $name() { super::$name(&["app:app"]); } )+
        }
        mod gthread {
            $( #[test] fn $name() { super::$name(&["--threads", "4", "app:app"]); } )+
        }
        mod asgi {
            $( #[test] fn $name() { super::$name(&["--worker-class", "asgi", "app:aapp"]); } )+
        }
    };
}

pub(crate) use in_all_classes;

/// Makes tests from functions that take the arguments for a worker class: one test for
/// each class that speaks WSGI.
macro_rules! in_both_classes {
    ($($name:ident,)+) => {
        mod sync {
            $( #[test] fn $name() { super::$name(&[]); } )+
        }
        mod gthread {
            $( #[test] fn $name() { super::$name(&["--threads", "4"]); } )+
        }
    };
}

pub(crate) use in_both_classes;

/// Makes tests from functions that take the arguments for a worker class and the app
/// `wsgi` or `asgi` of a module `app`: one test for each class.
macro_rules! in_each_class {
    ($($name:ident,)+) => {
        mod sync {
            $( #[test] fn $name() { super::$name(&["app:wsgi"]); } )+
        }
        mod gthread {
            $( #[test] fn $name() { super::$name(&["--threads", "4", "app:wsgi"]); } )+
        }
        mod asgi {
            $( #[test] fn $name() { super::$name(&["-k", "asgi", "app:asgi"]); } )+
        }
    };
}

pub(crate) use in_each_class;
