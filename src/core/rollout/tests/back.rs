//! The way back where something stands in it: snapshots that cannot be put back, what others changed since, commands
//! that nobody heard of again; and trying again.

use std::time::Duration;

use super::around::{SKIPPED, command, fails, here, planned, steps};
use super::windows::window;
use super::world::{Does, World, person};
use super::{PATCHED, RESTORED};
use crate::core::approval::Approval;
use crate::core::document::{ActionPerformed, ActionState, Outcome, StageReason, StageState, StateReason, Verdict};
use crate::core::event::{Input, Step};
use crate::core::findings::Fate;
use crate::core::hooks::{RestoreWhen, Snapshot, StageHook, Taken, Where};
use crate::core::host::Place;
use crate::core::ids::{HostIx, StageIx};
use crate::core::problem::ErrorKind;
use crate::core::report;
use crate::core::settings::{Amount, Scope};

const NOT_BACK: (ActionPerformed, ActionState) = (ActionPerformed::Rollback, ActionState::Failed);

/// The first stage's hosts have a snapshot, and the first one's patch fails.
fn snapshots(restore: RestoreWhen) -> World {
    planned(|plan| {
        let by = Taken::Btrfs(vec!["/srv".into()]);
        plan.stages[0].snapshot = Some(Snapshot { by, restore });
    })
    .host(0, Step::Settle, &fails(ErrorKind::Apply, Fate::Changed))
}

fn did(world: &World, host: u32) -> (ActionPerformed, ActionState) {
    let (performed, state, _) = world.stands(host);
    (performed, state)
}

fn recover(host: u32) -> Option<Input> {
    Some(Input::Recover { by: person("ops"), hosts: vec![HostIx(host)] })
}

#[test]
fn what_others_changed_since_is_left_alone_by_the_snapshot_too() {
    let mut world =
        snapshots(RestoreWhen::NotExact).host(0, Step::Rollback, &fails(ErrorKind::Conflict, Fate::Changed));
    world.drive();
    assert_eq!((world.outcome(), did(&world, 0)), (Outcome::Degraded, NOT_BACK));
    assert_eq!(world.stands(0).2, StateReason::Conflict);
    let way = [Step::Stash, Step::Snapshot, Step::Apply, Step::Settle, Step::Rollback];
    assert_eq!(steps(&world, 0), way, "nothing is put back over it, and the snapshot stays");
}

#[test]
fn a_snapshot_that_could_not_be_put_back_leaves_a_host_that_a_person_must_see_to() {
    let mut world = snapshots(RestoreWhen::Always).host(0, Step::Restore, &fails(ErrorKind::Refused, Fate::Changed));
    world.drive();
    assert_eq!((world.outcome(), did(&world, 0)), (Outcome::Degraded, NOT_BACK), "its packages alone are not all");
    assert!(steps(&world, 0).ends_with(&[Step::Restore, Step::Rollback]), "the snapshot stays: {:?}", steps(&world, 0));
    let error = report::host_result(&world.rollout, HostIx(0)).error.unwrap();
    assert_eq!(error.step.as_deref(), Some("restore"), "{error:?}");
    // It can be put back now.
    world.resume(recover(0));
    assert_eq!((world.outcome(), world.stands(0)), (Outcome::Failed, RESTORED));
    assert!(steps(&world, 0).ends_with(&[Step::Restore, Step::Discard, Step::Forget]), "{:?}", steps(&world, 0));
}

#[test]
fn a_host_that_is_lost_while_its_snapshot_is_put_back_gets_it_once_more() {
    let mut world = snapshots(RestoreWhen::Always).host(0, Step::Restore, &fails(ErrorKind::Lost, Fate::Lost));
    world.drive();
    assert_eq!((world.outcome(), world.stands(0).2), (Outcome::Degraded, StateReason::Lost));
    world.resume(recover(0));
    assert_eq!((world.outcome(), world.stands(0)), (Outcome::Failed, RESTORED));
    assert!(steps(&world, 0).ends_with(&[Step::Restore, Step::Discard, Step::Forget]), "{:?}", steps(&world, 0));
}

#[test]
fn a_snapshot_that_always_goes_back_does_so_behind_a_dead_man() {
    let mut world = snapshots(RestoreWhen::Always);
    world.dead_man = Some(300);
    world.drive();
    assert_eq!((world.outcome(), world.stands(0)), (Outcome::Failed, RESTORED));
    let way = [Step::Rollback, Step::Restore, Step::Discard, Step::Forget];
    assert!(steps(&world, 0).ends_with(&way), "it is disarmed first: {:?}", steps(&world, 0));

    let mut world = planned(|plan| {
        let by = Taken::Btrfs(vec!["/srv".into()]);
        plan.stages[0].snapshot = Some(Snapshot { by, restore: RestoreWhen::Always });
    })
    .host(0, Step::Confirm, &[Does::RestoredItself]);
    world.dead_man = Some(300);
    world.drive();
    assert_eq!(world.stands(0), RESTORED);
    assert!(steps(&world, 0).ends_with(&[Step::Restore, Step::Discard, Step::Forget]), "{:?}", steps(&world, 0));
}

#[test]
fn what_the_packages_way_back_found_is_not_forgotten_over_the_snapshot() {
    let mut world = snapshots(RestoreWhen::NotExact).host(0, Step::Rollback, &[Does::Differs]).host(
        0,
        Step::Restore,
        &fails(ErrorKind::Refused, Fate::Changed),
    );
    world.drive();
    assert_eq!(did(&world, 0), NOT_BACK);
    let differences = report::host_result(&world.rollout, HostIx(0)).rollback.unwrap().differences;
    assert_eq!(differences.len(), 1, "{differences:?}");
}

#[test]
fn a_run_goes_back_once_a_look_at_what_was_approved_is_over() {
    // The first stage (scope: the run) fails while the second one's approval is looked at for the third.
    let mut world = planned(|plan| {
        plan.stages[1].hosts.truncate(2);
        let mut third = plan.stages[1].clone();
        third.name = crate::core::ids::StageName::new("third").unwrap();
        (third.hosts, third.needs) = (vec![HostIx(4), HostIx(5)], vec![StageIx(1)]);
        third.windows = vec![vec![window("22:00:00", 6, 0)]];
        (plan.stages[0].rollback_scope, plan.stages[1].needs) = (Scope::Run, Vec::new());
        plan.stages.push(third);
    })
    .gate(2, Verdict::Approved, "fine")
    .host(0, Step::Settle, &[Does::Pends])
    .host(2, Step::Recheck, &[Does::Pends]);
    world.drive_until_pending();
    world.now = "2027-01-15T22:00:10Z".parse().unwrap();
    world.work();
    assert_eq!(world.rollout.running().count(), 2, "one settles, and one is looked at again");
    world.host_fails(0, Step::Settle);
    world.finish_pending(2, Step::Recheck);
    assert_eq!(world.outcome(), Outcome::Failed, "{:#?}", world.touched);
    assert!((0..4).all(|host| matches!(world.stands(host).2, StateReason::Restored)), "{:?}", world.touched);
}

#[test]
fn a_host_that_was_given_up_is_not_asked_again_when_the_window_opens() {
    let mut world = planned(|plan| {
        plan.stages[1].windows = vec![vec![window("22:00:00", 6, 0)]];
    })
    .host(2, Step::Resolve, &[Does::Pends]);
    world.drive_until_pending();
    let release = Input::Release { host: HostIx(2), by: person("ops"), reason: "burnt down".into() };
    world.take(release).unwrap();
    world.go_on();
    assert_eq!(world.outcome(), Outcome::Paused);
    world.now = "2027-01-15T22:00:10Z".parse().unwrap();
    world.resume(None);
    assert_eq!(world.stands(3), PATCHED);
    assert!(!world.changed(2), "nothing is expected of it any more");
    let cause = report::host_result(&world.rollout, HostIx(2)).action_cause;
    assert_eq!(cause.as_deref(), Some("given up: burnt down"));
}

#[test]
fn a_command_that_was_not_heard_of_again_can_be_tried_again() {
    let mut world = planned(|plan| plan.stages[0].hooks.before_host = Some(command(Where::Run))).host(
        0,
        Step::Before,
        &fails(ErrorKind::Lost, Fate::Lost),
    );
    world.drive();
    assert_eq!((world.outcome(), world.stands(0)), (Outcome::Partial, SKIPPED));
    assert!(world.rollout.host(HostIx(0)).claimed, "it may still run there");
    let document = report::document(&world.rollout, world.head.digest, world.now, report::Driven::No);
    let stays = document.errors.iter().find(|error| error.message.contains("claim stays"));
    assert!(stays.unwrap().hint.as_deref().unwrap().contains("patchctl release"), "{:?}", document.errors);
    world.resume(Some(Input::Retry { only: None }));
    assert_eq!((world.outcome(), world.stands(0)), (Outcome::Complete, PATCHED));
    assert!(!world.rollout.host(HostIx(0)).claimed);
}

#[test]
fn a_way_back_that_ends_ends_what_was_not_heard_of_before() {
    let mut world = planned(|plan| plan.stages[0].hooks.before_host = Some(command(Where::Run)))
        .host(0, Step::Before, &[Does::Well, Does::Fails(ErrorKind::Lost, Fate::Lost)])
        .host(0, Step::After, &[Does::Well]);
    world.gates.insert(0, (Verdict::Rejected, "no"));
    world.drive();
    assert_eq!((world.outcome(), world.stands(0)), (Outcome::Rejected, RESTORED));
    assert!(!world.rollout.host(HostIx(0)).claimed, "no job is left there");
}

#[test]
fn a_lost_host_is_asked_about_the_job_in_which_it_was_lost() {
    let mut world = planned(|plan| plan.stages[0].hooks.after_host_failed = Some(command(Where::Run)))
        .host(0, Step::Apply, &fails(ErrorKind::Lost, Fate::Lost))
        .host(0, Step::After, &fails(ErrorKind::Lost, Fate::Lost));
    world.drive();
    assert_eq!(world.stands(0).2, StateReason::Lost);
    world.resume(recover(0));
    assert_eq!(world.stands(0), RESTORED);
    assert_eq!(world.jobs.iter().filter(|job| job.ends_with("-h0-apply-1")).count(), 2, "{:?}", world.jobs);
}

#[test]
fn hosts_that_failed_before_do_not_keep_one_from_being_tried_again() {
    let mut world = planned(|plan| plan.stages[1].waves.clear())
        .host(2, Step::Settle, &fails(ErrorKind::Apply, Fate::Changed))
        .host(3, Step::Settle, &fails(ErrorKind::Apply, Fate::Changed));
    world.drive();
    assert_eq!((world.outcome(), world.stands(2), world.stands(3)), (Outcome::Failed, RESTORED, RESTORED));
    world.resume(Some(Input::Retry { only: Some(vec![HostIx(2)]) }));
    assert_eq!((world.stands(2), world.stands(3)), (PATCHED, RESTORED));
    assert_eq!(world.outcome(), Outcome::Failed, "the other one still failed");

    // What fails in the new try counts.
    let mut world = planned(|plan| plan.stages[1].waves.clear())
        .host(
            2,
            Step::Settle,
            &[Does::Fails(ErrorKind::Apply, Fate::Changed), Does::Fails(ErrorKind::Apply, Fate::Changed)],
        )
        .host(3, Step::Settle, &fails(ErrorKind::Apply, Fate::Changed));
    world.drive();
    world.resume(Some(Input::Retry { only: Some(vec![HostIx(2)]) }));
    assert_eq!((world.outcome(), world.stands(2)), (Outcome::Failed, RESTORED));
}

#[test]
fn a_stage_whose_hook_failed_says_so() {
    let mut world = planned(|plan| plan.stages[1].hooks.before_stage = here());
    world.failing.push((1, StageHook::Before));
    world.drive();
    let cause = report::host_result(&world.rollout, HostIx(2)).action_cause.unwrap();
    assert!(cause.contains("before_stage failed"), "{cause}");
    let document = report::document(&world.rollout, world.head.digest, world.now, report::Driven::No);
    assert_eq!(
        (document.stages[1].state, document.stages[1].state_reason),
        (StageState::Skipped, StageReason::Refused)
    );
}

#[test]
fn whoever_rejects_a_wave_is_named_on_its_hosts() {
    let mut world = planned(|plan| {
        plan.stages[1].waves = vec![Amount::Count(1)];
        plan.stages[1].approval = Some(Approval { each_wave: true, ..Approval::default() });
    });
    world.gates.insert(1, (Verdict::Rejected, "wrong week"));
    world.drive();
    assert_eq!((world.outcome(), world.stands(2)), (Outcome::Rejected, RESTORED));
    assert_eq!(report::host_result(&world.rollout, HostIx(2)).action_cause.as_deref(), Some("wrong week"));
}

#[test]
fn the_hook_after_a_stage_runs_also_where_its_work_was_done_by_others() {
    let mut world = planned(|plan| {
        let hooks = &mut plan.stages[1].hooks;
        (hooks.before_stage, hooks.after_stage) = (here(), here());
        plan.stages[1].windows = vec![vec![window("08:00:00", 1, 0)]];
    });
    // The hook takes so long that the window is over.
    world.hook_takes = Duration::from_secs(2 * 3600);
    for host in 2..6 {
        world = world.host(host, Step::Resolve, &[Does::Well, Does::Resolves(Vec::new())]);
    }
    world.drive();
    assert_eq!(world.outcome(), Outcome::Paused);
    (world.now, world.hook_takes) = ("2027-01-16T08:00:10Z".parse().unwrap(), Duration::ZERO);
    world.resume(None);
    assert_eq!(world.outcome(), Outcome::Complete);
    assert!((2..6).all(|host| world.rollout.host(HostIx(host)).place == Place::Current));
    assert_eq!(world.hooks, [(1, StageHook::Before), (1, StageHook::After)]);
}
