//! The documents that scripts read: what `--output json` prints. Their field names, order and words are a public
//! promise; a change needs a new `schema`.

mod brief;
mod drift;
mod forecast;
mod listing;
mod moment;
mod outcome;
mod policy;
mod result;
mod states;

pub use brief::brief;
pub use drift::{Against, DriftDocument, DriftState, HostDrift, PackageDrift};
pub use forecast::{Forecast, ForecastBy};
pub use listing::{
    ErrorDocument, PlanDocument, PlannedHost, PlannedRollback, PlannedStage, RebootForecast, RunLine, RunsDocument,
};
pub use moment::Stamp;
pub use outcome::Outcome;
pub use policy::{
    DrillLine, EmergencyLine, ExceptedHost, ExceptionLine, GateLine, LimitLine, PolicyDocument, PolicyOf, RuleLine,
    StagePolicy, WindowLine,
};
pub use result::{
    CheckResult, CheckWhen, DeadMan, DecidedBy, Decision, DocumentKind, DrillResult, EmergencyResult, HostResult, How,
    PackageChange, Reboot, ResultDocument, RollbackResult, Said, Services, StageResult, Summary, Verdict, Waiting,
    WaitingFor,
};
pub use states::{ActionPerformed, ActionState, StageReason, StageState, StateReason};

/// The version that every document carries.
pub const DOCUMENT_VERSION: u32 = 1;

#[cfg(test)]
mod tests;
