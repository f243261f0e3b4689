//! One step on one host: the playbook's scripts with their parameters, sent through the transport, and what came back,
//! as an input for the run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::core::event::{Input, Step};
use crate::core::findings::{Fate, Identity, Resolution, StepReport, StepResult, sorted};
use crate::core::ids::{Digest, HostIx, JobId, PlaybookName, StageIx};
use crate::core::packages::{Package, PackageOp, PackageRequest};
use crate::core::pins::Pins;
use crate::core::problem::{ErrorKind, Problem};
use crate::core::rollout::Rollout;
use crate::core::settings::{Host, RunKind, Select, Settings, Stage};
use crate::core::view::{Display, View};
use crate::playbook::{self, Playbook, Records, Rights, StepName};
use crate::ports::{Claim, Failure, Job, JobEnd, Listener, Output, Privilege, Script, Transport};

/// How long a step waits for the package manager's lock, unless the plan says otherwise (`lock_timeout` in
/// `[patch.vars]`).
const LOCK_TIMEOUT: &str = "120";

/// How many of a failed step's last log lines become part of the record.
const TAIL_LINES: usize = 12;

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
            RunKind::Rollback { undo, .. } => undo.get(&self.settings().name).cloned().unwrap_or_default(),
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
                release: matches!(self.step, Step::Rollback | Step::Forget),
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

    fn no_end(&self, failure: Failure) -> Ended {
        // Taking back is only ever begun where something was changed: a host that cannot be reached for it is lost.
        let lost = failure.may_have_begun || self.inherited || self.step == Step::Rollback;
        let fate = match (self.step, lost) {
            (_, true) => Fate::Lost,
            (Step::Settle, false) => Fate::Changed,
            (_, false) => Fate::Unchanged,
        };
        Ended::failed(failure.problem, fate, StepReport::default(), Vec::new())
    }

    fn judge(&self, steps: &[StepName], output: Output, died: Option<String>) -> Ended {
        let records = match playbook::parse(&output.records) {
            Ok(records) => records,
            Err(error) => return unreadable(&error, Fate::Changed, output),
        };
        let finished = died.is_none() && records.finished(steps) && records.problems.is_empty();
        let mut report = report(&records, &output.log, !finished);
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
            let shown =
                |v: Option<&crate::core::packages::Version>| v.map_or("not installed".into(), ToString::to_string);
            Some(format!("{} is {}, and should be {}", op.name, shown(found), shown(op.to.as_ref())))
        })
    }

    /// Names this run on this host: a folder with our job's ID but another nonce is not ours.
    fn nonce(&self) -> String {
        let settings = &self.context.settings;
        Digest::of(format!("{} {} {}", settings.run, settings.plan_digest, self.settings().name).as_bytes()).hex()
    }

    fn listener(&self) -> HostListener {
        HostListener { host: self.settings().name.clone(), display: Arc::clone(&self.context.display) }
    }

    fn script(&self, playbook: &Playbook, steps: &[StepName], name: &'static str) -> Script {
        let (text, limit) = playbook.script(steps);
        Script {
            name,
            text,
            env: self.env(),
            files: self.files(playbook),
            privilege: match playbook.rights {
                Rights::Root => Privilege::Root,
                Rights::User => Privilege::User,
            },
            timeout: limit.min(self.stage().timeout).max(Duration::from_secs(1)),
        }
    }

    fn env(&self) -> BTreeMap<String, String> {
        let settings = &self.context.settings;
        let patch = &settings.patch;
        let stage = self.stage();
        let flag = |on: bool| if on { "1" } else { "0" }.to_owned();
        let run = match &settings.kind {
            RunKind::Run => &settings.run,
            // The stash to go back to is the one of the run that is undone.
            RunKind::Rollback { of, .. } => of,
        };
        let lock_timeout = patch.vars.get("lock_timeout").cloned().unwrap_or_else(|| LOCK_TIMEOUT.into());
        let mut env: BTreeMap<String, String> = [
            ("RUN", run.to_string()),
            ("CHANGE", settings.change.to_string()),
            ("STAGE", stage.name.to_string()),
            ("HOST", self.settings().name.to_string()),
            ("SELECT", self.select().as_str().into()),
            ("INSTALL", flag(patch.install)),
            ("ALLOW_REMOVALS", flag(patch.allow_removals)),
            ("REFRESH", flag(self.context.refresh)),
            ("WANT_INSTALLED", flag(self.proof)),
            ("LOCK_TIMEOUT", lock_timeout),
            ("RESTART", stage.restart.as_str().into()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        env.extend(
            patch.vars.iter().map(|(name, value)| (format!("VAR_{}", name.to_ascii_uppercase()), value.clone())),
        );
        env
    }

    /// With an approved list, "all" means all of the list: nothing else may be asked for.
    fn select(&self) -> Select {
        let patch = &self.context.settings.patch;
        if patch.approved.is_some() && patch.select == Select::All { Select::Packages } else { patch.select }
    }

    fn requests(&self, playbook: &Playbook) -> &[PackageRequest] {
        let patch = &self.context.settings.patch;
        match (&patch.approved, patch.select) {
            (Some(approved), Select::All) => approved,
            _ => patch.packages_for.get(&playbook.name).unwrap_or(&patch.packages),
        }
    }

    fn files(&self, playbook: &Playbook) -> BTreeMap<String, String> {
        let settings = &self.context.settings;
        let patch = &settings.patch;
        let lines = |list: &[String]| list.iter().fold(String::new(), |text, line| text + line + "\n");
        let mut files: BTreeMap<String, String> = [
            ("packages", request_lines(self.requests(playbook))),
            ("exclude", lines(&patch.exclude)),
            ("restart_exclude", lines(&self.stage().restart_exclude)),
        ]
        .map(|(name, text)| (name.to_owned(), text))
        .into();
        if self.step.is_job() {
            files.insert("transaction".into(), transaction_lines(&self.ops));
        }
        if let RunKind::Rollback { packages, .. } = &settings.kind
            && !packages.is_empty()
        {
            let undo = self.ops.iter().fold(String::new(), |mut text, op| {
                let _ = writeln!(text, "{}\t{}", op.name, op.arch);
                text
            });
            files.insert("undo".into(), undo);
        }
        files
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
    }

    fn notice(&self, text: &str) {
        self.display.show(&View::Notice { host: self.host.clone(), text: text.to_owned() });
    }
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

fn report(records: &Records, log: &[u8], failed: bool) -> StepReport {
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
        tail: if failed { tail(log) } else { Vec::new() },
        log: None,
        took_ms: 0,
    }
}

/// A service may be reported twice (restarted, then looked at): a restart that worked stands unless it is stale again.
fn latest(services: &[crate::core::findings::Service]) -> Vec<crate::core::findings::Service> {
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
fn what_failed(records: &Records, output: &Output) -> Problem {
    if let Some(problem) = records.problems.first() {
        return problem.clone();
    }
    let step = records.stopped_in().map_or("the script", StepName::as_str);
    let code = output.code.map_or("without an exit code".to_owned(), |code| format!("with exit code {code}"));
    let last = tail(&output.log).pop().map(|line| format!(": {line}")).unwrap_or_default();
    Problem::new(ErrorKind::Internal, format!("{step} ended {code} and did not say why{last}")).during(step)
}

fn unreadable(error: &playbook::RecordError, fate: Fate, output: Output) -> Ended {
    let problem = Problem::new(ErrorKind::Internal, format!("what the host reported cannot be used: {error}"))
        .hint("nothing was guessed from it; look at the step's log (`patchctl status RUN -v`)");
    let report = StepReport { tail: tail(&output.log), ..StepReport::default() };
    Ended::failed(problem, fate, report, output.log)
}

fn request_lines(requests: &[PackageRequest]) -> String {
    requests.iter().fold(String::new(), |mut text, request| {
        let arch = request.arch.as_ref().map(|arch| format!(":{arch}")).unwrap_or_default();
        let version = request.version.as_ref().map_or("", |version| version.as_str());
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}{arch}\t{version}", request.name);
        text
    })
}

fn package_lines(packages: &[Package]) -> String {
    packages.iter().fold(String::new(), |mut text, package| {
        let version = package.version.as_ref().map_or("", |version| version.as_str());
        let _ = writeln!(text, "{}\t{}\t{version}", package.name, package.arch);
        text
    })
}

fn transaction_lines(ops: &[PackageOp]) -> String {
    ops.iter().fold(String::new(), |mut text, op| {
        let version =
            |v: &Option<crate::core::packages::Version>| v.as_ref().map(ToString::to_string).unwrap_or_default();
        let (from, to) = (version(&op.from), version(&op.to));
        let _ = writeln!(text, "{}\t{}\t{}\t{from}\t{to}", op.op.as_str(), op.name, op.arch);
        text
    })
}

/// The digest under which a list is interned.
fn digest_of<T: serde::Serialize>(list: &[T]) -> Digest {
    // Lists of names and versions: writing them as JSON cannot fail.
    Digest::of_json(&list).unwrap_or(Digest::ZERO)
}
