//! Booting a host: asked for once, and done when the host is really another boot, and stays it.

use std::time::Duration;

use tokio::time::Instant;

use super::{Ended, Task, Worked, known};
use crate::core::findings::{Fate, StepReport, StepResult};
use crate::core::ids::JobId;
use crate::core::problem::{ErrorKind, Problem};
use crate::playbook::{Playbook, StepName};
use crate::ports::{Failure, JobEnd};

/// A host that has booted must still be in the same boot after so long, asked over another new connection.
const STABLE: Duration = Duration::from_secs(3);
/// How long we wait between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// What a look at the host found.
enum Look {
    /// It answers, and is in this boot.
    Boot(String),
    /// It does not answer.
    Silent(Problem),
    /// It does not take us for who we are.
    Barred(Problem),
}

impl Task {
    /// Has the host boot, at most once for this job, and waits until it is there again.
    pub(super) async fn reboot(&self, id: JobId) -> Worked {
        let Some(playbook) = self.playbook() else { return Worked::Ended(Box::new(self.no_playbook())) };
        let until = Instant::now() + self.stage().reboot_timeout;
        let steps = known(playbook, &[StepName::Reboot]);
        let job = self.make_job(playbook, id, self.script(playbook, &steps, self.step.as_str()));
        let old = match self.context.transport.job(self.settings(), &job, &self.listener()).await {
            Ok(JobEnd::Done(output)) => {
                let boot = output.boot_id.clone();
                let ended = self.judge(&steps, output, None);
                if matches!(ended.result, StepResult::Failed { .. }) {
                    return Worked::Ended(Box::new(ended));
                }
                boot.or_else(|| self.boot_id.clone())
            }
            // The boot took what asked for it with it.
            Ok(JobEnd::Died { .. }) => self.boot_id.clone(),
            Ok(JobEnd::RestoredItself(output)) => return Worked::Ended(Box::new(self.restored_itself(output))),
            Err(failure) if self.is_barred(&failure) => return Worked::Barred(failure.problem),
            Err(failure) => return Worked::Ended(Box::new(self.not_back(&failure.problem))),
        };
        self.until_another_boot(playbook, old.as_deref(), until).await
    }

    async fn until_another_boot(&self, playbook: &Playbook, old: Option<&str>, until: Instant) -> Worked {
        let mut seen: Option<String> = None;
        loop {
            let look = self.look(playbook).await;
            let last = match &look {
                Look::Boot(boot) if Some(boot.as_str()) == old => {
                    Problem::new(ErrorKind::Reboot, "it answers, and has not booted anew")
                }
                Look::Boot(boot) if seen.as_ref() == Some(boot) => {
                    let report = StepReport { boot_id: Some(boot.clone()), ..StepReport::default() };
                    return Worked::Ended(Box::new(Ended::with(StepResult::Done(Box::new(report)), Vec::new())));
                }
                Look::Boot(_) => Problem::new(ErrorKind::Reboot, "it is back, and was not seen to stay"),
                Look::Silent(problem) | Look::Barred(problem) => problem.clone(),
            };
            let wait = if matches!(look, Look::Boot(_)) { STABLE } else { LOOK };
            seen = if let Look::Boot(boot) = &look {
                Some(boot.clone()).filter(|b| Some(b.as_str()) != old)
            } else {
                None
            };
            if Instant::now() + wait > until {
                return match look {
                    Look::Barred(problem) => Worked::Barred(problem),
                    _ => Worked::Ended(Box::new(self.not_back(&last))),
                };
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Looks at the host over a new connection.
    async fn look(&self, playbook: &Playbook) -> Look {
        self.context.transport.close(self.settings()).await;
        let script = self.script(playbook, &known(playbook, &[StepName::Detect]), "detect");
        match self.context.transport.read(self.settings(), &script, &self.listener()).await {
            Ok(output) => match output.boot_id.filter(|boot| is_boot_id(boot)) {
                Some(boot) => Look::Boot(boot),
                None => Look::Silent(Problem::new(ErrorKind::Reboot, "it does not say in which boot it is")),
            },
            Err(failure) if self.is_barred(&failure) => Look::Barred(failure.problem),
            Err(Failure { problem, .. }) => Look::Silent(problem),
        }
    }

    /// It goes back: whatever is wrong with it began with the change.
    fn not_back(&self, last: &Problem) -> Ended {
        let limit = self.stage().reboot_timeout.as_secs();
        let message = format!("did not come back from its reboot within {limit} s: {}", last.message);
        let problem = Problem::new(ErrorKind::Reboot, message).hint("look at its console");
        Ended::failed(problem, Fate::Changed, StepReport::default(), Vec::new())
    }
}

/// What the kernel calls a boot: a UUID.
fn is_boot_id(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}
