//! HUP: a new generation is tried while the old one serves.
//!
//! The settings are read again, new addresses are bound, and one worker of the
//! new generation is started, then the others. The old generation is told to end
//! when all of them serve. If anything goes wrong before that, the new one is
//! dropped, and the old one serves on.

use std::time::Instant;

use super::state::{Arbiter, Reload, TURN_AWAY};
use super::workers::WorkerExit;
use crate::status::Status;

impl Arbiter {
    /// Handles HUP.
    pub fn begin_reload(&mut self) {
        ::log::info!("Hang up: Master");
        self.notify.reloading();
        self.drop_reload();
        if self.service.settings.mechanics.preload_app {
            return self.check_preload();
        }
        let service = match self.service.reload() {
            Ok(service) => service,
            Err(error) => return self.report_failed_reload(&format!("{error:#}")),
        };
        if let Err(error) = Status::check(&service.settings) {
            return self.report_failed_reload(&format!("{error:#}"));
        }
        if service.settings.mechanics.preload_app {
            // Only a fresh process can load it for all.
            return self.check_preload();
        }
        match self.sockets.renewed(&service.settings) {
            Ok(sockets) => {
                let mut facts = self.workers.facts(&sockets.listeners);
                facts.workers = service.settings.workers.workers as usize;
                let hooks = &service.hooks;
                hooks.nworkers_changed(&facts, facts.workers, Some(self.workers.target));
                let target = hooks.on_reload(&facts).unwrap_or(facts.workers);
                self.generations += 1;
                self.reload = Some(Reload {
                    generation: self.generations,
                    service,
                    target,
                    sockets,
                });
            }
            Err(error) => self.report_failed_reload(&error.to_string()),
        }
    }

    /// Takes the next step of a reload, if there is one.
    pub fn advance_reload(&mut self) {
        let Some(reload) = &self.reload else { return };
        let generation = reload.generation;
        let target = reload.target;
        let (mut started, mut serving) = (0, 0);
        for worker in self.workers.of(generation) {
            started += 1;
            serving += usize::from(worker.is_serving());
        }
        if started < target && started == serving {
            // First one, to see whether it comes up, then the others.
            let count = if started == 0 { 1 } else { target - started };
            for _ in 0..count {
                let result = self.workers.start(
                    &reload.service,
                    generation,
                    &reload.sockets.listeners,
                    &self.sockets.descriptors().collect::<Vec<_>>(),
                    &self.waker,
                    &self.status,
                );
                if let Err(error) = result {
                    self.fail_reload(&format!("a worker cannot be started: {error}"));
                    return;
                }
            }
        } else if serving >= target {
            self.commit_reload();
        }
    }

    /// All of the new generation serve: the old one ends.
    fn commit_reload(&mut self) {
        let Some(reload) = self.reload.take() else {
            return;
        };
        let moved = reload.sockets.without(&self.sockets).next().is_some();
        let mut left = false;
        for listener in self.sockets.without(&reload.sockets) {
            listener.turn_away();
            left = true;
        }
        self.reloads += 1;
        self.service = reload.service;
        self.configure_status();
        self.sockets = reload.sockets;
        self.generation = reload.generation;
        self.workers.target = reload.target;
        self.backoff.reset();
        self.write_pidfile();
        self.show_title();
        self.notify.ready("Reloaded");
        if left {
            self.not_before = Instant::now() + TURN_AWAY;
        } else {
            // All sockets stay, so the new workers accept the clients that wait there.
            let generation = self.generation;
            let older = self.workers.iter().filter(|it| it.generation < generation);
            older.for_each(|worker| worker.heartbeat.leave_queue());
        }
        if moved || left {
            ::log::info!("Listening at: {}", self.sockets);
        }
    }

    /// True if the worker was of the generation that is being tried; the reload has
    /// failed then.
    pub fn reload_worker_exited(&mut self, exit: WorkerExit) -> bool {
        if self.reload.as_ref().map(|it| it.generation) != Some(exit.generation) {
            // A worker of a reload that has failed before.
            return exit.generation > self.generation;
        }
        let how = match exit.code {
            Some(code) => format!("exited with code {code}"),
            None => "was ended by a signal".to_owned(),
        };
        let when = if exit.served { "" } else { " before it served" };
        self.fail_reload(&format!("the new worker (pid:{}) {how}{when}", exit.pid));
        true
    }

    fn fail_reload(&mut self, reason: &str) {
        self.drop_reload();
        self.report_failed_reload(reason);
    }

    /// Ends the workers of the generation that is being tried.
    pub fn drop_reload(&mut self) {
        let Some(reload) = self.reload.take() else {
            return;
        };
        reload.sockets.unlink_except(&self.sockets);
        for worker in self.workers.iter_mut() {
            if worker.generation > self.generation && !worker.is_ending() {
                // Nobody else listens at its new addresses.
                worker.end(false, true);
            }
        }
    }

    pub fn report_failed_reload(&mut self, reason: &str) {
        self.failed_reloads += 1;
        ::log::error!("Reload failed, the old workers go on serving: {reason}");
        self.notify.ready("Reload failed, serving as before");
        if let Err(error) = self.service.enter() {
            ::log::error!("{error:#}");
        }
    }
}
