//! What earlier runs of a plan say about how long its hosts take.

use super::Context;
use crate::cli::Drive;
use crate::core::forecast::{Earlier, RUNS};
use crate::core::ids::PlanName;
use crate::ports::state::{Frozen, Runs, StateError};

/// The newest finished runs of this plan in which hosts were patched, the newest first. A run that cannot be read says
/// nothing; `runs` and `audit verify` are for that.
fn of_plan(runs: &dyn Runs, plan: &PlanName) -> Result<Vec<Earlier>, StateError> {
    let same = |frozen: &Frozen| frozen.settings.plan == *plan;
    let list = runs.list()?.into_iter().filter(|run| runs.frozen(run).is_ok_and(|frozen| same(&frozen)));
    let read = list.filter_map(|run| Earlier::of(&runs.load(&run).ok()?.rollout));
    Ok(read.take(RUNS).collect())
}

/// The same, where only a forecast depends on it: without a state folder nothing is known, and one that cannot be used is
/// told.
pub(super) fn if_kept(context: &Context<'_>, plan: &PlanName) -> Vec<Earlier> {
    let found = context.wiring.kept_runs().and_then(|runs| runs.map_or(Ok(Vec::new()), |runs| of_plan(&*runs, plan)));
    found.unwrap_or_else(|error| {
        context.say(&format!("earlier runs cannot be read, so there is no forecast: {}", super::with_causes(&error)));
        Vec::new()
    })
}

/// The same for a run that is about to be driven: a line of what is shown before its first change depends on it, where
/// somebody is asked.
pub(super) fn where_asked(context: &Context<'_>, runs: &dyn Runs, plan: &PlanName, drive: &Drive) -> Vec<Earlier> {
    let asks = context.wiring.is_interactive() && !drive.non_interactive && !drive.yes;
    if asks { of_plan(runs, plan).unwrap_or_default() } else { Vec::new() }
}
