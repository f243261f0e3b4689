//! Events folded into the state: the only way in which it changes.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;

use super::{Effect, Misfit, Rollout, Slot};
use crate::core::event::{Event, GateKind, StageEnd, Step, UndoCause};
use crate::core::findings::{Resolution, StepResult};
use crate::core::host::{Activity, HostRun, Place};
use crate::core::ids::{Digest, HostIx, JobId, StageIx};
use crate::core::preapproval::Uncovered;
use crate::core::stage::{Phase, Shut, StageRun};

impl Rollout {
    pub(super) fn begin(&mut self, effect: Effect) {
        let slot = effect.slot();
        self.open.insert(slot, effect);
        self.fresh.push_back(slot);
    }

    /// Folds one event into the state.
    ///
    /// # Errors
    /// When it does not fit: nothing that this patchctl wrote can lead there.
    pub fn apply(&mut self, event: &Event, at: Timestamp) -> Result<(), Misfit> {
        self.started_at.get_or_insert(at);
        // What is written to a run that is over is not its end.
        let afterwards = self.finished && matches!(event, Event::Reviewed { .. } | Event::Noted { .. });
        if !event.is_mail() && !afterwards {
            self.last_at = Some(at);
        }
        match event {
            Event::RunStarted { .. } | Event::TailCut { .. } | Event::Reminded { .. } | Event::Notified { .. } => {}
            Event::Driven { by, .. } => {
                self.driver = Some(by.clone());
                self.epoch += 1;
                (self.paused, self.draining, self.confirming, self.pause_asked) = (None, None, false, false);
                self.looks_again();
                (0..).map(StageIx).take(self.stages.len()).for_each(|ix| self.window_over(ix));
                self.barred.clear();
                // It is asked anew where it is still wanted, and once.
                self.fresh.retain(|slot| *slot != Slot::Confirm);
                self.open.remove(&Slot::Confirm);
            }
            Event::Transaction { digest, ops } => {
                self.transactions.insert(*digest, Arc::new(ops.clone()));
            }
            Event::Installed { digest, packages } => {
                self.installed.insert(*digest, Arc::new(packages.clone()));
            }
            Event::Confirmed { .. } => {
                self.confirmed = true;
                self.confirming = false;
                self.open.remove(&Slot::Confirm);
            }
            Event::Declined { .. } => {
                self.declined = true;
                self.confirming = false;
                self.open.remove(&Slot::Confirm);
            }
            Event::Confirming => {
                self.confirming = true;
                self.begin(Effect::Confirm);
            }
            Event::StepStarted { host, step, job } => self.step_started(*host, *step, job.as_ref(), at)?,
            Event::StepEnded { host, step, result } => self.step_ended(*host, *step, result, at)?,
            Event::Draining { signal } => self.draining = Some(signal.clone()),
            Event::PauseAsked { .. } => self.pause_asked = true,
            Event::Barred { host, problem } => {
                self.hosts.get(host.at()).ok_or(Misfit("no such host"))?;
                self.barred.insert(*host, problem.clone());
            }
            Event::Cancelled { by, reason } => self.cancel(by.clone(), reason.clone(), at),
            Event::EmergencyDeclared { declaration } => self.emergency_declared(declaration, at),
            Event::Reviewed { by, reason } => self.reviewed(by, reason, at),
            Event::Recovering { hosts, .. } => {
                self.declared.end();
                self.recovering(hosts)?;
            }
            Event::Released { host, reason, .. } => self.released(*host, reason)?,
            Event::Paused { why } => self.paused = Some(why.clone()),
            Event::Noted { problem } => self.notes.push(problem.clone()),
            Event::Retried { hosts } => {
                self.declared.end();
                self.retried(hosts)?;
            }
            Event::Finished => self.finished = true,
            _ => self.stage_event(event, at)?,
        }
        self.post(event, at);
        Ok(())
    }

    fn stage_event(&mut self, event: &Event, at: Timestamp) -> Result<(), Misfit> {
        match event {
            Event::StageOpened { stage } => {
                let hosts = &self.settings.stages.get(stage.at()).ok_or(Misfit("no such stage"))?.hosts;
                let waiting = |host: &HostIx| self.host(*host).place == Place::Waiting;
                let hosts: VecDeque<HostIx> = hosts.iter().copied().filter(waiting).collect();
                self.pins = Arc::new(self.proved());
                let run = self.stage_mut(*stage)?;
                run.opened = Some(at);
                run.phase = Phase::Resolving;
                run.queue = hosts;
            }
            Event::StageResolved { stage } => {
                self.stage_mut(*stage)?;
                // A stage that was taken up again may have patched hosts that wait for their gate.
                let busy = self.any(*stage, |place| matches!(place, Place::Ready | Place::Patched));
                self.stage_mut(*stage)?.phase = if busy { Phase::Resolved } else { Phase::Idle };
            }
            Event::WindowShut { stage, by, opens } => {
                self.stage_mut(*stage)?;
                self.window_shut(*stage, Shut { by: by.clone(), opens: *opens });
            }
            Event::BarrierPassed { stage, by } => self.stage_mut(*stage)?.passed_by.push(by.clone()),
            Event::WindowOpened { stage } => {
                self.stage_mut(*stage)?;
                self.window_over(*stage);
            }
            Event::WaveStarted { stage, wave, hosts } => {
                if hosts.iter().any(|host| host.at() >= self.hosts.len()) {
                    return Err(Misfit("no such host"));
                }
                self.stage_mut(*stage)?;
                hosts.iter().for_each(|host| self.hosts[host.at()].has_its_turn());
                let run = self.stage_mut(*stage)?;
                run.phase = Phase::Rolling;
                run.wave = *wave;
                run.queue = hosts.iter().copied().collect();
                // Whoever begins on it next has it inspected anew.
                for need in self.settings.stages[stage.at()].needs.clone() {
                    self.stages[need.at()].fresh = false;
                }
            }
            Event::WaveEnded { stage } => {
                let run = self.stage_mut(*stage)?;
                (run.phase, run.soak) = (Phase::BetweenWaves, None);
            }
            Event::SoakStarted { stage, until } => self.soak_started(*stage, *until, at)?,
            Event::SoakLooked { stage } => self.soak_looked(*stage, at)?,
            Event::SoakEnded { stage } => {
                let run = self.stage_mut(*stage)?;
                (run.phase, run.soak, run.soaked) = (Phase::BetweenWaves, None, run.wave);
            }
            Event::PrefetchStarted { stage } => self.prefetch_started(*stage)?,
            Event::PrefetchEnded { stage } => {
                let run = self.stage_mut(*stage)?;
                (run.phase, run.prefetched) = (Phase::Resolved, true);
            }
            Event::HookStarted { stage, hook, host, job } => self.hook_started(*stage, *hook, *host, job.as_ref())?,
            Event::HookEnded { stage, hook, problem, .. } => self.hook_ended(*stage, *hook, problem.as_ref())?,
            Event::Exceeded { stage } | Event::Unreached { stage } => {
                let run = self.stage_mut(*stage)?;
                if matches!(event, Event::Exceeded { .. }) {
                    run.exceeded = true;
                } else {
                    run.unreached = true;
                }
                run.shut = None;
                run.queue.clear();
                if run.exceeded {
                    // Nobody else boots into what too many have failed with.
                    let waiting = std::mem::take(&mut run.to_reboot);
                    run.ready.extend(waiting);
                    self.rest(*stage, HostRun::stays_up);
                }
                self.rest(*stage, HostRun::rests);
            }
            Event::GateOpened { stage, gate, digest } => {
                self.stage_mut(*stage)?;
                let open = self.gate_now(*stage, *gate, *digest, at);
                let run = self.stage_mut(*stage)?;
                (run.phase, run.gate, run.uncovered) = (Phase::Gate, Some(open), None);
                self.begin(Effect::Ask { stage: *stage, gate: *gate, digest: *digest });
            }
            Event::Decided { stage, gate, digest, decision } => {
                let run = self.stage_mut(*stage)?;
                let open = run.gate.as_mut().ok_or(Misfit("a decision without a gate"))?;
                open.take(decision, at);
                let settled = open.decided.is_some();
                run.uncovered = None;
                run.decisions.push((*gate, *digest, decision.clone(), at));
                self.open.remove(&Slot::Gate(*stage));
                if !settled {
                    // Others must approve, too: whoever can is asked, and sees who has.
                    self.begin(Effect::Ask { stage: *stage, gate: *gate, digest: *digest });
                }
            }
            Event::NotCovered { stage, id, what } => {
                self.stage_mut(*stage)?.uncovered = Some(Uncovered { id: id.clone(), what: what.clone() });
            }
            Event::GatePassed { stage } => self.gate_passed(*stage)?,
            Event::ApprovalLapsed { stage } => self.gate_again(*stage, None, at)?,
            Event::RecheckStarted { stage } => self.recheck_started(*stage)?,
            Event::Rechecked { stage } => {
                let run = self.stage_mut(*stage)?;
                let Phase::Rechecking(end) = run.phase else { return Err(Misfit("nothing was inspected again")) };
                (run.phase, run.fresh) = (end.map_or(Phase::Gate, Phase::Ended), true);
            }
            Event::ApprovalStale { stage, digest, changes } => {
                self.gate_again(*stage, Some(*digest), at)?;
                self.stage_mut(*stage)?.stale.clone_from(changes);
            }
            Event::UndoStarted { stage, cause } => self.undo_started(*stage, cause)?,
            Event::ClosingStarted { stage, end } => self.closing_started(*stage, *end)?,
            Event::StageEnded { stage, end } => {
                let run = self.stage_mut(*stage)?;
                (run.phase, run.shut) = (Phase::Ended(*end), None);
                self.claims_stay(*stage);
            }
            _ => return Err(Misfit("an event that belongs to no stage")),
        }
        Ok(())
    }

    /// What hosts were found to be under another process is not known of now.
    fn looks_again(&mut self) {
        for (ix, run) in (0..).map(StageIx).zip(&mut self.stages) {
            run.fresh = false;
            let Phase::Rechecking(end) = run.phase else { continue };
            run.phase = end.map_or(Phase::Gate, Phase::Ended);
            run.queue.clear();
            run.ready.clear();
            run.active.clear();
            for host in &self.settings.stages[ix.at()].hosts {
                self.hosts[host.at()].forget_recheck();
                self.open.remove(&Slot::Host(*host));
                self.fresh.retain(|slot| *slot != Slot::Host(*host));
            }
        }
    }

    /// The approval of a gate before the first change, or between two waves, is used.
    fn gate_passed(&mut self, stage: StageIx) -> Result<(), Misfit> {
        let run = self.stage_mut(stage)?;
        run.phase = Phase::BetweenWaves;
        run.fresh = false;
        if run.gate.as_ref().is_some_and(|gate| gate.kind == GateKind::Wave) {
            let mut passed = run.passed;
            for host in self.settings.stages[stage.at()].hosts.clone() {
                let run = &mut self.hosts[host.at()];
                if run.place == Place::Patched {
                    run.place = Place::Kept;
                    passed = passed.max(run.wave);
                }
            }
            self.stage_mut(stage)?.passed = passed;
        }
        Ok(())
    }

    /// A gate's approval is void: it waits anew, on what is so now.
    fn gate_again(&mut self, stage: StageIx, digest: Option<Digest>, at: Timestamp) -> Result<(), Misfit> {
        let run = self.stage_mut(stage)?;
        let ended = matches!(run.phase, Phase::Ended(_) | Phase::Rechecking(Some(_)));
        if ended {
            run.passed = 0;
        }
        let kept_before = run.passed;
        // A permission to begin is about nothing that an earlier try has kept.
        let is_about = ended || run.gate.as_ref().is_some_and(|gate| gate.kind != GateKind::Before);
        for host in self.settings.stages[stage.at()].hosts.clone() {
            // While the stage goes on, waves that were approved at gates of their own stay so.
            if is_about && self.hosts[host.at()].wave > kept_before {
                self.hosts[host.at()].undecided_again();
            }
        }
        let stages = (0..).map(StageIx).zip(&self.settings.stages);
        let built: Vec<StageIx> = stages.filter(|(_, other)| other.needs.contains(&stage)).map(|(ix, _)| ix).collect();
        built.into_iter().for_each(|ix| self.permission_again(ix));
        let run = self.stage_mut(stage)?;
        let mut gate = run.gate.take().ok_or(Misfit("no gate to open anew"))?;
        gate.reopen(at);
        gate.digest = digest.unwrap_or(gate.digest);
        // What would be done may be something else now, and so may be who must decide on it.
        self.judge(stage, &mut gate);
        let run = self.stage_mut(stage)?;
        let ask = Effect::Ask { stage, gate: gate.kind, digest: gate.digest };
        (run.phase, run.fresh) = (Phase::Gate, false);
        run.stale.clear();
        run.gate = Some(gate);
        self.begin(ask);
        Ok(())
    }

    fn recheck_started(&mut self, stage: StageIx) -> Result<(), Misfit> {
        let members = self.settings.stages.get(stage.at()).ok_or(Misfit("no such stage"))?.hosts.clone();
        let queue: VecDeque<HostIx> = members.into_iter().filter(|host| self.hosts[host.at()].must_inspect()).collect();
        let run = self.stage_mut(stage)?;
        let end = match run.phase {
            Phase::Ended(end) => Some(end),
            Phase::Gate => None,
            _ => return Err(Misfit("hosts are inspected again where nothing was approved")),
        };
        (run.phase, run.queue) = (Phase::Rechecking(end), queue);
        Ok(())
    }

    fn stage_mut(&mut self, stage: StageIx) -> Result<&mut StageRun, Misfit> {
        self.stages.get_mut(stage.at()).ok_or(Misfit("no such stage"))
    }

    fn undo_started(&mut self, stage: StageIx, cause: &UndoCause) -> Result<(), Misfit> {
        self.stage_mut(stage)?;
        if let UndoCause::FailedIn(other) = cause {
            self.stage_mut(*other)?;
        }
        let members = self.undo_candidates(stage, cause);
        for host in &members {
            self.hosts[host.at()].must_undo();
        }
        // A gate that waited is about nothing now.
        self.open.remove(&Slot::Gate(stage));
        let run = self.stage_mut(stage)?;
        (run.phase, run.shut, run.soak) = (Phase::Undoing(cause.clone()), None, None);
        run.queue = members.into();
        Ok(())
    }

    fn closing_started(&mut self, stage: StageIx, end: StageEnd) -> Result<(), Misfit> {
        let members = self.settings.stages.get(stage.at()).ok_or(Misfit("no such stage"))?.hosts.clone();
        self.open.remove(&Slot::Gate(stage));
        let mut claimed = VecDeque::new();
        for host in members {
            let run = &mut self.hosts[host.at()];
            if run.place == Place::Patched {
                run.place = Place::Kept;
            }
            if run.next(Activity::Closing, &self.settings.kind).is_some() {
                claimed.push_back(host);
            }
        }
        let run = self.stage_mut(stage)?;
        (run.phase, run.shut, run.took_back) = (Phase::Closing(end), None, run.exceeded);
        run.queue = claimed;
        Ok(())
    }

    fn step_started(&mut self, host: HostIx, step: Step, job: Option<&JobId>, at: Timestamp) -> Result<(), Misfit> {
        let stage = *self.stage_of.get(host.at()).ok_or(Misfit("no such host"))?;
        if !self.stages[stage.at()].takes_turn(host) {
            return Err(Misfit("a step on a host whose turn it is not"));
        }
        self.hosts[host.at()].begin(step, at);
        self.begin(Effect::Step { host, step, job: job.cloned() });
        Ok(())
    }

    fn step_ended(&mut self, host: HostIx, step: Step, result: &StepResult, at: Timestamp) -> Result<(), Misfit> {
        let run = self.hosts.get_mut(host.at()).ok_or(Misfit("no such host"))?;
        if run.step != Some(step) {
            return Err(Misfit("the end of a step that did not run"));
        }
        let approved = (step == Step::Recheck).then(|| run.evidence());
        run.end(step, result, at);
        self.open.remove(&Slot::Host(host));
        if let StepResult::Resolved(resolution) = result {
            self.host_resolved(host, resolution)?;
        }
        if let Some(approved) = approved {
            self.hosts[host.at()].inspected_again(&approved, result);
        }
        match (step, result) {
            (Step::Forget, StepResult::Failed { problem, .. }) => self.notes.push(self.claim_left(host, problem)),
            (Step::Before | Step::After | Step::Discard | Step::Prefetch, StepResult::Failed { problem, .. })
                if self.hosts[host.at()].goes_on_after(step) =>
            {
                self.notes.push(problem.clone());
            }
            _ => {}
        }
        self.barred.remove(&host);
        let stage = &mut self.stages[self.stage_of[host.at()].at()];
        let activity = stage.activity().ok_or(Misfit("a step's end in a stage at rest"))?;
        let run = &mut self.hosts[host.at()];
        // It may have something to do, and does not come to it any more.
        if activity == Activity::Rolling && self.cancelled.is_some() {
            run.turn_back();
        } else if activity == Activity::Rolling && stage.is_stopped() {
            run.rests();
        }
        if stage.exceeded {
            run.stays_up();
        }
        match run.next(activity, &self.settings.kind) {
            Some(Step::Reboot) => stage.to_reboot.push_back(host),
            Some(_) => stage.ready.push_back(host),
            _ if stage.active.remove(&host) => {}
            _ => return Err(Misfit("a host came to rest that had not begun")),
        }
        Ok(())
    }

    /// Hosts between two steps that come to rest with this.
    pub(super) fn rest(&mut self, stage: StageIx, mut rests: impl FnMut(&mut HostRun) -> bool) {
        let run = &mut self.stages[stage.at()];
        let (active, hosts, kind) = (&mut run.active, &mut self.hosts, &self.settings.kind);
        run.ready.retain(|host| {
            let at = &mut hosts[host.at()];
            // What goes around its patch may be due all the same.
            let rests = rests(at) && at.next(Activity::Rolling, kind).is_none();
            if rests {
                active.remove(host);
            }
            !rests
        });
    }

    fn host_resolved(&mut self, host: HostIx, found: &Resolution) -> Result<(), Misfit> {
        let ops = self.transactions.get(&found.transaction).ok_or(Misfit("an unknown transaction"))?;
        let identity = found.identity.host_key.clone().zip(found.identity.machine_id.clone());
        let first = identity.map_or(host, |machine| *self.machines.entry(machine).or_insert(host));
        let refusal = self.same_machine(host, first).or_else(|| self.refusal(host, found, ops));
        let has_work = !ops.is_empty();
        self.hosts[host.at()].resolved(has_work, refusal);
        // Which of two names answered first is chance: while nothing is begun there, the first is refused too.
        let undecided = self.stages[self.stage_of(first).at()].phase == Phase::Resolving;
        if first != host && undecided && matches!(self.hosts[first.at()].place, Place::Ready | Place::Current) {
            let refusal = self.same_machine(first, host);
            self.hosts[first.at()].resolved(true, refusal);
        }
        Ok(())
    }
}
