//! How many workers there are: those that are missing are started, and those
//! that are too many are told to end.

use std::time::Instant;

use super::pidfile::Pidfile;
use super::state::Arbiter;
use super::workers::Worker;

impl Arbiter {
    /// Starts workers that are missing, and successors of those that retire. When
    /// enough workers serve, those that are too many are told to end.
    pub fn adjust_workers(&mut self) {
        self.established |= self.workers.iter().any(|worker| worker.is_serving());
        self.advance_reload();
        let (mut kept, mut retiring, mut booting) = (0, 0, 0);
        for worker in self.workers.of(self.generation) {
            match worker.heartbeat.is_retiring() {
                true => retiring += 1,
                false => kept += 1,
            }
            booting += usize::from(!worker.is_serving());
        }
        let absent = self.workers.target.saturating_sub(kept + retiring);
        // Workers that retire serve on meanwhile: their successors are started one
        // after the other, so that the processors are free for requests.
        let successors = usize::from(kept < self.workers.target && booting == 0);
        if self.backoff.until() <= Instant::now() {
            self.start_workers(absent.max(successors));
        }
        self.end_surplus();
    }

    fn start_workers(&mut self, count: usize) {
        for _ in 0..count {
            let others = self.reload.iter().flat_map(|it| it.sockets.descriptors());
            let others = others.chain(self.pidfile.as_ref().and_then(Pidfile::descriptor));
            let others: Vec<_> = others.collect();
            let started = self.workers.start(
                &self.service,
                self.generation,
                &self.sockets.listeners,
                &others,
                &self.waker,
                &self.status,
            );
            if let Err(error) = started {
                ::log::error!("A worker cannot be started: {error}.");
                self.backoff.grow();
                return;
            }
        }
    }

    /// Ends workers that are too many: those of older generations first, then
    /// those that retire, then the oldest. No worker is ended before enough others
    /// serve.
    fn end_surplus(&mut self) {
        let generation = self.generation;
        let mut serving = self
            .workers
            .iter()
            .filter(|it| it.generation <= generation && it.is_serving() && !it.is_ending())
            .count();
        let stays =
            |worker: &Worker| worker.generation == generation && !worker.heartbeat.is_retiring();
        let mut kept = self.workers.iter().filter(|it| stays(it)).count();
        let may_end_older = self.not_before <= Instant::now();
        let target = self.workers.target;
        let mut candidates: Vec<_> = self
            .workers
            .iter_mut()
            .filter(|worker| worker.generation <= generation && !worker.is_ending())
            .collect();
        candidates.sort_by_key(|worker| {
            let is_old = worker.generation < generation;
            (!is_old, !worker.heartbeat.is_retiring(), worker.age)
        });
        for worker in candidates {
            let is_old = worker.generation < generation;
            let is_enough = if worker.is_serving() {
                serving > target && (!is_old || may_end_older)
            } else {
                is_old || (kept > target && serving >= target)
            };
            if is_enough {
                serving -= usize::from(worker.is_serving());
                kept -= usize::from(stays(worker));
                worker.end(!is_old, target > 0);
            }
        }
    }
}
