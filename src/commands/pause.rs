//! `pause RUN`

use super::letter::{self, Granted};
use super::{CommandError, Context, Ended, drive};
use crate::cli::PauseArgs;
use crate::core::event::{Input, PauseCause};
use crate::core::ids::RunId;
use crate::ports::Wish;
use crate::ports::state::{Held, Loaded, Runs};

pub(super) async fn pause(context: &Context<'_>, args: &PauseArgs) -> Ended {
    context.refuse_limit("a run pauses as a whole")?;
    let runs = context.runs()?;
    let run = runs.find(&args.run)?;
    unfinished(&runs.load(&run)?, "pause")?;
    let by = context.wiring.person();
    let (driver, said) = match letter::ask(runs.as_ref(), &run, &Wish::Pause { by }).await? {
        Granted::There(who) => {
            let said = format!("{who} starts nothing new, ends what is under way, and leaves the run");
            (Some(who), said)
        }
        Granted::Here(held) => (None, here(context, runs.as_ref(), &run, held)?.to_owned()),
    };
    let next = format!("patchctl resume {run}");
    let document = serde_json::json!({
        "schema": 1, "run_id": run, "asked": "pause", "driver": driver, "recorded": true, "next": next, "errors": [],
    });
    context.print(&document, |_| format!("run {run} pauses: {said}; `{next}` goes on\n"))?;
    Ok(0)
}

/// A run that is over cannot be taken in hand any more.
pub(super) fn unfinished(loaded: &Loaded, verb: &str) -> Result<(), CommandError> {
    if !loaded.rollout.is_finished() {
        return Ok(());
    }
    let run = &loaded.frozen.settings.run;
    let message = format!("run {run} is finished; there is nothing to {verb}");
    Err(CommandError::invalid(message, format!("`patchctl rollback {run}` undoes a finished run")))
}

/// Nobody drives it: that it is not to be taken up by itself is written down.
fn here(context: &Context<'_>, runs: &dyn Runs, run: &RunId, held: Held) -> Result<&'static str, CommandError> {
    let loaded = runs.load(run)?;
    unfinished(&loaded, "pause")?;
    if loaded.rollout.paused() != Some(&PauseCause::Asked) {
        let mut state = drive::taken_up(context, loaded, held.store)?;
        let now = context.wiring.clock().now();
        state.take(Input::Pause { by: context.wiring.person() }, now)?;
        state.take(Input::Leave { why: PauseCause::Asked }, now)?;
        state.leave(now)?;
    }
    Ok("nobody drives it, and `resume --due` leaves it alone now")
}
