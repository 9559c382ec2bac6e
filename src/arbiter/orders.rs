//! What the master tells its status, and what it is asked to do through it.

use super::state::Arbiter;
use crate::log;
use crate::status::{Facts, Order};

impl Arbiter {
    /// Tells the status how the server is.
    pub fn publish(&self) {
        let class = &self.service.settings.workers.worker_class;
        let facts = Facts {
            name: self.service.name.clone(),
            worker_class: match self.service.hooks.own_class() {
                Some(class) => class.to_owned(),
                None => class.to_string(),
            },
            listeners: self.sockets.urls(),
            target: self.workers.target,
            is_draining: self.drain.is_on(),
            drains_to_end: self.drain.ends.is_some(),
            is_stopping: self.stopping,
            drain_delay: self.service.settings.status.drain_delay,
            is_upgrading: self.upgrade.is_some(),
            reloads: self.reloads,
            failed_reloads: self.failed_reloads,
            backlog: self.sockets.waiting(),
        };
        self.status.look(facts, |age| {
            let mut workers = self.workers.iter();
            workers
                .find(|worker| worker.age == age)
                .map(|worker| worker.phase())
        });
    }

    /// Tells the status of other settings.
    pub fn configure_status(&mut self) {
        let is_second = self.parent.is_some();
        let settings = &self.service.settings;
        if let Err(error) = self.status.configure(settings, None, is_second) {
            ::log::error!("The status stays where it was: {error:#}");
        }
    }

    /// Does what the master was asked to do.
    pub fn obey_orders(&mut self) {
        for order in self.status.take_orders() {
            match order {
                Order::SetWorkers(count) => self.set_target(count),
                Order::EndWorker(pid) => {
                    let mut workers = self.workers.iter_mut();
                    if let Some(worker) = workers.find(|it| it.pid.as_raw() == pid) {
                        worker.end(false, true);
                    }
                }
                Order::Drain(asked) => self.set_draining(asked),
                Order::SetLogLevel(level) => match log::set_level(&level) {
                    Ok(()) => ::log::info!("The log level is '{level}' from now on"),
                    Err(error) => ::log::error!("{error}"),
                },
            }
        }
    }
}
