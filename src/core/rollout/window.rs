//! Windows and freezes: hosts that have not begun wait for them, whatever else holds.

use jiff::Timestamp;

use super::Rollout;
use crate::core::calendar::State;
use crate::core::event::{Event, GateKind};
use crate::core::host::Place;
use crate::core::ids::StageIx;
use crate::core::stage::{Phase, Shut};

impl Rollout {
    /// What comes before hosts of the stage begin; none: they may. `Some(None)`: they wait until it opens, which has been
    /// written down.
    pub(super) fn shut_out(&self, ix: StageIx, now: Timestamp) -> Option<Option<Event>> {
        let calendar = self.calendar(ix);
        let known = self.stages[ix.at()].shut.as_ref();
        if calendar.is_open(now) {
            let passed = || self.passed_barrier(ix, now).map(|by| Event::BarrierPassed { stage: ix, by });
            return known.map(|_| Event::WindowOpened { stage: ix }).or_else(passed).map(Some);
        }
        // It was to be open by now, and nobody was there then.
        if known.is_some_and(|shut| shut.opens.is_none_or(|opens| opens > now)) {
            return Some(None);
        }
        let State::Shut { by, opens } = calendar.state(now) else { return None };
        Some(Some(Event::WindowShut { stage: ix, by: by.to_string(), opens }))
    }

    /// What an emergency passes for the stage now, where that is not written down yet.
    fn passed_barrier(&self, ix: StageIx, now: Timestamp) -> Option<String> {
        if self.declared().is_nothing() {
            return None;
        }
        let State::Shut { by, .. } = self.settings.calendar(ix).state(now) else { return None };
        Some(by.to_string()).filter(|by| !self.stages[ix.at()].passed_by.contains(by))
    }

    /// When the first stage that waits for time to pass goes on: its window opens, or its wave was watched for long
    /// enough. None: none waits, or none ever may.
    pub fn next_opening(&self, now: Timestamp) -> Option<Timestamp> {
        let opens = self.stages.iter().filter_map(|run| run.shut.as_ref()?.opens);
        let soaked = self.stages.iter().filter_map(|run| run.soak.map(|soak| soak.until));
        opens.chain(soaked).filter(|opens| *opens > now).min()
    }

    /// Whether a stage that waited for time to pass goes on now.
    pub fn has_opened(&self, now: Timestamp) -> bool {
        let stages = (0..).map(StageIx).zip(&self.stages);
        let soaked = self.stages.iter().any(|run| run.soak.is_some_and(|soak| soak.until <= now));
        soaked || stages.filter(|(_, run)| run.shut.is_some()).any(|(ix, _)| self.calendar(ix).is_open(now))
    }

    /// The first stage that waits, with what it waits for.
    pub fn shut(&self) -> Option<(StageIx, &Shut)> {
        (0..).map(StageIx).zip(&self.stages).find_map(|(ix, run)| run.shut.as_ref().map(|shut| (ix, shut)))
    }

    pub(super) fn window_shut(&mut self, ix: StageIx, shut: Shut) {
        // Until it opens, hosts may become something else than what was found: they are inspected again then.
        for need in self.settings.stages[ix.at()].needs.clone() {
            self.stages[need.at()].fresh = false;
        }
        let run = &mut self.stages[ix.at()];
        (run.shut, run.fresh) = (Some(shut), false);
        self.permission_again(ix);
    }

    /// A permission to begin that nobody has begun on yet is looked at anew before somebody does.
    pub(super) fn permission_again(&mut self, ix: StageIx) {
        let run = &mut self.stages[ix.at()];
        let before = run.gate.as_ref().is_some_and(|gate| gate.kind == GateKind::Before && gate.decided.is_some());
        if before && run.phase == Phase::BetweenWaves && run.wave == 0 {
            (run.phase, run.fresh) = (Phase::Gate, false);
        }
    }

    /// The stage waits no more. Before its first change its hosts are asked anew what is to be done: repositories have
    /// moved on since. What was approved before is not asked again, but compared.
    pub(super) fn window_over(&mut self, ix: StageIx) {
        let run = &mut self.stages[ix.at()];
        if run.shut.take().is_none() || run.phase != Phase::Resolved {
            return;
        }
        run.phase = Phase::Pending;
        for host in self.settings.stages[ix.at()].hosts.clone() {
            let run = &mut self.hosts[host.at()];
            if run.given_up.is_none() && matches!(run.place, Place::Ready | Place::Current | Place::Refused) {
                run.retry();
            }
        }
    }
}
