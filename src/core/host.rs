//! One host's way through a run: where it stands, what comes next, and what each result makes of it.

use jiff::Timestamp;

use super::event::Step;
use super::findings::{Fate, Resolution, StepReport, StepResult};
use super::problem::{ErrorKind, Problem};
use super::settings::RunKind;

/// How often a rollback is tried: it is made to be run again, and a killed one must not be the last word.
pub const ROLLBACK_TRIES: u32 = 2;

/// Where a host stands when no step runs on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nothing has happened yet.
    Waiting,
    /// It has something to do, and all is known about it.
    Ready,
    /// It has what was asked for.
    Current,
    /// It was not changed and will not be: not reached, refused, unproven. `problem` says why.
    Refused,
    /// Its old packages are stashed.
    Stashed,
    /// The transaction is applied.
    Applied,
    /// The transaction is in effect; nobody has decided on it.
    Patched,
    /// Decided: it stays.
    Kept,
    /// It must go back.
    MustUndo,
    /// It is as it was.
    Restored,
    /// It is not as it was, and not as it should be.
    NotRestored,
    /// It was changed, and does not answer.
    Lost,
}

/// What a stage is doing with its hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// Asking them.
    Resolving,
    /// Patching a wave.
    Rolling,
    /// Taking back.
    Undoing,
    /// Taking claims off.
    Closing,
}

/// One host's way.
#[derive(Debug, Clone)]
pub struct HostRun {
    /// Where it stands.
    pub place: Place,
    /// The step that runs on it.
    pub step: Option<Step>,
    /// Its wave, from 1.
    pub wave: u32,
    /// What it said when it was asked.
    pub resolution: Option<Box<Resolution>>,
    /// What is in effect after the patch.
    pub settled: Option<Box<StepReport>>,
    /// What the rollback did.
    pub undone: Option<Box<StepReport>>,
    /// Why it failed, or was refused.
    pub problem: Option<Problem>,
    /// Why the way back failed.
    pub undo_problem: Option<Problem>,
    /// Whether it carries our claim.
    pub claimed: bool,
    /// Whether it counts against `max_failed`.
    pub failed: bool,
    /// A job of ours may still run on it: it was not heard of again.
    pub alive: bool,
    /// Jobs started on it, by step: the next try's number.
    tries: [u32; 6],
    /// When the step that runs now began.
    began: Option<Timestamp>,
    /// How long steps that may change it took together, in milliseconds: neither asking nor waiting for a person is in
    /// it.
    pub worked_ms: u64,
}

impl HostRun {
    /// A host that nothing has happened to, in this wave.
    pub fn new(wave: u32) -> Self {
        Self {
            place: Place::Waiting,
            step: None,
            wave,
            resolution: None,
            settled: None,
            undone: None,
            problem: None,
            undo_problem: None,
            claimed: false,
            failed: false,
            alive: false,
            tries: [0; 6],
            began: None,
            worked_ms: 0,
        }
    }

    /// What comes next for the host while its stage does this.
    pub fn next(&self, activity: Activity, kind: &RunKind) -> Option<Step> {
        if self.step.is_some() {
            return None;
        }
        let undo_only = matches!(kind, RunKind::Rollback { .. });
        match (activity, self.place) {
            (Activity::Resolving, Place::Waiting) => Some(Step::Resolve),
            (Activity::Rolling, Place::Ready) if undo_only => Some(Step::Rollback),
            (Activity::Rolling, Place::Ready) => Some(Step::Stash),
            (Activity::Rolling, Place::Stashed) => Some(Step::Apply),
            (Activity::Rolling, Place::Applied) => Some(Step::Settle),
            (Activity::Rolling | Activity::Undoing, Place::MustUndo) => Some(Step::Rollback),
            (Activity::Closing, Place::Lost | Place::NotRestored) => None,
            // Nothing begins beside a job that may run, and its claim keeps other runs away.
            (Activity::Closing, _) if self.alive => None,
            (Activity::Closing, _) if self.claimed => Some(Step::Forget),
            _ => None,
        }
    }

    /// The number of the next try of this step, from 1.
    pub fn next_try(&self, step: Step) -> u32 {
        self.tries[step as usize] + 1
    }

    pub(super) fn begin(&mut self, step: Step, at: Timestamp) {
        self.step = Some(step);
        self.tries[step as usize] += 1;
        self.began = Some(at);
        self.claimed |= step.is_job();
    }

    pub(super) fn end(&mut self, step: Step, result: &StepResult, at: Timestamp) {
        self.step = None;
        self.alive |= step.is_job() && matches!(result, StepResult::Failed { fate: Fate::Lost, .. });
        if !matches!(step, Step::Resolve | Step::Forget) {
            let took = self.began.map_or(0, |began| at.duration_since(began).as_millis());
            self.worked_ms += u64::try_from(took).unwrap_or(0);
        }
        match (step, result) {
            (_, StepResult::Resolved(resolution)) => self.resolution = Some(resolution.clone()),
            (Step::Forget, StepResult::Done(_)) => self.claimed = false,
            // A claim that could not be taken off is noted by the rollout; it changes nothing about the host.
            (Step::Forget, StepResult::Failed { .. }) => self.claimed = false,
            (Step::Rollback, StepResult::Done(report)) => self.undo_ended(report),
            (Step::Rollback, StepResult::Failed { problem, fate, report }) => self.undo_failed(problem, *fate, report),
            (_, StepResult::Done(report)) => self.forward(step, report),
            (_, StepResult::Failed { problem, fate, report }) => self.stopped(step, problem, *fate, report),
        }
    }

    /// Where a resolved host stands follows from its transaction, which the rollout knows.
    pub(super) fn resolved(&mut self, has_work: bool, refusal: Option<Problem>) {
        self.place = match (refusal, has_work) {
            (Some(problem), _) => {
                self.problem = Some(problem);
                Place::Refused
            }
            (None, true) => Place::Ready,
            (None, false) => Place::Current,
        };
    }

    fn forward(&mut self, step: Step, report: &StepReport) {
        self.place = match step {
            Step::Stash => Place::Stashed,
            Step::Apply => Place::Applied,
            _ => Place::Patched,
        };
        if step == Step::Settle {
            self.settled = Some(Box::new(report.clone()));
        }
    }

    fn stopped(&mut self, step: Step, problem: &Problem, fate: Fate, report: &StepReport) {
        self.problem = Some(problem.clone());
        self.place = match (step, fate) {
            // Neither asking nor stashing changes a package, whatever became of the connection.
            (Step::Resolve | Step::Stash, _) | (Step::Apply | Step::Rollback, Fate::Unchanged) => Place::Refused,
            (_, Fate::Lost) => Place::Lost,
            (_, Fate::Unchanged | Fate::Changed) => Place::MustUndo,
        };
        if problem.kind == ErrorKind::Claimed {
            self.claimed = false;
        }
        self.failed |= self.place != Place::Refused;
        if step != Step::Resolve {
            self.settled = Some(Box::new(report.clone()));
        }
    }

    fn undo_ended(&mut self, report: &StepReport) {
        let exact = report.differences.is_empty() && report.conflicts.is_empty();
        self.place = if exact { Place::Restored } else { Place::NotRestored };
        self.undone = Some(Box::new(report.clone()));
        self.undo_problem = None;
    }

    fn undo_failed(&mut self, problem: &Problem, fate: Fate, report: &StepReport) {
        if (self.place, fate) == (Place::Ready, Fate::Unchanged) {
            // The run that undoes another did not come to begin here.
            self.stopped(Step::Rollback, problem, fate, report);
            return;
        }
        self.undo_problem = Some(problem.clone());
        self.undone = Some(Box::new(report.clone()));
        // A run that undoes another one, and finds that somebody else has been there since: it is left alone, and as it is.
        let untouched = self.tries[Step::Apply as usize] == 0 && problem.kind == ErrorKind::Conflict;
        if untouched {
            self.problem = self.undo_problem.take();
        }
        self.place = match fate {
            _ if untouched => Place::Refused,
            Fate::Lost => Place::Lost,
            _ if self.tries[Step::Rollback as usize] < ROLLBACK_TRIES => Place::MustUndo,
            _ => Place::NotRestored,
        };
    }

    /// Whether trying again can help: nothing was changed, or all of it went back because it failed.
    pub fn may_retry(&self) -> bool {
        match self.place {
            _ if self.alive => false,
            Place::Refused => true,
            Place::Restored => self.failed,
            _ => false,
        }
    }

    pub(super) fn retry(&mut self) {
        let (wave, tries, claimed) = (self.wave, self.tries, self.claimed);
        *self = Self { tries, claimed, ..Self::new(wave) };
    }
}
