//! Who differs from what the last approved run left.

use serde::Serialize;

use super::outcome::Outcome;
use crate::core::ids::{ChangeId, HostName, PlanName, RunId, StageName};
use crate::core::packages::{Arch, PackageName, Version};
use crate::core::problem::Problem;

/// The document of `drift`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DriftDocument {
    /// The version of its form.
    pub schema: u32,
    /// Failed where a host differs, else refused where one could not be asked.
    pub outcome: Outcome,
    /// Its exit code.
    pub exit_code: u8,
    /// The hosts, in the inventory's order.
    pub hosts: Vec<HostDrift>,
    /// Why hosts could not be asked.
    pub errors: Vec<Problem>,
}

/// One host of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostDrift {
    /// The host.
    pub host: HostName,
    /// The last approved run on it; none: no run was approved there.
    pub run_id: Option<RunId>,
    /// That run's change.
    pub change_id: Option<ChangeId>,
    /// That run's plan.
    pub plan: Option<PlanName>,
    /// The host's stage in it.
    pub stage: Option<StageName>,
    /// How the host stands to it.
    pub state: DriftState,
    /// A newer run that changed the host, and is not decided there.
    pub undecided: Option<RunId>,
    /// What differs.
    pub differences: Vec<PackageDrift>,
    /// Why the host could not be asked.
    pub error: Option<Problem>,
}

/// How a host stands to what was left on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DriftState {
    /// It is as it was left.
    Same,
    /// It differs.
    Drifted,
    /// No approved run knows it.
    Unknown,
    /// It could not be asked.
    Unreachable,
}

/// A package that differs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct PackageDrift {
    /// Its name.
    pub name: PackageName,
    /// Its architecture.
    pub arch: Arch,
    /// The version that should be there; none: it should not be installed.
    pub expected: Option<Version>,
    /// The version that is there; none: it is not installed.
    pub found: Option<Version>,
    /// Who says what should be there.
    pub against: Against,
}

/// What a host is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Against {
    /// What the run left on it.
    Run,
    /// What most of its stage's others have.
    Stage,
}
