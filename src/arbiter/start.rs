//! The master's start: at its end the sockets listen, and there is no worker yet.

use std::time::Instant;

use nix::unistd::Pid;

use super::backoff::Backoff;
use super::inheritance::Inheritance;
use super::metrics::Metrics;
use super::notify::Notify;
use super::pidfile::Pidfile;
use super::signals::Signals;
use super::sockets::Sockets;
use super::state::{Arbiter, Drain, pidfile_path, show_title};
use super::workers::Workers;
use crate::log;
use crate::process::Program;
use crate::service::Service;
use crate::status::Status;
use crate::worker::{Handover, MasterWaker};

impl Arbiter {
    /// Gets the sockets and the pid file. Nothing where an address cannot be had
    /// or a hook raises; the log says why.
    ///
    /// # Errors
    /// Another master runs already, or the system refuses something that this
    /// one cannot do without.
    pub fn start(
        service: Service,
        program: &'static Program,
        mut inheritance: Inheritance,
    ) -> anyhow::Result<Option<Self>> {
        let is_reexec = !inheritance.workers.is_empty();
        if !is_reexec {
            ::log::info!("Starting rgunicorn {}", env!("CARGO_PKG_VERSION"));
        }
        let signals = Signals::block()?;
        let waker = match inheritance.waker.take() {
            Some(waker) => MasterWaker::adopt(waker),
            None => MasterWaker::new()?,
        };
        let mut status = Status::new(&waker)?;
        let before = inheritance.counts.take();
        let before = before.map(|counts| status.go_on_from(counts));
        let before = before.unwrap_or_default();
        log::keep_recent();
        let handover = inheritance.handover.take().map(Handover::adopt);
        let mut workers = Workers::new(service.settings.workers.workers as usize, handover);
        if !is_reexec && !call_on_starting(&service, &mut workers) {
            return Ok(None);
        }
        let inherited = std::mem::take(&mut inheritance.workers);
        workers.adopt(inherited, &waker, &status)?;
        let is_second = inheritance.parent.is_some();
        show_title(&service.name, is_second);
        let path = pidfile_path(&service, is_second);
        let mut pidfile = None;
        if is_reexec {
            pidfile = Pidfile::moved(inheritance.pidfile.take(), path.as_deref());
        } else if let Some(path) = &path {
            Pidfile::check(path)?;
        }
        let sockets = match Sockets::open(&service.settings, &inheritance, is_reexec) {
            Ok(sockets) => sockets,
            Err(error) => {
                ::log::error!("{error}");
                pidfile.into_iter().for_each(Pidfile::remove);
                return Ok(None);
            }
        };
        // After the sockets: another server that has the address may lock no pid file,
        // and must keep its own.
        if !is_reexec && let Some(path) = path {
            let created = Pidfile::create(&path).inspect_err(|_| {
                if inheritance.sockets.is_empty() {
                    sockets.unlink();
                }
            });
            pidfile = Some(created?);
        }
        if let Err(error) = status.configure(&service.settings, inheritance.status, is_second) {
            ::log::error!("{error:#}");
            pidfile.into_iter().for_each(Pidfile::remove);
            if inheritance.sockets.is_empty() && !is_reexec {
                sockets.unlink();
            }
            return Ok(None);
        }
        let mut arbiter = Self {
            service,
            program,
            sockets,
            signals,
            waker,
            workers,
            notify: Notify::from_environment(),
            pidfile,
            parent: inheritance.parent,
            upgrade: inheritance.child,
            generation: 1,
            generations: 1,
            reload: None,
            preload_check: None,
            established: is_reexec,
            opened: Instant::now(),
            not_before: Instant::now(),
            backoff: Backoff::default(),
            drain: Drain {
                asked: before.drains,
                ends: None,
            },
            metrics: Metrics::default(),
            status,
            stopping: false,
            reloads: before.reloads + u64::from(is_reexec),
            failed_reloads: before.failed_reloads,
        };
        arbiter.announce();
        if !arbiter.call_first_hooks(is_reexec) {
            arbiter.remove_pidfile();
            return Ok(None);
        }
        Ok(Some(arbiter))
    }

    /// Tells the log and the service manager that the sockets listen.
    fn announce(&self) {
        ::log::debug!("Arbiter booted");
        ::log::info!("Listening at: {} ({})", self.sockets, Pid::this());
        let class = &self.service.settings.workers.worker_class;
        // Where the class depends on the app, the first worker logs it.
        if !class.depends_on_app() {
            let built_in = class.to_string();
            let shown = self.service.hooks.own_class().unwrap_or(&built_in);
            ::log::info!("Using worker: {shown}");
        }
        self.notify.ready("Gunicorn arbiter booted");
    }

    /// Calls the hooks of a server that is up. False if it is to end.
    fn call_first_hooks(&mut self, is_reexec: bool) -> bool {
        let (hooks, facts) = (&self.service.hooks, self.facts());
        let wanted = if is_reexec {
            let serving = self.workers.iter().filter(|it| !it.is_ending()).count();
            hooks.nworkers_changed(&facts, self.workers.target, Some(serving));
            hooks.on_reload(&facts)
        } else {
            match hooks.when_ready(&facts) {
                Ok(wanted) => wanted,
                Err(error) => {
                    ::log::error!("{error}");
                    return false;
                }
            }
        };
        if let Some(wanted) = wanted {
            self.set_target(wanted);
        }
        true
    }
}

/// Calls the hooks before a server listens. False if it is to end.
fn call_on_starting(service: &Service, workers: &mut Workers) -> bool {
    let facts = workers.facts(&[]);
    service.hooks.nworkers_changed(&facts, workers.target, None);
    match service.hooks.on_starting(&facts) {
        Ok(wanted) => workers.target = wanted.unwrap_or(workers.target),
        Err(error) => {
            ::log::error!("{error}");
            return false;
        }
    }
    true
}
