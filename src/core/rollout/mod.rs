//! A run: its stages and hosts, folded from events.
//!
//! Three things happen to it, always in this order. `decide` turns something that reached the run into events;
//! `apply` folds an event into the state; `advance` says what follows from the state by itself. None of them does
//! I/O or reads a clock, so the same journal always gives the same state and the same effects.

mod advance;
mod decide;
mod gate;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;

pub use self::decide::Refusal;
pub use self::gate::Statement;
use super::event::{Event, GateKind, PauseCause, StageEnd, Step};
use super::findings::StepResult;
use super::host::{Activity, HostRun, Place};
use super::ids::{Digest, HostIx, JobId, StageIx};
use super::packages::{Package, PackageOp};
use super::pins::Pins;
use super::problem::Problem;
use super::record::Record;
use super::settings::{Person, RunKind, Settings};
use super::stage::{Gate, Phase, StageRun};

/// Something to be done outside, once its intent is on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Run a step on a host.
    Step {
        /// Which host.
        host: HostIx,
        /// Which step.
        step: Step,
        /// The job's ID, for steps that run as jobs.
        job: Option<JobId>,
    },
    /// Ask whether to begin.
    Confirm,
    /// Ask for a decision.
    Ask {
        /// Of which stage.
        stage: StageIx,
        /// At which gate.
        gate: GateKind,
        /// On what.
        digest: Digest,
    },
}

/// What an effect is about: there is at most one at a time for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// A host.
    Host(HostIx),
    /// A stage's gate.
    Gate(StageIx),
    /// The confirmation.
    Confirm,
}

impl Effect {
    /// What it is about.
    pub fn slot(&self) -> Slot {
        match self {
            Self::Step { host, .. } => Slot::Host(*host),
            Self::Ask { stage, .. } => Slot::Gate(*stage),
            Self::Confirm => Slot::Confirm,
        }
    }
}

/// An event does not fit the state: the journal was altered, or patchctl has a bug.
#[derive(Debug, thiserror::Error)]
#[error("event does not fit the run's state: {0}")]
pub struct Misfit(&'static str);

/// A run's state.
#[derive(Debug, Clone)]
pub struct Rollout {
    settings: Arc<Settings>,
    stages: Vec<StageRun>,
    hosts: Vec<HostRun>,
    stage_of: Vec<StageIx>,
    transactions: HashMap<Digest, Arc<Vec<PackageOp>>>,
    installed: HashMap<Digest, Arc<Vec<Package>>>,
    pins: Arc<Pins>,
    machines: HashMap<(String, String), HostIx>,
    open: BTreeMap<Slot, Effect>,
    fresh: VecDeque<Slot>,
    confirmed: bool,
    confirming: bool,
    declined: bool,
    draining: Option<String>,
    paused: Option<PauseCause>,
    finished: bool,
    notes: Vec<Problem>,
    started_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
    driver: Option<Person>,
}

impl Rollout {
    /// A run with these settings, to which nothing has happened.
    pub fn new(settings: Arc<Settings>) -> Self {
        let stages: Vec<StageRun> = settings.stages.iter().map(StageRun::new).collect();
        let mut hosts = vec![HostRun::new(1); settings.hosts.len()];
        let mut stage_of = vec![StageIx(0); settings.hosts.len()];
        for (ix, stage) in (0..).map(StageIx).zip(&stages) {
            for (wave, members) in (1..).zip(&stage.waves) {
                for host in members {
                    if let (Some(run), Some(of)) = (hosts.get_mut(host.at()), stage_of.get_mut(host.at())) {
                        *run = HostRun::new(wave);
                        *of = ix;
                    }
                }
            }
        }
        Self {
            settings,
            stages,
            hosts,
            stage_of,
            transactions: HashMap::new(),
            installed: HashMap::new(),
            pins: Arc::default(),
            machines: HashMap::new(),
            open: BTreeMap::new(),
            fresh: VecDeque::new(),
            confirmed: false,
            confirming: false,
            declined: false,
            draining: None,
            paused: None,
            finished: false,
            notes: Vec::new(),
            started_at: None,
            last_at: None,
            driver: None,
        }
    }

    /// Folds the records of a journal.
    ///
    /// # Errors
    /// When a record does not fit the ones before it.
    pub fn replay<'a>(settings: Arc<Settings>, records: impl IntoIterator<Item = &'a Record>) -> Result<Self, Misfit> {
        let mut rollout = Self::new(settings);
        for record in records {
            rollout.apply(&record.event, record.at)?;
        }
        rollout.hand_out_again();
        Ok(rollout)
    }

    /// After a replay: every effect that may be in flight is handed out again.
    pub fn hand_out_again(&mut self) {
        self.fresh = self.open.keys().copied().collect();
    }

    /// The frozen settings.
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// The stages, in the plan's order.
    pub fn stages(&self) -> &[StageRun] {
        &self.stages
    }

    /// One host's way.
    pub fn host(&self, host: HostIx) -> &HostRun {
        &self.hosts[host.at()]
    }

    /// The stage that a host is in.
    pub fn stage_of(&self, host: HostIx) -> StageIx {
        self.stage_of[host.at()]
    }

    /// A transaction by its digest.
    pub fn transaction(&self, digest: &Digest) -> Option<&Arc<Vec<PackageOp>>> {
        self.transactions.get(digest)
    }

    /// The host's transaction; empty before it was resolved.
    pub fn ops(&self, host: HostIx) -> &[PackageOp] {
        let resolution = self.hosts[host.at()].resolution.as_deref();
        resolution.and_then(|r| self.transactions.get(&r.transaction)).map_or(&[], |ops| ops.as_slice())
    }

    /// What earlier stages proved, as of now.
    pub fn pins(&self) -> &Arc<Pins> {
        &self.pins
    }

    /// Whether the host's transaction is bound to what earlier stages proved.
    pub fn is_pinned(&self, host: HostIx) -> bool {
        let stage = &self.settings.stages[self.stage_of[host.at()].at()];
        self.settings.patch.pin == super::settings::Pin::Exact
            && self.settings.kind == RunKind::Run
            && !stage.needs.is_empty()
    }

    /// Whether a later stage will be held to what this host runs.
    pub fn is_proof(&self, host: HostIx) -> bool {
        let stage = self.stage_of[host.at()];
        self.settings.patch.pin == super::settings::Pin::Exact
            && self.settings.stages.iter().any(|other| other.needs.contains(&stage))
    }

    /// Whether it is over.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Why nobody drives it, if somebody left it.
    pub fn paused(&self) -> Option<&PauseCause> {
        self.paused.as_ref()
    }

    /// The signal that stops it, if one came.
    pub fn draining(&self) -> Option<&str> {
        self.draining.as_deref()
    }

    /// Whether the person declined the first change.
    pub fn declined(&self) -> bool {
        self.declined
    }

    /// Whether the first change waits to be confirmed.
    pub fn is_confirming(&self) -> bool {
        self.confirming
    }

    /// What is worth telling beside the states.
    pub fn notes(&self) -> &[Problem] {
        &self.notes
    }

    /// When the first record was written.
    pub fn started_at(&self) -> Option<Timestamp> {
        self.started_at
    }

    /// When the last record was written.
    pub fn last_at(&self) -> Option<Timestamp> {
        self.last_at
    }

    /// Who drives it, or did last.
    pub fn driver(&self) -> Option<&Person> {
        self.driver.as_ref()
    }

    /// The next effect that has not been handed out. After a replay every effect that may be in flight is handed out
    /// again: jobs are asked about by their IDs, and never run twice.
    pub fn next_effect(&mut self) -> Option<Effect> {
        while let Some(slot) = self.fresh.pop_front() {
            if let Some(effect) = self.open.get(&slot) {
                return Some(effect.clone());
            }
        }
        None
    }

    /// Steps that run on hosts now.
    pub fn running(&self) -> impl Iterator<Item = (HostIx, Step)> {
        self.open.values().filter_map(|effect| match effect {
            Effect::Step { host, step, .. } => Some((*host, *step)),
            _ => None,
        })
    }

    fn begin(&mut self, effect: Effect) {
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
        self.last_at = Some(at);
        match event {
            Event::RunStarted { .. } | Event::TailCut { .. } => {}
            Event::Driven { by, .. } => {
                self.driver = Some(by.clone());
                (self.paused, self.draining, self.confirming) = (None, None, false);
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
            Event::Paused { why } => self.paused = Some(why.clone()),
            Event::Noted { problem } => self.notes.push(problem.clone()),
            Event::Retried { hosts } => self.retried(hosts)?,
            Event::Finished => self.finished = true,
            _ => self.stage_event(event, at)?,
        }
        Ok(())
    }

    fn stage_event(&mut self, event: &Event, at: Timestamp) -> Result<(), Misfit> {
        match event {
            Event::StageOpened { stage } => {
                let hosts = self.settings.stages.get(stage.at()).ok_or(Misfit("no such stage"))?.hosts.clone();
                self.pins = Arc::new(self.proved());
                let run = self.stage_mut(*stage)?;
                run.opened = Some(at);
                run.phase = Phase::Resolving;
                run.queue = hosts.into();
            }
            Event::StageResolved { stage } => {
                let busy = self.settings.stages[stage.at()].hosts.iter().any(|h| self.host(*h).place == Place::Ready);
                self.stage_mut(*stage)?.phase = if busy { Phase::Resolved } else { Phase::Idle };
            }
            Event::WaveStarted { stage, wave, hosts } => {
                let run = self.stage_mut(*stage)?;
                run.phase = Phase::Rolling;
                run.wave = *wave;
                run.queue = hosts.iter().copied().collect();
            }
            Event::WaveEnded { stage } => self.stage_mut(*stage)?.phase = Phase::BetweenWaves,
            Event::Exceeded { stage } => {
                let run = self.stage_mut(*stage)?;
                run.exceeded = true;
                run.queue.clear();
            }
            Event::GateOpened { stage, gate, digest } => {
                let open = Gate { kind: *gate, digest: *digest, opened: at, decided: None };
                let run = self.stage_mut(*stage)?;
                run.phase = Phase::Gate;
                run.gate = Some(open);
                self.begin(Effect::Ask { stage: *stage, gate: *gate, digest: *digest });
            }
            Event::Decided { stage, gate, digest, decision } => {
                let run = self.stage_mut(*stage)?;
                let open = run.gate.as_mut().ok_or(Misfit("a decision without a gate"))?;
                open.decided = Some((decision.clone(), at));
                run.decisions.push((*gate, *digest, decision.clone(), at));
                self.open.remove(&Slot::Gate(*stage));
            }
            Event::GatePassed { stage } => self.stage_mut(*stage)?.phase = Phase::BetweenWaves,
            Event::ApprovalLapsed { stage } => {
                let run = self.stage_mut(*stage)?;
                let gate = run.gate.as_mut().ok_or(Misfit("no gate to lapse"))?;
                gate.decided = None;
                let ask = Effect::Ask { stage: *stage, gate: gate.kind, digest: gate.digest };
                self.begin(ask);
            }
            Event::UndoStarted { stage, cause } => self.undo_started(*stage, cause)?,
            Event::ClosingStarted { stage, end } => self.closing_started(*stage, *end)?,
            Event::StageEnded { stage, end } => self.stage_mut(*stage)?.phase = Phase::Ended(*end),
            _ => return Err(Misfit("an event that belongs to no stage")),
        }
        Ok(())
    }

    fn stage_mut(&mut self, stage: StageIx) -> Result<&mut StageRun, Misfit> {
        self.stages.get_mut(stage.at()).ok_or(Misfit("no such stage"))
    }

    fn undo_started(&mut self, stage: StageIx, cause: &super::event::UndoCause) -> Result<(), Misfit> {
        let members = self.undo_candidates(stage, cause);
        for host in &members {
            self.hosts[host.at()].place = Place::MustUndo;
        }
        let run = self.stage_mut(stage)?;
        run.phase = Phase::Undoing(cause.clone());
        run.queue = members.into();
        Ok(())
    }

    fn closing_started(&mut self, stage: StageIx, end: StageEnd) -> Result<(), Misfit> {
        let members = self.settings.stages.get(stage.at()).ok_or(Misfit("no such stage"))?.hosts.clone();
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
        run.phase = Phase::Closing(end);
        run.queue = claimed;
        Ok(())
    }

    fn step_started(&mut self, host: HostIx, step: Step, job: Option<&JobId>, at: Timestamp) -> Result<(), Misfit> {
        let stage = *self.stage_of.get(host.at()).ok_or(Misfit("no such host"))?;
        let run = &mut self.stages[stage.at()];
        if run.ready.front() == Some(&host) {
            run.ready.pop_front();
        } else if run.queue.front() == Some(&host) {
            run.queue.pop_front();
            run.active += 1;
        } else {
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
        let had_failed = run.failed;
        run.end(step, result, at);
        let newly_failed = run.failed && !had_failed;
        self.open.remove(&Slot::Host(host));
        if let StepResult::Resolved(resolution) = result {
            self.host_resolved(host, resolution)?;
        }
        if let (Step::Forget, StepResult::Failed { problem, .. }) = (step, result) {
            self.notes.push(problem.clone());
        }
        let stage = &mut self.stages[self.stage_of[host.at()].at()];
        stage.failed += usize::from(newly_failed);
        let activity = stage.activity().ok_or(Misfit("a step's end in a stage at rest"))?;
        if self.hosts[host.at()].next(activity, &self.settings.kind).is_some() {
            stage.ready.push_back(host);
        } else {
            stage.active = stage.active.checked_sub(1).ok_or(Misfit("more hosts came to rest than began"))?;
        }
        Ok(())
    }

    fn host_resolved(&mut self, host: HostIx, found: &super::findings::Resolution) -> Result<(), Misfit> {
        let ops = self.transactions.get(&found.transaction).ok_or(Misfit("an unknown transaction"))?;
        let identity = found.identity.host_key.clone().zip(found.identity.machine_id.clone());
        let first = identity.map_or(host, |machine| *self.machines.entry(machine).or_insert(host));
        let refusal = self.same_machine(host, first).or_else(|| self.refusal(host, found, ops));
        let has_work = !ops.is_empty() || matches!(self.settings.kind, RunKind::Rollback { .. });
        self.hosts[host.at()].resolved(has_work, refusal);
        Ok(())
    }

    fn retried(&mut self, hosts: &[HostIx]) -> Result<(), Misfit> {
        let mut by_stage: BTreeMap<StageIx, VecDeque<HostIx>> = BTreeMap::new();
        for host in hosts {
            let stage = *self.stage_of.get(host.at()).ok_or(Misfit("no such host"))?;
            if std::mem::take(&mut self.hosts[host.at()].failed) {
                self.stages[stage.at()].failed -= 1;
            }
            self.hosts[host.at()].retry();
            by_stage.entry(stage).or_default().push_back(*host);
        }
        for (stage, queue) in by_stage {
            let run = self.stage_mut(stage)?;
            run.phase = Phase::Resolving;
            run.queue = queue;
            run.wave = 0;
            run.exceeded = false;
            self.open.remove(&Slot::Gate(stage));
        }
        self.declined = false;
        for run in &mut self.stages {
            if run.phase == Phase::Ended(StageEnd::NeedsUnmet) {
                run.phase = Phase::Pending;
            }
        }
        self.finished = false;
        Ok(())
    }
}
