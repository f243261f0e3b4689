//! What goes back where, and what comes once it is back.

use super::Rollout;
use crate::core::event::{Event, GateKind, StageEnd, UndoCause};
use crate::core::host::Place;
use crate::core::ids::{Digest, HostIx, StageIx};
use crate::core::settings::{OnExceeded, Scope};
use crate::core::stage::Phase;

impl Rollout {
    /// Too many hosts of the stage failed, and those are back: what goes back with them, or what comes then. None: other
    /// stages come to rest first.
    pub(super) fn undo_after_failure(&self, ix: StageIx, head: Digest) -> Option<Event> {
        if self.settings.stages[ix.at()].on_exceeded == OnExceeded::Ask {
            // The failed ones are back; what happens to the healthy ones a person decides. Whoever cancels has: what was
            // approved stays.
            let asks = self.cancelled.is_none() && self.has_patched(ix);
            return Some(match asks {
                true => self.open_gate(ix, GateKind::After, head),
                false => self.after_undo(ix, &UndoCause::Failed, head),
            });
        }
        if !self.undo_candidates(ix, &UndoCause::Failed).is_empty() {
            return Some(Event::UndoStarted { stage: ix, cause: UndoCause::Failed });
        }
        // What was approved after its end stays, whatever becomes of a host of its that is recovered.
        if self.settings.stages[ix.at()].rollback_scope == Scope::Run && !self.stages[ix.at()].took_back {
            let cause = UndoCause::FailedIn(ix);
            let others = || (0..).map(StageIx).take(self.stages.len()).filter(|other| *other != ix);
            // Nobody goes on while what they build on is taken back: the others stop first.
            let phase = |other: StageIx| (&self.stages[other.at()].phase, self.stages[other.at()].exceeded);
            let goes_on = |other: &StageIx| {
                matches!(phase(*other), (Phase::Rolling | Phase::Soaking | Phase::BetweenWaves, false))
            };
            if let Some(stage) = others().find(goes_on) {
                return Some(Event::Exceeded { stage });
            }
            let works = |phase: &Phase| {
                matches!(phase, Phase::Rolling | Phase::Soaking | Phase::Undoing(_) | Phase::Closing(_))
            };
            // Nor is a host told to go back in the middle of something, such as a look at what was approved.
            let busy = |other: StageIx| works(phase(other).0) || self.stages[other.at()].active_hosts() > 0;
            if others().any(busy) {
                return None;
            }
            if let Some(stage) = others().find(|other| !self.undo_candidates(*other, &cause).is_empty()) {
                return Some(Event::UndoStarted { stage, cause });
            }
        }
        Some(self.after_undo(ix, &UndoCause::Failed, head))
    }

    /// All that was to go back is back.
    pub(super) fn after_undo(&self, ix: StageIx, cause: &UndoCause, head: Digest) -> Event {
        if self.cancelled.is_some() && self.has_patched(ix) {
            // What a narrow scope would have left goes back all the same.
            return self.end_cancelled(ix);
        }
        let end = match cause {
            UndoCause::Rejected => StageEnd::Rejected,
            UndoCause::Cancelled => StageEnd::Cancelled,
            UndoCause::Failed | UndoCause::FailedIn(_) => StageEnd::Failed,
            UndoCause::Drilled => self.end_of_drill(ix),
        };
        let scope_is_run = self.settings.stages[ix.at()].rollback_scope == Scope::Run;
        if *cause == UndoCause::Failed && scope_is_run && self.stages[ix.at()].phase != Phase::BetweenWaves {
            // Back to where the other stages are looked at.
            return Event::WaveEnded { stage: ix };
        }
        // A narrow scope leaves healthy hosts patched, and nobody has said yet that they may stay so.
        if self.has_patched(ix) && (self.gate_rules(ix).is_some() || self.is_inconclusive(ix)) {
            return self.open_gate(ix, GateKind::After, head);
        }
        Event::ClosingStarted { stage: ix, end }
    }

    /// The hosts of the stage that go back for this cause.
    pub(super) fn undo_candidates(&self, ix: StageIx, cause: &UndoCause) -> Vec<HostIx> {
        let (stage, run) = (&self.settings.stages[ix.at()], &self.stages[ix.at()]);
        let goes_back = |host: &&HostIx| {
            let at = &self.hosts[host.at()];
            match (cause, at.place) {
                (UndoCause::FailedIn(_), Place::Patched | Place::Kept)
                | (UndoCause::Rejected | UndoCause::Cancelled | UndoCause::Drilled, Place::Patched) => true,
                (UndoCause::Failed, Place::Patched) => match stage.rollback_scope {
                    Scope::Host => false,
                    Scope::Wave => at.wave == run.wave,
                    Scope::Stage | Scope::Run => true,
                },
                // A wave that was approved at its own gate is a part of the stage all the same.
                (UndoCause::Failed, Place::Kept) => {
                    at.claimed && matches!(stage.rollback_scope, Scope::Stage | Scope::Run)
                }
                _ => false,
            }
        };
        stage.hosts.iter().filter(goes_back).copied().collect()
    }
}
