//! Steps that run as jobs on the host: what each is given, and what becomes of the host's dead man.

use std::time::Duration;

use tokio::time::Instant;

use super::{Ended, STASH_WAIT, Task, Worked, known, steps_of};
use crate::core::event::Step;
use crate::core::findings::{Fate, StepReport, StepResult};
use crate::core::host::STASH_TRIES;
use crate::core::ids::JobId;
use crate::core::problem::{ErrorKind, Problem};
use crate::core::site::anchor;
use crate::playbook::Playbook;
use crate::ports::{Arm, Claim, DeadMan, Job, JobEnd, Script};

impl Task {
    pub(super) async fn job(&self, id: JobId) -> Worked {
        let Some(playbook) = self.playbook() else { return Worked::Ended(Box::new(self.no_playbook())) };
        if self.step == Step::Stash && !self.inherited {
            // What stood in the way may pass.
            tokio::time::sleep(STASH_WAIT * (self.attempt.saturating_sub(1) % STASH_TRIES)).await;
        }
        let steps = known(playbook, steps_of(self.step));
        let started = Instant::now();
        let job = self.make_job(playbook, id, self.script(playbook, &steps, self.step.as_str()));
        let end = self.context.transport.job(self.settings(), &job, &self.listener()).await;
        let took = started.elapsed();
        let mut ended = match end {
            Ok(JobEnd::Done(output)) => self.judge(&steps, output, None),
            Ok(JobEnd::Died { why, output }) => self.judge(&steps, output, Some(why)),
            Ok(JobEnd::RestoredItself(output)) => self.restored_itself(output),
            Err(failure) if self.is_barred(&failure) => return Worked::Barred(failure.problem),
            Err(failure) => self.no_end(failure),
        };
        if let StepResult::Done(report) | StepResult::Failed { report, .. } = &mut ended.result {
            report.took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        }
        Worked::Ended(Box::new(ended))
    }

    /// Tells the host's dead man that the change is well, over a new connection.
    pub(super) async fn confirm(&self) -> Worked {
        let Some(playbook) = self.playbook() else { return Worked::Ended(Box::new(self.no_playbook())) };
        let steps = known(playbook, steps_of(Step::Rollback));
        let script = self.script(playbook, &steps, Step::Confirm.as_str());
        let Some(id) = self.dead_mans_job() else { return Worked::Ended(Box::new(self.no_playbook())) };
        let job = self.make_job(playbook, id, script);
        let ended = match self.context.transport.confirm(self.settings(), &job, &self.listener()).await {
            Ok(JobEnd::Done(_)) => Ended::with(StepResult::Done(Box::default()), Vec::new()),
            Ok(JobEnd::RestoredItself(output) | JobEnd::Died { output, .. }) => self.restored_itself(output),
            Err(failure) if self.is_barred(&failure) => return Worked::Barred(failure.problem),
            Err(failure) => self.no_end(failure),
        };
        Worked::Ended(Box::new(ended))
    }

    pub(super) fn playbook(&self) -> Option<&Playbook> {
        self.playbook.as_ref().and_then(|name| self.context.playbooks.get(name))
    }

    pub(super) fn no_playbook(&self) -> Ended {
        let problem = Problem::new(ErrorKind::Internal, "the host's playbook is not among the run's");
        let fate = if matches!(self.step, Step::Stash | Step::Apply) { Fate::Unchanged } else { Fate::Changed };
        Ended::failed(problem, fate, StepReport::default(), Vec::new())
    }

    pub(super) fn make_job(&self, playbook: &Playbook, id: JobId, script: Script) -> Job {
        Job {
            nonce: self.nonce(),
            id,
            claim: Claim {
                run: self.context.settings.run.clone(),
                owner: self.context.owner.clone(),
                change: self.context.settings.change.clone(),
                epoch: self.epoch,
                force: self.context.force,
                // Only once it is known that the host is exactly back: a rollback that ends well may leave differences.
                release: self.step == Step::Forget,
                witness: matches!(self.step, Step::Apply | Step::Rollback | Step::Forget).then(|| {
                    anchor(&self.context.settings.run, &self.context.settings.change, self.step.as_str(), self.head)
                }),
            },
            patience: self.patience(playbook),
            ask_only: self.asked,
            dead_man: self.rule(playbook),
            script,
        }
    }

    /// How long a host is tried that does not answer. Before the change a few tries are enough; after it the host is
    /// in a state that somebody must take care of, and may be about to undo the change by itself.
    fn patience(&self, playbook: &Playbook) -> Option<Duration> {
        let by_itself = playbook.script(&known(playbook, steps_of(Step::Rollback))).1.min(self.stage().timeout);
        let waits = self.dead_man.wait.filter(|_| self.dead_man.armed).map_or(Duration::ZERO, |wait| wait + by_itself);
        match self.step {
            Step::Settle | Step::Rollback | Step::Confirm => Some(self.stage().timeout + waits),
            Step::Reboot => Some(self.stage().reboot_timeout),
            Step::Restore => Some(self.stage().timeout),
            _ => None,
        }
    }

    /// What the step's job does about the host's dead man.
    fn rule(&self, playbook: &Playbook) -> DeadMan {
        let arm = || {
            let steps = known(playbook, steps_of(Step::Rollback));
            let (id, wait) = (self.dead_mans_job()?, self.dead_man.wait?);
            Some(DeadMan::Arm(Box::new(Arm { id, wait, script: self.script(playbook, &steps, "rollback") })))
        };
        match self.step {
            Step::Apply | Step::Reboot if self.dead_man.wait.is_some() => arm().unwrap_or(DeadMan::Heed),
            // Before the change there is none, or one that an earlier try has left without a change.
            Step::Stash | Step::Forget | Step::Prefetch => DeadMan::Spent,
            // Before the change, or once it is confirmed or taken back.
            step if step.is_of_plan() => DeadMan::Spent,
            _ if self.dead_man.acted => DeadMan::Spent,
            Step::Rollback => DeadMan::Disarm,
            _ => DeadMan::Heed,
        }
    }

    /// The job under which the host's dead man undoes the change.
    fn dead_mans_job(&self) -> Option<JobId> {
        JobId::new(format!("{}-h{}-deadman-{}", self.context.settings.run, self.host.0, self.dead_man.arming)).ok()
    }
}
