use super::*;
use crate::core::problem::ErrorKind;

const RUN: &str = "01JD0000000000000000000000";

fn key(name: &str) -> Key {
    (PackageName::new(name).unwrap(), Arch::new("amd64").unwrap())
}

fn version(text: &str) -> Version {
    Version::new(text).unwrap()
}

/// `a=1 b=-`: what is not installed is at `-`.
fn versions(text: &str) -> Versions {
    let one = |word: &str| {
        let (name, at) = word.split_once('=').unwrap();
        (key(name), (at != "-").then(|| version(at)))
    };
    text.split_whitespace().map(one).collect()
}

fn left(stage: &str, release: &str, packages: &str) -> Left {
    Left {
        run: RunId::new(RUN).unwrap(),
        change: ChangeId::new("CHG1").unwrap(),
        plan: PlanName::new("p").unwrap(),
        stage: StageName::new(stage).unwrap(),
        host: HostIx(0),
        platform: Some(Platform { distro: "debian".into(), release: release.into(), arch: "amd64".into() }),
        packages: versions(packages),
    }
}

fn answer(packages: &str) -> Vec<Package> {
    let package = |(key, version): (Key, Option<Version>)| Package { name: key.0, arch: key.1, version };
    versions(packages).into_iter().map(package).collect()
}

fn seen(host: &str, left: Left, now: &str) -> Seen {
    let known = Known { left: Some(left), ..Known::default() };
    Seen { host: HostName::new(host).unwrap(), known, answer: Some(Ok(answer(now))) }
}

/// Hosts of one stage on which the run left the same, and what is there now.
fn alike(packages: &str, now: &[&str]) -> Vec<Seen> {
    now.iter().zip(0..).map(|(now, n)| seen(&format!("h{n}"), left("prod", "12", packages), now)).collect()
}

/// `h0 a 1>2 run`: each difference of each host.
fn told(document: &DriftDocument) -> Vec<String> {
    let word = |version: &Option<Version>| version.as_ref().map_or("-".to_owned(), ToString::to_string);
    let mut lines = Vec::new();
    for host in &document.hosts {
        for d in &host.differences {
            let against = if d.against == Against::Run { "run" } else { "stage" };
            lines.push(format!("{} {} {}>{} {against}", host.host, d.name, word(&d.expected), word(&d.found)));
        }
    }
    lines
}

#[test]
fn hosts_that_are_as_they_were_left() {
    let document = compare(alike("a=2 gone=-", &["a=2", "a=2 other=1"]));
    assert_eq!(told(&document), [] as [&str; 0]);
    assert!(document.hosts.iter().all(|host| host.state == DriftState::Same));
    assert_eq!((document.outcome, document.exit_code), (Outcome::Complete, 0));
}

#[test]
fn another_version_one_that_is_gone_and_one_that_is_back() {
    let document = compare(alike("a=2 b=2 c=-", &["a=1 b=2", "a=2", "a=2 b=2 c=1"]));
    assert_eq!(told(&document), ["h0 a 2>1 run", "h1 b 2>- run", "h2 c ->1 run"]);
    assert_eq!((document.outcome, document.exit_code), (Outcome::Failed, 5));
}

#[test]
fn a_host_that_was_changed_says_nothing_about_the_others() {
    // Of two hosts one was changed by hand: the other one is well.
    assert_eq!(told(&compare(alike("a=2", &["a=1", "a=2"]))), ["h0 a 2>1 run"]);
    assert_eq!(told(&compare(alike("a=2", &["a=1", "a=1", "a=2"]))), ["h0 a 2>1 run", "h1 a 2>1 run"]);
}

#[test]
fn the_stage_s_others_differ_though_each_is_as_it_was_left() {
    let host = |name: &str, at: &str| seen(name, left("prod", "12", &format!("a={at}")), &format!("a={at}"));
    let document = compare(vec![host("h0", "2"), host("h1", "2"), host("h2", "3")]);
    assert_eq!(told(&document), ["h2 a 2>3 stage"]);
    // Where no version is more frequent, each of them differs from the others.
    let document = compare(vec![host("h0", "2"), host("h1", "3")]);
    assert_eq!(told(&document), ["h0 a 3>2 stage", "h1 a 2>3 stage"]);
    assert_eq!(told(&compare(vec![host("h0", "2")])), [] as [&str; 0]);
}

#[test]
fn a_package_that_the_run_did_not_touch_on_this_host_counts_too() {
    let hosts = vec![
        seen("h0", left("prod", "12", "a=2 lib=2"), "a=2 lib=2"),
        seen("h1", left("prod", "12", "a=2 lib=2"), "a=2 lib=2"),
        seen("h2", left("prod", "12", "a=2"), "a=2 lib=1"),
        // Not to have it is no version.
        seen("h3", left("prod", "12", "a=2"), "a=2"),
    ];
    assert_eq!(told(&compare(hosts)), ["h2 lib 2>1 stage"]);
}

#[test]
fn what_the_run_verified_does_not_yield_to_hosts_that_it_did_not_touch() {
    let one = |name: &str, at: &str| seen(name, left("prod", "12", "a=2"), &format!("a=2 lib={at}"));
    let verified = || seen("h0", left("prod", "12", "a=2 lib=2"), "a=2 lib=2");
    assert_eq!(told(&compare(vec![verified(), one("h1", "1")])), ["h1 lib 2>1 stage"]);
    // Most of h1's others have what it has.
    assert_eq!(told(&compare(vec![verified(), one("h1", "1"), one("h2", "1"), one("h3", "1")])), [] as [&str; 0]);
}

#[test]
fn only_hosts_of_one_stage_run_and_kind_are_held_against_each_other() {
    let mut other_run = left("prod", "12", "a=4");
    other_run.run = RunId::new("01JD0000000000000000000001").unwrap();
    let hosts = vec![
        seen("h0", left("prod", "12", "a=2"), "a=2"),
        seen("h1", left("prod", "13", "a=3"), "a=3"),
        seen("h2", left("uat", "12", "a=5"), "a=5"),
        seen("h3", other_run, "a=4"),
    ];
    assert_eq!(told(&compare(hosts)), [] as [&str; 0]);
}

#[test]
fn who_is_not_known_or_does_not_answer() {
    let silent = || {
        let mut silent = seen("h0", left("prod", "12", "a=2"), "");
        silent.answer = Some(Err(Problem::new(ErrorKind::Unreachable, "no route")));
        silent
    };
    let unknown = Seen { host: HostName::new("h9").unwrap(), known: Known::default(), answer: None };
    let document = compare(vec![unknown.clone()]);
    assert_eq!((document.hosts[0].state, document.exit_code), (DriftState::Unknown, 0));
    let document = compare(vec![unknown, silent(), seen("h1", left("prod", "12", "a=2"), "a=2")]);
    assert_eq!(document.hosts[1].state, DriftState::Unreachable);
    assert_eq!(document.errors[0].host.as_ref().unwrap().as_str(), "h0");
    assert_eq!((document.outcome, document.exit_code), (Outcome::Refused, 7));
    // What differs is worse than what is not known.
    let document = compare(vec![silent(), seen("h1", left("prod", "12", "a=2"), "a=1")]);
    assert_eq!(document.exit_code, 5);
}

#[test]
fn the_document() {
    let mut drifted = seen("h0", left("prod", "12", "a=2"), "a=1");
    drifted.known.undecided = Some(RunId::new("01JD0000000000000000000001").unwrap());
    let unknown = Seen { host: HostName::new("h9").unwrap(), known: Known::default(), answer: None };
    insta::assert_snapshot!(serde_json::to_string_pretty(&compare(vec![drifted, unknown])).unwrap());
}
