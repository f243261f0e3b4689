use proptest::prelude::*;

use super::*;
use crate::core::packages::{Arch, PackageName, Version};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn list(all: &[&str]) -> Vec<String> {
    all.iter().map(|one| (*one).to_owned()).collect()
}

fn scope() -> Preapproval {
    Preapproval {
        id: "night".into(),
        reason: "weekly updates".into(),
        plans: list(&["openssl-*"]),
        stages: list(&["uat", "prod"]),
        hosts: list(&["web-*"]),
        packages: list(&["openssl", "libssl?"]),
        origins: list(&["*-security"]),
        checks: Vec::new(),
        soak: None,
        security_only: true,
        max_severity: None,
        forbid: Forbidden::ALL.into(),
        from: Some(Stamp(at("2026-12-01T00:00:00Z"))),
        until: Stamp(at("2027-06-01T00:00:00Z")),
        windows: Vec::new(),
        uses: None,
    }
}

const NOW: &str = "2027-01-01T00:00:00Z";

fn op(kind: OpKind, name: &str, origin: &str, security: bool) -> PackageOp {
    PackageOp {
        op: kind,
        name: PackageName::new(name).unwrap(),
        arch: Arch::new("amd64").unwrap(),
        from: (kind != OpKind::Install).then(|| Version::new("1").unwrap()),
        to: (kind != OpKind::Remove).then(|| Version::new("2").unwrap()),
        origin: origin.into(),
        security,
    }
}

fn ssl() -> PackageOp {
    op(OpKind::Upgrade, "openssl", "Debian/bookworm-security", true)
}

/// What a scope says of a run of plan `openssl-2027`, stage `uat`, with these hosts.
fn said(scope: &Preapproval, hosts: &[(&str, Vec<PackageOp>)], change: impl Fn(&mut Facts<'_>)) -> Vec<String> {
    let (plan, stage) = (PlanName::new("openssl-2027").unwrap(), StageName::new("uat").unwrap());
    let names: Vec<HostName> = hosts.iter().map(|(name, _)| HostName::new(*name).unwrap()).collect();
    let facts = names.iter().zip(hosts).map(|(name, (_, ops))| HostFacts {
        name,
        trouble: None,
        ops,
        reboot: None,
        checks: None,
    });
    let mut facts = Facts {
        plan: &plan,
        stage: &stage,
        severity: Severity::Critical,
        patches: true,
        stopped: false,
        soak: 600,
        hosts: facts.collect(),
    };
    change(&mut facts);
    told(&scope.gaps(&facts, at(NOW)))
}

fn of_op(op: PackageOp) -> Vec<String> {
    said(&scope(), &[("web-1", vec![op])], |_| {})
}

#[test]
fn what_lies_in_the_scope_is_covered() {
    let hosts = [("web-1", vec![ssl(), op(OpKind::Install, "libssl3", "x-security", true)]), ("db-1", Vec::new())];
    assert_eq!(said(&scope(), &hosts, |_| {}), Vec::<String>::new(), "db-1 is not changed");
}

#[test]
fn each_thing_beyond_it_is_told_with_its_hosts() {
    let name = |name| op(OpKind::Upgrade, name, "a-security", true);
    assert_eq!(of_op(name("nginx")), ["web-1: nginx 1 → 2: not among its packages (openssl, libssl?)"]);
    assert_eq!(
        of_op(op(OpKind::Upgrade, "openssl", "evil\u{1b}[2J", true)),
        ["web-1: openssl 1 → 2: from evil\\u{1b}[2J, which is not among its origins (*-security)"]
    );
    assert_eq!(
        of_op(op(OpKind::Upgrade, "openssl", "a-security", false)),
        ["web-1: openssl 1 → 2: not a security update"]
    );
    assert_eq!(
        of_op(op(OpKind::Remove, "openssl", "", true)),
        ["web-1: openssl (removed): removals are forbidden"],
        "what goes away has no origin"
    );
    assert_eq!(
        of_op(op(OpKind::Downgrade, "openssl", "a-security", true)),
        ["web-1: openssl 1 → 2: no pre-approval covers an older version"]
    );
    let kernels = Preapproval { packages: list(&["*"]), ..scope() };
    assert_eq!(
        said(&kernels, &[("web-1", vec![name("linux-image-6.1.0-40-amd64")])], |_| {}),
        ["web-1: linux-image-6.1.0-40-amd64 1 → 2: kernels are forbidden"]
    );
    let permits = Preapproval { forbid: BTreeSet::new(), ..kernels };
    let both = [("web-1", vec![name("linux-image-6.1.0-40-amd64"), op(OpKind::Remove, "old", "", true)])];
    assert_eq!(said(&permits, &both, |_| {}), Vec::<String>::new());
}

#[test]
fn many_hosts_are_one_line_and_many_lines_are_cut() {
    let hosts: Vec<(String, Vec<PackageOp>)> = (1..=7).map(|n| (format!("db-{n}"), vec![ssl()])).collect();
    let hosts: Vec<(&str, Vec<PackageOp>)> = hosts.iter().map(|(name, ops)| (name.as_str(), ops.clone())).collect();
    assert_eq!(said(&scope(), &hosts, |_| {}), ["db-1, db-2, db-3, db-4 and 3 more: not among its hosts (web-*)"]);
    let ops = (0..50).map(|n| op(OpKind::Upgrade, &format!("p{n}"), "a-security", true)).collect();
    let lines = said(&scope(), &[("web-1", ops)], |_| {});
    assert_eq!((lines.len(), lines[20].as_str()), (21, "and 30 more of this kind"));
}

#[test]
fn it_counts_in_its_time_and_where_nothing_went_wrong_only() {
    let hosts = [("web-1", vec![ssl()])];
    let late = Preapproval { until: Stamp(at("2026-12-31T23:59:59Z")), ..scope() };
    assert_eq!(said(&late, &hosts, |_| {}), ["it expired at 2026-12-31T23:59:59Z"]);
    let last = Preapproval { until: Stamp(at(NOW)), from: Some(Stamp(at(NOW))), ..scope() };
    assert_eq!(said(&last, &hosts, |_| {}), Vec::<String>::new(), "both ends count");
    let early = Preapproval { from: Some(Stamp(at("2027-01-01T00:00:01Z"))), ..scope() };
    assert_eq!(said(&early, &hosts, |_| {}), ["it counts from 2027-01-01T00:00:01Z on"]);
    let failed = said(&scope(), &hosts, |facts| facts.hosts[0].trouble = Some("dpkg failed".into()));
    assert_eq!(failed, ["web-1: dpkg failed: a person must look"]);
    let stopped = said(&scope(), &hosts, |facts| facts.stopped = true);
    assert_eq!(stopped, ["more hosts failed, or do not answer, than the plan allows: a person must look"]);
    let back = said(&scope(), &hosts, |facts| facts.patches = false);
    assert_eq!(back, ["it is for patching, and this run is a rollback"]);
    let boots = said(&scope(), &hosts, |facts| facts.hosts[0].reboot = Some("it needs one: libc6".into()));
    assert_eq!(boots, ["web-1: reboots are forbidden, and it needs one: libc6"]);
    let elsewhere = Preapproval { plans: list(&["kernel"]), stages: list(&["test"]), ..scope() };
    assert_eq!(
        said(&elsewhere, &hosts, |_| {}),
        ["plan openssl-2027 is not among its plans (kernel)", "stage uat is not among its stages (test)"]
    );
}

fn pattern() -> impl Strategy<Value = String> {
    "[ab*?]{1,3}"
}

fn patterns() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(pattern(), 1..4)
}

fn any_scope() -> impl Strategy<Value = Preapproval> {
    let lists = (patterns(), patterns(), patterns(), patterns(), patterns());
    let forbid = prop::collection::btree_set(prop::sample::select(Forbidden::ALL.to_vec()), 0..3);
    let severity = prop::option::of(prop::sample::select(SEVERITIES.to_vec()));
    (lists, any::<bool>(), severity, forbid, prop::option::of(0..100_i64), 0..100_i64).prop_map(
        |((plans, stages, hosts, packages, origins), security_only, max_severity, forbid, from, until)| {
            let moment = |second| Stamp(Timestamp::from_second(second).unwrap());
            let (from, until) = (from.map(moment), moment(until));
            let like = Preapproval { plans, stages, hosts, packages, origins, security_only, ..scope() };
            Preapproval { max_severity, forbid, from, until, ..like }
        },
    )
}

const SEVERITIES: [Severity; 4] = [Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

fn any_op() -> impl Strategy<Value = PackageOp> {
    let kinds = [OpKind::Upgrade, OpKind::Upgrade, OpKind::Install, OpKind::Remove, OpKind::Downgrade];
    (prop::sample::select(kinds.to_vec()), "[ab]{1,3}|linux-image-a", "[ab]{0,3}", any::<bool>())
        .prop_map(|(kind, name, origin, security)| op(kind, &name, &origin, security))
}

type AnyHost = (String, Option<String>, Vec<PackageOp>, Option<String>);

fn any_host() -> impl Strategy<Value = AnyHost> {
    let trouble = prop::option::weighted(0.1, Just("failed".to_owned()));
    let reboot = prop::option::weighted(0.2, Just("it boots".to_owned()));
    ("[ab]{1,3}", trouble, prop::collection::vec(any_op(), 0..3), reboot)
}

/// A window of each day in UTC.
fn window(start: &str, seconds: u64) -> Window {
    let window = serde_json::json!({ "start": start, "length": seconds, "zone": "UTC" });
    serde_json::from_value(window).unwrap()
}

#[test]
fn its_windows_and_the_plans_severity_are_held_to() {
    let hosts = [("web-1", vec![ssl()])];
    let open = Preapproval { windows: vec![window("20:00:00", 60), window("00:00:00", 1)], ..scope() };
    assert_eq!(said(&open, &hosts, |_| {}), Vec::<String>::new());
    let closed = Preapproval { windows: vec![window("20:00:00", 3600)], ..scope() };
    assert_eq!(said(&closed, &hosts, |_| {}), ["outside of its windows (every day 20:00 for 1h (UTC))"]);
    let medium = Preapproval { max_severity: Some(Severity::Medium), ..scope() };
    assert_eq!(
        said(&medium, &hosts, |facts| facts.severity = Severity::High),
        ["the plan's severity is high, and medium is the worst that it covers"]
    );
    assert_eq!(said(&medium, &hosts, |facts| facts.severity = Severity::Medium), Vec::<String>::new());
}

/// The scope made narrower in one way; `without` says how.
fn narrower(mut scope: Preapproval, way: usize) -> Preapproval {
    let shorter = |list: &mut Vec<String>| drop((list.len() > 1).then(|| list.pop()));
    match way {
        0 => shorter(&mut scope.plans),
        1 => shorter(&mut scope.stages),
        2 => shorter(&mut scope.hosts),
        3 => shorter(&mut scope.packages),
        4 => shorter(&mut scope.origins),
        5 => scope.security_only = true,
        6 => scope.forbid = Forbidden::ALL.into(),
        7 => scope.from = Some(scope.from.map_or(scope.until, |from| from.max(scope.until))),
        8 => scope.max_severity = Some(Severity::Low),
        9 => scope.windows = vec![window("00:00:00", 30)],
        _ => scope.until = Stamp(Timestamp::from_second(scope.until.0.as_second() / 2).unwrap()),
    }
    scope
}

proptest! {
    #[test]
    fn a_narrower_scope_never_covers_more(
        scope in any_scope(), way in 0..11_usize, plan in "[ab]{1,3}", stage in "[ab]{1,3}",
        hosts in prop::collection::vec(any_host(), 0..4), now in 0..100_i64, severity in prop::sample::select(SEVERITIES.to_vec()),
    ) {
        let (plan, stage) = (PlanName::new(plan).unwrap(), StageName::new(stage).unwrap());
        let names: Vec<HostName> = hosts.iter().map(|host| HostName::new(&host.0).unwrap()).collect();
        let now = Timestamp::from_second(now).unwrap();
        let facts = |count: usize| Facts {
            plan: &plan, stage: &stage, severity, patches: true, stopped: false, soak: 600,
            hosts: names.iter().zip(&hosts).take(count).map(|(name, host)| facts_of(name, host)).collect(),
        };
        let (all, less) = (facts(hosts.len()), facts(hosts.len().saturating_sub(1)));
        let narrow = narrower(scope.clone(), way);
        if narrow.gaps(&all, now).is_empty() {
            prop_assert!(scope.gaps(&all, now).is_empty(), "{:?} covers what {:?} does not", narrow, scope);
        }
        // Nor does it cover more where more is to be covered.
        if scope.gaps(&all, now).is_empty() {
            prop_assert!(scope.gaps(&less, now).is_empty());
        }
        // Nothing is covered beside its own words, however it is put.
        if scope.gaps(&all, now).is_empty() {
            for host in all.hosts.iter().filter(|host| !host.ops.is_empty()) {
                prop_assert!(host.trouble.is_none());
                prop_assert!(host.ops.iter().all(|op| fits(&scope.packages, op.name.as_str())));
                prop_assert!(!scope.security_only || host.ops.iter().all(|op| op.security));
            }
        }
    }
}

fn facts_of<'a>(name: &'a HostName, (_, trouble, ops, reboot): &'a AnyHost) -> HostFacts<'a> {
    HostFacts { name, trouble: trouble.clone(), ops, reboot: reboot.clone(), checks: None }
}

#[test]
fn a_wave_that_is_not_watched_for_long_enough_is_not_covered() {
    let gaps = |soak| said(&Preapproval { soak: Some(soak), ..scope() }, &[("web-1", vec![ssl()])], |_| {});
    assert_eq!(gaps(600), [""; 0]);
    assert_eq!(gaps(601), ["waves are watched for 600 s (`soak`), and it asks for 601 s"]);
}
