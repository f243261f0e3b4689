//! Events: what happened, as the journal keeps it. The state of a run is the fold of its events and nothing else.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::approval::Decision;
pub use super::arrival::{Input, Timed};
pub use super::cause::{GateKind, PauseCause, StageEnd, UndoCause};
use super::emergency::Declaration;
use super::findings::StepResult;
use super::hooks::StageHook;
use super::ids::{Digest, HostIx, JobId, StageIx};
use super::notify::Delivery;
use super::packages::{Package, PackageOp};
use super::problem::Problem;
use super::record::Head;
use super::settings::Person;
pub use super::step::Step;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run exists; its settings are frozen.
    RunStarted {
        /// The digest of the frozen settings.
        settings: Digest,
        /// The digests of the files that were frozen with them, by name. (Older journals have none.)
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        frozen: BTreeMap<String, Digest>,
        /// Where the site's chain ended then. (Older journals do not say.)
        #[serde(default, skip_serializing_if = "Option::is_none")]
        site: Option<Head>,
    },
    /// A process took the run up.
    Driven {
        /// Who.
        by: Person,
        /// Which patchctl.
        version: String,
    },
    /// A transaction, recorded once however many hosts have it.
    Transaction {
        /// The digest of its JSON.
        digest: Digest,
        /// Its operations, sorted.
        ops: Vec<PackageOp>,
    },
    /// A list of everything installed, recorded once however many hosts have it.
    Installed {
        /// The digest of its JSON.
        digest: Digest,
        /// The packages, sorted.
        packages: Vec<Package>,
    },
    /// The stage's hosts are being asked.
    StageOpened {
        /// Which stage.
        stage: StageIx,
    },
    /// Every host of the stage has answered.
    StageResolved {
        /// Which stage.
        stage: StageIx,
    },
    /// The first change waits for the person at the terminal.
    Confirming,
    /// The first change was confirmed at the terminal, or needed no confirmation.
    Confirmed {
        /// By whom.
        by: Person,
    },
    /// The first change was declined at the terminal.
    Declined {
        /// By whom.
        by: Person,
    },
    /// A gate opened.
    GateOpened {
        /// Of which stage.
        stage: StageIx,
        /// Which of its gates.
        gate: GateKind,
        /// What is decided on.
        digest: Digest,
    },
    /// A decision at an open gate.
    Decided {
        /// Of which stage.
        stage: StageIx,
        /// Which of its gates.
        gate: GateKind,
        /// The digest that the decision names.
        digest: Digest,
        /// The decision.
        decision: Decision,
    },
    /// An approval waited too long to be used: the gate opens anew.
    ApprovalLapsed {
        /// Of which stage.
        stage: StageIx,
    },
    /// Before an approval is used, the hosts that it is about are inspected again.
    RecheckStarted {
        /// Of which stage.
        stage: StageIx,
    },
    /// They are as they were when they were approved: the approval may be used now.
    Rechecked {
        /// Of which stage.
        stage: StageIx,
    },
    /// They are not: the approval is void, and the gate opens anew.
    ApprovalStale {
        /// Of which stage.
        stage: StageIx,
        /// What is decided on now.
        digest: Digest,
        /// What has changed, for people: each begins with the host's name.
        changes: Vec<String>,
    },
    /// A pre-approval was brought, and does not cover all that the open gate is about.
    NotCovered {
        /// Of which stage.
        stage: StageIx,
        /// The pre-approval.
        id: String,
        /// What it does not cover, for people.
        what: Vec<String>,
    },
    /// Hosts of the stage could begin, and its windows or a freeze keep them from it: it waits.
    WindowShut {
        /// Of which stage.
        stage: StageIx,
        /// What is in the way, for people.
        by: String,
        /// When they may; none: never, as far as one can see.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        opens: Option<Timestamp>,
    },
    /// Hosts of the stage begin, since an emergency passes what would keep them from it.
    BarrierPassed {
        /// Of which stage.
        stage: StageIx,
        /// What would be in the way, for people.
        by: String,
    },
    /// The stage waits for its window no more.
    WindowOpened {
        /// Of which stage.
        stage: StageIx,
    },
    /// A wave begins.
    WaveStarted {
        /// Of which stage.
        stage: StageIx,
        /// Which, from 1.
        wave: u32,
        /// Its hosts that have something to do.
        hosts: Vec<HostIx>,
    },
    /// The wave that was patched is watched.
    SoakStarted {
        /// Of which stage.
        stage: StageIx,
        /// For how long.
        until: Timestamp,
    },
    /// Its hosts are looked at.
    SoakLooked {
        /// Of which stage.
        stage: StageIx,
    },
    /// It was watched for long enough.
    SoakEnded {
        /// Of which stage.
        stage: StageIx,
    },
    /// What the stage's hosts will need is fetched, ahead of their time.
    PrefetchStarted {
        /// Of which stage.
        stage: StageIx,
    },
    /// It was fetched, as far as it could be.
    PrefetchEnded {
        /// Of which stage.
        stage: StageIx,
    },
    /// A stage's own hook begins.
    HookStarted {
        /// Of which stage.
        stage: StageIx,
        /// Which.
        hook: StageHook,
        /// On which host, where it does not run here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<HostIx>,
        /// The job's ID there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<JobId>,
    },
    /// It ended.
    HookEnded {
        /// Of which stage.
        stage: StageIx,
        /// Which.
        hook: StageHook,
        /// Why it failed, if it did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<Problem>,
        /// What it printed, kept as a blob.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log: Option<Digest>,
    },
    /// All hosts of the wave came to rest.
    WaveEnded {
        /// Of which stage.
        stage: StageIx,
    },
    /// A gate before the stage's first change, or between two waves, was approved, and the approval is used now.
    GatePassed {
        /// Of which stage.
        stage: StageIx,
    },
    /// More hosts failed than the stage may have: no new host starts.
    Exceeded {
        /// Of which stage.
        stage: StageIx,
    },
    /// More hosts than may did not answer, after the stage's first change: no new host starts, and nothing goes back.
    Unreached {
        /// Of which stage.
        stage: StageIx,
    },
    /// Patched hosts of the stage go back.
    UndoStarted {
        /// Of which stage.
        stage: StageIx,
        /// Why.
        cause: UndoCause,
    },
    /// The stage's hosts are decided; claims are taken off.
    ClosingStarted {
        /// Which stage.
        stage: StageIx,
        /// How it will have ended.
        end: StageEnd,
    },
    /// The stage is over.
    StageEnded {
        /// Which stage.
        stage: StageIx,
        /// How.
        end: StageEnd,
    },
    /// A step begins on a host: the intent, on the disk before anything reaches the host.
    StepStarted {
        /// On which host.
        host: HostIx,
        /// Which step.
        step: Step,
        /// The job's ID, for steps that run as jobs.
        job: Option<JobId>,
    },
    /// A step ended on a host.
    StepEnded {
        /// On which host.
        host: HostIx,
        /// Which step.
        step: Step,
        /// How.
        result: StepResult,
    },
    /// Hosts that failed or were not reached are tried again.
    Retried {
        /// Which hosts.
        hosts: Vec<HostIx>,
    },
    /// Nothing new starts; what runs comes to a safe point.
    Draining {
        /// `SIGINT`, `SIGTERM`, …
        signal: String,
    },
    /// A host does not take us for who we are any more, in the middle of its way: the run comes to a safe point, and the
    /// step is asked about when it goes on.
    Barred {
        /// Which host.
        host: HostIx,
        /// What it said.
        problem: Problem,
    },
    /// Somebody wants the run to come to a safe point.
    PauseAsked {
        /// Who.
        by: Person,
    },
    /// Somebody wants everything to go back that is not approved yet.
    Cancelled {
        /// Who.
        by: Person,
        /// Why.
        reason: String,
    },
    /// Somebody said that this is an emergency, as a policy permits.
    EmergencyDeclared {
        /// Who, and why.
        #[serde(flatten)]
        declaration: Declaration,
    },
    /// Somebody looked at the emergency afterwards.
    Reviewed {
        /// Who.
        by: Person,
        /// What that person says to it.
        reason: String,
    },
    /// Hosts that were lost, or did not come back as they were, are asked what became of them.
    Recovering {
        /// By whom.
        by: Person,
        /// Which hosts.
        hosts: Vec<HostIx>,
    },
    /// Somebody gave a host up: nothing is expected of it any more.
    Released {
        /// Which host.
        host: HostIx,
        /// Who.
        by: Person,
        /// Why.
        reason: String,
    },
    /// The process that drove the run leaves it.
    Paused {
        /// A gate, a signal, …
        why: PauseCause,
    },
    /// The end of an unfinished journal was cut off: a write had not been completed.
    TailCut {
        /// How many bytes.
        bytes: u64,
    },
    /// Something that must not be lost, but changes no state.
    Noted {
        /// What.
        problem: Problem,
    },
    /// A gate has waited for as long as it should, and people are reminded of it.
    Reminded {
        /// Of which stage.
        stage: StageIx,
    },
    /// A message was sent, or given up.
    Notified {
        /// Its number in the run.
        message: u32,
        /// To whom, as the plan calls it.
        channel: String,
        /// What became of it.
        outcome: Delivery,
        /// How often the process that says so tried.
        tries: u32,
        /// Why it was given up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// The run is over.
    Finished,
}

impl Event {
    /// The kinds, as records name them.
    pub const KINDS: &[&str] = &[
        "run_started",
        "driven",
        "transaction",
        "installed",
        "stage_opened",
        "stage_resolved",
        "confirming",
        "confirmed",
        "declined",
        "gate_opened",
        "decided",
        "approval_lapsed",
        "recheck_started",
        "rechecked",
        "approval_stale",
        "not_covered",
        "window_shut",
        "barrier_passed",
        "window_opened",
        "wave_started",
        "soak_started",
        "soak_looked",
        "soak_ended",
        "prefetch_started",
        "prefetch_ended",
        "hook_started",
        "hook_ended",
        "wave_ended",
        "gate_passed",
        "exceeded",
        "unreached",
        "undo_started",
        "closing_started",
        "stage_ended",
        "step_started",
        "step_ended",
        "retried",
        "draining",
        "barred",
        "pause_asked",
        "cancelled",
        "emergency_declared",
        "reviewed",
        "recovering",
        "released",
        "paused",
        "tail_cut",
        "noted",
        "reminded",
        "notified",
        "finished",
    ];
}
