//! What a person is shown before deciding at a gate, and what the person may answer.

use serde::{Deserialize, Serialize};

use super::document::{CheckResult, DocumentKind, PackageChange, PlanDocument, Reboot, Services, Stamp, StateReason};
use super::ids::{ChangeId, Digest, HostName, PlanName, RunId, StageName};
use super::problem::Problem;

/// A gate that waits, with everything that its decision is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateQuestion {
    /// The run.
    pub run: RunId,
    /// The change that it belongs to.
    pub change: ChangeId,
    /// The plan.
    pub plan: PlanName,
    /// The stage whose gate it is.
    pub stage: StageName,
    /// At its beginning or its end.
    pub kind: GateKind,
    /// What approving means: the digest over all of the evidence.
    pub digest: Digest,
    /// When the gate opened.
    pub opened_at: Stamp,
    /// Until when it waits; none: for as long as it takes.
    pub until: Option<Stamp>,
    /// What happens then: `true` rejects.
    pub rejects_then: bool,
    /// How many approvals it has.
    pub have: u32,
    /// How many it needs.
    pub need: u32,
    /// Who may decide, and how, in words; none: anybody who may use the state folder, in any way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_decide: Option<String>,
    /// What rules of a policy have to do with it: those that narrow it, and those that did not open it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policy: Vec<String>,
    /// Who has approved already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved_by: Vec<String>,
    /// Where an approval leads: the stages that may begin then, each with its number of hosts.
    pub opens: Vec<(StageName, usize)>,
    /// How many hosts a rejection takes back.
    pub takes_back: usize,
    /// The stage's hosts.
    pub hosts: Vec<HostEvidence>,
    /// What a person should know beside it: edits of the plan that are not used, what was left out, and why.
    pub notes: Vec<String>,
}

/// Where a gate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateKind {
    /// Before the stage's first change: on what would be done.
    Before,
    /// After its last: on what was done.
    After,
    /// Between two waves: on what was done up to there.
    Wave,
    /// More hosts failed than the plan allows, and it says that a person decides about the healthy ones.
    Exceeded,
    /// More hosts than the plan allows did not answer after the first change: a person decides about the others.
    Unreached,
}

/// One host, as its gate sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostEvidence {
    /// Its name.
    pub host: HostName,
    /// Its wave, counted from 1.
    pub wave: u32,
    /// Where it stands.
    pub state: StateReason,
    /// What changed, or would change.
    pub packages: Vec<PackageChange>,
    /// What its checks said.
    pub checks: Vec<CheckResult>,
    /// Services restarted, and those that still run replaced code.
    pub services: Services,
    /// Whether it must boot.
    pub reboot: Reboot,
    /// Whether there is a way back.
    pub rollback: WayBack,
    /// What went wrong.
    pub problem: Option<Problem>,
    /// How long it was worked on.
    pub took_ms: u64,
    /// The last lines of its log, for the details; may be empty.
    pub log: Vec<String>,
}

/// Whether a host can go back.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WayBack {
    /// Nothing was changed, so there is nothing to take back.
    NotNeeded,
    /// Every old package is on the host. What would not come back exactly is listed.
    Proven {
        /// Such as `openssl=3.0.20-1 was rebuilt from what is installed`.
        approximate: Vec<String>,
    },
    /// There is none, and something else is done instead.
    Impossible {
        /// Why there is none.
        why: String,
        /// What is done.
        instead: String,
    },
    /// There is none, or not for all of it.
    Unproven {
        /// What is missing.
        missing: Vec<String>,
    },
}

/// What a run is about to do, before its first change.
#[derive(Debug, Clone, PartialEq)]
pub struct Beginning {
    /// The run.
    pub run: RunId,
    /// What kind of run.
    pub kind: DocumentKind,
    /// The change that it belongs to.
    pub change: ChangeId,
    /// The plan.
    pub plan: PlanName,
    /// The stages that begin, each host with its transaction.
    pub now: PlanDocument,
    /// How many hosts are changed then.
    pub hosts: usize,
    /// What keeps hosts of these stages from beginning now, for people.
    pub shut: Vec<String>,
    /// The stages that by earlier runs do not fit their windows, for people.
    pub tight: Vec<String>,
    /// The stages that follow, each with its number of hosts: their transactions are resolved when their turn comes.
    pub later: Vec<(StageName, usize)>,
}

/// What a person answered at a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GateAnswer {
    /// Keep it.
    Approve {
        /// Why; never empty.
        reason: String,
    },
    /// Take it back.
    Reject {
        /// Why; never empty.
        reason: String,
    },
    /// Not now: the gate stays as it is.
    Wait,
    /// There is nobody to ask: no terminal.
    Unavailable,
}

/// What a person answered to a question of yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// Go ahead.
    Yes,
    /// Do not.
    No,
    /// Not now: it stays as it is.
    Later,
    /// There is nobody to ask: no terminal.
    Unavailable,
}
