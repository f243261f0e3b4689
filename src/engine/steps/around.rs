//! Commands of the plan's around a host or a stage, and snapshots.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::checks::printable;
use super::judge::report;
use super::{Ended, Task, Worked, known};
use crate::core::event::{Input, Step};
use crate::core::findings::{Difference, Fate, StepReport, StepResult};
use crate::core::hooks::{Command, StageHook, Taken, Where};
use crate::core::ids::JobId;
use crate::core::packages::Version;
use crate::core::problem::{ErrorKind, Problem};
use crate::core::template::Scope;
use crate::playbook::{self, Playbook, Rights, StepName};
use crate::ports::control::LocalCommand;
use crate::ports::{Failure, JobEnd, Listener as _, Privilege, Script};

/// What a job on the host may take beside its command's own deadline.
const SLACK: Duration = Duration::from_secs(30);
/// A built-in snapshot's deadline.
const SNAPSHOT: Duration = Duration::from_secs(600);
/// How long we wait between two looks at a host whose snapshot was put back.
const PAUSE: Duration = Duration::from_secs(2);
/// How much of a message's last line is shown.
const SHOWN: usize = 300;

/// How a command ended.
enum End {
    /// Well; what it printed.
    Well(Vec<u8>),
    /// Badly: why, and what it printed.
    Badly(Problem, Vec<u8>),
    /// The host was not heard of again: whether it has ended there, nobody knows.
    Unknown(Failure),
    /// The host does not take us for who we are any more.
    Barred(Problem),
}

/// What is run.
enum What<'a> {
    Command(&'a Command),
    Btrfs(&'a [std::path::PathBuf], &'static str),
}

impl Task {
    /// Runs the plan's command, or the built-in snapshot, of this step.
    pub(super) async fn around(&self) -> Worked {
        let Some(what) = self.what() else {
            let problem = Problem::new(ErrorKind::Internal, "the plan has no command for this step");
            return self.around_failed(problem, Vec::new());
        };
        match self.run_it(&what, &self.scope(), self.step.as_str()).await {
            End::Well(log) if self.step == Step::Restore => self.restored(log).await,
            End::Well(log) => Worked::Ended(Box::new(Ended::with(StepResult::Done(Box::default()), log))),
            End::Badly(problem, log) => self.around_failed(problem, log),
            End::Unknown(failure) => Worked::Ended(Box::new(self.no_end(failure))),
            End::Barred(problem) => Worked::Barred(problem),
        }
    }

    fn what(&self) -> Option<What<'_>> {
        let (hooks, snapshot) = (&self.stage().hooks, self.stage().snapshot.as_ref().map(|snapshot| &snapshot.by));
        let after = if self.known_good { &hooks.after_host } else { &hooks.after_host_failed };
        match (self.step, snapshot) {
            (Step::Before, _) => hooks.before_host.as_ref().map(What::Command),
            (Step::After, _) => after.as_ref().map(What::Command),
            (Step::Snapshot, Some(Taken::Commands { take, .. })) => Some(What::Command(take)),
            (Step::Restore, Some(Taken::Commands { restore, .. })) => Some(What::Command(restore)),
            (Step::Discard, Some(Taken::Commands { remove, .. })) => remove.as_ref().map(What::Command),
            (Step::Snapshot, Some(Taken::Btrfs(all))) => Some(What::Btrfs(all, "take")),
            (Step::Restore, Some(Taken::Btrfs(all))) => Some(What::Btrfs(all, "restore")),
            (Step::Discard, Some(Taken::Btrfs(all))) => Some(What::Btrfs(all, "remove")),
            _ => None,
        }
    }

    fn around_failed(&self, problem: Problem, log: Vec<u8>) -> Worked {
        let fate = match self.step {
            Step::After | Step::Restore => Fate::Changed,
            _ => Fate::Unchanged,
        };
        Worked::Ended(Box::new(Ended::failed(problem, fate, StepReport::default(), log)))
    }

    async fn run_it(&self, what: &What<'_>, scope: &Scope<'_>, name: &'static str) -> End {
        match (what, &self.job) {
            (What::Command(command), _) if command.on == Where::Local => self.run_here(command, scope, name).await,
            (_, Some(job)) => self.run_there(what, scope, name, job.clone()).await,
            _ => End::Badly(Problem::new(ErrorKind::Internal, "the step has no job"), Vec::new()),
        }
    }

    async fn run_here(&self, command: &Command, scope: &Scope<'_>, name: &'static str) -> End {
        let (text, env) = command.command.shell(scope, "");
        let end = match self.context.control.run(&LocalCommand { text, env, timeout: command.timeout }).await {
            Ok(end) => end,
            Err(why) => return End::Badly(Problem::new(ErrorKind::Refused, format!("{name}: {why}")), Vec::new()),
        };
        let mut log = end.out;
        log.extend_from_slice(&end.err);
        for line in printable(&log).lines() {
            self.listener().line(line);
        }
        match end.code {
            Some(0) => End::Well(log),
            code => End::Badly(ended_badly(name, code, command.timeout, &log), log),
        }
    }

    async fn run_there(&self, what: &What<'_>, scope: &Scope<'_>, name: &'static str, job: JobId) -> End {
        let Some(playbook) = self.playbook() else {
            return End::Badly(
                Problem::new(ErrorKind::Internal, "the host's playbook is not among the run's"),
                Vec::new(),
            );
        };
        let (script, limit) = self.script_of(what, scope, name, playbook);
        let job = self.make_job(playbook, job, script);
        let output = match self.context.transport.job(self.settings(), &job, &self.listener()).await {
            Ok(JobEnd::Done(output) | JobEnd::RestoredItself(output)) => output,
            Ok(JobEnd::Died { why, output }) => {
                let problem = Problem::new(ErrorKind::Refused, format!("{name} ended without a result: {why}"));
                return End::Badly(problem, output.log);
            }
            Err(failure) if self.is_barred(&failure) => return End::Barred(failure.problem),
            Err(failure) => return End::Unknown(failure),
        };
        match output.code {
            Some(0) => End::Well(output.log),
            // What timeout(1) says.
            Some(124 | 137) => End::Badly(ended_badly(name, None, limit, &output.log), output.log),
            code => End::Badly(ended_badly(name, code, limit, &output.log), output.log),
        }
    }

    fn script_of(
        &self,
        what: &What<'_>,
        scope: &Scope<'_>,
        name: &'static str,
        playbook: &Playbook,
    ) -> (Script, Duration) {
        let privilege = self.privilege(playbook);
        match what {
            What::Command(command) => {
                let (text, env) = command.command.shell(scope, "");
                let seconds = command.timeout.as_secs().max(1);
                // Its text is a file: nothing of it is part of ours.
                let script = format!("exec timeout -k 10 {seconds} sh \"$IN/command\" 3>&-\n");
                let files = [("command".to_owned(), text)].into();
                let timeout = command.timeout + SLACK;
                (Script { name, text: script.into(), env, files, privilege, timeout }, command.timeout)
            }
            What::Btrfs(subvolumes, act) => {
                let list = subvolumes.iter().fold(String::new(), |text, path| text + &path.to_string_lossy() + "\n");
                let env: BTreeMap<String, String> =
                    [("DO".to_owned(), (*act).to_owned()), ("RUN".to_owned(), self.context.settings.run.to_string())]
                        .into();
                let files = [("subvolumes".to_owned(), list)].into();
                (Script { name, text: playbook::btrfs(), env, files, privilege, timeout: SNAPSHOT }, SNAPSHOT)
            }
        }
    }

    pub(super) fn privilege(&self, playbook: &Playbook) -> Privilege {
        match playbook.rights {
            Rights::Root => Privilege::Root,
            Rights::User => Privilege::User,
        }
    }

    /// Its snapshot was put back, and the host may have booted with that: is it what the baseline says?
    async fn restored(&self, log: Vec<u8>) -> Worked {
        let Some(playbook) = self.playbook() else { return Worked::Ended(Box::new(self.no_playbook())) };
        let steps = known(playbook, &[StepName::Compare]);
        let script = self.script(playbook, &steps, "compare");
        let until = Instant::now() + self.stage().reboot_timeout;
        loop {
            self.context.transport.close(self.settings()).await;
            let why = match self.context.transport.read(self.settings(), &script, &self.listener()).await {
                Ok(output) => match playbook::parse(&output.records) {
                    Ok(records) if records.finished(&steps) && records.problems.is_empty() => {
                        let report = Box::new(report(&records, &output, false));
                        return Worked::Ended(Box::new(Ended::with(StepResult::Done(report), log)));
                    }
                    Ok(records) => super::judge::what_failed(&records, &output),
                    Err(error) => Problem::new(ErrorKind::Internal, error.to_string()),
                },
                Err(failure) if self.is_barred(&failure) => return Worked::Barred(failure.problem),
                Err(failure) => failure.problem,
            };
            if Instant::now() + PAUSE > until {
                let silent = matches!(why.kind, ErrorKind::Unreachable | ErrorKind::Timeout | ErrorKind::Lost);
                let message =
                    format!("its snapshot was put back, and it cannot be seen what it is now: {}", why.message);
                let problem = Problem { message, ..why }.hint("look at the host");
                let fate = if silent { Fate::Lost } else { Fate::Changed };
                return Worked::Ended(Box::new(Ended::failed(problem, fate, StepReport::default(), log)));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Whether going back is impossible on the host.
    pub(super) fn is_irreversible(&self) -> bool {
        self.playbook().is_some_and(|playbook| playbook.irreversible.is_some())
    }

    /// Where there is no way back, what the plan says is done instead. The host is not as it was, and that is said.
    pub(super) async fn compensate(&self) -> Worked {
        let failed = |problem: Problem, log| {
            Worked::Ended(Box::new(Ended::failed(problem, Fate::Changed, StepReport::default(), log)))
        };
        let Some(command) = &self.stage().compensate else {
            let problem = Problem::new(ErrorKind::Rollback, "this cannot be undone, and the plan has nothing instead");
            return failed(problem, Vec::new());
        };
        match self.run_it(&What::Command(command), &self.scope(), "compensate").await {
            End::Well(log) => {
                let shown = |version: Option<&Version>| version.map_or("absent".to_owned(), ToString::to_string);
                let differences = self.ops.iter().map(|op| Difference {
                    what: "package".into(),
                    name: op.name.to_string(),
                    before: shown(op.from.as_ref()),
                    after: shown(op.to.as_ref()),
                });
                let note = format!("it cannot be undone; done instead: {}", command.command.text());
                let report =
                    StepReport { differences: differences.collect(), notes: vec![note], ..StepReport::default() };
                Worked::Ended(Box::new(Ended::with(StepResult::Done(Box::new(report)), log)))
            }
            End::Badly(problem, log) => failed(Problem { kind: ErrorKind::Rollback, ..problem }, log),
            End::Unknown(failure) => Worked::Ended(Box::new(self.no_end(failure))),
            End::Barred(problem) => Worked::Barred(problem),
        }
    }

    /// Runs a stage's own hook: here, or on the host that this task is for.
    pub(in crate::engine) async fn stage_hook(self, hook: StageHook) -> (Input, Vec<u8>) {
        let stage = self.stage;
        let scope = Scope { host: None, wave: 0, ..self.scope() };
        let command = self.stage().hooks.of_stage(hook);
        let (problem, log) = match command {
            None => (None, Vec::new()),
            Some(command) if command.on == Where::Run && self.job.is_none() => {
                let message = format!("{}: no host of the stage can be asked to run it", hook.as_str());
                (Some(Problem::new(ErrorKind::Refused, message)), Vec::new())
            }
            Some(command) => match self.run_it(&What::Command(command), &scope, hook.as_str()).await {
                End::Well(log) => (None, log),
                End::Badly(problem, log) => (Some(problem), log),
                End::Unknown(Failure { problem, .. }) | End::Barred(problem) => (Some(problem), Vec::new()),
            },
        };
        let problem = problem.map(|mut problem| {
            problem.step.get_or_insert_with(|| hook.as_str().to_owned());
            problem
        });
        (Input::HookEnded { stage, hook, problem, log: None }, log)
    }
}

fn ended_badly(name: &str, code: Option<i32>, limit: Duration, log: &[u8]) -> Problem {
    let text = printable(log);
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let last: String = last.chars().take(SHOWN).collect();
    let said = if last.is_empty() { String::new() } else { format!(": {last}") };
    let (kind, how) = match code {
        Some(code) => (ErrorKind::Refused, format!("ended with exit code {code}")),
        None => (ErrorKind::Timeout, format!("did not end within {} s", limit.as_secs())),
    };
    Problem::new(kind, format!("{name} {how}{said}")).hint("the command is in the plan, under hooks or snapshot")
}
