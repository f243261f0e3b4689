//! A host that is inspected again before an approval is used.

use super::{HostRun, Place};
use crate::core::event::Step;
use crate::core::findings::{Inspection, StepResult};

impl HostRun {
    /// Before an approval is used, it is to be inspected again, if it is among what was approved. Whether it is.
    pub(in crate::core) fn must_inspect(&mut self) -> bool {
        let approved = matches!(self.place, Place::Ready | Place::Current | Place::Patched | Place::Kept);
        self.must_inspect = approved && self.resolution.is_some() && !self.is_out_of_reach();
        self.drift.clear();
        self.must_inspect
    }

    /// The part of the evidence that came from the host.
    pub fn evidence(&self) -> Inspection {
        if let Some(inspected) = &self.inspected {
            return (**inspected).clone();
        }
        let found = self.resolution.as_deref();
        let changed = matches!(self.place, Place::Patched | Place::Kept);
        let settled = self.settled.as_deref().filter(|_| changed);
        Inspection {
            identity: found.map(|found| found.identity.clone()).unwrap_or_default(),
            packages: match (settled, found) {
                (Some(report), _) => report.packages.clone(),
                (None, found) => found.map(|found| found.current.clone()).unwrap_or_default(),
            },
            transaction: found.filter(|_| self.place == Place::Ready).map(|found| found.transaction),
            reboot: match (settled, found) {
                (Some(report), _) => report.reboot.clone(),
                (None, found) => found.map(|found| found.reboot.clone()).unwrap_or_default(),
            },
            problem: None,
        }
    }

    /// It was inspected again; `approved` is the evidence before.
    pub(in crate::core) fn inspected_again(&mut self, approved: &Inspection, result: &StepResult) {
        let now = match result {
            StepResult::Inspected(found) => (**found).clone(),
            StepResult::Failed { problem, .. } => Inspection { problem: Some(problem.kind), ..approved.clone() },
            _ => {
                self.inspected = None;
                self.evidence()
            }
        };
        self.drift = approved.differences(&now);
        if let (Place::Refused, Some(problem)) = (self.place, &self.problem) {
            self.drift = vec![format!("would not be patched any more: {}", problem.message)];
        }
        let resolved = matches!(result, StepResult::Resolved(_));
        if !self.drift.is_empty() && !resolved {
            self.inspected = Some(Box::new(now));
        }
    }

    /// Nobody waits for what it was asked again: the process that did is gone.
    pub(in crate::core) fn forget_recheck(&mut self) {
        self.must_inspect = false;
        self.step = self.step.filter(|step| *step != Step::Recheck);
    }

    /// Nobody's approval holds for it any more: what was kept waits for a decision again.
    pub(in crate::core) fn undecided_again(&mut self) {
        if self.place == Place::Kept {
            self.place = Place::Patched;
        }
    }
}
