//! Why things happened: which gate, why hosts go back, how a stage ended, why a process left its run.

use serde::{Deserialize, Serialize};

use super::ids::StageIx;

/// Which of a stage's gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GateKind {
    /// Before the stage's first change: permission to begin.
    Before,
    /// After its last: keep it or undo it.
    After,
    /// After a wave that others follow: keep it and go on, or undo it.
    Wave,
}

/// Why a stage's patched hosts go back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoCause {
    /// The gate said no.
    Rejected,
    /// Too many hosts failed in this stage.
    Failed,
    /// Too many hosts failed in another stage, and the scope is the run.
    FailedIn(StageIx),
    /// Somebody cancelled the run.
    Cancelled,
    /// It is a drill: what was patched goes back on purpose.
    Drilled,
}

/// How a stage ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageEnd {
    /// Approved (or without a gate), and kept.
    Approved,
    /// Every host had the patch already, and nothing depended on somebody saying so.
    Current,
    /// A person, or the gate's time, said no.
    Rejected,
    /// Too many hosts failed.
    Failed,
    /// No host could be patched, or too many were unreachable.
    Refused,
    /// `--limit` left no host.
    Empty,
    /// A stage that it needs did not succeed.
    NeedsUnmet,
    /// The person did not confirm the first change.
    Declined,
    /// Somebody cancelled the run.
    Cancelled,
    /// Too many hosts did not answer after the first change: kept where patched, the rest was not begun.
    Incomplete,
    /// A drill: everything was patched, and is back on purpose.
    Drilled,
}

/// Why a process left a run that is not finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseCause {
    /// A gate waits for a person.
    Gate,
    /// The first change waits for a person.
    Confirmation,
    /// A signal.
    Signal(String),
    /// A stage waits for its window.
    Window,
    /// A wave is watched.
    Soak,
    /// Somebody asked for it.
    Asked,
    /// A host does not take us for who we are any more.
    Barred,
}
