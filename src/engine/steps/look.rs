//! Looking at a host outside of any run. Nothing is changed by it, not even package indexes, and no claim is asked.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::judge::what_failed;
use super::{StepContext, Task, known};
use crate::core::drift::Key;
use crate::core::event::Step;
use crate::core::ids::HostIx;
use crate::core::packages::Package;
use crate::core::problem::{ErrorKind, Problem};
use crate::core::record::Head;
use crate::core::rollout::Rollout;
use crate::playbook::{self, StepName};

/// What of these packages is installed on a host of this run now, asked as the run asked it.
///
/// # Errors
/// When the host does not answer, or its answer cannot be used.
pub async fn installed(
    context: &Arc<StepContext>,
    rollout: &Rollout,
    host: HostIx,
    wanted: &BTreeSet<Key>,
) -> Result<Vec<Package>, Problem> {
    let task = context.prepare(rollout, host, Step::Recheck, None, false, Head::EMPTY);
    let mut found = task.everything_installed().await?;
    if found.is_empty() && !wanted.is_empty() {
        let hint = "either its playbook never does (WANT_INSTALLED in playbooks/README.md), or all of it is gone";
        let problem = Problem::new(ErrorKind::NotFound, "the host lists nothing that is installed there");
        return Err(problem.during("inspect").hint(hint));
    }
    found.retain(|package| wanted.contains(&(package.name.clone(), package.arch.clone())));
    Ok(found)
}

impl Task {
    /// Everything that is installed, in one round trip where it is known which playbook fits.
    async fn everything_installed(&self) -> Result<Vec<Package>, Problem> {
        let playbook = match self.playbook() {
            Some(playbook) => playbook,
            None => self.detect().await.map_err(|failure| failure.problem)?.0,
        };
        let steps = [StepName::Detect, StepName::Inspect];
        let script = self.script(playbook, &steps, "inspect");
        let output = self.context.transport.read(self.settings(), &script, &self.listener()).await;
        let output = output.map_err(|failure| failure.problem)?;
        let records = playbook::parse(&output.records).map_err(|error| {
            Problem::new(ErrorKind::Internal, format!("what the host reported cannot be used: {error}"))
                .during("inspect")
                .hint("nothing was guessed from it")
        })?;
        if let Some(fits) = records.fits.as_ref().filter(|fits| !fits.yes) {
            let message = format!("playbook {} does not fit this host any more: {}", playbook.name, fits.why);
            let hint = "is it another host under the old name? a new run asks it anew";
            return Err(Problem::new(ErrorKind::Refused, message).during("detect").hint(hint));
        }
        if !records.finished(&known(playbook, &steps)) || !records.problems.is_empty() {
            return Err(what_failed(&records, &output));
        }
        Ok(records.installed)
    }
}
