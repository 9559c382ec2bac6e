//! The open connections of a reactor, by their places.

use crate::worker::network::connection::Connection;
use crate::worker::network::id::Id;
use std::sync::Arc;
use std::time::Instant;

#[derive(Default)]
pub struct Places {
    places: Vec<Place>,
    free: Vec<u32>,
    open: usize,
}

struct Place {
    generation: u32,
    connection: Option<Arc<Connection>>,
    /// When the connection was taken in.
    opened: Instant,
}

impl Places {
    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.open
    }

    pub fn get(&self, id: Id) -> Option<&Arc<Connection>> {
        let place = self.places.get(id.place as usize)?;
        let connection = place.connection.as_ref();
        connection.filter(|_| place.generation == id.generation)
    }

    /// The connection that has this place.
    pub fn at(&self, place: u32) -> Option<&Arc<Connection>> {
        self.places[place as usize].connection.as_ref()
    }

    /// All connections, and when each was taken in.
    pub fn iter(&self) -> impl Iterator<Item = (Instant, &Arc<Connection>)> {
        let places = self.places.iter();
        places.filter_map(|place| Some((place.opened, place.connection.as_ref()?)))
    }

    /// A place for a connection: to be taken, or given back.
    pub fn reserve(&mut self) -> Id {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place {
                generation: 0,
                connection: None,
                opened: Instant::now(),
            });
            (self.places.len() - 1) as u32
        });
        let generation = self.places[place as usize].generation;
        Id { place, generation }
    }

    /// Gives a place back that was not taken.
    pub fn give_back(&mut self, id: Id) {
        self.free.push(id.place);
    }

    /// Takes a place that was reserved.
    pub fn take(&mut self, connection: Arc<Connection>) {
        let place = &mut self.places[connection.id.place as usize];
        place.connection = Some(connection);
        place.opened = Instant::now();
        self.open += 1;
    }

    /// Frees the place of a connection.
    pub fn remove(&mut self, id: Id) -> Option<Arc<Connection>> {
        let place = &mut self.places[id.place as usize];
        // What epoll tells of listeners and the like has the last generation.
        place.generation = (place.generation + 1) % (u32::MAX - 1);
        self.free.push(id.place);
        self.open -= 1;
        place.connection.take()
    }
}
