//! The file with the master's process id.

use std::fs;

use nix::sys::signal::Signal;

use crate::support::{Start, app, folder};

#[test]
fn it_names_the_master_and_is_gone_at_the_end() {
    let dir = folder();
    let path = dir.path().join("site.pid");
    let mut server = Start::server(["--pid", path.to_str().unwrap(), "app"])
        .cwd(app("hello"))
        .spawn();
    server.target().get("/").ok();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, format!("{}\n", server.pid()));

    let second = Start::server(["--pid", path.to_str().unwrap(), "app"])
        .cwd(app("hello"))
        .run();
    assert_eq!(second.code, 1);
    let expected = format!(
        "Error: Already running on PID {} (or pid file '{}' is stale)",
        server.pid(),
        path.display()
    );
    assert!(second.stderr.contains(&expected), "{}", second.stderr);

    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    assert!(!path.exists());
}

#[test]
fn a_stale_one_is_replaced() {
    let dir = folder();
    let path = dir.path().join("site.pid");
    // More than the largest process id there is.
    fs::write(&path, "4194305\n").unwrap();
    let server = Start::server(["--pid", path.to_str().unwrap(), "app"])
        .cwd(app("hello"))
        .spawn();
    server.target().get("/").ok();
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        format!("{}\n", server.pid())
    );
}
