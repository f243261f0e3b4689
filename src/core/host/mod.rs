//! One host's way through a run: where it stands, what comes next, and what each result makes of it.

mod around;
mod back;
mod hand;
mod inspect;

use jiff::Timestamp;

use self::around::Around;
pub use self::around::Rules;
use super::event::Step;
use super::findings::{Fate, Inspection, RebootNeed, Resolution, StepReport, StepResult};
use super::forecast::Took;
use super::problem::{ErrorKind, Problem};
use super::settings::{Reboot, RunKind};

/// How often a rollback is tried: it is made to be run again, and a killed one must not be the last word.
pub const ROLLBACK_TRIES: u32 = 2;

/// How often a stash is tried: what stands in its way (a lock, a repository) may pass, and nothing is changed by it.
pub const STASH_TRIES: u32 = 3;

const STEPS: usize = 17;

/// Where a host stands when no step runs on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nothing has happened yet.
    Waiting,
    /// It has something to do, and all is known about it.
    Ready,
    /// It has what was asked for.
    Current,
    /// An exception leaves it as it is.
    Excepted,
    /// It was not changed and will not be: not reached, refused, unproven. `problem` says why.
    Refused,
    /// Its old packages are stashed.
    Stashed,
    /// The transaction is applied, or the host has booted since.
    Applied,
    /// The transaction is in effect, and nobody has told the host's dead man so.
    Settled,
    /// The transaction is in effect, and the host is to boot.
    MustReboot,
    /// The transaction is in effect, and the host was not looked at since.
    InEffect,
    /// The transaction is in effect; nobody has decided on it.
    Patched,
    /// Decided: it stays.
    Kept,
    /// It must go back.
    MustUndo,
    /// It must go back by its snapshot.
    MustRestore,
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
    /// Fetching ahead of their time what they will need.
    Prefetching,
    /// Patching a wave.
    Rolling,
    /// Watching a wave.
    Soaking,
    /// Taking back.
    Undoing,
    /// Taking claims off.
    Closing,
    /// Looking whether what was approved is still so.
    Rechecking,
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
    /// What checks before the patch said, and how the host was.
    pub probed: Option<Box<StepReport>>,
    /// What checks after the patch said last.
    pub checked: Option<Box<StepReport>>,
    /// What the rollback did.
    pub undone: Option<Box<StepReport>>,
    /// Why it failed, or was refused.
    pub problem: Option<Problem>,
    /// Why the way back failed.
    pub undo_problem: Option<Problem>,
    /// Whether it carries our claim.
    pub claimed: bool,
    /// Whether it failed after its change had begun.
    pub failed: bool,
    /// Its failure is one of before the stage was taken up again, and counts against `max_failed` no more.
    pub(super) excused: bool,
    /// A job of ours may still run on it: it was not heard of again.
    pub alive: bool,
    /// Its dead man may act: it was armed, and nobody has confirmed the change.
    pub armed: bool,
    /// Its dead man has acted, and what came of that is known.
    pub acted: bool,
    /// It undid the change by itself.
    pub by_itself: bool,
    /// It has booted since the change, because we wanted it to.
    pub rebooted: bool,
    /// Why it was to boot, where it said so.
    pub reboot_reason: Option<String>,
    /// Why somebody gave it up.
    pub given_up: Option<String>,
    /// Since it was lost its stage has been decided: whatever its job comes to, it goes back.
    pub goes_back: bool,
    /// What it was found to be when it was inspected again: since then that is the evidence.
    pub inspected: Option<Box<Inspection>>,
    /// How that differed from the evidence before, for people.
    pub drift: Vec<String>,
    /// It is to be inspected again.
    must_inspect: bool,
    /// The step whose job it is to be asked about: it was lost in it.
    asking: Option<Step>,
    /// The job that is under way is asked about, and not begun where the host does not know it.
    pub asked: bool,
    /// What its stage wants of its way.
    rules: Rules,
    /// How far what goes around the patch has come.
    around: Around,
    /// The step in which it was lost.
    lost_in: Option<Step>,
    /// Jobs started on it, by step: the next try's number.
    tries: [u32; STEPS],
    /// Rollbacks tried since it was last told to go back.
    undo_tries: u32,
    /// When the step that runs now began.
    began: Option<Timestamp>,
    /// How long steps that may change it took together, in milliseconds: neither asking nor waiting for a person is in
    /// it.
    pub worked_ms: u64,
    /// How much of that was the way back.
    undoing_ms: u64,
    /// How much of that was booting.
    booting_ms: u64,
}

impl HostRun {
    /// A host that nothing has happened to, in this wave of a stage with these rules.
    pub fn new(wave: u32, rules: Rules) -> Self {
        Self {
            place: Place::Waiting,
            step: None,
            wave,
            resolution: None,
            settled: None,
            probed: None,
            checked: None,
            undone: None,
            problem: None,
            undo_problem: None,
            claimed: false,
            failed: false,
            excused: false,
            alive: false,
            armed: false,
            acted: false,
            by_itself: false,
            rebooted: false,
            reboot_reason: None,
            given_up: None,
            goes_back: false,
            inspected: None,
            drift: Vec::new(),
            must_inspect: false,
            asking: None,
            asked: false,
            rules,
            around: Around::default(),
            lost_in: None,
            tries: [0; STEPS],
            undo_tries: 0,
            began: None,
            worked_ms: 0,
            undoing_ms: 0,
            booting_ms: 0,
        }
    }

    /// How long the patch took on it, whatever was decided later; none: it did not come to its end there.
    pub(super) fn took(&self) -> Option<Took> {
        let done = self.settled.is_some() && !self.failed && self.problem.is_none();
        let worked_ms = self.worked_ms - self.undoing_ms;
        done.then_some(Took { worked_ms, booting_ms: self.booting_ms })
    }

    /// How long its way back took, in milliseconds; none: it did not go it.
    pub(super) fn way_back_ms(&self) -> Option<u64> {
        self.undone.as_ref().map(|_| self.undoing_ms)
    }

    /// An exception leaves it as it is.
    pub(super) fn except(&mut self) {
        self.place = Place::Excepted;
    }

    /// What comes next for the host while its stage does this.
    pub fn next(&self, activity: Activity, kind: &RunKind) -> Option<Step> {
        if self.step.is_some() {
            return None;
        }
        if activity == Activity::Rechecking {
            return self.must_inspect.then_some(Step::Recheck);
        }
        if self.asking.is_some() {
            return self.asking.filter(|_| matches!(activity, Activity::Rolling | Activity::Undoing));
        }
        match (activity, self.place) {
            (Activity::Resolving, Place::Waiting) => Some(Step::Resolve),
            (Activity::Prefetching, Place::Ready) if self.around.must_fetch => Some(Step::Prefetch),
            (Activity::Prefetching, Place::Ready) if self.around.must_release => Some(Step::Forget),
            (Activity::Rolling, Place::Ready) => self.next_before(kind),
            (Activity::Rolling, Place::Stashed) => Some(self.next_stashed()),
            (Activity::Rolling, Place::Applied) => Some(Step::Settle),
            (Activity::Rolling, Place::Settled) => Some(Step::Confirm),
            (Activity::Rolling, Place::MustReboot) => Some(Step::Reboot),
            (Activity::Rolling, Place::InEffect) => Some(Step::Check),
            (Activity::Soaking, Place::Patched) if self.around.must_check => Some(Step::Check),
            (Activity::Rolling | Activity::Soaking | Activity::Undoing, Place::MustUndo) => Some(self.next_back()),
            (Activity::Rolling | Activity::Soaking | Activity::Undoing, Place::MustRestore) => Some(Step::Restore),
            (Activity::Rolling | Activity::Soaking | Activity::Undoing, _) => self.next_after(),
            (Activity::Closing, Place::Lost | Place::NotRestored) => None,
            // Nothing begins beside a job that may run, and its claim keeps other runs away.
            (Activity::Closing, _) if self.alive => None,
            (Activity::Closing, _) => self.next_discard().or(self.claimed.then_some(Step::Forget)),
            _ => None,
        }
    }

    /// The number of the next try of this step, from 1; of the last one, where that is only asked about.
    pub fn next_try(&self, step: Step) -> u32 {
        self.tries[step as usize] + u32::from(self.asking.is_none())
    }

    /// How often this step was begun.
    pub fn tries(&self, step: Step) -> u32 {
        self.tries[step as usize]
    }

    /// What must still be done on the host before the run can leave it alone: its dead man would act meanwhile.
    pub(super) fn next_to_safety(&self) -> Option<Step> {
        match self.place {
            _ if self.step.is_some() || !self.armed => None,
            Place::Applied => Some(Step::Settle),
            Place::Settled => Some(Step::Confirm),
            _ => None,
        }
    }

    pub(super) fn begin(&mut self, step: Step, at: Timestamp) {
        (self.step, self.began) = (Some(step), Some(at));
        if step == Step::Recheck {
            self.must_inspect = false;
            return;
        }
        if self.asking.take().is_some() {
            self.asked = true;
            return;
        }
        self.tries[step as usize] += 1;
        self.claimed |= self.runs_as_job(step);
        self.begin_around(step);
        self.undo_tries += u32::from(step == Step::Rollback);
        if step.arms() {
            (self.armed, self.acted) = (self.dead_man().is_some(), false);
        }
    }

    /// How long its dead man waits, in seconds, where it has one.
    pub fn dead_man(&self) -> Option<u64> {
        self.resolution.as_deref().and_then(|found| found.dead_man)
    }

    /// The job under which its dead man undoes what the last arming step did: the number of the arming.
    pub fn arming(&self) -> u32 {
        self.tries[Step::Apply as usize] + self.tries[Step::Reboot as usize]
    }

    pub(super) fn end(&mut self, step: Step, result: &StepResult, at: Timestamp) {
        if step == Step::Recheck {
            self.step = None;
            if let StepResult::Resolved(resolution) = result {
                self.resolution = Some(resolution.clone());
            }
            return;
        }
        (self.step, self.asked) = (None, false);
        let lost = matches!(result, StepResult::Failed { fate: Fate::Lost, .. });
        // A job begins once every earlier one has ended.
        let ran = step == Step::Stash || (self.runs_as_job(step) && matches!(result, StepResult::Done(_)));
        self.alive &= !ran;
        self.alive |= self.runs_as_job(step) && lost;
        // A host that is lost already is asked about the job in which that came.
        if lost && self.place != Place::Lost {
            self.lost_in = Some(step);
        }
        if !matches!(step, Step::Resolve | Step::Forget) {
            let took = self.began.map_or(0, |began| at.duration_since(began).as_millis());
            let took = u64::try_from(took).unwrap_or(0);
            self.worked_ms += took;
            match step {
                Step::Rollback | Step::Restore => self.undoing_ms += took,
                Step::Reboot => self.booting_ms += took,
                _ => {}
            }
        }
        match (step, result) {
            _ if self.end_around(step, result) => {}
            (_, StepResult::Resolved(resolution)) => self.resolution = Some(resolution.clone()),
            (_, StepResult::Inspected(_)) => {}
            (Step::Forget, StepResult::Done(_)) => (self.claimed, self.armed) = (false, false),
            // A claim that could not be taken off is noted by the rollout; it changes nothing about the host.
            (Step::Forget, _) => self.claimed = false,
            (_, StepResult::RestoredItself { problem, report }) => self.restored_itself(problem.as_ref(), report),
            (Step::Rollback, StepResult::Done(report)) => self.undo_ended(report),
            (Step::Rollback, StepResult::Failed { problem, fate, report }) => self.undo_failed(problem, *fate, report),
            (_, StepResult::Done(report)) => self.forward(step, report),
            (_, StepResult::Failed { problem, fate, report }) => self.stopped(step, problem, *fate, report),
        }
        let forward = matches!(
            self.place,
            Place::Applied | Place::Settled | Place::MustReboot | Place::InEffect | Place::Patched
        );
        if self.goes_back && forward {
            self.place = Place::MustUndo;
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
        match step {
            Step::Stash => (self.place, self.problem) = (Place::Stashed, None),
            Step::Apply => self.place = Place::Applied,
            Step::Reboot => (self.place, self.rebooted) = (Place::Applied, true),
            Step::Confirm => {
                self.armed = false;
                self.place = self.in_effect();
            }
            _ => {
                self.settled = Some(Box::new(report.clone()));
                self.place = if self.armed { Place::Settled } else { self.in_effect() };
            }
        }
        if self.place == Place::Patched {
            // It was lost on the way, and has come to its end all the same.
            (self.problem, self.failed) = (None, false);
        }
    }

    /// The transaction is in effect; the host may be to boot all the same.
    fn in_effect(&mut self) -> Place {
        let due = self.settled.as_deref().map(|report| &report.reboot);
        let wanted = match self.rules.reboot {
            Reboot::Never => false,
            Reboot::Needed => due.is_some_and(RebootNeed::is_due),
            Reboot::Always => true,
        };
        if !wanted || self.rebooted {
            return self.well();
        }
        self.reboot_reason = Some(match due {
            Some(RebootNeed::Yes(why)) => why.clone(),
            _ => "the plan says reboot = \"always\"".to_owned(),
        });
        Place::MustReboot
    }

    fn stopped(&mut self, step: Step, problem: &Problem, fate: Fate, report: &StepReport) {
        self.problem = Some(problem.clone());
        let passes = matches!(problem.kind, ErrorKind::Locked | ErrorKind::Repository);
        self.place = match (step, fate) {
            (Step::Stash, Fate::Unchanged | Fate::Changed) if passes && self.may_stash_again() => Place::Ready,
            // Neither asking nor stashing changes a package, whatever became of the connection.
            (Step::Resolve | Step::Recheck | Step::Before | Step::Probe | Step::Stash | Step::Snapshot, _)
            | (Step::Apply | Step::Rollback, Fate::Unchanged) => Place::Refused,
            (_, Fate::Lost) => Place::Lost,
            // It was asked about and never began.
            (Step::Settle, Fate::Unchanged) => Place::Applied,
            (_, Fate::Unchanged | Fate::Changed) => Place::MustUndo,
        };
        if self.place == Place::MustUndo {
            self.undo_tries = 0;
        }
        if problem.kind == ErrorKind::Claimed {
            self.claimed = false;
        }
        self.failed |= !matches!(self.place, Place::Refused | Place::Ready | Place::Applied);
        if matches!(step, Step::Stash | Step::Apply | Step::Settle | Step::Confirm | Step::Reboot | Step::Rollback) {
            self.settled = Some(Box::new(report.clone()));
        }
    }

    /// Whether the stash may be tried again.
    fn may_stash_again(&self) -> bool {
        !self.tries[Step::Stash as usize].is_multiple_of(STASH_TRIES)
    }

    /// Whether it takes one of the places of hosts that boot: until it is known that it came back well, or is back.
    pub(super) fn is_booting(&self) -> bool {
        let failed = self.problem.as_ref().is_some_and(|problem| problem.kind == ErrorKind::Reboot);
        self.step == Some(Step::Reboot)
            || (self.rebooted && matches!(self.place, Place::Applied | Place::Settled | Place::InEffect))
            || (failed && self.place == Place::MustUndo)
    }
}
