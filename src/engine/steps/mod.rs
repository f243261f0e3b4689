//! One step on one host: the playbook's scripts with their parameters, sent through the transport, and what came back,
//! as an input for the run.

mod inputs;
mod judge;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;

use self::inputs::package_lines;
use self::judge::{report, unreadable, what_failed};
use crate::core::event::{Input, Step};
use crate::core::findings::{Fate, Identity, Resolution, StepReport, StepResult, sorted};
use crate::core::ids::{Digest, HostIx, JobId, PlaybookName, StageIx};
use crate::core::packages::{Package, PackageOp, PackageRequest};
use crate::core::pins::Pins;
use crate::core::problem::{ErrorKind, Problem};
use crate::core::rollout::Rollout;
use crate::core::settings::{Host, RunKind, Select, Settings, Stage};
use crate::core::view::{Display, View};
use crate::playbook::{self, Playbook, Records, StepName};
use crate::ports::{Claim, Failure, Job, JobEnd, Listener, Output, Transport};

/// The playbooks of a run, frozen at its start.
pub type Playbooks = Arc<BTreeMap<PlaybookName, Playbook>>;

/// What every step of a run needs.
pub struct StepContext {
    /// The frozen settings.
    pub settings: Arc<Settings>,
    /// Reaches hosts.
    pub transport: Arc<dyn Transport>,
    /// Is told what hosts say.
    pub display: Arc<dyn Display>,
    /// The playbooks.
    pub playbooks: Playbooks,
    /// Who drives, for the claim on the host.
    pub owner: String,
    /// Package indexes are refreshed.
    pub refresh: bool,
    /// Another run's claim is no obstacle.
    pub force: bool,
    /// Room for steps at the same time, where the caller limits it.
    pub room: Option<tokio::sync::Semaphore>,
}

/// A step, ready to run: it holds all that it needs of the run's state.
pub(super) struct Task {
    context: Arc<StepContext>,
    host: HostIx,
    stage: StageIx,
    step: Step,
    job: Option<JobId>,
    playbook: Option<PlaybookName>,
    ops: Vec<PackageOp>,
    pins: Option<Arc<Pins>>,
    proof: bool,
    /// An earlier process may have begun the job.
    inherited: bool,
}

impl StepContext {
    pub(super) fn prepare(
        self: &Arc<Self>,
        rollout: &Rollout,
        host: HostIx,
        step: Step,
        job: Option<JobId>,
        inherited: bool,
    ) -> Task {
        let found = rollout.host(host).resolution.as_deref();
        Task {
            context: Arc::clone(self),
            host,
            stage: rollout.stage_of(host),
            step,
            job,
            playbook: found.map(|found| found.playbook.clone()),
            ops: rollout.ops(host).to_vec(),
            pins: rollout.is_pinned(host).then(|| Arc::clone(rollout.pins())),
            proof: rollout.is_proof(host),
            inherited,
        }
    }
}

/// What a step's work comes to, before it is an input.
struct Ended {
    result: StepResult,
    ops: Vec<PackageOp>,
    installed: Vec<Package>,
    log: Vec<u8>,
}

impl Ended {
    fn failed(problem: Problem, fate: Fate, report: StepReport, log: Vec<u8>) -> Self {
        let result = StepResult::Failed { problem, fate, report: Box::new(report) };
        Self { result, ops: Vec::new(), installed: Vec::new(), log }
    }
}

impl Task {
    pub(super) async fn run(self) -> (Input, Vec<u8>) {
        let context = Arc::clone(&self.context);
        let _place = match &context.room {
            // It is never closed.
            Some(room) => room.acquire().await.ok(),
            None => None,
        };
        let ended = match (self.step, &self.job) {
            (Step::Resolve, _) | (_, None) => self.resolve().await,
            (_, Some(job)) => self.job(job.clone()).await,
        };
        let Ended { result, ops, installed, log } = ended;
        let result = self.named(result);
        (Input::StepEnded { host: self.host, step: self.step, result, ops, installed }, log)
    }

    fn settings(&self) -> &Host {
        &self.context.settings.hosts[self.host.at()]
    }

    fn stage(&self) -> &Stage {
        &self.context.settings.stages[self.stage.at()]
    }

    fn listener(&self) -> HostListener {
        HostListener { host: self.settings().name.clone(), display: Arc::clone(&self.context.display) }
    }

    /// Every problem says on which host and in which step.
    fn named(&self, result: StepResult) -> StepResult {
        match result {
            StepResult::Failed { mut problem, fate, report } => {
                problem.host.get_or_insert_with(|| self.settings().name.clone());
                problem.step.get_or_insert_with(|| self.step.as_str().to_owned());
                StepResult::Failed { problem, fate, report }
            }
            other => other,
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
            if self.context.refresh {
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
            return Ended::failed(problem, Fate::Unchanged, report(&records, &output.log, true), output.log);
        }
        facts.facts.extend(records.facts.clone());
        self.resolution(playbook, &facts, records, answer.host_key, output.log)
    }

    /// Another run's claim on the host, if it stands in the way.
    fn claimed(&self, output: &Output) -> Option<Problem> {
        let claim = output.claim.as_ref()?;
        if self.context.force || claim.run == self.context.settings.run.as_str() {
            return None;
        }
        let message = format!("the host carries the claim of run {} (by {}, {})", claim.run, claim.owner, claim.since);
        let hint = format!("decide that run first: `patchctl status {0}`, then approve or reject it", claim.run);
        Some(Problem::new(ErrorKind::Claimed, message).hint(hint))
    }

    /// Which playbook fits: the host's or the plan's where one is named, else the first that says so.
    async fn detect(&self) -> Result<(&Playbook, Records), Failure> {
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

    fn resolution(&self, playbook: &Playbook, facts: &Records, records: Records, key: String, log: Vec<u8>) -> Ended {
        let Some(platform) = facts.platform() else {
            let problem =
                Problem::new(ErrorKind::Internal, "the host did not say its distribution, release and architecture");
            return Ended::failed(problem, Fate::Unchanged, StepReport::default(), log);
        };
        let ops = match &self.context.settings.kind {
            RunKind::Run => sorted(records.ops),
            RunKind::Rollback { undo, .. } => {
                let ops = undo.get(&self.settings().name).cloned().unwrap_or_default();
                still_to_undo(ops, &records.installed)
            }
        };
        if let Some(problem) = self.not_approved(&ops) {
            return Ended::failed(problem, Fate::Unchanged, StepReport::default(), log);
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

    async fn job(&self, id: JobId) -> Ended {
        let Some(playbook) = self.playbook.as_ref().and_then(|name| self.context.playbooks.get(name)) else {
            let problem = Problem::new(ErrorKind::Internal, "the host's playbook is not among the run's");
            return Ended::failed(problem, Fate::Unchanged, StepReport::default(), Vec::new());
        };
        let steps = known(playbook, steps_of(self.step));
        let started = Instant::now();
        let job = Job {
            nonce: self.nonce(),
            id,
            claim: Claim {
                run: self.context.settings.run.clone(),
                owner: self.context.owner.clone(),
                change: self.context.settings.change.clone(),
                force: self.context.force,
                // Only once it is known that the host is exactly back: a rollback that ends well may leave differences.
                release: self.step == Step::Forget,
            },
            script: self.script(playbook, &steps, self.step.as_str()),
        };
        let end = self.context.transport.job(self.settings(), &job, &self.listener()).await;
        let took = started.elapsed();
        let (output, died) = match end {
            Ok(JobEnd::Done(output)) => (output, None),
            Ok(JobEnd::Died { why, output }) => (output, Some(why)),
            Err(failure) => return self.no_end(failure),
        };
        let mut ended = self.judge(&steps, output, died);
        if let StepResult::Done(report) | StepResult::Failed { report, .. } = &mut ended.result {
            report.took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        }
        ended
    }
}

/// What a host says goes to the display.
struct HostListener {
    host: crate::core::ids::HostName,
    display: Arc<dyn Display>,
}

impl Listener for HostListener {
    fn line(&self, text: &str) {
        self.display.show(&View::HostLog { host: self.host.clone(), line: text.to_owned() });
    }

    fn record(&self, text: &str) {
        // What the step says it is doing; everything else is read at its end.
        if let Some(phase) = text.strip_prefix("phase\t") {
            self.display.show(&View::HostLog { host: self.host.clone(), line: phase.to_owned() });
        }
        // That may take minutes, and only a person can do anything about it.
        if let Some([file, pid, command]) = text.strip_prefix("lock\t").and_then(fields) {
            self.notice(&format!("waits for process {pid} ({command}), which holds {file}"));
        }
    }

    fn notice(&self, text: &str) {
        self.display.show(&View::Notice { host: self.host.clone(), text: text.to_owned() });
    }
}

/// The three fields of a record.
fn fields(text: &str) -> Option<[&str; 3]> {
    let mut fields = text.split('\t');
    let three = [fields.next()?, fields.next()?, fields.next()?];
    fields.next().is_none().then_some(three)
}

/// The playbook's steps of a scheduled step.
fn steps_of(step: Step) -> &'static [StepName] {
    match step {
        Step::Resolve => &[StepName::Refresh, StepName::Inspect, StepName::Resolve, StepName::Preflight],
        Step::Stash => &[StepName::Baseline, StepName::Stash],
        Step::Apply => &[StepName::Apply],
        Step::Settle => &[StepName::Restart, StepName::Verify],
        Step::Rollback => &[StepName::Rollback, StepName::Compare],
        Step::Forget => &[StepName::Forget],
    }
}

fn known(playbook: &Playbook, steps: &[StepName]) -> Vec<StepName> {
    steps.iter().copied().filter(|step| playbook.steps.contains_key(step)).collect()
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

/// The digest under which a list is interned.
fn digest_of<T: serde::Serialize>(list: &[T]) -> Digest {
    // Lists of names and versions: writing them as JSON cannot fail.
    Digest::of_json(&list).unwrap_or(Digest::ZERO)
}
