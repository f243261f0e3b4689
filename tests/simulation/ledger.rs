//! The journal, read by somebody else: what its records must never say. Nothing here asks the core's own fold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use patchctl::core::approval::{Decision, OnTimeout, When, Who};
use patchctl::core::calendar::Window;
use patchctl::core::document::Verdict;
use patchctl::core::event::{Event, GateKind, StageEnd, Step, UndoCause};
use patchctl::core::findings::{Fate, StepResult};
use patchctl::core::ids::{Digest, HostIx, StageIx};
use patchctl::core::record::Record;
use patchctl::core::settings::{OnExceeded, RunKind, Scope, Settings};

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
    unreached: bool,
    failed: BTreeSet<HostIx>,
    busy: BTreeSet<HostIx>,
    booting: BTreeSet<HostIx>,
    pub(crate) must_go_back: BTreeSet<HostIx>,
}

impl StageBook {
    fn approves(&mut self) {
        self.approved_last = std::mem::take(&mut self.undecided);
        self.approved.extend(&self.approved_last);
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
    armed: BTreeSet<HostIx>,
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
                self.started(*host, *step, job.as_ref().map(patchctl::core::ids::JobId::as_str));
            }
            Event::StepEnded { host, step, result } => self.ended(*host, *step, result),
            Event::Retried { hosts } => self.retried(hosts),
            Event::GateOpened { stage, gate, digest } => {
                if *gate != GateKind::Before {
                    self.watched(*stage, "a gate");
                }
                let drill = self.settings.kind == RunKind::Drill;
                self.must(!drill, 7, || format!("a drill asks somebody about {stage:?}"));
                let wide = self.goes_back_wholly(*stage);
                let late = self.book(*stage).exceeded && wide && !self.book(*stage).undecided.is_empty();
                self.must(!late, 7, || format!("{stage:?} failed, and its hosts stay until somebody says so"));
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
            Event::ClosingStarted { stage, .. } => self.kept(*stage),
            Event::StageEnded { stage, end } => {
                self.kept(*stage);
                let book = self.book(*stage);
                (book.end, book.closed) = (Some(*end), Some(at));
                book.proves |= matches!(end, StageEnd::Approved | StageEnd::Current);
            }
            _ => {}
        }
    }

    /// An approval is void: what it was about is undecided again.
    fn opens_again(&mut self, stage: StageIx, digest: Option<Digest>, at: Timestamp) {
        let book = self.book(stage);
        let ended = book.end.is_some();
        (book.end, book.after_ok, book.looking) = (None, None, false);
        // A gate of a wave that lapses says nothing about the permission to begin, which was used.
        if book.gate.as_ref().is_some_and(|gate| gate.kind == GateKind::Before) {
            book.before_ok = None;
        }
        let approved = if ended { book.approved.clone() } else { book.approved_last.clone() };
        book.approved.retain(|host| !approved.contains(host));
        book.undecided.extend(approved);
        if let Some(gate) = &mut book.gate {
            (gate.decided, gate.since) = (None, at);
            gate.digest = digest.unwrap_or(gate.digest);
            gate.approvals.clear();
        }
    }

    fn over(&mut self) {
        self.finished = true;
        let open = self.stages.iter().any(|stage| stage.end.is_none());
        self.must(!open, 7, || "the run is over and a stage is not".into());
    }

    /// Whatever stays on a stage's hosts must have been approved, where the plan wants that.
    fn kept(&mut self, stage: StageIx) {
        let gate = self.settings.stages[stage.at()].approval.as_ref().map(|rules| rules.when);
        let book = &self.stages[stage.at()];
        let wide = self.goes_back_wholly(stage);
        let mut due = book.must_go_back.clone();
        if book.exceeded && wide {
            due.extend(&book.undecided);
        }
        let left = book.undecided.clone();
        let asks = matches!(gate, Some(When::After | When::Both));
        let drill = self.settings.kind == RunKind::Drill;
        self.must(left.is_empty() || !drill, 7, || format!("{left:?} of {stage:?} stay after a drill"));
        self.must(left.is_empty() || !asks, 1, || format!("{left:?} of {stage:?} stay without approval"));
        self.must(due.is_empty(), 7, || format!("{due:?} of {stage:?} were to go back and were not"));
        self.book(stage).undecided.clear();
    }

    /// Whether a failure takes back more than the failed hosts, without asking.
    fn goes_back_wholly(&self, stage: StageIx) -> bool {
        let rules = &self.settings.stages[stage.at()];
        matches!(rules.rollback_scope, Scope::Stage | Scope::Run) && rules.on_exceeded == OnExceeded::Rollback
    }

    /// What nobody has approved goes back.
    fn cancel(&mut self) {
        self.cancelled = true;
        for book in &mut self.stages {
            let all = book.undecided.clone();
            book.must_go_back.extend(all);
        }
    }

    fn recovering(&mut self, hosts: &[HostIx]) {
        self.finished = false;
        for host in hosts {
            let book = self.book(self.stage_of[host]);
            book.end = None;
            // A question that waits is asked anew; what was decided about the other hosts stays so.
            book.gate.take_if(|gate| gate.decided.is_none());
            self.asking.insert(*host);
        }
    }

    /// Nobody waits for the host any more, and nobody says that it is well.
    fn given_up(&mut self, host: HostIx) {
        let book = self.book(self.stage_of[&host]);
        book.undecided.remove(&host);
        book.approved.remove(&host);
        book.approved_last.remove(&host);
        book.must_go_back.remove(&host);
        book.busy.remove(&host);
        book.booting.remove(&host);
        self.armed.remove(&host);
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
            let (failed, most) = (self.book(ix).failed.len(), stage.max_failed.of(stage.hosts.len()));
            self.must(failed <= most, 6, || format!("{host:?} starts though {failed} of {ix:?} failed"));
        }
        if step == Step::Rollback && !undo_run {
            let changed = self.applied.contains(&host);
            self.must(changed, 7, || format!("{host:?} goes back and was never changed"));
        }
        if step == Step::Apply {
            self.applied.insert(host);
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

    fn needs_hold(&mut self, ix: StageIx, host: HostIx, step: Step) {
        self.must(self.confirmed, 1, || format!("{step:?} on {host:?} before anybody confirmed"));
        for need in self.settings.stages[ix.at()].needs.clone() {
            let end = self.book(need).end;
            let succeeded = matches!(end, Some(StageEnd::Approved | StageEnd::Current));
            self.must(succeeded, 1, || format!("{step:?} on {host:?} of {ix:?}, whose need {need:?} is {end:?}"));
            let rules = self.settings.stages[need.at()].approval.clone();
            let asks = rules.is_some_and(|rules| rules.when != When::Before);
            // Hosts that failed after the last wave's gate and went back leave what that gate approved.
            let approved = self.book(need).after_ok.is_some() && self.book(need).undecided.is_empty();
            self.must(!asks || approved, 1, || format!("{step:?} on {host:?}; nobody approved {need:?}"));
        }
    }

    fn wave(&mut self, ix: StageIx, number: u32) {
        let rules = self.settings.stages[ix.at()].approval.clone();
        let asks = rules.is_some_and(|rules| rules.when != When::After);
        let approved = self.book(ix).before_ok.is_some();
        self.must(!asks || approved, 1, || format!("{ix:?} begins without the permission to"));
        let each = self.settings.stages[ix.at()].approval.as_ref().is_some_and(|rules| rules.each_wave);
        let waves = patchctl::core::stage::waves(&self.settings.stages[ix.at()]);
        let earlier: BTreeSet<HostIx> =
            waves.iter().take(number.saturating_sub(1) as usize).flatten().copied().collect();
        let waits: Vec<HostIx> = self.book(ix).undecided.intersection(&earlier).copied().collect();
        self.must(!each || waits.is_empty(), 1, || {
            format!("a wave of {ix:?} begins, and {waits:?} wait for their gate")
        });
        let first = !std::mem::replace(&mut self.book(ix).began, true);
        for need in self.settings.stages[ix.at()].needs.clone() {
            let Some(rules) = self.settings.stages[need.at()].approval.clone() else { continue };
            let Some(given) = self.book(need).after_ok else { continue };
            let looked = std::mem::take(&mut self.book(need).rechecked);
            self.must(!first || looked, 1, || format!("{ix:?} begins, and nobody has looked at {need:?} again"));
            // While a process lives its own approvals do not grow old, nor while a stage is being closed.
            let closed_before = self.stages[need.at()].closed < self.driven;
            let old = closed_before && self.driven.is_some_and(|driven| older(given, rules.valid, driven));
            // Nor is a stage asked about again under others that build on it already.
            let others = self.settings.stages.iter().zip(&self.stages).enumerate();
            let built_on = others
                .into_iter()
                .any(|(at, (stage, book))| at != ix.at() && stage.needs.contains(&need) && book.began);
            let asked_anew = self.book(ix).before_ok.is_some() || built_on;
            self.must(!(first && old) || asked_anew, 1, || {
                format!("{ix:?} begins on an approval of {need:?} that is too old")
            });
        }
    }

    fn passed(&mut self, ix: StageIx, at: Timestamp) {
        let rules = self.settings.stages[ix.at()].approval.clone();
        let given = self.book(ix).gate.as_ref().and_then(|gate| gate.decided);
        // It is used from when its hosts are looked at again.
        let used = self.book(ix).used.take().unwrap_or(at);
        let fresh = given
            .zip(rules)
            .is_some_and(|((verdict, given), rules)| verdict == Verdict::Approved && !older(given, rules.valid, used));
        self.must(fresh, 1, || format!("{ix:?} begins on {given:?}"));
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
        let cancelled = self.cancelled;
        let book = self.book(ix);
        book.busy.remove(&host);
        book.booting.remove(&host);
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
            (Step::Rollback | Step::Restore, _) => {
                book.undecided.remove(&host);
                book.approved.remove(&host);
                book.approved_last.remove(&host);
                book.must_go_back.remove(&host);
            }
            _ => {}
        }
    }

    fn undo(&mut self, ix: StageIx, cause: &UndoCause) {
        let wide = self.settings.stages[ix.at()].rollback_scope;
        let book = self.book(ix);
        book.end = None;
        book.gate = None;
        book.proves = false;
        book.failed_over = true;
        if matches!(cause, UndoCause::Rejected | UndoCause::Cancelled | UndoCause::Drilled)
            || matches!(wide, Scope::Stage | Scope::Run)
        {
            let all = book.undecided.clone();
            book.must_go_back.extend(all);
        }
    }

    fn retried(&mut self, hosts: &[HostIx]) {
        self.finished = false;
        for host in hosts {
            let book = self.book(self.stage_of[host]);
            book.failed.remove(host);
            (book.end, book.gate, book.before_ok, book.exceeded, book.began) = (None, None, None, false, false);
            book.unreached = false;
            (book.wave, book.soaked, book.soaks, book.failed_over) = (0, 0, None, false);
        }
        for book in &mut self.stages {
            if book.end == Some(StageEnd::NeedsUnmet) {
                book.end = None;
            }
        }
    }

    /// Whose decision it is, and whether that person may decide: read from the plan, not from the core.
    fn counts(&mut self, ix: StageIx, decision: &Decision) {
        let Some(rules) = self.settings.stages[ix.at()].approval.clone() else { return };
        if decision.verdict == Verdict::Expired {
            return;
        }
        let name = decision.by.name.clone();
        let fits = |who: &Who| match who {
            Who::Person(listed) => *listed == name,
            Who::Group(group) => name.ends_with(group.as_str()),
        };
        let listed = rules.by.iter().all(|list| list.iter().any(fits));
        self.must(listed, 10, || format!("{name} decides at a gate of {ix:?} and may not"));
        if decision.verdict == Verdict::Approved {
            let own = rules.four_eyes && name == self.settings.requester.name;
            self.must(!own, 10, || format!("{name} approves the own run at {ix:?}"));
            let again = self.book(ix).gate.as_ref().is_some_and(|gate| gate.approvals.contains(&name));
            self.must(!again, 10, || format!("{name} approves {ix:?} twice"));
        }
    }

    fn decided(&mut self, ix: StageIx, kind: GateKind, digest: Digest, decision: &Decision, at: Timestamp) {
        self.decisions.push((ix, decision.clone()));
        let open = self.book(ix).gate.clone();
        let fits = open.as_ref().is_some_and(|o| o.kind == kind && o.digest == digest && o.decided.is_none());
        self.must(fits, 10, || format!("{decision:?} at a gate of {ix:?} that is {open:?}"));
        let rules = self.settings.stages[ix.at()].approval.clone();
        let expired = open
            .zip(rules)
            .is_some_and(|(open, rules)| rules.on_timeout == OnTimeout::Reject && older(open.since, rules.wait, at));
        let yes = decision.verdict == Verdict::Approved;
        self.counts(ix, decision);
        self.must(!(yes && expired), 10, || format!("{decision:?} at an expired gate of {ix:?}"));
        let early = decision.verdict == Verdict::Expired && !expired;
        self.must(!early, 10, || format!("the gate of {ix:?} expires before its time"));
        let quorum = self.settings.stages[ix.at()].approval.as_ref().map_or(1, |rules| rules.quorum as usize);
        let book = self.book(ix);
        if let Some(gate) = &mut book.gate {
            gate.approvals.extend(yes.then(|| decision.by.name.clone()));
            if yes && gate.approvals.len() < quorum {
                return;
            }
            gate.decided = Some((decision.verdict, at));
        }
        match (kind, yes) {
            (GateKind::Wave, true) => {
                book.after_ok = Some(at);
                book.approves();
            }
            (GateKind::Wave, false) => {
                let all = book.undecided.clone();
                book.must_go_back.extend(all);
            }
            (GateKind::Before, true) => book.before_ok = Some(at),
            (GateKind::Before, false) => {}
            (GateKind::After, true) => {
                book.after_ok = Some(at);
                book.approves();
            }
            (GateKind::After, false) => {
                let all = book.undecided.clone();
                book.must_go_back.extend(all);
            }
        }
    }
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
