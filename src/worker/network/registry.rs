//! The listeners and the open connections of a worker, for whoever must find
//! them from another thread than the reactor's.

use super::connection::Connection;
use super::context::Context;
use super::id::Id;
use crate::exchange::{Server, error_page};
use crate::http::Status;
use crate::log::id_note;
use crate::net::Listener;
use nix::libc;
use socket2::Socket;
use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

pub struct Registry {
    pub context: Arc<Context>,
    pub listeners: Vec<Listener>,
    /// For each listener where it is bound; nothing for a unix socket.
    servers: Vec<Option<Arc<Server>>>,
    /// The connections that are open, by their places.
    open: Mutex<Vec<Weak<Connection>>>,
}

impl Registry {
    pub fn new(context: Arc<Context>, listeners: Vec<Listener>) -> Arc<Registry> {
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
        registry
    }

    /// Takes note of a connection.
    pub fn opened(&self, connection: &Arc<Connection>) {
        let place = connection.id.place as usize;
        let mut open = self.open();
        if open.len() <= place {
            open.resize(place + 1, Weak::new());
        }
        open[place] = Arc::downgrade(connection);
    }

    /// Forgets one.
    pub fn closed(&self, id: Id) {
        self.open()[id.place as usize] = Weak::new();
    }

    /// Where that listener is bound.
    pub fn server(&self, listener: usize) -> Option<Arc<Server>> {
        self.servers[listener].clone()
    }

    /// Where a listener is bound, perhaps one of another worker's.
    pub fn server_at(&self, address: SocketAddr) -> Arc<Server> {
        let mut known = self.servers.iter().flatten();
        let known = known.find(|it| it.address == address);
        known.map_or_else(|| Server::new(address), Arc::clone)
    }

    /// Tells clients that have asked and were not answered that they are not
    /// going to be: the worker ends. Gives their number. Any thread may call it.
    pub fn answer_unavailable(&self) -> usize {
        let open: Vec<_> = self.open().iter().filter_map(Weak::upgrade).collect();
        let mut told = open
            .iter()
            .filter(|connection| connection.answer_unavailable())
            .count();
        if !self.context.rules.heartbeat.leaves_queue() {
            for listener in &self.listeners {
                while let Ok((socket, _)) = listener.accept() {
                    self.reject(&socket, "The server stops");
                    told += 1;
                }
            }
        }
        told
    }

    /// Tells a client that was just accepted why nothing is done for it.
    pub fn reject(&self, socket: &Socket, why: &str) {
        let rules = &self.context.rules;
        if rules.tls.is_none() && socket.set_nonblocking(true).is_ok() {
            let named = rules.exchange.request_id.is_some();
            let id = named.then(|| self.context.next_id());
            let id = id.as_deref();
            let note = id_note(id);
            ::log::debug!("A client that has just come is turned away{note}: {why}");
            let status = Status::SERVICE_UNAVAILABLE;
            let page = error_page(&rules.exchange, status, why, false, id, &[]);
            // Its buffer is empty; and if it takes nothing, nothing is lost.
            let _ = socket.send_with_flags(&page.bytes, libc::MSG_NOSIGNAL);
            let _ = socket.shutdown(Shutdown::Write);
        }
    }

    /// The connection of that name, if it is still there.
    fn connection(&self, id: Id) -> Option<Arc<Connection>> {
        let connection = self.open().get(id.place as usize)?.upgrade()?;
        (connection.id == id).then_some(connection)
    }

    fn open(&self) -> MutexGuard<'_, Vec<Weak<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
