//! One host of the result document.

use jiff::Timestamp;

use crate::core::document::{
    ActionPerformed, ActionState, CheckResult, CheckWhen, DeadMan, HostResult, Outcome, PackageChange, Reboot,
    RollbackResult, Services, StateReason, Verdict,
};
use crate::core::event::{GateKind, StageEnd, Step, UndoCause};
use crate::core::findings::{Check, RebootNeed, ServiceState, StepReport};
use crate::core::host::{HostRun, Place};
use crate::core::ids::HostIx;
use crate::core::problem::ErrorKind;
use crate::core::rollout::Rollout;
use crate::core::settings::{Restart, RunKind};
use crate::core::stage::{Phase, StageRun};

/// Where a host stands, in the words of the documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What was last done to it.
    pub performed: ActionPerformed,
    /// How that went.
    pub state: ActionState,
    /// Why it stands there.
    pub reason: StateReason,
    /// Whether it is back because it, or others, failed (not because somebody said no).
    by_failure: bool,
}

impl Standing {
    fn new(performed: ActionPerformed, state: ActionState, reason: StateReason) -> Self {
        Self { performed, state, reason, by_failure: false }
    }

    /// Whether it has the patch.
    pub fn is_patched(&self) -> bool {
        (self.performed, self.state) == (ActionPerformed::Patch, ActionState::Success)
    }

    /// Whether it is back as it was.
    pub fn is_restored(&self) -> bool {
        (self.performed, self.state) == (ActionPerformed::Rollback, ActionState::Success)
    }

    /// What it adds to the run's outcome.
    pub fn outcome(&self) -> Option<Outcome> {
        match (self.performed, self.state) {
            (ActionPerformed::Rollback, ActionState::Failed) | (_, ActionState::Unknown) => Some(Outcome::Degraded),
            (ActionPerformed::Rollback, ActionState::Success) if self.by_failure => Some(Outcome::Failed),
            (ActionPerformed::None, ActionState::Failed) => Some(Outcome::Refused),
            _ => None,
        }
    }
}

/// Where a host stands.
pub fn standing(rollout: &Rollout, host: HostIx) -> Standing {
    use ActionPerformed as Did;
    use ActionState as State;
    let run = rollout.host(host);
    let stage = &rollout.stages()[rollout.stage_of(host).at()];
    let undo_run = matches!(rollout.settings().kind, RunKind::Rollback { .. });
    match run.place {
        Place::Waiting | Place::Ready if run.step.is_some() => {
            Standing::new(Did::None, State::Skipped, StateReason::Running)
        }
        Place::Waiting | Place::Ready => {
            if stage.before == Some(false) {
                return Standing::new(Did::None, State::Failed, StateReason::Skipped);
            }
            let rejected =
                matches!(stage.phase, Phase::Ended(StageEnd::Rejected | StageEnd::Declined | StageEnd::Cancelled));
            let reason = if rejected { StateReason::Rejected } else { StateReason::NotBegun };
            Standing::new(Did::None, State::Skipped, reason)
        }
        Place::Current if all_excepted(rollout, host) => {
            Standing::new(Did::None, State::Skipped, StateReason::Excepted)
        }
        Place::Current => Standing::new(Did::None, State::Success, StateReason::Current),
        Place::Excepted => Standing::new(Did::None, State::Skipped, StateReason::Excepted),
        Place::Refused => Standing::new(Did::None, State::Failed, refusal_reason(run)),
        Place::Stashed => Standing::new(Did::None, State::Skipped, StateReason::Running),
        Place::Applied | Place::Settled | Place::MustReboot | Place::InEffect => {
            Standing::new(Did::Patch, State::Success, StateReason::Running)
        }
        Place::Patched => Standing::new(Did::Patch, State::Success, StateReason::Waiting),
        Place::Kept => Standing::new(Did::Patch, State::Success, StateReason::Patched),
        Place::MustUndo | Place::MustRestore => Standing::new(Did::Patch, State::Failed, StateReason::Running),
        Place::Restored => Standing {
            by_failure: match rollout.is_drill() {
                // There that is where it is meant to be.
                true => run.failed,
                false => !undo_run && !was_rejected(stage),
            },
            ..Standing::new(Did::Rollback, State::Success, StateReason::Restored)
        },
        Place::NotRestored => Standing::new(Did::Rollback, State::Failed, undo_reason(run)),
        Place::Lost => Standing::new(Did::Patch, State::Unknown, StateReason::Lost),
    }
}

/// Whether nothing but what an exception leaves as it is was asked of the host.
fn all_excepted(rollout: &Rollout, host: HostIx) -> bool {
    let found = rollout.host(host).resolution.as_deref();
    rollout.settings().policy.held_back(host).next().is_some() && found.is_some_and(|found| found.current.is_empty())
}

fn refusal_reason(run: &HostRun) -> StateReason {
    match run.problem.as_ref().map(|problem| problem.kind) {
        Some(_)
            if run.problem.as_ref().is_some_and(|problem| problem.step.as_deref() == Some(Step::Before.as_str())) =>
        {
            StateReason::Skipped
        }
        Some(kind) if kind.is_unreachable() => StateReason::Unreachable,
        Some(ErrorKind::Unproven) => StateReason::Unproven,
        Some(ErrorKind::Claimed) => StateReason::Claimed,
        Some(ErrorKind::Apply | ErrorKind::Internal | ErrorKind::Timeout) => StateReason::Failed,
        Some(ErrorKind::Conflict) => StateReason::Conflict,
        _ => StateReason::Refused,
    }
}

fn undo_reason(run: &HostRun) -> StateReason {
    match (&run.undo_problem, run.undone.as_deref()) {
        (Some(problem), _) if problem.kind == ErrorKind::Conflict => StateReason::Conflict,
        (Some(_), _) => StateReason::RollbackFailed,
        (None, Some(report)) if !report.conflicts.is_empty() => StateReason::Conflict,
        (None, _) => StateReason::NotExact,
    }
}

/// Whether the stage's patched hosts went back because somebody (or the gate's time) said no.
fn was_rejected(stage: &StageRun) -> bool {
    let last = stage.decisions.iter().rev().find(|(kind, ..)| *kind != GateKind::Before);
    is_cancelled(stage) || last.is_some_and(|(_, _, decision, _)| decision.verdict != Verdict::Approved)
}

/// Whether somebody cancelled the run before the stage was decided.
fn is_cancelled(stage: &StageRun) -> bool {
    matches!(
        stage.phase,
        Phase::Ended(StageEnd::Cancelled) | Phase::Closing(StageEnd::Cancelled) | Phase::Undoing(UndoCause::Cancelled)
    )
}

/// One host of the result document.
pub fn host_result(rollout: &Rollout, host: HostIx) -> HostResult {
    let settings = &rollout.settings().hosts[host.at()];
    let run = rollout.host(host);
    let Standing { performed, state, reason, .. } = standing(rollout, host);
    HostResult {
        host: settings.name.clone(),
        address: settings.address.clone(),
        wave: run.wave,
        action_performed: performed,
        action_state: state,
        state_reason: reason,
        action_cause: cause(rollout, host),
        packages: packages(rollout, host),
        rollback: rollback(run),
        services: services(run),
        reboot: reboot(run),
        dead_man: run.armed.then_some(DeadMan::Armed),
        checks: checks(rollout, host),
        error: run.undo_problem.clone().or_else(|| run.problem.clone()).map(|problem| problem.on(&settings.name)),
        duration_ms: run.worked_ms,
        way_back_ms: run.way_back_ms().filter(|_| rollout.is_drill()),
    }
}

/// Who or what caused it: the approver's reason, or the failing step and its own message.
pub(super) fn cause(rollout: &Rollout, host: HostIx) -> Option<String> {
    let run = rollout.host(host);
    let stage = &rollout.stages()[rollout.stage_of(host).at()];
    if let Some(reason) = &run.given_up {
        return Some(format!("given up: {reason}"));
    }
    if let Some(problem) = run.undo_problem.as_ref().or(run.problem.as_ref()) {
        let step = problem.step.as_deref().map(|step| format!("{step}: ")).unwrap_or_default();
        return Some(format!("{step}{}", problem.message));
    }
    if let RunKind::Rollback { reason, .. } = &rollout.settings().kind {
        return Some(reason.clone());
    }
    if standing(rollout, host).reason == StateReason::Excepted {
        return excepted(rollout, host);
    }
    let cancelled = rollout.cancelled().filter(|_| is_cancelled(stage)).map(|(_, reason, _)| reason.to_owned());
    let decided = cancelled.or_else(|| stage.decisions.last().map(|(_, _, decision, _)| decision.reason.clone()));
    match run.place {
        Place::Kept => decided,
        Place::Restored | Place::NotRestored if was_rejected(stage) => decided,
        Place::Restored | Place::NotRestored if rollout.is_drill() && !stage.exceeded => {
            Some("patched and taken back on purpose: it is a drill".into())
        }
        Place::Restored | Place::NotRestored => Some(failure_elsewhere(rollout, host, stage)),
        _ if run.step.is_some_and(Step::arms) && !rollout.is_finished() => {
            Some("the patch is under way there: what becomes of it is known when the run goes on".into())
        }
        Place::MustUndo => Some("on its way back to what it was".into()),
        Place::MustReboot => Some("patched, and still to boot".into()),
        Place::Waiting | Place::Ready => not_begun(rollout, stage),
        _ => None,
    }
}

/// By which exceptions it is left as it is, or packages of it are.
fn excepted(rollout: &Rollout, host: HostIx) -> Option<String> {
    let policy = &rollout.settings().policy;
    if let Some(exception) = policy.excepted(host) {
        return Some(exception.cause());
    }
    let causes: Vec<String> = policy.held_back(host).map(crate::core::policy::Exception::cause).collect();
    (!causes.is_empty()).then(|| causes.join("; "))
}

fn failure_elsewhere(rollout: &Rollout, host: HostIx, stage: &StageRun) -> String {
    if let Phase::Undoing(UndoCause::FailedIn(other)) = &stage.phase {
        return format!("stage {} failed", rollout.settings().stages[other.at()].name);
    }
    let members = &rollout.settings().stages[rollout.stage_of(host).at()].hosts;
    let failed = members.iter().filter(|other| rollout.host(**other).failed);
    let names: Vec<&str> = failed.map(|other| rollout.settings().hosts[other.at()].name.as_str()).take(3).collect();
    if names.is_empty() {
        return "another stage failed".into();
    }
    format!("{} failed, more than max_failed allows", names.join(", "))
}

fn not_begun(rollout: &Rollout, stage: &StageRun) -> Option<String> {
    let text = match &stage.phase {
        _ if stage.before == Some(false) => "before_stage failed, so no host of the stage was begun",
        Phase::Ended(StageEnd::NeedsUnmet) => "a stage that this one needs did not succeed",
        Phase::Ended(StageEnd::Failed) => "too many hosts failed before its turn",
        Phase::Ended(StageEnd::Refused | StageEnd::Incomplete) => {
            "more hosts are unreachable than max_unreachable allows"
        }
        Phase::Ended(StageEnd::Cancelled) => return rollout.cancelled().map(|(_, reason, _)| reason.to_owned()),
        Phase::Ended(StageEnd::Declined) => "declined before the first change",
        Phase::Ended(StageEnd::Rejected) => return stage.decisions.last().map(|(_, _, d, _)| d.reason.clone()),
        _ if rollout.is_finished() => "its turn did not come",
        _ => return None,
    };
    Some(text.into())
}

/// What changed, would change, or was tried.
pub(super) fn packages(rollout: &Rollout, host: HostIx) -> Vec<PackageChange> {
    let run = rollout.host(host);
    let now = |report: Option<&StepReport>, op: &crate::core::packages::PackageOp| {
        let report = report?;
        let found = report.packages.iter().find(|package| package.name == op.name && package.arch == op.arch)?;
        Some(found.version.clone())
    };
    let undoes = matches!(rollout.settings().kind, RunKind::Rollback { .. });
    let conflicts = run.undone.as_deref().map(|report| report.conflicts.as_slice()).unwrap_or_default();
    let changes = rollout.ops(host).iter().map(|op| {
        let before = op.from.clone();
        if let Some(found) = conflicts.iter().find(|found| found.name == op.name && found.arch == op.arch) {
            let (before, after) = (before, found.version.clone());
            return PackageChange { name: op.name.clone(), arch: op.arch.clone(), before, tried: None, after };
        }
        let (tried, after) = match run.place {
            Place::Restored if undoes => (None, now(run.undone.as_deref(), op).unwrap_or_else(|| op.to.clone())),
            Place::Restored => (Some(op.to.clone()), now(run.undone.as_deref(), op).unwrap_or_else(|| before.clone())),
            Place::NotRestored => (Some(op.to.clone()), now(run.undone.as_deref(), op).flatten()),
            Place::Waiting | Place::Ready | Place::Refused | Place::Current | Place::Stashed => (None, before.clone()),
            _ => (None, now(run.settled.as_deref(), op).unwrap_or_else(|| op.to.clone())),
        };
        PackageChange { name: op.name.clone(), arch: op.arch.clone(), before, tried, after }
    });
    changes.collect()
}

fn rollback(run: &HostRun) -> Option<RollbackResult> {
    let report = run.undone.as_deref()?;
    let differences = report.differences.iter().map(|d| {
        let shown = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
        format!("{} {}: {} before, {} now", d.what, d.name, shown(&d.before), shown(&d.after))
    });
    let conflicts = report.conflicts.iter().map(|package| {
        let found = package.version.as_ref().map_or("not installed", |version| version.as_str());
        format!("package {}: changed since by somebody else ({found}); left alone", package.name)
    });
    let differences: Vec<String> = differences.chain(conflicts).collect();
    let exact = run.place == Place::Restored;
    Some(RollbackResult { exact, differences, by_itself: run.by_itself })
}

pub(super) fn services(run: &HostRun) -> Services {
    let report = run.undone.as_deref().or(run.settled.as_deref());
    let mut services = Services::default();
    for service in report.map(|report| report.services.as_slice()).unwrap_or_default() {
        let list = match service.state {
            ServiceState::Restarted => &mut services.restarted,
            ServiceState::Stale | ServiceState::Failed => &mut services.stale,
        };
        if !list.contains(&service.unit) {
            list.push(service.unit.clone());
        }
    }
    services
}

pub(super) fn reboot(run: &HostRun) -> Reboot {
    let reports = || run.undone.as_deref().or(run.settled.as_deref());
    let why = |need: &RebootNeed| if let RebootNeed::Yes(why) = need { Some(why.clone()) } else { None };
    let due = reports().map_or(run.resolution.as_deref().map(|found| &found.reboot), |report| Some(&report.reboot));
    // What the host booted into may have been taken away again.
    let again = run.undone.as_deref().is_some_and(|report| report.reboot.is_due());
    let reason = run.reboot_reason.clone().filter(|_| !again).or_else(|| due.and_then(why));
    let needed = run.reboot_reason.is_some() || due.is_some_and(RebootNeed::is_due);
    Reboot { needed, done: run.rebooted && !again, reason }
}

/// What checks of a host said: those before the patch, what verifying it found, those after it.
pub(in crate::core) fn checks(rollout: &Rollout, host: HostIx) -> Vec<CheckResult> {
    let run = rollout.host(host);
    let of = |report: &Option<Box<StepReport>>, when| {
        let all = report.iter().flat_map(|report| report.checks.iter());
        all.map(move |found| check_result(found, when)).collect::<Vec<_>>()
    };
    let mut all = of(&run.probed, CheckWhen::Before);
    let restart = rollout.settings().stages[rollout.stage_of(host).at()].restart;
    all.extend(verified(run, restart));
    // Of a host that is back they say why it went.
    all.extend(of(&run.checked, CheckWhen::After));
    all
}

fn check_result(found: &Check, when: CheckWhen) -> CheckResult {
    CheckResult {
        name: found.name.clone(),
        when,
        ok: found.ok,
        inconclusive: found.inconclusive,
        detail: if found.inconclusive { format!("inconclusive: {}", found.detail) } else { found.detail.clone() },
    }
}

/// What verifying a host found, for as long as it holds. Of services it says nothing where nobody looked at them.
fn verified(run: &HostRun, restart: Restart) -> Vec<CheckResult> {
    let Some(report) = run.settled.as_deref() else { return Vec::new() };
    let installed = matches!(run.place, Place::Patched | Place::Kept);
    if !installed {
        return Vec::new();
    }
    let count = |state| report.services.iter().filter(|service| service.state == state).count();
    let (stale, failed) = (count(ServiceState::Stale), count(ServiceState::Failed));
    let services = match (failed, stale) {
        (0, 0) => format!("{} restarted, none on old code", count(ServiceState::Restarted)),
        (0, stale) => format!("{stale} still on old code"),
        (failed, _) => format!("{failed} did not start again"),
    };
    let check = |name: &str, ok, detail| CheckResult {
        name: name.into(),
        when: CheckWhen::After,
        ok,
        inconclusive: false,
        detail,
    };
    let packages = check("packages", true, format!("{} as resolved", report.packages.len()));
    let looked = restart != Restart::Never || !report.services.is_empty();
    let services = looked.then(|| check("services", failed == 0, services));
    let own = report.checks.iter().map(|found| check_result(found, CheckWhen::After));
    std::iter::once(packages).chain(services).chain(own).collect()
}

/// The time between two moments, in milliseconds; 0 where the clock went back.
pub(super) fn millis(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0)
}
