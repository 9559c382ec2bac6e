//! What the master is asked to do, through the page or the control socket.

use std::collections::VecDeque;

use crate::worker::MasterWaker;

/// Something that only the master's own thread can do. Other commands are
/// signals that the process sends to itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Have this many workers.
    SetWorkers(usize),
    /// Let the worker with this process id finish its requests and end.
    EndWorker(i32),
    /// Ask balancers to send no more clients, or ask no more.
    Drain(bool),
    /// Log at this level from now on.
    SetLogLevel(String),
}

/// The orders that wait for the master.
#[derive(Debug)]
pub struct Orders {
    waiting: VecDeque<Order>,
    /// How many workers there will be when all orders were obeyed.
    target: Option<usize>,
    waker: MasterWaker,
}

impl Orders {
    /// None yet. The master is woken by this `waker`.
    pub fn new(waker: &MasterWaker) -> Self {
        Self {
            waiting: VecDeque::new(),
            target: None,
            waker: waker.clone(),
        }
    }

    /// How many workers there will be: as many as `now`, or as many as the last
    /// order says that the master has not obeyed yet.
    pub fn target(&self, now: usize) -> usize {
        self.target.unwrap_or(now)
    }

    /// The master has obeyed what it took, and has said how many workers there
    /// are to be.
    pub fn obeyed(&mut self) {
        if self.waiting.is_empty() {
            self.target = None;
        }
    }

    /// Gives the master an order.
    pub fn give(&mut self, order: Order) {
        if let Order::SetWorkers(count) = order {
            self.target = Some(count);
        }
        self.waiting.push_back(order);
        self.waker.wake();
    }

    /// Takes all of them.
    pub fn take(&mut self) -> VecDeque<Order> {
        std::mem::take(&mut self.waiting)
    }
}
