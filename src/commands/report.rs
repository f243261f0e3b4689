//! `report RUN` and `runs`

use super::{Context, Ended};
use crate::cli::Output;
use crate::core::document::{DOCUMENT_VERSION, RunLine, RunsDocument, Stamp};
use crate::core::dossier::{Maker, Report};
use crate::core::ids::RunId;
use crate::core::report::{self, Driven};
use crate::engine;
use crate::engine::audit::{Wanted, audit};
use crate::ports::state::Runs;
use crate::ui::dossier;
use crate::ui::json::write_text;

pub(super) fn report(context: &Context<'_>, word: &str) -> Ended {
    let runs = context.runs()?;
    let run = runs.find(word)?;
    if let Some(write) = form(context.global.output()) {
        return for_auditors(context, runs.as_ref(), &run, write);
    }
    let loaded = runs.load(&run)?;
    let driven = if loaded.driven { Driven::Yes } else { Driven::No };
    let document = report::document(&loaded.rollout, loaded.head.digest, context.wiring.clock().now(), driven);
    context.print(&document, |look| crate::ui::result::of_run(look, &document, &loaded.rollout))?;
    Ok(0)
}

/// How the report for an auditor is written; none: it is not asked for.
fn form(output: Output) -> Option<fn(&Report<'_>) -> String> {
    match output {
        Output::Markdown => Some(dossier::markdown),
        Output::Html => Some(dossier::html),
        _ => None,
    }
}

/// The report that `audit export` has, alone.
fn for_auditors(context: &Context<'_>, runs: &dyn Runs, run: &RunId, write: fn(&Report<'_>) -> String) -> Ended {
    let wiring = context.wiring;
    let driven = if runs.load(run).is_ok_and(|loaded| loaded.driven) { Driven::Yes } else { Driven::No };
    let signatures = wiring.signatures(&wiring.front(true));
    let wanted = [run.clone()].into();
    let found = audit(runs, &*signatures, &Wanted { runs: Some(&wanted), anchors: None, scope: &super::audit::scope })?;
    let maker = Maker {
        by: wiring.person(),
        at: Stamp(wiring.clock().now()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        period: None,
    };
    let told = [engine::dossier::dossier(runs, run, maker.at.0, driven)?];
    let text = write(&Report { maker: &maker, runs: &told, untold: &[], audit: &found });
    write_text(&mut std::io::stdout().lock(), &text)?;
    Ok(found.exit_code)
}

/// A run whose journal cannot be read is listed all the same: its hosts may be changed.
fn unreadable(runs: &dyn Runs, run: RunId) -> Option<RunLine> {
    let settings = runs.frozen(&run).ok()?.settings;
    let started_at = Stamp(run.made_at()?);
    Some(RunLine {
        run_id: run,
        change_id: settings.change.clone(),
        plan: settings.plan.clone(),
        kind: report::kind(&settings.kind),
        outcome: crate::core::document::Outcome::Error,
        started_at,
        finished_at: None,
        review_by: None,
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
            kind: report::kind(&settings.kind),
            outcome: report::outcome(rollout, driven),
            started_at: Stamp(started_at),
            finished_at: rollout.last_at().filter(|_| rollout.is_finished()).map(Stamp),
            review_by: report::emergency(rollout).filter(|it| it.review.is_none()).and_then(|it| it.review_by),
        });
    }
    let document = RunsDocument { schema: DOCUMENT_VERSION, runs: lines };
    context.print(&document, |look| crate::ui::lists::runs(look, &document))?;
    Ok(0)
}
