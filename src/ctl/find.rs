//! Finds the servers on this machine, and those that this user may steer.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::Uid;
use serde_json::json;
use socket2::{Domain, SockAddr, Socket, Type};

use super::client::Client;
use super::output;
use crate::control::SOCKET_PREFIX;
use crate::status::report::Report;
use crate::system::read_text;

/// How long a server may take for its row in the list.
const LIST_TIME: Duration = Duration::from_secs(3);

/// What was found.
#[derive(Debug)]
pub enum Found {
    One(Server),
    Several(Vec<Server>),
}

/// A server.
#[derive(Debug)]
pub struct Server {
    /// The process id of its master, as this process sees it.
    pub pid: i32,
    /// The user whose it is.
    user: Uid,
    pub client: Client,
}

/// Finds the server with this process id or this socket, or the only one.
///
/// # Errors
/// There is none.
pub fn server(pid: Option<i32>, socket: Option<&Path>) -> Result<Found> {
    if let Some(path) = socket {
        let stream = UnixStream::connect(path).with_context(|| {
            format!(
                "There is no server at the control socket '{}'",
                path.display()
            )
        })?;
        return of(stream).map(Found::One);
    }
    let mut seen = servers()?;
    if let Some(pid) = pid {
        seen.retain(|server| server.pid == pid);
    }
    let user = Uid::effective();
    let (mut own, others): (Vec<_>, Vec<_>) = seen
        .into_iter()
        .partition(|server| may_steer(user, server.user));
    match (own.len(), pid) {
        (0, _) => bail!(none(pid, &others)),
        (1, _) => Ok(Found::One(own.remove(0))),
        _ => Ok(Found::Several(own)),
    }
}

/// Whether a server of `owner` lets this user in. Anybody can take the name of a
/// control socket: what a stranger says there is not believed.
fn may_steer(user: Uid, owner: Uid) -> bool {
    user.is_root() || user == owner
}

/// Why there is no server.
fn none(pid: Option<i32>, others: &[Server]) -> String {
    match (pid, others) {
        (Some(pid), []) => format!(
            "There is no server with the process id {pid}; run `rgunicorn ctl` to see which \
             there are"
        ),
        (None, []) => "There is no server here. One in a container can be steered from inside \
                       of it"
            .to_owned(),
        (Some(pid), [other, ..]) => {
            let (whose, who) = owner(other.user);
            format!("The server {pid} is {whose}; be {who} to steer it")
        }
        (None, others) => {
            let others = others.iter().map(|it| (it.pid, owner(it.user).0));
            let others: Vec<_> = others
                .map(|(pid, whose)| format!("{pid} is {whose}"))
                .collect();
            format!(
                "There is no server of this user here; the server {}. Be the user whose it is, \
                 or root, to steer it",
                others.join(", the server ")
            )
        }
    }
}

/// Whose a server is, and who may steer it.
fn owner(user: Uid) -> (String, String) {
    match user.is_root() {
        true => ("root's".to_owned(), "root".to_owned()),
        false => (format!("user {user}'s"), format!("user {user} or root")),
    }
}

/// Prints which servers there are.
///
/// # Errors
/// The output is closed.
pub fn list(servers: Vec<Server>, json: bool) -> Result<()> {
    let mut rows = vec![["PID", "STATE", "WORKERS", "NAME", "LISTENS AT"].map(str::to_owned)];
    let mut all = Vec::new();
    for (pid, report) in reports(servers, LIST_TIME) {
        let Ok(report) = report else {
            all.push(json!({ "pid": pid, "state": null }));
            let row = [&*pid.to_string(), "does not answer", "-", "-", "-"];
            rows.push(row.map(str::to_owned));
            continue;
        };
        let state = output::word(&report.state);
        all.push(json!({
            "pid": pid,
            "state": state,
            "workers": report.workers.len(),
            "name": report.name,
            "listeners": report.listeners,
        }));
        rows.push([
            pid.to_string(),
            state,
            report.workers.len().to_string(),
            report.name,
            report.listeners.join(" "),
        ]);
    }
    if json {
        return output::json(&all.into());
    }
    output::table(&rows)
}

/// What each server says of itself. All are asked at the same time, so that one
/// that does not answer holds up no other.
fn reports(servers: Vec<Server>, limit: Duration) -> Vec<(i32, Result<Report>)> {
    let ask = move |mut server: Server| server.client.ask_for("status", limit);
    thread::scope(|scope| {
        let asked: Vec<_> = servers
            .into_iter()
            .map(|server| (server.pid, scope.spawn(move || ask(server))))
            .collect();
        let answer = |asked: thread::ScopedJoinHandle<'_, _>| {
            asked.join().unwrap_or_else(|panic| resume_unwind(panic))
        };
        asked
            .into_iter()
            .map(|(pid, asked)| (pid, answer(asked)))
            .collect()
    })
}

/// The servers that can be seen, also those of other users.
fn servers() -> Result<Vec<Server>> {
    let sockets = read_text("/proc/net/unix").context(
        "The servers cannot be found, because /proc/net/unix cannot be read; name a control \
         socket with --socket",
    )?;
    let mut names: Vec<_> = sockets.lines().filter_map(name).collect();
    names.sort_unstable();
    names.dedup();
    let mut servers: Vec<_> = names.into_iter().filter_map(connect).collect();
    servers.sort_unstable_by_key(|server| server.pid);
    Ok(servers)
}

/// The name of a control socket in a line of `/proc/net/unix`.
fn name(line: &str) -> Option<&str> {
    let name = line.rsplit(' ').next()?.strip_prefix('@')?;
    name.starts_with(SOCKET_PREFIX).then_some(name)
}

/// Connects to a server. Anybody can take such a name, and accept nobody: then this
/// fails, and does not wait.
fn connect(name: &str) -> Option<Server> {
    // An abstract name begins with a zero byte.
    let address = SockAddr::unix(format!("\0{name}")).ok()?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).ok()?;
    socket.set_nonblocking(true).ok()?;
    socket.connect(&address).ok()?;
    socket.set_nonblocking(false).ok()?;
    let stream = UnixStream::from(OwnedFd::from(socket));
    // In another process namespace it has no process id here.
    of(stream).ok().filter(|server| server.pid > 0)
}

/// The server at the other end.
fn of(stream: UnixStream) -> Result<Server> {
    let peer = getsockopt(&stream, sockopt::PeerCredentials)
        .context("The system does not say whose the server is")?;
    Ok(Server {
        pid: peer.pid(),
        user: Uid::from_raw(peer.uid()),
        client: Client::new(stream),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_sockets_are_known_by_their_names() {
        let line = "0000000000000000: 00000002 00000000 00010000 0001 01 28446 @rgunicorn/7/402";
        assert_eq!(name(line), Some("rgunicorn/7/402"));
        for other in [
            "Num RefCount Path",
            "0: 2 0 1 1 01 3 /run/rgunicorn/7",
            "0: @other",
        ] {
            assert_eq!(name(other), None, "{other}");
        }
    }

    #[test]
    fn only_root_and_its_own_user_steer_a_server() {
        let [root, one, other] = [0, 1000, 1001].map(Uid::from_raw);
        assert!(may_steer(root, one) && may_steer(one, one));
        assert!(!may_steer(one, root) && !may_steer(one, other));
        let server = |pid, user| Server {
            pid,
            user,
            client: Client::new(UnixStream::pair().unwrap().0),
        };
        assert_eq!(
            none(Some(7), &[server(7, root)]),
            "The server 7 is root's; be root to steer it"
        );
        let others = [server(7, root), server(8, one)];
        assert_eq!(
            none(None, &others),
            "There is no server of this user here; the server 7 is root's, the server 8 is user \
             1000's. Be the user whose it is, or root, to steer it"
        );
        assert!(none(Some(7), &[]).contains("no server with the process id 7"));
    }

    #[test]
    fn a_server_that_does_not_answer_holds_up_no_other() {
        let (silent, _held) = UnixStream::pair().unwrap();
        let (gone, _) = UnixStream::pair().unwrap();
        let servers = [(1, silent), (2, gone)].map(|(pid, stream)| Server {
            pid,
            user: Uid::effective(),
            client: Client::new(stream),
        });
        let reports = reports(servers.into(), Duration::from_millis(10));
        assert_eq!([reports[0].0, reports[1].0], [1, 2]);
        assert!(reports.iter().all(|(_, report)| report.is_err()));
    }
}
