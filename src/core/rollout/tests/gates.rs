//! Whose decisions count, what becomes of an approval when hosts change, and gates between waves.

use super::RESTORED;
use super::world::{Does, World, person, settings, upgrade};
use crate::core::approval::{Decision, NotCounted, When, Who};
use crate::core::document::{ActionPerformed, ActionState, How, Outcome, StageState, StateReason, Verdict};
use crate::core::event::{Event, Input, Step};
use crate::core::findings::Fate;
use crate::core::problem::ErrorKind;
use crate::core::rollout::Refusal;
use crate::core::settings::{Amount, OnExceeded, Scope, Settings};

const PATCHED: (ActionPerformed, ActionState, StateReason) =
    (ActionPerformed::Patch, ActionState::Success, StateReason::Patched);

fn decide(verdict: Verdict, name: &str, groups: &[&str]) -> Input {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    let decision = Decision { groups, ..Decision::new(verdict, person(name), "seen", How::Command) };
    Input::Decide { stage: None, digest: None, decision }
}

fn approve(name: &str) -> Input {
    decide(Verdict::Approved, name, &[])
}

fn gated(change: impl FnOnce(&mut Settings)) -> World {
    let mut plan = settings();
    change(&mut plan);
    World::new(plan)
}

fn digest(world: &World) -> String {
    world.rollout.stages()[0].gate.as_ref().map(|gate| gate.digest.to_string()).unwrap()
}

#[test]
fn a_quorum_takes_several_people_and_one_rejection_is_enough() {
    let quorum = |plan: &mut Settings| {
        if let Some(rules) = &mut plan.stages[0].approval {
            (rules.quorum, rules.four_eyes) = (2, true);
            rules.by = vec![["ann", "group:cab", "ops"].iter().map(|who| Who::parse(who).unwrap()).collect()];
        }
    };
    let mut world = gated(quorum);
    world.drive();
    let refused = |result| match result {
        Err(Refusal::NotCounted(why)) => why,
        other => panic!("{other:?}"),
    };
    assert!(matches!(refused(world.take(approve("eve"))), NotCounted::NotListed { .. }));
    assert!(matches!(refused(world.take(decide(Verdict::Rejected, "eve", &[]))), NotCounted::NotListed { .. }));
    assert!(matches!(refused(world.take(approve("ops"))), NotCounted::OwnRun(_)));
    world.take(approve("ann")).unwrap();
    assert!(matches!(refused(world.take(approve("ann"))), NotCounted::Twice(_)));
    world.drive();
    assert_eq!((world.outcome(), world.stage_state(0)), (Outcome::Paused, StageState::Waiting), "one of two");
    assert!((2..6).all(|host| !world.changed(host)));
    world.take(decide(Verdict::Approved, "carl", &["cab"])).unwrap();
    world.drive();
    assert_eq!(world.stage_state(0), StageState::Success);

    let mut world = gated(quorum);
    world.drive();
    world.take(approve("ann")).unwrap();
    world.take(decide(Verdict::Rejected, "ops", &[])).unwrap();
    world.drive();
    assert_eq!(world.outcome(), Outcome::Rejected);
    assert!((0..2).all(|host| world.stands(host) == RESTORED));
}

#[test]
fn a_host_that_changed_since_its_approval_makes_it_stale() {
    let mut world = World::new(settings()).host(1, Step::Recheck, &[Does::Found("3"), Does::Found("3")]);
    world.drive();
    let before = digest(&world);
    world.take(approve("boss")).unwrap();
    world.drive();
    assert_eq!((world.outcome(), world.stage_state(0)), (Outcome::Paused, StageState::Waiting));
    assert!((2..6).all(|host| !world.changed(host)), "nothing begins on an approval of something else");
    let stale = &world.rollout.stages()[0].stale;
    assert_eq!(stale.as_slice(), ["h1: openssl is 3 now, and was 2"]);
    assert_ne!(digest(&world), before, "what is decided on now is something else");
    let old = Decision::new(Verdict::Approved, person("boss"), "ok", How::Command);
    let old = world.take(Input::Decide { stage: None, digest: Some(before), decision: old });
    assert!(matches!(old, Err(Refusal::OtherDigest { .. })));

    // Approved as it is now, it holds: the host has not changed again.
    world.gates.insert(1, (Verdict::Approved, "fine"));
    world.take(approve("boss")).unwrap();
    world.drive();
    assert_eq!(world.outcome(), Outcome::Complete);
}

#[test]
fn a_stale_approval_that_is_rejected_takes_the_patch_back() {
    let gone = Does::Fails(ErrorKind::Unreachable, Fate::Unchanged);
    let mut world = World::new(settings()).host(0, Step::Recheck, &[gone]);
    world.drive();
    world.take(approve("boss")).unwrap();
    world.drive();
    assert_eq!(world.stage_state(0), StageState::Waiting);
    world.take(decide(Verdict::Rejected, "boss", &[])).unwrap();
    world.drive();
    assert_eq!(world.outcome(), Outcome::Rejected);
    assert!((0..2).all(|host| world.stands(host) == RESTORED));
    assert!((2..6).all(|host| !world.changed(host)));
}

#[test]
fn an_approval_that_holds_is_used_once_and_without_a_further_question() {
    let mut world = World::new(settings()).gate(0, Verdict::Approved, "fine").gate(1, Verdict::Approved, "fine");
    world.drive();
    assert_eq!(world.outcome(), Outcome::Complete);
    let rechecked: Vec<u32> = world.touched.iter().filter(|(_, step)| *step == Step::Recheck).map(|t| t.0).collect();
    assert_eq!(rechecked, [0, 1], "each host of the approved stage, and no other");
    let at = |host, step| world.touched.iter().position(|touched| *touched == (host, step)).unwrap();
    assert!(at(1, Step::Recheck) < at(2, Step::Stash));
}

#[test]
fn what_would_be_done_is_looked_at_again_before_a_stage_begins() {
    let before = |plan: &mut Settings| {
        if let Some(rules) = &mut plan.stages[0].approval {
            rules.when = When::Before;
        }
    };
    let other = [Does::Resolves(upgrade("3")), Does::Resolves(upgrade("3"))];
    let mut world = gated(before).host(0, Step::Recheck, &other);
    world.drive();
    world.take(approve("boss")).unwrap();
    world.drive();
    assert_eq!(world.stage_state(0), StageState::Waiting);
    assert!((0..6).all(|host| !world.changed(host)));
    assert_eq!(world.rollout.ops(crate::core::ids::HostIx(0)), upgrade("3"), "what is asked about is what is there");
    world.take(approve("boss")).unwrap();
    world.gates.insert(1, (Verdict::Approved, "fine"));
    world.drive();
    assert_eq!(world.outcome(), Outcome::Complete);
}

#[test]
fn a_crash_while_hosts_are_inspected_again_starts_that_anew() {
    let mut world = World::new(settings()).gate(0, Verdict::Approved, "fine").host(1, Step::Recheck, &[Does::Pends]);
    world.drive_until_pending();
    world.gates.insert(1, (Verdict::Approved, "fine"));
    world.resume(None);
    assert_eq!(world.outcome(), Outcome::Complete);
    let count = world.touched.iter().filter(|touched| **touched == (0, Step::Recheck)).count();
    assert_eq!(count, 2, "what it was before the crash says nothing about now");
}

fn waves(plan: &mut Settings) {
    plan.stages.truncate(1);
    plan.stages[0].hosts.extend((2..6).map(crate::core::ids::HostIx));
    plan.stages[0].waves = vec![Amount::Count(2)];
    if let Some(rules) = &mut plan.stages[0].approval {
        rules.each_wave = true;
    }
}

#[test]
fn each_wave_has_its_gate_and_a_rejection_takes_back_what_was_not_approved() {
    let mut world = gated(waves);
    world.drive();
    assert!(!world.changed(2), "the second wave waits");
    assert_eq!(world.stage_state(0), StageState::Waiting);
    world.take(approve("boss")).unwrap();
    world.drive();
    assert!(world.changed(2) && !world.changed(4));
    world.take(decide(Verdict::Rejected, "boss", &[])).unwrap();
    world.drive();
    assert_eq!(world.outcome(), Outcome::Rejected);
    assert!((0..2).all(|host| world.stands(host) == PATCHED), "approved");
    assert!((2..4).all(|host| world.stands(host) == RESTORED));
    assert!((4..6).all(|host| !world.changed(host)));
}

#[test]
fn each_wave_approved_leads_to_the_end() {
    let mut world = gated(waves).gate(0, Verdict::Approved, "fine");
    world.drive();
    assert_eq!(world.outcome(), Outcome::Complete);
    let opened = |line: &&String| line.contains("\"event\":\"gate_opened\"");
    assert_eq!(world.lines.iter().filter(opened).count(), 3);
}

#[test]
fn a_failure_takes_back_what_the_scope_says_approved_waves_too() {
    for (scope, first) in [(Scope::Stage, RESTORED), (Scope::Wave, PATCHED)] {
        let scoped = |plan: &mut Settings| {
            waves(plan);
            plan.stages[0].rollback_scope = scope;
        };
        let fails = [Does::Fails(ErrorKind::Apply, Fate::Changed)];
        let mut world = gated(scoped).gate(0, Verdict::Approved, "fine").host(2, Step::Apply, &fails);
        world.drive();
        assert_eq!(world.outcome(), Outcome::Failed);
        assert!((0..2).all(|host| world.stands(host) == first), "{scope:?}: {:?}", world.stands(0));
        assert!((2..4).all(|host| world.stands(host) == RESTORED), "{scope:?}");
    }
}

#[test]
fn whoever_cancels_where_a_person_was_to_be_asked_leaves_what_was_approved() {
    let asks = |plan: &mut Settings| {
        waves(plan);
        plan.stages[0].on_exceeded = OnExceeded::Ask;
    };
    let fails = [Does::Fails(ErrorKind::Apply, Fate::Changed)];
    let mut world = gated(asks).host(2, Step::Apply, &[Does::Pends]).host(3, Step::Apply, &fails);
    world.drive();
    world.take(approve("boss")).unwrap();
    world.drive_until_pending();
    world.take(Input::Cancel { by: person("boss"), reason: "enough".into() }).unwrap();
    world.finish_pending(2, Step::Apply);
    assert!((2..4).all(|host| world.stands(host) == RESTORED));
    assert!(
        (0..2).all(|host| world.stands(host) == PATCHED),
        "approved, and no failure takes it back: {:?}",
        world.stands(0)
    );
}

#[test]
fn a_void_permission_to_try_again_is_about_nothing_that_is_kept() {
    let before = |plan: &mut Settings| {
        plan.stages.truncate(1);
        if let Some(rules) = &mut plan.stages[0].approval {
            rules.when = When::Before;
        }
    };
    let locked = [Does::Fails(ErrorKind::Refused, Fate::Unchanged)];
    let mut world = gated(before).host(1, Step::Stash, &locked);
    world.drive();
    world.take(approve("boss")).unwrap();
    world.drive();
    assert_eq!(world.stands(0), PATCHED);
    world = world.host(1, Step::Recheck, &[Does::Resolves(upgrade("3"))]);
    world.resume(Some(Input::Retry { only: None }));
    world.take(approve("boss")).unwrap();
    world.drive();
    assert!(!world.rollout.stages()[0].stale.is_empty());
    world.take(decide(Verdict::Rejected, "boss", &[])).unwrap();
    world.drive();
    assert_eq!(world.stands(0), PATCHED, "the second try was rejected, and not the first one");
}

#[test]
fn events_of_gates_are_known_by_name() {
    let stale = Event::ApprovalStale {
        stage: crate::core::ids::StageIx(0),
        digest: crate::core::ids::Digest::ZERO,
        changes: Vec::new(),
    };
    let json = serde_json::to_value(&stale).unwrap();
    assert!(Event::KINDS.contains(&json["event"].as_str().unwrap()));
}
