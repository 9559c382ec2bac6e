//! USR2: the program is started a second time, perhaps a newer one, with the
//! sockets of this one. Both serve until this one is told to end. Then the other,
//! whose parent is gone, takes over the pid file.

use nix::unistd::{ForkResult, Pid, getppid};

use super::inheritance::Legacy;
use super::state::Arbiter;
use crate::python;

impl Arbiter {
    /// Handles USR2.
    pub fn begin_upgrade(&mut self) {
        if self.upgrade.is_some() {
            ::log::warn!("USR2 signal ignored. Child exists.");
            return;
        }
        if self.parent.is_some() {
            ::log::warn!("USR2 signal ignored. Parent exists.");
            return;
        }
        let held = self.status.hold();
        let forked = python::fork();
        drop(held);
        match forked {
            Ok(ForkResult::Parent { child }) => self.upgrade = Some(child),
            Ok(ForkResult::Child) => {
                let mut program = self.program.clone();
                let legacy = Legacy {
                    parent: Some(getppid()),
                    status: self.status.listener(),
                    ..Legacy::of(&self.sockets.listeners, self.sockets.managed)
                };
                legacy.give_to(&mut program);
                if let Err(error) = self.service.hooks.pre_exec(&self.facts()) {
                    ::log::error!("{error}");
                }
                program.replace_process();
            }
            Err(error) => ::log::error!("The new master cannot be started: {error}"),
        }
    }

    /// Takes the place of the master before this one, when that is gone.
    pub fn check_promotion(&mut self) {
        let Some(parent) = self.parent else { return };
        if getppid() == parent {
            return;
        }
        ::log::info!("Master has been promoted.");
        self.parent = None;
        self.show_title();
        // The other master's control socket is free now.
        self.configure_status();
        if let (Some(file), Some(path)) =
            (&mut self.pidfile, &self.service.settings.mechanics.pidfile)
        {
            file.rename(path);
        }
        self.notify.main_process(Pid::this());
    }
}
