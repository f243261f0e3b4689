//! Whether an approval is still of what is there.

use super::Rollout;
use crate::core::document::Verdict;
use crate::core::event::{Event, StageEnd};
use crate::core::ids::{Digest, StageIx};

impl Rollout {
    /// Whether the stage was approved, and nobody has looked since whether its hosts are still what was approved.
    pub(super) fn must_recheck(&self, ix: StageIx) -> bool {
        let run = &self.stages[ix.at()];
        // A stage that was taken up again, and had nothing more to ask, stands on what was approved before.
        let decided = match &run.gate {
            Some(gate) => gate.decided.as_ref().map(|(decision, _)| decision),
            None => run.decisions.last().map(|(.., decision, _)| decision),
        };
        let approved = decided.is_some_and(|decision| decision.verdict == Verdict::Approved);
        approved && run.succeeded() && !run.fresh && self.settings.kind.patches()
    }

    /// The hosts were inspected again: the approval holds, or it is void.
    pub(super) fn after_recheck(&self, stage: StageIx, end: Option<StageEnd>, head: Digest) -> Event {
        let hosts = &self.settings.stages[stage.at()].hosts;
        let drift = hosts.iter().flat_map(|host| {
            let name = &self.settings.hosts[host.at()].name;
            self.hosts[host.at()].drift.iter().map(move |change| format!("{name}: {change}"))
        });
        let changes: Vec<String> = drift.collect();
        let gate = self.stages[stage.at()].gate.as_ref();
        // Whoever cancels wants no approval.
        match gate.filter(|_| !changes.is_empty() && self.cancelled.is_none()) {
            None if end.is_none() && !changes.is_empty() => self.end_unchanged(stage, StageEnd::Cancelled),
            None => Event::Rechecked { stage },
            Some(gate) => {
                let digest = self.statement(stage, gate.kind, head).digest();
                Event::ApprovalStale { stage, digest, changes }
            }
        }
    }
}
