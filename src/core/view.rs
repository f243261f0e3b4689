//! What a run tells whoever watches it, while it happens. Showing it is never part of the run: losing a view loses
//! nothing.

use std::time::Duration;

use super::document::{ActionPerformed, ActionState, StageReason, StageState, StateReason};
use super::evidence::{Beginning, GateQuestion};
use super::ids::{ChangeId, HostName, PlanName, RunId, StageName};

/// Something that a person may want to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// A run begins, or is taken up again.
    RunStarted {
        /// The run.
        run: RunId,
        /// The change that it belongs to.
        change: ChangeId,
        /// The plan.
        plan: PlanName,
        /// How many hosts it has.
        hosts: usize,
        /// Whether it is taken up again.
        resumed: bool,
    },
    /// A stage's hosts are about to be worked on.
    StageStarted {
        /// The stage.
        stage: StageName,
        /// How many hosts this is about.
        hosts: usize,
        /// Forward or back. A stage that goes back is counted anew.
        way: Way,
    },
    /// A wave begins.
    WaveStarted {
        /// The stage.
        stage: StageName,
        /// Which, counted from 1.
        wave: u32,
        /// Of how many.
        of: u32,
    },
    /// A host is at its next step; the first of these says that the host is running.
    HostPhase {
        /// The host.
        host: HostName,
        /// Its stage.
        stage: StageName,
        /// What is done there: one or two words.
        phase: String,
    },
    /// A line of the running step's log.
    HostLog {
        /// The host.
        host: HostName,
        /// The line as the host wrote it.
        line: String,
    },
    /// A host is done, for better or worse.
    HostDone {
        /// The host.
        host: HostName,
        /// Its stage.
        stage: StageName,
        /// What was done to it.
        performed: ActionPerformed,
        /// How that went.
        state: ActionState,
        /// Why.
        reason: StateReason,
        /// What a person should see of it: the packages, or what failed.
        detail: String,
        /// How long it took.
        took: Duration,
    },
    /// Something worth a line about a host: `reconnecting in 4 s`.
    Notice {
        /// The host.
        host: HostName,
        /// What, as it came.
        text: String,
    },
    /// A stage is done for now.
    StageDone {
        /// The stage.
        stage: StageName,
        /// Where it stands.
        state: StageState,
        /// Why.
        reason: StageReason,
    },
    /// Something worth a line about the run.
    Message {
        /// How much it matters.
        level: Level,
        /// What.
        text: String,
    },
    /// The run ended or paused; nothing follows.
    RunDone,
}

/// Which way a stage goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Its hosts are patched.
    Forward,
    /// Its hosts are taken back.
    Back,
}

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Only with `-v`.
    Detail,
    /// Worth knowing.
    Info,
    /// A person should look at it; shown with `-q` too.
    Warning,
}

/// Shows what happens. It never blocks for long and never fails.
pub trait Display: Send + Sync {
    /// Something happened.
    fn show(&self, view: &View);

    /// Leaves the terminal to somebody else until `resume`; what happens meanwhile is shown then.
    fn suspend(&self) {}

    /// Takes the terminal again.
    fn resume(&self) {}
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoDisplay;

impl Display for NoDisplay {
    fn show(&self, _: &View) {}
}

/// Writes down what a decision is about. What it writes is safe to show.
pub trait Scribe: Send + Sync {
    /// The evidence, so that it can be taken in at a glance.
    fn evidence(&self, gate: &GateQuestion) -> String;

    /// All of it.
    fn details(&self, gate: &GateQuestion) -> String;

    /// What a run is about to do.
    fn beginning(&self, beginning: &Beginning) -> String;
}
