//! The requests that wait for the app: connections take turns, so that a client
//! with many requests at a time does not hold up the others.

use crate::exchange::Exchange;
use std::collections::{HashMap, VecDeque};

/// A queue of requests with at most one of each connection in it. The others of a
/// connection wait behind it.
#[derive(Default)]
pub struct Turns {
    queue: VecDeque<Exchange>,
    /// The further requests of connections that have one in the queue.
    behind: HashMap<u64, VecDeque<Exchange>>,
    waiting: usize,
}

impl Turns {
    pub fn push(&mut self, exchange: Exchange) {
        self.waiting += 1;
        let Some(connection) = exchange.stream().shared_connection() else {
            return self.queue.push_back(exchange);
        };
        match self.behind.get_mut(&connection) {
            Some(behind) => behind.push_back(exchange),
            None => {
                self.behind.insert(connection, VecDeque::new());
                self.queue.push_back(exchange);
            }
        }
    }

    pub fn pop(&mut self) -> Option<Exchange> {
        let exchange = self.queue.pop_front()?;
        self.waiting -= 1;
        if let Some(connection) = exchange.stream().shared_connection()
            && let Some(behind) = self.behind.get_mut(&connection)
        {
            match behind.pop_front() {
                Some(next) => self.queue.push_back(next),
                None => drop(self.behind.remove(&connection)),
            }
        }
        Some(exchange)
    }

    pub fn len(&self) -> usize {
        self.waiting
    }

    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }
}
