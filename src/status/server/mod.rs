//! The server of the status listener and of the control sockets.

mod channels;
mod commands;
mod control;
mod http;
mod keys;
mod listeners;
mod poller;
mod routes;

pub use poller::Poller;

use std::collections::HashMap;
use std::env;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::unistd::close;
use serde_json::{Value, json};

use super::metrics::Metrics;
use super::order::Orders;
use super::page;
use super::view::View;
use crate::config::Settings;
use crate::control::Reply;
use channels::{Asker, Channels, Gathered};
use commands::{Outcome, Question};
use control::ControlClient;
use http::{Answer, HttpClient};
use keys::Key;
use listeners::Listeners;
use routes::Route;

/// The most clients of the HTTP listener at a time. One more takes the place of
/// the one that has asked for nothing for the longest time.
const MOST_HTTP: usize = 64;

/// The most clients of the control sockets.
const MOST_CONTROL: usize = 16;

/// How many connections are accepted at once.
const ACCEPTS: usize = 16;

/// How many requests of a client are answered at once. More may wait in its
/// buffer: then the others come first.
const MOST_REQUESTS: u32 = 16;

/// How long nobody is accepted after an error.
const REST: Duration = Duration::from_millis(200);

/// The time between two events.
const EVENT_PAUSE: Duration = Duration::from_secs(1);

/// The listeners and their clients.
#[derive(Debug)]
pub struct Server {
    poller: Poller,
    listeners: Listeners,
    clients: HashMap<Key, Client>,
    channels: Channels,
    metrics: Metrics,
    /// All settings, for `show config`.
    config: Value,
    /// The number of the next client.
    next: u32,
    /// When events are sent next.
    next_event: Option<Instant>,
    /// Another master answers in place of this one.
    is_paused: bool,
    /// Until then nobody is accepted.
    rests_until: Option<Instant>,
    /// Clients that have sent more requests than were answered at once.
    again: Vec<Key>,
}

#[derive(Debug)]
enum Client {
    Http(HttpClient),
    Control(ControlClient),
}

impl Server {
    pub fn new(poller: &Poller) -> Self {
        Self {
            poller: poller.clone(),
            listeners: Listeners::new(poller),
            clients: HashMap::new(),
            channels: Channels::new(poller),
            metrics: Metrics::default(),
            config: Value::Null,
            next: 0,
            next_event: None,
            is_paused: false,
            rests_until: None,
            again: Vec::new(),
        }
    }

    /// Takes new settings, and listens where they say.
    ///
    /// # Errors
    /// An address cannot be had, or a file is wrong. It listens where it did
    /// before, with the old certificates and the old token.
    pub fn configure(
        &mut self,
        settings: &Settings,
        inherited: Option<RawFd>,
        is_second: bool,
        tries: u32,
    ) -> anyhow::Result<()> {
        self.config = super::settings::all(settings);
        self.metrics.configure(|name| variable(settings, name));
        self.listeners
            .configure(settings, inherited, is_second, tries)
    }

    /// Reads the files that the settings name, without a change.
    ///
    /// # Errors
    /// A file is wrong.
    pub fn check(settings: &Settings) -> anyhow::Result<()> {
        Listeners::check(settings)
    }

    /// True if it listens anywhere.
    pub fn listens(&self) -> bool {
        self.listeners.any()
    }

    /// The descriptor of the socket that listens at `status_bind`.
    pub fn listener(&self) -> Option<RawFd> {
        self.listeners.status().map(|it| it.as_fd().as_raw_fd())
    }

    /// Accepts no more clients at `status_bind`, or accepts them again.
    pub fn pause(&mut self, is_wanted: bool) {
        if self.is_paused != is_wanted {
            self.is_paused = is_wanted;
            self.listeners.pause(is_wanted);
        }
    }

    pub fn add_worker(&mut self, pid: i32, channel: UnixStream) {
        self.channels.add(pid, channel);
    }

    pub fn remove_worker(&mut self, pid: i32) {
        self.channels.remove(pid);
        if self.listeners.status().is_some() {
            self.metrics.worker_ended(pid);
        }
    }

    /// Closes the listeners, and removes their files, as
    /// [`Status::close`](crate::status::Status::close) says.
    pub fn close(&mut self, is_shared: bool) {
        self.listeners.close(is_shared);
    }

    pub fn drop_clients(&mut self) {
        self.clients.clear();
    }

    /// Closes all descriptors in a child process, where nothing else uses them.
    pub fn close_in_child(&self) {
        let clients = self.clients.values().map(|it| it.as_fd().as_raw_fd());
        let all = clients
            .chain(self.listeners.descriptors())
            .chain(self.channels.descriptors())
            .chain([self.poller.descriptor()]);
        for descriptor in all {
            // It is open: the master has it.
            let _ = close(descriptor);
        }
    }

    /// Handles the sockets that are ready, and what is due. Gives when the next
    /// thing is due.
    pub fn turn(
        &mut self,
        ready: impl Iterator<Item = u64>,
        view: &View,
        orders: &mut Orders,
    ) -> Option<Instant> {
        for key in std::mem::take(&mut self.again) {
            self.advance(key, view, orders);
        }
        for number in ready {
            match Key::from_number(number) {
                Key::StatusListener => self.accept_http(view, orders),
                Key::ControlListener(number) => self.accept_control(number, view, orders),
                Key::Worker(pid) => self.channels.read(pid),
                key @ Key::Client(_) => self.advance(key, view, orders),
            }
        }
        let now = Instant::now();
        if self.rests_until.take_if(|until| *until <= now).is_some() {
            self.listeners.watch(true, self.is_paused);
        }
        for gathered in self.channels.take_gathered(now) {
            self.answer_gathered(gathered, view, orders);
        }
        self.send_events(now, view);
        self.clients.retain(|_, client| client.deadline() > now);
        let deadlines = self.clients.values().map(Client::deadline);
        let again = (!self.again.is_empty()).then_some(now);
        let others = [
            self.channels.deadline(),
            self.next_event,
            self.rests_until,
            again,
        ];
        let others = others.into_iter().flatten();
        deadlines.chain(others).min()
    }

    fn accept_http(&mut self, view: &View, orders: &mut Orders) {
        for _ in 0..ACCEPTS {
            let socket = match self.listeners.accept_http() {
                Ok(Some(socket)) => socket,
                Ok(None) => return,
                Err(error) => return self.rest(&error),
            };
            self.make_room();
            match HttpClient::new(socket, self.listeners.tls()) {
                Ok(client) => self.add(Client::Http(client), view, orders),
                Err(error) => ::log::debug!("A status client cannot be served: {error}"),
            }
        }
    }

    fn accept_control(&mut self, number: u32, view: &View, orders: &mut Orders) {
        for _ in 0..ACCEPTS {
            let socket = match self.listeners.accept_control(number) {
                Ok(Some(socket)) => socket,
                Ok(None) => return,
                Err(error) => return self.rest(&error),
            };
            let is_control = |client: &&Client| matches!(client, Client::Control(_));
            if self.clients.values().filter(is_control).count() >= MOST_CONTROL {
                continue;
            }
            match ControlClient::new(socket) {
                Ok(client) => self.add(Client::Control(client), view, orders),
                // Any user may do that at any time.
                Err(error) => ::log::debug!("A control client is turned away: {error}"),
            }
        }
    }

    /// Accepts nobody for a while: there may be no descriptors left, and the
    /// poller would report the clients all the time.
    fn rest(&mut self, error: &io::Error) {
        ::log::error!("No status client can be accepted: {error}");
        self.listeners.watch(false, self.is_paused);
        self.rests_until = Some(Instant::now() + REST);
    }

    fn add(&mut self, client: Client, view: &View, orders: &mut Orders) {
        let key = Key::Client(self.next);
        self.next = self.next.wrapping_add(1);
        if self.poller.add(&client, key.number()).is_ok() {
            self.clients.insert(key, client);
            // It may have sent its request already.
            self.advance(key, view, orders);
        }
    }

    /// Closes the HTTP client that has asked for nothing for the longest time,
    /// if there are too many; if all have asked for something, the oldest.
    fn make_room(&mut self) {
        let http = self
            .clients
            .iter()
            .filter_map(|(key, client)| match client {
                Client::Http(http) => Some((*key, http)),
                Client::Control(_) => None,
            });
        if http.clone().count() < MOST_HTTP {
            return;
        }
        let first = http.min_by_key(|(_, http)| (!http.is_idle(), http.deadline()));
        if let Some((key, _)) = first {
            self.clients.remove(&key);
        }
    }

    fn advance(&mut self, key: Key, view: &View, orders: &mut Orders) {
        match self.clients.get_mut(&key) {
            Some(Client::Http(_)) => self.advance_http(key, view, orders),
            Some(Client::Control(_)) => self.advance_control(key, view, orders),
            None => {}
        }
        self.watch(key);
    }

    fn advance_http(&mut self, key: Key, view: &View, orders: &mut Orders) {
        for _ in 0..MOST_REQUESTS {
            let Some(Client::Http(client)) = self.clients.get_mut(&key) else {
                return;
            };
            let head = match client.advance() {
                http::Progress::Waiting => {
                    if client.has_more {
                        self.again.push(key);
                    }
                    return;
                }
                http::Progress::Request(head) => head,
                http::Progress::Closed => {
                    self.clients.remove(&key);
                    return;
                }
            };
            if self.is_paused {
                client.close_after_this();
            }
            match routes::route(&head, view, self.listeners.token(), orders) {
                Route::Answer(answer) => client.answer(&answer),
                Route::Metrics(format) => {
                    let text = self.metrics.text(&view.report(), format);
                    let answer = Answer::new(200, format.content_type(), text.into_bytes());
                    client.answer(&answer.with("Cache-Control", "no-store"));
                }
                Route::Events => {
                    client.answer_with_events();
                    client.send_event(&event(view));
                    self.next_event.get_or_insert(Instant::now() + EVENT_PAUSE);
                }
                Route::Stacks(pid) => {
                    let asker = Asker {
                        client: key,
                        id: json!(pid),
                    };
                    self.ask(asker, commands::stacks(vec![pid]));
                    return;
                }
            }
        }
        self.again.push(key);
    }

    fn advance_control(&mut self, key: Key, view: &View, orders: &mut Orders) {
        let Some(Client::Control(client)) = self.clients.get_mut(&key) else {
            return;
        };
        let requests = match client.advance() {
            control::Progress::Requests(requests) => requests,
            control::Progress::Closed => {
                self.clients.remove(&key);
                return;
            }
        };
        for request in requests {
            match commands::run(&request, view, &self.config, orders) {
                Outcome::Now(result) => {
                    let id = request.id;
                    if let Some(Client::Control(client)) = self.clients.get_mut(&key) {
                        client.reply(&Reply { id, result });
                    }
                }
                Outcome::Ask(question) => {
                    let asker = Asker {
                        client: key,
                        id: request.id,
                    };
                    self.ask(asker, question);
                }
            }
        }
    }

    fn ask(&mut self, asker: Asker, question: Question) {
        let deadline = Instant::now() + question.limit;
        match self.clients.get_mut(&asker.client) {
            Some(Client::Http(client)) => client.wait_until(deadline),
            Some(Client::Control(client)) => client.wait_until(deadline),
            None => return,
        }
        let Question {
            pids,
            command,
            args,
            limit,
        } = question;
        self.channels.ask(&pids, asker, command, &args, limit);
    }

    fn answer_gathered(&mut self, gathered: Gathered, view: &View, orders: &mut Orders) {
        let Gathered { asker, workers } = gathered;
        match self.clients.get_mut(&asker.client) {
            Some(Client::Http(client)) => {
                // Only the page of one worker's stacks asks so.
                let pid = asker.id.as_i64().unwrap_or_default() as i32;
                let answer = workers.get(&pid.to_string()).unwrap_or(&Value::Null);
                let page = routes::html(page::stacks(pid, answer));
                client.answer(&page.with("Cache-Control", "no-store"));
            }
            Some(Client::Control(client)) => client.reply(&Reply {
                id: asker.id,
                result: Ok(json!({ "workers": workers })),
            }),
            // It has gone.
            None => return,
        }
        self.advance(asker.client, view, orders);
    }

    /// Sends the present state to those that asked for events.
    fn send_events(&mut self, now: Instant, view: &View) {
        if self.next_event.is_none_or(|next| next > now) {
            return;
        }
        let mut event_text = None;
        let mut keys = Vec::new();
        for (key, client) in &mut self.clients {
            if let Client::Http(client) = client
                && client.gets_events()
            {
                client.send_event(event_text.get_or_insert_with(|| event(view)));
                keys.push(*key);
            }
        }
        self.next_event = (!keys.is_empty()).then(|| now + EVENT_PAUSE);
        for key in keys {
            if let Some(Client::Http(client)) = self.clients.get_mut(&key)
                && matches!(client.advance(), http::Progress::Closed)
            {
                self.clients.remove(&key);
            }
            self.watch(key);
        }
    }

    /// Lets the poller also report when a client can be written to, while there
    /// is something to send.
    fn watch(&mut self, key: Key) {
        let Some(client) = self.clients.get_mut(&key) else {
            return;
        };
        let is_wanted = client.has_unsent();
        if std::mem::replace(client.watches_writable(), is_wanted) == is_wanted {
            return;
        }
        let watched = self.poller.watch_writable(client, key.number(), is_wanted);
        if watched.is_err() {
            self.clients.remove(&key);
        }
    }
}

impl Client {
    fn deadline(&self) -> Instant {
        match self {
            Self::Http(client) => client.deadline(),
            Self::Control(client) => client.deadline(),
        }
    }

    /// True while bytes wait for the socket.
    fn has_unsent(&self) -> bool {
        match self {
            Self::Http(client) => client.has_unsent(),
            Self::Control(client) => client.has_unsent(),
        }
    }

    /// Whether the poller also reports when it can be written to.
    fn watches_writable(&mut self) -> &mut bool {
        match self {
            Self::Http(client) => &mut client.watches_writable,
            Self::Control(client) => &mut client.watches_writable,
        }
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Http(client) => client.socket().as_fd(),
            Self::Control(client) => client.as_fd(),
        }
    }
}

/// A variable in the environment of the app.
fn variable(settings: &Settings, name: &str) -> Option<OsString> {
    let own = settings.variables().filter(|(other, _)| *other == name);
    let own = own.last().map(|(_, value)| value.to_owned());
    own.or_else(|| env::var_os(name))
}

/// The present state as a server-sent event.
fn event(view: &View) -> Vec<u8> {
    let mut event = b"event: report\ndata: ".to_vec();
    // The report has no line ends: they are escaped in JSON.
    let written = serde_json::to_writer(&mut event, &view.report());
    if let Err(error) = written {
        ::log::error!("The status cannot be written: {error}");
    }
    event.extend_from_slice(b"\n\n");
    event
}
