//! How long a stage of a resolved plan will take.

use serde::{Deserialize, Serialize};

use super::moment::Stamp;

/// How long a stage will take, by earlier runs of the plan, and whether that fits its windows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Forecast {
    /// How many hosts have something to do.
    pub hosts: usize,
    /// In how many waves.
    pub waves: usize,
    /// How many earlier runs it is by; 0: none says anything, and nothing is known but when hosts may begin.
    pub runs: usize,
    /// Whether they had the stage; none: there are none.
    pub by: Option<ForecastBy>,
    /// How long one host takes, by the slowest of ten.
    pub per_host_ms: Option<u64>,
    /// How long all of them take, waiting for windows left out.
    pub takes_ms: Option<u64>,
    /// When the first may begin: now, after the stages that it needs, or when its window opens. None: never, as far as can
    /// be seen.
    pub begins_at: Option<Stamp>,
    /// When the last would be done.
    pub ends_at: Option<Stamp>,
    /// From when on no host begins; none: nothing ends it.
    pub none_after: Option<Stamp>,
    /// When the window ends in which the first begins; none: nothing ends it.
    pub until: Option<Stamp>,
    /// Whether all of them begin, and are done, in the window in which the first begins; none: nobody knows.
    pub fits: Option<bool>,
    /// Why not, or why nobody knows.
    pub why: Option<String>,
}

/// What earlier runs say how long hosts take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ForecastBy {
    /// Runs of this stage.
    Stage,
    /// Runs of other stages of the plan.
    Plan,
}
