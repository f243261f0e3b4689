//! What a run that is over says about how long its hosts took.

use std::time::Duration;

use super::world::{Does, World, settings};
use super::{PATCHED, RESTORED};
use crate::core::document::Verdict;
use crate::core::event::Step;
use crate::core::findings::Fate;
use crate::core::forecast::{Earlier, Took};
use crate::core::ids::StageName;
use crate::core::problem::ErrorKind;
use crate::core::settings::{Reboot, RunKind};

fn minutes(worked: u64, booting: u64) -> Took {
    Took { worked_ms: worked * 60_000, booting_ms: booting * 60_000 }
}

/// The step of this host takes so many minutes.
fn takes(world: &mut World, host: u32, step: Step, minutes: u64) {
    world.now += Duration::from_secs(60 * minutes);
    world.finish_pending(host, step);
}

#[test]
fn each_host_says_how_long_the_patch_took_and_how_much_of_that_it_booted() {
    let mut plan = settings();
    plan.stages[0].reboot = Reboot::Always;
    let mut world = World::new(plan).gate(0, Verdict::Approved, "fine").gate(1, Verdict::Rejected, "no");
    world = world.host(0, Step::Apply, &[Does::Pends]).host(0, Step::Reboot, &[Does::Pends]);
    world.drive_until_pending();
    takes(&mut world, 0, Step::Apply, 3);
    assert_eq!(Earlier::of(&world.rollout), None, "it is not over");
    takes(&mut world, 0, Step::Reboot, 2);
    assert_eq!((world.stands(0), world.stands(2)), (PATCHED, RESTORED));
    let Some(Earlier(stages)) = Earlier::of(&world.rollout) else { panic!("it is over") };
    let [(uat, first), (prod, second)] = &stages[..] else { panic!("{stages:?}") };
    assert_eq!((uat, prod), (&StageName::new("uat").unwrap(), &StageName::new("prod").unwrap()));
    assert_eq!(first, &[minutes(5, 2), minutes(0, 0)]);
    // What was taken back was patched before, and tells as much.
    assert_eq!(second, &[minutes(0, 0); 4]);
}

#[test]
fn a_host_that_failed_says_nothing_and_neither_does_a_run_that_undoes() {
    let failed = [Does::Fails(ErrorKind::Apply, Fate::Changed)];
    let mut world = World::new(settings()).host(0, Step::Apply, &failed).host(1, Step::Rollback, &[Does::Pends]);
    world.drive_until_pending();
    takes(&mut world, 1, Step::Rollback, 9);
    assert_eq!((world.stands(0), world.stands(1)), (RESTORED, RESTORED));
    let uat = StageName::new("uat").unwrap();
    // The way back of the other is no part of how long its patch took.
    assert_eq!(Earlier::of(&world.rollout), Some(Earlier(vec![(uat, vec![minutes(0, 0)])])));

    let mut plan = settings();
    plan.stages.truncate(1);
    plan.hosts.truncate(2);
    plan.stages[0].approval = None;
    let (of, undo) = (plan.run.clone(), std::collections::BTreeMap::new());
    plan.kind = RunKind::Rollback { of, reason: "worse".into(), packages: Vec::new(), undo };
    let mut world = World::new(plan);
    world.drive();
    assert!(world.rollout.is_finished());
    assert_eq!(Earlier::of(&world.rollout), None);
}
