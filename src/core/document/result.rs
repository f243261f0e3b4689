//! The result document: what a run did, host by host.

use serde::{Deserialize, Deserializer, Serialize};

use super::DOCUMENT_VERSION;
use super::moment::Stamp;
use super::outcome::Outcome;
use super::states::{ActionPerformed, ActionState, StageReason, StageState, StateReason};
use crate::core::ids::{ChangeId, Digest, HostName, PlanName, RunId, StageName};
use crate::core::packages::{Arch, PackageName, Version};
use crate::core::problem::Problem;

/// What a run did. A field without a value is `null`; only what is marked so is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ResultDocument {
    /// The version of this form.
    pub schema: u32,
    /// The run; none where there never was one.
    #[schemars(with = "Option<String>")]
    pub run_id: Option<RunId>,
    /// What kind of run.
    pub kind: DocumentKind,
    /// The change that it belongs to.
    #[schemars(with = "Option<String>")]
    pub change_id: Option<ChangeId>,
    /// The plan's name.
    #[schemars(with = "Option<String>")]
    pub plan: Option<PlanName>,
    /// The digest of the plan's text.
    #[schemars(with = "Option<String>")]
    pub plan_digest: Option<Digest>,
    /// How it ended, or stands.
    pub outcome: Outcome,
    /// The exit code of the process that ended with this.
    pub exit_code: u8,
    /// When it started.
    pub started_at: Option<Stamp>,
    /// When it ended; none while it is unfinished.
    pub finished_at: Option<Stamp>,
    /// From its start to its end, or to now.
    pub duration_ms: u64,
    /// Its hosts, counted.
    pub summary: Summary,
    /// What it waits for.
    pub waiting: Option<Waiting>,
    /// Who cancelled it; left out where nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled: Option<Said>,
    /// The emergency that it is; left out where nobody declared one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emergency: Option<EmergencyResult>,
    /// What it has proved; left out where it is no drill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<DrillResult>,
    /// Its stages, in the plan's order.
    pub stages: Vec<StageResult>,
    /// What went wrong.
    pub errors: Vec<Problem>,
    /// The hash of the journal's last line.
    #[schemars(with = "Option<String>")]
    pub audit_head: Option<Digest>,
}

impl ResultDocument {
    /// The document of a run that never came to be.
    pub fn of_errors(kind: DocumentKind, outcome: Outcome, errors: Vec<Problem>) -> Self {
        Self {
            schema: DOCUMENT_VERSION,
            run_id: None,
            kind,
            change_id: None,
            plan: None,
            plan_digest: None,
            outcome,
            exit_code: outcome.exit_code(),
            started_at: None,
            finished_at: None,
            duration_ms: 0,
            summary: Summary::default(),
            waiting: None,
            cancelled: None,
            emergency: None,
            drill: None,
            stages: Vec::new(),
            errors,
            audit_head: None,
        }
    }
}

/// What somebody wanted, or said, of a run as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Said {
    /// Who.
    pub by: String,
    /// When.
    pub at: Stamp,
    /// Why.
    pub reason: String,
}

/// An emergency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EmergencyResult {
    /// Who declared it.
    pub declared: Vec<Said>,
    /// Whether so many people declared it that the policy's way is open.
    pub in_force: bool,
    /// How many of those who may have declared it; none: it is not the policy's way, but one through a freeze.
    pub have: Option<u32>,
    /// How many must.
    pub need: Option<u32>,
    /// Which windows and freezes were passed, for people.
    pub passed: Vec<String>,
    /// Until when somebody else must have looked at it; none while the run is not over.
    pub review_by: Option<Stamp>,
    /// Who did.
    pub review: Option<Said>,
}

/// What kind of run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DocumentKind {
    /// It patches.
    Run,
    /// It undoes an earlier run.
    Rollback,
    /// It patches a stage and takes it back, to prove the way back.
    Drill,
}

/// What a drill has proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DrillResult {
    /// How many hosts were patched, verified, and taken back to exactly what they were.
    pub proved: usize,
    /// How long the slowest of them took to go back; none: nothing was proved.
    pub slowest_way_back_ms: Option<u64>,
}

/// Hosts, counted: every host counts once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Summary {
    /// All of them.
    pub hosts: usize,
    /// PATCH/SUCCESS: patched, and kept or waiting for its gate.
    pub patched: usize,
    /// NONE/SUCCESS: needed nothing.
    pub current: usize,
    /// ROLLBACK/SUCCESS: back exactly as it was.
    pub rolled_back: usize,
    /// FAILED in any other way than unreachable.
    pub failed: usize,
    /// NONE/FAILED, because it did not answer.
    pub unreachable: usize,
    /// NONE/SKIPPED: not begun.
    pub skipped: usize,
    /// UNKNOWN: lost after a change.
    pub unknown: usize,
}

impl Summary {
    /// Counts the hosts of these stages.
    pub fn of(stages: &[StageResult]) -> Self {
        let mut summary = Self::default();
        for host in stages.iter().flat_map(|stage| &stage.hosts) {
            summary.add(host);
        }
        summary
    }

    fn add(&mut self, host: &HostResult) {
        self.hosts += 1;
        let counter = match (host.action_performed, host.action_state) {
            (_, ActionState::Unknown) => &mut self.unknown,
            (_, ActionState::Skipped) => &mut self.skipped,
            (_, ActionState::Failed) if host.state_reason == StateReason::Unreachable => &mut self.unreachable,
            (_, ActionState::Failed) => &mut self.failed,
            (ActionPerformed::Patch, ActionState::Success) => &mut self.patched,
            (ActionPerformed::Rollback, ActionState::Success) => &mut self.rolled_back,
            (ActionPerformed::None, ActionState::Success) => &mut self.current,
        };
        *counter += 1;
    }
}

/// What an unfinished run waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Waiting {
    /// What kind of thing.
    pub kind: WaitingFor,
    /// In which stage.
    #[schemars(with = "String")]
    pub stage: StageName,
    /// How many approvals it has.
    pub have: Option<u32>,
    /// How many it needs.
    pub need: Option<u32>,
    /// When the window opens or the soak ends.
    pub opens_at: Option<Stamp>,
    /// Until when the gate waits, or hosts may begin once the window is open.
    pub until: Option<Stamp>,
    /// Which window or freeze is in the way; left out where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The gate's digest.
    #[schemars(with = "Option<String>")]
    pub digest: Option<Digest>,
    /// What the pre-approval that was given does not cover; left out where none was, or where it covers all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_covered: Vec<String>,
    /// The command that goes on from here.
    pub command: String,
}

/// What kind of thing a run waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaitingFor {
    /// A decision at a gate.
    Approval,
    /// A maintenance window.
    Window,
    /// The end of the time that a wave is watched.
    Soak,
    /// A person, to say what happens next.
    Person,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StageResult {
    /// Its name.
    #[schemars(with = "String")]
    pub name: StageName,
    /// Where it stands.
    pub state: StageState,
    /// Why.
    pub state_reason: StageReason,
    /// Its gate's decision.
    pub decision: Option<Decision>,
    /// Its hosts, in order.
    pub hosts: Vec<HostResult>,
}

/// What was decided at a gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Decision {
    /// Yes, no, or too late.
    pub verdict: Verdict,
    /// Over which evidence.
    #[schemars(with = "String")]
    pub digest: Digest,
    /// By whom.
    pub by: Vec<DecidedBy>,
}

/// A gate's verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The patch is kept.
    Approved,
    /// It goes back.
    Rejected,
    /// Nobody decided in time: it goes back.
    Expired,
}

impl Verdict {
    /// The word in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
        }
    }
}

/// One person's part in a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DecidedBy {
    /// Who.
    pub name: String,
    /// Where the name comes from: the `login` behind the process, `sudo`, a `signature`, a `policy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// When.
    pub at: Stamp,
    /// Why.
    pub reason: String,
    /// In which way.
    pub how: How,
    /// The fingerprint of the key that signed it.
    pub key: Option<String>,
}

/// In which way a decision was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// At the run's own prompt.
    Prompt,
    /// With `--approve`.
    Flag,
    /// With `approve` or `reject`.
    Command,
    /// With a signature.
    Signature,
    /// By a rule: the gate's time limit, or policy.
    Policy,
}

impl How {
    /// The word in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Flag => "flag",
            Self::Command => "command",
            Self::Signature => "signature",
            Self::Policy => "policy",
        }
    }
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HostResult {
    /// Its name in the inventory.
    #[schemars(with = "String")]
    pub host: HostName,
    /// Where it was reached.
    pub address: String,
    /// Its wave, counted from 1.
    pub wave: u32,
    /// What was last done to it.
    pub action_performed: ActionPerformed,
    /// How that went.
    pub action_state: ActionState,
    /// Why it stands there.
    pub state_reason: StateReason,
    /// Who or what caused it: the approver's reason, or the failing step and its own message.
    pub action_cause: Option<String>,
    /// What changed on it.
    pub packages: Vec<PackageChange>,
    /// How its way back went.
    pub rollback: Option<RollbackResult>,
    /// Services that run, or ran, replaced code.
    pub services: Services,
    /// Whether it must boot.
    pub reboot: Reboot,
    /// Whether it may yet undo the patch by itself; left out where it has no dead man that waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_man: Option<DeadMan>,
    /// Its checks, in the order in which they ran.
    pub checks: Vec<CheckResult>,
    /// What went wrong.
    pub error: Option<Problem>,
    /// How long it was worked on.
    pub duration_ms: u64,
    /// How long its way back took; left out where it did not go it, or where it is no drill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way_back_ms: Option<u64>,
}

/// What happened to one package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PackageChange {
    /// Its name.
    #[schemars(with = "String")]
    pub name: PackageName,
    /// Its architecture.
    #[schemars(with = "String")]
    pub arch: Arch,
    /// The version before; none: it was not installed.
    #[schemars(with = "Option<String>")]
    pub before: Option<Version>,
    /// After a rollback: the version that the patch had brought; none in it: the patch had removed it. Left out
    /// otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schemars(with = "Option<String>")]
    pub tried: Option<Option<Version>>,
    /// The version now; none: it is not installed.
    #[schemars(with = "Option<String>")]
    pub after: Option<Version>,
}

/// A field that is there, be it `null`.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<Version>>, D::Error> {
    Option::<Version>::deserialize(from).map(Some)
}

/// How a host's way back went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RollbackResult {
    /// Whether the host is what it was.
    pub exact: bool,
    /// Where it is not.
    pub differences: Vec<String>,
    /// Whether the host restored itself.
    #[serde(rename = "self")]
    pub by_itself: bool,
}

/// Services whose code was replaced while they ran.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Services {
    /// Those that were restarted.
    pub restarted: Vec<String>,
    /// Those that still run the old code.
    pub stale: Vec<String>,
}

/// Whether a host must boot for the patch to be in effect.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Reboot {
    /// It must.
    pub needed: bool,
    /// It did, after the patch.
    pub done: bool,
    /// What told us that it must; left out where nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A host's dead man, as far as it is left to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeadMan {
    /// It undoes the patch unless somebody confirms it in time.
    Armed,
}

/// What a check said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CheckResult {
    /// The check's name.
    pub name: String,
    /// Before or after the patch.
    pub when: CheckWhen,
    /// Whether it passed.
    pub ok: bool,
    /// It could not be told: a person must look. Left out where it could.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inconclusive: bool,
    /// What it saw.
    pub detail: String,
}

/// When a check ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckWhen {
    /// Before the patch.
    Before,
    /// After it.
    After,
}
