//! Packages that start Python again with `sys.executable`, and the reloaders of other
//! servers.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::support::{
    Process, Response, Start, Target, app, folder, in_both_classes, site, wait_until,
};

/// A server with the packages in a virtual environment, and one with the packages in a
/// zip.
fn served(class: &[&str]) -> [Process; 2] {
    let with = |words: &[&OsStr]| {
        Start::server(class)
            .args(["app"])
            .args(words)
            .env("GREETING", "good day")
            .spawn()
    };
    let (venv, zip, folder) = (site::venv("tools"), site::zip("tools"), app("tools"));
    [
        with(&[
            "--venv".as_ref(),
            venv.as_ref(),
            "--chdir".as_ref(),
            folder.as_ref(),
        ]),
        with(&["--app-zip".as_ref(), zip.as_ref()]),
    ]
}

in_both_classes! {
    pools_start_python_again,
    a_debugger_starts_its_adapter,
    an_app_shows_a_title_of_its_own,
}

fn pools_start_python_again(class: &[&str]) {
    for server in served(class) {
        assert_eq!(server.target().get("/pools").ok(), "[40, 42] 42");
    }
}

fn a_debugger_starts_its_adapter(class: &[&str]) {
    for server in served(class) {
        assert_eq!(server.target().get("/debugger").ok(), "127.0.0.1 True");
    }
}

/// `setproctitle` looks for the command line in memory, before the environment.
fn an_app_shows_a_title_of_its_own(class: &[&str]) {
    for server in served(class) {
        let target = server.target();
        let worker = target.get("/pid").ok();
        let title = "a title of the app's own, which is a long one";
        assert_eq!(
            target.get("/title").ok(),
            format!("gunicorn: worker [app] | {title} | good day good day")
        );
        let shown = fs::read_to_string(format!("/proc/{worker}/cmdline")).unwrap();
        assert_eq!(shown.trim_end_matches('\0').trim(), title);
    }
}

/// The package clears only the title that it has set itself.
#[test]
fn a_title_that_was_set_in_the_master_leaves_nothing_behind() {
    let dir = folder();
    site::copy_app("tools", dir.path());
    let hooks = "import setproctitle
setproctitle.setproctitle('loading')
def post_worker_init(worker):
    before = setproctitle.getproctitle()
    setproctitle.setproctitle('mine')
    worker.log.info('It was %s.', before)
";
    fs::write(dir.path().join("gunicorn.conf.py"), hooks).unwrap();
    let server = Start::server(["app", "--venv"])
        .args([site::venv("tools")])
        .cwd(dir.path())
        .spawn();
    let worker = server.target().get("/pid").ok();
    server.stderr.wait_for("It was gunicorn: worker [app].");
    for (pid, title) in [
        (worker, "mine"),
        (server.pid().to_string(), "gunicorn: master [app]"),
    ] {
        let shown = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
        assert_eq!(shown.trim_end_matches('\0').trim(), title);
    }
}

#[test]
fn bin_python_shows_a_title_of_its_own() {
    let code = "import setproctitle as it; print(it.getproctitle()); it.setproctitle('mine'); \
                print(open('/proc/self/cmdline').read().rstrip(' \\0'))";
    let venv = site::venv("tools");
    let python = venv.join("bin/python");
    let by_name = Start::program(&python, ["-c", code]);
    let by_command = Start::new(["--venv".as_ref(), venv.as_os_str()]).args(["python", "-c", code]);
    for (start, before) in [
        (by_name, "bin/python -c import"),
        (by_command, "python -c import"),
    ] {
        let said = start.run().expect_success().stdout;
        let (first, last) = said.split_once('\n').unwrap();
        assert!(first.contains(before), "{said}");
        assert_eq!(last, "mine");
    }
}

/// The arguments that serve with a reloader.
const FLASK: &[&str] = &[
    "-m",
    "flask",
    "--app=app:flask",
    "run",
    "--reload",
    "--port=0",
];
const UVICORN: &[&str] = &["-m", "uvicorn", "app:asgi", "--reload", "--port=0"];
const DJANGO: &[&str] = &["-u", "manage.py", "runserver", "127.0.0.1:0"];

#[test]
fn reloaders_in_a_venv() {
    for words in [FLASK, UVICORN, DJANGO] {
        let dir = folder();
        site::copy_app("tools", dir.path());
        let server = Start::new(["--venv".as_ref(), site::venv("tools").as_os_str()])
            .args(["python"])
            .args(words)
            .cwd(dir.path())
            .spawn();
        reloads(&server, &dir.path().join("app.py"));
    }
}

#[test]
fn reloaders_in_a_zip() {
    for words in [FLASK, UVICORN, DJANGO] {
        let dir = folder();
        let server = Start::new(["--app-zip".as_ref(), site::zip("tools").as_os_str()])
            .args(["--app-cache-dir".as_ref(), dir.path().as_os_str()])
            .args(["python"])
            .args(words)
            .spawn();
        wait_until("the zip is unpacked", || unpacked(dir.path()).is_some());
        reloads(&server, &unpacked(dir.path()).unwrap());
    }
}

/// The app's module, once the whole zip is unpacked.
fn unpacked(cache: &Path) -> Option<PathBuf> {
    let mut apps = fs::read_dir(cache).unwrap().flatten();
    let module = apps.find_map(|entry| {
        let is_whole = entry.file_name().len() == 32;
        is_whole.then(|| entry.path().join("site/app.py"))
    });
    module.filter(|file| file.exists())
}

/// Serves what the module says, also after a change. Reloaders first look at the files
/// when they already serve, so the change is repeated while the old module answers.
#[track_caller]
fn reloads(server: &Process, module: &Path) {
    wait_until("the app answers", || {
        answer(server).as_deref() == Some("first")
    });
    let text = fs::read_to_string(module).unwrap();
    let text = text.replace("\"first\"", "\"second\"");
    wait_until("it is reloaded", || {
        let answer = answer(server);
        if answer.as_deref() == Some("first") {
            fs::write(module, &text).unwrap();
        }
        answer.as_deref() == Some("second")
    });
}

/// What is served at the address that was printed last.
fn answer(server: &Process) -> Option<String> {
    let said = server.stdout.so_far() + &server.stderr.so_far();
    let (_, address) = said.rsplit_once("http://")?;
    let end = address.find(|it: char| !it.is_ascii_digit() && !".:".contains(it));
    let mut stream = Target::parse(&address[..end?]).connect().ok()?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .ok()?;
    Some(Response::read(&mut *stream, false).ok()?.text())
}
