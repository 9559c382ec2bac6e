//! The executable alone, copied into an empty folder of another user.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use crate::support::{Start, copy_program, folder, site};

/// The user `nobody` on Debian and most other systems.
const NOBODY: u32 = 65534;

#[test]
fn another_user_serves_the_demo_with_nothing_but_the_file() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can become another user");
        return;
    }
    let home = folder();
    let path = |name: &str| home.path().join(name);
    copy_program(path("rgunicorn"));
    fs::copy(site::zip("demo"), path("site.zip")).unwrap();
    fs::set_permissions(path("rgunicorn"), fs::Permissions::from_mode(0o755)).unwrap();
    chown(home.path(), Some(NOBODY), Some(NOBODY)).unwrap();

    let mut server = Start::program(
        path("rgunicorn"),
        ["--app-zip", "site.zip", "--bind", "127.0.0.1:0"],
    )
    .cwd(home.path())
    .env("HOME", home.path())
    .env("XDG_CACHE_HOME", path("cache"))
    // No other Python and no other program can be found.
    .env("PATH", "/nonexistent")
    .user(NOBODY)
    .spawn();
    let page = server.target().get("/").ok();
    assert!(page.contains("<h1>It runs.</h1>"), "{page}");
    let executable = page.split("sys.executable</th><td>").nth(1).unwrap();
    let executable = executable.split('<').next().unwrap();
    assert!(executable.ends_with("/bin/python"), "{page}");
    assert_eq!(fs::canonicalize(executable).unwrap(), path("rgunicorn"));
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0, "{}", server.stderr.so_far());
}
