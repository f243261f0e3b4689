//! What policies make of a plan, before any host is asked.

use serde::Serialize;

use super::{Outcome, Stamp};
use crate::core::approval::{When, Who};
use crate::core::ids::{Digest, HostName, PlanName, RunId, StageName};
use crate::core::policy::Passes;
use crate::core::problem::Problem;
use crate::core::risk::Severity;

/// The document of `policy test`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyDocument {
    /// The version of its form.
    pub schema: u32,
    /// Whether a run of the plan would be refused.
    pub outcome: Outcome,
    /// Its exit code.
    pub exit_code: u8,
    /// The plan.
    pub plan: PlanName,
    /// How severe the plan says that its patch is; none: it does not, and that counts as critical.
    pub severity: Option<Severity>,
    /// The files whose rules hold beside the plan's own.
    pub policies: Vec<PolicyOf>,
    /// The stages, in order.
    pub stages: Vec<StagePolicy>,
    /// What became of each limit.
    pub limits: Vec<LimitLine>,
    /// What is left as it is, and what was and is over.
    pub exceptions: Vec<ExceptionLine>,
    /// Checks that must have held before a gate is approved, with their places; left out where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
    /// The way that is open in an emergency.
    pub emergency: Option<EmergencyLine>,
    /// Which drill a run needs; left out where it needs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drill: Option<DrillLine>,
    /// Why a run would be refused.
    pub errors: Vec<Problem>,
}

/// Which drill of the plan a run needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DrillLine {
    /// Where the rule stands.
    pub at: String,
    /// How old the drill may be, in seconds.
    pub within: u64,
    /// Whether there is one.
    pub met: bool,
    /// The last drill that proved the plan's way back; none: none is known here.
    pub run_id: Option<RunId>,
    /// When that ended.
    pub ended_at: Option<Stamp>,
    /// The same, for people.
    pub said: String,
}

/// A file of rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyOf {
    /// As messages name it.
    pub file: String,
    /// The digest of its text.
    pub digest: Digest,
}

/// What rules make of one stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StagePolicy {
    /// Its name.
    pub name: StageName,
    /// How many hosts it has.
    pub hosts: usize,
    /// Its gate as far as one can see before hosts have answered; none: it has none.
    pub gate: Option<GateLine>,
    /// Each rule, and what it comes to.
    pub rules: Vec<RuleLine>,
    /// Whether hosts may begin now; none: nothing ever stands in the way.
    pub window: Option<WindowLine>,
    /// The hosts that are left as they are.
    pub excepted: Vec<ExceptedHost>,
}

/// A gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GateLine {
    /// Where it stands.
    pub when: When,
    /// Who may decide: somebody who is in each of these lists.
    pub by: Vec<Vec<Who>>,
    /// How many must approve.
    pub quorum: u32,
    /// Whether only signed decisions count.
    pub signed: bool,
    /// Whether somebody else than who started the run must approve.
    pub four_eyes: bool,
}

/// A rule, and what it comes to for a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleLine {
    /// What people call it.
    pub rule: String,
    /// `approval` or `auto_approve`.
    pub kind: &'static str,
    /// Where it stands.
    pub at: String,
    /// `yes`, `no`, or `if`.
    pub applies: &'static str,
    /// Why, or on what it depends.
    pub why: String,
    /// What it makes of the gate.
    pub demand: String,
}

/// Whether hosts may begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WindowLine {
    /// Whether they may now.
    pub open: bool,
    /// Until when they may, or from when on; none: for ever, or never.
    pub until: Option<Stamp>,
    /// What stands in the way.
    pub by: Option<String>,
}

/// A host that an exception leaves as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExceptedHost {
    /// Its name.
    pub host: HostName,
    /// By which.
    pub cause: String,
}

/// What became of one limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LimitLine {
    /// Its key.
    pub limit: &'static str,
    /// Where it stands.
    pub at: String,
    /// The stage; none: the plan.
    pub stage: Option<String>,
    /// What it allows.
    pub allowed: String,
    /// What the plan wants.
    pub wanted: String,
    /// Where the plan says so itself.
    pub wanted_at: Option<String>,
    /// `within`, `lowered`, `refused`; `if`: the hosts' answers say.
    pub verdict: &'static str,
}

/// An exception.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExceptionLine {
    /// Where it stands.
    pub at: String,
    /// What it is about: hosts of this plan, or its pattern where it is over.
    pub what: String,
    /// Until when it holds, or held.
    pub until: Stamp,
    /// Where somebody agreed to it.
    pub ticket: String,
    /// Whether it is over, and not used.
    pub expired: bool,
}

/// The way that is open in an emergency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EmergencyLine {
    /// Where it stands.
    pub at: String,
    /// Who may go it.
    pub by: Vec<Who>,
    /// How many must.
    pub quorum: u32,
    /// What it passes.
    pub passes: Vec<Passes>,
}
