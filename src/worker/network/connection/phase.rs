//! The states of a connection as a table: the phases, the events, and which
//! event leads from which phase to which.

/// What happens on a connection at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A PROXY header may come first.
    Proxy,
    /// The server waits for the next request's head, or has received a part of
    /// it.
    Head,
    /// The body of a request is being received, before the app is called.
    Body,
    /// The app has the request.
    App,
    /// The app has the request, and the connection carries another protocol.
    Upgraded,
    /// The app has taken the connection itself.
    Detached,
    /// The connection carries HTTP/2, with many requests at a time.
    Http2,
    /// The response is complete, and a part of it waits for the socket.
    Flush,
    /// The response was sent. Bytes that the client still sends are ignored.
    Linger,
    Closed,
}

/// Why a connection goes from one phase to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhaseEvent {
    /// The PROXY header was read, or there is none.
    ProxyHeaderRead,
    /// The connection has carried requests in another worker, which has handed
    /// it over.
    TakenOver,
    /// A head was read, and a body follows.
    HeadRead,
    /// The client speaks HTTP/2.
    BeginHttp2,
    /// The request is given to the app.
    CallApp,
    /// The server answers a probe itself, and the connection may go on.
    AnswerProbe,
    /// The server answers the request itself, and the connection ends.
    Refuse,
    /// The app and the client have agreed on another protocol.
    Upgrade,
    /// The app takes the connection.
    Detach,
    /// The server takes the connection back from the app.
    Reattach,
    /// The app has answered.
    Finish,
    /// The whole response was sent.
    Sent,
    /// The connection ends: the client has gone or its time is over, the app
    /// has given up, or another worker has the connection.
    End,
}

use Phase::{App, Body, Closed, Detached, Flush, Head, Http2, Linger, Proxy, Upgraded};
use PhaseEvent::{
    AnswerProbe, BeginHttp2, CallApp, Detach, End, Finish, HeadRead, ProxyHeaderRead, Reattach,
    Refuse, Sent, TakenOver, Upgrade,
};

/// All legal transitions. All others are errors in this program.
pub const TRANSITIONS: [(Phase, PhaseEvent, Phase); 32] = [
    (Proxy, ProxyHeaderRead, Head),
    (Proxy, TakenOver, Head),
    (Proxy, Refuse, Flush),
    (Proxy, End, Closed),
    (Head, TakenOver, Head),
    (Head, HeadRead, Body),
    (Head, BeginHttp2, Http2),
    (Head, CallApp, App),
    (Head, AnswerProbe, Head),
    (Head, AnswerProbe, Flush),
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
    // The server could not take the connection back.
    (Detached, Finish, Flush),
    (Detached, End, Closed),
    (Http2, Finish, Flush),
    (Http2, End, Closed),
    (Flush, Sent, Head),
    (Flush, Sent, Linger),
    (Flush, End, Closed),
    (Linger, End, Closed),
    (Closed, End, Closed),
];

#[cfg(test)]
thread_local! {
    /// All transitions that a thread has made, for the tests.
    pub static TRANSITIONS_MADE: std::cell::RefCell<Vec<(Phase, PhaseEvent, Phase)>> = const {
        std::cell::RefCell::new(Vec::new())
    };
}

impl Phase {
    /// Changes the phase to `next` because of `event`. A transition that is not
    /// in the table panics in debug builds.
    pub fn enter(&mut self, event: PhaseEvent, next: Phase) {
        debug_assert!(
            TRANSITIONS.contains(&(*self, event, next)),
            "{event:?} does not lead from {self:?} to {next:?}"
        );
        #[cfg(test)]
        TRANSITIONS_MADE.with_borrow_mut(|made| made.push((*self, event, next)));
        *self = next;
    }

    /// True while the app uses the connection.
    pub fn is_with_app(self) -> bool {
        matches!(self, App | Upgraded | Detached)
    }
}
