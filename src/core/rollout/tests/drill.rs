//! Drills: the first stage is patched and taken back, nobody is asked, and what that proved is counted.

use std::time::Duration;

use super::world::{Does, World, person, settings};
use super::{PATCHED, RESTORED};
use crate::core::approval::Approval;
use crate::core::document::{DrillResult, Outcome, StageReason, StageState, Verdict};
use crate::core::drift::Search;
use crate::core::drill::{DrillRule, Proof, settings_of};
use crate::core::event::{Event, Input, Step};
use crate::core::findings::Fate;
use crate::core::forecast::Earlier;
use crate::core::ids::{HostIx, HostName, StageIx};
use crate::core::policy::Exception;
use crate::core::problem::ErrorKind;
use crate::core::report;
use crate::core::rollout::Refusal;
use crate::core::settings::{Amount, OnExceeded, RunKind, Scope, Settings};

/// A drill of a plan whose first stage has these waves and may have so many failures.
fn drill_of(waves: &[u32], max_failed: u32) -> World {
    let mut plan = settings();
    let uat = &mut plan.stages[0];
    uat.waves = waves.iter().map(|size| Amount::Count(*size)).collect();
    uat.max_failed = Amount::Count(max_failed);
    uat.approval = Some(Approval { each_wave: true, ..Approval::default() });
    (uat.soak, uat.on_exceeded, uat.rollback_scope) = (Duration::from_secs(600), OnExceeded::Ask, Scope::Host);
    World::new(settings_of(plan).unwrap())
}

fn proved(world: &World) -> usize {
    report::drill(&world.rollout).unwrap().proved
}

fn stage(world: &World) -> (StageState, StageReason) {
    report::stage_state(&world.rollout, StageIx(0))
}

const FAILS: Does = Does::Fails(ErrorKind::Apply, Fate::Changed);
const LOST: Does = Does::Fails(ErrorKind::Lost, Fate::Lost);

#[test]
fn the_first_stage_is_patched_and_taken_back_and_nobody_is_asked() {
    let mut world = drill_of(&[1], 0).host(1, Step::Rollback, &[Does::Pends]);
    world.drive_until_pending();
    world.now += Duration::from_secs(12);
    world.finish_pending(1, Step::Rollback);
    assert!(world.rollout.is_finished());
    assert_eq!((world.outcome(), stage(&world)), (Outcome::Complete, (StageState::Success, StageReason::Drilled)));
    assert_eq!((world.stands(0), world.stands(1)), (RESTORED, RESTORED));
    let found = report::drill(&world.rollout);
    assert_eq!(found, Some(DrillResult { proved: 2, slowest_way_back_ms: Some(12_000) }));
    let last = |step: Step| world.touched.iter().rposition(|(_, done)| *done == step);
    let first = world.touched.iter().position(|(_, done)| *done == Step::Rollback);
    assert!(last(Step::Settle) < first, "all of its waves come before the first way back");
    assert!((0..2).all(|host| world.touched.contains(&(host, Step::Forget))), "no claim stays");
    assert_eq!(Proof::of(&world.rollout).unwrap().ended, world.now);
    // The way forward tells how long hosts take; nothing was approved that hosts could differ from.
    assert_eq!(Earlier::of(&world.rollout).unwrap().0[0].1.len(), 2);
    let mut search = Search::new([HostName::new("h0").unwrap()]);
    assert!(!search.see(&world.rollout));
}

#[test]
fn what_fails_on_its_way_is_back_too_and_the_drill_has_failed() {
    for (max_failed, healthy) in [(0, 0), (1, 1)] {
        // Whether more failed than may or not: what is patched goes back, and nobody decides about it.
        let mut world = drill_of(&[1], max_failed).host(0, Step::Apply, &[FAILS]);
        world.drive();
        assert!(world.rollout.is_finished());
        assert_eq!((world.outcome(), stage(&world).0), (Outcome::Failed, StageState::Failed));
        assert_eq!((world.stands(0), proved(&world)), (RESTORED, healthy));
        assert_eq!(Proof::of(&world.rollout), None);
    }
}

#[test]
fn a_host_that_does_not_come_back_degrades_it_and_the_others_still_go_back() {
    for does in [Does::Differs, LOST] {
        let mut world = drill_of(&[2], 0).host(0, Step::Rollback, &[does]);
        world.drive();
        assert!(world.rollout.is_finished());
        assert_eq!((world.outcome(), stage(&world)), (Outcome::Degraded, (StageState::Failed, StageReason::Degraded)));
        assert_eq!((world.stands(1), proved(&world)), (RESTORED, 1));
        assert_eq!(Proof::of(&world.rollout), None);
        world.resume(Some(Input::Recover { by: person("ops"), hosts: vec![HostIx(0)] }));
        assert_eq!((world.stands(0), world.outcome()), (RESTORED, Outcome::Failed), "it is back, and it was not");
    }
}

#[test]
fn a_check_that_cannot_be_told_asks_nobody_in_a_drill() {
    let mut plan = settings();
    plan.stages[0].health = crate::core::health::HealthRule::Fail;
    let mut world = World::new(settings_of(plan).unwrap()).host(0, Step::Check, &[Does::Unsure]);
    world.drive();
    assert_eq!((world.outcome(), proved(&world)), (Outcome::Complete, 2));
}

#[test]
fn hosts_out_of_reach_are_no_proof_and_no_failure() {
    let silent = [Does::Fails(ErrorKind::Unreachable, Fate::Unchanged)];
    let mut world = drill_of(&[2], 0).host(0, Step::Resolve, &silent).host(1, Step::Resolve, &silent);
    world.drive();
    assert_eq!((world.outcome(), proved(&world)), (Outcome::Refused, 0));
    // It falls silent after the other one was patched: nobody is asked what becomes of that one.
    let mut world = drill_of(&[1], 0).host(1, Step::Stash, &silent);
    world.drive();
    assert!(world.rollout.is_finished());
    assert_eq!((world.outcome(), proved(&world), world.stands(0)), (Outcome::Partial, 1, RESTORED));
    assert_eq!(Proof::of(&world.rollout), None);
}

#[test]
fn where_nothing_is_to_be_done_nothing_is_proved() {
    let nothing = [Does::Resolves(Vec::new())];
    let mut world = drill_of(&[2], 0).host(0, Step::Resolve, &nothing).host(1, Step::Resolve, &nothing);
    world.drive();
    assert_eq!((world.outcome(), stage(&world)), (Outcome::Complete, (StageState::Success, StageReason::Done)));
    assert_eq!((proved(&world), Proof::of(&world.rollout)), (0, None));
    // One host is enough; the other one has the patch, and keeps it.
    let mut world = drill_of(&[2], 0).host(0, Step::Resolve, &nothing);
    world.drive();
    assert_eq!((world.outcome(), proved(&world)), (Outcome::Complete, 1));
    assert!(Proof::of(&world.rollout).is_some());
}

#[test]
fn cancelled_it_takes_back_what_is_patched_and_proves_nothing() {
    let mut world = drill_of(&[1], 0).host(1, Step::Apply, &[Does::Pends]);
    world.drive_until_pending();
    world.take(Input::Cancel { by: person("ops"), reason: "not today".into() }).unwrap();
    world.finish_pending(1, Step::Apply);
    assert_eq!((world.outcome(), world.stands(0), world.stands(1)), (Outcome::Rejected, RESTORED, RESTORED));
    assert_eq!(Proof::of(&world.rollout), None);
}

#[test]
fn a_signal_stops_it_and_it_goes_on_to_the_same_end() {
    for step in [Step::Apply, Step::Rollback, Step::Forget] {
        let mut world = drill_of(&[2], 0).host(0, step, &[Does::Pends]);
        world.drive_until_pending();
        world.take(Input::Signal("SIGINT".into())).unwrap();
        world.finish_pending(0, step);
        assert_eq!(world.outcome(), Outcome::Interrupted);
        world.resume(None);
        assert_eq!((world.outcome(), proved(&world)), (Outcome::Complete, 2));
        let count = |step: Step| world.touched.iter().filter(|(_, done)| *done == step).count();
        assert_eq!((count(Step::Apply), count(Step::Rollback)), (2, 2), "each once");
    }
}

#[test]
fn a_host_that_failed_is_tried_again_and_taken_back_again() {
    let mut world = drill_of(&[2], 0).host(0, Step::Apply, &[FAILS]);
    world.drive();
    assert_eq!(world.outcome(), Outcome::Failed);
    world.resume(Some(Input::Retry { only: None }));
    assert_eq!((world.outcome(), proved(&world)), (Outcome::Complete, 2));
    assert!(matches!(world.take(Input::Retry { only: None }), Err(Refusal::NothingToRetry)));
}

#[test]
fn it_has_the_first_stage_alone_and_of_policies_what_holds_on_the_way_forward() {
    let mut plan = settings();
    // uat is written last, and has the last hosts.
    plan.stages = vec![
        crate::core::settings::Stage { needs: vec![StageIx(1)], ..plan.stages[1].clone() },
        crate::core::settings::Stage { hosts: vec![HostIx(5), HostIx(1)], ..plan.stages[0].clone() },
    ];
    let exception = |hosts: &[u32]| Exception {
        at: "policy.toml:1".into(),
        hosts: hosts.iter().copied().map(HostIx).collect(),
        packages: Vec::new(),
        until: jiff::Timestamp::MAX,
        ticket: "CHG7".into(),
        reason: "old".into(),
    };
    plan.policy.exceptions = vec![exception(&[1, 2]), exception(&[3])];
    plan.policy.drill = Some(DrillRule { at: "policy.toml:9".into(), within: 60, last: None });
    let drill = settings_of(plan.clone()).unwrap();
    assert_eq!((drill.kind.clone(), drill.stages.len()), (RunKind::Drill, 1));
    assert_eq!(drill.hosts.iter().map(|host| host.name.as_str()).collect::<Vec<_>>(), ["h5", "h1"]);
    assert_eq!(drill.stages[0].hosts, [HostIx(0), HostIx(1)]);
    let excepted: Vec<&[HostIx]> = drill.policy.exceptions.iter().map(|of| of.hosts.as_slice()).collect();
    assert_eq!((excepted, drill.policy.drill.is_none()), (vec![[HostIx(1)].as_slice(), &[]], true));
    let json = serde_json::to_string(&drill).unwrap();
    assert_eq!(serde_json::from_str::<Settings>(&json).unwrap(), drill, "it is frozen and read back");
    // The host that an exception leaves as it is is no part of what is proved.
    let mut world = World::new(drill);
    world.drive();
    assert_eq!((world.outcome(), proved(&world), world.changed(1)), (Outcome::Complete, 1, false));
    plan.stages[1].hosts.clear();
    assert_eq!(settings_of(plan), None);
}

#[test]
fn the_rule_asks_for_a_proof_that_is_young_enough_and_an_emergency_passes_it_on_the_record() {
    let mut world = drill_of(&[2], 0);
    world.drive();
    let last = Proof::of(&world.rollout);
    let rule = |last: &Option<Proof>| DrillRule { at: "policy.toml:9".into(), within: 3600, last: last.clone() };
    assert!(rule(&last).is_met(world.now + Duration::from_secs(3600)));
    assert!(!rule(&last).is_met(world.now + Duration::from_secs(3601)));
    assert!(!rule(&None).is_met(world.now));
    assert_eq!(rule(&None).words(), "a drill not older than 1h");

    let mut plan = settings();
    plan.policy.emergency = Some(crate::core::policy::Emergency {
        at: "policy.toml:1".into(),
        by: vec![crate::core::approval::Who::Person("boss".into())],
        quorum: 1,
        passes: Vec::new(),
        review_within: 60,
    });
    plan.policy.drill = Some(rule(&None));
    let mut world = World::new(plan).gate(0, Verdict::Approved, "fine").gate(1, Verdict::Approved, "fine");
    let declaration = crate::core::emergency::Declaration {
        by: person("boss"),
        groups: Vec::new(),
        reason: "it is exploited".into(),
    };
    world.commit(&[Event::EmergencyDeclared { declaration }]);
    world.drive();
    assert_eq!(world.stands(0), PATCHED);
    let passed = report::emergency(&world.rollout).unwrap().passed;
    let said = "a drill not older than 1h (policy.toml:9): none that proved the way back is known here";
    assert_eq!(passed, [said]);
}
