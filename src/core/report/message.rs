//! What a message says: the run in short, and what a person can do about it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Driven, decide_command, document, question};
use crate::core::document::{
    ActionPerformed, ActionState, HostResult, PackageChange, ResultDocument, StageResult, StageState, Stamp,
};
use crate::core::event::{GateKind, UndoCause};
use crate::core::evidence::{self, GateQuestion};
use crate::core::ids::{Digest, StageIx, StageName};
use crate::core::notify::{About, Decide, MESSAGE_VERSION, Message, Queued};
use crate::core::problem::Problem;
use crate::core::rollout::Rollout;
use crate::core::settings::{RunKind, stamp};
use crate::core::untrusted::Untrusted;

/// So many packages are named; of the others it is said how many there are.
const PACKAGES: usize = 6;
/// So many hosts in trouble are named.
const HOSTS: usize = 5;
/// No line is longer.
const LONGEST: usize = 240;

/// The message as of now; a gate that was decided since says so.
pub fn message(rollout: &Rollout, queued: &Queued, now: Timestamp) -> Message {
    let settings = rollout.settings();
    let driven = if rollout.paused().is_some() { Driven::No } else { Driven::Yes };
    let document = document(rollout, Digest::ZERO, now, driven);
    let told = match &queued.about {
        About::Gate { stage, gate, digest, reminder } => of_gate(rollout, *stage, *gate, digest, *reminder),
        About::Failed { stage } => of_failure(rollout, &document, *stage),
        About::Rollback { stage, cause } => of_rollback(rollout, &document, *stage, cause),
        About::Finished => of_end(rollout, &document),
    };
    let about = match settings.kind {
        RunKind::Run => format!("run {}, change {}", settings.run, settings.change),
        RunKind::Drill => format!("drill {}, change {}", settings.run, settings.change),
        RunKind::Rollback { ref of, .. } => {
            format!("run {}, which undoes run {of}, change {}", settings.run, settings.change)
        }
    };
    let by = format!("{about}, started by {}", settings.requester.name);
    Message {
        schema: MESSAGE_VERSION,
        id: format!("{}-{}", settings.run, queued.number),
        event: told.event,
        sent_at: Stamp(now),
        at: Stamp(queued.since),
        run_id: settings.run.clone(),
        change_id: settings.change.clone(),
        plan: settings.plan.clone(),
        stage: told.stage.map(|ix| settings.stages[ix.at()].name.clone()),
        title: line(&told.title),
        text: std::iter::once(by).chain(told.text).map(|text| line(&text)).collect(),
        decide: told.decide,
        more: told.more,
        outcome: document.outcome,
        summary: document.summary,
    }
}

/// The part of a message that depends on what it is about.
struct Told {
    event: &'static str,
    stage: Option<StageIx>,
    title: String,
    text: Vec<String>,
    decide: Option<Decide>,
    more: String,
}

fn of_gate(rollout: &Rollout, ix: StageIx, kind: GateKind, digest: &Digest, reminder: bool) -> Told {
    let settings = rollout.settings();
    let (plan, name) = (&settings.plan, &settings.stages[ix.at()].name);
    let open = rollout.stages()[ix.at()].open_gate().filter(|gate| gate.digest == *digest && gate.kind == kind);
    let asked = open.and_then(|gate| Some((gate, question(rollout, ix)?)));
    let (event, more) = (if reminder { "reminder" } else { "gate" }, format!("patchctl status {}", settings.run));
    let Some((gate, question)) = asked else {
        let title = format!("{plan}: the gate of stage {name} was decided meanwhile");
        let text = decided(rollout, ix, digest).into_iter().collect();
        return Told { event, stage: Some(ix), title, text, decide: None, more };
    };
    let mut text = vec![asks(&question, name.as_str())];
    text.extend(packages(question.hosts.iter().map(|host| host.packages.as_slice())));
    text.extend(troubles(question.hosts.iter().filter_map(|host| host.problem.as_ref())));
    text.push(format!("approvals: {} of {}; {} may decide", question.have, question.need, gate.rules.allowed()));
    if let Some(until) = question.until {
        let then = if question.rejects_then { "is rejected" } else { "waits on" };
        text.push(format!("opened {}; undecided, it {then} after {}", stamp(question.opened_at.0), stamp(until.0)));
    }
    text.push(format!("digest {digest}"));
    let still = if reminder { "still " } else { "" };
    let sign = if gate.rules.signed { " --sign KEY" } else { "" };
    let decide = Decide {
        digest: *digest,
        approve: decide_command(rollout, ix, gate),
        reject: format!("patchctl reject {} --stage {name} --reason TEXT{sign} --resume", settings.run),
    };
    let title = format!("{plan}: stage {name} {still}waits for a decision");
    Told { event, stage: Some(ix), title, text, decide: Some(decide), more }
}

fn decided(rollout: &Rollout, ix: StageIx, digest: &Digest) -> Option<String> {
    let all = &rollout.stages()[ix.at()].decisions;
    let (_, _, decision, _) = all.iter().rev().find(|(_, of, ..)| of == digest)?;
    Some(format!("{} by {}: {}", decision.verdict.as_str(), decision.by.name, decision.reason))
}

/// What the gate asks, in a line.
fn asks(question: &GateQuestion, stage: &str) -> String {
    let hosts = question.hosts.len();
    match question.kind {
        evidence::GateKind::Before => {
            let changed = question.hosts.iter().filter(|host| !host.packages.is_empty()).count();
            format!("stage {stage} has not begun: {} of {hosts} would change", count(changed, "host"))
        }
        evidence::GateKind::After => {
            let opens = question.opens.iter().map(|(name, hosts)| format!("{name} ({})", count(*hosts, "host")));
            let opens: Vec<String> = opens.collect();
            let then = if opens.is_empty() { String::new() } else { format!("; approval opens {}", opens.join(", ")) };
            format!("{} of {hosts} patched, a rejection takes them back{then}", count(question.takes_back, "host"))
        }
        evidence::GateKind::Wave => {
            let patched = count(question.takes_back, "host");
            format!(
                "{patched} patched since the last approval, a rejection takes them back; approval opens the next wave"
            )
        }
        evidence::GateKind::Exceeded => format!(
            "more hosts failed than may: what becomes of the {} that are patched?",
            count(question.takes_back, "host")
        ),
        evidence::GateKind::Unreached => format!(
            "more hosts do not answer than may: what becomes of the {} that are patched?",
            count(question.takes_back, "host")
        ),
    }
}

fn of_failure(rollout: &Rollout, document: &ResultDocument, ix: StageIx) -> Told {
    let settings = rollout.settings();
    let (run, name) = (&rollout.stages()[ix.at()], &settings.stages[ix.at()].name);
    let what = match (run.exceeded, run.unreached) {
        (true, _) => "more hosts failed than max_failed allows; no new host starts",
        (_, true) => "more hosts do not answer than max_unreachable allows; no new host starts",
        (false, false) => "a host failed; others go on",
    };
    let mut text = vec![what.to_owned()];
    if let Some(stage) = of_stage(document, name) {
        text.extend(troubles(stage.hosts.iter().filter_map(|host| host.error.as_ref())));
    }
    Told {
        event: "failed",
        stage: Some(ix),
        title: format!("{}: stage {name} has failures", settings.plan),
        text,
        decide: None,
        more: format!("patchctl status {}", settings.run),
    }
}

fn of_rollback(rollout: &Rollout, document: &ResultDocument, ix: StageIx, cause: &UndoCause) -> Told {
    let settings = rollout.settings();
    let (run, name) = (&rollout.stages()[ix.at()], &settings.stages[ix.at()].name);
    let why = match cause {
        UndoCause::Rejected => {
            let last = run.decisions.last().map(|(_, _, decision, _)| decision);
            last.map_or_else(String::new, |last| format!("rejected by {}: {}", last.by.name, last.reason))
        }
        UndoCause::Failed => "too many hosts failed".to_owned(),
        UndoCause::Drilled => "it is a drill: what was patched goes back on purpose".to_owned(),
        UndoCause::FailedIn(other) => format!("too many hosts of stage {} failed", settings.stages[other.at()].name),
        UndoCause::Cancelled => {
            let cancelled = rollout.cancelled();
            cancelled.map_or_else(String::new, |(by, reason, _)| format!("cancelled by {}: {reason}", by.name))
        }
    };
    let mut text = vec![why];
    if let Some(stage) = of_stage(document, name) {
        text.extend(packages(stage.hosts.iter().map(|host| host.packages.as_slice())));
        text.extend(troubles(stage.hosts.iter().filter_map(|host| host.error.as_ref())));
    }
    Told {
        event: "rollback",
        stage: Some(ix),
        title: format!("{}: hosts of stage {name} go back", settings.plan),
        text,
        decide: None,
        more: format!("patchctl status {}", settings.run),
    }
}

fn of_end(rollout: &Rollout, document: &ResultDocument) -> Told {
    let settings = rollout.settings();
    let seconds = document.duration_ms / 1000;
    let took = if seconds < 120 { format!("{seconds} s") } else { format!("{} min", seconds / 60) };
    let mut text = vec![format!("exit code {}, after {took}; {}", document.exit_code, summary(document))];
    text.extend(document.stages.iter().map(of_stage_end));
    text.truncate(8);
    let all = || document.stages.iter().flat_map(|stage| &stage.hosts);
    text.extend(packages(all().map(|host| host.packages.as_slice())));
    text.extend(troubles(all().filter_map(|host| host.error.as_ref())));
    text.extend(all().find(|host| is_in_no_good_state(host)).map(|host| {
        let first = "a person must act: begin with";
        format!("{first} patchctl recover {} -l {}", settings.run, host.host)
    }));
    Told {
        event: "finished",
        stage: None,
        title: format!("{}: the run is over: {}", settings.plan, document.outcome),
        text,
        decide: None,
        more: format!("patchctl report {}", settings.run),
    }
}

fn is_in_no_good_state(host: &HostResult) -> bool {
    host.action_state == ActionState::Unknown
        || (host.action_state == ActionState::Failed && host.action_performed == ActionPerformed::Rollback)
}

fn of_stage<'a>(document: &'a ResultDocument, name: &StageName) -> Option<&'a StageResult> {
    // A refused run's document leaves stages out.
    document.stages.iter().find(|stage| stage.name == *name)
}

fn of_stage_end(stage: &StageResult) -> String {
    let state = match stage.state {
        StageState::Success => "succeeded",
        StageState::Failed => "failed",
        StageState::Rejected => "was rejected",
        StageState::Skipped => "was skipped",
        StageState::Running | StageState::Waiting => "is not over",
    };
    let by = stage.decision.as_ref().and_then(|decision| decision.by.last());
    let by = by.map_or_else(String::new, |by| format!(", decided by {}: {}", by.name, by.reason));
    format!("stage {}: {}, {state}{by}", stage.name, count(stage.hosts.len(), "host"))
}

/// The hosts that are counted anywhere, in words.
fn summary(document: &ResultDocument) -> String {
    let summary = &document.summary;
    let counts = [
        (summary.patched, "patched"),
        (summary.current, "needed nothing"),
        (summary.rolled_back, "rolled back"),
        (summary.failed, "failed"),
        (summary.unreachable, "not reached"),
        (summary.skipped, "not begun"),
        (summary.unknown, "unknown"),
    ];
    let words: Vec<String> =
        counts.into_iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    format!("{}: {}", count(summary.hosts, "host"), words.join(", "))
}

/// What changed, each change once, with the number of hosts.
fn packages<'a>(hosts: impl Iterator<Item = &'a [PackageChange]>) -> Vec<String> {
    let mut changes: BTreeMap<(&str, Option<&str>, Option<&str>), usize> = BTreeMap::new();
    for change in hosts.flatten() {
        if let Some((from, to)) = change.shift() {
            *changes.entry((change.name.as_str(), from, to)).or_default() += 1;
        }
    }
    let shown = changes.iter().map(|((name, from, to), hosts)| {
        let on = count(*hosts, "host");
        match (from, to) {
            (Some(from), Some(to)) => format!("{name} {from} → {to} on {on}"),
            (None, Some(to)) => format!("{name} {to} is new on {on}"),
            (_, None) => format!("{name} is removed on {on}"),
        }
    });
    few(shown.collect(), PACKAGES, "package changes")
}

fn troubles<'a>(problems: impl Iterator<Item = &'a Problem>) -> Vec<String> {
    few(problems.map(|problem| format!("! {problem}")).collect(), HOSTS, "problems")
}

fn few(mut lines: Vec<String>, most: usize, what: &str) -> Vec<String> {
    let more = lines.len().saturating_sub(most);
    lines.truncate(most);
    if more > 0 {
        lines.push(format!("and {more} more {what}"));
    }
    lines
}

fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// One line that steers nothing, whatever a host wrote into it.
fn line(text: &str) -> String {
    let text = Untrusted::new(text).to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
