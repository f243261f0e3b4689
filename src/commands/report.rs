//! `report RUN` and `runs`

use super::{Context, Ended};
use crate::core::document::{DOCUMENT_VERSION, RunLine, RunsDocument, Stamp};
use crate::core::report::{self, Driven};

pub(super) fn report(context: &Context<'_>, word: &str) -> Ended {
    let runs = context.runs()?;
    let run = runs.find(word)?;
    let loaded = runs.load(&run)?;
    let driven = if loaded.driven { Driven::Yes } else { Driven::No };
    let document = report::document(&loaded.rollout, loaded.head.digest, context.wiring.clock().now(), driven);
    context.print(&document, |look| crate::ui::result::of_run(look, &document, &loaded.rollout))?;
    Ok(0)
}

/// A run whose journal cannot be read is listed all the same: its hosts may be changed.
fn unreadable(runs: &dyn crate::ports::state::Runs, run: crate::core::ids::RunId) -> Option<RunLine> {
    let settings = runs.frozen(&run).ok()?.settings;
    let started_at = Stamp(run.made_at()?);
    Some(RunLine {
        run_id: run,
        change_id: settings.change.clone(),
        plan: settings.plan.clone(),
        outcome: crate::core::document::Outcome::Error,
        started_at,
        finished_at: None,
    })
}

pub(super) fn runs(context: &Context<'_>) -> Ended {
    let runs = context.runs()?;
    let mut lines = Vec::new();
    for run in runs.list()? {
        let loaded = match runs.load(&run) {
            Ok(loaded) => loaded,
            Err(error) => {
                context.say(&format!("{run}: {}", super::with_causes(&error)));
                lines.extend(unreadable(runs.as_ref(), run));
                continue;
            }
        };
        let driven = if loaded.driven { Driven::Yes } else { Driven::No };
        let (settings, rollout) = (&loaded.frozen.settings, &loaded.rollout);
        let Some(started_at) = rollout.started_at() else { continue };
        lines.push(RunLine {
            run_id: run,
            change_id: settings.change.clone(),
            plan: settings.plan.clone(),
            outcome: report::outcome(rollout, driven),
            started_at: Stamp(started_at),
            finished_at: rollout.last_at().filter(|_| rollout.is_finished()).map(Stamp),
        });
    }
    let document = RunsDocument { schema: DOCUMENT_VERSION, runs: lines };
    context.print(&document, |look| crate::ui::lists::runs(look, &document))?;
    Ok(0)
}
