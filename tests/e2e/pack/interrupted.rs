//! Signals that end `rgunicorn pack`, `unpack` and `inspect` halfway.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{DEADLINE, Process, Start, folder, packages, program, site, wait_until};

/// Code for Python that starts a child in its own process group and session, reports
/// that both run, and then waits for a long time. The last line of the report are the
/// signals that it blocks.
fn linger(told: &Path) -> String {
    let told = told.to_str().unwrap();
    format!(
        "import os, signal, subprocess, sys, time
child = subprocess.Popen(['sleep', '1000'], start_new_session=True)
with open('{told}.new', 'w') as file:
    print(os.getpid(), child.pid, file=file)
    print(len(signal.pthread_sigmask(signal.SIG_BLOCK, [])), file=file)
os.rename('{told}.new', '{told}')
time.sleep(1000)
"
    )
}

/// A folder for a test, with an empty folder for temporary files.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { dir: folder() };
        for name in ["tmp", "out"] {
            fs::create_dir(place.path(name)).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn start(&self, args: &[&str]) -> Start {
        // A shell without job control lets its background jobs ignore SIGINT.
        Start::program("env", ["--default-signal".as_ref(), program().as_os_str()])
            .args(args)
            .cwd(self.dir.path())
            .env("TMPDIR", self.path("tmp"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("PIP_FIND_LINKS", "")
    }

    /// Sends the signal as soon as the child processes have reported that they run.
    fn interrupt(&self, mut process: Process, signal: Signal) {
        let told = self.path("told");
        wait_until("its child runs", || told.exists());
        let told = fs::read_to_string(told).unwrap();
        let numbers: Vec<i32> = told
            .split_whitespace()
            .map(|it| it.parse().unwrap())
            .collect();
        let [child, grandchild, blocked] = numbers[..] else {
            panic!("{told}");
        };
        assert_eq!(blocked, 0);
        assert_ne!(self.names("tmp"), [""; 0]);
        process.signal(signal);
        assert_eq!(process.exit_code(), 128 + signal as i32);
        for pid in [child, grandchild] {
            assert!(kill(Pid::from_raw(pid), None).is_err(), "{pid} is there");
        }
        assert_eq!(self.names("tmp"), [""; 0]);
        assert_eq!(self.names("out"), [""; 0]);
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).unwrap();
        let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
        names.collect()
    }
}

fn pack(place: &Place) -> Process {
    let library = place.path("site/library");
    fs::create_dir_all(&library).unwrap();
    packages::project(&library, "library", "1.0");
    let builder = fs::read_to_string(library.join("builder.py")).unwrap();
    let builder = linger(&place.path("told")) + &builder;
    fs::write(library.join("builder.py"), builder).unwrap();
    fs::write(place.path("site/app.py"), "def app(): pass\n").unwrap();
    fs::write(place.path("site/requirements.txt"), "./library\n").unwrap();
    let args = ["pack", "site", "--no-index", "--output", "out/site.zip"];
    place.start(&args).spawn()
}

#[test]
fn nothing_is_left_of_a_pack_that_is_ended() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let place = Place::new();
        let process = pack(&place);
        let began = |it: &String| it.starts_with(".packing-");
        wait_until("it begins", || place.names("out").iter().any(began));
        place.interrupt(process, signal);
    }
}

#[test]
fn a_signal_that_is_ignored_stays_so() {
    let place = Place::new();
    let args = "trap '' HUP; exec \"$0\" pack site --output out/site.zip";
    fs::create_dir(place.path("site")).unwrap();
    fs::write(place.path("site/app.py"), "def app(): pass\n").unwrap();
    let mut process = Start::program("sh", ["-c", args])
        .args([program()])
        .cwd(place.dir.path())
        .spawn();
    process.stderr.wait_for("Gathering");
    process.signal(Signal::SIGHUP);
    assert_eq!(process.exit_code(), 0, "{}", process.stderr.so_far());
    assert_eq!(place.names("out"), ["site.zip"]);
}

#[test]
fn nothing_is_left_of_a_check_that_is_ended() {
    let place = Place::new();
    let app = linger(&place.path("told"));
    site::small_zip(place.dir.path(), &[("app.py", &app)]);
    let process = place.start(&["inspect", "--check", "site.zip"]).spawn();
    place.interrupt(process, Signal::SIGTERM);
}

#[test]
fn a_folder_is_unpacked_whole_or_not_at_all() {
    const COUNT: usize = 5000;
    let place = Place::new();
    let names: Vec<String> = (0..COUNT).map(|nth| format!("{nth}/file.txt")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (&**name, "text")).collect();
    site::small_zip(place.dir.path(), &files);
    let deadline = Instant::now() + DEADLINE;
    // It may have finished before it is seen working.
    loop {
        assert!(Instant::now() < deadline, "it is never seen at work");
        let mut process = place.start(&["unpack", "site.zip", "out/site"]).spawn();
        wait_until("it begins", || !place.names("out").is_empty());
        // It is stopped, so that it stays where it is.
        process.signal(Signal::SIGSTOP);
        let stat = format!("/proc/{}/stat", process.pid());
        wait_until("it stands still", || {
            let stat = fs::read_to_string(&stat).unwrap();
            [") T ", ") Z "].iter().any(|state| stat.contains(state))
        });
        let at_work = !place.path("out/site").exists();
        process.signal(Signal::SIGTERM);
        process.signal(Signal::SIGCONT);
        let code = process.exit_code();
        if !at_work {
            fs::remove_dir_all(place.path("out/site")).unwrap();
            continue;
        }
        assert_eq!(code, 128 + Signal::SIGTERM as i32);
        match &place.names("out")[..] {
            [] => return,
            [name] if name == "site" => {
                assert_eq!(place.names("out/site").len(), COUNT);
                fs::remove_dir_all(place.path("out/site")).unwrap();
            }
            names => panic!("{names:?}"),
        }
    }
}
