//! One stage of the result document.

use jiff::Timestamp;

use crate::core::approval;
use crate::core::document::{DecidedBy, Decision, Outcome, StageReason, StageResult, StageState, Stamp, Verdict};
use crate::core::event::StageEnd;
use crate::core::host::Place;
use crate::core::ids::StageIx;
use crate::core::rollout::Rollout;
use crate::core::stage::{Phase, StageRun};

pub(super) fn stage_result(rollout: &Rollout, ix: StageIx) -> StageResult {
    let (stage, run) = (&rollout.settings().stages[ix.at()], &rollout.stages()[ix.at()]);
    let (state, state_reason) = state(rollout, ix, run);
    StageResult {
        name: stage.name.clone(),
        state,
        state_reason,
        decision: decision(run),
        hosts: stage.hosts.iter().map(|host| super::host_result(rollout, *host)).collect(),
    }
}

/// What a stage's end adds to the run's outcome, beside its hosts'.
pub(super) fn end_outcome(end: StageEnd) -> Option<Outcome> {
    match end {
        StageEnd::Rejected | StageEnd::Cancelled => Some(Outcome::Rejected),
        StageEnd::Failed => Some(Outcome::Failed),
        _ => None,
    }
}

/// Where a stage stands, in the words of the documents.
pub(super) fn state(rollout: &Rollout, ix: StageIx, run: &StageRun) -> (StageState, StageReason) {
    let end = match &run.phase {
        Phase::Pending => return (StageState::Skipped, StageReason::NotBegun),
        Phase::Gate if run.open_gate().is_some() => return (StageState::Waiting, StageReason::Approval),
        Phase::Rolling | Phase::Undoing(_) if is_barred(rollout, ix) => {
            return (StageState::Waiting, StageReason::Person);
        }
        Phase::Resolved if rollout.is_confirming() => return (StageState::Waiting, StageReason::Person),
        Phase::Soaking if run.active_hosts() == 0 => return (StageState::Waiting, StageReason::Soak),
        Phase::Ended(end) => *end,
        _ => return (StageState::Running, StageReason::Running),
    };
    let expired = run.decisions.last().is_some_and(|(_, _, d, _)| d.verdict == Verdict::Expired);
    if matches!(end, StageEnd::Rejected | StageEnd::Cancelled | StageEnd::Failed)
        && rollout.any(ix, |place| matches!(place, Place::Lost | Place::NotRestored))
    {
        return (StageState::Failed, StageReason::Degraded);
    }
    match end {
        StageEnd::Approved if run.decisions.is_empty() => (StageState::Success, StageReason::Done),
        StageEnd::Approved => (StageState::Success, StageReason::Approved),
        StageEnd::Current => (StageState::Success, StageReason::Done),
        StageEnd::Drilled => (StageState::Success, StageReason::Drilled),
        StageEnd::Rejected if expired => (StageState::Rejected, StageReason::Expired),
        StageEnd::Rejected => (StageState::Rejected, StageReason::Rejected),
        StageEnd::Cancelled => (StageState::Rejected, StageReason::Cancelled),
        StageEnd::Incomplete => (StageState::Failed, StageReason::Unreachable),
        StageEnd::Failed if !rollout.has_failed(ix) => (StageState::Failed, StageReason::RolledBack),
        StageEnd::Failed => (StageState::Failed, StageReason::Failed),
        StageEnd::Refused if run.before == Some(false) && !rollout.any(ix, was_begun) => {
            (StageState::Skipped, StageReason::Refused)
        }
        StageEnd::Refused if rollout.any(ix, |place| matches!(place, Place::Ready | Place::Current)) => {
            (StageState::Failed, StageReason::Unreachable)
        }
        StageEnd::Refused | StageEnd::Declined => (StageState::Failed, StageReason::Refused),
        StageEnd::Empty => (StageState::Skipped, StageReason::Empty),
        StageEnd::NeedsUnmet => (StageState::Skipped, StageReason::Needs),
    }
}

/// Whether the run has changed a host that stands there.
fn was_begun(place: Place) -> bool {
    matches!(place, Place::Patched | Place::Kept | Place::Restored | Place::NotRestored | Place::Lost)
}

/// Whether one of its hosts does not take us for who we are any more.
fn is_barred(rollout: &Rollout, ix: StageIx) -> bool {
    rollout.barred().keys().any(|host| rollout.stage_of(*host) == ix)
}

fn decision(run: &StageRun) -> Option<Decision> {
    let (_, digest, decision, _) = run.decisions.last()?;
    // The gate that was decided last, with everybody who decided there; one that is open and has an approval, too.
    let gate = run.gate.as_ref().filter(|gate| gate.digest == *digest && !gate.decisions.is_empty());
    let by = |(decision, at): (&approval::Decision, &Timestamp)| DecidedBy {
        name: decision.by.name.clone(),
        source: Some(decision.by.source.clone()),
        at: Stamp(*at),
        reason: decision.reason.clone(),
        how: decision.how,
        key: decision.signed.as_ref().map(|signed| signed.key.clone()),
    };
    let by = match gate {
        Some(gate) => gate.decisions.iter().map(|(decision, at)| by((decision, at))).collect(),
        None => {
            let same =
                run.decisions.iter().filter(|(_, of, other, _)| of == digest && other.verdict == decision.verdict);
            same.map(|(_, _, decision, at)| by((decision, at))).collect()
        }
    };
    Some(Decision { verdict: decision.verdict, digest: *digest, by })
}
