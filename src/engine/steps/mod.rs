//! One step on one host: the playbook's scripts with their parameters, sent through the transport, and what came back,
//! as an input for the run.

mod around;
mod checks;
mod inputs;
mod jobs;
mod judge;
mod look;
mod reboot;
mod recheck;
mod resolve;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use self::look::installed;
use crate::core::event::{Input, Step};
use crate::core::findings::{Fate, StepReport, StepResult};
use crate::core::host::Place;
use crate::core::ids::{Digest, HostIx, JobId, PlaybookName, StageIx};
use crate::core::packages::{Package, PackageOp};
use crate::core::pins::Pins;
use crate::core::problem::Problem;
use crate::core::record::Head;
use crate::core::rollout::Rollout;
use crate::core::settings::{Host, Settings, Stage};
use crate::core::stage::Phase;
use crate::core::view::{Display, View};
use crate::playbook::{Playbook, StepName};
use crate::ports::control::Control;
use crate::ports::{Listener, Transport};

/// How much longer each further try of a stash waits.
const STASH_WAIT: Duration = Duration::from_secs(5);

/// The playbooks of a run, frozen at its start.
pub type Playbooks = Arc<BTreeMap<PlaybookName, Playbook>>;

/// What every step of a run needs.
pub struct StepContext {
    /// The frozen settings.
    pub settings: Arc<Settings>,
    /// Reaches hosts.
    pub transport: Arc<dyn Transport>,
    /// Runs commands here, and asks servers from here.
    pub control: Arc<dyn Control>,
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
    /// How often a host or repository that does not answer is tried before anything is begun.
    pub resolve_tries: u32,
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
    /// How far the journal has come.
    head: Head,
    /// The job is asked about, and not begun.
    asked: bool,
    /// Which try of the step this is, from 1.
    attempt: u32,
    /// How often the run was taken up.
    epoch: u64,
    dead_man: HostDeadMan,
    /// The boot in which the transaction came into effect.
    boot_id: Option<String>,
    /// What is inspected again, where something is patched already: these packages.
    approved: Option<Vec<Package>>,
    /// What checks before the patch said, and how the host was.
    before: Option<Box<StepReport>>,
    /// The host's wave.
    wave: u32,
    /// It is patched, or as it was.
    known_good: bool,
    /// What was fetched stays: it was fetched ahead of its time.
    ahead: bool,
}

/// What is known of the host's dead man.
#[derive(Debug, Clone, Copy)]
struct HostDeadMan {
    /// How long it waits, where there is one.
    wait: Option<Duration>,
    /// It may act.
    armed: bool,
    /// It has acted, and what came of that is known.
    acted: bool,
    /// The number of its last arming.
    arming: u32,
}

impl StepContext {
    pub(super) fn prepare(
        self: &Arc<Self>,
        rollout: &Rollout,
        host: HostIx,
        step: Step,
        job: Option<JobId>,
        inherited: bool,
        head: Head,
    ) -> Task {
        let run = rollout.host(host);
        let found = run.resolution.as_deref();
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
            head,
            asked: run.asked,
            attempt: run.tries(step),
            epoch: rollout.epoch(),
            dead_man: HostDeadMan {
                wait: run.dead_man().map(Duration::from_secs),
                armed: run.armed,
                acted: run.acted,
                arming: run.arming(),
            },
            boot_id: run.settled.as_deref().and_then(|report| report.boot_id.clone()),
            approved: (run.place != Place::Ready).then(|| run.evidence().packages),
            before: run.probed.clone(),
            wave: run.wave,
            known_good: run.is_known_good(),
            ahead: rollout.stages()[rollout.stage_of(host).at()].phase == Phase::Prefetching,
        }
    }
}

impl StepContext {
    /// A stage's own hook: on this host, or here.
    pub(super) fn prepare_hook(
        self: &Arc<Self>,
        rollout: &Rollout,
        stage: StageIx,
        host: Option<HostIx>,
        job: Option<JobId>,
        head: Head,
    ) -> Task {
        // Here it needs nothing of the host; a stage has one, else it would not have begun.
        let of = host.or_else(|| self.settings.stages[stage.at()].hosts.first().copied()).unwrap_or(HostIx(0));
        Task { stage, ..self.prepare(rollout, of, Step::Before, job, false, head) }
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
        Self::with(StepResult::Failed { problem, fate, report: Box::new(report) }, log)
    }

    fn with(result: StepResult, log: Vec<u8>) -> Self {
        Self { result, ops: Vec::new(), installed: Vec::new(), log }
    }
}

/// How a step's work ended.
enum Worked {
    /// With a result.
    Ended(Box<Ended>),
    /// The host does not take us for who we are any more: what became of the step is not known yet.
    Barred(Problem),
}

impl Task {
    pub(super) async fn run(self) -> (Input, Vec<u8>) {
        let context = Arc::clone(&self.context);
        // A host whose dead man waits does not wait for others.
        let hurries = self.dead_man.armed && matches!(self.step, Step::Settle | Step::Confirm | Step::Rollback);
        let _place = match context.room.as_ref().filter(|_| !hurries) {
            // It is never closed.
            Some(room) => room.acquire().await.ok(),
            None => None,
        };
        let worked = match (self.step, &self.job) {
            (Step::Confirm, _) => self.confirm().await,
            (Step::Reboot, Some(job)) => self.reboot(job.clone()).await,
            (Step::Recheck, _) => Worked::Ended(Box::new(self.recheck().await)),
            (Step::Probe | Step::Check, _) => self.checks().await,
            (step, _) if step.is_of_plan() => self.around().await,
            (Step::Rollback, _) if self.is_irreversible() => self.compensate().await,
            (Step::Resolve, _) | (_, None) => Worked::Ended(Box::new(self.resolve_at_last().await)),
            (_, Some(job)) => self.job(job.clone()).await,
        };
        match worked {
            Worked::Ended(ended) => {
                let Ended { result, ops, installed, log } = *ended;
                let result = self.named(result);
                (Input::StepEnded { host: self.host, step: self.step, result, ops, installed }, log)
            }
            Worked::Barred(problem) => {
                let problem = self.problem_here(problem);
                (Input::Barred { host: self.host, step: self.step, problem }, Vec::new())
            }
        }
    }

    fn problem_here(&self, mut problem: Problem) -> Problem {
        problem.host.get_or_insert_with(|| self.settings().name.clone());
        problem.step.get_or_insert_with(|| self.step.as_str().to_owned());
        problem
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
            StepResult::Failed { problem, fate, report } => {
                StepResult::Failed { problem: self.problem_here(problem), fate, report }
            }
            StepResult::RestoredItself { problem, report } => {
                StepResult::RestoredItself { problem: problem.map(|problem| self.problem_here(problem)), report }
            }
            other => other,
        }
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
        Step::Stash | Step::Prefetch => &[StepName::Baseline, StepName::Stash],
        Step::Apply => &[StepName::Apply],
        Step::Settle => &[StepName::Restart, StepName::Verify],
        Step::Rollback => &[StepName::Rollback, StepName::Compare],
        Step::Forget => &[StepName::Forget],
        Step::Confirm => &[],
        Step::Reboot => &[StepName::Reboot],
        Step::Recheck => &[StepName::Inspect],
        Step::Before | Step::Probe | Step::Snapshot | Step::Check | Step::After | Step::Restore | Step::Discard => &[],
    }
}

fn known(playbook: &Playbook, steps: &[StepName]) -> Vec<StepName> {
    steps.iter().copied().filter(|step| playbook.steps.contains_key(step)).collect()
}

/// The digest under which a list is interned.
fn digest_of<T: serde::Serialize>(list: &[T]) -> Digest {
    // Lists of names and versions: writing them as JSON cannot fail.
    Digest::of_json(&list).unwrap_or(Digest::ZERO)
}
