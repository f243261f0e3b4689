//! What goes around a patch: hooks, checks, soaking, snapshots, order.

use std::time::Duration;

use jiff::SignedDuration;

use super::world::{Does, World, settings};
use super::{PATCHED, RESTORED};
use crate::core::approval::Decision;
use crate::core::document::{ActionPerformed, ActionState, How, Outcome, StageState, StateReason, Verdict, WaitingFor};
use crate::core::event::{Input, PauseCause, Step};
use crate::core::findings::Fate;
use crate::core::health::HealthRule;
use crate::core::hooks::{Command, RestoreWhen, Snapshot, StageHook, Taken, Where};
use crate::core::ids::{GroupName, HostIx, StageIx};
use crate::core::problem::ErrorKind;
use crate::core::report::{self, Driven};
use crate::core::settings::{Amount, Person, Scope, Settings};
use crate::core::template::{Dialect, Template};

pub(super) const SKIPPED: (ActionPerformed, ActionState, StateReason) =
    (ActionPerformed::None, ActionState::Failed, StateReason::Skipped);

pub(super) fn command(on: Where) -> Command {
    let command = Template::parse("true", Dialect::Shell).unwrap();
    Command { on, command, timeout: Duration::from_secs(60) }
}

pub(super) fn here() -> Option<Command> {
    Some(command(Where::Local))
}

/// Both gates are approved.
pub(super) fn planned(change: impl FnOnce(&mut Settings)) -> World {
    let mut plan = settings();
    change(&mut plan);
    World::new(plan).gate(0, Verdict::Approved, "fine").gate(1, Verdict::Approved, "fine")
}

fn hooked(plan: &mut Settings) {
    for stage in &mut plan.stages {
        let hooks = &mut stage.hooks;
        (hooks.before_host, hooks.after_host, hooks.after_host_failed) = (here(), here(), here());
    }
}

pub(super) fn steps(world: &World, host: u32) -> Vec<Step> {
    let of = world.touched.iter().filter(|(h, step)| *h == host && !matches!(step, Step::Resolve | Step::Recheck));
    of.map(|(_, step)| *step).collect()
}

pub(super) fn fails(kind: ErrorKind, fate: Fate) -> [Does; 1] {
    [Does::Fails(kind, fate)]
}

#[test]
fn everything_around_a_patch_comes_in_its_order() {
    let mut world = planned(|plan| {
        hooked(plan);
        for stage in &mut plan.stages {
            stage.health = HealthRule::Fail;
            let (take, restore) = (command(Where::Local), command(Where::Local));
            let by = Taken::Commands { take, restore, remove: here() };
            stage.snapshot = Some(Snapshot { by, restore: RestoreWhen::NotExact });
            (stage.hooks.before_stage, stage.hooks.after_stage) = (here(), here());
        }
    });
    world.drive();
    assert_eq!(world.outcome(), Outcome::Complete);
    let way = [
        Step::Before,
        Step::Probe,
        Step::Stash,
        Step::Snapshot,
        Step::Apply,
        Step::Settle,
        Step::Check,
        Step::After,
        Step::Discard,
        Step::Forget,
    ];
    assert_eq!(steps(&world, 0), way);
    let (before, after) = (StageHook::Before, StageHook::After);
    assert_eq!(world.hooks, [(0, before), (0, after), (1, before), (1, after)]);
}

#[test]
fn a_hook_before_a_host_that_fails_skips_the_host() {
    let mut world = planned(|plan| {
        hooked(plan);
        plan.stages[1].max_failed = Amount::Count(0);
    })
    .host(3, Step::Before, &fails(ErrorKind::Refused, Fate::Unchanged));
    world.drive();
    assert_eq!(world.stands(3), SKIPPED);
    assert_eq!(steps(&world, 3), [Step::Before, Step::After], "what was begun is ended");
    assert_eq!(world.outcome(), Outcome::Partial);
    assert_eq!(world.stands(2), PATCHED);
}

#[test]
fn a_hook_before_a_stage_that_fails_skips_the_stage() {
    let mut world = planned(|plan| {
        (plan.stages[1].hooks.before_stage, plan.stages[1].hooks.after_stage) = (here(), here());
    });
    world.failing = vec![(1, StageHook::Before)];
    world.drive();
    assert_eq!(world.outcome(), Outcome::Partial, "the first stage is kept");
    assert_eq!((world.stage_state(0), world.stage_state(1)), (StageState::Success, StageState::Skipped));
    for host in 2..6 {
        assert_eq!(world.stands(host), SKIPPED);
        assert!(!world.changed(host));
    }
    assert_eq!(world.hooks, [(1, StageHook::Before), (1, StageHook::After)]);
}

#[test]
fn a_host_that_goes_back_is_put_into_service_again() {
    let mut world = planned(|plan| {
        hooked(plan);
        plan.stages[0].health = HealthRule::Fail;
    })
    .host(0, Step::Check, &fails(ErrorKind::Check, Fate::Changed));
    world.drive();
    assert_eq!(world.outcome(), Outcome::Failed);
    assert_eq!((world.stands(0), world.stands(1)), (RESTORED, RESTORED));
    let way = [Step::Before, Step::Probe, Step::Stash, Step::Apply, Step::Settle, Step::Check];
    assert_eq!(steps(&world, 0), [&way[..], &[Step::Rollback, Step::After, Step::Forget]].concat());
    // The healthy one was in service again, and is taken out for its way back.
    let back = [Step::After, Step::Before, Step::Rollback, Step::After, Step::Forget];
    assert_eq!(steps(&world, 1)[6..], back);
}

#[test]
fn a_hook_after_a_host_that_fails_takes_the_host_back() {
    let [failed] = fails(ErrorKind::Refused, Fate::Changed);
    let mut world = planned(hooked).host(0, Step::After, &[failed.clone(), failed]);
    world.drive();
    assert_eq!((world.outcome(), world.stands(0)), (Outcome::Failed, RESTORED));
    assert_eq!(world.rollout.notes().len(), 1, "the second time it is only said: {:?}", world.rollout.notes());
}

#[test]
fn a_host_that_is_not_well_before_is_not_begun() {
    let mut world = planned(|plan| plan.stages[1].health = HealthRule::Fail).host(
        2,
        Step::Probe,
        &fails(ErrorKind::Check, Fate::Unchanged),
    );
    world.drive();
    assert_eq!(world.outcome(), Outcome::Partial);
    assert_eq!(world.stands(2), (ActionPerformed::None, ActionState::Failed, StateReason::Refused));
    assert_eq!(steps(&world, 2), [Step::Probe]);
}

#[test]
fn what_cannot_be_told_a_person_looks_at_even_without_a_gate() {
    let mut world = planned(|plan| {
        for stage in &mut plan.stages {
            (stage.approval, stage.health) = (None, HealthRule::Fail);
        }
        plan.stages[1].waves = vec![Amount::Count(1)];
    })
    .host(2, Step::Check, &[Does::Unsure]);
    world.gates.clear();
    world.drive();
    assert_eq!((world.outcome(), world.stage_state(1)), (Outcome::Paused, StageState::Waiting));
    assert!((3..6).all(|host| !world.changed(host)), "the next wave waits for the canary");
    let gate =
        |how| Decision::new(Verdict::Approved, Person { name: "boss".into(), source: "login".into() }, "seen", how);
    let decide = |how| Input::Decide { stage: Some(StageIx(1)), digest: None, decision: gate(how) };
    assert!(world.take(decide(How::Flag)).is_err(), "nobody knew of it beforehand");
    world.resume(None);
    world.take(decide(How::Prompt)).unwrap();
    world.resume(None);
    assert_eq!(world.outcome(), Outcome::Complete);
}

fn soaked(world: &mut World, minutes: i64) {
    world.now = world.now.checked_add(SignedDuration::from_mins(minutes)).unwrap();
}

#[test]
fn a_wave_is_watched_and_looked_at_again_and_again() {
    let mut world = planned(|plan| {
        plan.stages[0].health = HealthRule::Fail;
        plan.stages[0].soak = Duration::from_secs(600);
    });
    world.drive();
    assert_eq!((world.outcome(), world.rollout.paused()), (Outcome::Paused, Some(&PauseCause::Soak)));
    let document = report::document(&world.rollout, world.head.digest, world.now, Driven::No);
    let waiting = document.waiting.unwrap();
    assert_eq!((waiting.kind, waiting.stage.as_str()), (WaitingFor::Soak, "uat"));
    assert_eq!(waiting.opens_at.unwrap().0.to_string(), "2027-01-15T08:10:00Z");
    let checks = |world: &World| world.touched.iter().filter(|(h, step)| *h == 0 && *step == Step::Check).count();
    assert_eq!(checks(&world), 1);
    assert!(!world.rollout.has_opened(world.now));
    world.take(Input::Drive { by: super::world::person("ops"), version: "1".into(), confirmed: true }).unwrap();
    for minute in 1..10 {
        soaked(&mut world, 1);
        world.work();
        assert_eq!(checks(&world), 1 + minute);
    }
    soaked(&mut world, 1);
    assert!(world.rollout.has_opened(world.now));
    world.go_on();
    assert_eq!((world.outcome(), checks(&world)), (Outcome::Complete, 11));
}

#[test]
fn a_soak_that_nobody_watched_ends_with_a_look() {
    let mut world = planned(|plan| {
        plan.stages[0].health = HealthRule::Fail;
        plan.stages[0].soak = Duration::from_secs(600);
        plan.stages[0].rollback_scope = Scope::Stage;
    })
    .host(1, Step::Check, &[Does::Well, Does::Fails(ErrorKind::Check, Fate::Changed)]);
    world.drive();
    soaked(&mut world, 60 * 24);
    world.resume(None);
    assert_eq!((world.outcome(), world.stands(0), world.stands(1)), (Outcome::Failed, RESTORED, RESTORED));
    assert!((2..6).all(|host| !world.changed(host)));
}

#[test]
fn a_cancelled_soak_goes_back() {
    let mut world = planned(|plan| plan.stages[0].soak = Duration::from_secs(600));
    world.drive();
    let by = super::world::person("ops");
    world.resume(Some(Input::Cancel { by, reason: "enough".into() }));
    assert_eq!((world.outcome(), world.stands(0)), (Outcome::Rejected, RESTORED));
}

#[test]
fn a_snapshot_is_put_back_where_the_way_back_is_not_exact() {
    let with = |restore| {
        planned(|plan| {
            let by = Taken::Btrfs(vec!["/srv".into()]);
            plan.stages[0].snapshot = Some(Snapshot { by, restore });
        })
        .host(0, Step::Settle, &fails(ErrorKind::Apply, Fate::Changed))
    };
    let mut world = with(RestoreWhen::NotExact).host(0, Step::Rollback, &[Does::Differs]);
    world.drive();
    assert_eq!((world.outcome(), world.stands(0)), (Outcome::Failed, RESTORED));
    let way = [Step::Stash, Step::Snapshot, Step::Apply, Step::Settle, Step::Rollback, Step::Restore];
    assert_eq!(steps(&world, 0), [&way[..], &[Step::Discard, Step::Forget]].concat());

    let mut world = with(RestoreWhen::Always);
    world.drive();
    assert_eq!((world.outcome(), world.stands(0)), (Outcome::Failed, RESTORED));
    assert!(!steps(&world, 0).contains(&Step::Rollback));

    let mut world = with(RestoreWhen::Always).host(0, Step::Restore, &[Does::Differs]);
    world.drive();
    assert_eq!(world.stands(0), RESTORED, "the snapshot held data alone");
    let both = [Step::Restore, Step::Rollback, Step::Discard, Step::Forget];
    assert!(steps(&world, 0).ends_with(&both), "{:?}", steps(&world, 0));
}

#[test]
fn a_host_without_a_snapshot_is_not_changed() {
    let mut world = planned(|plan| {
        let by = Taken::Btrfs(vec!["/srv".into()]);
        plan.stages[1].snapshot = Some(Snapshot { by, restore: RestoreWhen::NotExact });
    })
    .host(2, Step::Snapshot, &fails(ErrorKind::Refused, Fate::Unchanged));
    world.drive();
    assert_eq!(world.outcome(), Outcome::Partial);
    assert!(!steps(&world, 2).contains(&Step::Apply));
}

#[test]
fn hosts_of_one_rack_are_kept_apart() {
    let mut world = planned(|plan| {
        (plan.stages[1].spread, plan.stages[1].parallel) = (Some("rack".into()), 4);
        for (at, host) in plan.hosts.iter_mut().enumerate() {
            host.vars.insert("rack".into(), serde_json::json!(if at < 4 { "a" } else { "b" }));
        }
    })
    .host(2, Step::Stash, &[Does::Pends])
    .host(4, Step::Stash, &[Does::Pends]);
    world.drive_until_pending();
    let begun = |world: &World| (2..6).filter(|host| world.changed(*host)).collect::<Vec<_>>();
    assert_eq!(begun(&world), [2, 4], "one of each rack");
    world.finish_pending(2, Step::Stash);
    assert_eq!(begun(&world), [2, 3, 4], "the next of the first rack");
    world.finish_pending(4, Step::Stash);
    assert_eq!(world.outcome(), Outcome::Complete);
}

#[test]
fn databases_are_done_before_the_others_begin() {
    let mut world = planned(|plan| {
        let db = GroupName::new("db").unwrap();
        (plan.stages[1].after, plan.stages[1].parallel) = (vec![db.clone()], 4);
        plan.hosts[4].groups.push(db.clone());
        plan.hosts[5].groups.push(db);
        // As the input orders them.
        plan.stages[1].hosts = [4, 5, 2, 3].map(HostIx).to_vec();
    })
    .host(5, Step::Settle, &[Does::Pends]);
    world.drive_until_pending();
    assert!(world.changed(4) && world.changed(5) && !world.changed(2) && !world.changed(3));
    world.finish_pending(5, Step::Settle);
    assert_eq!(world.outcome(), Outcome::Complete);
}

#[test]
fn a_run_that_goes_back_stops_a_soak_of_another_stage_first() {
    let mut world = planned(|plan| {
        for stage in &mut plan.stages {
            (stage.needs, stage.health, stage.approval) = (Vec::new(), HealthRule::Fail, None);
            stage.rollback_scope = Scope::Run;
        }
        plan.stages[0].soak = Duration::from_secs(600);
    })
    .host(0, Step::Check, &[Does::Well, Does::Pends])
    .host(2, Step::Settle, &[Does::Pends]);
    world.drive_until_pending();
    soaked(&mut world, 1);
    world.work();
    // The first stage is looked at just now, and the other one fails.
    world.host_fails(2, Step::Settle);
    world.finish_pending(0, Step::Check);
    assert_eq!(world.outcome(), Outcome::Failed);
    assert!((0..3).all(|host| world.stands(host) == RESTORED), "{:?}", world.stands(0));
}

#[test]
fn a_second_try_takes_a_snapshot_of_its_own() {
    let mut world = planned(|plan| {
        let by = Taken::Btrfs(vec!["/srv".into()]);
        plan.stages[0].snapshot = Some(Snapshot { by, restore: RestoreWhen::NotExact });
        plan.stages[0].max_failed = Amount::Count(1);
        plan.stages[0].rollback_scope = Scope::Host;
    })
    .host(0, Step::Settle, &fails(ErrorKind::Apply, Fate::Changed));
    world.gates.remove(&0);
    world.drive();
    assert_eq!((world.stands(0), world.stage_state(0)), (RESTORED, StageState::Waiting));
    world.gates.insert(0, (Verdict::Approved, "fine"));
    world.resume(Some(Input::Retry { only: None }));
    assert_eq!(world.outcome(), Outcome::Complete);
    let snapshots: Vec<Step> =
        steps(&world, 0).into_iter().filter(|step| matches!(step, Step::Snapshot | Step::Discard)).collect();
    assert_eq!(snapshots, [Step::Snapshot, Step::Discard, Step::Snapshot, Step::Discard]);
}

#[test]
fn a_recovered_host_is_put_back_into_service() {
    let mut world = planned(hooked).host(2, Step::Settle, &fails(ErrorKind::Lost, Fate::Lost));
    world.drive();
    assert_eq!(world.outcome(), Outcome::Degraded);
    let by = super::world::person("ops");
    world.resume(Some(Input::Recover { by, hosts: vec![HostIx(2)] }));
    assert_eq!(steps(&world, 2).iter().filter(|step| **step == Step::After).count(), 2, "{:?}", steps(&world, 2));
}

#[test]
fn a_soak_that_ended_badly_is_due_no_more() {
    let mut world = planned(|plan| {
        (plan.stages[0].health, plan.stages[0].soak) = (HealthRule::Fail, Duration::from_secs(600));
        plan.stages[0].rollback_scope = Scope::Host;
    })
    .host(0, Step::Check, &[Does::Well, Does::Fails(ErrorKind::Check, Fate::Changed)]);
    world.gates.clear();
    world.drive();
    soaked(&mut world, 1);
    world.resume(None);
    assert_eq!((world.outcome(), world.rollout.paused()), (Outcome::Paused, Some(&PauseCause::Gate)));
    soaked(&mut world, 60);
    assert!(!world.rollout.has_opened(world.now), "cron would take it up again and again");
}

#[test]
fn the_hook_after_a_stage_runs_also_where_nothing_was_begun() {
    let mut world = planned(|plan| {
        let hooks = &mut plan.stages[0].hooks;
        (hooks.before_stage, hooks.after_stage, hooks.before_host) = (here(), here(), here());
    })
    .host(0, Step::Before, &[Does::Pends])
    .host(1, Step::Before, &[Does::Pends]);
    world.drive_until_pending();
    world.take(Input::Cancel { by: super::world::person("ops"), reason: "not today".into() }).unwrap();
    for host in [0, 1] {
        let (result, ops) = world.answer(host, Step::Before);
        let input = Input::StepEnded { host: HostIx(host), step: Step::Before, result, ops, installed: Vec::new() };
        world.take(input).unwrap();
    }
    world.go_on();
    assert_eq!(world.hooks, [(0, StageHook::Before), (0, StageHook::After)]);
    assert_eq!(world.outcome(), Outcome::Rejected);
}

#[test]
fn what_cannot_be_told_is_not_kept_by_a_narrow_scope() {
    let mut world = planned(|plan| {
        let stage = &mut plan.stages[0];
        (stage.approval, stage.health, stage.rollback_scope) = (None, HealthRule::Fail, Scope::Host);
    })
    .host(0, Step::Check, &[Does::Unsure])
    .host(1, Step::Settle, &fails(ErrorKind::Apply, Fate::Changed));
    world.gates.clear();
    world.drive();
    assert_eq!((world.outcome(), world.stage_state(0)), (Outcome::Paused, StageState::Waiting));
}
