//! What a run looks like from outside: the result document and the evidence at a gate, both read off the same fold of
//! the journal that the run itself works on.

mod host;
mod message;
mod plan;
mod question;
mod stage;

use jiff::Timestamp;

pub(in crate::core) use self::host::checks;
pub use self::host::{host_result, standing};
pub use self::message::message;
pub use self::plan::{add_forecasts, plan_document};
pub use self::question::{question, way_back};
use super::calendar::State;
use super::document::{
    ActionState, DOCUMENT_VERSION, DocumentKind, DrillResult, EmergencyResult, Outcome, ResultDocument, Said,
    StageReason, StageState, Stamp, Summary, Waiting, WaitingFor,
};
use super::emergency::Declared;
use super::event::PauseCause;
use super::ids::{Digest, StageIx, StageName};
use super::problem::Problem;
use super::rollout::Rollout;
use super::settings::{Person, RunKind};
use super::stage::{Gate, Phase};

/// Whether somebody drives a run, as far as the caller can tell (the lock is outside of the journal).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driven {
    /// A process holds the run.
    Yes,
    /// None does: an unfinished run that was not left on purpose has crashed.
    No,
}

/// Where a stage stands, in the words of the documents.
pub fn stage_state(rollout: &Rollout, ix: StageIx) -> (StageState, StageReason) {
    stage::state(rollout, ix, &rollout.stages()[ix.at()])
}

/// How many waves a stage has.
pub fn waves_of(rollout: &Rollout, ix: StageIx) -> u32 {
    let stage = &rollout.settings().stages[ix.at()];
    u32::try_from(super::stage::waves(stage).len()).unwrap_or(u32::MAX)
}

/// The kind of a run, in the words of the documents.
pub fn kind(kind: &RunKind) -> DocumentKind {
    match kind {
        RunKind::Run => DocumentKind::Run,
        RunKind::Rollback { .. } => DocumentKind::Rollback,
        RunKind::Drill => DocumentKind::Drill,
    }
}

/// The result document of a run as of `now`.
pub fn document(rollout: &Rollout, head: Digest, now: Timestamp, driven: Driven) -> ResultDocument {
    let settings = rollout.settings();
    let stages: Vec<_> =
        (0..).map(StageIx).take(settings.stages.len()).map(|ix| stage::stage_result(rollout, ix)).collect();
    let outcome = outcome(rollout, driven);
    let finished_at = rollout.last_at().filter(|_| rollout.is_finished());
    let until = finished_at.unwrap_or(now);
    let started_at = rollout.started_at();
    let errors: Vec<Problem> = rollout
        .notes()
        .iter()
        .chain(rollout.barred().values())
        .cloned()
        .chain(stages.iter().flat_map(|stage| stage.hosts.iter().filter_map(|host| host.error.clone())))
        .chain(without_their_needs(rollout))
        .collect();
    ResultDocument {
        schema: DOCUMENT_VERSION,
        run_id: Some(settings.run.clone()),
        kind: kind(&settings.kind),
        change_id: Some(settings.change.clone()),
        plan: Some(settings.plan.clone()),
        plan_digest: Some(settings.plan_digest),
        outcome,
        exit_code: outcome.exit_code(),
        started_at: started_at.map(Stamp),
        finished_at: finished_at.map(Stamp),
        duration_ms: started_at.map_or(0, |from| host::millis(from, until)),
        summary: Summary::of(&stages),
        waiting: waiting(rollout, outcome),
        cancelled: rollout.cancelled().map(|(by, reason, at)| said(by, reason, at)),
        emergency: emergency(rollout),
        drill: drill(rollout),
        stages: if matches!(outcome, Outcome::Refused) { begun(rollout, stages) } else { stages },
        errors,
        audit_head: Some(head),
    }
}

fn said(by: &Person, reason: &str, at: Timestamp) -> Said {
    Said { by: by.name.clone(), at: Stamp(at), reason: reason.to_owned() }
}

/// The emergency that the run is; none: nobody declared one.
pub fn emergency(rollout: &Rollout) -> Option<EmergencyResult> {
    let (declared, settings) = (rollout.declared(), rollout.settings());
    if declared.all.is_empty() {
        return None;
    }
    let ended = rollout.last_at().filter(|_| rollout.is_finished());
    let tally = settings.policy.emergency.as_ref().map(|rule| declared.tally(rule));
    let passed = settings
        .stages
        .iter()
        .zip(rollout.stages())
        .flat_map(|(stage, run)| run.passed_by.iter().map(move |by| format!("stage {}: {by}", stage.name)));
    let started = rollout.started_at().unwrap_or_default();
    let undrilled = settings.policy.drill.iter().filter(|rule| !rule.is_met(started));
    let passed = undrilled.map(|rule| format!("{} ({}): {}", rule.words(), rule.at, rule.last_words())).chain(passed);
    Some(EmergencyResult {
        declared: declared.all.iter().map(|(one, at)| said(&one.by, &one.reason, *at)).collect(),
        in_force: rollout.is_emergency(),
        have: tally.map(|(have, _)| have),
        need: tally.map(|(_, need)| need),
        passed: passed.collect(),
        review_by: ended.and_then(|ended| Declared::review_by(settings, ended)).map(Stamp),
        review: declared.review().map(|review| said(&review.by, &review.reason, review.at)),
    })
}

/// What a drill has proved so far; none: the run is none.
pub fn drill(rollout: &Rollout) -> Option<DrillResult> {
    let hosts = rollout.settings().stages.iter().flat_map(|stage| &stage.hosts);
    let proved = hosts.filter(|host| rollout.is_proved(**host)).map(|host| rollout.host(*host).way_back_ms());
    let proved: Vec<Option<u64>> = proved.collect();
    let slowest_way_back_ms = proved.iter().copied().flatten().max();
    rollout.is_drill().then_some(DrillResult { proved: proved.len(), slowest_way_back_ms })
}

/// Stages that have hosts and cannot begin, since `--limit` left a stage that they need without any.
fn without_their_needs(rollout: &Rollout) -> Vec<Problem> {
    let stages = &rollout.settings().stages;
    let empty = |ix: &StageIx| stages[ix.at()].hosts.is_empty();
    let named = stages.iter().filter(|stage| !stage.hosts.is_empty()).filter_map(|stage| {
        let need = stage.needs.iter().copied().find(|need| empty(need))?;
        let message =
            format!("stage {} needs {}, and --limit leaves that without hosts", stage.name, stages[need.at()].name);
        let hint = format!("let --limit name hosts of {} too", stages[need.at()].name);
        Some(Problem::new(super::problem::ErrorKind::Refused, message).hint(hint))
    });
    named.collect()
}

/// For a refused run only the stages that began say anything.
fn begun(rollout: &Rollout, stages: Vec<super::document::StageResult>) -> Vec<super::document::StageResult> {
    let limited = without_their_needs(rollout).is_empty();
    let excepted = |ix: usize| rollout.settings().stages[ix].hosts.iter().any(|host| is_excepted(rollout, *host));
    let stages_of = rollout.stages().iter().enumerate();
    let began = stages_of.map(|(ix, run)| run.opened.is_some() || !limited || excepted(ix));
    stages.into_iter().zip(began).filter_map(|(stage, began)| began.then_some(stage)).collect()
}

/// Until when the gate waits for a decision; none: for as long as it takes.
fn gate_until(rollout: &Rollout, ix: StageIx, gate: &Gate) -> Option<Timestamp> {
    let has_rules = rollout.settings().stages[ix.at()].approval.is_some() || rollout.gate_rules(ix).is_some();
    gate.opened.checked_add(gate.rules.wait).ok().filter(|_| has_rules)
}

fn is_excepted(rollout: &Rollout, host: super::ids::HostIx) -> bool {
    rollout.host(host).place == super::host::Place::Excepted
}

/// How the run ended, or stands.
pub fn outcome(rollout: &Rollout, driven: Driven) -> Outcome {
    let mut all = vec![Outcome::Complete];
    let mut touched = rollout.declined().then_some(Outcome::Refused);
    let hosts = (0..).map(StageIx).zip(&rollout.settings().stages).flat_map(|(_, stage)| &stage.hosts);
    let (mut kept, mut left_out) = (false, false);
    let drills = rollout.is_drill();
    let undoes = drills || matches!(rollout.settings().kind, RunKind::Rollback { .. });
    for host in hosts {
        let standing = standing(rollout, *host);
        kept |= standing.is_patched() || (undoes && standing.is_restored());
        // What an exception leaves as it is, no drill is about.
        left_out |= standing.state == ActionState::Skipped && !(drills && is_excepted(rollout, *host));
        match standing.outcome() {
            Some(Outcome::Refused) => touched = Some(Outcome::Refused),
            Some(outcome) => all.push(outcome),
            None => {}
        }
    }
    if let Some(refused) = touched {
        all.push(if kept { Outcome::Partial } else { refused });
    }
    for run in rollout.stages() {
        if let Phase::Ended(end) | Phase::Closing(end) = run.phase {
            all.extend(stage::end_outcome(end));
        }
    }
    if !rollout.is_finished() {
        all.push(match (rollout.paused(), driven) {
            (_, Driven::Yes) => Outcome::Running,
            (Some(PauseCause::Signal(signal)), _) if signal == "SIGTERM" => Outcome::Terminated,
            (Some(PauseCause::Signal(_)) | None, _) => Outcome::Interrupted,
            (Some(_), _) => Outcome::Paused,
        });
    }
    match Outcome::of_all(all) {
        // Nothing went wrong, and hosts were selected that the run never came to: a stage that they need has no hosts.
        Outcome::Complete if left_out && kept => Outcome::Partial,
        Outcome::Complete if left_out => Outcome::Refused,
        outcome => outcome,
    }
}

/// What approves this gate, to be pasted into a shell.
pub fn decide_command(rollout: &Rollout, ix: StageIx, gate: &Gate) -> String {
    let settings = rollout.settings();
    let sign = if gate.rules.signed { " --sign KEY" } else { "" };
    format!(
        "patchctl approve {} --stage {} --digest {} --reason TEXT{sign} --resume",
        settings.run,
        settings.stages[ix.at()].name,
        &gate.digest.hex()[..12]
    )
}

/// What an unfinished run waits for.
fn waiting(rollout: &Rollout, outcome: Outcome) -> Option<Waiting> {
    if rollout.is_finished() {
        return None;
    }
    let settings = rollout.settings();
    let stages = || settings.stages.iter().zip(rollout.stages());
    let nothing = |kind, stage: &StageName| Waiting {
        kind,
        stage: stage.clone(),
        have: None,
        need: None,
        opens_at: None,
        until: None,
        by: None,
        digest: None,
        not_covered: Vec::new(),
        command: format!("patchctl resume {}", settings.run),
    };
    let open = (0..).map(StageIx).zip(rollout.stages()).find_map(|(ix, run)| run.open_gate().map(|gate| (ix, gate)));
    if let Some((ix, gate)) = open {
        let (have, need) = gate.tally();
        return Some(Waiting {
            have: Some(have),
            need: Some(need),
            until: gate_until(rollout, ix, gate).map(Stamp),
            digest: Some(gate.digest),
            not_covered: rollout.stages()[ix.at()].uncovered.iter().flat_map(|given| given.what.clone()).collect(),
            command: decide_command(rollout, ix, gate),
            ..nothing(WaitingFor::Approval, &settings.stages[ix.at()].name)
        });
    }
    let rests = matches!(rollout.paused(), None | Some(PauseCause::Window | PauseCause::Gate | PauseCause::Soak));
    // Where others must declare it, too, that is how to go on.
    let declares = rollout.settings().policy.emergency.as_ref().is_some_and(|rule| {
        let (have, need) = rollout.declared().tally(rule);
        (1..need).contains(&have)
    });
    let emergency = if declares { " --emergency --reason TEXT" } else { "" };
    if let Some((ix, shut)) = rollout.shut().filter(|_| rests && rollout.running().next().is_none()) {
        let open = shut.opens.map(|opens| rollout.calendar(ix).state(opens));
        let until = open.and_then(|state| if let State::Open { last, .. } = state { last } else { None });
        return Some(Waiting {
            opens_at: shut.opens.map(Stamp),
            until: until.map(Stamp),
            by: Some(shut.by.clone()),
            command: format!("patchctl resume {}{emergency}", settings.run),
            ..nothing(WaitingFor::Window, &settings.stages[ix.at()].name)
        });
    }
    if let Some((ix, soak)) = rollout.soaking().filter(|_| rests && rollout.running().next().is_none()) {
        let opens_at = Some(Stamp(soak.until));
        return Some(Waiting { opens_at, ..nothing(WaitingFor::Soak, &settings.stages[ix.at()].name) });
    }
    if outcome == Outcome::Running {
        return None;
    }
    if let Some((stage, _)) = stages().find(|(_, run)| run.phase == Phase::Gate) {
        // Decided, and nobody drives the run: it waits to be taken up.
        return Some(Waiting { have: Some(1), need: Some(1), ..nothing(WaitingFor::Approval, &stage.name) });
    }
    let (stage, _) = stages().find(|(_, run)| run.ended().is_none())?;
    Some(nothing(WaitingFor::Person, &stage.name))
}
