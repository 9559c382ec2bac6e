//! How the app takes a connection for itself, and how the server takes it back.

use super::detached::{Detached, Pair};
use super::phase::{Event, Phase};
use super::{Connection, State, with_buffer};
use crate::exchange;
use crate::net::Transport;
use crate::worker::network::context::INTEREST;
use nix::sys::epoll::EpollEvent;
use socket2::{Domain, Socket, Type};
use std::io;
use std::net::Shutdown;

impl Connection {
    /// See [`exchange::Stream::detach`].
    pub fn detach(&self, for_good: bool) -> io::Result<exchange::Detached> {
        let mut state = self.lock();
        let state = &mut *state;
        let State { io, request, .. } = state;
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
                let (end, apps) = Socket::pair(Domain::UNIX, Type::STREAM, None)?;
                end.set_nonblocking(true)?;
                self.context.relay.watch([&self.socket, &end], self.id)?;
                let inbound = std::mem::take(&mut io.received);
                (apps, Some(Pair::new(end, inbound)))
            }
        };
        self.context.epoll.delete(&self.socket)?;
        if is_clients {
            self.socket.set_nonblocking(false)?;
        }
        // The relay looks for room.
        io.watched_for_room = !is_clients;
        io.deadline = None;
        state.was_detached = true;
        state.detached = Some(Box::new(Detached { for_good, pair }));
        state.phase.enter(Event::Detach, Phase::Detached);
        Ok(exchange::Detached {
            descriptor: descriptor.into(),
            is_clients,
        })
    }

    /// The app has closed its socket: the client learns of it. Where it is one
    /// of a pair, the other tells.
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
            // A client that is gone already needs no end.
            let _ = match &detached.pair {
                Some(pair) => pair.end.shutdown(Shutdown::Write),
                None => self.socket.shutdown(Shutdown::Read),
            };
        }
    }

    /// Before the server writes an answer to a connection that the app has:
    /// what the app has written comes first.
    ///
    /// # Errors
    /// The app has it for good.
    pub fn write_after_app(&self, state: &mut State) -> io::Result<()> {
        match &mut state.detached {
            Some(detached) if detached.for_good => Err(io::ErrorKind::BrokenPipe.into()),
            Some(detached) => match &mut detached.pair {
                Some(pair) => {
                    with_buffer(|buffer| pair.take_last(&mut state.io, &self.socket, buffer));
                    Ok(())
                }
                None => self.reattach(state),
            },
            None => Ok(()),
        }
    }

    /// The server goes on with a connection that the app had, if it did.
    pub fn reattach(&self, state: &mut State) -> io::Result<()> {
        let Some(detached) = &mut state.detached else {
            return Ok(());
        };
        match &mut detached.pair {
            Some(pair) => {
                self.context.relay.forget([&self.socket, &pair.end])?;
                with_buffer(|buffer| pair.take_last(&mut state.io, &self.socket, buffer));
            }
            None => self.socket.set_nonblocking(true)?,
        }
        state.detached = None;
        state.phase.enter(Event::Reattach, Phase::App);
        state.io.watched_for_room = false;
        state.io.readable = true;
        let event = EpollEvent::new(INTEREST, self.id.to_bits());
        Ok(self.context.epoll.add(&self.socket, event)?)
    }

    /// Carries what there is both ways. The relay calls it.
    pub fn carry(&self) {
        let mut state = self.lock();
        let State {
            io,
            request,
            detached,
            ..
        } = &mut *state;
        // Else it was taken back meanwhile.
        if let Some(detached) = detached
            && let Some(pair) = &mut detached.pair
        {
            let rules = &self.context.rules;
            let goes_on = with_buffer(|buffer| {
                pair.carry(io, &self.socket, buffer, |io, sent| {
                    super::has_sent(io, request, rules, sent);
                })
            });
            if goes_on {
                // It only fails for what is not watched any more.
                let _ = self.context.relay.call_again(&pair.end, self.id);
            }
        }
    }
}
