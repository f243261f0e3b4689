//! `approve RUN` and `reject RUN`

use std::path::Path;

use super::drive::{self, Wishes};
use super::{CommandError, Context, Ended, Question, Reach, sign};
use crate::cli::{DecideArgs, Drive};
use crate::core::approval::Decision;
use crate::core::document::{How, Outcome, Verdict};
use crate::core::event::Input;
use crate::core::evidence::Confirmation;
use crate::core::ids::{RunId, StageIx};
use crate::core::report;
use crate::core::stage::Gate;
use crate::engine::{self, NotSigned};
use crate::ports::state::{Loaded, Runs, StateError};
use crate::ports::{Reply, Wish};

pub(super) async fn decide(context: &Context<'_>, args: DecideArgs, approve: bool) -> Ended {
    let verb = if approve { Verdict::Approved } else { Verdict::Rejected };
    context.refuse_limit("a decision is about a whole stage")?;
    if let Some(key) = args.sign.as_deref().filter(|_| Path::new(&args.run).is_file()) {
        return sign::file(context, &args, key, verb).await;
    }
    let runs = context.runs()?;
    let run = runs.find(&args.run)?;
    let loaded = runs.load(&run)?;
    let stage = match &args.stage {
        None => None,
        Some(name) => Some(loaded.frozen.settings.stage(name).ok_or_else(|| {
            CommandError::invalid(format!("run {run} has no stage {name}"), format!("`patchctl status {run}` shows it"))
        })?),
    };
    super::resume::keeps_its_change(&args.contact)?;
    if let Some(file) = &args.export {
        return sign::export(context, &args, &loaded, stage, verb, file).await;
    }
    let decision = match &args.import {
        Some(file) => sign::imported(context, &args, &loaded, verb, file)?,
        None => match ask(context, &args, &loaded, stage, approve).await? {
            Some((verdict, reason)) => decided(context, &args, &loaded, stage, verdict, reason).await?,
            None => {
                context.say("nothing was decided; the gate waits as before");
                return Ok(Outcome::Paused.exit_code());
            }
        },
    };
    let digest = match (&args.digest, &args.import) {
        (None, Some(_)) => None,
        _ => digest(&args, &loaded, stage),
    };
    let verdict = decision.verdict;
    let signer = decision.signed.as_ref().map(|signed| (signed.principal.clone(), signed.key.clone()));
    let wish = Wish::Decide { stage: args.stage.clone(), digest, decision };
    let stage_name = record(context, runs.as_ref(), &run, wish).await?;
    let now = runs.load(&run)?;
    if !args.resume || now.driven || tally(&now, &stage_name).is_some() {
        return told(context, &now, &stage_name, verdict, signer);
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

/// The approvals that the stage's gate has, and those that it needs, where it waits for more.
fn tally(loaded: &Loaded, stage: &str) -> Option<(u32, u32)> {
    let stages = loaded.frozen.settings.stages.iter().zip(loaded.rollout.stages());
    stages.filter(|(of, _)| of.name.as_str() == stage).find_map(|(_, at)| at.open_gate()).map(Gate::tally)
}

/// What was recorded, and how it goes on.
fn told(
    context: &Context<'_>,
    loaded: &Loaded,
    stage: &str,
    verdict: Verdict,
    signer: Option<(String, String)>,
) -> Ended {
    let run = &loaded.frozen.settings.run;
    let tally = tally(loaded, stage);
    let next = match tally {
        Some((have, need)) => format!("{have} of {need} approvals: others must, too"),
        None if loaded.driven => "the process that drives the run goes on by itself".to_owned(),
        None => format!("`patchctl resume {run}` goes on"),
    };
    let mut document = serde_json::json!({
        "schema": 1, "run_id": run, "stage": stage, "verdict": verdict, "recorded": true,
        "decided": tally.is_none(), "errors": [],
    });
    let mut by = String::new();
    if let Some((principal, key)) = &signer {
        document["signed_by"] = serde_json::json!({ "principal": principal, "key": key });
        by = format!(", signed by {principal} with {key}");
    }
    context.print(&document, |_| format!("stage {stage} of run {run}: {}{by}; {next}\n", verdict.as_str()))?;
    Ok(0)
}

/// The decision, signed where that is wanted.
async fn decided(
    context: &Context<'_>,
    args: &DecideArgs,
    loaded: &Loaded,
    stage: Option<StageIx>,
    verdict: Verdict,
    reason: String,
) -> Result<Decision, CommandError> {
    match &args.sign {
        Some(key) => sign::decision(context, args, loaded, stage, verdict, &reason, key).await,
        None => Ok(Decision::new(verdict, context.wiring.person(), reason, How::Command)),
    }
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
    let reason = reason(context, args).await?;
    Ok(reason.map(|reason| (verdict, reason)))
}

/// Why: as given, or asked at the terminal; none: the person left.
pub(super) async fn reason(context: &Context<'_>, args: &DecideArgs) -> Result<Option<String>, CommandError> {
    let mut reason = args.reason.clone();
    if reason.is_none() && !context.wiring.is_interactive() {
        return Err(CommandError::invalid("a decision needs a reason", "add --reason TEXT"));
    }
    let front = context.wiring.front(false);
    while reason.is_none() {
        let ask = Question::Line { prompt: "Reason".into(), default: String::new() };
        let Some(given) = context.wiring.question(&front, ask).await else { return Ok(None) };
        reason = Some(given.trim().to_owned()).filter(|given| !given.is_empty());
    }
    Ok(reason)
}

pub(super) fn only_gate(loaded: &Loaded) -> Option<StageIx> {
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
            let Wish::Decide { stage, digest, decision } = wish else { return Ok(String::new()) };
            // A signature is checked where the decision is journaled, against the run as it is then.
            let now = context.wiring.clock().now();
            let signatures = context.wiring.signatures(&context.wiring.front(true));
            let (signed_for, decision) = engine::checked(&*signatures, &loaded.rollout, decision, now)?;
            let stage = stage.and_then(|name| settings.stage(&name));
            let ix = signed_for.or(stage).or_else(|| only_gate(&loaded));
            let decision = engine::standing(&loaded.rollout, &*context.wiring.people(), decision);
            let mut state = drive::taken_up(context, loaded, held.store)?;
            state.take(Input::Decide { stage: ix, digest, decision }, now)?;
            state.leave(now)?;
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

impl From<NotSigned> for CommandError {
    fn from(error: NotSigned) -> Self {
        let hint = match &error {
            NotSigned::NoSigners => "a run freezes them when it begins: decide this one without a signature",
            NotSigned::Bad(_) => "nothing was recorded; `ssh-keygen -Y find-principals` shows whose a signature is",
            _ => "nothing was recorded; `patchctl status` shows what waits, `approve --export` writes what to sign",
        };
        Self::invalid(error.to_string(), hint)
    }
}
