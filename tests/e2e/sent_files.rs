//! Files that an app passes on to be sent: also those that are not files, report a
//! wrong size, or are read only from an offset.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;

use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};

use crate::support::{Process, Response, Start, Target, app, folder, in_both_classes, site};

in_both_classes! {
    what_has_no_place_to_begin_at_is_read,
    a_wrong_size_is_not_believed,
    only_the_range_that_is_asked_for_is_read,
}

/// Files that report a wrong size, and do not change.
const ODD_FILES: [&str; 3] = [
    "/proc/version",
    "/proc/kallsyms",
    "/sys/devices/system/cpu/online",
];

fn odd_files() -> Vec<(&'static str, Vec<u8>)> {
    // A kernel may be built without the second file.
    let there = ODD_FILES
        .into_iter()
        .filter(|path| Path::new(path).exists());
    let found: Vec<_> = there.map(|path| (path, fs::read(path).unwrap())).collect();
    assert!(found.len() >= 2, "{found:?}");
    for (path, content) in &found {
        assert_ne!(content.len() as u64, fs::metadata(path).unwrap().len());
    }
    found
}

fn fifo(folder: &Path) -> PathBuf {
    let path = folder.join("fifo");
    mkfifo(&path, Mode::S_IRWXU).unwrap();
    path
}

fn serve(class: &[&str]) -> Process {
    Start::server(["app:plain"])
        .args(class)
        .cwd(app("wsgi"))
        .spawn()
}

fn what_has_no_place_to_begin_at_is_read(class: &[&str]) {
    let server = serve(class);
    let target = server.target();
    assert_eq!(target.get("/output").ok(), "said by another process");

    let dir = folder();
    let path = fifo(dir.path());
    let content = "through a FIFO ".repeat(10_000);
    let sent = content.clone();
    let end = path.clone();
    let writer = thread::spawn(move || {
        let mut fifo = OpenOptions::new().write(true).open(end).unwrap();
        fifo.write_all(sent.as_bytes()).unwrap();
    });
    let answer = target.get(&format!("/file?{}", path.display()));
    assert!(answer.ok() == content);
    writer.join().unwrap();
    assert!(!server.stderr.so_far().contains("ERROR"));
}

fn a_wrong_size_is_not_believed(class: &[&str]) {
    let server = serve(class);
    let target = server.target();
    for (path, content) in odd_files() {
        let answer = target.get(&format!("/file?{path}"));
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.body == content, "{path}");
    }
}

fn only_the_range_that_is_asked_for_is_read(class: &[&str]) {
    const SIZE: u64 = 4 << 30;
    let dir = folder();
    let path = dir.path().join("large");
    let mut file = fs::File::create(&path).unwrap();
    file.set_len(SIZE - 4).unwrap();
    file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"last").unwrap();
    drop(file);

    let server = Start::server(["app:create_app()", "--app-zip"])
        .args([site::zip("flask_site")])
        .args(class)
        .cwd(dir.path())
        .spawn();
    let target = server.target();
    let worker = server.workers(1)[0];
    let ask = |range: &str| {
        target.exchange(format!(
            "GET /file?path={} HTTP/1.1\r\nHost: a\r\nRange: bytes={range}\r\nConnection: close\r\n\r\n",
            path.display()
        ))
    };
    // What the first request loads does not count.
    assert_eq!(ask("0-0").body, b"\0");
    let before = bytes_read(worker);
    for (range, content) in [("-4", "last"), ("4294967293-", "ast"), ("9-10", "\0\0")] {
        let answer = ask(range);
        assert_eq!((answer.status, answer.text()), (206, content.to_owned()));
    }
    let read = bytes_read(worker) - before;
    assert!(read < SIZE / 4, "{read}");
}

/// The bytes that a process has read by system calls.
fn bytes_read(process: Pid) -> u64 {
    let counts = fs::read_to_string(format!("/proc/{process}/io")).unwrap();
    let line = counts.lines().find_map(|line| line.strip_prefix("rchar: "));
    line.unwrap().parse().unwrap()
}

#[test]
fn gevent_reads_a_pipe_too() {
    let server = Start::server(["app:plain", "-k", "gevent", "--venv"])
        .args([site::venv("gevent_site")])
        .cwd(app("wsgi"))
        .spawn();
    let target = server.target();
    assert_eq!(target.get("/output").ok(), "said by another process");
    for (path, content) in odd_files() {
        assert!(
            target.get(&format!("/file?{path}")).body == content,
            "{path}"
        );
    }
}

fn send_path(target: &Target, path: impl AsRef<Path>) -> Response {
    target.get(&format!("/path?{}", path.as_ref().display()))
}

#[test]
fn asgi_sends_what_is_a_regular_file_and_nothing_else() {
    let server = Start::server(["app:app"]).cwd(app("asgi")).spawn();
    let target = server.target();
    let dir = folder();
    for path in [
        dir.path().to_owned(),
        fifo(dir.path()),
        "/dev/zero".into(),
        dir.path().join("nothing"),
    ] {
        assert_eq!(send_path(&target, &path).status, 500, "{path:?}");
    }
    for what in ["/fifo is none", "/dev/zero is none", "FileNotFoundError"] {
        server.stderr.wait_for(what);
    }
    for (path, content) in odd_files() {
        let answer = send_path(&target, path);
        let length = content.len().to_string();
        assert_eq!(answer.header("Content-Length"), Some(&*length), "{path}");
        assert!(answer.body == content, "{path}");
    }
    for size in [0, 10, 5 << 20] {
        let path = dir.path().join("file");
        let content: Vec<u8> = (0..=250).cycle().take(size).collect();
        fs::write(&path, &content).unwrap();
        let answer = send_path(&target, &path);
        let length = size.to_string();
        assert_eq!(answer.header("Content-Length"), Some(&*length));
        assert!(answer.body == content, "{size}");
    }
}
