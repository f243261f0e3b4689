//! A host's way back: by its packages, by its snapshot, by itself.

use super::around::report_of;
use super::{HostRun, Place, ROLLBACK_TRIES};
use crate::core::event::Step;
use crate::core::findings::{Fate, StepReport, StepResult};
use crate::core::problem::{ErrorKind, Problem};

impl HostRun {
    /// The way back. A host that was in service again is taken out of it first, unless its dead man would act meanwhile.
    pub(super) fn next_back(&self) -> Step {
        let first = self.is_snapshot_first() && self.may_restore();
        if self.rules.before.is_some() && !self.around.prepared && !self.armed {
            Step::Before
        } else if first && !self.armed {
            Step::Restore
        } else {
            Step::Rollback
        }
    }

    /// Whether packages alone are not the way back: the plan says so, or the snapshot was put back in part.
    fn is_snapshot_first(&self) -> bool {
        self.around.restore_failed || self.rules.snapshot.is_some_and(|rules| rules.first)
    }

    /// Whether the snapshot may be put back.
    pub(super) fn may_restore(&self) -> bool {
        self.around.snapped && !self.around.restore_tried
    }

    pub(super) fn undo_ended(&mut self, report: &StepReport) {
        let exact = report.differences.is_empty() && report.conflicts.is_empty();
        // What somebody else has changed since would go with it.
        let may_restore = self.may_restore() && report.conflicts.is_empty();
        self.place = match exact {
            // Its dead man stood in the way of that, or acted.
            true if self.is_snapshot_first() && may_restore => Place::MustRestore,
            true if !self.around.restore_failed => Place::Restored,
            false if may_restore => Place::MustRestore,
            _ => Place::NotRestored,
        };
        self.undone = Some(Box::new(report.clone()));
        self.armed = false;
        if !self.around.restore_failed {
            self.undo_problem = None;
        }
    }

    pub(super) fn undo_failed(&mut self, problem: &Problem, fate: Fate, report: &StepReport) {
        if (self.place, fate) == (Place::Ready, Fate::Unchanged) {
            // The run that undoes another did not come to begin here.
            self.stopped(Step::Rollback, problem, fate, report);
            return;
        }
        if !self.around.restore_failed {
            self.undo_problem = Some(problem.clone());
        }
        self.undone = Some(Box::new(report.clone()));
        // A run that undoes another one, and finds that somebody else has been there since: it is left alone, and as it is.
        let untouched = self.tries[Step::Apply as usize] == 0 && problem.kind == ErrorKind::Conflict;
        if untouched {
            self.problem = self.undo_problem.take();
        }
        self.place = match fate {
            _ if untouched => Place::Refused,
            Fate::Lost => Place::Lost,
            // What somebody else has changed since is left alone, also by the snapshot.
            _ if problem.kind == ErrorKind::Conflict => Place::NotRestored,
            _ if self.undo_tries < ROLLBACK_TRIES && !self.is_irreversible() => Place::MustUndo,
            _ if self.may_restore() => Place::MustRestore,
            _ => Place::NotRestored,
        };
    }

    /// Whether what is done in place of a way back may be no harmless thing to do twice.
    fn is_irreversible(&self) -> bool {
        self.resolution.as_deref().is_some_and(|found| found.irreversible.is_some())
    }

    /// Nobody had confirmed the change in time.
    pub(super) fn restored_itself(&mut self, problem: Option<&Problem>, report: &StepReport) {
        let waited = self.dead_man().unwrap_or_default();
        let why = format!("nobody confirmed the change within {waited} s over a new connection, so the host undid it");
        self.problem.get_or_insert_with(|| Problem::new(ErrorKind::Timeout, why).during(Step::Confirm.as_str()));
        (self.failed, self.acted, self.by_itself, self.armed) = (true, true, true, false);
        match problem {
            None => self.undo_ended(report),
            Some(problem) => {
                (self.undo_tries, self.by_itself) = (0, false);
                self.undo_failed(problem, Fate::Changed, report);
            }
        }
    }

    /// The snapshot was put back, or could not be: then nobody knows what of it is there, whatever the packages are.
    pub(super) fn snapshot_restored(&mut self, result: &StepResult, failed: Option<(&Problem, Fate)>) {
        self.around.restore_failed = failed.is_some();
        if let (Some(report), None) = (report_of(result), failed) {
            self.undone = Some(Box::new(report));
        }
        let exact = self.undone.as_deref().is_some_and(|report| report.differences.is_empty());
        self.place = match failed {
            None if exact => Place::Restored,
            Some((_, Fate::Lost)) => Place::Lost,
            // There is another way yet: what is not in the snapshot, packages bring back.
            _ if self.undo_tries == 0 => Place::MustUndo,
            _ => Place::NotRestored,
        };
        self.undo_problem = failed.map(|(problem, _)| problem.clone());
        if self.place == Place::Restored {
            self.armed = false;
        }
    }
}
