//! A drill: what was patched goes back, and nobody is asked.

use super::Rollout;
use crate::core::event::{Event, StageEnd, UndoCause};
use crate::core::host::Place;
use crate::core::ids::{HostIx, StageIx};
use crate::core::settings::RunKind;

impl Rollout {
    /// Whether all that it patches goes back again.
    pub fn is_drill(&self) -> bool {
        self.settings.kind == RunKind::Drill
    }

    /// The stage's last wave is at rest: what is patched goes back, and then the stage ends.
    pub(super) fn takes_back(&self, ix: StageIx) -> Event {
        if self.any(ix, |place| place == Place::Patched) {
            return Event::UndoStarted { stage: ix, cause: UndoCause::Drilled };
        }
        Event::ClosingStarted { stage: ix, end: self.end_of_drill(ix) }
    }

    pub(super) fn end_of_drill(&self, ix: StageIx) -> StageEnd {
        let run = &self.stages[ix.at()];
        if self.has_failed(ix) || self.any(ix, |place| matches!(place, Place::NotRestored | Place::Lost)) {
            StageEnd::Failed
        } else if run.unreached {
            StageEnd::Incomplete
        } else if self.any(ix, |place| place == Place::Restored) {
            StageEnd::Drilled
        } else if self.any(ix, |place| place == Place::Current) {
            StageEnd::Current
        } else {
            StageEnd::Refused
        }
    }

    /// Whether the host's way back is proved: it was patched, verified, and taken back to exactly what it was.
    pub fn is_proved(&self, host: HostIx) -> bool {
        let run = self.host(host);
        let patched = run.settled.is_some() && !run.failed && run.problem.is_none();
        self.is_drill() && patched && run.place == Place::Restored && !run.by_itself
    }
}
