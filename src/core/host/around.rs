//! What a stage has done to a host beside the patch itself: the plan's commands, checks, a snapshot.

use super::{HostRun, Place};
use crate::core::check::CheckSpec;
use crate::core::event::Step;
use crate::core::findings::{Fate, StepReport, StepResult};
use crate::core::health::HealthRule;
use crate::core::hooks::{self, RestoreWhen, Taken};
use crate::core::problem::{ErrorKind, Problem};
use crate::core::settings::{Reboot, RunKind, Stage};

/// What a host's stage wants of its way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rules {
    /// Whether it boots.
    pub(super) reboot: Reboot,
    /// Where the command before it runs.
    pub(super) before: Option<hooks::Where>,
    /// Where the command after it runs, where it is known good.
    after: Option<hooks::Where>,
    /// And where it is not.
    after_failed: Option<hooks::Where>,
    /// It is looked at before.
    probes: bool,
    /// It is looked at afterwards.
    checks: bool,
    /// A snapshot is taken of it.
    pub(super) snapshot: Option<SnapshotRules>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SnapshotRules {
    take: hooks::Where,
    restore: hooks::Where,
    remove: Option<hooks::Where>,
    pub(super) first: bool,
}

impl Rules {
    /// The rules of a stage's hosts.
    pub(in crate::core) fn of(stage: &Stage, kind: &RunKind) -> Self {
        let place = |command: &Option<hooks::Command>| command.as_ref().map(|command| command.on);
        let patches = kind.patches();
        let looks = stage.health != HealthRule::Off;
        let snapshot = stage.snapshot.as_ref().map(|snapshot| {
            let first = snapshot.restore == RestoreWhen::Always;
            match &snapshot.by {
                Taken::Commands { take, restore, remove } => {
                    SnapshotRules { take: take.on, restore: restore.on, remove: place(remove), first }
                }
                Taken::Btrfs(_) => {
                    let on = hooks::Where::Run;
                    SnapshotRules { take: on, restore: on, remove: Some(on), first }
                }
            }
        });
        Self {
            reboot: stage.reboot,
            before: place(&stage.hooks.before_host),
            after: place(&stage.hooks.after_host),
            after_failed: place(&stage.hooks.after_host_failed),
            probes: patches && (looks || stage.checks.iter().any(CheckSpec::is_before)),
            checks: patches && (looks || stage.checks.iter().any(CheckSpec::is_after)),
            snapshot: snapshot.filter(|_| patches),
        }
    }
}

/// How far what goes around a host's patch has come.
#[derive(Debug, Clone, Default)]
pub(super) struct Around {
    /// The command before it has run.
    pub(super) prepared: bool,
    /// Its way has begun, and the command after it has not run since.
    pub(super) out: bool,
    /// Its turn does not come again: nothing more is begun.
    pub(super) turned: bool,
    /// There is a snapshot of it.
    pub(super) snapped: bool,
    /// There is one of an earlier try: it is removed before another one is taken.
    pub(super) old_snapshot: bool,
    /// The snapshot was put back, or could not be.
    pub(super) restore_tried: bool,
    /// It could not be put back, or only in part.
    pub(super) restore_failed: bool,
    /// It is to be looked at while its wave is watched.
    pub(super) must_check: bool,
    /// What it will need is to be fetched.
    pub(super) must_fetch: bool,
    /// It was fetched, and the claim for that is to go: others may change the host meanwhile.
    pub(super) must_release: bool,
}

impl HostRun {
    /// Whether the step runs as a job on the host.
    pub fn runs_as_job(&self, step: Step) -> bool {
        step.is_job() || (step.is_of_plan() && self.place_of(step) == Some(hooks::Where::Run))
    }

    /// Where a command of the plan's runs; none: there is none.
    fn place_of(&self, step: Step) -> Option<hooks::Where> {
        let snapshot = self.rules.snapshot;
        match step {
            Step::Before => self.rules.before,
            Step::After if self.is_known_good() => self.rules.after,
            Step::After => self.rules.after_failed,
            Step::Snapshot => snapshot.map(|rules| rules.take),
            Step::Restore => snapshot.map(|rules| rules.restore),
            Step::Discard => snapshot.and_then(|rules| rules.remove),
            _ => None,
        }
    }

    /// Whether it is patched, or as it was.
    pub fn is_known_good(&self) -> bool {
        !matches!(self.place, Place::NotRestored | Place::Lost | Place::MustUndo | Place::MustRestore)
    }

    /// What comes before the patch, or the patch's first step.
    pub(super) fn next_before(&self, kind: &RunKind) -> Option<Step> {
        if self.around.turned {
            return self.next_after();
        }
        Some(match kind {
            _ if self.rules.before.is_some() && !self.around.prepared => Step::Before,
            RunKind::Rollback { .. } => Step::Rollback,
            RunKind::Run | RunKind::Drill if self.rules.probes && self.probed.is_none() => Step::Probe,
            RunKind::Run | RunKind::Drill => Step::Stash,
        })
    }

    /// Everything old is at hand: a snapshot, or the change itself.
    pub(super) fn next_stashed(&self) -> Step {
        if self.around.old_snapshot && self.place_of(Step::Discard).is_some() {
            Step::Discard
        } else if self.rules.snapshot.is_some() && !self.around.snapped {
            Step::Snapshot
        } else {
            Step::Apply
        }
    }

    /// The command after it, where its way has begun.
    pub(super) fn next_after(&self) -> Option<Step> {
        let owes = self.around.out && self.given_up.is_none() && self.place_of(Step::After).is_some();
        owes.then_some(Step::After)
    }

    /// Whether a command of the plan's that has just failed made no difference to where the host stands.
    pub(in crate::core) fn goes_on_after(&self, step: Step) -> bool {
        match step {
            Step::Before => self.place == Place::MustUndo,
            Step::After => self.place != Place::MustUndo,
            _ => true,
        }
    }

    /// What is taken off the host once it is decided.
    pub(super) fn next_discard(&self) -> Option<Step> {
        let is_there = self.around.snapped || self.around.old_snapshot;
        (is_there && self.place_of(Step::Discard).is_some()).then_some(Step::Discard)
    }

    /// Where it stands once its transaction is in effect, and nothing else is due: it is looked at, or it is well.
    pub(super) fn well(&self) -> Place {
        if self.rules.checks { Place::InEffect } else { Place::Patched }
    }

    /// Its wave is watched: it is to be looked at. Whether it is.
    pub(in crate::core) fn must_check(&mut self) -> bool {
        self.around.must_check = self.rules.checks && self.place == Place::Patched && !self.is_out_of_reach();
        self.around.must_check
    }

    /// Its wave begins, whatever became of its turn before.
    pub(in crate::core) fn has_its_turn(&mut self) {
        self.around.turned = false;
    }

    /// What it will need is to be fetched ahead of its time, if it will need anything. Whether it will.
    pub(in crate::core) fn must_fetch(&mut self) -> bool {
        self.around.must_fetch = self.place == Place::Ready && !self.is_out_of_reach();
        self.around.must_fetch
    }

    pub(super) fn begin_around(&mut self, step: Step) {
        match step {
            Step::Before | Step::Stash | Step::Apply | Step::Rollback => self.around.out = true,
            Step::Restore => (self.around.out, self.around.restore_tried) = (true, true),
            Step::Check => self.around.must_check = false,
            Step::Prefetch => self.around.must_fetch = false,
            Step::Forget => self.around.must_release = false,
            _ => {}
        }
    }

    /// The end of a step that is around the patch; false: it is another.
    pub(super) fn end_around(&mut self, step: Step, result: &StepResult) -> bool {
        let failed = match result {
            StepResult::Done(_) => None,
            StepResult::Failed { problem, fate, report } => Some((problem, *fate, &**report)),
            _ => return false,
        };
        match (step, failed) {
            (Step::Before, None) => self.around.prepared = true,
            // The way back waits for nothing.
            (Step::Before, Some(_)) if self.place == Place::MustUndo => self.around.prepared = true,
            (Step::Probe, failed) => {
                self.probed = report_of(result).map(Box::new);
                if let Some((problem, fate, report)) = failed {
                    self.stopped(step, problem, fate, report);
                }
            }
            (Step::Snapshot, None) => self.around.snapped = true,
            (Step::Check, failed) => self.checked(result, failed),
            (Step::After, None) => (self.around.out, self.around.prepared) = (false, false),
            (Step::After, Some(_)) if self.place != Place::Patched => self.around.out = false,
            (Step::Restore, failed) => self.snapshot_restored(result, failed.map(|(problem, fate, _)| (problem, fate))),
            (Step::Discard, _) => (self.around.snapped, self.around.old_snapshot) = (false, false),
            // What could not be fetched now is fetched when its time comes.
            (Step::Prefetch, failed) => {
                self.around.must_release = failed.is_none_or(|(_, fate, _)| fate == Fate::Changed);
                self.claimed &= failed.is_none_or(|(problem, ..)| problem.kind != ErrorKind::Claimed);
            }
            (Step::Before | Step::Snapshot | Step::After, Some((problem, fate, report))) => {
                self.stopped(step, problem, fate, report);
            }
            _ => return false,
        }
        true
    }

    fn checked(&mut self, result: &StepResult, failed: Option<(&Problem, Fate, &StepReport)>) {
        self.checked = report_of(result).map(Box::new);
        match failed {
            Some((problem, fate, report)) => self.stopped(Step::Check, problem, fate, report),
            None if self.place == Place::InEffect => {
                self.place = Place::Patched;
                // It was lost on the way, and has come to its end all the same.
                (self.problem, self.failed) = (None, false);
            }
            None => {}
        }
    }
}

pub(super) fn report_of(result: &StepResult) -> Option<StepReport> {
    match result {
        StepResult::Done(report) | StepResult::Failed { report, .. } => Some((**report).clone()),
        _ => None,
    }
}
