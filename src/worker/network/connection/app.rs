//! The app's functions: what the app's thread does with a connection.

use super::phase::{Phase, PhaseEvent};
use super::receiving::LOW_WATER;
use super::{Connection, ConnectionState, note_sent, with_buffer};
use crate::exchange::{Client, Detached, ExchangeRules, Stream};
use crate::http::{self, BodyError, ErrorPage, Interim, ProxyHeader};
use crate::net::{ClientCertificate, TlsFacts};
use crate::worker::network::rules::{HIGH_WATER, deadline_after};
use nix::poll::PollFlags;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// The longest wait without a beat to the master.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

impl Stream for Connection {
    fn key(&self) -> u64 {
        self.id.to_bits()
    }

    fn client(&self) -> &Client {
        &self.client
    }

    fn rules(&self) -> &ExchangeRules {
        &self.context.rules.exchange
    }

    fn proxy_header(&self) -> Option<&ProxyHeader> {
        self.proxy.get()
    }

    fn certificate(&self) -> Option<&ClientCertificate> {
        self.certificate.get()
    }

    fn tls(&self) -> Option<&TlsFacts> {
        let facts = || self.lock().io.transport.tls_facts().map(Box::new);
        self.tls.get_or_init(facts).as_deref()
    }

    fn read(&self, into: &mut Vec<u8>) -> Result<Option<usize>, BodyError> {
        let mut state = self.lock();
        match state.phase {
            Phase::Upgraded => Ok(self.read_upgraded(&mut state, into)?),
            _ => self.read_body_for_app(&mut state, into),
        }
    }

    fn wait_for_body(&self) -> Result<(), BodyError> {
        self.wait(PollFlags::POLLIN, |state| {
            Ok(state.io.readable || state.io.broken)
        })?;
        let mut state = self.lock();
        state.io.readable = true;
        match state.request.body_is_late {
            true => Err(BodyError::TooSlow),
            false => Ok(()),
        }
    }

    fn expect_body(&self) {
        let request = &mut self.lock().request;
        if request.body_deadline.is_none() {
            request.body_deadline = deadline_after(Some(request.time_left));
        }
    }

    fn count_response(&self, status: u16) {
        self.count_request(&mut self.lock(), status);
    }

    fn write(&self, parts: &mut [IoSlice<'_>]) -> io::Result<bool> {
        self.write_with(|state| {
            state.request.answered = true;
            self.send(state, parts)
        })
    }

    fn write_block(&self, parts: &mut [IoSlice<'_>]) -> io::Result<bool> {
        self.write_with(|state| {
            state.request.answered = true;
            self.send_or_hold(state, parts)
        })
    }

    fn write_interim(&self, interim: &Interim) -> io::Result<bool> {
        // `answered` stays false: a 100 response and the final response may
        // still follow.
        self.write_with(|state| self.send(state, &mut [IoSlice::new(&interim.text())]))
    }

    fn send_file(&self, file: OwnedFd, offset: u64, length: u64) -> io::Result<bool> {
        self.write_with(|state| {
            state.request.answered = true;
            let io = &mut state.io;
            let (output, transport) = (&mut io.output, &mut io.transport);
            output.send_file(transport, &self.socket, file, offset, length)
        })
    }

    fn wait_for_room(&self) -> io::Result<()> {
        self.lock().request.time_left = self.rules().send_timeout.unwrap_or(Duration::MAX);
        self.wait(
            PollFlags::POLLOUT,
            |ConnectionState { io, request, .. }| {
                let sent = io.flush(&self.socket)?;
                note_sent(io, request, self.rules(), sent);
                Ok(io.output.in_memory() <= LOW_WATER)
            },
        )?;
        let mut state = self.lock();
        state.request.held_back = false;
        match state.io.broken {
            true => Err(io::ErrorKind::TimedOut.into()),
            false => Ok(()),
        }
    }

    fn is_held_back(&self) -> bool {
        self.lock().request.held_back
    }

    fn may_stay(&self) -> bool {
        let keeps = self.context.keeps_connections(self.can_move());
        keeps && !self.context.rules.keep_alive.is_zero()
    }

    fn has_hung_up(&self) -> bool {
        self.lock().io.hung_up
    }

    fn upgrade(&self) {
        let mut state = self.lock();
        self.count_upgrade(&mut state);
        state.phase.enter(PhaseEvent::Upgrade, Phase::Upgraded);
        state.request.body = None;
    }

    fn detach(&self, for_good: bool) -> io::Result<Detached> {
        Connection::detach(self, for_good)
    }

    fn duplicate_socket(&self) -> io::Result<OwnedFd> {
        Ok(self.socket.try_clone()?.into())
    }

    fn app_has_closed(&self) {
        Connection::app_has_closed(self);
    }

    fn is_detached_for_good(&self) -> bool {
        Connection::is_detached_for_good(self)
    }

    fn end_for_app(&self) {
        Connection::end_for_app(self);
    }

    fn refuse(&self, page: &ErrorPage) -> bool {
        Connection::refuse(self, page)
    }

    fn finish(&self, keep_alive: bool) {
        let mut state = self.lock();
        let state = &mut *state;
        if self.reattach(state).is_err() {
            state.io.broken = true;
            state.detached = None;
        }
        self.count_many_bytes(state);
        let is_upgraded = state.phase == Phase::Upgraded || state.was_detached;
        let body = state.request.body.take();
        let unread = is_upgraded || body.is_some_and(|body| !body.has_ended());
        // Then there may be bytes left to read and ignore.
        state.io.readable |= unread;
        let stays_open = keep_alive && !unread && !state.io.broken;
        if state.io.output.is_empty() && stays_open && !self.context.is_stopping() {
            self.expect_request(state, PhaseEvent::Finish);
            if state.io.readable || state.unparsed {
                self.context.request_check(self.id);
            }
            return;
        }
        state.stays_open = stays_open;
        state.phase.enter(PhaseEvent::Finish, Phase::Flush);
        state.io.deadline = deadline_after(self.rules().send_timeout);
        self.context.request_check(self.id);
    }

    fn abort(&self) {
        let mut state = self.lock();
        self.give_up(&mut state);
        state.detached = None;
        state.phase.enter(PhaseEvent::End, Phase::Closed);
        self.context.request_check(self.id);
    }
}

impl Connection {
    fn read_body_for_app(
        &self,
        state: &mut ConnectionState,
        into: &mut Vec<u8>,
    ) -> Result<Option<usize>, BodyError> {
        loop {
            let ConnectionState { io, request, .. } = state;
            request.feed(&mut io.received)?;
            let Some(body) = &mut request.body else {
                return Ok(Some(0));
            };
            let taken = body.take(into).map_err(|error| {
                ::log::error!("A request's body cannot be read from its file: {error}");
                BodyError::Lost
            })?;
            if taken > 0 || body.has_ended() {
                return Ok(Some(taken));
            }
            if io.broken {
                return Err(BodyError::Client(io::ErrorKind::TimedOut.into()));
            }
            if request.body_is_late {
                return Err(BodyError::TooSlow);
            }
            if state.phase == Phase::Detached {
                // The app reads the rest of the body itself.
                return Err(BodyError::Client(io::ErrorKind::NotConnected.into()));
            }
            self.ask_for_body(state)?;
            let ConnectionState { io, request, .. } = state;
            let received = with_buffer(|buffer| {
                let received = io.receive(&self.socket, buffer)?;
                let bytes = &buffer[..received.unwrap_or(0)];
                io.received.extend_from_slice(bytes);
                io::Result::Ok(received)
            });
            match received? {
                Some(0) => return Err(http::Error::UnexpectedEnd.into()),
                Some(length) => {
                    request.stop_clock();
                    request.time_left = self.rules().add_time(request.time_left, length);
                }
                None => return Ok(None),
            }
        }
    }

    fn read_upgraded(
        &self,
        state: &mut ConnectionState,
        into: &mut Vec<u8>,
    ) -> io::Result<Option<usize>> {
        let io = &mut state.io;
        if !io.received.is_empty() {
            // These bytes arrived with the request. Taking the vector frees its
            // memory.
            let received = std::mem::take(&mut io.received);
            into.extend_from_slice(&received);
            return Ok(Some(received.len()));
        }
        if io.broken {
            return Err(io::ErrorKind::TimedOut.into());
        }
        with_buffer(|buffer| {
            let received = io.receive(&self.socket, buffer)?;
            into.extend_from_slice(&buffer[..received.unwrap_or(0)]);
            Ok(received)
        })
    }

    /// Calls `put` if writing is still possible. True if the app should wait
    /// before it writes more.
    fn write_with(
        &self,
        put: impl FnOnce(&mut ConnectionState) -> io::Result<()>,
    ) -> io::Result<bool> {
        let mut state = self.lock();
        self.write_after_app(&mut state)?;
        if state.io.broken || !state.phase.is_with_app() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        put(&mut state).inspect_err(|_| state.io.broken = true)?;
        self.watch_blocked(&mut state)?;
        Ok(state.request.held_back)
    }

    /// If the socket does not take all output: has epoll report when it takes more, and
    /// gives the client its time for that.
    pub fn watch_blocked(&self, state: &mut ConnectionState) -> io::Result<()> {
        if state.io.output.is_blocked() {
            self.watch_writable(state)?;
            let ConnectionState { io, request, .. } = state;
            if io.deadline.is_none() {
                io.deadline = deadline_after(self.rules().send_timeout);
            }
            request.held_back = io.output.in_memory() > HIGH_WATER;
        }
        Ok(())
    }

    fn wait(
        &self,
        ready: PollFlags,
        mut enough: impl FnMut(&mut ConnectionState) -> io::Result<bool>,
    ) -> io::Result<()> {
        loop {
            let time_left = {
                let mut state = self.lock();
                if state.io.broken || enough(&mut state)? {
                    return Ok(());
                }
                let left = state.request.time_left;
                if left.is_zero() && ready == PollFlags::POLLIN {
                    // The app can still send a response.
                    state.request.body_is_late = true;
                    return Ok(());
                }
                if left.is_zero() {
                    state.io.broken = true;
                    return Err(io::ErrorKind::TimedOut.into());
                }
                left
            };
            let begin = Instant::now();
            let waiter = &self.context.waiter;
            waiter.wait(self.socket.as_fd(), ready, time_left.min(LONGEST_WAIT))?;
            let request = &mut self.lock().request;
            request.time_left = request.time_left.saturating_sub(begin.elapsed());
            if ready == PollFlags::POLLIN {
                return Ok(());
            }
        }
    }
}
