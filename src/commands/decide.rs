//! `approve RUN` and `reject RUN`

use super::drive::{self, Wishes};
use super::{CommandError, Context, Ended, Question, Reach};
use crate::cli::{DecideArgs, Drive};
use crate::core::approval::Decision;
use crate::core::document::{How, Outcome, Verdict};
use crate::core::event::Input;
use crate::core::evidence::Confirmation;
use crate::core::ids::{RunId, StageIx};
use crate::core::report;
use crate::core::stage::Gate;
use crate::ports::state::{Loaded, Runs, StateError};
use crate::ports::{Reply, Wish};

pub(super) async fn decide(context: &Context<'_>, args: DecideArgs, approve: bool) -> Ended {
    let runs = context.runs()?;
    let run = runs.find(&args.run)?;
    let loaded = runs.load(&run)?;
    let stage = match &args.stage {
        None => None,
        Some(name) => Some(loaded.frozen.settings.stage(name).ok_or_else(|| {
            CommandError::invalid(format!("run {run} has no stage {name}"), format!("`patchctl status {run}` shows it"))
        })?),
    };
    context.refuse_limit("a decision is about a whole stage")?;
    super::resume::keeps_its_change(&args.contact)?;
    let Some((verdict, reason)) = ask(context, &args, &loaded, stage, approve).await? else {
        context.say("nothing was decided; the gate waits as before");
        return Ok(Outcome::Paused.exit_code());
    };
    let decision = Decision::new(verdict, context.wiring.person(), reason, How::Command);
    let wish = Wish::Decide { stage: args.stage.clone(), digest: digest(&args, &loaded, stage), decision };
    let verb = if verdict == Verdict::Approved { "approved" } else { "rejected" };
    let stage_name = record(context, runs.as_ref(), &run, wish).await?;
    let now = runs.load(&run)?;
    let tally =
        now.frozen.settings.stages.iter().zip(now.rollout.stages()).find_map(|(stage, state)| {
            state.open_gate().filter(|_| stage.name.as_str() == stage_name).map(Gate::tally)
        });
    let resume = args.resume && !now.driven && tally.is_none();
    if !resume {
        let next = match tally {
            Some((have, need)) => format!("{have} of {need} approvals; others must approve, too"),
            None if now.driven => "the process that drives the run goes on by itself".to_owned(),
            None => format!("`patchctl resume {run}` goes on"),
        };
        let document = serde_json::json!({
            "schema": 1, "run_id": run, "stage": stage_name, "verdict": verb, "recorded": true,
            "decided": tally.is_none(), "errors": [],
        });
        context.print(&document, |_| format!("stage {stage_name} of run {run}: {verb}; {next}\n"))?;
        return Ok(0);
    }
    let held = runs.hold(&run)?;
    let wishes = Wishes {
        drive: Drive::default(),
        reach: Reach { contact: args.contact, ..Reach::default() },
        confirmed: true,
        ..Wishes::default()
    };
    drive::drive(context, runs.load(&run)?, held, wishes).await
}

/// What is decided, and why: from the arguments, or asked at the terminal with the evidence before the eyes.
async fn ask(
    context: &Context<'_>,
    args: &DecideArgs,
    loaded: &Loaded,
    stage: Option<StageIx>,
    approve: bool,
) -> Result<Option<(Verdict, String)>, CommandError> {
    let verdict = if approve { Verdict::Approved } else { Verdict::Rejected };
    let command = if approve { "approve" } else { "reject" };
    let asks = context.wiring.is_interactive() && !args.yes;
    if !asks || (args.digest.is_some() && args.reason.is_some()) {
        if approve && args.digest.is_none() {
            let hint = format!("`patchctl status {}` shows the evidence and its digest", args.run);
            return Err(CommandError::invalid("approve needs --digest where nobody can be shown the evidence", hint));
        }
        return match &args.reason {
            Some(reason) => Ok(Some((verdict, reason.clone()))),
            None => Err(CommandError::invalid(format!("{command} needs a reason"), "add --reason TEXT")),
        };
    }
    let open = stage.or_else(|| only_gate(loaded));
    let Some(question) = open.and_then(|ix| report::question(&loaded.rollout, ix)) else {
        // Nothing to show: whether it is acceptable is for the run to say.
        return Ok(Some((verdict, args.reason.clone().unwrap_or_default())));
    };
    // The verb was typed: what is asked is whether it is meant, with the evidence before the eyes, and then why.
    let front = context.wiring.front(false);
    if front.approver.sure(&question, verdict).await != Confirmation::Yes {
        return Ok(None);
    }
    let mut reason = args.reason.clone();
    while reason.is_none() {
        let ask = Question::Line { prompt: "Reason".into(), default: String::new() };
        let Some(given) = context.wiring.question(&front, ask).await else { return Ok(None) };
        reason = Some(given.trim().to_owned()).filter(|given| !given.is_empty());
    }
    Ok(reason.map(|reason| (verdict, reason)))
}

fn only_gate(loaded: &Loaded) -> Option<StageIx> {
    let mut open =
        (0..).map(StageIx).zip(loaded.rollout.stages()).filter(|(_, run)| run.open_gate().is_some()).map(|(ix, _)| ix);
    let first = open.next()?;
    open.next().is_none().then_some(first)
}

/// What the decision names: the digest that was given, or the one whose evidence was just shown.
fn digest(args: &DecideArgs, loaded: &Loaded, stage: Option<StageIx>) -> Option<String> {
    let shown = stage.or_else(|| only_gate(loaded)).and_then(|ix| loaded.rollout.stages()[ix.at()].open_gate());
    args.digest.clone().or_else(|| shown.map(|gate| gate.digest.to_string()))
}

/// Records the decision: by the process that drives the run, or, where there is none, here. The stage's name.
async fn record(context: &Context<'_>, runs: &dyn Runs, run: &RunId, wish: Wish) -> Result<String, CommandError> {
    match runs.hold(run) {
        Ok(held) => {
            let loaded = runs.load(run)?;
            let settings = std::sync::Arc::clone(&loaded.frozen.settings);
            let Wish::Decide { stage, digest, mut decision } = wish else { return Ok(String::new()) };
            let people = context.wiring.people();
            decision.groups = people.groups_of(&decision.by.name, &loaded.rollout.groups_of_gates());
            let ix = stage.and_then(|name| settings.stage(&name)).or_else(|| only_gate(&loaded));
            let mut state = drive::taken_up(context, loaded, held.store)?;
            let input = Input::Decide { stage: ix, digest, decision };
            state.take(input, context.wiring.clock().now())?;
            let name = ix.map(|ix| settings.stages[ix.at()].name.to_string());
            Ok(name.unwrap_or_default())
        }
        Err(StateError::Held { by, .. }) => match runs.send(run, &wish).await? {
            Some(Reply::Recorded { stage }) => Ok(stage.to_string()),
            Some(Reply::Done) => Ok(String::new()),
            Some(Reply::Refused(why)) => Err(CommandError::invalid(why, format!("`patchctl status {run}` shows it"))),
            None => Err(CommandError::refused(
                format!("{by} drives the run and did not answer; nothing was decided"),
                format!("try again; if that process hangs, end it and `patchctl resume {run}`"),
            )),
        },
        Err(other) => Err(other.into()),
    }
}
