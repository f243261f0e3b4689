//! What a person is told about an event.

use std::time::Duration;

use jiff::Timestamp;

use crate::core::calendar::State;
use crate::core::document::{self, StateReason, Verdict};
use crate::core::event::{Event, PauseCause, Step};
use crate::core::evidence::Beginning;
use crate::core::forecast::Earlier;
use crate::core::host::Place;
use crate::core::ids::{HostIx, StageIx, StageName};
use crate::core::report;
use crate::core::rollout::Rollout;
use crate::core::stage::Phase;
use crate::core::view::{Level, View, Way};

/// The views of an event that was just applied.
pub(super) fn views(rollout: &Rollout, event: &Event) -> Vec<View> {
    let settings = rollout.settings();
    let stage_name = |ix: &StageIx| settings.stages[ix.at()].name.clone();
    match event {
        Event::StageOpened { stage } => {
            let hosts = settings.stages[stage.at()].hosts.len();
            vec![View::StageStarted { stage: stage_name(stage), hosts, way: way(rollout) }]
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
        Event::StepStarted { host, step, .. } if !matches!(step, Step::Forget | Step::Discard) => {
            vec![View::HostPhase {
                host: settings.hosts[host.at()].name.clone(),
                stage: stage_name(&rollout.stage_of(*host)),
                phase: phase(*step).into(),
            }]
        }
        Event::StepEnded { host, step, .. } if !matches!(step, Step::Forget | Step::Recheck | Step::Discard) => {
            host_done(rollout, *host).into_iter().collect()
        }
        Event::HookStarted { stage, hook, host, .. } => {
            let place = host.map_or("here".to_owned(), |host| format!("on {}", settings.hosts[host.at()].name));
            vec![View::Message {
                level: Level::Info,
                text: format!("stage {}: {} runs {place}", stage_name(stage), hook.as_str()),
            }]
        }
        Event::HookEnded { stage, problem: Some(problem), .. } => vec![View::Message {
            level: Level::Warning,
            text: format!("stage {}: {}", stage_name(stage), problem.message),
        }],
        Event::SoakStarted { stage, until } => vec![View::Message {
            level: Level::Info,
            text: format!(
                "stage {}: wave {} is watched until {}",
                stage_name(stage),
                rollout.stages()[stage.at()].wave,
                crate::core::settings::stamp(*until)
            ),
        }],
        Event::SoakEnded { stage } => {
            let found = match rollout.inconclusive(*stage) {
                None => "is well".to_owned(),
                Some(what) => format!("cannot be told to be well ({what}): a person decides"),
            };
            let text = format!("stage {}: the wave was watched for long enough, and {found}", stage_name(stage));
            vec![View::Message { level: Level::Info, text }]
        }
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
        Event::NotCovered { stage, id, what } => {
            let text = format!("stage {}: pre-approval {id} does not open its gate", stage_name(stage));
            let each = what.iter().map(|what| format!("stage {}: not covered: {what}", stage_name(stage)));
            let lines = std::iter::once(text).chain(each);
            lines.map(|text| View::Message { level: Level::Warning, text }).collect()
        }
        Event::Barred { problem, .. } => vec![View::Message {
            level: Level::Warning,
            text: format!("{problem}; the run pauses, and asks again when it goes on"),
        }],
        Event::PauseAsked { by } => {
            vec![View::Message {
                level: Level::Warning,
                text: format!("{} wants the run to pause: nothing new starts", by.name),
            }]
        }
        Event::Cancelled { by, reason } => vec![View::Message {
            level: Level::Warning,
            text: format!("cancelled by {}: {reason}; what is not approved goes back", by.name),
        }],
        Event::EmergencyDeclared { declaration } => {
            let by = &declaration.by.name;
            let text = format!("emergency, declared by {by}: {}; a review is due afterwards", declaration.reason);
            let rule = settings.policy.emergency.as_ref().filter(|rule| declaration.is_by(&rule.by));
            let more = rule.map(|rule| rollout.declared().tally(rule)).filter(|(have, need)| have < need);
            let text = match more {
                Some((have, need)) => format!(
                    "{text}; {have} of {need} who must declare it: the others, once this process has left the run, with \
                     `patchctl resume {} --emergency --reason TEXT`",
                    settings.run
                ),
                None => text,
            };
            vec![View::Message { level: Level::Warning, text }]
        }
        Event::Unreached { stage } => vec![View::Message {
            level: Level::Warning,
            text: format!(
                "stage {}: more hosts do not answer than max_unreachable allows; no new host starts",
                stage_name(stage)
            ),
        }],
        Event::ApprovalStale { stage, changes, .. } => vec![View::Message {
            level: Level::Warning,
            text: format!(
                "stage {}: the approval is void, and its gate waits again: {}",
                stage_name(stage),
                changes.join("; ")
            ),
        }],
        Event::ApprovalLapsed { stage } => vec![View::Message {
            level: Level::Warning,
            text: format!("stage {}: the approval is too old to be used, and its gate waits again", stage_name(stage)),
        }],
        Event::WindowShut { stage, by, opens } => {
            vec![View::Message { level: Level::Info, text: shut_words(&stage_name(stage), by, *opens) }]
        }
        Event::BarrierPassed { stage, by } => vec![View::Message {
            level: Level::Warning,
            text: format!("stage {}: the emergency passes this: {by}", stage_name(stage)),
        }],
        Event::WindowOpened { stage } => {
            vec![View::Message { level: Level::Info, text: format!("stage {}: hosts may begin", stage_name(stage)) }]
        }
        Event::Exceeded { stage } => vec![View::Message {
            level: Level::Warning,
            text: format!("stage {}: more hosts failed than max_failed allows; no new host starts", stage_name(stage)),
        }],
        Event::Noted { problem } => vec![View::Message { level: Level::Warning, text: problem.to_string() }],
        Event::Paused { why: PauseCause::Signal(_) } => Vec::new(),
        _ => Vec::new(),
    }
}

fn shut_words(stage: &StageName, by: &str, opens: Option<Timestamp>) -> String {
    let opens = opens.map_or("as far as can be seen, they never may".into(), |at| {
        format!("hosts may begin from {}", crate::core::settings::stamp(at))
    });
    format!("stage {stage}: no host begins now: {by}; {opens}")
}

/// A run that undoes another one goes back from the start: its hosts are well when they are restored.
fn way(rollout: &Rollout) -> Way {
    match rollout.settings().kind {
        crate::core::settings::RunKind::Run | crate::core::settings::RunKind::Drill => Way::Forward,
        crate::core::settings::RunKind::Rollback { .. } => Way::Back,
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
        Step::Confirm => "confirming",
        Step::Reboot => "rebooting",
        Step::Recheck => "inspecting again",
        Step::Before => "before_host",
        Step::Probe => "looking",
        Step::Snapshot => "taking a snapshot",
        Step::Check => "checking",
        Step::After => "after_host",
        Step::Restore => "restoring its snapshot",
        Step::Discard => "removing its snapshot",
        Step::Prefetch => "fetching ahead",
    }
}

/// The host's line, where it came to rest.
fn host_done(rollout: &Rollout, host: HostIx) -> Option<View> {
    let run = rollout.host(host);
    let under_way = matches!(
        run.place,
        Place::Waiting
            | Place::Ready
            | Place::Stashed
            | Place::Applied
            | Place::Settled
            | Place::MustReboot
            | Place::InEffect
            | Place::MustUndo
            | Place::MustRestore
    );
    let stage = &rollout.stages()[rollout.stage_of(host).at()];
    // Its command afterwards is due, or it is only looked at again.
    let watched = stage.phase == Phase::Soaking && run.place == Place::Patched;
    if under_way || watched || stage.is_at_work(host) {
        return None;
    }
    let result = report::host_result(rollout, host);
    let detail = match (&result.error, result.state_reason) {
        (_, StateReason::Current) => String::new(),
        (Some(problem), _) => problem.message.clone(),
        (None, _) => document::brief(&result.packages, "→"),
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

/// What is about to happen: the stages whose hosts wait for the word, and those that follow.
pub(super) fn beginning(rollout: &Rollout, earlier: &[Earlier], at: Timestamp) -> Beginning {
    let settings = rollout.settings();
    let begun = |name: &StageName| settings.stage(name).is_some_and(|ix| rollout.stages()[ix.at()].opened.is_some());
    let mut now = report::plan_document(rollout);
    now.stages.retain(|stage| begun(&stage.name));
    let ready = |host: &&HostIx| rollout.host(**host).place == Place::Ready;
    let later = settings.stages.iter().filter(|stage| !begun(&stage.name));
    let stages = (0..).map(StageIx).zip(&settings.stages).filter(|(_, stage)| begun(&stage.name));
    let shut = stages.filter_map(|(ix, stage)| match rollout.calendar(ix).state(at) {
        State::Shut { by, opens } => Some(shut_words(&stage.name, &by.to_string(), opens)),
        State::Open { .. } => None,
    });
    let shut = shut.collect();
    Beginning {
        run: settings.run.clone(),
        kind: report::kind(&settings.kind),
        change: settings.change.clone(),
        plan: settings.plan.clone(),
        now,
        shut,
        tight: tight(rollout, earlier, at),
        hosts: settings.stages.iter().flat_map(|stage| &stage.hosts).filter(ready).count(),
        later: later.map(|stage| (stage.name.clone(), stage.hosts.len())).collect(),
    }
}

/// The stages that by earlier runs do not fit their windows; those that follow are taken to have something to do on every
/// host.
fn tight(rollout: &Rollout, earlier: &[Earlier], at: Timestamp) -> Vec<String> {
    let settings = rollout.settings();
    let needs: Vec<Vec<StageIx>> = settings.stages.iter().map(|stage| stage.needs.clone()).collect();
    let mut document = report::plan_document(rollout);
    report::add_forecasts(&mut document, rollout, &needs, earlier, at);
    let stages = document.stages.iter().filter_map(|stage| Some((&stage.name, stage.forecast.as_ref()?)));
    // That a stage never opens, another line says.
    let bad = stages.filter(|(_, forecast)| forecast.fits == Some(false) && forecast.begins_at.is_some());
    let stamp = |at: document::Stamp| crate::core::settings::stamp(at.0);
    bad.map(|(stage, forecast)| {
        let (why, runs) = (forecast.why.as_deref().unwrap_or_default(), forecast.runs);
        let ends = forecast.ends_at.map(|at| format!(", and the stage would end about {}", stamp(at)));
        let runs = if runs == 1 { "1 earlier run".to_owned() } else { format!("{runs} earlier runs") };
        format!("stage {stage}: by {runs} it does not fit its window: {why}{}", ends.unwrap_or_default())
    })
    .collect()
}
