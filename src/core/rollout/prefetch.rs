//! What hosts will need is fetched ahead of their time, and they are let go of again until it comes.

use super::{Misfit, Rollout};
use crate::core::ids::StageIx;
use crate::core::stage::Phase;

impl Rollout {
    /// Whether what the stage's hosts will need is to be fetched ahead of their time.
    pub(super) fn must_prefetch(&self, ix: StageIx) -> bool {
        let stage = &self.settings.stages[ix.at()];
        stage.prefetch && self.settings.kind.patches() && !self.stages[ix.at()].prefetched
    }

    pub(super) fn prefetch_started(&mut self, ix: StageIx) -> Result<(), Misfit> {
        let members = self.settings.stages.get(ix.at()).ok_or(Misfit("no such stage"))?.hosts.clone();
        let queue = members.into_iter().filter(|host| self.hosts[host.at()].must_fetch()).collect();
        let run = &mut self.stages[ix.at()];
        (run.phase, run.queue) = (Phase::Prefetching, queue);
        Ok(())
    }
}
