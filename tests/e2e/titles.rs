//! The process titles in `ps`, and abstract unix sockets.

use std::fs;

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::support::{Start, Target, app};

fn title(pid: Pid) -> String {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    let words = String::from_utf8(words).unwrap();
    words.trim_end_matches('\0').to_owned()
}

#[test]
fn ps_shows_who_is_who() {
    for (args, name) in [
        (&["app:application"][..], "app:application"),
        (&["--name", "shop", "app"], "shop"),
    ] {
        let server = Start::server(args)
            .cwd(app("hello"))
            .env("GREETING", "good day")
            .spawn();
        let worker = server.workers(1)[0];
        let target = server.target();
        // The environment and the command line were moved, and are complete.
        assert_eq!(target.get("/variable?GREETING").ok(), "good day");
        assert_eq!(title(server.pid()), format!("gunicorn: master [{name}]"));
        assert_eq!(title(worker), format!("gunicorn: worker [{name}]"));
        let comm = fs::read_to_string(format!("/proc/{worker}/comm")).unwrap();
        assert_eq!(comm.trim(), "rgunicorn", "killall and pgrep go by it");
    }
}

#[test]
fn two_servers_can_share_an_address() {
    let start = |address: &str| {
        Start::new(["--reuse-port", "--bind", address, "app"])
            .cwd(app("hello"))
            .spawn()
    };
    let mut first = start("127.0.0.1:0");
    let target = first.target();
    let Target::Tcp(address) = &target else {
        panic!("{target:?}");
    };
    let second = start(&address.to_string());
    let worker = second.workers(1)[0];
    second.target();
    first.signal(Signal::SIGTERM);
    assert_eq!(first.exit_code(), 0);
    assert_eq!(target.get("/pid").ok(), worker.to_string());
}
