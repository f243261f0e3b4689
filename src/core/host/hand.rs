//! A host that somebody takes in hand: given up, recovered, turned back, tried again.

use super::{HostRun, Place};
use crate::core::event::Step;
use crate::core::problem::{ErrorKind, Problem};

impl HostRun {
    /// Somebody gives it up: whatever may run on it is not waited for.
    pub(in crate::core) fn give_up(&mut self, reason: &str) {
        let step = self.step.take();
        self.alive |= step.is_some() || self.armed;
        self.given_up = Some(reason.to_owned());
        let untouched =
            matches!(self.place, Place::Waiting | Place::Ready | Place::Refused | Place::Current | Place::Stashed);
        // What a step that was under way has done, nobody knows.
        let changes = |step: Step| matches!(step, Step::Apply | Step::Settle | Step::Rollback | Step::Reboot);
        let harmless = !step.is_some_and(changes);
        if untouched && harmless {
            let problem = Problem::new(ErrorKind::Refused, format!("given up: {reason}"));
            (self.place, self.problem) = (Place::Refused, Some(problem));
        } else if !matches!(self.place, Place::Restored | Place::NotRestored | Place::Kept) {
            (self.place, self.failed) = (Place::Lost, true);
        }
    }

    /// It is asked what became of it, by the job in which it was lost; or it only has to go back again.
    pub(in crate::core) fn recover(&mut self, goes_back: bool) {
        let lost_in = self.lost_in.take().filter(|_| self.place == Place::Lost);
        (self.goes_back, self.undo_tries) = (goes_back, 0);
        // Whatever it comes to, it is to be in service then.
        self.around.out = true;
        // What could not be put back then, can be now.
        self.around.restore_tried &= !self.around.restore_failed;
        self.asking = lost_in.filter(|step| step.is_job());
        if self.asking.is_none() {
            self.place = match lost_in {
                Some(Step::Confirm) if !goes_back => Place::Settled,
                Some(Step::Check) if !goes_back => Place::InEffect,
                _ => Place::MustUndo,
            };
        }
        self.alive = false;
    }

    /// Whether there is anything to recover: it is in no known good state, and nobody gave it up.
    pub fn may_recover(&self) -> bool {
        matches!(self.place, Place::Lost | Place::NotRestored) && self.given_up.is_none()
    }

    /// The run is cancelled: what is not begun is not begun any more, what is changed goes back. Whether it comes to
    /// rest with that.
    pub(in crate::core) fn turn_back(&mut self) -> bool {
        match self.place {
            Place::Ready | Place::Stashed => {
                (self.place, self.around.turned) = (Place::Ready, true);
                true
            }
            Place::Applied | Place::Settled | Place::MustReboot | Place::InEffect => {
                (self.place, self.undo_tries) = (Place::MustUndo, 0);
                false
            }
            _ => false,
        }
    }

    pub(in crate::core) fn must_undo(&mut self) {
        (self.place, self.undo_tries) = (Place::MustUndo, 0);
    }

    /// Whether nothing may begin on it: somebody gave it up, or a job that changes packages may run there. (A stash or a
    /// command of the plan that may still run changes none, and the host has the next job wait for its end.)
    pub fn is_out_of_reach(&self) -> bool {
        let waits = matches!(
            self.lost_in,
            Some(Step::Stash | Step::Prefetch | Step::Before | Step::Snapshot | Step::After | Step::Discard)
        );
        self.given_up.is_some() || (self.alive && !waits)
    }

    /// The step of which nobody knows whether it has ended, where the run leaves the host with its claim for that.
    pub(in crate::core) fn left_alive(&self) -> Option<Step> {
        let known = !matches!(self.place, Place::Lost | Place::NotRestored) && self.given_up.is_none();
        self.lost_in.filter(|_| known && self.alive && self.claimed)
    }

    /// Whether trying again can help: nothing was changed, or all of it went back because it failed.
    pub fn may_retry(&self) -> bool {
        match self.place {
            _ if self.is_out_of_reach() => false,
            Place::Refused => true,
            Place::Restored => self.failed,
            _ => false,
        }
    }

    pub(in crate::core) fn retry(&mut self) {
        let (tries, claimed, acted, alive, lost_in) = (self.tries, self.claimed, self.acted, self.alive, self.lost_in);
        // What the host's data were then, they need not be now.
        let old_snapshot = self.around.snapped || self.around.old_snapshot;
        *self = Self { tries, claimed, acted, alive, lost_in, ..Self::new(self.wave, self.rules) };
        self.around.old_snapshot = old_snapshot;
    }

    /// Its turn does not come again: nothing was changed on it.
    pub(in crate::core) fn rests(&mut self) -> bool {
        match self.place {
            Place::Ready if self.problem.is_some() => self.place = Place::Refused,
            Place::Ready | Place::Stashed => (self.place, self.around.turned) = (Place::Ready, true),
            _ => return false,
        }
        true
    }

    /// Too many hosts of its stage failed: it does not boot any more. What is due is listed.
    pub(in crate::core) fn stays_up(&mut self) -> bool {
        let waits = self.place == Place::MustReboot;
        if waits {
            self.place = self.well();
        }
        waits
    }
}
