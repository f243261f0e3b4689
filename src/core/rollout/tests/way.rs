//! Stories of hosts that are lost, boot, undo the change by themselves or shut us out, and of people who stop a run.

use super::world::{Does, World, person, settings};
use super::{PATCHED, RESTORED};
use crate::core::approval::{Approval, Decision, When};
use crate::core::document::{ActionPerformed, ActionState, How, Outcome, StageState, StateReason, Verdict};
use crate::core::event::{Input, PauseCause, Step};
use crate::core::findings::Fate;
use crate::core::ids::HostIx;
use crate::core::problem::ErrorKind;
use crate::core::report;
use crate::core::rollout::Refusal;
use crate::core::settings::{Amount, OnExceeded, Reboot, Scope};

const LOST: (ActionPerformed, ActionState, StateReason) =
    (ActionPerformed::Patch, ActionState::Unknown, StateReason::Lost);

/// uat alone, its hosts h0 and h1, approved where somebody is asked.
fn uat() -> World {
    let mut plan = settings();
    plan.stages.truncate(1);
    World::new(plan).gate(0, Verdict::Approved, "fine")
}

fn steps_of(world: &World, host: u32) -> Vec<Step> {
    world.touched.iter().filter(|(at, _)| *at == host).map(|(_, step)| *step).collect()
}

#[test]
fn a_dead_man_is_told_before_anybody_is_asked() {
    let mut world = World { dead_man: Some(300), ..uat() };
    world.drive();
    let way = [Step::Resolve, Step::Stash, Step::Apply, Step::Settle, Step::Confirm, Step::Forget];
    assert_eq!(steps_of(&world, 0), way);
    assert_eq!(world.outcome(), Outcome::Complete);
    assert!(!world.rollout.host(HostIx(0)).armed);
}

#[test]
fn a_host_that_undid_the_change_has_failed_and_is_not_undone_again() {
    for step in [Step::Settle, Step::Confirm] {
        let mut world = World { dead_man: Some(300), ..uat() }.host(1, step, &[Does::RestoredItself]);
        world.drive();
        assert_eq!(world.outcome(), Outcome::Failed);
        assert_eq!((world.stands(0), world.stands(1)), (RESTORED, RESTORED));
        assert!(!steps_of(&world, 1).contains(&Step::Rollback));
        let result = report::host_result(&world.rollout, HostIx(1));
        assert!(result.rollback.unwrap().by_itself);
        assert!(result.action_cause.unwrap().contains("within 300 s"));
        assert!(!report::host_result(&world.rollout, HostIx(0)).rollback.unwrap().by_itself);
    }
}

#[test]
fn hosts_boot_in_turn_and_are_looked_at_again() {
    let mut plan = settings();
    plan.stages.truncate(1);
    plan.stages[0].reboot = Reboot::Needed;
    let world = World::new(plan).gate(0, Verdict::Approved, "fine");
    let mut world = World { dead_man: Some(300), ..world }.host(0, Step::Settle, &[Does::WantsBoot]);
    world.drive();
    use Step::{Apply, Confirm, Forget, Reboot as Boot, Resolve, Settle, Stash};
    assert_eq!(steps_of(&world, 0), [Resolve, Stash, Apply, Settle, Confirm, Boot, Settle, Confirm, Forget]);
    assert_eq!(steps_of(&world, 1), [Resolve, Stash, Apply, Settle, Confirm, Forget]);
    let reboot = |host| report::host_result(&world.rollout, HostIx(host)).reboot;
    assert_eq!((reboot(0).needed, reboot(0).done), (true, true));
    assert_eq!(reboot(0).reason.as_deref(), Some("kernel 1 runs, 2 is installed"));
    assert_eq!((reboot(1).needed, reboot(1).done, reboot(1).reason), (false, false, None));
}

#[test]
fn no_more_hosts_boot_at_a_time_than_may() {
    for (most, expected) in [(Amount::Count(1), 1), (Amount::Percent(75), 3), (Amount::Percent(0), 1)] {
        let mut plan = settings();
        plan.stages[1].parallel = 4;
        (plan.stages[1].reboot, plan.stages[1].reboot_parallel) = (Reboot::Always, most);
        let mut world = World::new(plan).gate(0, Verdict::Approved, "fine").gate(1, Verdict::Approved, "fine");
        world.drive();
        assert_eq!(world.outcome(), Outcome::Complete);
        assert_eq!(world.touched.iter().filter(|(_, step)| *step == Step::Reboot).count(), 4);
        assert!(world.most_booting <= expected, "{} of {most:?}", world.most_booting);
    }
}

#[test]
fn a_boot_that_fails_takes_the_host_back() {
    let mut plan = settings();
    plan.stages.truncate(1);
    plan.stages[0].reboot = Reboot::Always;
    let fails = [Does::Fails(ErrorKind::Reboot, Fate::Changed)];
    let mut world = World::new(plan).host(0, Step::Reboot, &fails);
    world.drive();
    assert_eq!((world.outcome(), world.stands(0), world.stands(1)), (Outcome::Failed, RESTORED, RESTORED));
}

#[test]
fn a_host_that_shuts_us_out_pauses_the_run_and_its_job_is_asked_about_again() {
    let mut world = uat().host(0, Step::Apply, &[Does::Bars]);
    world.drive();
    assert_eq!(world.outcome(), Outcome::Paused);
    assert_eq!(world.rollout.paused(), Some(&PauseCause::Barred));
    assert!(!world.touched.iter().any(|(_, step)| *step == Step::Rollback), "nothing goes back");
    assert_eq!(world.stage_state(0), StageState::Waiting);
    let asked: Vec<String> = world.jobs.iter().filter(|job| job.contains("-h0-apply-")).cloned().collect();
    world.resume(None);
    assert_eq!(world.outcome(), Outcome::Complete);
    let asked_again = world.jobs.iter().filter(|job| **job == asked[0]).count();
    assert_eq!((asked.len(), asked_again), (1, 2), "the same job, and no other");
}

#[test]
fn whoever_is_shut_out_for_good_can_be_given_up() {
    let mut world = uat().host(0, Step::Apply, &[Does::Bars]);
    world.drive();
    let release = |reason: &str| Input::Release { host: HostIx(0), by: person("ops"), reason: reason.into() };
    assert_eq!(world.take(release(" ")), Err(Refusal::NoReason));
    world.resume(Some(release("burnt down")));
    assert_eq!((world.outcome(), world.stands(0), world.stands(1)), (Outcome::Degraded, LOST, RESTORED));
    let cause = report::host_result(&world.rollout, HostIx(0)).action_cause;
    assert_eq!(cause.as_deref(), Some("given up: burnt down"));
    let again = Input::Recover { by: person("ops"), hosts: vec![HostIx(0)] };
    assert!(matches!(world.take(again), Err(Refusal::NothingToRecover(_))));
}

#[test]
fn a_signal_leaves_no_host_whose_dead_man_would_act() {
    let mut world = World { dead_man: Some(300), ..uat() }.host(0, Step::Apply, &[Does::Pends]);
    world.drive_until_pending();
    world.take(Input::Signal("SIGINT".into())).unwrap();
    world.finish_pending(0, Step::Apply);
    assert!(!world.rollout.host(HostIx(0)).armed, "it was told before the run was left");
    assert_eq!(world.outcome(), Outcome::Interrupted);
    assert!(!steps_of(&world, 0).contains(&Step::Forget));
}

#[test]
fn a_pause_is_a_wait_for_a_person() {
    let mut world = uat().host(0, Step::Stash, &[Does::Pends]);
    world.drive_until_pending();
    world.take(Input::Pause { by: person("boss") }).unwrap();
    world.finish_pending(0, Step::Stash);
    assert_eq!(world.outcome(), Outcome::Paused);
    assert!(!steps_of(&world, 0).contains(&Step::Apply));
    world.resume(None);
    assert_eq!(world.outcome(), Outcome::Complete);
}

#[test]
fn a_cancelled_run_takes_back_what_nobody_approved() {
    let mut plan = settings();
    plan.stages[1].waves = vec![Amount::Count(1)];
    let mut world = World::new(plan).gate(0, Verdict::Approved, "fine").host(3, Step::Apply, &[Does::Pends]);
    world.drive_until_pending();
    let cancel = || Input::Cancel { by: person("boss"), reason: "wrong week".into() };
    world.take(cancel()).unwrap();
    assert!(matches!(world.take(cancel()), Err(Refusal::Cancelled { .. })));
    world.finish_pending(3, Step::Apply);
    assert_eq!(world.outcome(), Outcome::Rejected);
    assert_eq!((world.stands(0), world.stands(1)), (PATCHED, PATCHED), "uat was approved");
    assert_eq!((world.stands(2), world.stands(3)), (RESTORED, RESTORED));
    assert!(!world.changed(4) && !world.changed(5));
    let cause = |host| report::host_result(&world.rollout, HostIx(host)).action_cause;
    assert_eq!(cause(2).as_deref(), Some("wrong week"));
    assert_eq!(cause(4).as_deref(), Some("wrong week"));
    assert!(matches!(world.take(cancel()), Err(Refusal::Finished)));
}

#[test]
fn a_lost_host_is_asked_and_goes_the_way_of_its_stage() {
    let lost = || vec![Does::Fails(ErrorKind::Timeout, Fate::Lost)];
    let recover = || Some(Input::Recover { by: person("ops"), hosts: vec![HostIx(1)] });
    // Its stage failed over it: it goes back.
    let mut world = uat().host(1, Step::Apply, &lost());
    world.drive();
    assert_eq!((world.outcome(), world.stands(0), world.stands(1)), (Outcome::Degraded, RESTORED, LOST));
    world.resume(recover());
    assert_eq!((world.outcome(), world.stands(1)), (Outcome::Failed, RESTORED));
    assert_eq!(world.jobs.iter().filter(|job| job.ends_with("-h1-apply-1")).count(), 2, "it is asked, not run anew");
    // Its stage was kept without it: it is finished, and somebody says so.
    let mut plan = settings();
    plan.stages.truncate(1);
    plan.stages[0].max_failed = Amount::Count(1);
    let mut world = World::new(plan).gate(0, Verdict::Approved, "without h1").host(1, Step::Apply, &lost());
    world.drive();
    assert_eq!((world.outcome(), world.stands(0), world.stands(1)), (Outcome::Degraded, PATCHED, LOST));
    world.gates.clear();
    world.resume(recover());
    assert_eq!(world.outcome(), Outcome::Paused, "nobody has approved it on h1 yet");
    assert_eq!(world.stands(1).2, StateReason::Waiting);
}

#[test]
fn whoever_recovers_a_host_takes_nothing_back_that_was_approved_since_it_failed() {
    let mut plan = settings();
    plan.stages[1].needs.clear();
    plan.stages[1].rollback_scope = Scope::Run;
    plan.stages[0].approval = Some(Approval { when: When::Before, ..Approval::default() });
    let lost = [Does::Fails(ErrorKind::Timeout, Fate::Lost)];
    let mut world = World::new(plan).host(2, Step::Apply, &lost);
    world.drive();
    assert_eq!(world.stage_state(1), StageState::Failed);
    let decision = Decision::new(Verdict::Approved, person("boss"), "all the same", How::Command);
    world.take(Input::Decide { stage: None, digest: None, decision }).unwrap();
    world.drive();
    assert_eq!((world.stands(0), world.stands(1), world.stands(2)), (PATCHED, PATCHED, LOST));
    world.resume(Some(Input::Recover { by: person("ops"), hosts: vec![HostIx(2)] }));
    assert_eq!(world.stands(2), RESTORED);
    assert_eq!((world.stands(0), world.stands(1)), (PATCHED, PATCHED), "approved after the failure");
}

#[test]
fn a_person_decides_about_the_healthy_hosts_where_the_plan_says_so() {
    for (verdict, healthy) in [(Verdict::Approved, PATCHED), (Verdict::Rejected, RESTORED)] {
        let mut plan = settings();
        plan.stages.truncate(1);
        (plan.stages[0].on_exceeded, plan.stages[0].approval) = (OnExceeded::Ask, None);
        let fails = [Does::Fails(ErrorKind::Apply, Fate::Changed)];
        let mut world = World::new(plan).host(1, Step::Apply, &fails);
        world.drive();
        assert_eq!((world.outcome(), world.stands(1)), (Outcome::Paused, RESTORED));
        assert_eq!(world.stands(0).2, StateReason::Waiting, "nothing happens to it by itself");
        world.gates.insert(0, (verdict, "h1 is special"));
        world.resume(None);
        assert_eq!((world.stands(0), world.stands(1)), (healthy, RESTORED));
        assert_eq!(world.stage_state(0) == StageState::Failed, verdict == Verdict::Approved);
    }
}

#[test]
fn silence_after_the_first_change_stops_the_stage_and_asks() {
    let mut plan = settings();
    plan.stages[1].waves = vec![Amount::Count(1)];
    let silent = [Does::Fails(ErrorKind::Unreachable, Fate::Unchanged)];
    let mut world = World::new(plan).gate(0, Verdict::Approved, "fine").host(3, Step::Stash, &silent);
    world.drive();
    assert_eq!(world.outcome(), Outcome::Paused);
    assert_eq!(world.stands(2).2, StateReason::Waiting, "nothing is reverted");
    assert!(!world.changed(4), "no new host starts");
    world.gates.insert(1, (Verdict::Approved, "go on later"));
    world.resume(None);
    assert_eq!((world.outcome(), world.stands(2)), (Outcome::Partial, PATCHED));
    world.resume(Some(Input::Retry { only: None }));
    assert_eq!(world.outcome(), Outcome::Complete);
}

#[test]
fn what_stands_in_a_stashs_way_may_pass() {
    let locked = || Does::Fails(ErrorKind::Locked, Fate::Changed);
    let mut world = uat().host(0, Step::Stash, &[locked(), locked()]);
    world.drive();
    assert_eq!(world.outcome(), Outcome::Complete);
    let mut world = uat().host(0, Step::Stash, &[locked(), locked(), locked(), locked()]);
    world.drive();
    assert_eq!(steps_of(&world, 0).iter().filter(|step| **step == Step::Stash).count(), 3);
    assert_eq!(world.stands(0), (ActionPerformed::None, ActionState::Failed, StateReason::Refused));
}

#[test]
fn past_max_failed_nobody_boots_or_begins() {
    let mut plan = settings();
    plan.stages.truncate(1);
    plan.stages[0].reboot = Reboot::Always;
    plan.stages[0].on_exceeded = OnExceeded::Ask;
    let fails = [Does::Fails(ErrorKind::Reboot, Fate::Changed)];
    let mut world = World::new(plan).host(0, Step::Reboot, &fails);
    world.drive();
    assert_eq!(world.touched.iter().filter(|(_, step)| *step == Step::Reboot).count(), 1);
    assert_eq!(world.stands(1).2, StateReason::Waiting, "it is patched, and did not boot into the same");
    let mut plan = settings();
    plan.stages.truncate(1);
    let mut world = World::new(plan).host(0, Step::Apply, &[Does::Fails(ErrorKind::Apply, Fate::Changed)]).host(
        1,
        Step::Stash,
        &[Does::Pends],
    );
    world.drive_until_pending();
    world.finish_pending(1, Step::Stash);
    assert!(!steps_of(&world, 1).contains(&Step::Apply), "its stash was all that it came to");
}

#[test]
fn a_host_that_shuts_us_out_keeps_no_other_from_going_back() {
    let mut world = uat().host(0, Step::Rollback, &[Does::Bars]).gate(0, Verdict::Rejected, "no");
    world.drive();
    assert_eq!((world.outcome(), world.stands(1)), (Outcome::Paused, RESTORED));
    world.resume(None);
    assert_eq!((world.outcome(), world.stands(0)), (Outcome::Rejected, RESTORED));
}

#[test]
fn a_host_that_is_found_well_is_told_so_without_its_old_error() {
    let mut plan = settings();
    plan.stages.truncate(1);
    plan.stages[0].max_failed = Amount::Count(1);
    let lost = [Does::Fails(ErrorKind::Timeout, Fate::Lost)];
    let mut world = World::new(plan).gate(0, Verdict::Approved, "fine").host(1, Step::Apply, &lost);
    world.drive();
    world.resume(Some(Input::Recover { by: person("ops"), hosts: vec![HostIx(1)] }));
    let result = report::host_result(&world.rollout, HostIx(1));
    assert_eq!((world.outcome(), result.error, result.action_cause), (Outcome::Complete, None, Some("fine".into())));
}

#[test]
fn a_recovery_takes_no_decision_back() {
    let mut plan = settings();
    plan.stages.truncate(1);
    plan.stages[0].max_failed = Amount::Count(1);
    let lost = [Does::Fails(ErrorKind::Timeout, Fate::Lost)];
    let mut world = World::new(plan).host(1, Step::Apply, &lost);
    world.drive();
    let digest = world.rollout.stages()[0].open_gate().unwrap().digest.to_string();
    let decision = Decision::new(Verdict::Rejected, person("boss"), "no", How::Command);
    world.take(Input::Decide { stage: None, digest: Some(digest), decision }).unwrap();
    let recover = Input::Recover { by: person("ops"), hosts: vec![HostIx(1)] };
    assert!(matches!(world.take(recover), Err(Refusal::NotAtRest(_))));
    world.resume(None);
    assert_eq!(world.stands(0), RESTORED);
}

#[test]
fn a_run_that_was_left_at_its_first_question_asks_it_once() {
    let mut world = uat();
    world.take(Input::Drive { by: person("ops"), version: "1".into(), confirmed: false }).unwrap();
    world.go_on_without_confirming();
    assert_eq!(world.rollout.paused(), Some(&PauseCause::Confirmation));
    // A new process finds the question open in the journal.
    world.rollout.hand_out_again();
    world.take(Input::Drive { by: person("ops"), version: "1".into(), confirmed: false }).unwrap();
    assert_eq!(world.go_on_without_confirming(), 1);
}
