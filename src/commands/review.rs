//! `audit review RUN`: somebody looked at an emergency afterwards.

use super::{Context, Ended, drive};
use crate::cli::AuditReviewArgs;
use crate::core::event::Input;
use crate::core::report;

pub(super) fn review(context: &Context<'_>, args: &AuditReviewArgs) -> Ended {
    let runs = context.runs()?;
    let run = runs.find(&args.run)?;
    let held = runs.hold(&run)?;
    let mut state = drive::taken_up(context, runs.load(&run)?, held.store)?;
    let now = context.wiring.clock().now();
    state.take(Input::Review { by: context.wiring.person(), reason: args.reason.clone() }, now)?;
    state.leave(now)?;
    let document = serde_json::json!({
        "schema": 1, "run_id": run, "reviewed": true, "emergency": report::emergency(&state.rollout), "errors": [],
    });
    context.print(&document, |_| format!("the emergency of run {run} is reviewed: {}\n", args.reason))?;
    Ok(0)
}
