//! Finds the servers on this machine that this user may steer.

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::Uid;
use serde_json::json;

use super::client::Client;
use super::output;
use crate::control::SOCKET_PREFIX;
use crate::status::report::Report;

/// How long a server may take to say how it is.
const SOON: Duration = Duration::from_secs(5);

/// What was found.
#[derive(Debug)]
pub enum Found {
    One(Client),
    Several(Vec<Server>),
}

/// A server.
#[derive(Debug)]
pub struct Server {
    /// The process id of its master, as this process sees it.
    pub pid: i32,
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
        return Ok(Found::One(Client::new(stream)));
    }
    let mut servers = servers()?;
    if let Some(pid) = pid {
        servers.retain(|server| server.pid == pid);
    }
    match (servers.len(), pid) {
        (0, Some(pid)) => bail!(
            "There is no server of this user with the process id {pid}; run `rgunicorn ctl` to \
             see which there are"
        ),
        (0, None) => bail!(
            "There is no server of this user here. A server of another user can be steered by \
             that user and by root; one in a container, from inside of it"
        ),
        (1, _) => Ok(Found::One(servers.remove(0).client)),
        _ => Ok(Found::Several(servers)),
    }
}

/// Prints which servers there are.
///
/// # Errors
/// The output is closed.
pub fn list(servers: Vec<Server>, json: bool) -> Result<()> {
    let mut rows = vec![["PID", "STATE", "WORKERS", "NAME", "LISTENS AT"].map(str::to_owned)];
    let mut all = Vec::new();
    for Server { pid, mut client } in servers {
        let Ok(report) = client.ask_for::<Report>("status", SOON) else {
            continue;
        };
        let state = serde_json::to_value(report.state)?;
        all.push(json!({
            "pid": pid,
            "state": state,
            "workers": report.workers.len(),
            "name": report.name,
            "listeners": report.listeners,
        }));
        rows.push([
            pid.to_string(),
            state.as_str().unwrap_or_default().to_owned(),
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

/// The servers that this user may steer.
fn servers() -> Result<Vec<Server>> {
    let sockets = fs::read_to_string("/proc/net/unix").context(
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

/// Connects to a server, if it is one of this user, or this user is root. Anybody
/// can take such a name: what a stranger says there is not believed.
fn connect(name: &str) -> Option<Server> {
    let address = SocketAddr::from_abstract_name(name).ok()?;
    let stream = UnixStream::connect_addr(&address).ok()?;
    let peer = getsockopt(&stream, sockopt::PeerCredentials).ok()?;
    let (user, peer_user) = (Uid::effective(), Uid::from_raw(peer.uid()));
    let may = user.is_root() || user == peer_user || peer_user.is_root();
    // In another process namespace it has no process id here.
    let is_here = peer.pid() > 0;
    (may && is_here).then(|| Server {
        pid: peer.pid(),
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
}
