//! How the app takes a connection, and how the server takes it back.

mod detached;

pub use detached::DetachedConnection;

use super::io::Watched;
use super::phase::{Phase, PhaseEvent};
use super::{Connection, ConnectionState, with_buffer};
use crate::exchange;
use crate::net::Transport;
use detached::SocketPair;
use socket2::{Domain, Socket, Type};
use std::io;
use std::net::Shutdown;

impl Connection {
    /// See [`exchange::Stream::detach`].
    pub fn detach(&self, for_good: bool) -> io::Result<exchange::Detached> {
        let mut state = self.lock();
        let state = &mut *state;
        let ConnectionState { io, request, .. } = state;
        if io.output.is_held() {
            io.flush(&self.socket)?;
        }
        if io.broken || state.phase != Phase::App {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        request
            .feed(&mut io.received)
            .map_err(|error| io::Error::other(error.to_string()))?;
        let is_clients = matches!(io.transport, Transport::Plain)
            && io.received.is_empty()
            && io.output.is_empty();
        let (descriptor, pair) = match is_clients {
            true => (self.socket.try_clone()?, None),
            false => {
                let (end, app_end) = Socket::pair(Domain::UNIX, Type::STREAM, None)?;
                end.set_nonblocking(true)?;
                self.context.relay.watch([&self.socket, &end], self.id)?;
                let inbound = std::mem::take(&mut io.received);
                (app_end, Some(SocketPair::new(end, inbound)))
            }
        };
        if io.watched != Watched::Nothing {
            self.context.epoll.delete(&self.socket)?;
        }
        io.watched = Watched::Elsewhere;
        if is_clients {
            self.socket.set_nonblocking(false)?;
        }
        io.deadline = None;
        state.was_detached = true;
        if for_good {
            self.count_upgrade(state);
        }
        state.detached = Some(Box::new(DetachedConnection { for_good, pair }));
        state.phase.enter(PhaseEvent::Detach, Phase::Detached);
        Ok(exchange::Detached {
            descriptor: descriptor.into(),
            is_clients,
        })
    }

    /// Says that the app has closed its socket: the client sees the end of the
    /// output. With a socket pair, the server's end reports this itself.
    pub fn app_has_closed(&self) {
        if let Some(detached) = &self.lock().detached
            && detached.pair.is_none()
        {
            let _ = self.socket.shutdown(Shutdown::Write);
        }
    }

    /// See [`exchange::Stream::is_detached_for_good`].
    pub fn is_detached_for_good(&self) -> bool {
        matches!(&self.lock().detached, Some(detached) if detached.for_good)
    }

    /// See [`exchange::Stream::end_for_app`].
    pub fn end_for_app(&self) {
        if let Some(detached) = &self.lock().detached {
            // It fails if the client has already gone; then there is nothing to
            // end.
            let _ = match &detached.pair {
                Some(pair) => pair.end.shutdown(Shutdown::Write),
                None => self.socket.shutdown(Shutdown::Read),
            };
        }
    }

    /// Before the server writes to a connection that the app has taken: takes
    /// over the bytes that the app has written, which come first.
    ///
    /// # Errors
    /// The app has the connection for good.
    pub fn write_after_app(&self, state: &mut ConnectionState) -> io::Result<()> {
        match &mut state.detached {
            Some(detached) if detached.for_good => Err(io::ErrorKind::BrokenPipe.into()),
            Some(detached) => match &mut detached.pair {
                Some(pair) => {
                    with_buffer(|buffer| pair.take_rest(&mut state.io, &self.socket, buffer));
                    Ok(())
                }
                None => self.reattach(state),
            },
            None => Ok(()),
        }
    }

    /// Takes the connection back, if the app has taken it.
    pub fn reattach(&self, state: &mut ConnectionState) -> io::Result<()> {
        let Some(detached) = &mut state.detached else {
            return Ok(());
        };
        match &mut detached.pair {
            Some(pair) => {
                self.context.relay.forget([&self.socket, &pair.end])?;
                with_buffer(|buffer| pair.take_rest(&mut state.io, &self.socket, buffer));
            }
            None => self.socket.set_nonblocking(true)?,
        }
        state.detached = None;
        state.phase.enter(PhaseEvent::Reattach, Phase::App);
        state.io.watched = Watched::Nothing;
        state.io.readable = true;
        self.watch(state)
    }

    /// Copies the available bytes in both directions. The relay calls this.
    pub fn carry(&self) {
        let mut state = self.lock();
        let ConnectionState {
            io,
            request,
            detached,
            ..
        } = &mut *state;
        // If there is no pair, the server has taken the connection back
        // meanwhile.
        if let Some(detached) = detached
            && let Some(pair) = &mut detached.pair
        {
            let rules = &self.context.rules;
            let goes_on = with_buffer(|buffer| {
                pair.carry(io, &self.socket, buffer, |io, sent| {
                    super::note_sent(io, request, rules, sent);
                })
            });
            if goes_on {
                // It fails only if the relay does not watch the socket any
                // more.
                let _ = self.context.relay.call_again(&pair.end, self.id);
            }
        }
    }
}
