//! The listeners and the open connections of a worker, for threads other than
//! the reactor's.

use super::connection::Connection;
use super::context::Context;
use super::id::ConnectionId;
use crate::exchange::{Server, error_page};
use crate::http::Status;
use crate::net::Listener;
use crate::scoreboard::Counter;
use crate::system::lock;
use nix::libc;
use socket2::Socket;
use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

pub struct Registry {
    pub context: Arc<Context>,
    pub listeners: &'static [Listener],
    /// The address of each listener; nothing for a unix socket.
    servers: Vec<Option<Arc<Server>>>,
    /// The open connections, by the indexes of their ids.
    open: Mutex<Vec<Weak<Connection>>>,
}

impl Registry {
    pub fn new(context: Arc<Context>, listeners: &'static [Listener]) -> Arc<Registry> {
        let servers = listeners.iter().map(|it| it.inet().map(Server::new));
        let registry = Arc::new(Registry {
            servers: servers.collect(),
            listeners,
            context,
            open: Mutex::default(),
        });
        let weak = Arc::downgrade(&registry);
        registry.context.relay.set_carrier(move |id| {
            let registry = weak.upgrade()?;
            if let Some(connection) = registry.connection(id) {
                connection.carry();
            }
            Some(())
        });
        let weak = Arc::downgrade(&registry);
        registry.context.late_output.set_sender(move |id| {
            let registry = weak.upgrade()?;
            if let Some(connection) = registry.connection(id) {
                connection.send_late();
            }
            Some(())
        });
        registry
    }

    /// Adds a connection.
    pub fn add(&self, connection: &Arc<Connection>) {
        let index = connection.id.index as usize;
        let mut open = self.open();
        if open.len() <= index {
            open.resize(index + 1, Weak::new());
        }
        open[index] = Arc::downgrade(connection);
    }

    /// Removes a connection.
    pub fn remove(&self, id: ConnectionId) {
        self.open()[id.index as usize] = Weak::new();
    }

    /// The address of the listener with this index.
    pub fn server(&self, listener: usize) -> Option<Arc<Server>> {
        self.servers[listener].clone()
    }

    /// The address of a listener, possibly of another worker.
    pub fn server_at(&self, address: SocketAddr) -> Arc<Server> {
        let mut known = self.servers.iter().flatten();
        let known = known.find(|it| it.address == address);
        known.map_or_else(|| Server::new(address), Arc::clone)
    }

    /// Answers all clients that wait for a response or to be accepted with a
    /// 503, since the worker ends. Gives their number. Any thread may call it.
    pub fn answer_unavailable(&self) -> usize {
        let open: Vec<_> = self.open().iter().filter_map(Weak::upgrade).collect();
        let mut answered = open
            .iter()
            .filter(|connection| connection.answer_unavailable())
            .count();
        if !self.context.rules.heartbeat.leaves_queue() {
            for listener in self.listeners {
                while let Ok((socket, _)) = listener.accept() {
                    self.reject(&socket, "The server stops");
                    answered += 1;
                }
            }
        }
        answered
    }

    /// Answers a client that was just accepted with a 503 and this reason.
    pub fn reject(&self, socket: &Socket, reason: &str) {
        let rules = &self.context.rules;
        rules.board().count(Counter::ConnectionsRefused, 1);
        if rules.tls.is_none() {
            let names = self.context.name_unread();
            let note = names.note();
            ::log::debug!("A client that has just come is turned away{note}: {reason}");
            let status = Status::SERVICE_UNAVAILABLE;
            let page = error_page(&rules.exchange, status, reason, false, &names, &[]);
            // The socket's buffer is empty, so the page fits. If sending fails,
            // the client gets no page.
            let _ = socket.send_with_flags(&page.text(), libc::MSG_NOSIGNAL);
            let _ = socket.shutdown(Shutdown::Write);
        }
    }

    /// The connection with this id, if it is still open.
    fn connection(&self, id: ConnectionId) -> Option<Arc<Connection>> {
        let connection = self.open().get(id.index as usize)?.upgrade()?;
        (connection.id == id).then_some(connection)
    }

    fn open(&self) -> MutexGuard<'_, Vec<Weak<Connection>>> {
        lock(&self.open)
    }
}
