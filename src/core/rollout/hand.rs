//! A run, or hosts of it, that somebody takes in hand: cancelled, recovered, given up. And claims that stay.

use jiff::Timestamp;

use super::{Misfit, Rollout, Slot};
use crate::core::event::{StageEnd, UndoCause};
use crate::core::host::HostRun;
use crate::core::ids::HostIx;
use crate::core::ids::StageIx;
use crate::core::problem::{ErrorKind, Problem};
use crate::core::settings::{Person, RunKind};
use crate::core::stage::Phase;

impl Rollout {
    /// Nothing new begins anywhere; what is changed and not approved goes back.
    pub(super) fn cancel(&mut self, by: Person, reason: String, at: Timestamp) {
        self.cancelled = Some((by, reason, at));
        self.confirming = false;
        self.open.remove(&Slot::Confirm);
        for ix in (0..).map(StageIx).take(self.stages.len()) {
            let run = &mut self.stages[ix.at()];
            run.shut = None;
            match run.phase {
                Phase::Resolving | Phase::Prefetching | Phase::Soaking => run.queue.clear(),
                Phase::Rolling => {
                    run.queue.clear();
                    let booting_next = std::mem::take(&mut run.to_reboot);
                    run.ready.extend(booting_next);
                    self.rest(ix, HostRun::turn_back);
                }
                _ => {}
            }
        }
    }

    /// Lost hosts are asked about the job in which they were lost; others only have to go back again.
    pub(super) fn recovering(&mut self, hosts: &[HostIx]) -> Result<(), Misfit> {
        self.finished = false;
        for host in hosts {
            let ix = *self.stage_of.get(host.at()).ok_or(Misfit("no such host"))?;
            let undoes = matches!(self.settings.kind, RunKind::Rollback { .. });
            let cause = match &self.stages[ix.at()].phase {
                Phase::Ended(_) | Phase::Rolling if undoes => None,
                Phase::Ended(StageEnd::Rejected) | Phase::Undoing(UndoCause::Rejected) => Some(UndoCause::Rejected),
                Phase::Ended(StageEnd::Cancelled) | Phase::Undoing(UndoCause::Cancelled) => Some(UndoCause::Cancelled),
                Phase::Ended(StageEnd::Approved | StageEnd::Current | StageEnd::Incomplete) => None,
                Phase::Gate | Phase::Rolling => None,
                Phase::Ended(_) | Phase::Undoing(_) => Some(UndoCause::Failed),
                _ => return Err(Misfit("hosts of a stage that has begun something else are asked")),
            };
            self.hosts[host.at()].recover(cause.is_some());
            let run = &mut self.stages[ix.at()];
            run.phase = cause.map_or(Phase::Rolling, Phase::Undoing);
            run.queue.push_back(*host);
            run.recovered = true;
            self.open.remove(&Slot::Gate(ix));
        }
        Ok(())
    }

    /// Nothing is expected of the host any more.
    pub(super) fn released(&mut self, host: HostIx, reason: &str) -> Result<(), Misfit> {
        let stage = *self.stage_of.get(host.at()).ok_or(Misfit("no such host"))?;
        self.hosts[host.at()].give_up(reason);
        self.open.remove(&Slot::Host(host));
        self.barred.remove(&host);
        if self.hosts[host.at()].claimed {
            let message = format!("given up ({reason}): should it come back, it may carry this run's claim");
            let hint = format!(
                "`patchctl release {} -l {} --reason TEXT` takes the claim off then",
                self.settings.run,
                self.settings.hosts[host.at()].name
            );
            self.notes.push(Problem::new(ErrorKind::Lost, message).on(&self.settings.hosts[host.at()].name).hint(hint));
        }
        let run = &mut self.stages[stage.at()];
        for list in [&mut run.ready, &mut run.to_reboot, &mut run.queue] {
            list.retain(|other| *other != host);
        }
        run.active.remove(&host);
        Ok(())
    }

    /// The host is as it should be, and still carries the claim.
    pub(super) fn claim_left(&self, host: HostIx, why: &Problem) -> Problem {
        let (run, name) = (&self.settings.run, &self.settings.hosts[host.at()].name);
        let message = format!("the run's claim could not be taken off: {}", why.message);
        let hint =
            format!("no other run may change the host until `patchctl release {run} -l {name} --reason TEXT` has");
        Problem { message, hint: Some(hint), ..why.clone() }
    }

    /// The stage is over, and on some of its hosts something of ours may still run: they keep the claim.
    pub(super) fn claims_stay(&mut self, stage: StageIx) {
        let run = &self.settings.run;
        for host in &self.settings.stages[stage.at()].hosts {
            let Some(step) = self.hosts[host.at()].left_alive() else { continue };
            let name = &self.settings.hosts[host.at()].name;
            let message = "what was begun there may still run, so the run's claim stays on the host";
            let hint = format!("once it answers, `patchctl release {run} -l {name} --reason TEXT` takes the claim off");
            let problem = Problem::new(ErrorKind::Lost, message).on(name).during(step.as_str()).hint(hint);
            if !self.notes.contains(&problem) {
                self.notes.push(problem);
            }
        }
    }
}
