//! Which run had the last approved word on a host, and what it left there.

use super::{Does, World, settings, upgrade};
use crate::core::document::Verdict;
use crate::core::drift::{Left, Search};
use crate::core::event::Step;
use crate::core::findings::Fate;
use crate::core::ids::{HostName, RunId};
use crate::core::packages::{OpKind, PackageOp};
use crate::core::problem::ErrorKind;
use crate::core::rollout::Rollout;
use crate::core::settings::{RunKind, Settings};

fn run(number: u32) -> RunId {
    RunId::new(format!("01JD{number:022}")).unwrap()
}

fn numbered(number: u32) -> Settings {
    Settings { run: run(number), ..settings() }
}

fn name(host: u32) -> HostName {
    HostName::new(format!("h{host}")).unwrap()
}

/// uat and prod approved.
fn approved(number: u32) -> World {
    World::new(numbered(number)).gate(0, Verdict::Approved, "fine").gate(1, Verdict::Approved, "fine")
}

fn driven(mut world: World) -> Rollout {
    world.drive();
    world.rollout
}

/// All six hosts, from the newest run to the oldest.
fn search(newest_first: &[Rollout]) -> Search {
    let mut search = Search::new((0..6).map(name));
    for rollout in newest_first {
        assert!(search.wants(rollout.settings()) || search.is_over());
        search.see(rollout);
    }
    search
}

/// `RUN openssl=VERSION`, `-` where there is none.
fn left(search: &Search, host: u32) -> String {
    let Some(Left { run, packages, .. }) = &search.known(&name(host)).unwrap().left else { return "-".into() };
    let number = run.as_str().trim_start_matches("01JD").trim_start_matches('0');
    let one = |((name, _), version): (&crate::core::drift::Key, &Option<crate::core::packages::Version>)| {
        format!(" {name}={}", version.as_ref().map_or("-", |version| version.as_str()))
    };
    packages.iter().map(one).fold(number.to_owned(), |text, one| text + &one)
}

fn undecided(search: &Search, host: u32) -> Option<&RunId> {
    search.known(&name(host)).unwrap().undecided.as_ref()
}

#[test]
fn the_newest_approved_run_has_the_last_word() {
    let older = driven(approved(1));
    // Nothing is to be done on host 2: it has it already.
    let newer = driven(approved(2).host(2, Step::Resolve, &[Does::Resolves(Vec::new())]));
    let mut search = search(&[newer, older]);
    assert!(search.is_over());
    assert!((0..6).all(|host| left(&search, host) == "2 openssl=2"));
    assert!((0..6).all(|host| undecided(&search, host).is_none()));
    assert!(!search.see(&driven(approved(3))), "it had its reference");
}

#[test]
fn a_run_that_nobody_decided_is_named_and_does_not_count() {
    let older = driven(approved(1));
    // uat is approved, prod waits for its decision.
    let waits = driven(World::new(numbered(2)).gate(0, Verdict::Approved, "fine"));
    let search = search(&[waits, older]);
    assert_eq!([left(&search, 0), left(&search, 2)], ["2 openssl=2", "1 openssl=2"]);
    assert_eq!([undecided(&search, 0), undecided(&search, 2)], [None, Some(&run(2))]);
}

#[test]
fn what_went_back_or_was_not_patched_does_not_count() {
    let rejected = driven(World::new(numbered(2)).gate(0, Verdict::Rejected, "slow"));
    let alone = search(std::slice::from_ref(&rejected));
    assert!((0..6).all(|host| left(&alone, host) == "-" && undecided(&alone, host).is_none()));
    assert!(!alone.is_over());
    let found = search(&[rejected, driven(approved(1))]);
    assert!((0..6).all(|host| left(&found, host) == "1 openssl=2"));
    // A host that could not go back is in nobody's approved state.
    let lost = World::new(numbered(3)).gate(0, Verdict::Rejected, "slow").host(
        1,
        Step::Rollback,
        &vec![Does::Fails(ErrorKind::Rollback, Fate::Changed); 2],
    );
    let found = search(&[driven(lost), driven(approved(1))]);
    assert_eq!([undecided(&found, 0), undecided(&found, 1)], [None, Some(&run(3))]);
}

#[test]
fn a_host_that_needed_nothing_counts_only_where_its_stage_was_kept() {
    let rejected = World::new(numbered(2)).gate(0, Verdict::Rejected, "slow").host(
        1,
        Step::Resolve,
        &[Does::Resolves(Vec::new())],
    );
    let search = search(&[driven(rejected)]);
    assert_eq!(left(&search, 1), "-");
}

/// The run that undoes another on hosts 0 and 1, or this part of what it did there.
fn undoing(number: u32, of: u32, ops: Vec<PackageOp>) -> World {
    let mut settings = numbered(number);
    let undo = [0, 1].map(|host| (name(host), ops.clone())).into();
    settings.kind = RunKind::Rollback { of: run(of), reason: "leaks".into(), packages: Vec::new(), undo };
    settings.stages.truncate(1);
    settings.stages[0].approval = None;
    settings.hosts.truncate(2);
    let resolves = |host| (host, Step::Resolve, [Does::Resolves(ops.clone())]);
    let world = World::new(settings);
    [resolves(0), resolves(1)].into_iter().fold(world, |world, (host, step, does)| world.host(host, step, &does))
}

fn back() -> Vec<PackageOp> {
    let back = |op: PackageOp| PackageOp { op: OpKind::Downgrade, from: op.to, to: op.from, ..op };
    upgrade("2").into_iter().map(back).collect()
}

#[test]
fn a_rollback_is_the_reference_of_the_hosts_that_it_restored() {
    let search = search(&[driven(undoing(2, 1, back())), driven(approved(1))]);
    assert_eq!([left(&search, 0), left(&search, 2)], ["2 openssl=1", "1 openssl=2"]);
    assert!(search.is_over());
}

#[test]
fn what_a_rollback_did_not_take_back_still_counts() {
    let mut both = upgrade("2");
    both.push(PackageOp { name: crate::core::packages::PackageName::new("libssl3").unwrap(), ..both[0].clone() });
    let one = approved(1).host(0, Step::Resolve, &[Does::Resolves(both)]);
    let between = driven(World::new(numbered(2)).gate(0, Verdict::Rejected, "slow"));
    let search = search(&[driven(undoing(3, 1, back())), between, driven(one)]);
    assert_eq!(left(&search, 0), "3 libssl3=2 openssl=1");
}

#[test]
fn a_rollback_with_nothing_left_to_undo_says_what_is_there() {
    let rollback = undoing(2, 1, back()).host(0, Step::Resolve, &[Does::Resolves(Vec::new())]);
    let search = search(&[driven(rollback), driven(approved(1))]);
    assert_eq!(left(&search, 0), "2 openssl=1");
}
