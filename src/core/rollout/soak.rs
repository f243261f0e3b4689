//! A wave that is watched: its hosts are looked at again and again, and once more at its end.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Misfit, Rollout};
use crate::core::event::Event;
use crate::core::host::Place;
use crate::core::ids::{HostIx, StageIx};
use crate::core::stage::{Phase, Soak};

/// How often a wave is looked at, at most and at least, whatever its time.
const SHORTEST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(900);
/// Into how many parts looks divide a wave's time.
const PARTS: u32 = 10;

impl Rollout {
    /// Whether the wave that was patched last is to be watched, and was not yet.
    pub(super) fn must_soak(&self, ix: StageIx) -> bool {
        let (stage, run) = (&self.settings.stages[ix.at()], &self.stages[ix.at()]);
        !stage.soak.is_zero()
            && self.settings.kind.patches()
            && run.soaked < run.wave
            && stage.hosts.iter().any(|host| self.is_watched(ix, *host))
    }

    fn is_watched(&self, ix: StageIx, host: HostIx) -> bool {
        let at = self.host(host);
        at.place == Place::Patched && at.wave == self.stages[ix.at()].wave
    }

    pub(super) fn soak_begins(&self, ix: StageIx, now: Timestamp) -> Option<Event> {
        let span = SignedDuration::try_from(self.settings.stages[ix.at()].soak).unwrap_or(SignedDuration::MAX);
        Some(Event::SoakStarted { stage: ix, until: now.checked_add(span).unwrap_or(Timestamp::MAX) })
    }

    /// What follows when nobody is looked at.
    pub(super) fn after_look(&self, ix: StageIx, now: Timestamp) -> Option<Event> {
        let run = &self.stages[ix.at()];
        let Some(soak) = run.soak.filter(|_| self.cancelled.is_none() && !run.is_stopped()) else {
            return Some(Event::WaveEnded { stage: ix });
        };
        if soak.looked >= soak.until {
            return Some(Event::SoakEnded { stage: ix });
        }
        (now >= self.next_look_of(ix, &soak)).then_some(Event::SoakLooked { stage: ix })
    }

    fn next_look_of(&self, ix: StageIx, soak: &Soak) -> Timestamp {
        let every = (self.settings.stages[ix.at()].soak / PARTS).clamp(SHORTEST, LONGEST);
        let every = SignedDuration::try_from(every).unwrap_or(SignedDuration::MAX);
        soak.looked.checked_add(every).unwrap_or(soak.until).min(soak.until)
    }

    /// When a wave that is watched is to be looked at next; none: none is, or the look is due and something else comes
    /// first.
    pub fn next_look(&self, now: Timestamp) -> Option<Timestamp> {
        let stages = (0..).map(StageIx).zip(&self.stages);
        let at_rest = stages.filter(|(_, run)| run.phase == Phase::Soaking && run.is_through());
        at_rest.filter_map(|(ix, run)| Some(self.next_look_of(ix, run.soak.as_ref()?))).filter(|at| *at > now).min()
    }

    /// The first stage whose wave is watched, and is not looked at just now.
    pub fn soaking(&self) -> Option<(StageIx, Soak)> {
        let stages = (0..).map(StageIx).zip(&self.stages);
        let mut at_rest = stages.filter(|(_, run)| run.phase == Phase::Soaking && run.is_through());
        at_rest.find_map(|(ix, run)| Some((ix, run.soak?)))
    }

    pub(super) fn soak_started(&mut self, ix: StageIx, until: Timestamp, at: Timestamp) -> Result<(), Misfit> {
        let run = self.stages.get_mut(ix.at()).ok_or(Misfit("no such stage"))?;
        (run.phase, run.soak) = (Phase::Soaking, Some(Soak { since: at, until, looked: at }));
        Ok(())
    }

    pub(super) fn soak_looked(&mut self, ix: StageIx, at: Timestamp) -> Result<(), Misfit> {
        let members = self.settings.stages.get(ix.at()).ok_or(Misfit("no such stage"))?.hosts.clone();
        let watched = members.into_iter().filter(|host| self.is_watched(ix, *host));
        let watched: Vec<HostIx> = watched.collect();
        let looked_at = watched.into_iter().filter(|host| self.hosts[host.at()].must_check()).collect();
        let run = &mut self.stages[ix.at()];
        let soak = run.soak.as_mut().ok_or(Misfit("a look at a wave that nobody watches"))?;
        soak.looked = at;
        run.queue = looked_at;
        Ok(())
    }

    /// Whether it cannot be told of a patched host of the stage whether it is well: then a person says so.
    pub(super) fn is_inconclusive(&self, ix: StageIx) -> bool {
        // In a drill nobody is asked: everything goes back.
        !self.is_drill() && self.inconclusive(ix).is_some()
    }

    /// Which check of which host could not be told, where nobody has said that it may stay so.
    pub fn inconclusive(&self, ix: StageIx) -> Option<String> {
        self.settings.stages[ix.at()].hosts.iter().find_map(|host| {
            let at = self.host(*host);
            let report = at.checked.as_deref().filter(|_| at.place == Place::Patched)?;
            let check = report.checks.iter().find(|check| check.inconclusive)?;
            Some(format!("{} on {}: {}", check.name, self.settings.hosts[host.at()].name, check.detail))
        })
    }
}
