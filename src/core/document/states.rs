//! The words for where a host or a stage stands.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What was last done to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ActionPerformed {
    /// It was patched.
    Patch,
    /// It was taken back to what it was.
    Rollback,
    /// Nothing was changed on it.
    None,
}

/// How that went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ActionState {
    /// As it should.
    Success,
    /// It did not do what it should.
    Failed,
    /// It was not begun.
    Skipped,
    /// Nobody knows: the host was lost after a change.
    Unknown,
}

/// Where a stage stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StageState {
    /// Kept: what needs it may begin.
    Success,
    /// A patch or a check failed.
    Failed,
    /// Its gate's decision was no.
    Rejected,
    /// It has no hosts, or did not begin because of others.
    Skipped,
    /// Its hosts are being worked on.
    Running,
    /// Its gate, window or soak is open.
    Waiting,
}

/// Why a host stands where it stands: the documented list of `state_reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StateReason {
    /// It has the patch, verified in effect, and keeps it.
    Patched,
    /// It needed nothing.
    Current,
    /// It has the patch, and its gate is not decided.
    Waiting,
    /// It is back exactly as it was before the patch.
    Restored,
    /// It did not answer, or not as itself; it was not touched.
    Unreachable,
    /// A rule or a preflight check said no; it was not touched.
    Refused,
    /// No earlier stage proved what it would get; it was not touched.
    Unproven,
    /// Another run has it; it was not touched.
    Claimed,
    /// An exception of the policy leaves it as it is; it was not touched.
    Excepted,
    /// A step failed before anything was changed.
    Failed,
    /// A person said no before anything was changed.
    Rejected,
    /// Somebody else changed it since; it was left alone.
    Conflict,
    /// The way back failed.
    RollbackFailed,
    /// The way back ended, and the host differs from what it was.
    NotExact,
    /// It was lost after a change had begun.
    Lost,
    /// It was left out: a hook said so, or its stage was skipped.
    Skipped,
    /// Its turn has not come, or will not come because of other hosts.
    NotBegun,
    /// It is being worked on.
    Running,
}

/// Why a stage stands where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StageReason {
    /// Its gate was approved.
    Approved,
    /// It has no gate, and its hosts are done.
    Done,
    /// Its gate was rejected.
    Rejected,
    /// Its gate was not decided in time, and the plan says that this rejects.
    Expired,
    /// Somebody cancelled the run.
    Cancelled,
    /// More hosts failed than the plan allows.
    Failed,
    /// More hosts were unreachable than the plan allows.
    Unreachable,
    /// Nothing was changed on any of its hosts: preflight, a rule, a claim.
    Refused,
    /// It went back because another stage failed or was rejected.
    RolledBack,
    /// At least one of its hosts is not in a known good state.
    Degraded,
    /// No host was selected.
    Empty,
    /// A stage that it needs is not SUCCESS.
    Needs,
    /// Its turn has not come.
    NotBegun,
    /// Its hosts are being worked on.
    Running,
    /// Its gate waits for a decision.
    Approval,
    /// It waits for its window.
    Window,
    /// A wave is being watched.
    Soak,
    /// A drill: its hosts were patched, and are back on purpose.
    Drilled,
    /// A person must say what happens next.
    Person,
}

/// `as_str` and `Display` with the same words as the documents.
macro_rules! words {
    ($type:ty, $($variant:ident => $word:literal),+ $(,)?) => {
        impl $type {
            /// The word in documents.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Every one, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words!(ActionPerformed, Patch => "PATCH", Rollback => "ROLLBACK", None => "NONE");
words!(ActionState, Success => "SUCCESS", Failed => "FAILED", Skipped => "SKIPPED", Unknown => "UNKNOWN");
words!(
    StageState,
    Success => "SUCCESS",
    Failed => "FAILED",
    Rejected => "REJECTED",
    Skipped => "SKIPPED",
    Running => "RUNNING",
    Waiting => "WAITING",
);
words!(
    StateReason,
    Patched => "patched",
    Current => "current",
    Waiting => "waiting",
    Restored => "restored",
    Unreachable => "unreachable",
    Refused => "refused",
    Unproven => "unproven",
    Claimed => "claimed",
    Excepted => "excepted",
    Failed => "failed",
    Rejected => "rejected",
    Conflict => "conflict",
    RollbackFailed => "rollback_failed",
    NotExact => "not_exact",
    Lost => "lost",
    Skipped => "skipped",
    NotBegun => "not_begun",
    Running => "running",
);
words!(
    StageReason,
    Approved => "approved",
    Done => "done",
    Rejected => "rejected",
    Expired => "expired",
    Cancelled => "cancelled",
    Failed => "failed",
    Unreachable => "unreachable",
    Refused => "refused",
    RolledBack => "rolled_back",
    Degraded => "degraded",
    Empty => "empty",
    Needs => "needs",
    NotBegun => "not_begun",
    Running => "running",
    Approval => "approval",
    Window => "window",
    Soak => "soak",
    Drilled => "drilled",
    Person => "person",
);
