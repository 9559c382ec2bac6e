//! The open connections of a reactor, by their indexes.

use crate::worker::network::connection::Connection;
use crate::worker::network::id::ConnectionId;
use std::sync::Arc;
use std::time::Instant;

#[derive(Default)]
pub struct ConnectionTable {
    entries: Vec<Entry>,
    free: Vec<u32>,
}

struct Entry {
    generation: u32,
    connection: Option<Arc<Connection>>,
    /// When the connection was added.
    opened: Instant,
}

impl ConnectionTable {
    /// The number of open connections: of ids that are not free.
    pub fn open(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    pub fn get(&self, id: ConnectionId) -> Option<&Arc<Connection>> {
        let entry = self.entries.get(id.index as usize)?;
        let connection = entry.connection.as_ref();
        connection.filter(|_| entry.generation == id.generation)
    }

    /// The connection with this index.
    pub fn at(&self, index: u32) -> Option<&Arc<Connection>> {
        self.entries[index as usize].connection.as_ref()
    }

    /// All connections, and when each was added.
    pub fn iter(&self) -> impl Iterator<Item = (Instant, &Arc<Connection>)> {
        let entries = self.entries.iter();
        entries.filter_map(|entry| Some((entry.opened, entry.connection.as_ref()?)))
    }

    /// Reserves an id: to be used by [`insert`](ConnectionTable::insert).
    pub fn reserve(&mut self) -> ConnectionId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry {
                generation: 0,
                connection: None,
                opened: Instant::now(),
            });
            (self.entries.len() - 1) as u32
        });
        let generation = self.entries[index as usize].generation;
        ConnectionId { index, generation }
    }

    /// Adds a connection, whose id was reserved.
    pub fn insert(&mut self, connection: Arc<Connection>) {
        let entry = &mut self.entries[connection.id.index as usize];
        entry.connection = Some(connection);
        entry.opened = Instant::now();
    }

    /// Removes a connection, and frees its index.
    pub fn remove(&mut self, id: ConnectionId) -> Option<Arc<Connection>> {
        let entry = &mut self.entries[id.index as usize];
        // The last generation is the epoll data of listeners and other
        // descriptors.
        entry.generation = (entry.generation + 1) % (u32::MAX - 1);
        self.free.push(id.index);
        entry.connection.take()
    }
}
