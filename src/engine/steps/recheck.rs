//! Inspecting a host again before an approval is used. Nothing is changed by it, not even package indexes.

use super::judge::{report, unreadable, what_failed};
use super::{Ended, Task, known};
use crate::core::findings::{Fate, Identity, Inspection, StepReport, StepResult};
use crate::core::packages::Package;
use crate::playbook::{self, StepName};
use crate::ports::Failure;

impl Task {
    /// What is not patched yet is resolved once more: what would be done must be what was approved.
    pub(super) async fn recheck(&self) -> Ended {
        match &self.approved {
            None => self.resolve_at_last().await,
            Some(approved) => self.inspect_again(approved).await,
        }
    }

    async fn inspect_again(&self, approved: &[Package]) -> Ended {
        let unchanged =
            |failure: Failure| Ended::failed(failure.problem, Fate::Unchanged, StepReport::default(), Vec::new());
        let answer = match self.context.transport.ping(self.settings()).await {
            Ok(answer) => answer,
            Err(failure) => return unchanged(failure),
        };
        let (playbook, facts) = match self.detect().await {
            Ok(found) => found,
            Err(failure) => return unchanged(failure),
        };
        let steps = [StepName::Inspect];
        let script = self.script(playbook, &steps, "recheck");
        let output = match self.context.transport.read(self.settings(), &script, &self.listener()).await {
            Ok(output) => output,
            Err(failure) => return unchanged(failure),
        };
        let records = match playbook::parse(&output.records) {
            Ok(records) => records,
            Err(error) => return unreadable(&error, Fate::Unchanged, output),
        };
        if !records.finished(&known(playbook, &steps)) || !records.problems.is_empty() {
            let problem = what_failed(&records, &output);
            return Ended::failed(problem, Fate::Unchanged, report(&records, &output, true), output.log);
        }
        let is_one =
            |found: &&Package| approved.iter().any(|package| package.name == found.name && package.arch == found.arch);
        let machine_id = records.facts.get("machine_id").or_else(|| facts.facts.get("machine_id")).cloned();
        let inspection = Inspection {
            identity: Identity { host_key: Some(answer.host_key), machine_id },
            packages: records.installed.iter().filter(is_one).cloned().collect(),
            transaction: None,
            reboot: records.reboot,
            problem: None,
        };
        Ended::with(StepResult::Inspected(Box::new(inspection)), output.log)
    }
}
