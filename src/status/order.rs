//! What the master is asked to do, through the page or the control socket.

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
