//! Emergencies: who may declare one, what it passes, and who looks at it afterwards.

use jiff::{SignedDuration, Timestamp};

use super::PATCHED;
use super::world::{Does, World, person, settings};
use crate::core::approval::{Decision, When, Who};
use crate::core::calendar::Freeze;
use crate::core::document::{How, Outcome, Verdict};
use crate::core::emergency::Declaration;
use crate::core::event::{Input, PauseCause, Step};
use crate::core::findings::Fate;
use crate::core::policy::{Emergency, Passes};
use crate::core::problem::ErrorKind;
use crate::core::report;
use crate::core::rollout::Refusal;
use crate::core::settings::Settings;

fn who(list: &[&str]) -> Vec<Who> {
    list.iter().map(|who| Who::parse(who).unwrap()).collect()
}

fn declares(name: &str, groups: &[&str]) -> Input {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    Input::Declare(Declaration { by: person(name), groups, reason: "it is exploited".into() })
}

fn approves(name: &str) -> Input {
    let decision = Decision::new(Verdict::Approved, person(name), "seen", How::Command);
    Input::Decide { stage: None, digest: None, decision }
}

/// A freeze holds for a week, and gates ask for two of a board; on call are ann and the group `oncall`.
fn frozen(quorum: u32, passes: &[Passes], override_by: &[&str]) -> World {
    let mut plan: Settings = settings();
    let from = Timestamp::from_second(1_800_000_000).unwrap() - SignedDuration::from_hours(1);
    let to = from + SignedDuration::from_hours(7 * 24);
    plan.freezes =
        vec![Freeze { name: "christmas".into(), from, to, stages: Vec::new(), override_by: who(override_by) }];
    for rules in plan.stages.iter_mut().filter_map(|stage| stage.approval.as_mut()) {
        (rules.quorum, rules.four_eyes, rules.when) = (2, true, When::Both);
        rules.by = vec![who(&["bert", "carl"])];
    }
    plan.policy.emergency = Some(Emergency {
        at: "policy.toml:1".into(),
        by: who(&["ops", "group:oncall"]),
        quorum,
        passes: passes.to_vec(),
        review_within: 48 * 3600,
    });
    World::new(plan)
}

#[test]
fn it_passes_what_the_policy_says_and_shortens_gates() {
    let mut world = frozen(1, &[Passes::Freeze], &[]);
    world.drive();
    assert_eq!(world.rollout.paused(), Some(&PauseCause::Gate), "the gate before the stage");
    world.resume(Some(declares("ops", &[])));
    assert!(world.rollout.is_emergency());
    // The gate that waits goes by the emergency's rules from now on: who declared it may approve.
    assert!(matches!(world.take(approves("eve")), Err(Refusal::NotCounted(_))), "neither on the board nor on call");
    world.take(approves("ops")).unwrap();
    world.resume(None);
    assert!(world.changed(0), "in the middle of a freeze");
    world.take(approves("ops")).unwrap();
    world.resume(None);
    assert_eq!(world.rollout.paused(), Some(&PauseCause::Gate), "no gate before the second stage, and one after it");
    assert!(world.changed(2));
    world.take(approves("ops")).unwrap();
    world.resume(None);
    assert_eq!((world.outcome(), world.stands(2)), (Outcome::Complete, PATCHED));

    // Afterwards somebody else looks at it, once.
    let due = report::emergency(&world.rollout).unwrap();
    assert_eq!(due.review_by.unwrap().0, world.rollout.last_at().unwrap() + SignedDuration::from_hours(48));
    assert_eq!(due.passed.len(), 2, "{:?}", due.passed);
    assert!(due.passed[0].starts_with("stage uat: freeze christmas until 2027-"), "{:?}", due.passed);
    let review = |name: &str| Input::Review { by: person(name), reason: "rightly so".into() };
    assert!(matches!(world.take(review("ops@example.com")), Err(Refusal::OwnEmergency { .. })));
    world.take(review("dora")).unwrap();
    assert!(matches!(world.take(review("emil")), Err(Refusal::Reviewed { .. })));
    assert_eq!(report::emergency(&world.rollout).unwrap().review.unwrap().by, "dora");
    world.replays_at_every_length();
}

#[test]
fn several_must_declare_it_where_the_policy_says_so() {
    let mut world = frozen(2, &[Passes::Freeze], &[]);
    world.drive();
    assert!(matches!(world.take(declares("eve", &["staff"])), Err(Refusal::NoEmergency(_))));
    world.resume(Some(declares("ops", &[])));
    assert!(!world.rollout.is_emergency(), "one of two");
    world.take(declares("ops", &[])).unwrap();
    assert!(!world.rollout.is_emergency(), "once more is not one more");
    world.resume(Some(declares("dora", &["oncall"])));
    assert!(world.rollout.is_emergency());
}

#[test]
fn what_it_does_not_pass_holds_and_a_freeze_may_name_who_goes_ahead() {
    let mut plan = Settings::clone(frozen(1, &[Passes::Window], &["fred"]).rollout.settings());
    plan.stages.iter_mut().for_each(|stage| stage.approval = None);
    let mut world = World::new(plan);
    world.drive();
    assert_eq!(world.rollout.paused(), Some(&PauseCause::Window));
    world.resume(Some(declares("ops", &[])));
    assert_eq!(world.rollout.paused(), Some(&PauseCause::Window), "it passes windows, and this is a freeze");
    world.resume(Some(declares("fred", &[])));
    assert_eq!(world.outcome(), Outcome::Complete);
    assert!(matches!(world.take(declares("fred", &[])), Err(Refusal::Finished)));

    let mut plain = World::new(settings());
    assert!(matches!(plain.take(declares("ops", &[])), Err(Refusal::NoEmergency(_))), "no policy, no emergency");
    assert!(matches!(
        plain.take(Input::Review { by: person("ops"), reason: "x".into() }),
        Err(Refusal::NothingToReview)
    ));
}

#[test]
fn an_emergency_ends_with_its_run_and_one_that_is_declared_anew_is_reviewed_anew() {
    let mut plan = Settings::clone(frozen(1, &[Passes::Freeze], &[]).rollout.settings());
    plan.stages.iter_mut().for_each(|stage| stage.approval = None);
    let fails = Does::Fails(ErrorKind::Apply, Fate::Changed);
    let mut world = World::new(plan).host(0, Step::Apply, &[fails]);
    world.drive();
    world.resume(Some(declares("ops", &[])));
    assert_eq!(world.outcome(), Outcome::Failed);
    let ended = world.rollout.last_at();
    world.now += SignedDuration::from_hours(1);
    let review = |name: &str| Input::Review { by: person(name), reason: "rightly so".into() };
    world.take(review("dora")).unwrap();
    assert_eq!(world.rollout.last_at(), ended, "a review is not the run's end");

    // Tried again, it is a run as any other, which the freeze keeps.
    world.resume(Some(Input::Retry { only: None }));
    assert_eq!(world.rollout.paused(), Some(&PauseCause::Window));
    assert!(!world.rollout.is_emergency());
    world.resume(Some(declares("ops", &[])));
    assert_eq!(world.outcome(), Outcome::Complete);
    assert!(report::emergency(&world.rollout).unwrap().review.is_none(), "due again");
    world.take(review("dora")).unwrap();
}

#[test]
fn a_declaration_that_changes_no_rule_leaves_approvals_as_they_are() {
    let mut world = frozen(2, &[Passes::Freeze], &["fred"]);
    world.drive();
    world.take(approves("bert")).unwrap();
    world.take(declares("fred", &[])).unwrap();
    world.take(declares("ops", &[])).unwrap();
    let tally = |world: &World| world.rollout.stages()[0].open_gate().unwrap().tally();
    assert_eq!(tally(&world), (1, 2));
    world.take(declares("dora", &["oncall"])).unwrap();
    assert_eq!(tally(&world), (0, 2), "others decide now");
}
