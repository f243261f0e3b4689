//! What came back of a step, judged: done, or failed and in what state that leaves the host.

use std::collections::BTreeMap;

use super::{Ended, Task, digest_of};
use crate::core::event::Step;
use crate::core::findings::{Fate, Service, StepReport, StepResult};
use crate::core::packages::{PackageOp, Version};
use crate::core::problem::{ErrorKind, Problem};
use crate::playbook::{self, Records, StepName};
use crate::ports::{Failure, Output};

/// How many of a failed step's last log lines become part of the record.
const TAIL_LINES: usize = 12;

impl Task {
    pub(super) fn no_end(&self, failure: Failure) -> Ended {
        // A run takes back only what it changed: a host that it cannot reach after that is lost. One that refuses answers.
        let silent = matches!(failure.problem.kind, ErrorKind::Unreachable | ErrorKind::Timeout | ErrorKind::Lost);
        let changed = match self.step {
            Step::Settle | Step::Confirm | Step::Reboot | Step::Check | Step::After | Step::Restore => true,
            Step::Rollback => self.context.settings.kind.patches(),
            Step::Resolve | Step::Recheck | Step::Stash | Step::Apply | Step::Forget => false,
            Step::Before | Step::Probe | Step::Snapshot | Step::Discard | Step::Prefetch => false,
        };
        // What is only asked about was begun long ago, or never: the host knows.
        let unsure = if self.asked { silent } else { failure.may_have_begun || self.inherited };
        let fate = match (unsure || (changed && silent), changed) {
            (true, _) => Fate::Lost,
            // The host says that it never began: it may begin now.
            (false, true) if self.asked && self.step == Step::Settle => Fate::Unchanged,
            (false, true) => Fate::Changed,
            (false, false) => Fate::Unchanged,
        };
        Ended::failed(failure.problem, fate, StepReport::default(), Vec::new())
    }

    /// Whether the host answers and does not take us for who we are any more, in the middle of its way: somebody must see
    /// to that, and nothing is decided about the host until then.
    pub(super) fn is_barred(&self, failure: &Failure) -> bool {
        let kind = failure.problem.kind;
        self.step != Step::Forget && matches!(kind, ErrorKind::Auth | ErrorKind::HostKey | ErrorKind::Become)
    }

    /// The host undid the change by itself: what its own way back reported.
    pub(super) fn restored_itself(&self, output: Output) -> Ended {
        let steps = [StepName::Rollback, StepName::Compare];
        let records = match playbook::parse(&output.records) {
            Ok(records) => records,
            Err(error) => {
                let Ended { result, log, .. } = unreadable(&error, Fate::Changed, output);
                let StepResult::Failed { problem, report, .. } = result else { return Ended::with(result, log) };
                return Ended::with(StepResult::RestoredItself { problem: Some(problem), report }, log);
            }
        };
        let well = records.finished(&steps) && records.problems.is_empty();
        let problem = (!well).then(|| what_failed(&records, &output));
        let report = Box::new(report(&records, &output, !well));
        Ended::with(StepResult::RestoredItself { problem, report }, output.log)
    }

    pub(super) fn judge(&self, steps: &[StepName], output: Output, died: Option<String>) -> Ended {
        let records = match playbook::parse(&output.records) {
            Ok(records) => records,
            Err(error) => return unreadable(&error, Fate::Changed, output),
        };
        let finished = died.is_none() && records.finished(steps) && records.problems.is_empty();
        let mut report = report(&records, &output, !finished);
        let mut installed = records.installed.clone();
        installed.sort();
        if self.proof && !installed.is_empty() {
            report.installed = Some(digest_of(&installed));
        }
        let wrong = (finished && matches!(self.step, Step::Apply | Step::Settle)).then(|| self.not_installed(&report));
        if finished && wrong.as_ref().is_none_or(Option::is_none) {
            return Ended { result: StepResult::Done(Box::new(report)), ops: Vec::new(), installed, log: output.log };
        }
        let problem = match (died, wrong.flatten()) {
            (Some(why), _) => Problem::new(ErrorKind::Apply, format!("the job ended without a result: {why}"))
                .hint("look at the host's own log (journalctl, dmesg) for what killed it"),
            (None, Some(message)) => Problem::new(ErrorKind::Apply, message),
            (None, None) => what_failed(&records, &output),
        };
        let fate = if self.is_unchanged(&problem, &report) { Fate::Unchanged } else { Fate::Changed };
        Ended::failed(problem, fate, report, output.log)
    }

    /// Whether the step says that it changed nothing, and the packages agree.
    fn is_unchanged(&self, problem: &Problem, report: &StepReport) -> bool {
        let harmless = matches!(
            problem.kind,
            ErrorKind::Stale | ErrorKind::Locked | ErrorKind::NoSpace | ErrorKind::Repository | ErrorKind::Claimed
        );
        let as_before = |op: &PackageOp| {
            let now = report.packages.iter().find(|package| package.name == op.name && package.arch == op.arch);
            now.is_some_and(|package| package.version == op.from)
        };
        self.step == Step::Apply && harmless && self.ops.iter().all(as_before)
    }

    /// A package of the transaction that is not what it should be, in words.
    fn not_installed(&self, report: &StepReport) -> Option<String> {
        self.ops.iter().find_map(|op| {
            let now = report.packages.iter().find(|package| package.name == op.name && package.arch == op.arch);
            let found = now.and_then(|package| package.version.as_ref());
            if found == op.to.as_ref() {
                return None;
            }
            let shown = |v: Option<&Version>| v.map_or("not installed".into(), ToString::to_string);
            Some(format!("{} is {}, and should be {}", op.name, shown(found), shown(op.to.as_ref())))
        })
    }
}

pub(super) fn report(records: &Records, output: &Output, failed: bool) -> StepReport {
    let others = records.problems.iter().skip(1).map(|problem| problem.message.clone());
    let mut packages = records.packages.clone();
    packages.sort();
    packages.dedup();
    StepReport {
        packages,
        old: records.old.clone(),
        services: latest(&records.services),
        reboot: records.reboot.clone(),
        checks: records.checks.clone(),
        differences: records.differences.clone(),
        conflicts: records.conflicts.clone(),
        installed: None,
        notes: records.notes.iter().cloned().chain(others).collect(),
        boot_id: output.boot_id.clone(),
        tail: if failed { tail(&output.log) } else { Vec::new() },
        log: None,
        health: None,
        took_ms: 0,
    }
}

/// A service may be reported twice (restarted, then looked at): a restart that worked stands unless it is stale again.
fn latest(services: &[Service]) -> Vec<Service> {
    let mut by_unit = BTreeMap::new();
    for service in services {
        by_unit.insert(&service.unit, service);
    }
    by_unit.into_values().cloned().collect()
}

fn tail(log: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(log);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines.len().saturating_sub(TAIL_LINES);
    lines[last..].iter().map(|line| line.chars().take(300).collect()).collect()
}

/// Why a script did not finish: in its own words where it had any.
pub(super) fn what_failed(records: &Records, output: &Output) -> Problem {
    if let Some(problem) = records.problems.first() {
        return problem.clone();
    }
    let step = records.stopped_in().map_or("the script", StepName::as_str);
    let code = output.code.map_or("without an exit code".to_owned(), |code| format!("with exit code {code}"));
    let last = tail(&output.log).pop().map(|line| format!(": {line}")).unwrap_or_default();
    Problem::new(ErrorKind::Internal, format!("{step} ended {code} and did not say why{last}")).during(step)
}

pub(super) fn unreadable(error: &playbook::RecordError, fate: Fate, output: Output) -> Ended {
    let problem = Problem::new(ErrorKind::Internal, format!("what the host reported cannot be used: {error}"))
        .hint("nothing was guessed from it; look at the step's log (`patchctl status RUN -v`)");
    let report = StepReport { tail: tail(&output.log), ..StepReport::default() };
    Ended::failed(problem, fate, report, output.log)
}
