//! Windows and freezes: what waits for them, and what does not.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::world::{Does, World, settings};
use super::{PATCHED, RESTORED};
use crate::core::approval::{Decision, When};
use crate::core::calendar::{Freeze, Window, Zone};
use crate::core::document::{How, Outcome, StageState, Verdict, WaitingFor};
use crate::core::event::{Event, Input, PauseCause, Step};
use crate::core::findings::Fate;
use crate::core::ids::{HostIx, StageIx};
use crate::core::problem::ErrorKind;
use crate::core::report::{self, Driven};
use crate::core::settings::{Amount, Person, RunKind, Settings};

/// The stories begin at 08:00 UTC on Friday, the 15th of January.
pub(super) fn window(start: &str, hours: u64, cutoff_hours: u64) -> Window {
    Window {
        days: Vec::new(),
        weeks: Vec::new(),
        after_patch_tuesday: None,
        start: start.parse().unwrap(),
        length: Duration::from_secs(hours * 3600),
        zone: Zone::UTC,
        cutoff: Duration::from_secs(cutoff_hours * 3600),
    }
}

fn planned(change: impl FnOnce(&mut Settings)) -> World {
    let mut plan = settings();
    change(&mut plan);
    World::new(plan).gate(0, Verdict::Approved, "fine").gate(1, Verdict::Approved, "fine")
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn waiting(world: &World) -> (WaitingFor, String, Option<String>) {
    let document = report::document(&world.rollout, world.head.digest, world.now, Driven::No);
    let waiting = document.waiting.unwrap();
    (waiting.kind, waiting.stage.to_string(), waiting.opens_at.map(|at| at.0.to_string()))
}

fn count(world: &World, event: &str) -> usize {
    world.lines.iter().filter(|line| line.contains(&format!("\"event\":\"{event}\""))).count()
}

#[test]
fn production_waits_for_its_window() {
    let mut world = planned(|plan| plan.stages[1].windows = vec![vec![window("22:00:00", 6, 0)]]);
    world.drive();
    assert_eq!((world.outcome(), world.stage_state(0)), (Outcome::Paused, StageState::Success));
    assert_eq!(waiting(&world), (WaitingFor::Window, "prod".into(), Some("2027-01-15T22:00:00Z".into())));
    assert_eq!(world.rollout.paused(), Some(&PauseCause::Window));
    assert!((2..6).all(|host| !world.changed(host)));
    assert!(!world.touched.iter().any(|(_, step)| *step == Step::Recheck), "hosts are looked at when it opens");

    assert!(!world.rollout.has_opened(at("2027-01-15T21:59:59Z")));
    world.now = at("2027-01-15T22:00:00Z");
    assert!(world.rollout.has_opened(world.now));
    let asked = world.touched.len();
    world.resume(None);
    assert_eq!(world.outcome(), Outcome::Complete);
    assert!((0..6).all(|host| world.stands(host) == PATCHED));
    let again = world.touched[asked..].iter().filter(|(host, step)| *host >= 2 && *step == Step::Resolve).count();
    assert_eq!(again, 4, "what is to be done is asked anew");
}

#[test]
fn a_process_that_stays_goes_on_when_it_opens() {
    let mut world = planned(|plan| plan.stages[0].windows = vec![vec![window("09:00:00", 1, 0)]]);
    world.drive();
    assert_eq!(world.rollout.next_opening(world.now), Some(at("2027-01-15T09:00:00Z")));
    // Nobody left: time passes, and what follows from the state is something else.
    let mut stays = planned(|plan| plan.stages[0].windows = vec![vec![window("09:00:00", 1, 0)]]);
    stays.take(Input::Drive { by: super::person("ops"), version: "1".into(), confirmed: true }).unwrap();
    stays.work();
    assert!(stays.touched.iter().all(|(_, step)| *step == Step::Resolve));
    stays.now = at("2027-01-15T09:00:00Z");
    stays.go_on();
    assert_eq!((stays.outcome(), count(&stays, "window_opened")), (Outcome::Complete, 1));
}

#[test]
fn a_window_that_ends_holds_back_only_hosts_that_have_not_begun() {
    let plan = |plan: &mut Settings| {
        plan.stages[0].windows = vec![vec![window("07:00:00", 4, 1)]];
        plan.stages[0].parallel = 1;
    };
    let mut world = planned(plan).host(0, Step::Apply, &[Does::Pends]);
    world.drive_until_pending();
    // The last hour is for what has begun.
    world.now = at("2027-01-15T10:00:00Z");
    world.finish_pending(0, Step::Apply);
    assert!(world.changed(0) && !world.changed(1));
    let place = world.rollout.host(HostIx(0)).place;
    assert_eq!(place, crate::core::host::Place::Patched, "what has begun is finished");
    assert_eq!(waiting(&world), (WaitingFor::Window, "uat".into(), Some("2027-01-16T07:00:00Z".into())));
    world.now = at("2027-01-16T07:30:00Z");
    world.resume(None);
    assert_eq!(world.outcome(), Outcome::Complete);
}

#[test]
fn nothing_begins_in_a_freeze_and_what_failed_goes_back_all_the_same() {
    let plan = |plan: &mut Settings| {
        plan.stages[0].parallel = 1;
        plan.freezes = vec![Freeze {
            name: "audit".into(),
            from: at("2027-01-15T10:00:00Z"),
            to: at("2027-01-20T00:00:00Z"),
            stages: vec!["u*".into()],
            override_by: Vec::new(),
        }];
    };
    let mut world = planned(plan).host(0, Step::Apply, &[Does::Pends, Does::Fails(ErrorKind::Apply, Fate::Changed)]);
    world.drive_until_pending();
    world.now = at("2027-01-15T10:00:00Z");
    world.finish_pending(0, Step::Apply);
    assert_eq!(world.stands(0), RESTORED, "the way back asks no freeze");
    assert!(!world.changed(1));
    assert_eq!(world.outcome(), Outcome::Failed);

    let mut world = planned(plan);
    world.now = at("2027-01-15T11:00:00Z");
    world.drive();
    assert_eq!(waiting(&world), (WaitingFor::Window, "uat".into(), Some("2027-01-20T00:00:00Z".into())));
    assert!((0..6).all(|host| !world.changed(host)));
}

#[test]
fn an_approval_that_waits_too_long_for_its_window_is_given_again() {
    let late = |plan: &mut Settings| {
        plan.stages[1].windows = vec![vec![window("22:00:00", 6, 0)]];
        plan.stages[0].approval.iter_mut().for_each(|rules| rules.valid = Duration::from_secs(3600));
    };
    let mut world = planned(late);
    world.take(Input::Drive { by: super::person("ops"), version: "1".into(), confirmed: true }).unwrap();
    world.work();
    assert_eq!((world.stage_state(0), count(&world, "window_shut")), (StageState::Success, 1));
    world.gates.clear();
    world.now = at("2027-01-15T22:00:00Z");
    world.go_on();
    assert_eq!(count(&world, "approval_lapsed"), 1, "also where the process stayed");
    assert_eq!(waiting(&world).0, WaitingFor::Approval);
    assert!((2..6).all(|host| !world.changed(host)));
}

#[test]
fn a_permission_to_begin_is_used_when_the_window_opens() {
    let before = |plan: &mut Settings| {
        plan.stages[0].windows = vec![vec![window("22:00:00", 6, 0)]];
        plan.stages[0].approval.iter_mut().for_each(|rules| rules.when = When::Both);
    };
    let mut world = planned(before);
    world.drive();
    assert_eq!(waiting(&world).0, WaitingFor::Window, "approved, and nothing begins");
    assert_eq!((count(&world, "gate_opened"), count(&world, "recheck_started")), (1, 0));
    world.now = at("2027-01-15T23:00:00Z");
    world.resume(None);
    assert_eq!(world.outcome(), Outcome::Complete);
}

#[test]
fn whoever_cancels_waits_for_no_window() {
    let mut world = planned(|plan| plan.stages[1].windows = vec![vec![window("22:00:00", 6, 0)]]);
    world.gates.remove(&1);
    world.drive();
    let boss = Person { name: "boss".into(), source: "login".into() };
    world.resume(Some(Input::Cancel { by: boss, reason: "not this week".into() }));
    assert_eq!((world.outcome(), world.stands(0)), (Outcome::Rejected, PATCHED), "UAT was approved");
    assert_eq!(world.rollout.shut(), None);
}

#[test]
fn the_run_that_undoes_keeps_to_windows_too() {
    let mut plan = settings();
    plan.stages.truncate(1);
    plan.hosts.truncate(2);
    plan.stages[0].windows = vec![vec![window("22:00:00", 6, 0)]];
    plan.stages[0].approval = None;
    let (of, undo) = (plan.run.clone(), std::collections::BTreeMap::new());
    plan.kind = RunKind::Rollback { of, reason: "worse".into(), packages: Vec::new(), undo };
    let mut world = World::new(plan);
    world.drive();
    assert_eq!(waiting(&world).0, WaitingFor::Window);
    world.now = at("2027-01-15T22:00:00Z");
    world.resume(None);
    assert_eq!(world.stands(0), RESTORED);
}

#[test]
fn an_opening_that_was_missed_is_not_waited_for() {
    let mut world = planned(|plan| plan.stages[0].windows = vec![vec![window("09:00:00", 1, 0)]]);
    world.take(Input::Drive { by: super::person("ops"), version: "1".into(), confirmed: true }).unwrap();
    world.work();
    // The machine slept through it.
    world.now += SignedDuration::from_hours(5);
    world.go_on();
    assert_eq!(waiting(&world).2, Some("2027-01-16T09:00:00Z".into()));
    assert_eq!(count(&world, "window_shut"), 2);
    let shut = Event::WindowShut { stage: StageIx(0), by: "x".into(), opens: None };
    assert_eq!(serde_json::to_string(&shut).unwrap(), r#"{"event":"window_shut","stage":0,"by":"x"}"#);
}

#[test]
fn whoever_cancels_waits_for_no_window_at_a_gate_that_was_approved() {
    let waves = |plan: &mut Settings| {
        plan.stages[0].windows = vec![vec![window("07:00:00", 4, 0)]];
        plan.stages[0].waves = vec![Amount::Count(1)];
        plan.stages[0].approval.iter_mut().for_each(|rules| rules.each_wave = true);
    };
    let boss = || Person { name: "boss".into(), source: "login".into() };
    let mut world = planned(waves);
    world.gates.clear();
    world.drive();
    world.now = at("2027-01-15T12:00:00Z");
    let decision = Decision::new(Verdict::Approved, boss(), "fine", How::Command);
    world.take(Input::Decide { stage: None, digest: None, decision }).unwrap();
    world.resume(None);
    assert_eq!(waiting(&world).0, WaitingFor::Window, "the next wave");
    // Cron comes by: nothing is due before it opens.
    assert!(!world.rollout.is_decided(world.now) && !world.rollout.has_opened(world.now));
    world.resume(Some(Input::Cancel { by: boss(), reason: "not this week".into() }));
    assert!(world.rollout.is_finished());
    assert_eq!(world.stands(0), PATCHED, "that wave was approved");

    let mut world = planned(|plan| {
        plan.stages[0].windows = vec![vec![window("22:00:00", 6, 0)]];
        plan.stages[0].approval.iter_mut().for_each(|rules| rules.when = When::Both);
    });
    world.drive();
    assert!(!world.rollout.is_decided(world.now));
    world.resume(Some(Input::Cancel { by: boss(), reason: "not this week".into() }));
    assert!(world.rollout.is_finished() && (0..6).all(|host| !world.changed(host)));
}

#[test]
fn a_host_that_was_stopped_before_its_change_waits_for_the_next_window() {
    let mut world = planned(|plan| plan.stages[0].windows = vec![vec![window("07:00:00", 4, 1)]])
        .host(0, Step::Stash, &[Does::Pends])
        .host(1, Step::Stash, &[Does::Pends]);
    world.drive_until_pending();
    // It comes to an end in the last hour, which is for what has begun …
    world.now = at("2027-01-15T10:30:00Z");
    let (result, ops) = world.answer(0, Step::Stash);
    world.take(Input::StepEnded { host: HostIx(0), step: Step::Stash, result, ops, installed: Vec::new() }).unwrap();
    world.work();
    assert!(world.touched.contains(&(0, Step::Apply)));
    // … or after the window.
    world.now = at("2027-01-15T11:00:00Z");
    world.finish_pending(1, Step::Stash);
    assert!(!world.touched.contains(&(1, Step::Apply)), "nothing was changed there");
    assert_eq!(waiting(&world).0, WaitingFor::Window);
    world.now = at("2027-01-16T07:00:00Z");
    world.resume(None);
    assert_eq!(world.outcome(), Outcome::Complete);
}

#[test]
fn hosts_that_needed_nothing_or_did_not_answer_are_asked_again_when_it_opens() {
    let unreachable = Does::Fails(ErrorKind::Unreachable, Fate::Unchanged);
    let mut world = planned(|plan| {
        plan.stages[0].windows = vec![vec![window("22:00:00", 6, 0)]];
        plan.stages[0].hosts = (0..3).map(HostIx).collect();
        plan.stages[1].hosts = (3..6).map(HostIx).collect();
        plan.stages[0].max_unreachable = Amount::Count(1);
    })
    .host(0, Step::Resolve, &[Does::Resolves(Vec::new())])
    .host(1, Step::Resolve, &[unreachable]);
    world.drive();
    world.now = at("2027-01-15T22:00:00Z");
    world.resume(None);
    assert!((0..3).all(|host| world.stands(host) == PATCHED), "{:?}", world.stands(1));
}

#[test]
fn no_more_hosts_begin_than_the_process_may_work_on() {
    let mut world = planned(|plan| plan.stages[0].parallel = 2);
    world.rollout.limit(Some(1));
    world.drive();
    assert_eq!((world.most_at_once, world.outcome()), (1, Outcome::Complete));
}
