//! USR2: the program is started a second time, perhaps a newer one, with the
//! sockets of this one. Both serve until this one is told to end; then the
//! other, which sees its parent go, takes over the pid file.

use nix::sys::signal::SigSet;
use nix::unistd::{ForkResult, Pid, getppid};

use super::inheritance::leave_open;
use super::{Master, Service};
use crate::process::Program;
use crate::process::exit_code::{NOT_EXECUTED, exit_now};
use crate::python;

impl<S: Service> Master<'_, S> {
    /// Answers to USR2.
    pub(super) fn begin_upgrade(&mut self) {
        if self.upgrade.is_some() {
            ::log::warn!("USR2 signal ignored. Child exists.");
            return;
        }
        if self.parent.is_some() {
            ::log::warn!("USR2 signal ignored. Parent exists.");
            return;
        }
        match python::fork() {
            Ok(ForkResult::Parent { child }) => self.upgrade = Some(child),
            Ok(ForkResult::Child) => {
                let mut program = self.successor();
                let parent = getppid().to_string();
                program
                    .environment
                    .insert("GUNICORN_PID".into(), parent.into());
                if let Err(error) = self.service.hooks().pre_exec(&self.facts()) {
                    ::log::error!("{error}");
                }
                become_program(&program);
            }
            Err(error) => ::log::error!("The new master cannot be started: {error}"),
        }
    }

    /// The program as it is to be started next, with the sockets of this
    /// process left open for it.
    pub(super) fn successor(&self) -> Program {
        let mut program = self.program.clone();
        for listener in &self.sockets.listeners {
            leave_open(listener, true);
        }
        let numbers: Vec<_> = self
            .sockets
            .descriptors()
            .map(|it| it.to_string())
            .collect();
        let mut leave = |name: &str, value: String| {
            program.environment.insert(name.into(), value.into());
        };
        leave("GUNICORN_FD", numbers.join(","));
        if self.sockets.managed {
            leave("RGUNICORN_LENT", "1".to_owned());
        }
        program
    }

    /// Notices when the master before us is gone, and takes its place.
    pub(super) fn check_promotion(&mut self) {
        let Some(parent) = self.parent else { return };
        if getppid() == parent {
            return;
        }
        ::log::info!("Master has been promoted.");
        self.parent = None;
        self.show_title();
        if let (Some(file), Some(path)) = (
            &mut self.pidfile,
            &self.service.settings().mechanics.pidfile,
        ) {
            file.rename(path);
        }
        self.notify.main_process(Pid::this());
    }
}

/// In a child: becomes the program, with all signals let through.
pub(super) fn become_program(program: &Program) -> ! {
    let _ = SigSet::all().thread_unblock();
    let error = program.execute();
    ::log::error!("{} cannot be executed: {error}", program.file.display());
    exit_now(NOT_EXECUTED)
}
