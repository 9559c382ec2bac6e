//! The app's end of a stream.

use super::state::{StreamEnd, StreamState};
use super::{Connection, ConnectionState};
use crate::exchange::{Client, Detached, ExchangeRules, Frames, Stream};
use crate::http::{BodyError, Error, ErrorPage, HttpDate, Interim, ProxyHeader, ResponseHead};
use crate::http2::{Reason, frame_head, trailers_of};
use crate::net::{ClientCertificate, TlsFacts};
use crate::worker::network::connection::receiving::LOW_WATER;
use crate::worker::network::rules::{HIGH_WATER, deadline_after};
use nix::poll::PollFlags;
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The longest wait without a beat to the master.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// One stream of a connection, for the app.
pub struct Http2Stream {
    pub connection: Arc<Connection>,
    /// The number of the stream in its connection.
    pub id: u32,
    /// The number of the stream in the worker.
    pub key: u64,
}

impl Stream for Http2Stream {
    fn key(&self) -> u64 {
        self.key
    }

    fn client(&self) -> &Client {
        &self.connection.client
    }

    fn rules(&self) -> &ExchangeRules {
        &self.connection.rules().exchange
    }

    fn proxy_header(&self) -> Option<&ProxyHeader> {
        self.connection.proxy_header()
    }

    fn certificate(&self) -> Option<&ClientCertificate> {
        self.connection.certificate()
    }

    fn tls(&self) -> Option<&TlsFacts> {
        self.connection.tls()
    }

    fn read(&self, into: &mut Vec<u8>) -> Result<Option<usize>, BodyError> {
        let mut state = self.connection.lock();
        let stream = state.stream(self.id).ok_or_else(gone)?;
        let Some(body) = &mut stream.request.body else {
            return Ok(Some(0));
        };
        let taken = body.take(into).map_err(|error| {
            ::log::error!("A request's body cannot be read from its file: {error}");
            BodyError::Lost
        })?;
        if taken > 0 {
            let released = stream.unreleased.min(taken);
            stream.unreleased -= released;
            if released > 0 {
                stream.carrier.release(released);
                self.connection.send_soon(&mut state);
            }
            return Ok(Some(taken));
        }
        if body.has_ended() {
            return Ok(Some(0));
        }
        if let Some(error) = &stream.invalid {
            return Err(error.clone().into());
        }
        if stream.request.body_is_late {
            return Err(BodyError::TooSlow);
        }
        if stream.broken {
            return Err(match stream.hung_up {
                true => Error::UnexpectedEnd.into(),
                false => gone(),
            });
        }
        if self.connection.ask_for_stream_body(&mut state, self.id) {
            self.connection.send_soon(&mut state);
        }
        Ok(None)
    }

    fn wait_for_body(&self) -> Result<(), BodyError> {
        self.wait(|stream| stream.has_body())?;
        let mut state = self.connection.lock();
        let stream = state.stream(self.id).ok_or_else(gone)?;
        match stream.request.body_is_late {
            true => Err(BodyError::TooSlow),
            false => Ok(()),
        }
    }

    fn expect_body(&self) {
        let mut state = self.connection.lock();
        if let Some(stream) = state.stream(self.id) {
            let request = &mut stream.request;
            if request.body_deadline.is_none() && !stream.upgraded {
                request.body_deadline = deadline_after(Some(request.time_left));
            }
        }
        self.connection.context.request_check(self.connection.id);
    }

    fn count_response(&self, status: u16) {
        let mut state = self.connection.lock();
        if let Some(stream) = state.stream(self.id)
            && !std::mem::replace(&mut stream.request.counted, true)
        {
            let method = stream.request.method;
            self.connection.rules().board().answered(method, status);
        }
    }

    fn frames(&self) -> Option<&dyn Frames> {
        Some(self)
    }

    fn shared_connection(&self) -> Option<u64> {
        Some(self.connection.id.to_bits())
    }

    fn write(&self, parts: &mut [IoSlice<'_>]) -> io::Result<bool> {
        self.send_data(parts, false)
    }

    fn write_interim(&self, interim: &Interim) -> io::Result<bool> {
        self.send_with(|stream| {
            let sent = stream.carrier.interim(interim.code(), interim.fields());
            sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
        })
    }

    fn send_file(&self, file: OwnedFd, offset: u64, length: u64) -> io::Result<bool> {
        Frames::send_file(self, file, offset, length, false)
    }

    fn wait_for_room(&self) -> io::Result<()> {
        if let Some(stream) = self.connection.lock().stream(self.id) {
            // The stream's own deadline ends the wait.
            stream.request.time_left = Duration::MAX;
        }
        self.wait(|stream| stream.output.in_memory() <= LOW_WATER)?;
        let mut state = self.connection.lock();
        let stream = state.stream(self.id).ok_or(io::ErrorKind::BrokenPipe)?;
        stream.request.held_back = false;
        match stream.broken {
            true => Err(io::ErrorKind::TimedOut.into()),
            false => Ok(()),
        }
    }

    fn is_held_back(&self) -> bool {
        let mut state = self.connection.lock();
        let stream = state.stream(self.id);
        stream.is_some_and(|stream| stream.request.held_back)
    }

    fn may_stay(&self) -> bool {
        true
    }

    fn has_hung_up(&self) -> bool {
        let mut state = self.connection.lock();
        state.stream(self.id).is_none_or(|stream| stream.hung_up)
    }

    fn upgrade(&self) {
        let mut state = self.connection.lock();
        self.connection.count_upgrade(&mut state);
        if let Some(stream) = state.stream(self.id) {
            stream.upgraded = true;
            stream.request.body_deadline = None;
        }
    }

    fn detach(&self, _: bool) -> io::Result<Detached> {
        // Other requests use the socket, too.
        Err(io::ErrorKind::Unsupported.into())
    }

    fn duplicate_socket(&self) -> io::Result<OwnedFd> {
        self.connection.duplicate_socket()
    }

    fn app_has_closed(&self) {}

    fn is_detached_for_good(&self) -> bool {
        false
    }

    fn end_for_app(&self) {}

    fn refuse(&self, page: &ErrorPage) -> bool {
        let rules = self.connection.rules();
        let mut state = self.connection.lock();
        let Some(stream) = state.stream(self.id) else {
            return false;
        };
        let can_answer = !stream.request.answered && !stream.broken;
        if can_answer {
            let is_counted = std::mem::replace(&mut stream.request.counted, true);
            if !is_counted {
                let method = stream.request.method;
                rules.board().answered(method, page.status.code);
            }
            stream.answer_with(page, rules);
        } else {
            stream.cut_off(Reason::INTERNAL_ERROR);
        }
        stream.given_up = true;
        stream.wake();
        self.put_out(&mut state);
        self.connection.send_now(&mut state);
        can_answer
    }

    fn finish(&self, _keep_alive: bool) {
        let mut state = self.connection.lock();
        let Some(stream) = state.stream(self.id) else {
            return self.connection.context.request_check(self.connection.id);
        };
        stream.with_app = false;
        if stream.end.is_none() && !stream.is_ended {
            match stream.upgraded {
                true => stream.end = Some(StreamEnd::Plain),
                // The response is not complete, and the client must see that.
                false => stream.cut_off(Reason::INTERNAL_ERROR),
            }
        }
        self.put_out(&mut state);
        self.connection.count_many_bytes(&mut state);
        self.connection.stream_is_over(&mut state, self.id);
    }

    fn abort(&self) {
        let mut state = self.connection.lock();
        if let Some(stream) = state.stream(self.id) {
            stream.with_app = false;
            stream.cut_off(Reason::INTERNAL_ERROR);
        }
        self.put_out(&mut state);
        self.connection.stream_is_over(&mut state, self.id);
    }
}

impl Frames for Http2Stream {
    fn send_head(&self, head: &ResponseHead, date: HttpDate) -> io::Result<()> {
        let server = &self.connection.rules().exchange.server;
        let mut state = self.connection.lock();
        let stream = state.open_stream(self.id)?;
        stream.request.answered = true;
        stream.head = Some(frame_head(head, server, date.as_str()));
        Ok(())
    }

    fn send_data(&self, blocks: &[IoSlice<'_>], is_last: bool) -> io::Result<bool> {
        let limits = &self.connection.rules().buffer;
        self.send_with(|stream| {
            stream.request.answered = true;
            let bytes: Vec<u8> = match blocks {
                [block] => block.to_vec(),
                blocks => blocks.iter().flat_map(|it| it.iter().copied()).collect(),
            };
            stream.output.keep(bytes, limits);
            stream.end = is_last.then_some(StreamEnd::Plain);
            Ok(())
        })
    }

    fn send_file(
        &self,
        file: OwnedFd,
        offset: u64,
        length: u64,
        is_last: bool,
    ) -> io::Result<bool> {
        self.send_with(|stream| {
            stream.request.answered = true;
            stream.output.keep_file(file, offset, length);
            stream.end = is_last.then_some(StreamEnd::Plain);
            Ok(())
        })
    }

    fn send_trailers(&self, lines: &[u8]) -> io::Result<bool> {
        self.send_with(|stream| {
            stream.end = Some(match lines {
                b"" => StreamEnd::Plain,
                lines => StreamEnd::Trailers(Box::new(trailers_of(lines))),
            });
            Ok(())
        })
    }

    fn send_page(&self, page: &ErrorPage) -> io::Result<bool> {
        let rules = self.connection.rules();
        self.send_with(|stream| {
            stream.answer_with(page, rules);
            Ok(())
        })
    }
}

impl Http2Stream {
    /// Calls `put` if something can still be sent. True if the app should wait
    /// before it sends more.
    fn send_with(&self, put: impl FnOnce(&mut StreamState) -> io::Result<()>) -> io::Result<bool> {
        let mut state = self.connection.lock();
        let stream = state.open_stream(self.id)?;
        let before = stream.output.in_memory();
        put(stream)?;
        let more = stream.output.in_memory() - before;
        if let Some(http2) = &mut state.http2 {
            http2.unsent_bytes += more;
        }
        self.put_out(&mut state);
        let Some(stream) = state.stream(self.id) else {
            return Ok(false);
        };
        stream.request.held_back = stream.output.in_memory() > HIGH_WATER;
        Ok(stream.request.held_back)
    }

    /// Has what the stream has to send put out.
    fn put_out(&self, state: &mut ConnectionState) {
        if let Some(http2) = &mut state.http2 {
            http2.begin_sending(self.id);
        }
        self.connection.send_soon(state);
    }

    /// Waits until the client has done something, or its time is over.
    fn wait(&self, enough: impl Fn(&StreamState) -> bool) -> io::Result<()> {
        loop {
            let (waker, time_left) = {
                let mut state = self.connection.lock();
                let Some(stream) = state.stream(self.id) else {
                    return Ok(());
                };
                if stream.broken || stream.given_up || enough(stream) {
                    return Ok(());
                }
                if stream.request.time_left.is_zero() {
                    // The app can still send a response.
                    stream.request.body_is_late = true;
                    return Ok(());
                }
                (stream.waker()?, stream.request.time_left)
            };
            let begin = Instant::now();
            let longest = time_left.min(LONGEST_WAIT);
            let waiter = &self.connection.context.waiter;
            waiter.wait(waker.as_fd(), PollFlags::POLLIN, longest)?;
            if let Some(stream) = self.connection.lock().stream(self.id) {
                // It fails if the waker was not used.
                let _ = waker.read();
                let left = stream.request.time_left;
                stream.request.time_left = left.saturating_sub(begin.elapsed());
            }
        }
    }
}

impl StreamState {
    /// True if the next read gives something, or the end.
    fn has_body(&self) -> bool {
        let body = self.request.body.as_ref();
        body.is_none_or(|body| body.buffered() > 0 || body.has_ended()) || self.invalid.is_some()
    }

    /// What wakes a thread that waits for the client.
    fn waker(&mut self) -> io::Result<Arc<EventFd>> {
        if let Some(waker) = &self.waker {
            return Ok(Arc::clone(waker));
        }
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let waker = Arc::new(EventFd::from_flags(flags)?);
        Ok(Arc::clone(self.waker.insert(waker)))
    }
}

impl ConnectionState {
    /// The stream with this number.
    pub fn stream(&mut self, id: u32) -> Option<&mut StreamState> {
        let stream = self.http2.as_mut()?.streams.get_mut(&id)?;
        Some(&mut **stream)
    }

    /// The same, if the app can still send something on it.
    fn open_stream(&mut self, id: u32) -> io::Result<&mut StreamState> {
        let is_lost = self.io.broken;
        self.stream(id)
            .filter(|stream| !is_lost && !stream.broken && !stream.given_up)
            .ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

fn gone() -> BodyError {
    BodyError::Client(io::ErrorKind::ConnectionReset.into())
}
