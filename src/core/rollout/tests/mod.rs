//! The whole run as pure data: a scripted world answers every effect at once, and the journal of each story is
//! replayed to the same state at every length.

mod around;
mod back;
mod drift;
mod drill;
mod emergency;
mod gates;
mod mail;
mod policy;
mod risk;
mod took;
mod way;
mod windows;
mod world;

use std::sync::Arc;

use jiff::Timestamp;

pub(in crate::core) use self::world::settings;
use self::world::{Does, World, person, stage, upgrade};
use crate::core::approval::{Decision, OnTimeout};
use crate::core::document::{ActionPerformed, ActionState, How, Outcome, StageState, StateReason, Verdict};
use crate::core::event::{Event, Input, Step};
use crate::core::findings::Fate;
use crate::core::ids::{HostIx, StageIx};
use crate::core::problem::ErrorKind;
use crate::core::rollout::{Effect, Refusal, Rollout};
use crate::core::settings::{Amount, Restart, Scope};

const PATCHED: (ActionPerformed, ActionState, StateReason) =
    (ActionPerformed::Patch, ActionState::Success, StateReason::Patched);
const RESTORED: (ActionPerformed, ActionState, StateReason) =
    (ActionPerformed::Rollback, ActionState::Success, StateReason::Restored);

#[test]
fn approved_from_stage_to_stage() {
    let mut world =
        World::new(settings()).gate(0, Verdict::Approved, "smoke tests fine").gate(1, Verdict::Approved, "all good");
    world.drive();
    assert_eq!(world.outcome(), Outcome::Complete);
    assert!((0..6).all(|host| world.stands(host) == PATCHED));
    assert_eq!(world.most_at_once, 2, "parallel is 2");
    let last_uat = world.touched.iter().rposition(|(host, step)| *host < 2 && *step == Step::Forget);
    let first_prod = world.touched.iter().position(|(host, _)| *host >= 2);
    assert!(last_uat < first_prod, "production is not even asked before the gate");
}

#[test]
fn nobody_decides_and_production_stays_untouched() {
    let mut world = World::new(settings());
    world.drive();
    assert_eq!(world.outcome(), Outcome::Paused);
    assert_eq!(world.stage_state(0), StageState::Waiting);
    assert_eq!(world.stands(0), (ActionPerformed::Patch, ActionState::Success, StateReason::Waiting));
    assert_eq!(world.stands(2), (ActionPerformed::None, ActionState::Skipped, StateReason::NotBegun));
    assert!((2..6).all(|host| !world.touched.iter().any(|(h, _)| *h == host)));
}

#[test]
fn rejected_goes_back_and_stays_back() {
    let mut world = World::new(settings()).gate(0, Verdict::Rejected, "slow logins");
    world.drive();
    assert_eq!(world.outcome(), Outcome::Rejected);
    assert!((0..2).all(|host| world.stands(host) == RESTORED));
    assert_eq!(world.stage_state(0), StageState::Rejected);
    assert_eq!(world.stage_state(1), StageState::Skipped);
    assert!((2..6).all(|host| !world.changed(host)));
}

#[test]
fn a_failure_takes_its_stage_back_and_every_rollback_is_tried() {
    let mut world = World::new(settings())
        .gate(0, Verdict::Approved, "fine")
        .host(4, Step::Apply, &[Does::Fails(ErrorKind::Apply, Fate::Changed)])
        .host(2, Step::Rollback, &vec![Does::Fails(ErrorKind::Rollback, Fate::Changed); 2]);
    world.drive();
    assert_eq!(world.outcome(), Outcome::Degraded, "host 2 could not go back");
    assert_eq!(world.stands(2).1, ActionState::Failed);
    assert_eq!(world.stands(4), RESTORED);
    assert_eq!(world.stands(3), RESTORED, "the others went back all the same");
    assert_eq!(world.stands(0), PATCHED, "uat was approved");
    let rollbacks = world.touched.iter().filter(|t| **t == (2, Step::Rollback)).count();
    assert_eq!(rollbacks, 2, "a rollback is tried twice");
}

#[test]
fn a_failed_host_within_the_budget_is_tolerated() {
    let mut plan = settings();
    plan.stages[1].max_failed = Amount::Count(1);
    let mut world = World::new(plan)
        .gate(0, Verdict::Approved, "fine")
        .gate(1, Verdict::Approved, "three of four")
        .host(4, Step::Apply, &[Does::Fails(ErrorKind::Apply, Fate::Changed)]);
    world.drive();
    assert_eq!(world.outcome(), Outcome::Failed);
    assert_eq!(world.stands(4), RESTORED);
    assert_eq!(world.stands(5), PATCHED);
}

#[test]
fn scope_run_takes_back_what_was_approved() {
    let mut plan = settings();
    plan.stages[1].rollback_scope = Scope::Run;
    let mut world = World::new(plan).gate(0, Verdict::Approved, "fine").host(
        2,
        Step::Settle,
        &[Does::Fails(ErrorKind::Check, Fate::Changed)],
    );
    world.drive();
    assert_eq!(world.outcome(), Outcome::Failed);
    assert!((0..3).all(|host| world.stands(host) == RESTORED), "{:?}", world.touched);
}

#[test]
fn an_unreachable_host_refuses_its_stage_before_anything_is_changed() {
    let mut world = World::new(settings()).gate(0, Verdict::Approved, "fine").host(
        3,
        Step::Resolve,
        &[Does::Fails(ErrorKind::Unreachable, Fate::Unchanged)],
    );
    world.drive();
    assert_eq!(world.outcome(), Outcome::Partial, "uat was patched and kept");
    assert!((2..6).all(|host| !world.changed(host)));
    assert_eq!(world.stage_state(1), StageState::Failed);
    // Once it answers, the rest follows.
    world.gates.insert(1, (Verdict::Approved, "now"));
    world.take(Input::Drive { by: person("ops"), version: "1".into(), confirmed: true }).unwrap();
    world.take(Input::Retry { only: None }).unwrap();
    world.go_on();
    assert_eq!(world.outcome(), Outcome::Complete);
}

#[test]
fn a_stage_where_nobody_can_be_patched_is_refused() {
    let refused = [Does::Fails(ErrorKind::Locked, Fate::Unchanged)];
    let mut world = World::new(settings()).host(0, Step::Resolve, &refused).host(1, Step::Resolve, &refused);
    world.drive();
    assert_eq!(world.outcome(), Outcome::Refused);
    assert_eq!(world.stage_state(1), StageState::Skipped);
}

#[test]
fn production_gets_only_what_uat_proved() {
    let mut world = World::new(settings()).gate(0, Verdict::Approved, "fine").gate(1, Verdict::Approved, "fine").host(
        3,
        Step::Resolve,
        &[Does::Resolves(upgrade("3"))],
    );
    world.drive();
    assert_eq!(world.stands(3), (ActionPerformed::None, ActionState::Failed, StateReason::Unproven));
    assert!(!world.changed(3));
    assert_eq!(world.outcome(), Outcome::Partial);
}

#[test]
fn services_that_nobody_looked_at_are_no_evidence() {
    let shown = |restart| {
        let mut plan = settings();
        plan.stages[0].restart = restart;
        let mut world = World::new(plan).gate(0, Verdict::Approved, "fine").gate(1, Verdict::Approved, "fine");
        world.drive();
        let checks = crate::core::report::checks(&world.rollout, HostIx(0));
        checks.into_iter().map(|check| check.name).collect::<Vec<_>>()
    };
    assert_eq!(shown(Restart::Report), ["packages", "services"]);
    assert_eq!(shown(Restart::Never), ["packages"]);
}

#[test]
fn nothing_to_do_anywhere_asks_nobody() {
    let mut world = World::new(settings());
    for host in 0..6 {
        world = world.host(host, Step::Resolve, &[Does::Resolves(Vec::new())]);
    }
    world.drive();
    assert_eq!(world.outcome(), Outcome::Complete);
    assert!((0..6).all(|host| world.stands(host).2 == StateReason::Current));
}

#[test]
fn an_unchanged_stage_is_still_asked_about_before_production_is_changed() {
    let current = [Does::Resolves(Vec::new())];
    let mut world = World::new(settings()).host(0, Step::Resolve, &current).host(1, Step::Resolve, &current);
    world.drive();
    assert_eq!(world.outcome(), Outcome::Paused);
    assert_eq!(world.stage_state(0), StageState::Waiting);
    assert!((2..6).all(|host| !world.changed(host)));
}

#[test]
fn lost_after_a_change_is_unknown_and_is_not_touched_again() {
    let mut world = World::new(settings()).host(0, Step::Apply, &[Does::Fails(ErrorKind::Lost, Fate::Lost)]);
    world.drive();
    assert_eq!(world.outcome(), Outcome::Degraded);
    assert_eq!(world.stands(0), (ActionPerformed::Patch, ActionState::Unknown, StateReason::Lost));
    assert!(!world.touched.contains(&(0, Step::Rollback)), "its job may still run");
}

#[test]
fn not_exact_is_not_restored() {
    let mut world = World::new(settings()).gate(0, Verdict::Rejected, "no").host(1, Step::Rollback, &[Does::Differs]);
    world.drive();
    assert_eq!(world.outcome(), Outcome::Degraded);
    assert_eq!(world.stands(1), (ActionPerformed::Rollback, ActionState::Failed, StateReason::NotExact));
}

#[test]
fn a_step_that_changed_nothing_is_a_refusal() {
    let mut world = World::new(settings())
        .gate(0, Verdict::Approved, "one is enough")
        .gate(1, Verdict::Approved, "fine")
        .host(0, Step::Apply, &[Does::Fails(ErrorKind::Locked, Fate::Unchanged)]);
    world.drive();
    assert_eq!(world.stands(0), (ActionPerformed::None, ActionState::Failed, StateReason::Refused));
    assert_eq!(world.outcome(), Outcome::Partial);
}

#[test]
fn the_first_decision_stands_and_a_wrong_digest_is_refused() {
    let mut world = World::new(settings());
    world.drive();
    let decide = |verdict, digest: Option<&str>, reason: &str| Input::Decide {
        stage: None,
        digest: digest.map(str::to_owned),
        decision: Decision::new(verdict, person("eve"), reason, How::Command),
    };
    let wrong = world.take(decide(Verdict::Approved, Some("00000000"), "x"));
    assert!(matches!(wrong, Err(Refusal::OtherDigest { .. })), "{wrong:?}");
    assert_eq!(world.take(decide(Verdict::Approved, None, "  ")), Err(Refusal::NoReason));
    world.take(decide(Verdict::Rejected, None, "no")).unwrap();
    let late = world.take(decide(Verdict::Approved, None, "yes"));
    assert!(matches!(late, Err(Refusal::Decided { .. })), "{late:?}");
    world.drive();
    assert_eq!(world.outcome(), Outcome::Rejected);
    assert_eq!(world.take(decide(Verdict::Approved, None, "yes")), Err(Refusal::Finished));
}

#[test]
fn an_approval_that_waited_too_long_must_be_given_again() {
    let mut world = World::new(settings());
    world.drive();
    let decision = Decision::new(Verdict::Approved, person("boss"), "ok", How::Command);
    world.take(Input::Decide { stage: None, digest: None, decision }).unwrap();
    world.now = world.now.checked_add(jiff::SignedDuration::from_hours(8 * 24)).unwrap();
    world.drive();
    assert_eq!(world.stage_state(0), StageState::Waiting);
    assert!((2..6).all(|host| !world.changed(host)));
}

#[test]
fn an_undecided_gate_rejects_only_where_the_plan_says_so() {
    for (rule, outcome) in [(OnTimeout::Wait, Outcome::Paused), (OnTimeout::Reject, Outcome::Rejected)] {
        let mut plan = settings();
        if let Some(approval) = &mut plan.stages[0].approval {
            approval.on_timeout = rule;
        }
        let mut world = World::new(plan);
        world.drive();
        world.now = world.now.checked_add(jiff::SignedDuration::from_hours(8 * 24)).unwrap();
        world.drive();
        assert_eq!(world.outcome(), outcome);
    }
}

#[test]
fn an_expired_gate_takes_no_approval() {
    let mut plan = settings();
    if let Some(approval) = &mut plan.stages[0].approval {
        approval.on_timeout = OnTimeout::Reject;
    }
    let mut world = World::new(plan);
    world.drive();
    world.now = world.rollout.next_expiry().unwrap();
    let decision = Decision::new(Verdict::Approved, person("late"), "ok", How::Command);
    let approve = || Input::Decide { stage: None, digest: None, decision: decision.clone() };
    assert!(world.rollout.decide(approve(), world.now).is_ok(), "the last moment is in time");
    world.now = world.now.checked_add(jiff::SignedDuration::from_secs(1)).unwrap();
    assert_eq!(world.take(approve()), Err(Refusal::Expired));
    world.drive();
    assert_eq!(world.outcome(), Outcome::Rejected);
}

#[test]
fn a_retry_at_a_gate_keeps_nothing_that_nobody_approved() {
    let locked = [Does::Fails(ErrorKind::Locked, Fate::Unchanged)];
    let mut world = World::new(settings()).host(0, Step::Resolve, &[locked.clone(), locked].concat());
    world.drive();
    assert_eq!(world.stage_state(0), StageState::Waiting, "host 1 is patched");
    world.take(Input::Drive { by: person("ops"), version: "1".into(), confirmed: true }).unwrap();
    world.take(Input::Retry { only: None }).unwrap();
    world.go_on();
    assert_eq!(world.outcome(), Outcome::Paused);
    assert_eq!(world.stands(1), (ActionPerformed::Patch, ActionState::Success, StateReason::Waiting));
}

#[test]
fn a_retry_does_not_take_a_rejection_back() {
    let locked = [Does::Fails(ErrorKind::Locked, Fate::Unchanged)];
    let mut world = World::new(settings()).gate(0, Verdict::Rejected, "no").host(0, Step::Resolve, &locked);
    world.drive();
    assert_eq!(world.outcome(), Outcome::Rejected);
    assert_eq!(world.take(Input::Retry { only: None }), Err(Refusal::NothingToRetry));
}

#[test]
fn a_stage_that_waited_in_vain_begins_anew_when_its_needs_do() {
    let current = [Does::Resolves(Vec::new())];
    let offline = [Does::Fails(ErrorKind::Unreachable, Fate::Unchanged)];
    let mut plan = settings();
    plan.stages[0].max_unreachable = Amount::Count(1);
    plan.stages[0].approval = None;
    plan.stages[1].rollback_scope = Scope::Run;
    let mut world = World::new(plan)
        .host(0, Step::Resolve, &offline)
        .host(1, Step::Resolve, &current)
        .gate(1, Verdict::Approved, "fine")
        .host(2, Step::Resolve, &offline);
    world.drive();
    world.take(Input::Drive { by: person("ops"), version: "1".into(), confirmed: true }).unwrap();
    world.take(Input::Retry { only: None }).unwrap();
    world.go_on();
    assert_eq!(world.outcome(), Outcome::Complete);
    let proof = world.touched.iter().rposition(|t| *t == (0, Step::Forget));
    let asked = world.touched.iter().rposition(|t| *t == (2, Step::Resolve));
    assert!(proof < asked, "what is proved is known before its hosts are asked");
}

#[test]
fn nothing_begins_beside_a_job_that_may_still_run() {
    let silent = [Does::Fails(ErrorKind::Timeout, Fate::Lost)];
    let mut world = World::new(settings()).host(0, Step::Stash, &silent).gate(0, Verdict::Rejected, "no");
    world.drive();
    assert!(!world.touched.contains(&(0, Step::Forget)), "its claim keeps other runs away");
    assert_eq!(world.rollout.notes().len(), 1, "and somebody is told");
    assert!(world.rollout.host(HostIx(0)).may_retry(), "the host has a further stash wait for its end");
    let mut world = World::new(settings()).host(0, Step::Apply, &silent).gate(0, Verdict::Rejected, "no");
    world.drive();
    assert!(!world.rollout.host(HostIx(0)).may_retry(), "what changes packages is asked about first");
}

#[test]
fn hosts_that_the_run_never_came_to_are_not_complete() {
    let mut plan = settings();
    plan.stages[0].hosts.clear();
    let mut world = World::new(plan);
    world.drive();
    assert_eq!(world.stands(2).1, ActionState::Skipped);
    assert_eq!(world.outcome(), Outcome::Refused);
}

#[test]
fn an_old_approval_does_not_begin_the_next_stage() {
    let mut world = World::new(settings()).gate(0, Verdict::Approved, "fine").gate(1, Verdict::Approved, "fine");
    world.take(Input::Drive { by: person("ops"), version: "1".into(), confirmed: true }).unwrap();
    // Stopped between the approval of the first stage and the first change of the second.
    for _ in 0..10_000 {
        while let Some(event) = world.rollout.advance(world.head.digest, world.now) {
            world.commit(&[event]);
        }
        let Some(effect) = world.rollout.next_effect() else { break };
        if matches!(effect, Effect::Step { host: HostIx(2), .. }) {
            break;
        }
        world.carry_out(&effect);
    }
    world.take(Input::Signal("SIGINT".into())).unwrap();
    world.now = world.now.checked_add(jiff::SignedDuration::from_hours(8 * 24)).unwrap();
    world.gates.clear();
    world.rollout.hand_out_again();
    world.drive();
    assert_eq!(world.stage_state(0), StageState::Waiting);
    assert!((2..6).all(|host| !world.changed(host)));
}

#[test]
fn scope_run_stops_stages_that_are_under_way() {
    let mut plan = settings();
    plan.stages = vec![stage("uat", 0..2, &[]), stage("a", 2..3, &[0]), stage("b", 3..6, &[0])];
    plan.stages[1].rollback_scope = Scope::Run;
    plan.stages[2].waves = vec![Amount::Count(1)];
    let mut world = World::new(plan).gate(0, Verdict::Approved, "fine").host(
        2,
        Step::Apply,
        &[Does::Fails(ErrorKind::Apply, Fate::Changed)],
    );
    world.drive();
    assert_eq!(world.outcome(), Outcome::Failed);
    assert!((0..4).all(|host| world.stands(host) == RESTORED || !world.changed(host)), "{:?}", world.touched);
    let last_forward = world.touched.iter().rposition(|(host, step)| *host > 2 && *step == Step::Apply);
    let first_back = world.touched.iter().position(|(host, step)| *host < 2 && *step == Step::Rollback);
    assert!(last_forward < first_back, "nothing is built on what is taken back");
}

#[test]
fn an_altered_record_is_refused_and_never_a_panic() {
    let (at, far) = (Timestamp::UNIX_EPOCH, StageIx(9));
    for event in [
        Event::StageOpened { stage: far },
        Event::StageResolved { stage: far },
        Event::WaveStarted { stage: StageIx(0), wave: 1, hosts: vec![HostIx(99)] },
        Event::UndoStarted { stage: far, cause: crate::core::event::UndoCause::Failed },
        Event::UndoStarted { stage: StageIx(0), cause: crate::core::event::UndoCause::FailedIn(far) },
        Event::ClosingStarted { stage: far, end: crate::core::event::StageEnd::Failed },
        Event::StepStarted { host: HostIx(99), step: Step::Apply, job: None },
        Event::Retried { hosts: vec![HostIx(99)] },
        Event::ApprovalLapsed { stage: far },
    ] {
        assert!(Rollout::new(Arc::new(settings())).apply(&event, at).is_err(), "{event:?}");
    }
}

#[test]
fn waves_begin_with_the_canary() {
    let mut plan = settings();
    plan.stages[1].waves = vec![Amount::Count(1), Amount::Percent(50)];
    let mut world = World::new(plan).gate(0, Verdict::Approved, "fine").host(
        2,
        Step::Settle,
        &[Does::Fails(ErrorKind::Check, Fate::Changed)],
    );
    world.drive();
    assert_eq!(world.stands(2), RESTORED);
    assert!((3..6).all(|host| !world.changed(host)), "the canary failed: nobody else begins");
    assert_eq!(world.outcome(), Outcome::Failed);
}

#[test]
fn a_signal_starts_nothing_new_and_a_resumed_run_goes_on() {
    let mut world = World::new(settings()).gate(0, Verdict::Approved, "fine").gate(1, Verdict::Approved, "fine");
    world.take(Input::Drive { by: person("ops"), version: "1".into(), confirmed: true }).unwrap();
    world.take(Input::Signal("SIGINT".into())).unwrap();
    world.go_on();
    assert_eq!(world.outcome(), Outcome::Interrupted);
    assert!(world.touched.is_empty());
    world.drive();
    assert_eq!(world.outcome(), Outcome::Complete);
}
