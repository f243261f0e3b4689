//! What can reach a run from outside.

use jiff::Timestamp;

use super::approval::Decision;
use super::emergency::Declaration;
use super::event::PauseCause;
use super::findings::StepResult;
use super::hooks::StageHook;
use super::ids::{Digest, HostIx, StageIx};
use super::notify::Delivery;
use super::packages::{Package, PackageOp};
use super::problem::Problem;
use super::settings::Person;
use super::step::Step;

/// Something that reached the run from outside, with the time that it did.
#[derive(Debug, Clone)]
pub struct Timed<T> {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: T,
}

/// What can reach a run from outside.
#[derive(Debug, Clone)]
pub enum Input {
    /// A process takes the run up.
    Drive {
        /// Who.
        by: Person,
        /// Which patchctl.
        version: String,
        /// Whether the first change is confirmed already (`--yes`, or no terminal to ask at).
        confirmed: bool,
    },
    /// A step ended.
    StepEnded {
        /// On which host.
        host: HostIx,
        /// Which step.
        step: Step,
        /// How.
        result: StepResult,
        /// The transaction that a resolution names.
        ops: Vec<PackageOp>,
        /// Everything installed, where the result names such a list.
        installed: Vec<Package>,
    },
    /// A stage's own hook ended.
    HookEnded {
        /// Of which stage.
        stage: StageIx,
        /// Which.
        hook: StageHook,
        /// Why it failed, if it did.
        problem: Option<Problem>,
        /// What it printed, kept as a blob.
        log: Option<Digest>,
    },
    /// The person answered whether to begin.
    Confirm {
        /// Who.
        by: Person,
        /// Yes or no.
        yes: bool,
    },
    /// Somebody decided at a gate.
    Decide {
        /// The stage; none: the one gate that is open.
        stage: Option<StageIx>,
        /// The digest's beginning, where the decision names it.
        digest: Option<String>,
        /// The decision.
        decision: Decision,
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
    /// Nobody is here to decide: the run may pause.
    Leave {
        /// What it waits for.
        why: PauseCause,
    },
    /// Try failed and unreached hosts again.
    Retry {
        /// Only these; none: all of them.
        only: Option<Vec<HostIx>>,
    },
    /// A signal.
    Signal(String),
    /// A host does not take us for who we are any more, in the middle of this step.
    Barred {
        /// Which host.
        host: HostIx,
        /// Which step.
        step: Step,
        /// What it said.
        problem: Problem,
    },
    /// Somebody wants the run to come to a safe point.
    Pause {
        /// Who.
        by: Person,
    },
    /// Somebody wants everything to go back that is not approved yet.
    Cancel {
        /// Who.
        by: Person,
        /// Why.
        reason: String,
    },
    /// Somebody says that this is an emergency.
    Declare(Declaration),
    /// Somebody has looked at an emergency afterwards.
    Review {
        /// Who.
        by: Person,
        /// What that person says to it.
        reason: String,
    },
    /// Lost hosts are to be asked what became of them, and finished or restored.
    Recover {
        /// Who wants it.
        by: Person,
        /// Which hosts.
        hosts: Vec<HostIx>,
    },
    /// Somebody gives a host up.
    Release {
        /// Which host.
        host: HostIx,
        /// Who.
        by: Person,
        /// Why.
        reason: String,
    },
    /// What became of a message.
    Notified {
        /// Its number in the run.
        message: u32,
        /// What became of it.
        outcome: Delivery,
        /// How often it was tried.
        tries: u32,
        /// Why it was given up.
        detail: Option<String>,
    },
    /// Time has passed.
    Tick,
}
