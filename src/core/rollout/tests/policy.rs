//! What policies make of gates, and hosts that exceptions leave as they are.

use super::world::{Does, World, person, settings, upgrade};
use crate::core::approval::{Decision, NotCounted, When};
use crate::core::document::{ActionPerformed, ActionState, How, Outcome, StageState, StateReason, Verdict};
use crate::core::event::{Input, Step};
use crate::core::findings::Fate;
use crate::core::ids::HostIx;
use crate::core::packages::{PackageName, PackageOp};
use crate::core::policy::tests::{auto, rule};
use crate::core::policy::{ApprovalRule, AutoRule, Exception};
use crate::core::problem::ErrorKind;
use crate::core::risk::Severity;
use crate::core::rollout::Refusal;
use crate::core::settings::Settings;

const EXCEPTED: (ActionPerformed, ActionState, StateReason) =
    (ActionPerformed::None, ActionState::Skipped, StateReason::Excepted);

fn kernel() -> Vec<PackageOp> {
    let name = PackageName::new("linux-image-6.1.0-40-amd64").unwrap();
    vec![PackageOp { name, ..upgrade("2").remove(0) }]
}

fn under(rules: Vec<ApprovalRule>, auto: Vec<AutoRule>, change: impl FnOnce(&mut Settings)) -> World {
    let mut plan = settings();
    (plan.policy.approvals, plan.policy.auto_approve) = (rules, auto);
    plan.patch.severity = Some(Severity::Low);
    change(&mut plan);
    World::new(plan)
}

fn approve(name: &str) -> Input {
    let decision = Decision::new(Verdict::Approved, person(name), "seen", How::Command);
    Input::Decide { stage: None, digest: None, decision }
}

fn policy_of(world: &World, stage: usize) -> Vec<String> {
    world.rollout.stages()[stage].gate.as_ref().map(|gate| gate.policy.clone()).unwrap_or_default()
}

#[test]
fn a_rule_narrows_the_gate_of_what_it_is_about_and_no_other() {
    let two = || ApprovalRule { kernel: Some(true), quorum: Some(2), ..rule("kernels") };
    let mut world = under(vec![two()], Vec::new(), |_| {}).host(0, Step::Resolve, &[Does::Resolves(kernel())]);
    world.drive();
    world.take(approve("ann")).unwrap();
    world.drive();
    assert_eq!(world.stage_state(0), StageState::Waiting, "one of two");
    assert_eq!(policy_of(&world, 0), ["kernels (policy.toml:7): quorum 2"]);
    world.take(approve("bob")).unwrap();
    world.drive();
    assert_eq!(world.stage_state(0), StageState::Success);

    let mut world = under(vec![two()], Vec::new(), |_| {});
    world.drive();
    world.take(approve("ann")).unwrap();
    world.drive();
    assert_eq!(world.stage_state(0), StageState::Success, "no kernel is in it");
}

#[test]
fn a_plan_without_a_gate_gets_one_where_a_rule_wants_it() {
    let eyes = ApprovalRule { stages: vec!["u*".into()], four_eyes: true, ..rule("u") };
    let mut world = under(vec![eyes], Vec::new(), |plan| plan.stages.iter_mut().for_each(|s| s.approval = None));
    world.drive();
    assert_eq!((world.outcome(), world.stage_state(0)), (Outcome::Paused, StageState::Waiting));
    let own = world.take(approve("ops"));
    assert!(matches!(own, Err(Refusal::NotCounted(NotCounted::OwnRun(_)))), "{own:?}");
    world.take(approve("ann")).unwrap();
    world.drive();
    assert_eq!(world.outcome(), Outcome::Complete, "prod has no gate of its own, and no rule gives it one");
}

#[test]
fn a_rule_may_want_the_gate_before_the_first_change() {
    let first = ApprovalRule { hosts_over: Some(1), when: Some(When::Before), ..rule("many") };
    let mut world = under(vec![first], Vec::new(), |plan| plan.stages[0].approval = None);
    world.drive();
    assert_eq!(world.stage_state(0), StageState::Waiting);
    assert!((0..6).all(|host| !world.changed(host)));
    world.gates.insert(1, (Verdict::Approved, "fine"));
    world.take(approve("ann")).unwrap();
    world.drive();
    assert_eq!(world.outcome(), Outcome::Complete);
}

#[test]
fn who_must_decide_is_judged_anew_when_what_would_be_done_has_changed() {
    let rules = vec![
        ApprovalRule { when: Some(When::Before), ..rule("all") },
        ApprovalRule { kernel: Some(true), quorum: Some(2), ..rule("kernels") },
    ];
    let other = [Does::Resolves(kernel())];
    let mut world = under(rules, Vec::new(), |_| {}).host(0, Step::Recheck, &other);
    world.drive();
    world.take(approve("ann")).unwrap();
    world.drive();
    assert_eq!(world.stage_state(0), StageState::Waiting, "a kernel has come into it");
    let gate = world.rollout.stages()[0].gate.as_ref().unwrap();
    assert_eq!((gate.rules.quorum, gate.policy.len()), (2, 2));
}

#[test]
fn a_rule_opens_the_gate_of_what_it_covers() {
    let mut world = under(Vec::new(), vec![auto("low")], |_| {});
    world.drive();
    assert_eq!(world.outcome(), Outcome::Complete, "nobody was asked");
    let (_, _, decision, _) = &world.rollout.stages()[0].decisions[0];
    assert_eq!((decision.how, decision.by.name.as_str()), (How::Policy, "patchctl"));
    assert_eq!(decision.reason, "policy rule low (policy.toml:7): 2 hosts, 1 package, severity low, no kernel");
    assert!(world.told.is_empty());
}

#[test]
fn a_rule_opens_nothing_that_it_does_not_cover() {
    let waits = |mut world: World, why: &str| {
        world.drive();
        assert_eq!((world.outcome(), world.stage_state(0)), (Outcome::Paused, StageState::Waiting), "{why}");
        assert_eq!(policy_of(&world, 0).last().unwrap(), &format!("low (policy.toml:7) does not approve it: {why}"));
        assert!((2..6).all(|host| !world.changed(host)));
    };
    let covered = |change: fn(&mut Settings)| under(Vec::new(), vec![auto("low")], change);
    waits(
        covered(|_| {}).host(1, Step::Resolve, &[Does::Resolves(kernel())]),
        "the kernel linux-image-6.1.0-40-amd64 is in it",
    );
    waits(covered(|plan| plan.patch.severity = None), "severity is critical, and low at most may be");
    waits(covered(|plan| plan.policy.auto_approve[0].hosts_max = Some(1)), "2 hosts change, and 1 at most may");
    let away = [Does::Fails(ErrorKind::Unreachable, Fate::Unchanged)];
    let most = |plan: &mut Settings| plan.stages[0].max_unreachable = crate::core::settings::Amount::Count(1);
    waits(under(Vec::new(), vec![auto("low")], most).host(1, Step::Resolve, &away), "h1 is not patched");
    let two = |plan: &mut Settings| plan.policy.approvals = vec![ApprovalRule { quorum: Some(2), ..rule("two") }];
    let mut world = under(Vec::new(), vec![auto("low")], two);
    world.drive();
    assert_eq!(world.stage_state(0), StageState::Waiting, "a narrower rule applies");
    let eyes = |plan: &mut Settings| plan.stages[0].approval.iter_mut().for_each(|rules| rules.four_eyes = true);
    let mut world = under(Vec::new(), vec![auto("low")], eyes);
    world.drive();
    assert_eq!(world.stage_state(0), StageState::Waiting, "the plan itself asks for more");
    let failed = |plan: &mut Settings| plan.stages[0].max_failed = crate::core::settings::Amount::Count(1);
    let fails = [Does::Fails(ErrorKind::Apply, Fate::Changed)];
    waits(under(Vec::new(), vec![auto("low")], failed).host(1, Step::Apply, &fails), "hosts failed, or did not answer");
}

#[test]
fn what_somebody_changed_since_waits_for_a_person() {
    let mut world =
        under(Vec::new(), vec![auto("low")], |_| {}).host(1, Step::Recheck, &[Does::Found("3"), Does::Found("3")]);
    world.drive();
    assert_eq!((world.outcome(), world.stage_state(0)), (Outcome::Paused, StageState::Waiting));
    assert_eq!(policy_of(&world, 0), ["low (policy.toml:7) does not approve it: h1 has changed since it was approved"]);
    world.take(approve("ann")).unwrap();
    world.drive();
    assert_eq!(world.stage_state(0), StageState::Success);
}

fn exception(hosts: &[u32], packages: &[&str]) -> Exception {
    Exception {
        at: "policy.toml:9".into(),
        hosts: hosts.iter().copied().map(HostIx).collect(),
        packages: packages.iter().map(|glob| (*glob).to_owned()).collect(),
        until: "2030-01-01T00:00:00Z".parse().unwrap(),
        ticket: "CHG7".into(),
        reason: "the vendor forbids it".into(),
    }
}

#[test]
fn an_exception_leaves_a_host_as_it_is() {
    let except = |plan: &mut Settings| plan.policy.exceptions = vec![exception(&[1, 3], &[])];
    let mut world = under(Vec::new(), vec![auto("low")], except);
    world.drive();
    assert_eq!((world.stands(1), world.stands(3)), (EXCEPTED, EXCEPTED));
    assert!(!world.touched.iter().any(|(host, _)| matches!(host, 1 | 3)), "they are not even asked");
    assert_eq!(world.outcome(), Outcome::Partial, "not every selected host has the patch");
    let result = crate::core::report::host_result(&world.rollout, HostIx(1));
    assert_eq!(
        result.action_cause.as_deref(),
        Some("the vendor forbids it (exception CHG7 until 2030-01-01T00:00:00Z)")
    );
    assert_eq!(result.error, None);
}

#[test]
fn a_stage_of_exceptions_alone_is_skipped_and_so_is_what_needs_it() {
    let except = |plan: &mut Settings| plan.policy.exceptions = vec![exception(&[0, 1], &[])];
    let mut world = under(Vec::new(), Vec::new(), except);
    world.drive();
    assert_eq!((world.stage_state(0), world.stage_state(1)), (StageState::Skipped, StageState::Skipped));
    assert_eq!(world.outcome(), Outcome::Refused);
    assert!(world.touched.is_empty());
}

#[test]
fn a_host_whose_packages_are_all_excepted_says_so() {
    let except = |plan: &mut Settings| plan.policy.exceptions = vec![exception(&[1], &["open*"])];
    let mut world = under(Vec::new(), vec![auto("low")], except).host(1, Step::Resolve, &[Does::Resolves(Vec::new())]);
    world.drive();
    assert_eq!(world.stands(0).2, StateReason::Patched);
    assert_eq!(world.outcome(), Outcome::Complete, "the scripted host had something current, too");
}

#[test]
fn a_way_back_that_is_only_approximate_is_refused_where_the_policy_says_so() {
    let proven = |plan: &mut Settings| plan.policy.rollback_proven = Some("policy.toml:3".into());
    let mut world = under(Vec::new(), Vec::new(), proven).host(1, Step::Resolve, &[Does::Approximate]);
    world.drive();
    assert_eq!(world.stands(1), (ActionPerformed::None, ActionState::Failed, StateReason::Refused));
    let problem = world.rollout.host(HostIx(1)).problem.clone().unwrap();
    assert_eq!(problem.message, "no proven way back: openssl would be rebuilt from what is installed (policy.toml:3)");
}

#[test]
fn a_rule_opens_no_gate_without_the_checks_that_it_asks_for() {
    let asks = |name: &str| AutoRule { checks: vec![name.into()], ..auto("small") };
    let mut world = under(Vec::new(), vec![asks("packages")], |_| {});
    world.drive();
    assert_eq!(world.stage_state(0), StageState::Success);
    let mut world = under(Vec::new(), vec![asks("health")], |_| {});
    world.drive();
    assert_eq!(world.stage_state(0), StageState::Waiting);
    assert!(policy_of(&world, 0)[0].contains("h0 has no check health that held"), "{:?}", policy_of(&world, 0));
}
