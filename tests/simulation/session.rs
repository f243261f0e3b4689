//! One seed: a world, a run, and the processes that drive it one after the other until it is over.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;
use patchctl::core::document::Verdict;
use patchctl::core::event::{Event, Input};
use patchctl::core::ids::{Digest, HostIx, StageIx};
use patchctl::core::report::{self, Driven};
use patchctl::core::rollout::Rollout;
use patchctl::core::settings::Settings;
use patchctl::core::view::NoDisplay;
use patchctl::engine::{self, EngineError, OnGate, Options, Run};
use patchctl::ports::signatures::{BadSignature, SignError, Signature, Signatures, Signer};
use patchctl::ports::{Reply, Wish};
use tokio::time::{Instant, sleep};

use crate::around::Here;
use crate::disk::{Disk, DiskPort};
use crate::host::{Host, Net, Outage, Versions};
use crate::mail;
use crate::mutation::Mutation;
use crate::people::{Keyboard, Post};
use crate::plan::{self, DAY, person};
use crate::rng::Rng;
use crate::world::{Act, Blow, Counters, Faults, Shared, World};

/// A run that is not over after so many processes never will be.
const MOST_SESSIONS: u32 = 40;

/// What came of a seed.
pub(crate) struct Told {
    pub(crate) wrong: Vec<String>,
    pub(crate) story: Vec<String>,
    pub(crate) counters: Counters,
    pub(crate) digest: Digest,
}

/// Plays one seed.
pub(crate) fn play(seed: u64, telling: bool, mutation: Option<Mutation>) -> Told {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without I/O");
    let shared = runtime.block_on(async {
        let (shared, given) = world(seed, telling, mutation);
        let last = Box::pin(run_to_its_end(&shared, &given)).await;
        let undo = last.as_ref().and_then(plan::undo);
        let wanted = shared.lock().rng.chance(250);
        if let Some(undo) = undo.filter(|_| wanted) {
            let given = shared.lock().next_run(undo);
            Box::pin(run_to_its_end(&shared, &given)).await;
        }
        shared
    });
    let mut world = shared.lock();
    world.counters.seeds = 1;
    world.counters.simulated_ms = world.now_of(&runtime);
    Told {
        wrong: std::mem::take(&mut world.wrong),
        story: world.story.take().unwrap_or_default(),
        counters: std::mem::take(&mut world.counters),
        digest: Digest::of(&world.disk.journal),
    }
}

fn faults(rng: &mut Rng) -> Faults {
    let mut rate = |most: u32| match rng.below(3) {
        0 => 0,
        1 => most / 5,
        _ => most,
    };
    Faults {
        step: rate(200),
        net: rate(250),
        read: rate(120),
        crash: rate(800),
        disk: rate(200),
        signal: rate(300),
        people: rate(600),
        others: rate(300),
    }
}

fn world(seed: u64, telling: bool, mutation: Option<Mutation>) -> (Shared, Arc<Settings>) {
    let mut rng = Rng::new(seed);
    let settings = plan::settings(&mut rng);
    let given = mutation.map_or_else(|| settings.clone(), |mutation| mutation.given(settings.clone()));
    let (settings, given) = (Arc::new(settings), Arc::new(given));
    let faults = if rng.chance(100) { Faults::default() } else { faults(&mut rng) };
    let hosts = settings.hosts.iter().map(|host| simulated(host.name.as_str(), &mut rng, faults)).collect();
    let repository = ["libc", "openssl", "zlib", "curl"].map(|name| {
        let mut versions = vec![(0, u32::try_from(rng.range(1, 3)).unwrap_or(1))];
        while rng.chance(350) {
            let (from, version) = versions.last().copied().unwrap_or((0, 1));
            versions.push((from + rng.range(1, 900_000), version + 1));
        }
        (name.to_owned(), versions)
    });
    let world = World {
        looks: Rng::new(seed).fork("looks at hosts"),
        looks_made: 0,
        started: Instant::now(),
        skew: SignedDuration::ZERO,
        disk: Disk::new(Arc::clone(&given), Arc::clone(&settings)),
        settings,
        hosts,
        repository: repository.into(),
        faults,
        calm: false,
        gone: false,
        blow: None,
        letters: Vec::new(),
        signals: Vec::new(),
        bell: Arc::default(),
        acts: std::collections::BTreeMap::new(),
        letter_reasons: std::collections::BTreeMap::new(),
        questions: std::collections::BTreeMap::new(),
        delivered: std::collections::BTreeSet::new(),
        stages_begun: std::collections::BTreeSet::new(),
        refused: std::collections::BTreeSet::new(),
        rested_at: None,
        under_way: std::collections::BTreeMap::new(),
        counters: Counters::default(),
        mutation,
        story: telling.then(Vec::new),
        wrong: Vec::new(),
        rng,
    };
    let shared = Shared(Arc::new(Mutex::new(world)));
    shared.lock().standing_orders();
    (shared, given)
}

fn simulated(name: &str, rng: &mut Rng, faults: Faults) -> Host {
    let mut packages = Versions::new();
    for package in ["libc", "openssl", "zlib", "curl"] {
        if rng.chance(500) {
            packages.insert(package.into(), 1);
        }
    }
    if rng.chance(300) {
        packages.insert("nscd".into(), 5);
    }
    let mut outages = Vec::new();
    if rng.chance(faults.net / 2) {
        let from = rng.below(600_000);
        let to = rng.pick(&[from + 30_000, from + 600_000, u64::MAX]);
        outages.push(Outage { from, to, how: rng.pick(&[Net::Silent, Net::Refuses, Net::Auth, Net::HostKey]) });
    }
    Host {
        name: name.to_owned(),
        platform: rng.pick(&[
            ("debian", "12", "amd64"),
            ("debian", "12", "amd64"),
            ("debian", "12", "amd64"),
            ("ubuntu", "24.04", "amd64"),
        ]),
        at_start: packages.clone(),
        packages,
        half: false,
        drift: false,
        replaced: None,
        inspected: None,
        foreign: std::collections::BTreeSet::new(),
        touched: false,
        claim: rng.chance(faults.others / 10).then(|| "01JD000000000000000000000Z".to_owned()),
        stashes: std::collections::BTreeMap::new(),
        jobs: std::collections::BTreeMap::new(),
        boot: 0,
        up_since: 0,
        dead_man: None,
        undid: false,
        epoch: 0,
        wants_boot: false,
        changed_in: 0,
        changed_at: None,
        outages,
        stale: false,
        sick: false,
        out: false,
        prepared: false,
        in_service: true,
        snapshot: None,
        restore_tried: false,
        asked: 0,
        rng: rng.fork(name),
    }
}

impl World {
    fn now_of(&self, runtime: &tokio::runtime::Runtime) -> u64 {
        let _in = runtime.enter();
        self.now()
    }

    /// Decisions that nobody has to be asked for: the plan's and the command line's.
    fn standing_orders(&mut self) {
        let mut order = |reason: &str, verdict, by: &str| {
            self.acts.insert(reason.to_owned(), Act { verdict, by: by.to_owned(), digest: None });
        };
        order("nobody decided in time, and the plan says on_timeout = \"reject\"", Verdict::Expired, "patchctl");
        order("rejected by --on-gate reject", Verdict::Rejected, "ops");
        order("by flag", Verdict::Approved, "ops");
    }

    /// The same hosts, and another run.
    fn next_run(&mut self, settings: Settings) -> Arc<Settings> {
        let given = Arc::new(self.mutation.map_or_else(|| settings.clone(), |m| m.given(settings.clone())));
        self.settings = Arc::new(settings);
        let mut old = std::mem::take(&mut self.hosts);
        for host in &self.settings.hosts {
            let at = old.iter().position(|old| old.name == host.name.as_str());
            self.hosts.extend(at.map(|at| old.swap_remove(at)));
        }
        for host in &mut self.hosts {
            (host.touched, host.at_start, host.undid) = (false, host.packages.clone(), false);
            (host.out, host.snapshot, host.changed_at) = (false, None, None);
            (host.prepared, host.in_service, host.restore_tried) = (false, true, false);
            host.foreign.clear();
        }
        self.disk = Disk::new(Arc::clone(&given), Arc::clone(&self.settings));
        (self.calm, self.gone) = (false, false);
        (self.letters, self.signals) = (Vec::new(), Vec::new());
        self.tell(|| "--- the run is undone ---".into());
        given
    }

    /// What is going to happen to the next process: the time of its death, if it does not die of a write.
    fn fate(&mut self) -> Option<u64> {
        self.counters.sessions += 1;
        let now = self.now();
        let faults = self.faults;
        self.signals.clear();
        if self.chance(faults.signal) {
            let at = now + self.rng.range(1, 300_000);
            let first = self.rng.pick(&["SIGINT", "SIGTERM", "SIGHUP"]);
            self.signals.push((at, first));
            if self.rng.chance(400) {
                let second = at + self.rng.range(1, 40_000);
                self.signals.push((second, "SIGINT"));
            }
        }
        self.patient_office();
        let rate = faults.people / 12;
        if self.chance(rate) {
            let at = now + self.rng.range(1, 400_000);
            let letter = self.order();
            self.letters.push((at, letter));
        }
        let writes = self.disk.writes;
        if self.chance(faults.crash) {
            let kind = self.rng.pick(&[Blow::Before, Blow::Torn, Blow::After, Blow::After]);
            self.blow = Some((writes + self.rng.range(1, 60), kind));
        } else if self.chance(faults.disk) {
            self.blow = Some((writes + self.rng.range(1, 60), Blow::Full));
        } else if self.chance(faults.crash / 2) {
            return Some(self.rng.range(1, 400_000));
        }
        None
    }

    fn options(&mut self, first: Option<Input>) -> Options {
        let calm = self.calm;
        let stages = u16::try_from(self.settings.stages.len()).unwrap_or(0);
        let flags: Vec<StageIx> = (0..stages).map(StageIx).filter(|_| !calm && self.rng.chance(80)).collect();
        Options {
            person: person("ops"),
            version: "1".into(),
            confirmed: calm || self.rng.chance(700),
            approve: flags,
            reason: Some("by flag".into()),
            preapproval: None,
            on_gate: if self.rng.chance(100) { OnGate::Reject } else { OnGate::Pause },
            emergency: None,
            wait: Duration::from_secs(if calm { 90 * 86_400 } else { self.rng.pick(&[0, 3600, 86_400]) }),
            first,
            forks: None,
            ask_only: false,
            earlier: Vec::new(),
            refresh: true,
            force: false,
        }
    }

    /// Nobody waits for ever for a host that does not let us in.
    fn gives_up(&mut self, rollout: &Rollout) -> Option<Input> {
        let (host, _) = rollout.barred().iter().next()?;
        let tired = self.rng.chance(if self.calm { 500 } else { 100 });
        let reason = "it will not let us in again".into();
        tired.then(|| Input::Release { host: *host, by: person("ops"), reason })
    }

    /// What somebody wants of the run beside that it goes on.
    fn wish(&mut self, rollout: &Rollout) -> Input {
        let all = (0..).map(HostIx).take(rollout.settings().hosts.len());
        let lost: Vec<HostIx> = all.filter(|host| rollout.host(*host).may_recover()).collect();
        if !lost.is_empty() && self.rng.chance(700) {
            if self.rng.chance(100) {
                let reason = "the machine is gone".into();
                return Input::Release { host: lost[0], by: person("ops"), reason };
            }
            // Now and then too many at once: hosts of one stage at a time can be asked.
            let first = rollout.stage_of(lost[0]);
            let all = self.rng.chance(100);
            let hosts = lost.into_iter().filter(|host| all || rollout.stage_of(*host) == first).collect();
            return Input::Recover { by: person("ops"), hosts };
        }
        Input::Retry { only: None }
    }

    /// Time passes with no process there, and other people do things.
    fn meanwhile(&mut self) -> u64 {
        let faults = self.faults;
        if self.chance(faults.others) {
            let host = self.rng.below(self.hosts.len().max(1) as u64);
            if !self.hosts.is_empty() {
                self.meddle(usize::try_from(host).unwrap_or(0));
            }
        }
        if self.chance(faults.others / 3) {
            self.skew -= SignedDuration::from_mins(50);
            self.fault("the clock goes back");
        }
        if self.calm { 1_000 } else { self.rng.pick(&[0, 10, 10_000, 600_000, 10_000_000, 8 * DAY]) }
    }
}

/// Drives a run until it is over. The run as it ended.
async fn run_to_its_end(shared: &Shared, given: &Arc<Settings>) -> Option<Rollout> {
    begin(shared, given)?;
    let patience = shared.lock().rng.range(0, 6);
    let mut retries = 0;
    for session in 0..MOST_SESSIONS {
        let pause = {
            let mut world = shared.lock();
            world.calm = u64::from(session) >= patience;
            world.meanwhile()
        };
        sleep(Duration::from_millis(pause)).await;
        let mut run = take_up(shared, given)?;
        mail::cron(shared, &mut run).await;
        let over = run.rollout.is_finished();
        let again = retries < 3 && shared.lock().rng.chance(if over { 400 } else { 100 });
        if over && !again {
            mail::last_post(shared, &mut run).await;
            finish(shared, &run);
            return Some(run.rollout);
        }
        retries += u32::from(again);
        let (run, cancel) = commands(shared, run);
        let first = cancel.or_else(|| shared.lock().gives_up(&run.rollout));
        let first = first.or_else(|| again.then(|| shared.lock().wish(&run.rollout)));
        one_session(shared, given, run, first).await;
        if !shared.lock().wrong.is_empty() {
            return None;
        }
    }
    shared.lock().violated("invariant 14: the run does not come to an end".into());
    None
}

fn begin(shared: &Shared, given: &Arc<Settings>) -> Option<()> {
    let mut run = Run {
        rollout: Rollout::new(Arc::clone(given)),
        head: patchctl::core::record::Head::EMPTY,
        store: Box::new(DiskPort(shared.clone())),
        tap: None,
    };
    let event = Event::RunStarted {
        settings: Digest::of_json(&**given).ok()?,
        frozen: std::collections::BTreeMap::new(),
        site: None,
    };
    let now = shared.lock().wall();
    run.commit(&[event], now).ok()
}

/// What a new process makes of the disk.
fn take_up(shared: &Shared, given: &Arc<Settings>) -> Option<Run> {
    let mut world = shared.lock();
    (world.gone, world.blow) = (false, None);
    world.rested_at = None;
    world.under_way.clear();
    world.disk.lose_unsynced();
    let loaded = world.disk.load(Arc::clone(given), world.has(Mutation::LostRecord));
    let (rollout, head, torn) = match loaded {
        Ok(loaded) => loaded,
        Err(why) => {
            world.violated(format!("invariant 9: the journal cannot be read: {why}"));
            return None;
        }
    };
    let silent = world.has(Mutation::NoTailCut);
    let now = world.wall();
    drop(world);
    let mut run = Run { rollout, head, store: Box::new(DiskPort(shared.clone())), tap: None };
    if torn > 0 {
        run.store.cut(torn).ok()?;
        if !silent {
            run.commit(&[Event::TailCut { bytes: torn }], now).ok()?;
        }
    }
    Some(run)
}

/// Letters that found no process: `approve` and `reject` record them themselves, `cancel` drives the run from there.
fn commands(shared: &Shared, mut run: Run) -> (Run, Option<Input>) {
    let mut cancel = None;
    let letters: Vec<_> = {
        let mut world = shared.lock();
        let now = world.now();
        let (due, later) = std::mem::take(&mut world.letters).into_iter().partition(|(at, _)| *at <= now);
        world.letters = later;
        due
    };
    for (_, letter) in letters {
        let (stage, digest, decision) = match letter.wish {
            Wish::Decide { stage, digest, decision } => (stage, digest, decision),
            Wish::Cancel { by, reason } => {
                cancel = Some(Input::Cancel { by, reason });
                continue;
            }
            _ => continue,
        };
        let ix = match &stage {
            None => None,
            Some(name) => match run.rollout.settings().stage(name) {
                Some(ix) => Some(ix),
                None => continue,
            },
        };
        let now = shared.lock().wall();
        let reply = match run.take(Input::Decide { stage: ix, digest, decision }, now) {
            Ok(()) => {
                let last = shared.lock().disk.ledger.decisions.last().map(|(ix, _)| *ix);
                let name = |ix: StageIx| run.rollout.settings().stages[ix.at()].name.clone();
                last.map(|ix| Reply::Recorded { stage: name(ix) })
            }
            Err(error) => Some(Reply::Refused(error.to_string())),
        };
        if let Some(reply) = reply {
            shared.lock().replied(&letter.id, &reply);
        }
    }
    run.rollout.hand_out_again();
    (run, cancel)
}

/// The simulated people have no keys: whatever is called signed is refused.
struct NobodySigns;

#[async_trait::async_trait]
impl Signatures for NobodySigns {
    async fn sign(&self, _: &str, _: &str, key: &std::path::Path) -> Result<String, SignError> {
        Err(SignError::NoPassphrase(key.to_owned()))
    }

    fn verify(&self, _: &Signature<'_>) -> Result<Signer, BadSignature> {
        Err(BadSignature::Malformed("nobody signs in the simulation".into()))
    }
}

async fn one_session(shared: &Shared, given: &Arc<Settings>, mut run: Run, first: Option<Input>) {
    let wished = first.is_some();
    let before = report::outcome(&run.rollout, Driven::No);
    let (death, options) = {
        let mut world = shared.lock();
        let death = world.fate();
        (death, world.options(first))
    };
    shared.lock().tell(|| format!("--- a process: {options:?} ---"));
    let outside = engine::World {
        transport: Arc::new(shared.clone()),
        approver: Arc::new(shared.clone()),
        clock: Arc::new(shared.clone()),
        people: Arc::new(shared.clone()),
        signatures: Arc::new(NobodySigns),
        notifier: Arc::new(shared.clone()),
        control: Arc::new(Here(shared.clone())),
        display: Arc::new(NoDisplay),
        inbox: Box::new(Post(shared.clone())),
        signals: Box::new(Keyboard(shared.clone())),
    };
    let ended = {
        let drive = engine::drive(&mut run, outside, plan::playbooks(), options);
        tokio::select! {
            biased;
            ended = drive => Some(ended),
            () = sleep(Duration::from_millis(death.unwrap_or(400 * DAY))) => None,
        }
    };
    let mut world = shared.lock();
    match ended {
        None if death.is_none() => world.violated("invariant 14: the process never ends".into()),
        None => {
            world.fault("killed between two writes");
            world.gone = true;
            world.counters.crashes += 1;
        }
        Some(Err(_)) if world.gone => world.counters.crashes += 1,
        Some(Err(EngineError::Refused(why))) if wished => {
            world.tell(|| format!("  refused: {why}"));
            let after = world.disk.load(Arc::clone(given), false).map(|(r, ..)| report::outcome(&r, Driven::No));
            let same = after.as_ref() == Ok(&before);
            world.must(same, 9, || format!("a refused wish turns {before} into {after:?}"));
        }
        Some(Err(error)) => world.violated(format!("invariant 14: the process fails by itself: {error}")),
        Some(Ok(())) => world.live_is_fold(&run, given),
    }
    world.counters.resumes += 1;
}

impl World {
    /// Invariant 9: what the process had in memory is what the next one finds.
    fn live_is_fold(&mut self, run: &Run, given: &Arc<Settings>) {
        let now = self.wall();
        let lost = self.has(Mutation::LostRecord);
        let Ok((fold, head, torn)) = self.disk.load(Arc::clone(given), lost) else {
            self.violated("invariant 9: the journal cannot be read".into());
            return;
        };
        let document = |rollout: &Rollout| report::document(rollout, run.head.digest, now, Driven::No);
        let (live, found) = (document(&run.rollout), document(&fold));
        let whole = torn == 0 && head == run.head || self.has(Mutation::LateSync);
        self.must(whole, 9, || "the journal on the disk is not the one in memory".into());
        let hosts = (0..).map(HostIx).take(given.hosts.len());
        let differs =
            hosts.clone().find(|ix| format!("{:?}", fold.host(*ix)) != format!("{:?}", run.rollout.host(*ix)));
        let stages = format!("{:?}", fold.stages()) == format!("{:?}", run.rollout.stages());
        self.must(live == found && differs.is_none() && stages, 9, || {
            format!("the fold differs from memory: {differs:?}")
        });
        let outcome = live.outcome;
        self.tell(|| format!("--- {outcome}, exit {} ---", live.exit_code));
        *self.counters.outcomes.entry(format!("{outcome}")).or_default() += 1;
        self.judge(&live, &run.rollout);
        self.mail_at_the_end(&run.rollout);
        let at_rest = run.rollout.is_finished() || run.rollout.paused().is_some();
        self.must(at_rest, 14, || "the process left and the run is neither over nor paused".into());
    }
}

/// The run is over and stays so: its journal is sealed, and any beginning of it is a run too.
fn finish(shared: &Shared, run: &Run) {
    let mut world = shared.lock();
    let now = world.wall();
    let document = report::document(&run.rollout, run.head.digest, now, Driven::No);
    world.judge(&document, &run.rollout);
    let blind = world.has(Mutation::NoSeal);
    let (mut rng, given) = (world.rng.fork("auditor"), Arc::clone(run.rollout.settings()));
    for _ in 0..2 {
        let found = world.disk.finds_alteration(&mut rng, &given, run.head.digest, blind);
        world.must(found, 15, || "an altered journal passes for the true one".into());
    }
    let folds = world.disk.folds_at_any_length(&mut rng, &given);
    world.must(folds, 9, || "a beginning of the journal does not fold".into());
}
