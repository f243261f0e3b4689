//! The loop that drives a run, and the tasks that carry out its effects.
//!
//! The order never changes: something reaches the run, it is decided on, the events are in the journal and on the
//! disk, they are applied, shown, and only then are new effects carried out.

mod ask;
pub mod audit;
pub mod dossier;
mod hear;
mod notify;
mod run;
mod show;
mod signed;
mod steps;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::{AbortHandle, JoinSet};

pub use self::ask::Preapproved;
use self::notify::Post;
pub use self::notify::deliver;
pub use self::run::{Run, Tap};
pub use self::signed::{NotSigned, checked, not_too_long, preapproved, preapproved_by, standing, unchecked};
pub use self::steps::{Playbooks, StepContext, installed};
use crate::core::emergency::{self, Declaration};
use crate::core::event::{Event, Input};
use crate::core::forecast::Earlier;
use crate::core::ids::{HostIx, StageIx};
use crate::core::problem::{ErrorKind, Problem};
use crate::core::rollout::{Effect, Misfit, Refusal, Slot};
use crate::core::settings::{Person, Settings, stamp};
use crate::core::view::{Display, Level, View};
use crate::ports::control::Control;
use crate::ports::signatures::Signatures;
use crate::ports::{Approver, Clock, Inbox, Notifier, People, Signals, Transport};

/// How often a host or repository that does not answer is tried before anything is begun.
const RESOLVE_TRIES: u32 = 3;

/// For how long a process that waits for a window does not look at the clock.
const LONGEST_NAP: Duration = Duration::from_secs(60);

/// The world outside, through its ports.
pub struct World {
    /// Reaches hosts.
    pub transport: Arc<dyn Transport>,
    /// Asks the person.
    pub approver: Arc<dyn Approver>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Knows who is who.
    pub people: Arc<dyn People>,
    /// Checks signatures.
    pub signatures: Arc<dyn Signatures>,
    /// Sends messages.
    pub notifier: Arc<dyn Notifier>,
    /// Runs commands here, and asks servers from here.
    pub control: Arc<dyn Control>,
    /// Shows what happens.
    pub display: Arc<dyn Display>,
    /// Takes letters from other processes.
    pub inbox: Box<dyn Inbox>,
    /// Takes signals.
    pub signals: Box<dyn Signals>,
}

/// What this process may do by itself.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who drives.
    pub person: Person,
    /// Which patchctl.
    pub version: String,
    /// Nobody is asked before the first change.
    pub confirmed: bool,
    /// Gates that the caller approved beforehand.
    pub approve: Vec<StageIx>,
    /// Why.
    pub reason: Option<String>,
    /// What somebody signed beforehand.
    pub preapproval: Option<Preapproved>,
    /// What happens at a gate that nobody here can decide.
    pub on_gate: OnGate,
    /// For how long it waits by itself for a window before the run pauses.
    pub wait: Duration,
    /// Why this is an emergency; none: it is none.
    pub emergency: Option<String>,
    /// What is wanted of the run before it goes on: hosts tried again, lost ones asked, the whole cancelled.
    pub first: Option<Input>,
    /// At most so many hosts at a time, whatever the stages allow.
    pub forks: Option<u32>,
    /// Only hosts are asked: `plan`.
    pub ask_only: bool,
    /// How long hosts took in earlier runs of the plan, the newest first.
    pub earlier: Vec<Earlier>,
    /// Package indexes are left as they are (`plan --no-refresh`).
    pub refresh: bool,
    /// Another run's claim is no obstacle.
    pub force: bool,
}

/// What happens at a gate that nobody here can decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnGate {
    /// The run pauses.
    Pause,
    /// The gate is rejected.
    Reject,
}

/// Why a run cannot be driven on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The journal cannot be written: nothing may be done any more.
    #[error("the journal cannot be written; hosts are as its last line says")]
    Journal(#[source] std::io::Error),
    /// The state and an event do not fit.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// An event cannot be written as JSON.
    #[error("an event cannot be written")]
    Encoding(#[from] serde_json::Error),
    /// Nothing is under way, nothing is waited for, and the run is not over.
    #[error("the run is stuck: nothing is under way and nothing is waited for")]
    Stuck,
    /// The input does not fit the state.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// What a task brings back.
enum Outcome {
    Input(Slot, Box<Input>, Vec<u8>),
    Nothing(Slot),
}

/// Drives a run until it is over, waits for somebody, or is told to stop.
///
/// # Errors
/// When the journal cannot be written, or patchctl contradicts itself. Hosts are as the journal says then.
pub async fn drive(run: &mut Run, world: World, playbooks: Playbooks, options: Options) -> Result<(), EngineError> {
    let now = world.clock.now();
    if let Some(first) = &options.first {
        // Refused before anything is written: a wish that cannot be granted leaves the run as it was.
        run.rollout.decide(first.clone(), now)?;
    }
    let declaration = options
        .emergency
        .clone()
        .map(|reason| declaration(run.rollout.settings(), &*world.people, options.person.clone(), reason));
    if let Some(declaration) = &declaration {
        if let Some(why) = declaration.objection(run.rollout.settings(), now) {
            return Err(Refusal::NoEmergency(why).into());
        }
        if options.first.is_none() {
            run.rollout.decide(Input::Declare(declaration.clone()), now)?;
        }
    }
    run.take(
        Input::Drive { by: options.person.clone(), version: options.version.clone(), confirmed: options.confirmed },
        now,
    )?;
    // Steps that an earlier process began: what their hosts did meanwhile, nobody here knows.
    let inherited = run.rollout.running().map(|(host, _)| host).collect();
    if let Some(first) = options.first.clone() {
        match run.take(first, now) {
            // A gate whose time was up took the only reason with it; the run goes on all the same.
            Err(EngineError::Refused(Refusal::NothingToRetry)) => {}
            other => other?,
        }
    }
    if let Some(declaration) = declaration {
        // What was wanted first may have opened a run that was over.
        let events = run.rollout.decide(Input::Declare(declaration), now)?;
        run.commit(&events, now)?;
        events.iter().flat_map(|event| show::views(&run.rollout, event)).for_each(|view| world.display.show(&view));
    }
    run.rollout.limit(options.forks);
    let context = Arc::new(StepContext {
        settings: Arc::clone(run.rollout.settings()),
        transport: Arc::clone(&world.transport),
        control: Arc::clone(&world.control),
        display: Arc::clone(&world.display),
        playbooks,
        owner: options.person.name.clone(),
        refresh: options.refresh,
        force: options.force || run.rollout.is_emergency(),
        resolve_tries: if options.ask_only { 1 } else { RESOLVE_TRIES },
        room: options.forks.map(|forks| tokio::sync::Semaphore::new(forks.max(1) as usize)),
    });
    let post = Post::new(Arc::clone(&world.notifier), Arc::clone(&world.clock), Arc::clone(&world.display));
    if !options.ask_only {
        post.warn(&run.rollout.settings().notify);
    }
    let mut driver = Driver {
        inherited,
        post,
        run,
        world,
        options,
        context,
        tasks: JoinSet::new(),
        prompts: HashMap::new(),
        steps: HashMap::new(),
        busy: 0,
        sleeps_until: None,
    };
    let mut result = driver.until_rest().await;
    if result.is_ok() {
        result = driver.say_goodbye().await;
    }
    driver.world.display.show(&View::RunDone);
    result
}

/// An emergency as this person declares it.
pub fn declaration(settings: &Settings, people: &dyn People, by: Person, reason: String) -> Declaration {
    let groups = people.groups_of(&by.name, &emergency::groups(settings));
    Declaration { by, groups, reason }
}

struct Driver<'a> {
    run: &'a mut Run,
    world: World,
    options: Options,
    context: Arc<StepContext>,
    tasks: JoinSet<Outcome>,
    prompts: HashMap<Slot, AbortHandle>,
    steps: HashMap<HostIx, AbortHandle>,
    inherited: HashSet<HostIx>,
    post: Post,
    busy: usize,
    /// The opening that it said to wait for.
    sleeps_until: Option<Timestamp>,
}

impl Driver<'_> {
    async fn until_rest(&mut self) -> Result<(), EngineError> {
        loop {
            self.settle()?;
            self.close_decided_prompts();
            if self.run.rollout.is_finished() || self.run.rollout.paused().is_some() {
                return Ok(());
            }
            self.carry_out()?;
            if self.busy == 0 && !self.sleeps() {
                return self.leave();
            }
            self.tell_sleep();
            self.wait().await?;
        }
    }

    /// Everything that follows by itself, journaled in one write for as long as nothing outside is touched.
    fn settle(&mut self) -> Result<(), EngineError> {
        loop {
            let now = self.world.clock.now();
            let Some(event) = self.run.rollout.advance(self.run.head.digest, now) else { return Ok(()) };
            self.run.commit(std::slice::from_ref(&event), now)?;
            self.show(&event);
        }
    }

    fn show(&self, event: &Event) {
        for view in show::views(&self.run.rollout, event) {
            self.world.display.show(&view);
        }
    }

    fn carry_out(&mut self) -> Result<(), EngineError> {
        while let Some(effect) = self.run.rollout.next_effect() {
            let slot = effect.slot();
            match effect {
                Effect::Confirm | Effect::Notify(_) if self.options.ask_only => continue,
                // Nothing waits for it: it does not make the run busy.
                Effect::Notify(queued) => {
                    self.post.send(self.run, &queued);
                    continue;
                }
                Effect::Step { host, step, job } => {
                    let inherited = self.inherited.remove(&host);
                    let task = self.context.prepare(&self.run.rollout, host, step, job, inherited, self.run.head);
                    let handle = self.tasks.spawn(async move {
                        let (input, log) = task.run().await;
                        Outcome::Input(slot, Box::new(input), log)
                    });
                    self.steps.insert(host, handle);
                }
                Effect::Hook { stage, hook, host, job } => {
                    let task = self.context.prepare_hook(&self.run.rollout, stage, host, job, self.run.head);
                    self.tasks.spawn(async move {
                        let (input, log) = task.stage_hook(hook).await;
                        Outcome::Input(slot, Box::new(input), log)
                    });
                }
                Effect::Confirm => self.ask_to_begin(),
                Effect::Ask { stage, .. } => self.ask_at_gate(stage)?,
            }
            self.busy += 1;
        }
        Ok(())
    }

    /// Whether a stage that waits for its window may begin so soon that this process waits for it, too.
    fn sleeps(&self) -> bool {
        let (rollout, now) = (&self.run.rollout, self.world.clock.now());
        let soon =
            |opens: Timestamp| Duration::try_from(opens.duration_since(now)).is_ok_and(|d| d <= self.options.wait);
        !self.options.ask_only && !rollout.is_stopping() && rollout.next_opening(now).is_some_and(soon)
    }

    /// Whoever sits at a terminal where nothing moves should know why.
    fn tell_sleep(&mut self) {
        if self.busy > 0 {
            return;
        }
        let opens = self.run.rollout.next_opening(self.world.clock.now());
        if let Some(opens) = opens.filter(|at| self.sleeps_until != Some(*at)) {
            let text =
                format!("waiting here until {} (`--wait 0s` leaves that to `patchctl resume --due`)", stamp(opens));
            self.world.display.show(&View::Message { level: Level::Info, text });
        }
        self.sleeps_until = opens;
    }

    fn leave(&mut self) -> Result<(), EngineError> {
        if self.options.ask_only {
            return Ok(());
        }
        let why = self.run.rollout.waits_for().ok_or(EngineError::Stuck)?;
        let now = self.world.clock.now();
        self.run.take(Input::Leave { why }, now)
    }

    async fn wait(&mut self) -> Result<(), EngineError> {
        let (rollout, now) = (&self.run.rollout, self.world.clock.now());
        let next = [rollout.next_expiry(), rollout.next_reminder(), rollout.next_opening(now), rollout.next_look(now)];
        let next = next.into_iter().flatten().min();
        let expiry = next.map(|at| at.duration_since(now));
        // Past the moment, not at it; the wall clock may be set meanwhile, so this is looked at anew each time.
        let expiry = expiry.map(|left| Duration::try_from(left).unwrap_or_default() + Duration::from_millis(1));
        // A machine that sleeps stops the timer, and not the wall clock.
        let nap = (self.busy == 0).then_some(LONGEST_NAP);
        let expiry = expiry.into_iter().chain(nap).min();
        tokio::select! {
            // In this order, and not by chance: what a person wants goes before what hosts say.
            biased;
            signal = self.world.signals.next() => self.signal(signal),
            letter = self.world.inbox.next() => self.letter(letter),
            Some(done) = self.tasks.join_next() => self.task_ended(done),
            Some(came) = self.post.next() => self.posted(came),
            () = tokio::time::sleep(expiry.unwrap_or_default()), if expiry.is_some() => self.time_is_up(),
        }
    }

    fn task_ended(&mut self, done: Result<Outcome, tokio::task::JoinError>) -> Result<(), EngineError> {
        self.busy -= 1;
        let (slot, input, log) = match done {
            Ok(Outcome::Input(slot, input, log)) => (slot, input, log),
            Ok(Outcome::Nothing(slot)) => {
                self.prompts.remove(&slot);
                return Ok(());
            }
            // A prompt whose decision came from elsewhere, or a step on a host that was given up.
            Err(gone) if gone.is_cancelled() => return Ok(()),
            // The step's intent stays in the journal: a resumed run asks its host what became of it.
            Err(_) => return Err(EngineError::Stuck),
        };
        self.prompts.remove(&slot);
        if let Slot::Host(host) = slot {
            self.steps.remove(&host);
        }
        let input = self.keep_log(*input, &log)?;
        match self.input(input) {
            Err(EngineError::Refused(Refusal::Expired)) => self.time_is_up(),
            // Somebody else was faster, or what was asked about is gone.
            Err(EngineError::Refused(
                Refusal::OutOfDate | Refusal::Decided { .. } | Refusal::NotCounted(_) | Refusal::NoGate(_),
            )) => Ok(()),
            other => other,
        }
    }

    /// Keeps a step's log as a blob that the result names.
    fn keep_log(&mut self, mut input: Input, log: &[u8]) -> Result<Input, EngineError> {
        use crate::core::findings::StepResult;
        if let Input::StepEnded {
            result:
                StepResult::Done(report) | StepResult::Failed { report, .. } | StepResult::RestoredItself { report, .. },
            ..
        } = &mut input
            && !log.is_empty()
        {
            report.log = Some(self.run.store.put_blob(log).map_err(EngineError::Journal)?);
        }
        if let Input::HookEnded { log: kept, .. } = &mut input
            && !log.is_empty()
        {
            *kept = Some(self.run.store.put_blob(log).map_err(EngineError::Journal)?);
        }
        Ok(input)
    }

    fn input(&mut self, input: Input) -> Result<(), EngineError> {
        let now = self.world.clock.now();
        let events = self.run.rollout.decide(input, now)?;
        self.carried(&events, now)
    }

    fn carried(&mut self, events: &[Event], now: Timestamp) -> Result<(), EngineError> {
        self.run.commit(events, now)?;
        for event in events {
            self.show(event);
        }
        if self.run.rollout.is_stopping() {
            self.close_prompts();
        }
        Ok(())
    }

    fn close_prompts(&mut self) {
        for (_, handle) in self.prompts.drain() {
            handle.abort();
        }
    }

    /// Gates that nobody decided in time reject, where the plan says so.
    fn time_is_up(&mut self) -> Result<(), EngineError> {
        self.input(Input::Tick)?;
        self.close_decided_prompts();
        Ok(())
    }

    /// Closes prompts of gates that are decided or gone.
    fn close_decided_prompts(&mut self) {
        let rollout = &self.run.rollout;
        self.prompts.retain(|slot, handle| {
            let open = match slot {
                Slot::Gate(stage) => rollout.stages()[stage.at()].open_gate().is_some(),
                Slot::Confirm => rollout.is_confirming(),
                Slot::Host(_) | Slot::Message(_) | Slot::Hook(_) => true,
            };
            if !open {
                handle.abort();
            }
            open
        });
    }
}

/// What became of an engine error, for the result document.
impl From<&EngineError> for Problem {
    fn from(error: &EngineError) -> Self {
        use std::error::Error as _;
        let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
        Self::new(ErrorKind::Internal, format!("{error}{cause}"))
    }
}
