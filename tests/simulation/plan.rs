//! Plans of random shape, the playbook of the simulated hosts, and the run that undoes a run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use patchctl::core::approval::{Approval, OnTimeout, When, Who};
use patchctl::core::calendar::{Freeze, Window, Zone};
use patchctl::core::health::HealthRule;
use patchctl::core::hooks::Hooks;
use patchctl::core::host::Place;
use patchctl::core::ids::{ChangeId, Digest, HostIx, HostName, PlanName, PlaybookName, RunId, StageIx, StageName};
use patchctl::core::packages::{OpKind, PackageOp};
use patchctl::core::policy::Policy;
use patchctl::core::rollout::Rollout;
use patchctl::core::settings::{
    Amount, DeadMan, Escalate, Host, OnExceeded, Patch, Person, Pin, Reboot, Restart, RunKind, Scope, Select, Settings,
    Stage, Unproven,
};
use patchctl::engine::Playbooks;
use patchctl::playbook::{Playbook, Rights, StepName, StepScript};

use crate::rng::Rng;

pub(crate) const DAY: u64 = 86_400_000;

pub(crate) fn person(name: &str) -> Person {
    Person { name: name.into(), source: "login".into() }
}

/// The longest that each step may take, in seconds.
pub(crate) fn step_limit(step: StepName) -> u64 {
    match step {
        StepName::Detect => 30,
        StepName::Apply | StepName::Rollback => 600,
        StepName::Stash => 300,
        _ => 120,
    }
}

pub(crate) fn playbooks() -> Playbooks {
    let step =
        |step: &StepName| (*step, StepScript { file: "sim.sh".into(), text: "".into(), timeout_s: step_limit(*step) });
    let name = PlaybookName::new("sim").expect("a word");
    let playbook = Playbook {
        name: name.clone(),
        description: "a simulated package manager".into(),
        rights: Rights::Root,
        auto: true,
        way_in: vec!["libc*".into()],
        irreversible: None,
        library: "".into(),
        steps: StepName::ALL.iter().map(step).collect(),
    };
    Arc::new(BTreeMap::from([(name, playbook)]))
}

fn host(n: u32) -> Host {
    Host {
        name: HostName::new(format!("h{n}")).expect("a word"),
        address: format!("10.0.0.{n}"),
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

fn amount(rng: &mut Rng) -> Amount {
    match rng.below(5) {
        0 | 1 => Amount::Count(0),
        2 => Amount::Count(1),
        3 => Amount::Percent(u8::try_from(rng.range(0, 60)).unwrap_or(0)),
        _ => Amount::Count(20),
    }
}

/// Whose decisions count. Whoever decides elsewhere is one of ann, bob and cleo; `ops` sits at the terminal.
fn who_decides(rng: &mut Rng) -> Approval {
    let who = |list: &[&str]| list.iter().filter_map(|name| Who::parse(name).ok()).collect::<Vec<_>>();
    let (by, quorum) = match rng.below(10) {
        0 => (vec![who(&["ann", "bob", "cleo", "ops"])], 2),
        1 => (vec![who(&["ann", "group:b"]), who(&["group:o", "bob", "ann"])], 1),
        2 => (Vec::new(), 3),
        3 => (Vec::new(), 2),
        _ => (Vec::new(), 1),
    };
    Approval { by, quorum, each_wave: rng.chance(200), four_eyes: rng.chance(150), ..Approval::default() }
}

fn approval(rng: &mut Rng) -> Option<Approval> {
    if rng.chance(150) {
        return None;
    }
    Some(Approval {
        when: rng.pick(&[When::After, When::After, When::After, When::Before, When::Both]),
        wait: Duration::from_secs(rng.pick(&[60, 3600, 7 * 86400])),
        on_timeout: rng.pick(&[OnTimeout::Wait, OnTimeout::Wait, OnTimeout::Reject]),
        valid: Duration::from_secs(rng.pick(&[120, 7200, 7 * 86400])),
        ..who_decides(rng)
    })
}

fn stage(rng: &mut Rng, ix: u16, hosts: Vec<HostIx>) -> Stage {
    let mut needs = Vec::new();
    if ix > 0 {
        match rng.below(10) {
            0 => {}
            1 | 2 => needs.extend((0..ix).filter(|_| rng.chance(500)).map(StageIx)),
            _ => needs.push(StageIx(ix - 1)),
        }
    }
    let waves = (0..rng.below(4)).map(|_| match rng.below(3) {
        0 => Amount::Percent(50),
        _ => Amount::Count(1 + u32::try_from(rng.below(3)).unwrap_or(0)),
    });
    let waves = waves.collect();
    Stage {
        name: StageName::new(format!("s{ix}")).expect("a word"),
        pattern: "all".into(),
        hosts,
        needs,
        waves,
        parallel: u32::try_from(rng.range(1, 5)).unwrap_or(1),
        max_failed: amount(rng),
        max_unreachable: amount(rng),
        on_exceeded: rng.pick(&[OnExceeded::Rollback, OnExceeded::Rollback, OnExceeded::Ask]),
        rollback_scope: rng.pick(&[Scope::Host, Scope::Wave, Scope::Stage, Scope::Stage, Scope::Run]),
        restart: Restart::Needed,
        restart_exclude: Vec::new(),
        reboot: rng.pick(&[Reboot::Never, Reboot::Never, Reboot::Needed, Reboot::Always]),
        reboot_parallel: rng.pick(&[Amount::Count(1), Amount::Count(1), Amount::Percent(50), Amount::Count(2)]),
        reboot_timeout: Duration::from_secs(600),
        dead_man: rng.pick(&[
            DeadMan::Off,
            DeadMan::Auto,
            DeadMan::After(Duration::from_secs(20)),
            DeadMan::After(Duration::from_secs(300)),
        ]),
        timeout: Duration::from_secs(1800),
        approval: approval(rng),
        windows: Vec::new(),
        spread: None,
        after: Vec::new(),
        soak: Duration::ZERO,
        checks: Vec::new(),
        health: HealthRule::Off,
        health_exclude: Vec::new(),
        health_within: Duration::from_secs(60),
        hooks: Hooks::default(),
        snapshot: None,
        prefetch: false,
        compensate: None,
    }
}

/// When the simulated time begins.
pub(crate) const EPOCH: i64 = 1_800_000_000;

/// A window of every day, in UTC.
fn window(rng: &mut Rng) -> Window {
    let hours = rng.range(1, 20);
    let hour = i8::try_from(rng.below(24)).unwrap_or(0);
    Window {
        days: Vec::new(),
        weeks: Vec::new(),
        after_patch_tuesday: None,
        start: jiff::civil::Time::constant(hour, 0, 0, 0),
        length: Duration::from_secs(hours * 3600),
        zone: Zone::UTC,
        cutoff: Duration::from_secs(rng.below(hours * 3600)),
    }
}

/// A freeze that begins about when the run does.
fn freeze(rng: &mut Rng) -> Freeze {
    let begin = SignedDuration::from_secs(i64::try_from(rng.below(7_200)).unwrap_or(0) - 3_600);
    let length = SignedDuration::from_mins(i64::try_from(rng.range(1, 2_000)).unwrap_or(1));
    let from = Timestamp::from_second(EPOCH).unwrap_or(Timestamp::UNIX_EPOCH) + begin;
    let stages: &[&str] = rng.pick(&[&[][..], &["s0"], &["*1", "*2"]]);
    let stages = stages.iter().map(|glob| (*glob).to_owned()).collect();
    Freeze { name: "audit".into(), from, to: from + length, stages, override_by: Vec::new() }
}

/// When hosts may begin, in a part of the plans.
fn calendar(plan: &mut Settings, rng: &mut Rng) {
    if !rng.chance(300) {
        return;
    }
    for stage in &mut plan.stages {
        if rng.chance(500) {
            let lists = (0..rng.range(1, 2)).map(|_| (0..rng.range(1, 2)).map(|_| window(rng)).collect());
            stage.windows = lists.collect();
        }
    }
    plan.freezes = (0..rng.below(3)).map(|_| freeze(rng)).collect();
    // No run begins that never could.
    let begin = Timestamp::from_second(EPOCH).unwrap_or(Timestamp::UNIX_EPOCH);
    let never = |ix: &StageIx| plan.calendar(*ix).state(begin).is_never();
    let all = (0..).map(StageIx).take(plan.stages.len());
    let shut: Vec<StageIx> = all.filter(never).collect();
    shut.into_iter().for_each(|ix| plan.stages[ix.at()].windows.clear());
}

/// A plan of 1 to 4 stages over 1 to 12 hosts.
pub(crate) fn settings(rng: &mut Rng) -> Settings {
    let stages = rng.range(1, 4).min(rng.range(1, 4));
    let mut next = 0;
    let most = rng.pick(&[2, 3, 3, 6, 12]);
    let mut list = Vec::new();
    for ix in 0..u16::try_from(stages).unwrap_or(1) {
        let left = 12 - next;
        let count = if rng.chance(40) { 0 } else { u32::try_from(rng.range(1, most)).unwrap_or(1).min(left) };
        let hosts = (next..next + count).map(HostIx).collect();
        next += count;
        list.push(stage(rng, ix, hosts));
    }
    let mut plan = Settings {
        schema: 1,
        run: RunId::new("01JD0000000000000000000000").expect("a ULID"),
        kind: RunKind::Run,
        change: ChangeId::new("CHG1").expect("a word"),
        plan: PlanName::new("p").expect("a word"),
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
            allow_removals: rng.chance(500),
            pin: if rng.chance(800) { Pin::Exact } else { Pin::Off },
            unproven: rng.pick(&[Unproven::Skip, Unproven::Skip, Unproven::Refuse, Unproven::Ask]),
            severity: None,
            vars: BTreeMap::new(),
        },
        stages: list,
        hosts: (0..next).map(host).collect(),
        forks: None,
        signers: None,
        notify: crate::mail::channels(&mut rng.fork("mail")),
        freezes: Vec::new(),
        policy: Policy::default(),
    };
    calendar(&mut plan, &mut rng.fork("calendar"));
    crate::around::around(&mut plan, &mut rng.fork("around"));
    crate::looks::checks(&mut plan, &mut rng.fork("looks"));
    // A part of the plans is drilled, where that can be.
    let drill = rng.fork("drill").chance(120).then(|| patchctl::core::drill::settings_of(plan.clone())).flatten();
    drill.unwrap_or(plan)
}

/// The run that undoes what this one kept, as `patchctl rollback` makes it; none where nothing was kept.
pub(crate) fn undo(rollout: &Rollout) -> Option<Settings> {
    let old = rollout.settings();
    let mut settings = Settings::clone(old);
    settings.run = RunId::new("01JD0000000000000000000001").expect("a ULID");
    settings.policy = Policy::default();
    let (mut hosts, mut undo) = (Vec::new(), BTreeMap::new());
    for stage in &mut settings.stages {
        for host in std::mem::take(&mut stage.hosts) {
            let ops = backwards(rollout, host);
            if rollout.host(host).place != Place::Kept || ops.is_empty() {
                continue;
            }
            stage.hosts.push(HostIx(u32::try_from(hosts.len()).unwrap_or(u32::MAX)));
            undo.insert(old.hosts[host.at()].name.clone(), ops);
            hosts.push(old.hosts[host.at()].clone());
        }
        stage.approval = None;
        stage.max_failed = Amount::Percent(100);
        stage.rollback_scope = Scope::Host;
        stage.max_unreachable = Amount::Percent(100);
        stage.on_exceeded = OnExceeded::Rollback;
    }
    settings.stages.retain(|stage| !stage.hosts.is_empty());
    settings.stages.reverse();
    for (ix, stage) in (0u16..).zip(&mut settings.stages) {
        stage.needs = ix.checked_sub(1).map(StageIx).into_iter().collect();
    }
    let of = old.run.clone();
    settings.kind = RunKind::Rollback { of, reason: "worse than before".into(), packages: Vec::new(), undo };
    (!hosts.is_empty()).then_some(Settings { hosts, ..settings })
}

fn backwards(rollout: &Rollout, host: HostIx) -> Vec<PackageOp> {
    let ops = rollout.ops(host).iter().map(|op| PackageOp {
        op: match op.op {
            OpKind::Upgrade => OpKind::Downgrade,
            OpKind::Install => OpKind::Remove,
            OpKind::Remove => OpKind::Install,
            OpKind::Downgrade => OpKind::Upgrade,
        },
        from: op.to.clone(),
        to: op.from.clone(),
        origin: "stash".into(),
        ..op.clone()
    });
    let mut ops: Vec<PackageOp> = ops.collect();
    ops.sort();
    ops
}
