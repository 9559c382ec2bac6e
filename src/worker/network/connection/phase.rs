//! What happens on a connection, as a table: the phases, the events, and which
//! event leads from where to where.

/// What happens on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A PROXY header may come first.
    Proxy,
    /// The next request is awaited, or has come in part.
    Head,
    /// The body of a request is being received, before the app is called.
    Body,
    /// The app has the request.
    App,
    /// The app has it for bytes that are not HTTP/1.1 any more.
    Upgraded,
    /// The app has taken the connection itself.
    Detached,
    /// The answer is whole, and a part of it waits for the socket.
    Flush,
    /// The answer was sent; what the client still sends is ignored.
    Linger,
    Closed,
}

/// Why a connection goes from one phase to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// What may come before the first request was read.
    ProxyHeaderRead,
    /// Another worker has handed the connection over, which has carried a
    /// request.
    TakenOver,
    /// A head was read, and a body follows.
    HeadRead,
    /// The request is given to the app.
    CallApp,
    /// The server answers the request itself.
    Refuse,
    /// The app and the client have agreed on another protocol.
    Upgrade,
    /// The app takes the connection.
    Detach,
    /// The server goes on with a connection that the app had.
    Reattach,
    /// The app has answered.
    Finish,
    /// All of the answer was sent.
    Sent,
    /// The connection ends: the client is gone or had its time, the app gives
    /// it up, or another worker has it.
    End,
}

use Event::{
    CallApp, Detach, End, Finish, HeadRead, ProxyHeaderRead, Reattach, Refuse, Sent, TakenOver,
    Upgrade,
};
use Phase::{App, Body, Closed, Detached, Flush, Head, Linger, Proxy, Upgraded};

/// Every move that a connection may make.
pub const MOVES: [(Phase, Event, Phase); 27] = [
    (Proxy, ProxyHeaderRead, Head),
    (Proxy, TakenOver, Head),
    (Proxy, Refuse, Flush),
    (Proxy, End, Closed),
    (Head, TakenOver, Head),
    (Head, HeadRead, Body),
    (Head, CallApp, App),
    (Head, Refuse, Flush),
    (Head, End, Closed),
    (Body, CallApp, App),
    (Body, Refuse, Flush),
    (Body, End, Closed),
    (App, Upgrade, Upgraded),
    (App, Detach, Detached),
    (App, Finish, Head),
    (App, Finish, Flush),
    (App, End, Closed),
    (Upgraded, Finish, Flush),
    (Upgraded, End, Closed),
    (Detached, Reattach, App),
    // The server cannot take it back.
    (Detached, Finish, Flush),
    (Detached, End, Closed),
    (Flush, Sent, Head),
    (Flush, Sent, Linger),
    (Flush, End, Closed),
    (Linger, End, Closed),
    (Closed, End, Closed),
];

#[cfg(test)]
thread_local! {
    /// The moves of a thread so far, for the tests.
    pub static MADE: std::cell::RefCell<Vec<(Phase, Event, Phase)>> = const {
        std::cell::RefCell::new(Vec::new())
    };
}

impl Phase {
    /// Goes to `next` because of `event`.
    pub fn enter(&mut self, event: Event, next: Phase) {
        debug_assert!(
            MOVES.contains(&(*self, event, next)),
            "{event:?} does not lead from {self:?} to {next:?}"
        );
        #[cfg(test)]
        MADE.with_borrow_mut(|made| made.push((*self, event, next)));
        *self = next;
    }

    /// True while the app has the connection.
    pub fn is_apps(self) -> bool {
        matches!(self, App | Upgraded | Detached)
    }
}
