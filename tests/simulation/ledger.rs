//! The journal, read by somebody else: what its records must never say. Nothing here asks the core's own fold.

mod back;
mod gates;
mod looked;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use patchctl::core::approval::Decision;
use patchctl::core::calendar::Window;
use patchctl::core::document::Verdict;
use patchctl::core::event::{Event, GateKind, StageEnd, Step};
use patchctl::core::findings::{Fate, StepResult};
use patchctl::core::ids::{Digest, HostIx, StageIx};
use patchctl::core::record::Record;
use patchctl::core::settings::{RunKind, Settings};

use crate::looks::Looks;
use crate::mail::Mail;

/// A gate as the journal tells it.
#[derive(Debug, Clone)]
pub(crate) struct Open {
    pub(crate) kind: GateKind,
    pub(crate) digest: Digest,
    pub(crate) since: Timestamp,
    pub(crate) decided: Option<(Verdict, Timestamp)>,
    /// Who has approved.
    approvals: BTreeSet<String>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct StageBook {
    pub(crate) end: Option<StageEnd>,
    pub(crate) gate: Option<Open>,
    /// Hosts that are patched and that nobody has decided on.
    pub(crate) undecided: BTreeSet<HostIx>,
    /// Hosts that were approved, and those of them that the last approval was about.
    pub(crate) approved: BTreeSet<HostIx>,
    approved_last: BTreeSet<HostIx>,
    /// Hosts that stay without anybody having to say so.
    kept: BTreeSet<HostIx>,
    /// Those that were approved at a gate of their wave, as long as the stage goes on.
    passed: BTreeSet<HostIx>,
    /// When its approval began to be used.
    used: Option<Timestamp>,
    /// Its hosts were inspected again by the process of now, and nobody has begun on that.
    rechecked: bool,
    looking: bool,
    /// It has succeeded, and was not taken back since: what its hosts keep is proved.
    pub(crate) proves: bool,
    before_ok: Option<Timestamp>,
    after_ok: Option<Timestamp>,
    began: bool,
    closed: Option<Timestamp>,
    /// The wave that began last, and the last one that was watched for its time; since when it is.
    wave: u32,
    soaked: u32,
    soaks: Option<Timestamp>,
    /// It goes back.
    failed_over: bool,
    exceeded: bool,
    /// It ended, and what its failure was to take back in other stages has gone back.
    took_back: bool,
    /// It goes back since another stage failed.
    for_another: bool,
    unreached: bool,
    failed: BTreeSet<HostIx>,
    /// Hosts that are back exactly, or that somebody gave up; and those of them whose failure uses up no budget since the
    /// stage was taken up again.
    back: BTreeSet<HostIx>,
    excused: BTreeSet<HostIx>,
    busy: BTreeSet<HostIx>,
    booting: BTreeSet<HostIx>,
    pub(crate) must_go_back: BTreeSet<HostIx>,
    /// Hosts that did not fail, and that something else sends back.
    may_go_back: BTreeSet<HostIx>,
}

impl StageBook {
    fn approves(&mut self, kind: GateKind) {
        self.approved_last = std::mem::take(&mut self.undecided);
        self.approved.extend(&self.approved_last);
        if kind == GateKind::Wave {
            self.passed.extend(&self.approved_last);
        }
    }

    /// Every host that the stage has patched.
    fn patched(&self) -> BTreeSet<HostIx> {
        [&self.undecided, &self.approved, &self.kept].into_iter().flatten().copied().collect()
    }

    /// Nothing more is expected of the host.
    fn forgets(&mut self, host: HostIx) {
        let patched = [&mut self.undecided, &mut self.approved, &mut self.approved_last, &mut self.kept];
        for list in patched.into_iter().chain([&mut self.passed, &mut self.must_go_back]) {
            list.remove(&host);
        }
    }
}

/// What the journal says, and what it says that it must not.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    settings: Arc<Settings>,
    pub(crate) stages: Vec<StageBook>,
    stage_of: BTreeMap<HostIx, StageIx>,
    pub(crate) jobs: BTreeMap<String, (HostIx, Step)>,
    applied: BTreeSet<HostIx>,
    /// Hosts that have a dead man, and those of them whose dead man may act.
    dead_men: BTreeSet<HostIx>,
    pub(crate) armed: BTreeSet<HostIx>,
    /// Hosts that the package manager's way back was tried on since they were changed.
    pub(crate) tried_back: BTreeSet<HostIx>,
    /// Hosts that have begun since they were asked last what is to be done.
    begun: BTreeSet<HostIx>,
    /// Hosts that are to be asked about a job that was begun before.
    asking: BTreeSet<HostIx>,
    confirmed: bool,
    stopping: bool,
    barred: bool,
    pub(crate) cancelled: bool,
    driven: Option<Timestamp>,
    paused: bool,
    pub(crate) finished: bool,
    pub(crate) count: u64,
    pub(crate) cuts: u64,
    /// Hosts of which the journal knows that another machine answers for them.
    pub(crate) replaced: BTreeSet<HostIx>,
    pub(crate) decisions: Vec<(StageIx, Decision)>,
    pub(crate) mail: Mail,
    pub(crate) looks: Looks,
    pub(crate) wrong: Vec<String>,
}

impl Ledger {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        let mut stage_of = BTreeMap::new();
        for (ix, stage) in (0..).map(StageIx).zip(&settings.stages) {
            stage_of.extend(stage.hosts.iter().map(|host| (*host, ix)));
        }
        Self {
            stages: vec![StageBook::default(); settings.stages.len()],
            settings,
            stage_of,
            jobs: BTreeMap::new(),
            applied: BTreeSet::new(),
            dead_men: BTreeSet::new(),
            armed: BTreeSet::new(),
            tried_back: BTreeSet::new(),
            begun: BTreeSet::new(),
            asking: BTreeSet::new(),
            confirmed: false,
            stopping: false,
            barred: false,
            cancelled: false,
            driven: None,
            paused: false,
            finished: false,
            count: 0,
            cuts: 0,
            replaced: BTreeSet::new(),
            decisions: Vec::new(),
            mail: Mail::default(),
            looks: Looks::default(),
            wrong: Vec::new(),
        }
    }

    fn must(&mut self, holds: bool, number: u8, what: impl FnOnce() -> String) {
        if !holds {
            self.wrong.push(format!("invariant {number}: {}", what()));
        }
    }

    fn book(&mut self, stage: StageIx) -> &mut StageBook {
        &mut self.stages[stage.at()]
    }

    /// Takes the next record in.
    pub(crate) fn read(&mut self, record: &Record) {
        self.count += 1;
        let at = record.at;
        let idle_event = matches!(
            record.event,
            Event::Driven { .. }
                | Event::Confirmed { .. }
                | Event::ApprovalLapsed { .. }
                | Event::TailCut { .. }
                | Event::Decided { .. }
                | Event::Retried { .. }
                | Event::Recovering { .. }
                | Event::Released { .. }
                | Event::Cancelled { .. }
                | Event::Reminded { .. }
                | Event::Notified { .. }
        );
        self.must(idle_event || !self.paused, 9, || format!("{:?} in a run that was left", record.event));
        self.must(idle_event || !self.finished, 9, || format!("{:?} in a run that is over", record.event));
        match &record.event {
            Event::Driven { .. } => {
                (self.paused, self.stopping, self.barred, self.driven) = (false, false, false, Some(at));
                for (ix, book) in (0..).map(StageIx).zip(&mut self.stages) {
                    book.rechecked = false;
                    // What was under way to look at hosts is not waited for.
                    if book.looking {
                        book.busy.retain(|host| self.stage_of[host] != ix);
                    }
                    book.looking = false;
                }
            }
            Event::TailCut { .. } => self.cuts += 1,
            Event::Confirmed { .. } => self.confirmed = true,
            Event::Draining { .. } | Event::PauseAsked { .. } => self.stopping = true,
            Event::Barred { .. } => self.barred = true,
            Event::Cancelled { .. } => self.cancel(),
            Event::Recovering { hosts, .. } => self.recovering(hosts),
            Event::Released { host, .. } => self.given_up(*host),
            Event::Unreached { stage } => self.book(*stage).unreached = true,
            Event::Paused { .. } => self.paused = true,
            Event::Finished => self.over(),
            Event::StepStarted { host, step, job } => {
                self.in_its_time(*host, *step, at);
                self.looks.started(*host, *step);
                self.started(*host, *step, job.as_ref().map(patchctl::core::ids::JobId::as_str));
            }
            Event::StepEnded { host, step, result } => {
                self.looks.ended(*host, *step);
                self.ended(*host, *step, result);
            }
            Event::Retried { hosts } => self.retried(hosts),
            Event::GateOpened { stage, gate, digest } => {
                if *gate != GateKind::Before {
                    self.watched(*stage, "a gate");
                }
                let drill = self.settings.kind == RunKind::Drill;
                self.must(!drill, 7, || format!("a drill asks somebody about {stage:?}"));
                let late = self.goes_with_the_failed(*stage);
                self.must(late.is_empty(), 7, || format!("{stage:?} failed, and {late:?} stay until somebody says so"));
                let open = self.book(*stage).gate.as_ref().is_some_and(|gate| gate.decided.is_none());
                self.must(!open, 10, || format!("a second gate of {stage:?} opens"));
                let approvals = BTreeSet::new();
                self.book(*stage).gate =
                    Some(Open { kind: *gate, digest: *digest, since: at, decided: None, approvals });
            }
            Event::Decided { stage, gate, digest, decision } => self.decided(*stage, *gate, *digest, decision, at),
            Event::ApprovalLapsed { stage } => {
                self.opens_again(*stage, None, at);
            }
            Event::ApprovalStale { stage, digest, .. } => self.opens_again(*stage, Some(*digest), at),
            Event::RecheckStarted { stage } => {
                let book = self.book(*stage);
                (book.rechecked, book.looking, book.used) = (false, true, Some(at));
            }
            Event::Rechecked { stage } => (self.book(*stage).rechecked, self.book(*stage).looking) = (true, false),
            Event::GatePassed { stage } => self.passed(*stage, at),
            Event::WaveStarted { stage, wave, .. } => {
                self.watched(*stage, "the next wave");
                self.wave(*stage, *wave);
                self.book(*stage).wave = *wave;
            }
            Event::SoakStarted { stage, .. } => self.book(*stage).soaks = Some(at),
            Event::SoakEnded { stage } => {
                let soak = self.settings.stages[stage.at()].soak;
                let since = self.book(*stage).soaks.take();
                let long = since.is_some_and(|since| {
                    older(since, soak, at)
                        || at.duration_since(since) >= SignedDuration::try_from(soak).unwrap_or(SignedDuration::MAX)
                });
                self.must(long, 17, || format!("a wave of {stage:?} was watched from {since:?} to {at} only"));
                let book = self.book(*stage);
                book.soaked = book.wave;
            }
            Event::Exceeded { stage } => self.book(*stage).exceeded = true,
            Event::UndoStarted { stage, cause } => self.undo(*stage, cause),
            Event::ClosingStarted { stage, .. } => {
                self.whole_run_goes_back(*stage);
                self.kept(*stage);
            }
            Event::StageEnded { stage, end } => {
                self.kept(*stage);
                let book = self.book(*stage);
                book.passed.clear();
                (book.end, book.closed) = (Some(*end), Some(at));
                book.proves |= matches!(end, StageEnd::Approved | StageEnd::Current);
            }
            _ => {}
        }
    }

    fn over(&mut self) {
        self.finished = true;
        let open = self.stages.iter().any(|stage| stage.end.is_none());
        self.must(!open, 7, || "the run is over and a stage is not".into());
    }

    /// Invariant 11: no host begins in a freeze or outside its windows; the way back waits for nothing.
    fn in_its_time(&mut self, host: HostIx, step: Step, at: Timestamp) {
        let undo_run = matches!(self.settings.kind, RunKind::Rollback { .. });
        match step {
            Step::Resolve => drop(self.begun.remove(&host)),
            // It begins with the first thing that is done to it.
            Step::Before | Step::Probe | Step::Stash | Step::Rollback
                if undo_run == (step == Step::Rollback) || step == Step::Before =>
            {
                let ix = self.stage_of[&host];
                let late = !self.begun.insert(host) || self.asking.contains(&host);
                let in_time = late || is_open(&self.settings, ix, at, true);
                self.must(in_time, 11, || format!("{host:?} of {ix:?} begins at {at}"));
            }
            // The first change itself may come in the last part of a window, and not after it.
            Step::Apply if !self.applied.contains(&host) && !self.asking.contains(&host) => {
                let ix = self.stage_of[&host];
                let in_time = is_open(&self.settings, ix, at, false);
                self.must(in_time, 11, || format!("{host:?} of {ix:?} is changed first at {at}"));
            }
            _ => {}
        }
    }

    fn started(&mut self, host: HostIx, step: Step, job: Option<&str>) {
        let ix = self.stage_of[&host];
        let stage = self.settings.stages[ix.at()].clone();
        let to_safety = self.armed.contains(&host) && matches!(step, Step::Settle | Step::Confirm);
        let goes_back = matches!(step, Step::Rollback | Step::Before | Step::Restore | Step::After) && !self.stopping;
        self.must(!(self.stopping || self.barred) || to_safety || goes_back, 6, || {
            format!("{step:?} begins on {host:?} though the run stops")
        });
        let forward = matches!(step, Step::Stash | Step::Apply | Step::Reboot) && !self.asking.contains(&host);
        self.must(!(self.cancelled && forward), 7, || format!("{step:?} begins on {host:?} of a cancelled run"));
        self.must(job.is_some() == step.is_job(), 2, || format!("{step:?} on {host:?} has job {job:?}"));
        self.book(ix).busy.insert(host);
        let busy = self.book(ix).busy.len();
        self.must(busy <= stage.parallel as usize, 6, || format!("{busy} hosts of {ix:?} at once"));
        self.kept_apart(ix, host, step);
        if let Some(job) = job {
            let first = self.jobs.insert(job.to_owned(), (host, step)).is_none();
            let asked = self.asking.remove(&host);
            self.must(first || asked, 3, || format!("job ID {job} is used twice"));
            if !first {
                return;
            }
        }
        let undo_run = matches!(self.settings.kind, RunKind::Rollback { .. });
        let forward = matches!(step, Step::Stash | Step::Apply | Step::Settle | Step::Reboot)
            || (undo_run && step == Step::Rollback);
        if forward {
            self.needs_hold(ix, host, step);
        }
        let exceeded = self.book(ix).exceeded && matches!(step, Step::Apply | Step::Reboot);
        self.must(!exceeded, 6, || format!("{step:?} begins on {host:?} though too many of {ix:?} failed"));
        if step == Step::Reboot {
            self.book(ix).booting.insert(host);
            let (booting, most) = (self.book(ix).booting.len(), stage.reboot_parallel.of(stage.hosts.len()).max(1));
            self.must(booting <= most, 6, || format!("{booting} hosts of {ix:?} boot at once"));
        }
        if step.arms() && self.dead_men.contains(&host) {
            self.armed.insert(host);
        }
        if matches!(step, Step::Stash) {
            let unreached = self.book(ix).unreached;
            self.must(!unreached, 6, || format!("{host:?} starts though too many of {ix:?} do not answer"));
            let book = self.book(ix);
            let (failed, most) =
                (book.failed.difference(&book.excused).count(), stage.max_failed.of(stage.hosts.len()));
            self.must(failed <= most, 6, || format!("{host:?} starts though {failed} of {ix:?} failed"));
        }
        if matches!(step, Step::Rollback | Step::Restore) && !undo_run {
            let changed = self.applied.contains(&host);
            self.must(changed, 7, || format!("{host:?} goes back and was never changed"));
            self.goes_back_for_a_reason(ix, host);
        }
        if step == Step::Apply {
            self.applied.insert(host);
            self.tried_back.remove(&host);
            self.book(ix).may_go_back.remove(&host);
        }
    }

    /// Hosts with the same value are not worked on at once, and groups that come first are done before.
    fn kept_apart(&mut self, ix: StageIx, host: HostIx, step: Step) {
        if matches!(step, Step::Resolve | Step::Recheck | Step::Forget | Step::Discard | Step::Prefetch) {
            return;
        }
        let settings = Arc::clone(&self.settings);
        let (stage, own) = (&settings.stages[ix.at()], &settings.hosts[host.at()]);
        let busy: Vec<HostIx> = self.book(ix).busy.iter().copied().filter(|other| *other != host).collect();
        let value = |name: &str, of: HostIx| settings.hosts[of.at()].vars.get(name).cloned();
        if let Some(name) = &stage.spread {
            let same = busy.iter().find(|other| value(name, **other) == value(name, host)).copied();
            self.must(same.is_none(), 6, || format!("{host:?} and {same:?} of one {name} at once"));
        }
        let is_first = |at: &patchctl::core::settings::Host| stage.after.iter().any(|group| at.groups.contains(group));
        let begins = matches!(step, Step::Before | Step::Probe | Step::Stash) && !self.applied.contains(&host);
        if begins && !stage.after.is_empty() && !is_first(own) {
            let before = busy.iter().find(|other| is_first(&settings.hosts[other.at()])).copied();
            self.must(before.is_none(), 6, || format!("{host:?} begins before {before:?} is done"));
        }
    }

    /// Invariant 17: a wave is watched for its time before the next one begins, or its gate opens.
    fn watched(&mut self, ix: StageIx, what: &str) {
        let soak = self.settings.stages[ix.at()].soak;
        let run = self.settings.kind.patches();
        let waves = patchctl::core::stage::waves(&self.settings.stages[ix.at()]);
        let cancelled = self.cancelled;
        let book = self.book(ix);
        let of_wave = waves.get((book.wave as usize).wrapping_sub(1)).cloned().unwrap_or_default();
        let waits = of_wave.iter().any(|host| book.undecided.contains(host));
        let due = !soak.is_zero() && run && waits && book.wave > book.soaked;
        let excused = book.exceeded || book.unreached || cancelled || book.failed_over;
        let wave = book.wave;
        self.must(!due || excused, 17, || format!("{what} of {ix:?}, and wave {wave} was not watched for {soak:?}"));
    }

    fn ended(&mut self, host: HostIx, step: Step, result: &StepResult) {
        let ix = self.stage_of[&host];
        let run = self.settings.kind.patches();
        let identity = match result {
            StepResult::Resolved(found) => Some(&found.identity),
            StepResult::Inspected(found) => Some(&found.identity),
            _ => None,
        };
        let other = identity.and_then(|identity| identity.machine_id.as_ref()).is_some_and(|id| id.ends_with("-new"));
        self.replaced.extend(other.then_some(host));
        if let StepResult::Resolved(found) = result {
            self.dead_men.remove(&host);
            self.dead_men.extend(found.dead_man.map(|_| host));
        }
        if step == Step::Recheck {
            self.book(ix).busy.remove(&host);
            return;
        }
        let unarmed = matches!(result, StepResult::RestoredItself { .. })
            || matches!((step, result), (Step::Confirm | Step::Rollback, StepResult::Done(_)))
            || matches!((step, result), (Step::Apply, StepResult::Failed { fate: Fate::Unchanged, .. }));
        if unarmed {
            self.armed.remove(&host);
        }
        if step == Step::Rollback || matches!(result, StepResult::RestoredItself { .. }) {
            self.tried_back.insert(host);
        }
        let cancelled = self.cancelled;
        let book = self.book(ix);
        book.busy.remove(&host);
        book.booting.remove(&host);
        if is_back(step, result) {
            book.back.insert(host);
        } else if step == Step::Apply {
            book.back.remove(&host);
        }
        match (step, result) {
            (Step::Settle, StepResult::Done(_)) if run => {
                book.undecided.insert(host);
                book.failed.remove(&host);
                if cancelled {
                    book.must_go_back.insert(host);
                }
            }
            (_, StepResult::RestoredItself { .. }) => {
                book.failed.insert(host);
                book.undecided.remove(&host);
                book.must_go_back.remove(&host);
            }
            (Step::After, StepResult::Failed { .. }) if !book.undecided.contains(&host) => {}
            (Step::Confirm | Step::Reboot | Step::Check | Step::After, StepResult::Failed { .. }) => {
                book.failed.insert(host);
                book.undecided.remove(&host);
                book.must_go_back.remove(&host);
            }
            (Step::Settle, StepResult::Failed { fate: Fate::Lost, .. }) => {
                book.failed.insert(host);
                book.undecided.remove(&host);
                book.must_go_back.remove(&host);
            }
            (Step::Apply, StepResult::Failed { fate: Fate::Changed | Fate::Lost, .. })
            | (Step::Settle, StepResult::Failed { .. }) => {
                book.failed.insert(host);
            }
            (Step::Rollback | Step::Restore, _) => book.forgets(host),
            _ => {}
        }
    }

    fn retried(&mut self, hosts: &[HostIx]) {
        self.finished = false;
        for host in hosts {
            let book = self.book(self.stage_of[host]);
            book.failed.remove(host);
            book.excused = book.failed.intersection(&book.back).copied().collect();
            book.may_go_back.remove(host);
            (book.end, book.gate, book.before_ok, book.exceeded, book.began) = (None, None, None, false, false);
            (book.unreached, book.took_back, book.for_another) = (false, false, false);
            (book.wave, book.soaked, book.soaks, book.failed_over) = (0, 0, None, false);
        }
        for book in &mut self.stages {
            if book.end == Some(StageEnd::NeedsUnmet) {
                book.end = None;
            }
        }
    }
}

/// Whether the host is what it was, as its way back says.
fn is_back(step: Step, result: &StepResult) -> bool {
    let report = match result {
        StepResult::Done(report) if matches!(step, Step::Rollback | Step::Restore) => report,
        StepResult::RestoredItself { problem: None, report } => report,
        _ => return false,
    };
    report.differences.is_empty() && report.conflicts.is_empty()
}

/// Whether hosts may begin: every window of the simulation is of each day, and in UTC.
fn is_open(settings: &Settings, ix: StageIx, at: Timestamp, begins: bool) -> bool {
    let stage = &settings.stages[ix.at()];
    let is_for = |globs: &[String]| {
        globs.is_empty() || globs.iter().any(|glob| stage.name.as_str().ends_with(glob.trim_start_matches('*')))
    };
    let frozen = settings.freezes.iter().any(|f| is_for(&f.stages) && f.from <= at && at < f.to);
    let nanos_of_day = at.as_nanosecond().rem_euclid(86_400_000_000_000);
    let second = i64::try_from(nanos_of_day / 1_000_000_000).unwrap_or(0);
    let open = |window: &Window| {
        let start = i64::from(window.start.hour()) * 3600;
        let span = (window.length - if begins { window.cutoff } else { Duration::ZERO }).as_secs();
        u64::try_from((second - start).rem_euclid(86_400)).is_ok_and(|since| since < span)
    };
    !frozen && stage.windows.iter().all(|list| list.iter().any(open))
}

fn older(since: Timestamp, span: std::time::Duration, now: Timestamp) -> bool {
    now.duration_since(since) > SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX)
}
