//! The master's listening sockets, from their start to their end.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use nix::sys::stat::Mode;

use super::inheritance::Inheritance;
use crate::config::Settings;
use crate::net::{Address, BindError, Listener, ListenerOptions, bind_with_retries};

/// How many times an address that is in use is tried at the start, as in Gunicorn.
const TRIES: u32 = 5;

/// The sockets of one generation of workers.
#[derive(Debug, Default)]
pub struct Sockets {
    pub listeners: Vec<Listener>,
    /// Whether the service manager holds them, too: it decides which they are, and
    /// keeps them after this process.
    pub managed: bool,
    /// True if TLS is spoken there.
    secure: bool,
}

impl Sockets {
    /// Listens at all the addresses of the settings, unless there are sockets
    /// that listen already. A master that has executed itself again, with workers
    /// that serve, moves to other addresses if it can.
    ///
    /// # Errors
    /// An address cannot be had. The others are closed again.
    pub fn open(
        settings: &Settings,
        inheritance: &Inheritance,
        is_reexec: bool,
    ) -> Result<Self, BindError> {
        let mut listeners = Vec::new();
        let bind = settings.socket.bind.iter();
        let mut expected: Vec<_> = bind.flat_map(Address::parse).collect();
        for number in &inheritance.sockets {
            let listener = Listener::inherit(*number, None)
                .map_err(|error| inheritance.wrong_variable(error))?;
            let place = expected.iter().position(|it| listener.is_at(it));
            listeners.push(match place {
                Some(place) => listener.known_as(expected.remove(place)),
                None => listener,
            });
        }
        let sockets = Self {
            managed: inheritance.managed,
            secure: settings.ssl.certfile.is_some(),
            listeners,
        };
        if !is_reexec {
            return match sockets.listeners.is_empty() {
                true => sockets.moved(settings, TRIES),
                false => Ok(sockets),
            };
        }
        match sockets.renewed(settings) {
            Ok(moved) => {
                for listener in sockets.without(&moved) {
                    listener.turn_away();
                }
                Ok(moved)
            }
            Err(error) => {
                ::log::error!("{error}. The addresses stay as they were");
                Ok(sockets)
            }
        }
    }

    /// The sockets for other settings: those that are open and stay, and new ones.
    /// The old ones do not change.
    ///
    /// # Errors
    /// A new address cannot be had. The other new ones are closed again.
    pub fn renewed(&self, settings: &Settings) -> Result<Self, BindError> {
        self.moved(settings, 1)
    }

    fn moved(&self, settings: &Settings, tries: u32) -> Result<Self, BindError> {
        let making = making(settings);
        let mut next = Self {
            listeners: Vec::with_capacity(settings.socket.bind.len()),
            managed: self.managed,
            secure: settings.ssl.certfile.is_some(),
        };
        if self.managed {
            for listener in &self.listeners {
                next.listeners.push(listener.try_clone()?);
            }
            return Ok(next);
        }
        for text in &settings.socket.bind {
            let listener = Address::parse(text)
                .map_err(BindError::from)
                .and_then(|address| match self.find(&address) {
                    Some(listener) => Ok(listener.try_clone()?),
                    None => bind_with_retries(&address, &making, tries),
                });
            match listener {
                Ok(listener) => next.listeners.push(listener),
                Err(error) => {
                    next.unlink_except(self);
                    return Err(error);
                }
            }
        }
        Ok(next)
    }

    fn find(&self, address: &Address) -> Option<&Listener> {
        let mut all = self.listeners.iter();
        all.find(|listener| listener.asked() == address)
    }

    /// Removes the files of those sockets that are not among `others`.
    pub fn unlink_except(&self, others: &Self) {
        self.without(others).for_each(Listener::unlink);
    }

    /// Those that are not among `others`.
    pub fn without<'a>(&'a self, others: &'a Self) -> impl Iterator<Item = &'a Listener> {
        let gone = |it: &&Listener| others.find(it.asked()).is_none();
        self.listeners.iter().filter(gone)
    }

    /// The numbers of the descriptors.
    pub fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        self.listeners.iter().map(|it| it.as_fd().as_raw_fd())
    }

    /// Turns new clients away, and keeps those that wait.
    pub fn turn_away(&self) {
        self.listeners.iter().for_each(Listener::turn_away);
    }

    /// Closes those in whose queue no connection waits, also in the workers that
    /// still finish requests: new clients are refused at once.
    pub fn close_empty(&mut self) {
        self.listeners.retain(|listener| match listener.waiting() {
            Some(1..) => true,
            Some(0) => {
                listener.close_everywhere();
                false
            }
            // It has no queue that can be seen: it is a unix socket without a file.
            None => false,
        });
    }

    /// Removes the files of the sockets.
    pub fn unlink(&self) {
        self.listeners.iter().for_each(Listener::unlink);
    }

    /// How many connections wait to be accepted; nothing where no queue can be
    /// seen.
    pub fn waiting(&self) -> Option<u64> {
        let queues = self.listeners.iter().filter_map(Listener::waiting);
        queues.map(u64::from).reduce(|one, other| one + other)
    }

    /// The URLs of the sockets, and their descriptors.
    pub fn urls(&self) -> Vec<(String, RawFd)> {
        let url = |listener: &Listener| match listener.inet() {
            Some(address) if self.secure => format!("https://{address}"),
            _ => listener.to_string(),
        };
        let all = self.listeners.iter();
        all.map(|it| (url(it), it.as_fd().as_raw_fd())).collect()
    }
}

impl fmt::Display for Sockets {
    /// As in the log's line: URLs with commas between.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<_> = self.urls().into_iter().map(|(url, _)| url).collect();
        f.write_str(&urls.join(","))
    }
}

fn making(settings: &Settings) -> ListenerOptions {
    let owner = settings.owner();
    ListenerOptions {
        backlog: settings.socket.backlog,
        umask: Mode::from_bits_truncate(settings.mechanics.umask),
        owner: owner.map(|it| (it.user, it.group)),
        reuse_port: settings.mechanics.reuse_port,
    }
}
