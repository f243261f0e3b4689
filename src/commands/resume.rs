//! `resume RUN` and `resume --due`

use std::sync::Arc;

use super::drive::{self, Wishes};
use super::preapproval::Brought;
use super::{CommandError, Context, Ended, Reach, earlier};
use crate::cli::{Contact, ResumeArgs};
use crate::core::document::{Outcome, ResultDocument};
use crate::core::event::{Input, PauseCause};
use crate::core::ids::{Digest, RunId};
use crate::core::rollout::Rollout;
use crate::core::view::{Display, NoDisplay};
use crate::ports::state::{Held, Loaded, Runs, StateError};

pub(super) async fn resume(context: &Context<'_>, args: ResumeArgs) -> Ended {
    let runs = context.runs()?;
    let reach = Reach { contact: args.contact, non_interactive: args.drive.non_interactive, ..Reach::default() };
    keeps_its_change(&reach.contact)?;
    if !args.failed {
        context
            .refuse_limit("a run goes on with the hosts that it has; with --failed it limits what is tried again")?;
    }
    let first = args.failed.then_some(Input::Retry { only: None });
    let preapproval = Brought::new(args.preapproval, runs.as_ref());
    let wishes = Wishes { drive: args.drive, reach, first, preapproval, ..Wishes::default() };
    match &args.run {
        Some(word) => one(context, runs.as_ref(), &runs.find(word)?, wishes).await,
        None => due(context, runs.as_ref(), wishes).await,
    }
}

/// A run that exists belongs to a change already.
pub(super) fn keeps_its_change(contact: &Contact) -> Result<(), CommandError> {
    match contact.change {
        None => Ok(()),
        Some(_) => Err(CommandError::invalid("--change: a run keeps the change that it began with", "leave it out")),
    }
}

async fn one(context: &Context<'_>, runs: &dyn Runs, run: &RunId, wishes: Wishes) -> Ended {
    let held = runs.hold(run)?;
    let loaded = runs.load(run)?;
    if loaded.rollout.is_finished() && wishes.first.is_none() {
        let display = context.wiring.front(true).display;
        let rollout = sent(context, loaded, held, display).await?;
        context.say(&format!("run {run} is finished; this is its result"));
        return super::report::report(context, run.as_str())
            .map(|_| crate::core::report::outcome(&rollout, crate::core::report::Driven::No).exit_code());
    }
    let mut wishes = wishes;
    if let (Some(Input::Retry { only }), Some(limit)) = (&mut wishes.first, &context.global.limit) {
        *only = Some(crate::input::among(&loaded.frozen.settings.hosts, Some(limit))?);
    }
    tell_edits(context, &loaded);
    wishes.earlier = earlier::where_asked(context, runs, &loaded.frozen.settings.plan, &wishes.drive);
    drive::drive(context, loaded, held, wishes).await
}

/// What was frozen is what is used; somebody who edited the plan since should know.
fn tell_edits(context: &Context<'_>, loaded: &Loaded) {
    let settings = &loaded.frozen.settings;
    let Ok(text) = std::fs::read(&settings.plan_path) else { return };
    if Digest::of(&text) != settings.plan_digest {
        let path = settings.plan_path.display();
        context.say(&format!("{path} was edited since the run began; the run goes on with the plan as it was"));
    }
}

/// Every run whose time has come, one after the other; a run that fails does not keep the others waiting. As JSON all
/// of them are one document.
async fn due(context: &Context<'_>, runs: &dyn Runs, wishes: Wishes) -> Ended {
    let (mut outcomes, mut documents, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    let mut list = runs.list()?;
    list.reverse();
    for run in list {
        match gone_on(context, runs, &run, &wishes).await {
            Ok(None) => {}
            Ok(Some((document, rollout))) => {
                if !context.wants_json() {
                    context.print(&document, |look| crate::ui::result::of_run(look, &document, &rollout))?;
                }
                outcomes.push(document.outcome);
                documents.push(document);
            }
            Err(error) => {
                if !context.wants_json() {
                    context.fail(&error);
                }
                outcomes.push(error.outcome);
                problems.extend(error.problems);
            }
        }
    }
    let outcome = Outcome::of_all(outcomes);
    if context.wants_json() {
        let document = serde_json::json!({
            "schema": 1, "outcome": outcome, "exit_code": outcome.exit_code(), "runs": documents, "errors": problems,
        });
        context.print(&document, |_| String::new())?;
    }
    Ok(outcome.exit_code())
}

/// Drives the run if it is due; its result then.
async fn gone_on(
    context: &Context<'_>,
    runs: &dyn Runs,
    run: &RunId,
    wishes: &Wishes,
) -> Result<Option<(ResultDocument, Rollout)>, CommandError> {
    let loaded = runs.load(run)?;
    if !is_due(context, &loaded) {
        if !loaded.driven && loaded.rollout.owes_messages(context.wiring.clock().now()) {
            send_only(context, runs, run).await?;
        }
        return Ok(None);
    }
    let held = runs.hold(run)?;
    let loaded = runs.load(run)?;
    tell_edits(context, &loaded);
    drive::drive_quietly(context, loaded, held, wishes.clone()).await.map(Some)
}

/// Messages that could not be sent yet, and reminders: they go out, and nothing else happens to the run. It says nothing
/// without `-v`: cron would send a mail each time.
async fn send_only(context: &Context<'_>, runs: &dyn Runs, run: &RunId) -> Result<(), CommandError> {
    let held = match runs.hold(run) {
        // Whoever has it now sends them.
        Err(StateError::Held { .. }) => return Ok(()),
        held => held?,
    };
    let verbose = context.global.verbose > 0;
    let display: Arc<dyn Display> = if verbose { context.wiring.front(true).display } else { Arc::new(NoDisplay) };
    sent(context, runs.load(run)?, held, display).await.map(|_| ())
}

/// Sends what is in the run's outbox; the run as it stands then.
async fn sent(
    context: &Context<'_>,
    loaded: Loaded,
    held: Held,
    display: Arc<dyn Display>,
) -> Result<Rollout, CommandError> {
    if !loaded.rollout.owes_messages(context.wiring.clock().now()) {
        return Ok(loaded.rollout);
    }
    let notifier = context.wiring.notifier(loaded.rollout.settings());
    let mut run = drive::taken_up(context, loaded, held.store)?;
    crate::engine::deliver(&mut run, notifier, context.wiring.clock(), display).await?;
    run.leave(context.wiring.clock().now())?;
    Ok(run.rollout)
}

/// Whether something happens when the run goes on: a gate was decided or its time is up, a window has opened, or its
/// process died.
fn is_due(context: &Context<'_>, loaded: &Loaded) -> bool {
    let rollout = &loaded.rollout;
    if rollout.is_finished() || loaded.driven {
        return false;
    }
    match rollout.paused() {
        // A person at the keyboard stopped it, and will say when it goes on.
        Some(PauseCause::Signal(signal)) => signal != "SIGINT",
        Some(PauseCause::Confirmation | PauseCause::Asked | PauseCause::Barred) => false,
        Some(PauseCause::Gate | PauseCause::Window | PauseCause::Soak) => {
            let now = context.wiring.clock().now();
            rollout.is_decided(now) || rollout.has_opened(now)
        }
        // It died on its way to the safe point that somebody wanted.
        None => !rollout.is_pause_asked() && rollout.draining() != Some("SIGINT"),
    }
}
