//! Hosts and stages that are tried again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::{Misfit, Rollout, Slot};
use crate::core::event::{GateKind, StageEnd};
use crate::core::host::Place;
use crate::core::ids::{HostIx, StageIx};
use crate::core::stage::{Phase, StageRun};

impl Rollout {
    pub(super) fn retried(&mut self, hosts: &[HostIx]) -> Result<(), Misfit> {
        let mut by_stage: BTreeMap<StageIx, VecDeque<HostIx>> = BTreeMap::new();
        for host in hosts {
            let stage = *self.stage_of.get(host.at()).ok_or(Misfit("no such host"))?;
            self.hosts[host.at()].retry();
            by_stage.entry(stage).or_default().push_back(*host);
        }
        (self.declined, self.finished) = (false, false);
        let all = (0..).map(StageIx).take(self.stages.len());
        let in_vain = |run: &StageRun| run.phase == Phase::Ended(StageEnd::NeedsUnmet);
        let again: Vec<StageIx> =
            all.filter(|ix| in_vain(&self.stages[ix.at()]) || by_stage.contains_key(ix)).collect();
        for stage in &again {
            let queue = by_stage.remove(stage).filter(|_| !in_vain(&self.stages[stage.at()]));
            by_stage.extend(queue.map(|queue| (*stage, queue)));
            self.stages[stage.at()].phase = Phase::Pending;
        }
        for stage in again {
            let queue = by_stage.remove(&stage);
            self.stage_again(stage, queue);
        }
        Ok(())
    }

    /// A stage begins again, with these hosts. One that did not come to its turn, or whose needs begin again too, waits
    /// for them and asks its hosts then: what they prove may be something else now.
    fn stage_again(&mut self, stage: StageIx, queue: Option<VecDeque<HostIx>>) {
        for need in self.settings.stages[stage.at()].needs.clone() {
            // It ended without a question because nobody needed it; somebody does now.
            let run = &mut self.stages[need.at()];
            let asked = run.decisions.iter().any(|(kind, ..)| *kind == GateKind::After);
            if run.phase == Phase::Ended(StageEnd::Current) && !asked {
                run.phase = Phase::Idle;
            }
        }
        let built = self.settings.stages[stage.at()].needs.iter().all(|need| self.stages[need.at()].may_be_built_on());
        let queue = queue.filter(|_| built);
        if queue.is_some() {
            self.pins = Arc::new(self.proved());
        } else {
            for host in self.settings.stages[stage.at()].hosts.clone() {
                if self.hosts[host.at()].place == Place::Ready {
                    self.hosts[host.at()].retry();
                }
            }
        }
        // Somebody has seen those that failed before, and says that it goes on: what is back, or given up, uses up no
        // budget any more.
        for host in &self.settings.stages[stage.at()].hosts {
            let at = &mut self.hosts[host.at()];
            at.excused = at.failed && (at.place == Place::Restored || at.given_up.is_some());
        }
        let run = &mut self.stages[stage.at()];
        run.phase = if queue.is_some() { Phase::Resolving } else { Phase::Pending };
        run.recovered = false;
        // What was approved there was what it had come to before: no approval of the past is used, or lapses, any more.
        run.gate = None;
        (run.queue, run.wave, run.exceeded, run.unreached) = (queue.unwrap_or_default(), 0, false, false);
        (run.passed, run.fresh, run.shut) = (0, false, None);
        (run.soak, run.soaked, run.before, run.after) = (None, 0, None, false);
        (run.prefetched, run.took_back) = (false, false);
        run.stale.clear();
        self.open.remove(&Slot::Gate(stage));
    }
}
