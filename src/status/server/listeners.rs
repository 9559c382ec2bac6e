//! The sockets that listen: for HTTP at `status_bind`, and for commands.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::stat::Mode;
use ring::rand::{SecureRandom, SystemRandom};
use socket2::Socket;

use super::keys::Key;
use super::poller::Poller;
use super::routes::Token;
use crate::config::Settings;
use crate::net::{
    Address, ClientCertificates, Listener, ListenerOptions, Tls, TlsOptions, bind_with_retries,
};

/// The sockets that listen.
#[derive(Debug)]
pub struct Listeners {
    poller: Poller,
    status: Option<Listener>,
    tls: Option<Arc<Tls>>,
    token: Option<Token>,
    control: Vec<Listener>,
    /// The name of the control socket without a file.
    control_name: OsString,
}

impl Listeners {
    pub fn new(poller: &Poller) -> Self {
        Self {
            poller: poller.clone(),
            status: None,
            tls: None,
            token: None,
            control: Vec::new(),
            control_name: control_name(),
        }
    }

    /// Reads the files that the settings name, without a change.
    ///
    /// # Errors
    /// A file is wrong.
    pub fn check(settings: &Settings) -> Result<()> {
        tls(settings)?;
        token(settings).map(drop)
    }

    /// Listens where the settings say. `inherited` is a socket that listens at
    /// `status_bind` already.
    ///
    /// # Errors
    /// An address cannot be had, or a file is wrong. The old settings stay.
    pub fn configure(
        &mut self,
        settings: &Settings,
        inherited: Option<RawFd>,
        is_second: bool,
        tries: u32,
    ) -> Result<()> {
        let tls = tls(settings)?;
        let token = token(settings)?;
        let status = self.status_for(settings, inherited, token.is_some(), tries)?;
        let control = self.control_for(settings, is_second, tries);
        let control = control.inspect_err(|_| {
            if let Changed::To(Some(status)) = &status {
                status.unlink();
            }
        })?;
        (self.tls, self.token) = (tls, token);
        if let Changed::To(status) = status {
            if let Some(old) = self.status.take() {
                self.poller.remove(&old);
                old.unlink();
            }
            self.status = status;
            if let Some(status) = &self.status {
                self.poller.add(status, Key::StatusListener.number())?;
                ::log::info!("Status at: {}", self.url(status));
            }
        }
        if let Changed::To(control) = control {
            for old in self.control.drain(..) {
                self.poller.remove(&old);
                let stays = control.iter().any(|it| it.asked() == old.asked());
                if !stays {
                    old.unlink();
                }
            }
            self.control = control;
            for (number, listener) in self.control.iter().enumerate() {
                let key = Key::ControlListener(number as u32);
                self.poller.add(listener, key.number())?;
            }
        }
        Ok(())
    }

    fn url(&self, status: &Listener) -> String {
        match status.inet() {
            Some(address) if self.tls.is_some() => format!("https://{address}"),
            _ => status.to_string(),
        }
    }

    fn status_for(
        &self,
        settings: &Settings,
        inherited: Option<RawFd>,
        has_token: bool,
        tries: u32,
    ) -> Result<Changed<Option<Listener>>> {
        let Some(text) = &settings.status.status_bind else {
            return Ok(match self.status {
                Some(_) => Changed::To(None),
                None => Changed::No,
            });
        };
        let address = Address::parse(text)?;
        if self
            .status
            .as_ref()
            .is_some_and(|it| *it.asked() == address)
        {
            return Ok(Changed::No);
        }
        if let Some(number) = inherited
            && let Ok(listener) = Listener::inherit(number, None)
            && listener.is_at(&address)
        {
            return Ok(Changed::To(Some(listener.known_as(address))));
        }
        let options = options(settings, 0o022);
        let listener = bind_with_retries(&address, &options, tries).context("status_bind")?;
        let is_open = listener.inet().is_some_and(|it| !it.ip().is_loopback());
        if is_open && !has_token {
            ::log::warn!(
                "Anyone who reaches {listener} sees what this server does; set status_token_file, \
                 or bind it to 127.0.0.1"
            );
        }
        Ok(Changed::To(Some(listener)))
    }

    fn control_for(
        &self,
        settings: &Settings,
        is_second: bool,
        tries: u32,
    ) -> Result<Changed<Vec<Listener>>> {
        let mut wanted = Vec::new();
        if !settings.control.control_socket_disable {
            wanted.push(Address::Abstract(self.control_name.clone()));
            if let Some(path) = &settings.control.control_socket
                && !is_second
            {
                wanted.push(Address::Unix(PathBuf::from(path)));
            }
        }
        let mut known = self.control.iter().map(Listener::asked);
        if known.by_ref().eq(&wanted) {
            return Ok(Changed::No);
        }
        let mut listeners = Vec::new();
        for address in wanted {
            if let Some(open) = self.control.iter().find(|it| *it.asked() == address) {
                listeners.push(open.try_clone()?);
                continue;
            }
            let mode = settings.control.control_socket_mode;
            let options = options(settings, !mode & 0o777);
            if matches!(address, Address::Abstract(_)) {
                match Listener::bind(&address, &options) {
                    Ok(listener) => listeners.push(listener),
                    // The server serves nevertheless.
                    Err(error) => {
                        ::log::warn!("`rgunicorn ctl` will not find this server: {error}");
                    }
                }
                continue;
            }
            let listener = bind_with_retries(&address, &options, tries);
            listeners.push(listener.context("control_socket")?);
        }
        Ok(Changed::To(listeners))
    }

    /// True if there are any.
    pub fn any(&self) -> bool {
        self.status.is_some() || !self.control.is_empty()
    }

    pub fn status(&self) -> Option<&Listener> {
        self.status.as_ref()
    }

    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_deref()
    }

    pub fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// Takes no more clients at `status_bind`, or takes them again.
    pub fn pause(&self, is_wanted: bool) {
        if let Some(status) = &self.status {
            self.watch_one(status, Key::StatusListener, !is_wanted);
        }
    }

    /// Takes clients, or takes none for a while; at `status_bind` only unless it
    /// `is_paused`.
    pub fn watch(&self, is_wanted: bool, is_paused: bool) {
        if !is_paused {
            self.pause(!is_wanted);
        }
        for (number, control) in self.control.iter().enumerate() {
            self.watch_one(control, Key::ControlListener(number as u32), is_wanted);
        }
    }

    fn watch_one(&self, listener: &Listener, key: Key, is_wanted: bool) {
        match is_wanted {
            // If it fails, the clients wait until the next reload.
            true => drop(self.poller.add(listener, key.number())),
            false => self.poller.remove(listener),
        }
    }

    /// The next client that waits at `status_bind`, if there is one.
    ///
    /// # Errors
    /// The process has no descriptors left, or the like.
    pub fn accept_http(&self) -> io::Result<Option<Socket>> {
        let Some(status) = &self.status else {
            return Ok(None);
        };
        let accepted = accept(status)?;
        if let (Some(_), Some(tls)) = (&accepted, &self.tls)
            && let Err(error) = tls.refresh()
        {
            ::log::error!("{error}; the old certificates stay in use");
        }
        Ok(accepted)
    }

    /// The next client that waits at a control socket, if there is one.
    ///
    /// # Errors
    /// As above.
    pub fn accept_control(&self, number: u32) -> io::Result<Option<Socket>> {
        let control = self.control.get(number as usize);
        control.map_or(Ok(None), accept)
    }

    /// Closes them, and removes their files; but not that of `status_bind` if
    /// another master has the socket, too.
    pub fn close(&mut self, is_shared: bool) {
        if let Some(status) = self.status.take() {
            self.poller.remove(&status);
            if !is_shared {
                status.unlink();
            }
        }
        for control in self.control.drain(..) {
            self.poller.remove(&control);
            control.unlink();
        }
    }

    pub fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        let all = self.status.iter().chain(&self.control);
        all.map(|listener| listener.as_fd().as_raw_fd())
    }
}

/// What new settings change.
enum Changed<T> {
    No,
    To(T),
}

/// A name for the control socket without a file: the command `ctl` finds it by its
/// start. Nobody can take it beforehand, as its end is random.
fn control_name() -> OsString {
    let mut random = [0; 8];
    // If it fails, the name may be taken; then the log says so.
    let _ = SystemRandom::new().fill(&mut random);
    let random = u64::from_ne_bytes(random);
    let pid = std::process::id();
    format!("{}{pid}/{random:016x}", crate::control::SOCKET_PREFIX).into()
}

fn accept(listener: &Listener) -> io::Result<Option<Socket>> {
    match listener.accept() {
        Ok((socket, _)) => Ok(Some(socket)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        // The client has gone already.
        Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => Ok(None),
        Err(error) => Err(error),
    }
}

fn options(settings: &Settings, umask: u32) -> ListenerOptions {
    ListenerOptions {
        backlog: settings.socket.backlog.min(128),
        umask: Mode::from_bits_truncate(umask),
        owner: None,
        reuse_port: false,
    }
}

fn tls(settings: &Settings) -> Result<Option<Arc<Tls>>> {
    let status = &settings.status;
    let Some(certfile) = status.status_certfile.clone() else {
        ensure!(
            status.status_keyfile.is_none(),
            "status_keyfile is set and status_certfile is not; name the certificate's file"
        );
        return Ok(None);
    };
    let tls = Tls::load(TlsOptions {
        certfile,
        keyfile: status.status_keyfile.clone(),
        key_password_file: None,
        ca_certs: None,
        cert_reqs: ClientCertificates::None,
        ciphers: None,
        alpn: vec![b"http/1.1"],
    });
    Ok(Some(Arc::new(
        tls.context("status_certfile, status_keyfile")?,
    )))
}

fn token(settings: &Settings) -> Result<Option<Token>> {
    let Some(path) = &settings.status.status_token_file else {
        return Ok(None);
    };
    let name = || format!("status_token_file '{}' cannot be read", path.display());
    let text = fs::read(path).with_context(name)?;
    match text.trim_ascii() {
        b"" => bail!(
            "status_token_file '{}' is empty; write a token into it",
            path.display()
        ),
        token => Ok(Some(Token::new(token))),
    }
}
