//! What is wanted of a run from outside: granted by the process that drives it, or else by this one.

use super::CommandError;
use crate::core::ids::RunId;
use crate::ports::state::{Held, Runs, StateError};
use crate::ports::{Reply, Wish};

/// Who grants a wish.
pub(super) enum Granted {
    /// The process that drives the run has; it is called so.
    There(String),
    /// Nobody drives the run, and it is held here now: the wish is still to be recorded.
    Here(Held),
}

/// Has the process that drives the run grant the wish; where there is none, holds the run.
pub(super) async fn ask(runs: &dyn Runs, run: &RunId, wish: &Wish) -> Result<Granted, CommandError> {
    let by = match hold(runs, run)? {
        Ok(held) => return Ok(Granted::Here(held)),
        Err(by) => by,
    };
    match runs.send(run, wish).await? {
        Some(Reply::Refused(why)) => Err(CommandError::invalid(why, format!("`patchctl status {run}` shows it"))),
        Some(_) => Ok(Granted::There(by)),
        // It may have ended meanwhile, or was looking at the run for a moment only.
        None => match hold(runs, run)? {
            Ok(held) => Ok(Granted::Here(held)),
            Err(by) => Err(silent(run, &by)),
        },
    }
}

/// The process that drives the run does not answer.
pub(super) fn silent(run: &RunId, by: &str) -> CommandError {
    CommandError::refused(
        format!("{by} drives run {run} and did not answer; nothing was recorded"),
        format!("try again; if that process hangs, end it: `patchctl resume {run}` goes on with the run"),
    )
}

/// Holds the run, or says who does.
pub(super) fn hold(runs: &dyn Runs, run: &RunId) -> Result<Result<Held, String>, CommandError> {
    match runs.hold(run) {
        Ok(held) => Ok(Ok(held)),
        Err(StateError::Held { by, .. }) => Ok(Err(by)),
        Err(other) => Err(other.into()),
    }
}
