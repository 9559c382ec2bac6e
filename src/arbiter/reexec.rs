//! HUP with `preload_app`: the app is loaded in the master, and an interpreter
//! cannot load it twice. So the master executes itself again: its process, its
//! children and its sockets stay, and the program starts again.
//!
//! Before that, a child does the same and loads the app, to see whether it
//! can be loaded at all; if it cannot, nothing changes.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::WaitStatus;
use nix::unistd::{ForkResult, dup2_stderr};

use super::inheritance::{Inheritance, Legacy};
use super::pidfile::Pidfile;
use super::signals::Signals;
use super::state::{Arbiter, PreloadCheck, limit};
use super::workers::Worker;
use crate::process::Program;
use crate::python;
use crate::worker::{Handover, MasterWaker};

/// The pause before the app is loaded once more, if it has loaded in a child but
/// not in the master.
const PAUSE: Duration = Duration::from_secs(2);

/// For a master that has executed itself again and then cannot load the app: its
/// workers go on serving, and it executes itself again after a pause. Returns only
/// if the master ends, with the reason.
pub fn retry_reexec(
    program: &Program,
    inheritance: &Inheritance,
    error: anyhow::Error,
) -> anyhow::Error {
    ::log::error!("The old workers go on serving and cannot be replaced for now: {error:#}");
    let wait = || Signals::block()?.wait(PAUSE, &MasterWaker::new()?);
    let signals = wait().unwrap_or_default();
    let ends = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT];
    if let Some(signal) = signals.into_iter().find(|it| ends.contains(it)) {
        for worker in &inheritance.workers {
            let _ = kill(worker.pid, signal);
        }
        return error.context(format!("{signal} has ended the master, which had no app"));
    }
    let mut program = program.clone();
    inheritance.legacy().give_to(&mut program);
    anyhow::Error::from(program.execute()).context("The program cannot be executed")
}

impl Arbiter {
    /// Starts a child that loads the app, in place of one that does already.
    pub fn check_preload(&mut self) {
        self.drop_preload_check();
        let output = memfd_create("preload check", MFdFlags::MFD_CLOEXEC)
            .ok()
            .map(File::from);
        let held = self.status.hold();
        let forked = python::fork();
        drop(held);
        match forked {
            Ok(ForkResult::Parent { child: pid }) => {
                let started = Instant::now();
                self.preload_check = Some(PreloadCheck {
                    pid,
                    output,
                    started,
                });
            }
            Ok(ForkResult::Child) => {
                let mut program = self.program.clone();
                program.words.insert(1, "--check-config".into());
                if let Some(output) = output {
                    let _ = dup2_stderr(output);
                }
                program.replace_process()
            }
            Err(error) => self.report_failed_reload(&format!("no process can be started: {error}")),
        }
    }

    pub fn drop_preload_check(&mut self) {
        if let Some(preload_check) = self.preload_check.take() {
            let _ = kill(preload_check.pid, Signal::SIGKILL);
        }
    }

    /// Ends the child that tries to load the app, if it takes too long.
    pub fn watch_preload_check(&mut self) {
        let Some(limit) = limit(self.service.settings.limits.boot_timeout) else {
            return;
        };
        let is_late = |it: &PreloadCheck| it.started.elapsed() > limit;
        if self.preload_check.as_ref().is_some_and(is_late) {
            self.drop_preload_check();
            let limit = limit.as_secs();
            self.report_failed_reload(&format!(
                "the app has not loaded within {limit} s (boot_timeout)"
            ));
        }
    }

    /// Decides what the end of that child means: if it has loaded the app, the
    /// master executes itself again.
    pub fn end_preload_check(&mut self, mut preload_check: PreloadCheck, status: WaitStatus) {
        if matches!(status, WaitStatus::Exited(_, 0)) {
            let error = self.reexec();
            return self.report_failed_reload(&format!("the program cannot be executed: {error}"));
        }
        let mut said = String::new();
        if let Some(output) = &mut preload_check.output {
            // It is for people: a part of it is better than nothing.
            let _ = output
                .rewind()
                .and_then(|()| output.read_to_string(&mut said));
        }
        match said.trim() {
            "" => self.report_failed_reload(&format!("loading the app has failed: {status:?}")),
            said => self.report_failed_reload(said),
        }
    }

    /// Executes the program again, and leaves it all that this process has. Returns
    /// only an error.
    fn reexec(&self) -> std::io::Error {
        let mut program = self.program.clone();
        let counts = self.status.counts();
        let legacy = Legacy {
            status: self.status.listener(),
            counts: counts.as_ref().map(AsFd::as_fd),
            parent: self.parent,
            child: self.upgrade,
            workers: self.workers.iter().map(Worker::left).collect(),
            waker: Some(self.waker.as_fd()),
            handover: self.workers.handover().map(Handover::ends),
            pidfile: self.pidfile.as_ref().map(Pidfile::path),
            ..Legacy::of(&self.sockets.listeners, self.sockets.managed)
        };
        legacy.give_to(&mut program);
        let error = program.execute();
        legacy.take_back();
        error
    }
}
