//! Asking a host what its patch would be. Nothing is changed by it.

use std::time::Duration;

use super::inputs::package_lines;
use super::judge::{report, unreadable, what_failed};
use super::{Ended, Task, digest_of, known};
use crate::core::event::Step;
use crate::core::findings::{Fate, Identity, Resolution, StepReport, StepResult, sorted};
use crate::core::ids::RunId;
use crate::core::packages::{Package, PackageOp, PackageRequest};
use crate::core::problem::{ErrorKind, Problem};
use crate::core::settings::{self, RunKind, Select};
use crate::playbook::{self, Playbook, Records, StepName};
use crate::ports::{Failure, Listener as _, Output};

/// `dead_man = "auto"`: how long a host waits to be confirmed.
const AUTO_DEAD_MAN: Duration = Duration::from_secs(300);

impl Task {
    /// What may pass before anything is begun is tried again: a host or a repository that does not answer.
    pub(super) async fn resolve_at_last(&self) -> Ended {
        let mut tries = 1;
        loop {
            let ended = self.resolve().await;
            let StepResult::Failed { problem, .. } = &ended.result else { return ended };
            let passes = matches!(problem.kind, ErrorKind::Unreachable | ErrorKind::Repository);
            if !passes || tries >= self.context.resolve_tries {
                return ended;
            }
            let wait = Duration::from_secs(1 << (tries - 1));
            self.listener().notice(&format!("{}; trying again in {} s", problem.message, wait.as_secs()));
            tokio::time::sleep(wait).await;
            tries += 1;
        }
    }

    async fn resolve(&self) -> Ended {
        let unchanged =
            |failure: Failure| Ended::failed(failure.problem, Fate::Unchanged, StepReport::default(), Vec::new());
        let answer = match self.context.transport.ping(self.settings()).await {
            Ok(answer) => answer,
            Err(failure) => return unchanged(failure),
        };
        let (playbook, mut facts) = match self.detect().await {
            Ok(found) => found,
            Err(failure) => return unchanged(failure),
        };
        let undo = matches!(self.context.settings.kind, RunKind::Rollback { .. });
        let mut steps = vec![StepName::Inspect];
        if !undo {
            steps.extend([StepName::Resolve, StepName::Preflight]);
            if self.context.refresh && self.step == Step::Resolve {
                steps.insert(0, StepName::Refresh);
            }
        }
        let mut script = self.script(playbook, &steps, "resolve");
        if let (Some(pins), Some(platform)) = (&self.pins, facts.platform()) {
            script.files.insert("pins".into(), package_lines(pins.of(&platform).unwrap_or_default()));
        }
        let output = match self.context.transport.read(self.settings(), &script, &self.listener()).await {
            Ok(output) => output,
            Err(failure) => return unchanged(failure),
        };
        if let Some(problem) = self.claimed(&output) {
            return Ended::failed(problem, Fate::Unchanged, StepReport::default(), output.log);
        }
        let records = match playbook::parse(&output.records) {
            Ok(records) => records,
            Err(error) => return unreadable(&error, Fate::Unchanged, output),
        };
        if !records.finished(&known(playbook, &steps)) || !records.problems.is_empty() {
            let problem = what_failed(&records, &output);
            return Ended::failed(problem, Fate::Unchanged, report(&records, &output, true), output.log);
        }
        facts.facts.extend(records.facts.clone());
        let claim = output.claim.as_ref().filter(|claim| claim.run != self.context.settings.run.as_str());
        let claimed_by = claim.and_then(|claim| RunId::new(&claim.run).ok());
        self.resolution(playbook, &facts, records, answer.host_key, claimed_by, output.log)
    }

    /// Another run's claim on the host, if it stands in the way.
    fn claimed(&self, output: &Output) -> Option<Problem> {
        let claim = output.claim.as_ref()?;
        if self.context.force || claim.run == self.context.settings.run.as_str() {
            return None;
        }
        let message = format!("the host carries the claim of run {} (by {}, {})", claim.run, claim.owner, claim.since);
        let hint = format!(
            "decide that run first: `patchctl status {0}`, then approve or reject it; if it is finished, never will be \
             decided, or its records are lost: `patchctl release {0} -l {1} --reason TEXT`",
            claim.run,
            self.settings().name
        );
        Some(Problem::new(ErrorKind::Claimed, message).hint(hint))
    }

    /// Which playbook fits: the host's or the plan's where one is named, else the first that says so.
    pub(super) async fn detect(&self) -> Result<(&Playbook, Records), Failure> {
        let unfit = |message: String, hint: &str| Failure {
            problem: Problem::new(ErrorKind::Refused, message).during("detect").hint(hint),
            may_have_begun: false,
        };
        let named = self.settings().playbook.as_ref().or(self.context.settings.patch.playbook.as_ref());
        let playbooks = &self.context.playbooks;
        let candidates: Vec<&Playbook> = match named {
            Some(name) => playbooks.get(name).into_iter().collect(),
            None => playbooks.values().filter(|playbook| playbook.auto).collect(),
        };
        let mut why = Vec::new();
        for playbook in candidates {
            let script = self.script(playbook, &[StepName::Detect], "detect");
            let output = self.context.transport.read(self.settings(), &script, &self.listener()).await?;
            let records = playbook::parse(&output.records).map_err(|error| Failure {
                problem: Problem::new(ErrorKind::Internal, error.to_string()).during("detect"),
                may_have_begun: false,
            })?;
            match &records.fits {
                Some(fits) if fits.yes => return Ok((playbook, records)),
                Some(fits) => why.push(format!("{}: {}", playbook.name, fits.why)),
                None => {
                    let problem = what_failed(&records, &output);
                    return Err(Failure { problem, may_have_begun: false });
                }
            }
        }
        Err(unfit(
            format!("no playbook fits this host ({})", why.join("; ")),
            "name one in the plan ([patch] playbook) or for the host (`patchctl playbook list` shows them)",
        ))
    }

    fn resolution(
        &self,
        playbook: &Playbook,
        facts: &Records,
        mut records: Records,
        key: String,
        claimed_by: Option<RunId>,
        log: Vec<u8>,
    ) -> Ended {
        let Some(platform) = facts.platform() else {
            let problem =
                Problem::new(ErrorKind::Internal, "the host did not say its distribution, release and architecture");
            return Ended::failed(problem, Fate::Unchanged, StepReport::default(), log);
        };
        let ops = match &self.context.settings.kind {
            RunKind::Run | RunKind::Drill => sorted(records.ops),
            RunKind::Rollback { undo, .. } => {
                let ops = undo.get(&self.settings().name).cloned().unwrap_or_default();
                still_to_undo(ops, &records.installed)
            }
        };
        if let Some(problem) = self.not_approved(&ops).or_else(|| self.cannot_reboot(playbook)) {
            return Ended::failed(problem, Fate::Unchanged, StepReport::default(), log);
        }
        if let Some(run) = &claimed_by {
            records.notes.push(format!("it carries the claim of run {run}, which this emergency passes"));
        }
        let mut installed = records.installed;
        installed.sort();
        let resolution = Resolution {
            playbook: playbook.name.clone(),
            platform,
            identity: Identity { host_key: Some(key), machine_id: facts.facts.get("machine_id").cloned() },
            transaction: digest_of(&ops),
            current: records.current,
            absent: records.absent,
            unproven: records.unproven,
            held: records.held,
            old: records.old,
            installed: (self.proof && !installed.is_empty()).then(|| digest_of(&installed)),
            reboot: records.reboot,
            dead_man: self.dead_man_for(playbook, &ops).map(|wait| wait.as_secs()),
            irreversible: playbook.irreversible.clone(),
            claimed_by,
            notes: records.notes,
        };
        Ended { result: StepResult::Resolved(Box::new(resolution)), ops, installed, log }
    }

    /// With an approved list and `select = "security"`, every security update must be on the list.
    fn not_approved(&self, ops: &[PackageOp]) -> Option<Problem> {
        let patch = &self.context.settings.patch;
        let approved = patch.approved.as_ref().filter(|_| patch.select == Select::Security)?;
        let on_list = |op: &PackageOp| {
            let fits = |row: &PackageRequest| row.name == op.name && (row.version.is_none() || row.version == op.to);
            op.to.is_none() || approved.iter().any(fits)
        };
        let op = ops.iter().find(|op| !on_list(op))?;
        let to = op.to.as_ref().map_or("", |version| version.as_str());
        let message = format!("{} {to} is not on the approved list", op.name);
        Some(Problem::new(ErrorKind::Refused, message).hint("approve it, or exclude it ([patch] exclude)"))
    }

    /// How long the host waits to be confirmed, if this transaction wants that.
    fn dead_man_for(&self, playbook: &Playbook, ops: &[PackageOp]) -> Option<Duration> {
        let touches = || {
            let globs = playbook.way_in.iter().filter_map(|glob| globset::Glob::new(glob).ok());
            let globs: Vec<_> = globs.map(|glob| glob.compile_matcher()).collect();
            ops.iter().any(|op| globs.iter().any(|glob| glob.is_match(op.name.as_str())))
        };
        match self.stage().dead_man {
            _ if ops.is_empty() || !self.context.settings.kind.patches() => None,
            _ if playbook.irreversible.is_some() => None,
            settings::DeadMan::Off => None,
            settings::DeadMan::Auto => touches().then_some(AUTO_DEAD_MAN),
            settings::DeadMan::After(wait) => Some(wait),
        }
    }

    /// A stage that reboots its hosts needs a playbook that can do that.
    fn cannot_reboot(&self, playbook: &Playbook) -> Option<Problem> {
        let stage = self.stage();
        let wants = stage.reboot != settings::Reboot::Never && self.context.settings.kind.patches();
        if !wants || playbook.steps.contains_key(&StepName::Reboot) {
            return None;
        }
        let message =
            format!("stage {} reboots its hosts, and playbook {} has no step for that", stage.name, playbook.name);
        Some(
            Problem::new(ErrorKind::Refused, message)
                .hint("set reboot = \"never\", or add a step `reboot` to the playbook"),
        )
    }
}

/// Of what would be undone, what is not undone already. What is at neither version stays in: the host says why it is
/// left alone.
fn still_to_undo(ops: Vec<PackageOp>, installed: &[Package]) -> Vec<PackageOp> {
    let now = |op: &PackageOp| {
        let here = installed.iter().find(|package| package.name == op.name && package.arch == op.arch);
        here.and_then(|package| package.version.clone())
    };
    // A host that lists nothing has not said what it has.
    ops.into_iter().filter(|op| installed.is_empty() || now(op) != op.to).collect()
}
