//! Workers that run as another user than the master.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use crate::support::{Root, Start, Target, copy_program, folder, site, wait_until};

const NOBODY: &str = "65534";

const APP: &str = "
import os
def app(environ, start_response):
    body = f'{os.getuid()} {os.geteuid()} {os.getgid()} {os.getgroups()}'.encode()
    start_response('200 OK', [('Content-Length', str(len(body)))])
    return [body]
";

#[test]
fn workers_give_up_the_masters_rights() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can become somebody else");
        return;
    }
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let unix = format!("unix:{}", path("sock"));
    let mut server = Start::server(["--user", NOBODY, "--group", NOBODY, "--umask", "0117"])
        .args(["--bind", &unix, "--access-logfile", &path("log"), "app:app"])
        .cwd(dir.path())
        .spawn();
    let target = Target::parse(&unix);
    server.target().get("/").ok();
    assert_eq!(target.get("/").ok(), "65534 65534 65534 [65534]");
    let socket = fs::metadata(path("sock")).unwrap();
    assert_eq!((socket.uid(), socket.gid()), (65534, 65534));
    assert_eq!(socket.permissions().mode() & 0o777, 0o660);
    assert_eq!(fs::metadata(path("log")).unwrap().uid(), 65534);
    let master = fs::metadata(format!("/proc/{}", server.pid())).unwrap();
    assert_eq!(master.uid(), 0);
    // The worker can open its log again.
    fs::rename(path("log"), path("log.1")).unwrap();
    server.signal(Signal::SIGUSR1);
    server.stderr.wait_for("Handling signal: usr1");
    wait_until("the new log is written", || {
        target.get("/").ok();
        fs::read_to_string(path("log")).is_ok_and(|text| text.contains("GET /"))
    });
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    assert!(fs::metadata(path("sock")).is_err());
}

#[test]
fn the_users_other_groups_come_along_when_asked_for() {
    let Some(root) = Root::empty() else { return };
    let root = root
        .write("/app.py", APP)
        .write("/etc/passwd", "me:x:1234:1234::/:/none\n")
        .write(
            "/etc/group",
            "me:x:1234:\nclub:x:2345:me\nteam:x:3456:you,me\n",
        );
    for (args, groups) in [
        (&[][..], "[1234]"),
        (&["--initgroups"], "[1234, 2345, 3456]"),
    ] {
        let server = root
            .server(["--user", "me", "--group", "me", "--chdir", "/", "app:app"])
            .args(args)
            .spawn();
        let page = server.target().get("/").ok();
        assert_eq!(page, format!("1234 1234 1234 {groups}"));
    }
}

#[test]
fn who_cannot_become_somebody_else_says_so() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can make this user");
        return;
    }
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    // This user may have no access to the checkout.
    let file = dir.path().join("rgunicorn");
    copy_program(&file);
    let server = Start::program(&file, ["--bind", "127.0.0.1:0", "--user", "1", "app:app"])
        .cwd(dir.path())
        .user(65534)
        .run();
    assert_eq!(server.code, 3, "{}", server.stderr);
    let why = "start the server as root, or leave `user` out";
    assert!(server.stderr.contains(why), "{}", server.stderr);
}

/// Only root and its workers can read what root unpacks.
#[test]
fn a_zip_is_unpacked_for_the_workers_user() {
    let dir = folder();
    let zip = site::small_zip(dir.path(), &[("app.py", APP), ("site-packages/dep.py", "")]);
    let Some(root) = Root::empty() else { return };
    let root = root
        .put(zip, "/site.zip")
        .with_tmp()
        .write("/root/file", "")
        .variable("HOME", "/root");
    fs::set_permissions(root.path("/root"), fs::Permissions::from_mode(0o700)).unwrap();
    // The second start finds what the first has unpacked as root.
    for (more, expected) in [
        (&[][..], "0 0 0"),
        (&["--user", NOBODY, "--group", NOBODY], "65534 65534 65534"),
        (
            &["--user", "4711", "--group", "4711", "--preload"],
            "4711 4711 4711",
        ),
    ] {
        let server = root
            .server([
                "app:app",
                "--app-cache-dir",
                "/cache",
                "--app-zip",
                "/site.zip",
            ])
            .args(more)
            .spawn();
        let said = server.target().get("/").ok();
        assert!(said.starts_with(expected), "{said}");
    }
    let server = root
        .server(["app:app", "--user", NOBODY, "--app-zip", "/site.zip"])
        .spawn();
    assert!(server.target().get("/").ok().starts_with("65534 65534 0 "));
    let mode = |path: &str| fs::metadata(root.path(path)).unwrap().mode() & 0o777;
    assert_eq!(mode("/var/tmp/rgunicorn-0/apps"), 0o711);
    let apps = fs::read_dir(root.path("/var/tmp/rgunicorn-0/apps")).unwrap();
    let modes: Vec<_> = apps
        .map(|app| app.unwrap().metadata().unwrap().mode() & 0o777)
        .collect();
    assert_eq!(modes, [0o750]);
}
