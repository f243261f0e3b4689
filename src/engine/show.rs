//! What a person is told about an event.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::core::document::{PackageChange, StateReason, Verdict};
use crate::core::event::{Event, PauseCause, Step};
use crate::core::host::Place;
use crate::core::ids::{HostIx, StageIx};
use crate::core::report;
use crate::core::rollout::Rollout;
use crate::core::view::{Level, View, Way};

/// The views of an event that was just applied.
pub(super) fn views(rollout: &Rollout, event: &Event) -> Vec<View> {
    let settings = rollout.settings();
    let stage_name = |ix: &StageIx| settings.stages[ix.at()].name.clone();
    match event {
        Event::StageOpened { stage } => {
            let hosts = settings.stages[stage.at()].hosts.len();
            vec![View::StageStarted { stage: stage_name(stage), hosts, way: Way::Forward }]
        }
        Event::UndoStarted { stage, .. } => {
            let going_back = |host: &&HostIx| rollout.host(**host).place == Place::MustUndo;
            let hosts = settings.stages[stage.at()].hosts.iter().filter(going_back).count();
            vec![View::StageStarted { stage: stage_name(stage), hosts, way: Way::Back }]
        }
        Event::WaveStarted { stage, wave, .. } => {
            let of = report::waves_of(rollout, *stage);
            vec![View::WaveStarted { stage: stage_name(stage), wave: *wave, of }]
        }
        Event::StepStarted { host, step, .. } if *step != Step::Forget => vec![View::HostPhase {
            host: settings.hosts[host.at()].name.clone(),
            stage: stage_name(&rollout.stage_of(*host)),
            phase: phase(*step).into(),
        }],
        Event::StepEnded { host, step, .. } if *step != Step::Forget => host_done(rollout, *host).into_iter().collect(),
        Event::StageEnded { stage, .. } => {
            let (state, reason) = report::stage_state(rollout, *stage);
            vec![View::StageDone { stage: stage_name(stage), state, reason }]
        }
        Event::Decided { stage, decision, .. } => {
            let level = if decision.verdict == Verdict::Approved { Level::Info } else { Level::Warning };
            let text = format!(
                "stage {}: {} by {}: {}",
                stage_name(stage),
                decision.verdict.as_str(),
                decision.by.name,
                decision.reason
            );
            vec![View::Message { level, text }]
        }
        Event::Noted { problem } => vec![View::Message { level: Level::Warning, text: problem.to_string() }],
        Event::Paused { why: PauseCause::Signal(_) } => Vec::new(),
        _ => Vec::new(),
    }
}

fn phase(step: Step) -> &'static str {
    match step {
        Step::Resolve => "resolving",
        Step::Stash => "stashing",
        Step::Apply => "applying",
        Step::Settle => "verifying",
        Step::Rollback => "rolling back",
        Step::Forget => "releasing",
    }
}

/// The host's line, where it came to rest.
fn host_done(rollout: &Rollout, host: HostIx) -> Option<View> {
    let run = rollout.host(host);
    if matches!(run.place, Place::Waiting | Place::Ready | Place::Stashed | Place::Applied | Place::MustUndo) {
        return None;
    }
    let result = report::host_result(rollout, host);
    let detail = match (&result.error, result.state_reason) {
        (_, StateReason::Current) => String::new(),
        (Some(problem), _) => problem.message.clone(),
        (None, _) => changes(&result.packages),
    };
    Some(View::HostDone {
        host: result.host,
        stage: rollout.settings().stages[rollout.stage_of(host).at()].name.clone(),
        performed: result.action_performed,
        state: result.action_state,
        reason: result.state_reason,
        detail,
        took: Duration::from_millis(result.duration_ms),
    })
}

fn changes(packages: &[PackageChange]) -> String {
    let version = |v: &Option<crate::core::packages::Version>| v.as_ref().map_or("-".to_owned(), ToString::to_string);
    let mut text = String::new();
    for (n, change) in packages.iter().enumerate() {
        if n == 2 {
            // Writing to a String cannot fail.
            let _ = write!(text, " and {} more", packages.len() - 2);
            break;
        }
        let from = change.tried.as_ref().unwrap_or(&change.before);
        let separator = if n == 0 { "" } else { ", " };
        let _ = write!(text, "{separator}{} {} → {}", change.name, version(from), version(&change.after));
    }
    text
}

/// What is about to happen, and the question whether it should.
pub(super) fn before_first_change(rollout: &Rollout) -> (String, String) {
    let settings = rollout.settings();
    let mut about = format!("Plan {}, change {}.\n", settings.plan, settings.change);
    let mut hosts = 0;
    for (ix, stage) in (0..).map(StageIx).zip(&settings.stages) {
        let mut groups: BTreeMap<Vec<String>, Vec<&str>> = BTreeMap::new();
        for host in &stage.hosts {
            if rollout.host(*host).place == Place::Ready {
                let lines = rollout.ops(*host).iter().map(|op| {
                    let shown =
                        |v: &Option<crate::core::packages::Version>| v.as_ref().map_or("-".into(), ToString::to_string);
                    format!("{} {} {} → {}", op.op.as_str(), op.name, shown(&op.from), shown(&op.to))
                });
                groups.entry(lines.collect()).or_default().push(settings.hosts[host.at()].name.as_str());
                hosts += 1;
            }
        }
        for (ops, names) in groups {
            let shown: Vec<&str> = names.iter().take(6).copied().collect();
            let more = names.len().saturating_sub(6);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let _ = writeln!(about, "Stage {}: {}{more}", settings.stages[ix.at()].name, shown.join(", "));
            for op in ops {
                let _ = writeln!(about, "  {op}");
            }
        }
    }
    let later: Vec<&str> = settings
        .stages
        .iter()
        .zip(rollout.stages())
        .filter(|(_, run)| run.opened.is_none())
        .map(|(stage, _)| stage.name.as_str())
        .collect();
    if !later.is_empty() {
        let _ = writeln!(about, "Then, after its gate: {}.", later.join(", "));
    }
    let hosts = if hosts == 1 { "this host".to_owned() } else { format!("these {hosts} hosts") };
    (about, format!("Change {hosts} now?"))
}
