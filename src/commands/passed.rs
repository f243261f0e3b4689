//! Runs whose claims an emergency passed have it in their own records, too.

use std::collections::BTreeMap;

use super::{CommandError, Context, drive};
use crate::core::event::Event;
use crate::core::ids::{HostIx, HostName, RunId};
use crate::core::problem::{ErrorKind, Problem};
use crate::core::rollout::Rollout;

/// Tells them. The run is over for now, whatever comes of it: what cannot be written there is said.
pub(super) fn tell(context: &Context<'_>, rollout: &Rollout) {
    let Err(error) = told(context, rollout) else { return };
    for problem in error.problems {
        context.say(&format!("records of other runs do not have it yet: {problem}"));
    }
}

fn told(context: &Context<'_>, rollout: &Rollout) -> Result<(), CommandError> {
    let settings = rollout.settings();
    let mut passed: BTreeMap<RunId, Vec<&HostName>> = BTreeMap::new();
    for (ix, host) in (0..).map(HostIx).zip(&settings.hosts) {
        let run = rollout.host(ix);
        let claim = run.resolution.as_deref().and_then(|found| found.claimed_by.as_ref());
        if let Some(claim) = claim.filter(|_| run.settled.is_some() || run.claimed) {
            passed.entry(claim.clone()).or_default().push(&host.name);
        }
    }
    if passed.is_empty() {
        return Ok(());
    }
    let runs = context.runs()?;
    for (other, hosts) in passed {
        for host in hosts {
            let message = format!("run {} went ahead there in an emergency, over this run's claim", settings.run);
            let hint = format!(
                "`patchctl status {}` shows what it did; a rollback leaves alone what it changed",
                settings.run
            );
            let problem = Problem::new(ErrorKind::Claimed, message).on(host).hint(hint);
            let told = runs.hold(&other).and_then(|held| Ok((runs.load(&other)?, held)));
            match told {
                Ok((loaded, _)) if loaded.rollout.notes().contains(&problem) => {}
                Ok((loaded, held)) => {
                    let mut state = drive::taken_up(context, loaded, held.store)?;
                    let now = context.wiring.clock().now();
                    state.commit(&[Event::Noted { problem }], now)?;
                    state.leave(now)?;
                }
                Err(error) => context.say(&format!(
                    "{host} carries the claim of run {other}, whose records do not say yet that this run went ahead: {error}"
                )),
            }
        }
    }
    Ok(())
}
