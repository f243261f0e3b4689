//! Hosts as they are reached: connections that are slow, silent or cut, jobs that go on without us.

use std::fmt::Write as _;
use std::time::Duration;

use async_trait::async_trait;
use patchctl::core::ids::{HostIx, RunId};
use patchctl::core::problem::{ErrorKind, Problem};
use patchctl::core::settings::Host as Spec;
use patchctl::ports::{
    Answer, ClaimInfo, DeadMan, Failure, Job as Asked, JobEnd, Listener, Output, Privilege, Released, Script, Transport,
};
use tokio::time::sleep;

use crate::host::{Job, Net, Op, Outage, State, Turn, problem};
use crate::mutation::Mutation;
use crate::world::{Shared, World};

/// How long a connection may take to be made.
const CONNECT: u64 = 15_000;
/// After so long without a sign of life a connection is taken for cut.
const SILENCE: u64 = 90_000;
const FIRST_TRIES: u32 = 3;
const PATIENT_TRIES: u32 = 5;

/// What asking for a job came to.
enum Heard {
    End(JobEnd),
    Refused(Problem),
    Cut,
    Overdue,
}

/// Something of ours is under way on a host for as long as this lives.
struct UnderWay {
    world: Shared,
    host: HostIx,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.world.lock().under_way.remove(&self.host);
    }
}

impl Shared {
    fn enter(&self, spec: &Spec, what: &'static str) -> (HostIx, UnderWay) {
        let mut world = self.lock();
        let at = world.settings.hosts.iter().position(|host| host.name == spec.name).unwrap_or(0);
        let host = HostIx(u32::try_from(at).unwrap_or(0));
        let gone = world.gone;
        world.must(!gone, 2, || format!("{what} reaches {host:?} after the journal failed"));
        world.tell(|| format!("  > {host:?} {what}"));
        let twice = world.under_way.insert(host, what);
        world.must(twice.is_none(), 6, || format!("{what} on {host:?} beside {twice:?}"));
        world.count_stage(host);
        (host, UnderWay { world: self.clone(), host })
    }

    async fn connect(&self, host: HostIx) -> Result<(), Problem> {
        let (net, wait) = {
            let mut world = self.lock();
            let wait = world.rng.range(5, 300);
            let now = world.now();
            let net = world.hosts[host.at()].net(now + wait);
            if net != Net::Up {
                world.fault(format!("connecting: {net:?}"));
            }
            (net, if net == Net::Silent { CONNECT } else { wait })
        };
        sleep(Duration::from_millis(wait)).await;
        match net {
            Net::Up => Ok(()),
            Net::Auth => Err(Problem::new(ErrorKind::Auth, "it does not take the key")),
            Net::HostKey => Err(Problem::new(ErrorKind::HostKey, "its host key has changed")),
            Net::Silent | Net::Refuses => Err(Problem::new(ErrorKind::Unreachable, "it does not answer")),
        }
    }

    /// Waits, unless the connection is cut meanwhile: then it waits until that is noticed.
    async fn stay(&self, host: HostIx, until: u64) -> bool {
        let (wait, cut) = {
            let world = self.lock();
            let now = world.now();
            let target = &world.hosts[host.at()];
            match target.next_cut(now).filter(|cut| *cut < until) {
                Some(cut) if target.net(cut) == Net::Refuses => (cut - now, true),
                Some(cut) => (cut + SILENCE - now, true),
                None => (until.saturating_sub(now), false),
            }
        };
        sleep(Duration::from_millis(wait)).await;
        !cut
    }

    async fn follow(&self, host: HostIx, job: &Asked, until: u64) -> Heard {
        loop {
            // What is under way for the run on the host ends first.
            let Some(ends) = self.lock().waits_behind(host, job) else { break };
            if !self.stay(host, ends.min(until)).await {
                self.lock().fault("connection cut behind another job");
                return Heard::Cut;
            }
            if ends > until {
                return Heard::Overdue;
            }
        }
        let id = match self.lock().find_or_begin(host, job) {
            Ok(id) => id,
            Err(problem) => return Heard::Refused(problem),
        };
        let (ends, began) = {
            let world = self.lock();
            (world.hosts[host.at()].jobs[&id].ends, world.now())
        };
        let stop = ends.min(until).max(began + 50);
        if !self.stay(host, stop).await {
            self.lock().fault("connection cut during a job");
            return Heard::Cut;
        }
        self.lock().collect(host, job, &id).map_or(Heard::Overdue, Heard::End)
    }

    /// Confirms, or finds that it is too late and follows what the host does by itself.
    async fn confirm_once(&self, host: HostIx, job: &Asked, until: u64) -> Heard {
        let run = job.claim.run.as_str().to_owned();
        {
            let mut world = self.lock();
            let now = world.now();
            world.hosts[host.at()].live_until(now);
            if world.has(Mutation::NoConfirm) {
                return Heard::End(JobEnd::Done(Output::default()));
            }
            world.confirms(host, &run);
            if world.undoing_job(host, &run).is_none() {
                return Heard::End(JobEnd::Done(Output::default()));
            }
        }
        self.follow(host, job, until).await
    }

    /// Tries until there is an end, or the time or the patience is over.
    async fn see_through(
        &self,
        host: HostIx,
        job: &Asked,
        confirm: bool,
        listener: &dyn Listener,
    ) -> Result<JobEnd, Failure> {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(0);
        let begun = self.lock().now();
        let patient = begun + job.patience.map_or(0, millis);
        let until = (begun + millis(job.script.timeout) + 15_000).max(patient);
        let (mut may_have_begun, mut tries, mut barred) = (false, 0, 0);
        loop {
            let failed = match self.connect(host).await {
                Err(problem) => problem,
                Ok(()) => {
                    let heard = match confirm {
                        true => self.confirm_once(host, job, until).await,
                        false => self.follow(host, job, until).await,
                    };
                    match heard {
                        Heard::End(end) => return Ok(end),
                        Heard::Refused(problem) => return Err(Failure { problem, may_have_begun }),
                        Heard::Overdue => {
                            let problem = Problem::new(ErrorKind::Timeout, "it did not end in time");
                            return Err(Failure { problem, may_have_begun: true });
                        }
                        Heard::Cut => {
                            (may_have_begun, tries, barred) = (true, 0, 0);
                            Problem::new(ErrorKind::Unreachable, "the connection was cut")
                        }
                    }
                }
            };
            tries += 1;
            barred += u32::from(failed.kind == ErrorKind::Auth);
            let patience = self.lock().now() < patient;
            let hopeless =
                failed.kind == ErrorKind::HostKey || (barred >= if patience { PATIENT_TRIES } else { FIRST_TRIES });
            let early = !may_have_begun && !patience && (tries >= FIRST_TRIES || failed.kind == ErrorKind::Auth);
            if hopeless || early {
                return Err(Failure { problem: failed, may_have_begun });
            }
            let wait = 1000 * 2_u64.pow(tries.min(5)).min(30);
            if self.lock().now() + wait > until {
                let kind = if may_have_begun { ErrorKind::Lost } else { failed.kind };
                return Err(Failure { problem: Problem::new(kind, "it did not answer in time"), may_have_begun });
            }
            listener.notice("reconnecting");
            sleep(Duration::from_millis(wait)).await;
        }
    }
}

impl World {
    /// Hosts of a stage with something under way.
    fn count_stage(&mut self, host: HostIx) {
        let Some(stage) = self.settings.stages.iter().find(|stage| stage.hosts.contains(&host)).cloned() else {
            return;
        };
        let busy = stage.hosts.iter().filter(|host| self.under_way.contains_key(host)).count();
        self.must(busy <= stage.parallel as usize, 6, || format!("{busy} hosts of {} at once", stage.name));
    }

    /// The end of the job behind which this one waits, if it is not known there yet.
    fn waits_behind(&mut self, host: HostIx, job: &Asked) -> Option<u64> {
        let now = self.now();
        let target = &mut self.hosts[host.at()];
        target.live_until(now);
        if job.claim.release {
            // The claim does not go while the host undoes the change by itself.
            let undoing = target.dead_man.as_ref().and_then(|dead_man| target.jobs.get(&dead_man.id));
            return undoing.filter(|job| job.is_running()).map(|job| job.ends);
        }
        let known = target.jobs.contains_key(job.id.as_str()) || job.ask_only;
        let beside = target.alive_beside(job.id.as_str()).filter(|(_, job)| job.step != "forget");
        // What the host does by itself is followed instead, but for a job that comes after all of that.
        let undoing = target.dead_man.as_ref().is_some_and(|dead_man| dead_man.acted);
        let follows = undoing && !matches!(job.dead_man, DeadMan::Spent);
        beside.filter(|_| !known && !follows).map(|(_, job)| job.ends)
    }

    /// The job that is to be followed: the one that is asked for, or that with which the host has undone the change.
    fn find_or_begin(&mut self, host: HostIx, job: &Asked) -> Result<String, Problem> {
        let now = self.now();
        self.hosts[host.at()].live_until(now);
        let (run, id) = (job.claim.run.as_str().to_owned(), job.id.as_str().to_owned());
        let seen = self.hosts[host.at()].epoch;
        let same = self.hosts[host.at()].claim.as_ref() == Some(&run);
        self.must(!same || job.claim.epoch >= seen, 5, || format!("{host:?} is asked with an epoch older than {seen}"));
        let again = self.has(Mutation::RunAgain);
        if let Some(found) = self.hosts[host.at()].jobs.get(&id) {
            if found.nonce != job.nonce {
                return Err(Problem::new(ErrorKind::Refused, "a job folder that is not ours"));
            }
            self.tell(|| format!("  < {host:?} has {id} already"));
            if !again {
                return Ok(id);
            }
        }
        let undoing = self.undoing_job(host, &run).filter(|undoing| match job.dead_man {
            DeadMan::Spent => false,
            // One that an earlier try has left without a change makes room, once it does nothing.
            DeadMan::Arm(_) => self.hosts[host.at()].jobs.get(undoing).is_some_and(Job::is_running),
            _ => true,
        });
        if let Some(undoing) = undoing {
            self.fault("the host has undone the change by itself");
            return Ok(undoing);
        }
        if job.ask_only {
            self.fault("a job that is asked about never began");
            return Err(Problem::new(ErrorKind::Refused, "the job never began there"));
        }
        let claim = self.hosts[host.at()].claim.clone();
        if let Some(other) = claim.filter(|other| *other != run && !job.claim.force && !self.has(Mutation::NoClaim)) {
            self.fault("another run has the host");
            return Err(Problem::new(ErrorKind::Claimed, format!("run {other} has this host")));
        }
        if matches!(job.dead_man, DeadMan::Disarm) {
            self.confirms(host, &run);
        }
        self.begins(host, job);
        let begun = self.turn_of(host, job, now);
        let target = &mut self.hosts[host.at()];
        target.claim.get_or_insert(run);
        target.epoch = job.claim.epoch;
        if let DeadMan::Arm(arm) = &job.dead_man {
            target.undid = false;
            target.dead_man = Some(crate::deadman::DeadMan::new(job, arm, begun.ops.clone(), now));
        }
        self.tell(|| format!("  < {host:?} begins {id}: {:?} until {}", begun.turn, begun.ends));
        self.hosts[host.at()].jobs.insert(id.clone(), begun);
        Ok(id)
    }

    fn turn_of(&mut self, host: HostIx, job: &Asked, now: u64) -> Job {
        let mut rng = self.rng.fork(job.id.as_str());
        let step = job.script.name;
        let limit = u64::try_from(job.script.timeout.as_millis()).unwrap_or(0);
        let takes = match step {
            "apply" | "rollback" => rng.range(3_000, 60_000),
            "stash" => rng.range(1_000, 20_000),
            "reboot" => rng.range(100, 1_500),
            _ => rng.range(300, 5_000),
        };
        let turn = if !self.calm && rng.chance(self.faults.step) { bad_turn(step, &mut rng) } else { Turn::Well };
        let ends = match turn {
            Turn::Hangs => u64::MAX,
            Turn::Slow => now + limit + rng.range(16_000, 3_600_000),
            _ => now + takes,
        };
        if turn != Turn::Well {
            self.fault(format!("{step}: {turn:?}"));
        }
        if !self.calm && rng.chance(self.faults.net) {
            let from = now + rng.below(takes) + 1;
            let to = rng.pick(&[from + 5_000, from + 60_000, from + 1_200_000, from + 4_000_000, u64::MAX]);
            let how = rng.pick(&[Net::Silent, Net::Silent, Net::Refuses, Net::Auth]);
            self.hosts[host.at()].outages.push(Outage { from, to, how });
            self.fault(format!("network: {how:?}"));
        }
        Job {
            step,
            nonce: job.nonce.clone(),
            stash: job.script.env.get("RUN").cloned().unwrap_or_default(),
            ops: ops(job.script.files.get("transaction").map_or("", String::as_str)),
            want_installed: job.script.env.get("WANT_INSTALLED").is_some_and(|flag| flag == "1"),
            turn,
            ends,
            boot: 0,
            state: State::Running,
        }
    }

    /// A job's result, if it has one by now.
    fn collect(&mut self, host: HostIx, job: &Asked, id: &str) -> Option<JobEnd> {
        let now = self.now();
        let (lie, exact) = (self.has(Mutation::DeadTooSoon), self.has(Mutation::HideDifferences));
        let blind = self.has(Mutation::HideProblems);
        let target = &mut self.hosts[host.at()];
        target.live_until(now);
        let state = target.jobs.get(id)?.state.clone();
        let boot = match (&state, target.jobs.get(id)) {
            (State::Done { .. }, Some(job)) => crate::host::boot_id(job.boot),
            _ => target.boot_id(),
        };
        let by_itself = id != job.id.as_str() || target.dead_man.as_ref().is_some_and(|dead_man| dead_man.id == id);
        let claim = target.claim.as_ref().map(|run| claim_info(run));
        let output = |records: String, code| Output {
            records: records.into_bytes(),
            log: "was geschah – tat es\n".into(),
            code,
            boot_id: Some(boot.clone()),
            claim: claim.clone(),
            ..Output::default()
        };
        match state {
            State::Running if lie => Some(JobEnd::Died { why: "killed".into(), output: output(String::new(), None) }),
            State::Running => None,
            State::Done { records, code } if by_itself => Some(JobEnd::RestoredItself(output(records, Some(code)))),
            State::Died { records, .. } if by_itself => Some(JobEnd::RestoredItself(output(records, None))),
            State::Died { records, why } => Some(JobEnd::Died { why: why.into(), output: output(records, None) }),
            State::Done { mut records, code } => {
                if job.claim.release && code == 0 && target.claim.as_deref() == Some(job.claim.run.as_str()) {
                    (target.claim, target.dead_man) = (None, None);
                    self.released(host, job);
                }
                if exact {
                    records =
                        records.lines().filter(|l| !l.starts_with("diff")).fold(String::new(), |t, l| t + l + "\n");
                }
                if blind && records.contains("\nproblem") {
                    records = well_told(job);
                }
                Some(JobEnd::Done(output(records, Some(code))))
            }
        }
    }
}

/// What the job would say if all had gone well: the lie that ground truth must find.
fn well_told(job: &Asked) -> String {
    let mut text = String::new();
    let steps = job.script.text.lines().last().unwrap_or("").split(' ').skip(1);
    for step in steps {
        let _ = writeln!(text, "step\t{step}\nend\tok");
    }
    for op in ops(job.script.files.get("transaction").map_or("", String::as_str)) {
        let version = op.to.map(|v| v.to_string()).unwrap_or_default();
        let _ = writeln!(text, "pkg\t{}\tamd64\t{version}", op.name);
    }
    text
}

fn claim_info(run: &str) -> ClaimInfo {
    ClaimInfo {
        run: run.into(),
        owner: "somebody".into(),
        since: "2027-01-01T00:00:00Z".into(),
        change: String::new(),
        epoch: 0,
    }
}

fn bad_turn(step: &str, rng: &mut crate::rng::Rng) -> Turn {
    let usual = [Turn::Hangs, Turn::Slow, Turn::Dies, Turn::Dies, Turn::Silent];
    let own: &[Turn] = match step {
        "stash" | "prefetch" => {
            &[Turn::Before("locked"), Turn::Before("no_space"), Turn::Before("repository"), Turn::Before("refused")]
        }
        "apply" => &[
            Turn::Before("stale"),
            Turn::Before("locked"),
            Turn::Midway("apply"),
            Turn::Liar("locked"),
            Turn::Wrong,
            Turn::Garbage,
            Turn::Stale,
            Turn::Sick,
            Turn::Sick,
        ],
        "reboot" => &[Turn::NoBoot, Turn::StaysDown, Turn::Before("refused")],
        "settle" => &[Turn::Before("check"), Turn::Before("apply"), Turn::Garbage],
        "rollback" => &[Turn::Before("locked"), Turn::Midway("rollback"), Turn::Inexact, Turn::Garbage],
        _ => &[Turn::Garbage],
    };
    if rng.chance(350) { rng.pick(&usual) } else { rng.pick(own) }
}

fn ops(text: &str) -> Vec<Op> {
    let row = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let version = |at: usize| fields.get(at).and_then(|text| text.parse().ok());
        Op { name: fields.get(1).copied().unwrap_or("").to_owned(), from: version(3), to: version(4) }
    };
    text.lines().map(row).collect()
}

#[async_trait]
impl Transport for Shared {
    async fn ping(&self, host: &Spec) -> Result<Answer, Failure> {
        let (ix, _busy) = self.enter(host, "ping");
        self.connect(ix).await.map_err(never_begun)?;
        let host_key = format!("SHA256:k{}", ix.0);
        Ok(Answer { host_key, user: "root".into(), took: Duration::from_millis(20) })
    }

    async fn read(&self, host: &Spec, script: &Script, _: &dyn Listener) -> Result<Output, Failure> {
        let (ix, _busy) = self.enter(host, script.name);
        self.connect(ix).await.map_err(never_begun)?;
        let until = {
            let mut world = self.lock();
            let limit = u64::try_from(script.timeout.as_millis()).unwrap_or(0) + 15_000;
            let rate = world.faults.read;
            let hangs = world.chance(rate / 4);
            if hangs {
                world.fault("a reading step hangs");
            }
            let takes = world.rng.range(200, 4_000);
            world.now() + if hangs { limit } else { takes }
        };
        if !self.stay(ix, until).await {
            return Err(never_begun(Problem::new(ErrorKind::Unreachable, "the connection was cut")));
        }
        let mut world = self.lock();
        if matches!(script.name, "probe" | "check") {
            return Ok(world.looked(ix, script));
        }
        world.answer(ix, script).map_err(never_begun)
    }

    async fn job(&self, host: &Spec, job: &Asked, listener: &dyn Listener) -> Result<JobEnd, Failure> {
        let (ix, _busy) = self.enter(host, job.script.name);
        self.see_through(ix, job, false, listener).await
    }

    async fn confirm(&self, host: &Spec, job: &Asked, listener: &dyn Listener) -> Result<JobEnd, Failure> {
        let (ix, _busy) = self.enter(host, "confirm");
        self.see_through(ix, job, true, listener).await
    }

    /// A command's own: the engine never asks for it.
    async fn release(&self, _: &Spec, _: &RunId, _: Privilege, _: &dyn Listener) -> Result<Released, Failure> {
        Ok(Released::NoClaim)
    }

    async fn close(&self, _: &Spec) {}
}

fn never_begun(problem: Problem) -> Failure {
    Failure { problem, may_have_begun: false }
}

impl World {
    /// What a reading script prints.
    fn answer(&mut self, host: HostIx, script: &Script) -> Result<Output, Problem> {
        let now = self.now();
        self.hosts[host.at()].live_until(now);
        self.hosts[host.at()].asked += 1;
        let mut rng = self.rng.fork(&format!("h{} reads {}", host.0, self.hosts[host.at()].asked));
        let bad = !self.calm && rng.chance(self.faults.read);
        let steps = script.text.lines().last().unwrap_or("").trim_start_matches("run_steps ").to_owned();
        let mut records = String::new();
        let mut code = 0;
        for step in steps.split(' ') {
            if bad && rng.chance(400) {
                let kind = rng.pick(&["locked", "no_space", "repository", "held", "conflict", "not_found"]);
                self.fault(format!("{step} says {kind}"));
                records += &problem(step, kind);
                code = 1;
                break;
            }
            let _ = writeln!(records, "step\t{step}");
            self.print(host, step, script, bad, &mut rng, &mut records);
            records.push_str("end\tok\n");
        }
        if bad && rng.chance(100) {
            self.fault("garbage from a reading step");
            records.insert_str(0, "\u{7}\u{1b}]0;x\n");
        }
        let rate = self.faults.others / 15;
        let (first, other) = (self.hosts[host.at()].claim.is_none(), self.chance(rate));
        let target = &mut self.hosts[host.at()];
        let claim = target.claim.as_ref().map(|run| claim_info(run));
        if first && other {
            target.claim = Some("01JD000000000000000000000Z".into());
            self.fault("another run takes the host");
        }
        let target = &self.hosts[host.at()];
        Ok(Output {
            records: records.into_bytes(),
            log: "gelesen\n".into(),
            code: Some(code),
            boot_id: Some(target.boot_id()),
            claim,
            ..Output::default()
        })
    }

    fn print(
        &mut self,
        host: HostIx,
        step: &str,
        script: &Script,
        bad: bool,
        rng: &mut crate::rng::Rng,
        out: &mut String,
    ) {
        let target = &self.hosts[host.at()];
        let (distro, release, arch) = target.platform;
        match step {
            "detect" => {
                let _ = writeln!(out, "fact\tdistro\t{distro}\nfact\trelease\t{release}\nfact\tarch\t{arch}");
                let fits = if bad && rng.chance(100) { "no" } else { "yes" };
                let _ = writeln!(out, "fits\t{fits}\tit says so");
            }
            "inspect" => {
                let now = self.now();
                self.hosts[host.at()].inspected = Some(now);
                let target = &self.hosts[host.at()];
                let blind = self.mutation == Some(Mutation::BlindRecheck) && script.name == "recheck";
                let replaced = target.replaced.is_some_and(|at| at <= self.now());
                let machine = if replaced && !blind { "-new" } else { "" };
                let _ = writeln!(out, "fact\tmachine_id\tm{}{machine}", host.0);
                let wants = target.wants_boot;
                let _ = writeln!(out, "reboot\t{}", if wants { "yes\tlibc is older in PID 1" } else { "no\t" });
                if script.env.get("WANT_INSTALLED").is_some_and(|flag| flag == "1") {
                    for (name, version) in &target.packages {
                        let _ = writeln!(out, "installed\t{name}\tamd64\t{version}");
                    }
                }
            }
            "resolve" => self.resolve(host, script, out),
            "compare" => {
                let run = script.env.get("RUN").cloned().unwrap_or_default();
                out.push_str(&self.hosts[host.at()].compared(&run));
            }
            "preflight" => {
                for (name, version) in &target.packages {
                    let source = if bad && rng.chance(200) { "missing" } else { "cache" };
                    let _ = writeln!(out, "old\t{name}\tamd64\t{version}\t{source}\texact\t1");
                }
            }
            _ => {}
        }
    }

    fn resolve(&mut self, host: HostIx, script: &Script, out: &mut String) {
        let now = self.now();
        let pins = script.files.get("pins").map(|text| ops_of_pins(text));
        let target = &self.hosts[host.at()];
        let removals = script.env.get("ALLOW_REMOVALS").is_some_and(|flag| flag == "1");
        for (name, version) in &target.packages {
            let wanted = self.candidate(name, now).unwrap_or(0);
            let proved = |v: u32| pins.as_ref().is_none_or(|pins| pins.iter().any(|(n, p)| n == name && *p == v));
            if wanted <= *version {
                let _ = writeln!(out, "current\t{name}\tamd64\t{version}");
                continue;
            }
            let best = (*version + 1..=wanted).rev().find(|v| proved(*v));
            if best != Some(wanted) {
                let _ = writeln!(out, "unproven\t{name}\tamd64\t{wanted}");
            }
            let Some(best) = best else { continue };
            let _ = writeln!(out, "op\tupgrade\t{name}\tamd64\t{version}\t{best}\tDebian\t1");
            // Some upgrades bring a package along, or push one out.
            let new = format!("{name}-data");
            let brings = best % 3 == 0 && !target.packages.contains_key(&new);
            if brings && pins.as_ref().is_none_or(|pins| pins.iter().any(|(n, _)| *n == new)) {
                let _ = writeln!(out, "op\tinstall\t{new}\tamd64\t\t1\tDebian\t0");
            }
            if removals
                && name == "libc"
                && best % 2 == 0
                && let Some(old) = target.packages.get("nscd")
            {
                let _ = writeln!(out, "op\tremove\tnscd\tamd64\t{old}\t\t\t0");
            }
        }
    }
}

fn ops_of_pins(text: &str) -> Vec<(String, u32)> {
    let row = |line: &str| {
        let mut fields = line.split('\t');
        let name = fields.next()?.to_owned();
        Some((name, fields.nth(1)?.parse().ok()?))
    };
    text.lines().filter_map(row).collect()
}
