//! The other documents: a plan resolved, the list of runs, and errors where there is nothing else to show.

use serde::{Deserialize, Serialize};

use super::DOCUMENT_VERSION;
use super::forecast::Forecast;
use super::moment::Stamp;
use super::outcome::Outcome;
use super::result::DocumentKind;
use crate::core::ids::{ChangeId, Digest, HostName, PlanName, RunId, StageName};
use crate::core::packages::PackageOp;
use crate::core::problem::Problem;

/// What a run of this plan would do now: the answer of `plan`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PlanDocument {
    /// The version of this form.
    pub schema: u32,
    /// The digest of all that follows, without forecasts; none where it could not be resolved.
    #[schemars(with = "Option<String>")]
    pub digest: Option<Digest>,
    /// The stages, in order.
    pub stages: Vec<PlannedStage>,
    /// What went wrong that is no single host's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Problem>,
}

/// One stage of a resolved plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PlannedStage {
    /// Its name.
    #[schemars(with = "String")]
    pub name: StageName,
    /// Its hosts by wave.
    #[schemars(with = "Vec<Vec<String>>")]
    pub waves: Vec<Vec<HostName>>,
    /// What would happen on each.
    pub hosts: Vec<PlannedHost>,
    /// How long it will take; none: no host has anything to do, or nobody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Forecast>,
}

/// What would happen on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PlannedHost {
    /// Its name.
    #[schemars(with = "String")]
    pub host: HostName,
    /// The package operations, all of them.
    #[schemars(with = "Vec<OpSchema>")]
    pub transaction: Vec<PackageOp>,
    /// Whether there is a way back.
    pub rollback: PlannedRollback,
    /// Whether it would have to boot.
    pub reboot: RebootForecast,
    /// What stands in the way.
    pub problems: Vec<Problem>,
}

/// Whether there is a way back.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PlannedRollback {
    /// Every old package is at hand.
    pub guaranteed: bool,
    /// Those that are not, `name=version`.
    pub missing: Vec<String>,
}

/// Whether a host would have to boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum RebootForecast {
    /// Not for this.
    #[serde(rename = "not needed")]
    NotNeeded,
    /// For the patch to be in effect.
    #[serde(rename = "needed")]
    Needed,
    /// It cannot be told beforehand.
    #[serde(rename = "unknown")]
    Unknown,
}

impl RebootForecast {
    /// The words in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotNeeded => "not needed",
            Self::Needed => "needed",
            Self::Unknown => "unknown",
        }
    }
}

/// The form of a [`PackageOp`], for the schema.
#[derive(schemars::JsonSchema)]
#[schemars(rename = "PackageOp")]
#[expect(dead_code, reason = "only its schema is used")]
struct OpSchema {
    /// `upgrade`, `install`, `remove` or `downgrade`.
    op: String,
    /// The package.
    name: String,
    /// Its architecture.
    arch: String,
    /// The version before.
    from: Option<String>,
    /// The version after.
    to: Option<String>,
    /// Where the new version comes from.
    origin: String,
    /// Whether it is a security update.
    security: bool,
}

/// The list of runs, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RunsDocument {
    /// The version of this form.
    pub schema: u32,
    /// The runs.
    pub runs: Vec<RunLine>,
}

/// One run of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RunLine {
    /// The run.
    #[schemars(with = "String")]
    pub run_id: RunId,
    /// The change that it belongs to.
    #[schemars(with = "String")]
    pub change_id: ChangeId,
    /// The plan's name.
    #[schemars(with = "String")]
    pub plan: PlanName,
    /// What kind of run.
    pub kind: DocumentKind,
    /// How it ended, or stands.
    pub outcome: Outcome,
    /// When it started.
    pub started_at: Stamp,
    /// When it ended.
    pub finished_at: Option<Stamp>,
    /// Until when somebody must have reviewed the emergency that it was; left out where none was, or somebody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_by: Option<Stamp>,
}

/// Errors of a command that has no document of its own to put them into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ErrorDocument {
    /// The version of this form.
    pub schema: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// The process's exit code.
    pub exit_code: u8,
    /// What went wrong.
    pub errors: Vec<Problem>,
}

impl ErrorDocument {
    /// The document of these errors.
    pub fn new(outcome: Outcome, errors: Vec<Problem>) -> Self {
        Self { schema: DOCUMENT_VERSION, outcome, exit_code: outcome.exit_code(), errors }
    }
}
