//! A run: its stages and hosts, folded from events.
//!
//! Three things happen to it, always in this order. `decide` turns something that reached the run into events;
//! `apply` folds an event into the state; `advance` says what follows from the state by itself. None of them does
//! I/O or reads a clock, so the same journal always gives the same state and the same effects.

mod advance;
mod decide;
mod drill;
mod emergency;
mod fold;
mod gate;
mod hand;
mod hooks;
mod outbox;
mod policy;
mod prefetch;
mod prove;
mod recheck;
mod retry;
mod soak;
#[cfg(test)]
mod tests;
mod turn;
mod undo;
mod window;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;

pub use self::decide::Refusal;
pub use self::gate::Statement;
#[cfg(test)]
pub(super) use self::tests::settings as settings_for_tests;
use super::emergency::Declared;
use super::event::{GateKind, PauseCause, Step};
use super::hooks::StageHook;
use super::host::{HostRun, Rules};
use super::ids::{Digest, HostIx, JobId, StageIx};
use super::notify::Queued;
use super::packages::{Package, PackageOp};
use super::pins::Pins;
use super::problem::Problem;
use super::record::Record;
use super::settings::{Person, Settings};
use super::stage::StageRun;

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
    /// Run a stage's own hook.
    Hook {
        /// Of which stage.
        stage: StageIx,
        /// Which.
        hook: StageHook,
        /// On which host, where it does not run here.
        host: Option<HostIx>,
        /// The job's ID there.
        job: Option<JobId>,
    },
    /// Send a message. Nothing waits for it.
    Notify(Queued),
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
    /// A stage's own hook.
    Hook(StageIx),
    /// A message.
    Message(u32),
}

impl Effect {
    /// What it is about.
    pub fn slot(&self) -> Slot {
        match self {
            Self::Step { host, .. } => Slot::Host(*host),
            Self::Ask { stage, .. } => Slot::Gate(*stage),
            Self::Confirm => Slot::Confirm,
            Self::Hook { stage, .. } => Slot::Hook(*stage),
            Self::Notify(queued) => Slot::Message(queued.number),
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
    pause_asked: bool,
    barred: BTreeMap<HostIx, Problem>,
    cancelled: Option<(Person, String, Timestamp)>,
    paused: Option<PauseCause>,
    epoch: u64,
    finished: bool,
    outbox: outbox::Outbox,
    notes: Vec<Problem>,
    started_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
    driver: Option<Person>,
    declared: Declared,
    forks: Option<u32>,
}

impl Rollout {
    /// A run with these settings, to which nothing has happened.
    pub fn new(settings: Arc<Settings>) -> Self {
        let stages: Vec<StageRun> = settings.stages.iter().map(StageRun::new).collect();
        let mut hosts = vec![HostRun::new(1, Rules::default()); settings.hosts.len()];
        let mut stage_of = vec![StageIx(0); settings.hosts.len()];
        for ((ix, stage), rules) in (0..).map(StageIx).zip(&stages).zip(&settings.stages) {
            for (wave, members) in (1..).zip(&stage.waves) {
                for host in members {
                    if let (Some(run), Some(of)) = (hosts.get_mut(host.at()), stage_of.get_mut(host.at())) {
                        *run = HostRun::new(wave, Rules::of(rules, &settings.kind));
                        *of = ix;
                    }
                }
            }
        }
        // A run that undoes another asks no exception: what it takes back was patched.
        if settings.kind.patches() {
            let all = (0..).map(HostIx).zip(&mut hosts);
            all.filter(|(ix, _)| settings.policy.excepted(*ix).is_some()).for_each(|(_, run)| run.except());
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
            pause_asked: false,
            barred: BTreeMap::new(),
            cancelled: None,
            paused: None,
            epoch: 0,
            finished: false,
            outbox: outbox::Outbox::default(),
            notes: Vec::new(),
            started_at: None,
            last_at: None,
            driver: None,
            declared: Declared::default(),
            forks: None,
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

    /// At most so many hosts at a time for as long as this process drives the run, whatever its stages allow.
    pub fn limit(&mut self, forks: Option<u32>) {
        self.forks = forks;
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
            && self.settings.kind.patches()
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

    /// Whether it comes to a safe point and then rests: nothing new starts.
    pub fn is_stopping(&self) -> bool {
        self.draining.is_some() || self.pause_asked || !self.barred.is_empty()
    }

    /// Whether somebody wants it to pause.
    pub fn is_pause_asked(&self) -> bool {
        self.pause_asked
    }

    /// Hosts that do not take us for who we are any more, in the middle of their way, and what they said.
    pub fn barred(&self) -> &BTreeMap<HostIx, Problem> {
        &self.barred
    }

    /// Who cancelled it, why, and when.
    pub fn cancelled(&self) -> Option<(&Person, &str, Timestamp)> {
        self.cancelled.as_ref().map(|(by, reason, at)| (by, reason.as_str(), *at))
    }

    /// How often it was taken up.
    pub fn epoch(&self) -> u64 {
        self.epoch
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
}
