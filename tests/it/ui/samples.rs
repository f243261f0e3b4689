//! Made-up runs, small and large.

use std::time::Duration;

use patchctl::core::document::{
    ActionPerformed, ActionState, Against, CheckResult, CheckWhen, DecidedBy, Decision, DocumentKind, DriftDocument,
    DriftState, EmergencyResult, Forecast, ForecastBy, HostDrift, HostResult, How, Outcome, PackageChange,
    PackageDrift, PlanDocument, PlannedHost, PlannedRollback, PlannedStage, Reboot, RebootForecast, ResultDocument,
    RollbackResult, RunLine, RunsDocument, Said, Services, StageReason, StageResult, StageState, Stamp, StateReason,
    Summary, Verdict, Waiting, WaitingFor,
};
use patchctl::core::evidence::{Beginning, GateKind, GateQuestion, HostEvidence, WayBack};
use patchctl::core::ids::{ChangeId, Digest, GroupName, HostName, PlanName, RunId, StageName};
use patchctl::core::packages::{Arch, OpKind, PackageName, PackageOp, Version};
use patchctl::core::problem::{ErrorKind, Problem};
use patchctl::core::settings::{Escalate, Host};
use patchctl::ui::control::{Claim, GivenUp, Record};
use patchctl::ui::lists::{PingAnswer, Pinged};

pub(super) const RUN: &str = "01JD8Z5M3QK7C2W9N4T6V8X0AB";

pub(super) fn run() -> RunId {
    RunId::new(RUN).unwrap()
}

pub(super) fn change() -> ChangeId {
    ChangeId::new("CHG0041337").unwrap()
}

pub(super) fn plan_name() -> PlanName {
    PlanName::new("openssl-2026-11").unwrap()
}

pub(super) fn stage(name: &str) -> StageName {
    StageName::new(name).unwrap()
}

pub(super) fn host(name: &str) -> HostName {
    HostName::new(name).unwrap()
}

fn at(text: &str) -> Stamp {
    Stamp(text.parse().unwrap())
}

fn version(text: &str) -> Option<Version> {
    Some(Version::new(text).unwrap())
}

fn package(name: &str) -> PackageChange {
    PackageChange {
        name: PackageName::new(name).unwrap(),
        arch: Arch::new("amd64").unwrap(),
        before: version("3.0.20-1~deb12u2"),
        tried: None,
        after: version("3.0.22-1~deb12u2"),
    }
}

fn packages() -> Vec<PackageChange> {
    vec![package("openssl"), package("libssl3")]
}

fn restored(mut change: PackageChange) -> PackageChange {
    change.tried = Some(change.after.clone());
    change.after = change.before.clone();
    change
}

fn check(detail: &str) -> CheckResult {
    CheckResult {
        name: "health".to_owned(),
        when: CheckWhen::After,
        ok: true,
        inconclusive: false,
        detail: detail.to_owned(),
    }
}

pub(super) fn patched(name: &str, took: u64) -> HostResult {
    HostResult {
        host: host(name),
        address: "10.0.1.11".to_owned(),
        wave: 1,
        action_performed: ActionPerformed::Patch,
        action_state: ActionState::Success,
        state_reason: StateReason::Patched,
        action_cause: Some("smoke tests fine".to_owned()),
        packages: packages(),
        rollback: None,
        services: Services { restarted: vec!["nginx.service".to_owned()], stale: Vec::new() },
        reboot: Reboot::default(),
        dead_man: None,
        checks: vec![check("200 in 12 ms")],
        error: None,
        duration_ms: took,
        way_back_ms: None,
    }
}

fn rolled_back(name: &str, cause: &str) -> HostResult {
    let mut host = patched(name, 52_000);
    host.action_performed = ActionPerformed::Rollback;
    host.state_reason = StateReason::Restored;
    host.action_cause = Some(cause.to_owned());
    host.packages = host.packages.into_iter().map(restored).collect();
    host.rollback = Some(RollbackResult { exact: true, differences: Vec::new(), by_itself: false });
    host
}

fn untouched(name: &str, state: ActionState, reason: StateReason, cause: &str) -> HostResult {
    let mut host = patched(name, 0);
    host.action_performed = ActionPerformed::None;
    host.action_state = state;
    host.state_reason = reason;
    host.action_cause = Some(cause.to_owned());
    host.packages = Vec::new();
    host.services = Services::default();
    host.checks = Vec::new();
    host
}

fn decision(verdict: Verdict, name: &str, reason: &str, how: How) -> Option<Decision> {
    let by = DecidedBy {
        name: name.to_owned(),
        source: Some("login".into()),
        at: at("2026-11-22T01:00:59Z"),
        reason: reason.to_owned(),
        how,
        key: None,
    };
    Some(Decision { verdict, digest: Digest::of(b"x"), by: vec![by] })
}

fn stage_of(name: &str, state: StageState, reason: StageReason, hosts: Vec<HostResult>) -> StageResult {
    StageResult { name: stage(name), state, state_reason: reason, decision: None, hosts }
}

fn document(outcome: Outcome, stages: Vec<StageResult>) -> ResultDocument {
    let mut document = ResultDocument::of_errors(DocumentKind::Run, outcome, Vec::new());
    document.run_id = Some(run());
    document.change_id = Some(change());
    document.plan = Some(plan_name());
    document.plan_digest = Some(Digest::of(b"plan"));
    document.started_at = Some(at("2026-11-22T01:00:00Z"));
    document.finished_at = Some(at("2026-11-22T01:01:33Z"));
    document.duration_ms = 93_211;
    document.summary = Summary::of(&stages);
    document.stages = stages;
    document
}

/// Three hosts, all well, their gate approved; a fourth stage's host still has something due.
pub(super) fn complete() -> ResultDocument {
    let names = ["uat-web-01.example.com", "uat-web-02.example.com"];
    let mut uat = stage_of("uat", StageState::Success, StageReason::Approved, Vec::new());
    uat.hosts = names.map(|name| patched(name, 41_200)).into();
    uat.decision = decision(Verdict::Approved, "it-admin", "smoke tests fine", How::Prompt);
    let mut due = patched("db-01.example.com", 125_000);
    due.services.stale = vec!["docker.service".to_owned()];
    due.reboot.needed = true;
    let mut prod = stage_of("prod", StageState::Success, StageReason::Approved, vec![due]);
    prod.decision =
        decision(Verdict::Approved, "alice", "checked with the service owners, all dashboards green", How::Command);
    document(Outcome::Complete, vec![uat, prod])
}

/// A gate that waits.
pub(super) fn paused() -> ResultDocument {
    let mut first = patched("uat-01", 41_200);
    first.state_reason = StateReason::Waiting;
    first.action_cause = None;
    let uat = stage_of("uat", StageState::Waiting, StageReason::Approval, vec![first]);
    let later = untouched("prod-01", ActionState::Skipped, StateReason::NotBegun, "");
    let prod = stage_of("prod", StageState::Skipped, StageReason::NotBegun, vec![later]);
    let mut document = document(Outcome::Paused, vec![uat, prod]);
    document.finished_at = None;
    document.waiting = Some(Waiting {
        kind: WaitingFor::Approval,
        stage: stage("uat"),
        have: Some(0),
        need: Some(1),
        opens_at: None,
        until: Some(at("2026-11-29T01:00:59Z")),
        digest: Some(Digest::of(b"x")),
        by: None,
        not_covered: Vec::new(),
        command: format!("patchctl approve {RUN} --stage uat --digest 2d711642 --reason TEXT --resume"),
    });
    document
}

/// An emergency that waits: its policy does not let it pass a window.
pub(super) fn shut() -> ResultDocument {
    let mut document = paused();
    let reason = "CVE-2026-31337 is exploited, and what is patched tonight is not tomorrow's headline".to_owned();
    document.emergency = Some(EmergencyResult {
        declared: vec![Said { by: "it-admin".into(), at: at("2026-11-22T01:00:01Z"), reason }],
        in_force: false,
        have: Some(1),
        need: Some(2),
        passed: vec!["stage uat: freeze christmas until 2027-01-03T00:00:00Z".into()],
        review_by: None,
        review: None,
    });
    document.waiting = document.waiting.map(|waiting| Waiting {
        kind: WaitingFor::Window,
        stage: stage("prod"),
        have: None,
        need: None,
        opens_at: Some(at("2026-11-28T21:00:00Z")),
        until: Some(at("2026-11-29T02:00:00Z")),
        digest: None,
        by: Some("window Sat 22:00 for 6h (Europe/Berlin), no new host in the last 1h".into()),
        command: format!("patchctl resume {RUN}"),
        ..waiting
    });
    document
}

/// A person said no.
pub(super) fn rejected() -> ResultDocument {
    let cause = "latency doubled on uat-02, see the dashboard";
    let mut uat = stage_of("uat", StageState::Rejected, StageReason::Rejected, Vec::new());
    uat.hosts = ["uat-01", "uat-02"].map(|name| rolled_back(name, cause)).into();
    uat.decision = decision(Verdict::Rejected, "it-admin", cause, How::Prompt);
    let later = untouched("prod-01", ActionState::Skipped, StateReason::NotBegun, "stage uat was rejected");
    let prod = stage_of("prod", StageState::Skipped, StageReason::Needs, vec![later]);
    document(Outcome::Rejected, vec![uat, prod])
}

const DPKG: &str = "dpkg: error processing package openssl (--configure):\n installed openssl package post-installation \
                    script subprocess returned error exit status 1";

/// Something of everything that can go wrong.
pub(super) fn degraded() -> ResultDocument {
    let mut bad = rolled_back("uat-01", "restored, and not exact");
    bad.action_state = ActionState::Failed;
    bad.state_reason = StateReason::NotExact;
    let differences = vec!["/etc/ssl/openssl.cnf differs".to_owned(), "hold on libc6 is missing".to_owned()];
    bad.rollback = Some(RollbackResult { exact: false, differences, by_itself: false });
    let hint = "look at /var/log/dpkg.log on the host";
    bad.error = Some(Problem::new(ErrorKind::Apply, DPKG).on(&bad.host).during("apply").hint(hint));
    let mut lost = patched("uat-02", 610_000);
    lost.action_state = ActionState::Unknown;
    lost.state_reason = StateReason::Lost;
    lost.action_cause = Some("verify: connection lost and not made again within 10 min".to_owned());
    lost.error = Some(Problem::new(ErrorKind::Lost, "uat-02 does not answer any more").on(&lost.host).during("verify"));
    let mut away = untouched("uat-03", ActionState::Failed, StateReason::Unreachable, "connection refused");
    away.error = Some(Problem::new(ErrorKind::Unreachable, "connection refused\x1b[2J").on(&away.host));
    let uat = stage_of("uat", StageState::Failed, StageReason::Degraded, vec![bad, lost, away]);
    document(Outcome::Degraded, vec![uat])
}

/// Stopped by a signal while hosts were being patched.
pub(super) fn stopped() -> ResultDocument {
    let mut under_way = patched("prod-01", 12_000);
    (under_way.state_reason, under_way.action_cause) = (StateReason::Running, None);
    let waits = untouched("prod-02", ActionState::Skipped, StateReason::NotBegun, "");
    let prod = stage_of("prod", StageState::Running, StageReason::Running, vec![under_way, waits]);
    let mut document = document(Outcome::Interrupted, vec![prod]);
    document.waiting = Some(Waiting {
        kind: WaitingFor::Person,
        stage: stage("prod"),
        have: None,
        need: None,
        opens_at: None,
        until: None,
        digest: None,
        by: None,
        not_covered: Vec::new(),
        command: format!("patchctl resume {RUN}"),
    });
    document
}

/// Hosts that were given up, each with another end of its claim.
pub(super) fn given_up() -> Vec<GivenUp> {
    let unknown = |kind, message: &str, hint: &str| {
        Claim::Unknown(Problem::new(kind, message).hint(hint).on(&host("web-04")).during("release"))
    };
    let busy = format!("job {RUN}-h3-apply-1 of the run may still be at work there: its claim stays");
    let claims = [
        (Record::Now, Claim::Cleared),
        (Record::Before, Claim::None),
        (Record::Nowhere, Claim::OtherRun("run 01JX\x1b[2J (by ana@desk, 2026-11-22T01:00:00Z)".into())),
        (Record::Now, unknown(ErrorKind::Refused, &busy, "wait until it has ended, and release the host again")),
        (Record::Now, unknown(ErrorKind::Unreachable, "no route to host", "try `ssh web-04 true`")),
        (Record::Now, unknown(ErrorKind::HostKey, "its host key has changed", "look at it")),
    ];
    let named = (1..).map(|number| host(&format!("web-0{number}")));
    named.zip(claims).map(|(host, (record, claim))| GivenUp { host, record, claim }).collect()
}

fn web(number: usize) -> String {
    format!("web-{number:03}.fra1.example.com")
}

/// Three hundred hosts, most of which failed in the same way.
pub(super) fn many() -> ResultDocument {
    let hosts = (1..=300).map(|number| {
        let name = web(number);
        if number <= 4 {
            return patched(&name, 40_000 + number as u64 * 317);
        }
        let mut host = rolled_back(&name, "apply: dpkg: error processing package openssl");
        let message = format!("{DPKG} on {name}");
        host.error = Some(Problem::new(ErrorKind::Apply, message).on(&host.host).during("apply").hint("see dpkg.log"));
        host
    });
    let prod = stage_of("prod", StageState::Failed, StageReason::Failed, hosts.collect());
    document(Outcome::Failed, vec![prod])
}

fn evidence(name: &str, number: usize) -> HostEvidence {
    let log =
        ["Unpacking libssl3:amd64 (3.0.22-1~deb12u2) over (3.0.20-1~deb12u2) ...", "Setting up openssl \x1b[31m..."];
    HostEvidence {
        host: host(name),
        wave: if number <= 30 { 1 } else { 2 },
        state: StateReason::Waiting,
        packages: packages(),
        checks: vec![check(&format!("200 in {} ms", 10 + number % 7))],
        services: Services { restarted: vec!["nginx.service".to_owned(), "ssh.service".to_owned()], stale: Vec::new() },
        reboot: Reboot::default(),
        rollback: WayBack::Proven { approximate: Vec::new() },
        problem: None,
        took_ms: 38_000 + (number as u64 * 397) % 9_000,
        log: log.map(str::to_owned).into(),
    }
}

fn gate(name: &str, hosts: Vec<HostEvidence>) -> GateQuestion {
    GateQuestion {
        run: run(),
        change: change(),
        plan: plan_name(),
        stage: stage(name),
        kind: GateKind::After,
        digest: Digest::of(b"x"),
        opened_at: at("2026-11-22T01:00:59Z"),
        until: Some(at("2026-11-29T01:00:59Z")),
        rejects_then: false,
        have: 0,
        need: 1,
        may_decide: None,
        policy: Vec::new(),
        approved_by: Vec::new(),
        opens: vec![(stage("prod"), 300)],
        takes_back: hosts.len(),
        hosts,
        notes: Vec::new(),
    }
}

/// Three hosts, one of them a little different.
pub(super) fn small_gate() -> GateQuestion {
    let names = ["uat-web-01.example.com", "uat-web-02.example.com", "uat-db-01.example.com"];
    let mut hosts: Vec<HostEvidence> = names.iter().zip(1..).map(|(name, number)| evidence(name, number)).collect();
    hosts[2].services.stale = vec!["postgresql@15-main.service".to_owned()];
    hosts[2].reboot.needed = true;
    hosts[2].rollback =
        WayBack::Proven { approximate: vec!["openssl=3.0.20-1~deb12u2 was rebuilt from what is installed".to_owned()] };
    let mut gate = gate("uat", hosts);
    gate.notes = vec!["plan.toml was edited since the run started; the run goes on with what was frozen".to_owned()];
    gate
}

/// Three hundred hosts; two failed and are back.
pub(super) fn large_gate() -> GateQuestion {
    let hosts = (1..=300).map(|number| {
        let mut one = evidence(&web(number), number);
        if number % 150 == 7 {
            one.state = StateReason::Restored;
            one.packages = one.packages.into_iter().map(restored).collect();
            one.problem = Some(Problem::new(ErrorKind::Apply, DPKG).on(&one.host).during("apply"));
            one.checks.clear();
            one.rollback = WayBack::NotNeeded;
        }
        one
    });
    let mut gate = gate("prod", hosts.collect());
    gate.notes = (1..=300).map(|number| format!("{}: held, not changed: linux-image-amd64", web(number))).collect();
    gate.opens.clear();
    gate.takes_back = 298;
    gate.need = 2;
    gate.have = 1;
    gate
}

fn op(op: OpKind, name: &str, from: Option<&str>, to: Option<&str>) -> PackageOp {
    PackageOp {
        op,
        name: PackageName::new(name).unwrap(),
        arch: Arch::new("amd64").unwrap(),
        from: from.and_then(version),
        to: to.and_then(version),
        origin: "Debian-Security:12/stable-security".to_owned(),
        security: op == OpKind::Upgrade,
    }
}

/// A resolved plan.
pub(super) fn plan() -> PlanDocument {
    let (old, new) = (Some("3.0.20-1~deb12u2"), Some("3.0.22-1~deb12u2"));
    let transaction = vec![
        op(OpKind::Upgrade, "openssl", old, new),
        op(OpKind::Upgrade, "libssl3", old, new),
        op(OpKind::Install, "libjitterentropy3", None, Some("3.4.1-1")),
    ];
    let planned = |name: String| PlannedHost {
        host: host(&name),
        transaction: transaction.clone(),
        rollback: PlannedRollback { guaranteed: true, missing: Vec::new() },
        reboot: RebootForecast::NotNeeded,
        problems: Vec::new(),
    };
    let uat: Vec<PlannedHost> = ["uat-01", "uat-02"].map(str::to_owned).map(planned).into();
    let mut prod: Vec<PlannedHost> = (1..=40).map(web).map(planned).collect();
    prod[3].transaction.clear();
    prod[5].transaction.truncate(1);
    prod[5].rollback = PlannedRollback { guaranteed: false, missing: vec!["openssl=3.0.20-1~deb12u2".to_owned()] };
    prod[5].problems = vec![
        Problem::new(ErrorKind::Refused, "openssl=3.0.20-1~deb12u2 can neither be found nor rebuilt")
            .on(&prod[5].host)
            .during("stash")
            .hint("install dpkg-repack on the host, or set up a repository that has it"),
    ];
    let waves = |hosts: &[PlannedHost], sizes: &[usize]| {
        let mut names = hosts.iter().map(|host| host.host.clone());
        sizes.iter().map(|&size| names.by_ref().take(size).collect()).collect()
    };
    let (unknown, tight) = forecasts();
    let stages = vec![
        PlannedStage { name: stage("uat"), waves: waves(&uat, &[2]), hosts: uat, forecast: Some(unknown) },
        PlannedStage { name: stage("prod"), waves: waves(&prod, &[1, 4, 20, 15]), hosts: prod, forecast: Some(tight) },
    ];
    PlanDocument { schema: 1, digest: Some(Digest::of(b"plan")), stages, errors: Vec::new() }
}

/// Of a stage that nothing is known of, and of one that does not fit its window.
fn forecasts() -> (Forecast, Forecast) {
    let moment = |text: &str| Some(Stamp(text.parse().unwrap()));
    let tight = Forecast {
        hosts: 38,
        waves: 4,
        runs: 3,
        by: Some(ForecastBy::Stage),
        per_host_ms: Some(2_400_000),
        takes_ms: Some(19_200_000),
        begins_at: moment("2026-11-28T21:00:00Z"),
        ends_at: moment("2026-12-05T23:20:00Z"),
        none_after: moment("2026-11-29T02:00:00Z"),
        until: moment("2026-11-29T03:00:00Z"),
        fits: Some(false),
        why: Some("15 of 38 hosts would not begin in time".to_owned()),
    };
    let why = Some("no earlier run says how long hosts take".to_owned());
    let unknown = Forecast {
        hosts: 2,
        waves: 1,
        runs: 0,
        by: None,
        per_host_ms: None,
        takes_ms: None,
        ends_at: None,
        none_after: None,
        until: None,
        fits: None,
        why,
        ..tight.clone()
    };
    (unknown, tight)
}

/// The same, as a run shows it before its first change.
pub(super) fn beginning() -> Beginning {
    let mut now = plan();
    for stage in &mut now.stages {
        stage.forecast = None;
    }
    let later = now.stages.split_off(1).iter().map(|stage| (stage.name.clone(), stage.hosts.len())).collect();
    let shut =
        vec!["stage uat: no host begins now: freeze x until 2027-01-01T00:00:00Z; hosts may begin from …".into()];
    let tight =
        vec!["stage uat: by 3 earlier runs it does not fit its window: 1 of 2 hosts would not begin in time".into()];
    Beginning {
        run: run(),
        kind: DocumentKind::Run,
        change: change(),
        plan: plan_name(),
        hosts: 2,
        shut,
        tight,
        now,
        later,
    }
}

/// A list of runs.
pub(super) fn runs() -> RunsDocument {
    let line = |run_id: &str, outcome, finished: Option<&str>| RunLine {
        run_id: RunId::new(run_id).unwrap(),
        change_id: change(),
        plan: plan_name(),
        kind: DocumentKind::Run,
        outcome,
        started_at: at("2026-11-22T01:00:00Z"),
        finished_at: finished.map(at),
        review_by: run_id.ends_with("A9").then(|| at("2026-11-23T04:00:00Z")),
    };
    let runs = vec![
        line(RUN, Outcome::Running, None),
        line("01JD8Y1M3QK7C2W9N4T6V8X0AA", Outcome::Complete, Some("2026-11-22T01:01:33Z")),
        line("01JCSX5M3QK7C2W9N4T6V8X0A9", Outcome::Degraded, Some("2026-11-22T04:01:33Z")),
    ];
    RunsDocument { schema: 1, runs }
}

/// Answers to a ping: two good, many bad in the same way.
pub(super) fn pinged() -> Vec<Pinged> {
    let key = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";
    let good = |name: &str| Pinged {
        host: host(name),
        answer: Ok(PingAnswer { user: "patch".to_owned(), host_key: key.to_owned(), took: Duration::from_millis(312) }),
    };
    let bad = |number| {
        let host = host(&web(number));
        let message = format!("no answer from {host} within 10 s");
        Pinged { answer: Err(Problem::new(ErrorKind::Unreachable, message).on(&host).hint("is it up?")), host }
    };
    [good("uat-01"), good("uat-02")].into_iter().chain((1..=12).map(bad)).collect()
}

/// Two hosts of an inventory.
pub(super) fn inventory() -> Vec<Host> {
    let host = |name: &str, port, user: Option<&str>, escalate| Host {
        name: host(name),
        address: "10.0.1.11".to_owned(),
        port,
        user: user.map(str::to_owned),
        private_keys: Vec::new(),
        escalate,
        password_command: None,
        become_password_command: None,
        playbook: None,
        groups: ["uat", "web"].map(|group| GroupName::new(group).unwrap()).into(),
        vars: std::collections::BTreeMap::new(),
    };
    vec![host("uat-web-01.example.com", 22, None, Escalate::None), host("uat-02", 2222, Some("patch"), Escalate::Sudo)]
}

/// Hosts that differ as one, one that differs by itself, and all that cannot be compared.
pub(super) fn drift() -> DriftDocument {
    let package = |name: &str, expected: Option<&str>, found: Option<&str>, against| PackageDrift {
        name: PackageName::new(name).unwrap(),
        arch: Arch::new("amd64").unwrap(),
        expected: expected.and_then(version),
        found: found.and_then(version),
        against,
    };
    let of = |name: &str, state, differences: Vec<PackageDrift>| HostDrift {
        host: host(&format!("{name}.fra1.example.com")),
        run_id: Some(run()),
        change_id: Some(change()),
        plan: Some(plan_name()),
        stage: Some(stage("prod")),
        state,
        undecided: None,
        differences,
        error: None,
    };
    let old = package("libssl3", Some("3.0.22-1~deb12u2"), Some("3.0.20-1~deb12u2"), Against::Run);
    let alone = vec![
        package("openssl", Some("3.0.22-1~deb12u2"), None, Against::Run),
        package("curl", Some("7.88.1-10+deb12u9"), Some("7.88.1-10+deb12u8"), Against::Stage),
    ];
    let mut hosts: Vec<HostDrift> =
        (1..4).map(|n| of(&format!("web-{n}"), DriftState::Drifted, vec![old.clone()])).collect();
    hosts.push(of("web-4", DriftState::Drifted, alone));
    hosts.extend((5..9).map(|n| of(&format!("web-{n}"), DriftState::Same, Vec::new())));
    let problem = Problem::new(ErrorKind::Unreachable, "\u{1b}[2Jno route to host").on(&host("web-9.fra1.example.com"));
    hosts.push(HostDrift { error: Some(problem.clone()), ..of("web-9", DriftState::Unreachable, Vec::new()) });
    let unknown = of("db-1", DriftState::Unknown, Vec::new());
    let undecided = Some(run());
    hosts.push(HostDrift { run_id: None, change_id: None, plan: None, stage: None, undecided, ..unknown });
    DriftDocument { schema: 1, outcome: Outcome::Failed, exit_code: 5, hosts, errors: vec![problem] }
}
