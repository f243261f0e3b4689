//! The scripted world of the stories: it answers every effect at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use crate::core::approval::{Approval, Decision};
use crate::core::document::{ActionPerformed, ActionState, How, Outcome, StageState, StateReason, Verdict};
use crate::core::event::{Event, Input, Step};
use crate::core::findings::{
    Check, Fate, Inspection, OldPackage, OldSource, Platform, RebootNeed, Resolution, StepReport, StepResult,
};
use crate::core::hooks::StageHook;
use crate::core::host::Place;
use crate::core::ids::{Digest, HostIx, StageIx};
use crate::core::notify::{Delivery, Message};
use crate::core::packages::{Arch, OpKind, Package, PackageName, PackageOp, Version};
use crate::core::policy::Policy;
use crate::core::problem::{ErrorKind, Problem};
use crate::core::record::{Head, Record};
use crate::core::report::{self, Driven};
use crate::core::rollout::{Effect, Refusal, Rollout};
use crate::core::settings::{
    Amount, DeadMan, Escalate, Host, OnExceeded, Patch, Person, Pin, Reboot, Restart, RunKind, Scope, Select, Settings,
    Stage, Unproven,
};

pub(super) fn person(name: &str) -> Person {
    Person { name: name.into(), source: "login".into() }
}

pub(super) fn host(name: &str) -> Host {
    Host {
        name: crate::core::ids::HostName::new(name).unwrap(),
        address: name.into(),
        port: 22,
        user: None,
        private_keys: Vec::new(),
        escalate: Escalate::None,
        password_command: None,
        become_password_command: None,
        playbook: None,
        groups: Vec::new(),
        vars: BTreeMap::new(),
    }
}

pub(super) fn stage(name: &str, hosts: std::ops::Range<u32>, needs: &[u16]) -> Stage {
    Stage {
        name: crate::core::ids::StageName::new(name).unwrap(),
        pattern: name.into(),
        hosts: hosts.map(HostIx).collect(),
        needs: needs.iter().copied().map(StageIx).collect(),
        waves: Vec::new(),
        parallel: 2,
        max_failed: Amount::Count(0),
        max_unreachable: Amount::Count(0),
        on_exceeded: OnExceeded::Rollback,
        rollback_scope: Scope::Stage,
        restart: Restart::Needed,
        restart_exclude: Vec::new(),
        reboot: Reboot::Never,
        reboot_parallel: Amount::Count(1),
        reboot_timeout: std::time::Duration::from_secs(600),
        dead_man: DeadMan::Off,
        timeout: std::time::Duration::from_secs(1800),
        approval: Some(Approval::default()),
        windows: Vec::new(),
        spread: None,
        after: Vec::new(),
        soak: std::time::Duration::ZERO,
        checks: Vec::new(),
        health: crate::core::health::HealthRule::Off,
        health_exclude: Vec::new(),
        health_within: std::time::Duration::from_secs(60),
        hooks: crate::core::hooks::Hooks::default(),
        snapshot: None,
        prefetch: false,
        compensate: None,
    }
}

/// uat: hosts 0 and 1; prod: hosts 2 to 5.
pub(in crate::core) fn settings() -> Settings {
    Settings {
        schema: 1,
        run: crate::core::ids::RunId::new("01JD0000000000000000000000").unwrap(),
        kind: RunKind::Run,
        change: crate::core::ids::ChangeId::new("CHG1").unwrap(),
        plan: crate::core::ids::PlanName::new("p").unwrap(),
        plan_path: "plan.toml".into(),
        plan_digest: Digest::of(b"plan"),
        requester: person("ops"),
        patch: Patch {
            playbook: None,
            select: Select::All,
            packages: Vec::new(),
            packages_for: BTreeMap::new(),
            approved: None,
            exclude: Vec::new(),
            install: false,
            allow_removals: false,
            pin: Pin::Exact,
            unproven: Unproven::Skip,
            severity: None,
            vars: BTreeMap::new(),
        },
        stages: vec![stage("uat", 0..2, &[]), stage("prod", 2..6, &[0])],
        hosts: (0..6).map(|n| host(&format!("h{n}"))).collect(),
        forks: None,
        signers: None,
        notify: Vec::new(),
        freezes: Vec::new(),
        policy: Policy::default(),
    }
}

pub(super) fn version(text: &str) -> Version {
    Version::new(text).unwrap()
}

pub(super) fn upgrade(to: &str) -> Vec<PackageOp> {
    vec![PackageOp {
        op: OpKind::Upgrade,
        name: PackageName::new("openssl").unwrap(),
        arch: Arch::new("amd64").unwrap(),
        from: Some(version("1")),
        to: Some(version(to)),
        origin: "Debian-Security".into(),
        security: true,
    }]
}

pub(super) fn package(at: &str) -> Package {
    Package {
        name: PackageName::new("openssl").unwrap(),
        arch: Arch::new("amd64").unwrap(),
        version: Some(version(at)),
    }
}

/// What a host does when it is asked to do a step.
#[derive(Clone)]
pub(super) enum Does {
    Well,
    Resolves(Vec<PackageOp>),
    /// It would have to rebuild its old packages from what is installed.
    Approximate,
    Fails(ErrorKind, Fate),
    /// It fails and says this.
    Says(String),
    Differs,
    /// It works, and wants a boot.
    WantsBoot,
    /// It has undone the change by itself.
    RestoredItself,
    /// It does not let us in any more.
    Bars,
    /// It does not answer for now: the effect stays open.
    Pends,
    /// When it is inspected again, it has this version.
    Found(&'static str),
    /// It cannot be told whether its check holds.
    Unsure,
}

pub(super) struct World {
    pub(super) rollout: Rollout,
    pub(super) head: Head,
    pub(super) lines: Vec<String>,
    pub(super) now: Timestamp,
    pub(super) script: HashMap<(u32, Step), Vec<Does>>,
    pub(super) gates: HashMap<u16, (Verdict, &'static str)>,
    pub(super) touched: Vec<(u32, Step)>,
    pub(super) most_at_once: usize,
    /// The dead man of every host, in seconds.
    pub(super) dead_man: Option<u64>,
    /// Jobs by their IDs, in the order in which they were asked for.
    pub(super) jobs: Vec<String>,
    /// Boots at a time, at most.
    pub(super) most_booting: usize,
    /// The messages, in the order in which they were to be sent.
    pub(super) told: Vec<Message>,
    pub(super) mail_arrives: bool,
    /// Stages' own hooks that ran: of which stage, and which.
    pub(super) hooks: Vec<(u16, StageHook)>,
    /// How long each of them takes.
    pub(super) hook_takes: std::time::Duration,
    /// Those that fail.
    pub(super) failing: Vec<(u16, StageHook)>,
}

impl World {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            rollout: Rollout::new(Arc::new(settings)),
            head: Head::EMPTY,
            lines: Vec::new(),
            now: Timestamp::from_second(1_800_000_000).unwrap(),
            script: HashMap::new(),
            gates: HashMap::new(),
            touched: Vec::new(),
            most_at_once: 0,
            dead_man: None,
            jobs: Vec::new(),
            most_booting: 0,
            told: Vec::new(),
            mail_arrives: true,
            hooks: Vec::new(),
            hook_takes: std::time::Duration::ZERO,
            failing: Vec::new(),
        }
    }

    pub(super) fn host(mut self, host: u32, step: Step, does: &[Does]) -> Self {
        self.script.insert((host, step), does.to_vec());
        self
    }

    pub(super) fn gate(mut self, stage: u16, verdict: Verdict, reason: &'static str) -> Self {
        self.gates.insert(stage, (verdict, reason));
        self
    }

    pub(super) fn commit(&mut self, events: &[Event]) {
        for event in events {
            let line = self.head.write(self.now, event).unwrap();
            self.rollout.apply(event, self.now).unwrap_or_else(|e| panic!("{e}: {line}"));
            self.lines.push(line);
        }
    }

    pub(super) fn take(&mut self, input: Input) -> Result<(), Refusal> {
        let events = self.rollout.decide(input, self.now)?;
        self.commit(&events);
        Ok(())
    }

    pub(super) fn drive(&mut self) {
        self.take(Input::Drive { by: person("ops"), version: "1".into(), confirmed: true }).unwrap();
        self.go_on();
    }

    pub(super) fn go_on(&mut self) {
        self.work();
        if let Some(why) = self.rollout.waits_for() {
            self.take(Input::Leave { why }).unwrap();
        }
        self.replays_at_every_length();
    }

    /// Does what there is to do, and stays.
    pub(super) fn work(&mut self) {
        for _ in 0..10_000 {
            while let Some(event) = self.rollout.advance(self.head.digest, self.now) {
                self.commit(&[event]);
            }
            self.most_at_once = self.most_at_once.max(self.rollout.running().count());
            let booting = self.rollout.running().filter(|(_, step)| *step == Step::Reboot).count();
            self.most_booting = self.most_booting.max(booting);
            let Some(effect) = self.rollout.next_effect() else { break };
            self.carry_out(&effect);
        }
    }

    pub(super) fn carry_out(&mut self, effect: &Effect) {
        match effect {
            Effect::Step { host, step, job } => {
                self.touched.push((host.0, *step));
                self.jobs.extend(job.as_ref().map(ToString::to_string));
                match self.script.get(&(host.0, *step)).and_then(|list| list.first()) {
                    Some(Does::Pends) => {
                        self.answer(host.0, *step);
                        return;
                    }
                    Some(Does::Bars) => {
                        self.answer(host.0, *step);
                        let problem = Problem::new(ErrorKind::Auth, "it does not take the key");
                        self.take(Input::Barred { host: *host, step: *step, problem }).unwrap();
                        return;
                    }
                    _ => {}
                }
                let (result, ops) = self.answer(host.0, *step);
                let input = Input::StepEnded { host: *host, step: *step, result, ops, installed: Vec::new() };
                self.take(input).unwrap();
            }
            Effect::Ask { stage, .. } => {
                if let Some((verdict, reason)) = self.gates.get(&stage.0).copied() {
                    let decision = Decision::new(verdict, person("boss"), reason, How::Prompt);
                    self.take(Input::Decide { stage: Some(*stage), digest: None, decision }).unwrap();
                }
            }
            Effect::Hook { stage, hook, .. } => {
                self.hooks.push((stage.0, *hook));
                self.now += self.hook_takes;
                let failed = self.failing.contains(&(stage.0, *hook));
                let problem = failed.then(|| Problem::new(ErrorKind::Refused, "as scripted"));
                self.take(Input::HookEnded { stage: *stage, hook: *hook, problem, log: None }).unwrap();
            }
            Effect::Confirm => panic!("confirmed beforehand"),
            Effect::Notify(queued) => {
                self.told.push(report::message(&self.rollout, queued, self.now));
                if self.mail_arrives {
                    let sent = Delivery::Sent;
                    let input = Input::Notified { message: queued.number, outcome: sent, tries: 1, detail: None };
                    self.take(input).unwrap();
                }
            }
        }
    }

    pub(super) fn answer(&mut self, host: u32, step: Step) -> (StepResult, Vec<PackageOp>) {
        let planned = self.script.get_mut(&(host, step));
        let does = planned.and_then(|list| (!list.is_empty()).then(|| list.remove(0))).unwrap_or(Does::Well);
        let report = |at: &str| Box::new(StepReport { packages: vec![package(at)], ..StepReport::default() });
        match (step, does) {
            (Step::Resolve, Does::Well) => self.resolves(upgrade("2")),
            (Step::Resolve, Does::Approximate) => {
                let (result, ops) = self.resolves(upgrade("2"));
                let StepResult::Resolved(mut found) = result else { return (result, ops) };
                found.old.iter_mut().for_each(|old| (old.source, old.exact) = (OldSource::Repack, false));
                (StepResult::Resolved(found), ops)
            }
            (Step::Resolve | Step::Recheck, Does::Resolves(ops)) => self.resolves(ops),
            (Step::Recheck, Does::Well) if self.rollout.host(HostIx(host)).place == Place::Ready => {
                self.resolves(upgrade("2"))
            }
            (Step::Recheck, Does::Well) => found("2"),
            (Step::Recheck, Does::Found(at)) => found(at),
            (_, Does::RestoredItself) => {
                (StepResult::RestoredItself { problem: None, report: report("1") }, Vec::new())
            }
            (_, Does::WantsBoot) => {
                let reboot = RebootNeed::Yes("kernel 1 runs, 2 is installed".into());
                (StepResult::Done(Box::new(StepReport { reboot, ..*report("2") })), Vec::new())
            }
            (_, Does::Unsure) => {
                let check =
                    Check { name: "slo".into(), ok: false, detail: "no data".into(), inconclusive: true, answer: None };
                (StepResult::Done(Box::new(StepReport { checks: vec![check], ..StepReport::default() })), Vec::new())
            }
            (_, Does::Fails(kind, fate)) => {
                let mut problem = Problem::new(kind, "as scripted");
                if step.is_of_plan() {
                    problem = problem.during(step.as_str());
                }
                (StepResult::Failed { problem, fate, report: report("2") }, Vec::new())
            }
            (_, Does::Says(text)) => {
                let problem = Problem::new(ErrorKind::Apply, text);
                (StepResult::Failed { problem, fate: Fate::Changed, report: report("2") }, Vec::new())
            }
            (Step::Rollback | Step::Restore, Does::Differs) => {
                let difference = crate::core::findings::Difference {
                    what: "conffile".into(),
                    name: "/etc/x".into(),
                    before: "a".into(),
                    after: "b".into(),
                };
                let report = StepReport { differences: vec![difference], ..StepReport::default() };
                (StepResult::Done(Box::new(report)), Vec::new())
            }
            (Step::Rollback, _) => (StepResult::Done(report("1")), Vec::new()),
            _ => (StepResult::Done(report("2")), Vec::new()),
        }
    }

    fn resolves(&self, ops: Vec<PackageOp>) -> (StepResult, Vec<PackageOp>) {
        let (result, ops) = resolved(ops);
        let StepResult::Resolved(mut found) = result else { return (result, ops) };
        found.dead_man = self.dead_man;
        (StepResult::Resolved(found), ops)
    }

    /// Drives until a host that pends is all that is under way.
    pub(super) fn drive_until_pending(&mut self) {
        self.take(Input::Drive { by: person("ops"), version: "1".into(), confirmed: true }).unwrap();
        self.work();
        assert!(self.rollout.running().next().is_some(), "nothing pends");
    }

    /// The step that pended ends well, and the run goes on.
    pub(super) fn finish_pending(&mut self, host: u32, step: Step) {
        let (result, ops) = self.answer(host, step);
        self.take(Input::StepEnded { host: HostIx(host), step, result, ops, installed: Vec::new() }).unwrap();
        self.go_on();
    }

    /// A step that pended fails: the host is changed.
    pub(super) fn host_fails(&mut self, host: u32, step: Step) {
        let problem = Problem::new(ErrorKind::Apply, "as scripted");
        let result = StepResult::Failed { problem, fate: Fate::Changed, report: Box::default() };
        let input = Input::StepEnded { host: HostIx(host), step, result, ops: Vec::new(), installed: Vec::new() };
        self.take(input).unwrap();
        self.work();
    }

    /// Goes on up to the first question, which nobody answers. How often it was asked.
    pub(super) fn go_on_without_confirming(&mut self) -> usize {
        let mut asked = 0;
        for _ in 0..1_000 {
            while let Some(event) = self.rollout.advance(self.head.digest, self.now) {
                self.commit(&[event]);
            }
            match self.rollout.next_effect() {
                None => break,
                Some(Effect::Confirm) => asked += 1,
                Some(effect) => self.carry_out(&effect),
            }
        }
        if let Some(why) = self.rollout.waits_for() {
            self.take(Input::Leave { why }).unwrap();
        }
        asked
    }

    /// A process takes the run up again, and this is wanted of it.
    pub(super) fn resume(&mut self, first: Option<Input>) {
        self.take(Input::Drive { by: person("ops"), version: "1".into(), confirmed: true }).unwrap();
        self.rollout.hand_out_again();
        if let Some(first) = first {
            self.take(first).unwrap();
        }
        self.go_on();
    }

    /// Folding any beginning of the journal works, and all of it gives the live state.
    pub(super) fn replays_at_every_length(&self) {
        let mut head = Head::EMPTY;
        let records: Vec<Record> = self.lines.iter().map(|line| head.read(line).unwrap()).collect();
        for length in 0..=records.len() {
            let replayed = Rollout::replay(Arc::clone(self.rollout.settings()), &records[..length]).unwrap();
            if length == records.len() {
                let document = |rollout: &Rollout| {
                    serde_json::to_string(&report::document(rollout, self.head.digest, self.now, Driven::No)).unwrap()
                };
                assert_eq!(document(&replayed), document(&self.rollout));
                assert_eq!(format!("{:?}", replayed.stages), format!("{:?}", self.rollout.stages));
            }
        }
    }

    pub(super) fn outcome(&self) -> Outcome {
        report::outcome(&self.rollout, Driven::No)
    }

    pub(super) fn stands(&self, host: u32) -> (ActionPerformed, ActionState, StateReason) {
        let standing = report::standing(&self.rollout, HostIx(host));
        (standing.performed, standing.state, standing.reason)
    }

    pub(super) fn stage_state(&self, stage: u16) -> StageState {
        report::stage_state(&self.rollout, StageIx(stage)).0
    }

    pub(super) fn changed(&self, host: u32) -> bool {
        self.touched.iter().any(|(h, step)| *h == host && !matches!(step, Step::Resolve | Step::Recheck))
    }
}

fn found(at: &str) -> (StepResult, Vec<PackageOp>) {
    let inspection = Inspection { packages: vec![package(at)], ..Inspection::default() };
    (StepResult::Inspected(Box::new(inspection)), Vec::new())
}

pub(super) fn resolved(ops: Vec<PackageOp>) -> (StepResult, Vec<PackageOp>) {
    let current = if ops.is_empty() { vec![package("2")] } else { Vec::new() };
    let resolution = Resolution {
        playbook: crate::core::ids::PlaybookName::new("apt").unwrap(),
        platform: Platform { distro: "debian".into(), release: "12".into(), arch: "amd64".into() },
        identity: crate::core::findings::Identity::default(),
        transaction: Digest::of_json(&ops).unwrap(),
        current,
        absent: Vec::new(),
        unproven: Vec::new(),
        held: Vec::new(),
        old: ops
            .iter()
            .map(|op| OldPackage {
                name: op.name.clone(),
                arch: op.arch.clone(),
                version: version("1"),
                source: OldSource::Cache,
                exact: true,
            })
            .collect(),
        installed: None,
        reboot: RebootNeed::No,
        dead_man: None,
        irreversible: None,
        claimed_by: None,
        notes: Vec::new(),
    };
    (StepResult::Resolved(Box::new(resolution)), ops)
}
