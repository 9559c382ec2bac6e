//! Makes every transition in the table of phases, over a socket pair.

use super::phase::{TRANSITIONS, TRANSITIONS_MADE};
use super::*;
use crate::config::{Setting, Settings, Value};
use crate::exchange::{Exchange, Stream};
use crate::http::{ErrorPage, ProxyMode, Status};
use crate::http2::PREFACE;
use crate::worker::network::waiter::SocketWaiter;
use crate::worker::shared::{Heartbeat, MasterWaker};
use nix::sys::epoll::{Epoll, EpollCreateFlags};
use nix::sys::eventfd::EventFd;
use socket2::{Domain, Type};
use std::io::{IoSlice, Read, Write};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";
const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: example.org\r\nContent-Length: 3\r\n\r\n";

/// A connection and its client.
struct Pair {
    connection: Arc<Connection>,
    client: Option<Socket>,
}

fn pair(proxy_protocol: ProxyMode) -> Pair {
    let mut settings = Settings::default();
    settings.mechanics.proxy_protocol = proxy_protocol;
    settings.status.health_path = Some("/up".to_owned());
    pair_with(&settings, false)
}

fn pair_with(settings: &Settings, trusted: bool) -> Pair {
    let heartbeat = Heartbeat::new(&MasterWaker::new().unwrap()).unwrap();
    let context = Context::new(
        Rules::new(settings, &heartbeat, None),
        Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap(),
        Box::new(SocketWaiter),
        EventFd::new().unwrap(),
    );
    let (client, socket) = Socket::pair(Domain::UNIX, Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    let id = ConnectionId {
        index: 0,
        generation: 0,
    };
    let peer = Client {
        ip: None,
        address: String::new(),
        port: None,
        trusted,
        may_proxy: true,
        server: None,
    };
    Pair {
        connection: Arc::new(Connection::new(id, peer, Arc::new(context), socket)),
        client: Some(client),
    }
}

fn plain() -> Pair {
    pair(ProxyMode::Off)
}

impl Pair {
    /// Advances the connection, as the reactor does after epoll has reported
    /// that it is readable.
    fn advance(&self) -> Option<Exchange> {
        let mut state = self.connection.lock();
        self.connection
            .update_readiness(&mut state, true, true, false);
        match self.connection.advance(&mut state, &mut [0; BLOCK]) {
            Progress::Request(exchange) => Some(exchange),
            Progress::Waiting | Progress::Closed => None,
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Option<Exchange> {
        self.client.as_mut().unwrap().write_all(bytes).unwrap();
        self.advance()
    }

    fn request(&mut self, bytes: &[u8]) -> Exchange {
        self.send(bytes).expect("a request for the app")
    }

    fn close(&mut self) {
        self.client = None;
        assert!(self.advance().is_none());
        assert_eq!(self.phase(), Phase::Closed);
    }

    fn phase(&self) -> Phase {
        self.connection.lock().phase
    }

    fn answer(&self, length: usize) {
        let bytes = vec![b'x'; length];
        let written = self.connection.write(&mut [IoSlice::new(&bytes)]);
        written.unwrap();
    }
}

fn a_proxy_header_comes_first() {
    let mut pair = pair(ProxyMode::Auto);
    assert_eq!(pair.phase(), Phase::Proxy);
    let header = b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\n";
    let exchange = pair.request(&[header, GET].concat());
    assert_eq!(exchange.remote(), ("192.0.2.1", Some(1000)));
    assert_eq!(pair.phase(), Phase::App);
    drop(exchange);
    assert_eq!(pair.phase(), Phase::Closed);
}

fn an_invalid_proxy_header_is_refused() {
    let mut pair = pair(ProxyMode::V1);
    assert!(pair.send(b"PROXY nonsense\r\n").is_none());
    // The response was sent; further bytes are ignored.
    assert_eq!(pair.phase(), Phase::Linger);
    pair.close();
    pair.close();
}

fn a_connection_may_end_before_its_proxy_header() {
    pair(ProxyMode::Auto).close();
}

fn a_used_connection_is_taken_over() {
    for mode in [ProxyMode::Auto, ProxyMode::Off] {
        let pair = pair(mode);
        pair.connection.take_over(&mut pair.connection.lock());
        assert_eq!(pair.phase(), Phase::Head);
    }
}

fn a_connection_may_end_before_its_request() {
    plain().close();
}

fn an_invalid_head_is_refused() {
    let mut pair = plain();
    assert!(pair.send(b"nonsense\r\n\r\n").is_none());
    assert_eq!(pair.phase(), Phase::Linger);
    let text = &mut [0; 12];
    pair.client.as_mut().unwrap().read_exact(text).unwrap();
    assert_eq!(text, b"HTTP/1.1 400");
}

fn a_probe_is_answered_and_the_connection_goes_on() {
    let mut pair = plain();
    let probe = "GET /up HTTP/1.1\r\nHost: a\r\n";
    assert!(pair.send(format!("{probe}\r\n").as_bytes()).is_none());
    assert_eq!(pair.phase(), Phase::Head);
    drop(pair.request(GET));
    let mut pair = plain();
    let last = format!("{probe}Content-Length: 3\r\n\r\nabc");
    assert!(pair.send(last.as_bytes()).is_none());
    assert_eq!(pair.phase(), Phase::Linger);
}

fn a_body_is_received_before_the_app_is_called() {
    let mut pair = plain();
    assert!(pair.send(POST).is_none());
    assert_eq!(pair.phase(), Phase::Body);
    let exchange = pair.request(b"abc");
    let mut body = Vec::new();
    assert_eq!(pair.connection.read(&mut body).unwrap(), Some(3));
    assert_eq!(body, b"abc");
    pair.answer(10);
    exchange.finish(true);
    assert_eq!(pair.phase(), Phase::Head);
}

fn an_invalid_body_is_refused() {
    let mut pair = plain();
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert!(pair.send(head).is_none());
    assert!(pair.send(b"no length\r\n").is_none());
    assert_eq!(pair.phase(), Phase::Linger);
}

fn a_client_resets_the_connection_while_it_sends_its_body() {
    let mut pair = plain();
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    assert!(pair.send(head).is_none());
    assert_eq!(pair.phase(), Phase::Body);
    // The client has not read the 100, so this is a reset.
    pair.close();
}

fn an_upgraded_connection_ends_with_its_request() {
    let mut pair = plain();
    let exchange = pair.request(GET);
    pair.connection.upgrade();
    assert_eq!(pair.phase(), Phase::Upgraded);
    exchange.finish(true);
    assert_eq!(pair.phase(), Phase::Flush);
    let mut pair = plain();
    let exchange = pair.request(GET);
    pair.connection.upgrade();
    drop(exchange);
    assert_eq!(pair.phase(), Phase::Closed);
}

fn the_app_takes_a_connection_and_gives_it_back() {
    let mut pair = plain();
    let exchange = pair.request(GET);
    let detached = pair.connection.detach(false).unwrap();
    assert!(detached.is_clients);
    assert_eq!(pair.phase(), Phase::Detached);
    exchange.finish(true);
    assert_eq!(pair.phase(), Phase::Flush);
    let mut pair = plain();
    let exchange = pair.request(GET);
    pair.connection.detach(true).unwrap();
    drop(exchange);
    assert_eq!(pair.phase(), Phase::Closed);
}

fn a_connection_that_cannot_be_taken_back_ends() {
    let mut pair = plain();
    let exchange = pair.request(&[GET, b"more"].concat());
    assert!(!pair.connection.detach(false).unwrap().is_clients);
    let end = {
        let state = pair.connection.lock();
        let pair = state.detached.as_ref().unwrap().pair.as_ref();
        pair.unwrap().end.try_clone().unwrap()
    };
    let _ = pair
        .connection
        .context
        .relay
        .forget([&pair.connection.socket, &end]);
    exchange.finish(true);
    assert_eq!(pair.phase(), Phase::Flush);
}

fn an_answer_is_sent_as_the_client_takes_it() {
    let mut pair = plain();
    let exchange = pair.request(GET);
    let length = 4 << 20;
    pair.answer(length);
    exchange.finish(true);
    assert_eq!(pair.phase(), Phase::Flush);
    let (mut left, mut block) = (length, vec![0; BLOCK]);
    while left > 0 {
        left -= pair.client.as_mut().unwrap().read(&mut block).unwrap();
        assert!(pair.advance().is_none());
    }
    assert_eq!(pair.phase(), Phase::Head);
}

fn a_connection_that_does_not_stay_ends_after_its_answer() {
    let mut pair = plain();
    let exchange = pair.request(GET);
    pair.answer(10);
    exchange.finish(false);
    assert_eq!(pair.phase(), Phase::Flush);
    let mut state = pair.connection.lock();
    // Nothing else has arrived from the client.
    state.io.readable = false;
    pair.connection.advance(&mut state, &mut [0; BLOCK]);
    assert_eq!(state.phase, Phase::Closed);
}

fn a_connection_may_carry_http_2() {
    let mut settings = Settings::default();
    let cleartext = Setting::named("http2_cleartext").unwrap();
    settings.set(cleartext, Value::Bool(true)).unwrap();
    let begin = || {
        let mut pair = pair_with(&settings, true);
        assert!(pair.send(PREFACE).is_none());
        assert_eq!(pair.phase(), Phase::Http2);
        pair
    };
    begin().close();
    // The client's first frame is not SETTINGS.
    let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    let mut pair = begin();
    assert!(pair.send(&ping).is_none());
    assert_eq!(pair.phase(), Phase::Linger);
}

#[test]
fn every_transition_of_the_table_is_made_and_no_other() {
    a_proxy_header_comes_first();
    an_invalid_proxy_header_is_refused();
    a_connection_may_end_before_its_proxy_header();
    a_used_connection_is_taken_over();
    a_connection_may_end_before_its_request();
    an_invalid_head_is_refused();
    a_probe_is_answered_and_the_connection_goes_on();
    a_body_is_received_before_the_app_is_called();
    an_invalid_body_is_refused();
    a_client_resets_the_connection_while_it_sends_its_body();
    an_upgraded_connection_ends_with_its_request();
    the_app_takes_a_connection_and_gives_it_back();
    a_connection_that_cannot_be_taken_back_ends();
    an_answer_is_sent_as_the_client_takes_it();
    a_connection_that_does_not_stay_ends_after_its_answer();
    a_connection_may_carry_http_2();
    let made = TRANSITIONS_MADE.take();
    for transition in TRANSITIONS {
        assert!(made.contains(&transition), "{transition:?} is not made");
    }
}

/// The transitions as a diagram (mermaid), one line for each pair of phases.
fn diagram() -> String {
    let mut lines: Vec<(String, Vec<String>)> = Vec::new();
    for (from, event, next) in TRANSITIONS.iter().filter(|it| it.0 != Phase::Closed) {
        let arrow = format!("    {from:?} --> {next:?}: ");
        let event = format!("{event:?}");
        match lines.iter_mut().find(|line| line.0 == arrow) {
            Some((_, events)) => events.push(event),
            None => lines.push((arrow, vec![event])),
        }
    }
    let lines = lines
        .iter()
        .map(|(arrow, it)| arrow.clone() + &it.join(", ") + "\n");
    let lines: String = lines.collect();
    format!("\n```mermaid\nstateDiagram-v2\n{lines}```\n")
}

#[test]
fn the_diagram_in_the_documents_is_the_table() {
    const MARKS: [&str; 2] = ["<!-- phases:start -->", "<!-- phases:end -->"];
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/architecture.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once(MARKS[0]).unwrap();
    let (old, after) = rest.split_once(MARKS[1]).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let page = [before, MARKS[0], &diagram(), MARKS[1], after].concat();
        return std::fs::write(path, page).unwrap();
    }
    assert_eq!(old, diagram(), "to be made anew with UPDATE_DOCS=1");
}

#[test]
fn a_request_that_was_given_up_is_counted_once() {
    let mut pair = plain();
    let exchange = pair.request(GET);
    let page = ErrorPage::new(Status::GATEWAY_TIMEOUT, "too late", "", false, &[]);
    assert!(Stream::refuse(&*pair.connection, &page));
    // The app answers nevertheless.
    pair.connection.count_response(200);
    let counters = pair.connection.rules().board().counters();
    assert_eq!(counters.requests[0], [0, 0, 0, 0, 1, 0]);
    drop(exchange);
}
