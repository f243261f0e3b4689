//! Rules that narrow never widen, and conditions mean what they say.

use proptest::prelude::*;

use super::{ApprovalRule, AutoRule, narrowed};
use crate::core::approval::{Approval, Decision, When, Who};
use crate::core::document::{How, Verdict};
use crate::core::ids::StageName;
use crate::core::packages::PackageName;
use crate::core::risk::{Risk, Severity};
use crate::core::settings::Person;

pub(in crate::core) fn rule(name: &str) -> ApprovalRule {
    ApprovalRule {
        name: name.into(),
        at: format!("policy.toml:{}", name.len()),
        stages: Vec::new(),
        severity: None,
        kernel: None,
        hosts_over: None,
        packages: Vec::new(),
        by: None,
        quorum: None,
        signed: false,
        four_eyes: false,
        when: None,
    }
}

pub(in crate::core) fn auto(name: &str) -> AutoRule {
    AutoRule {
        name: name.into(),
        at: "policy.toml:7".into(),
        stages: Vec::new(),
        max_severity: Severity::Low,
        kernel: false,
        removals: false,
        hosts_max: None,
        packages: Vec::new(),
        origins: Vec::new(),
        security_only: false,
        checks: Vec::new(),
    }
}

fn risk(packages: &[&str], hosts: usize) -> Risk {
    let mut risk = Risk { severity: Severity::Low, hosts, security_only: true, proven: true, ..Risk::default() };
    for name in packages {
        let package = PackageName::new(*name).unwrap();
        risk.packages.insert(package.clone());
        if crate::core::risk::is_kernel(name) {
            risk.kernels.insert(package);
        }
    }
    risk.origins.insert("Debian-Security".into());
    risk
}

fn stage(name: &str) -> StageName {
    StageName::new(name).unwrap()
}

#[test]
fn all_that_a_rule_asks_for_must_be_so() {
    let prod = stage("prod-eu");
    let kernel = risk(&["linux-image-6.1.0-40-amd64"], 60);
    let plain = risk(&["openssl"], 60);
    let of = |change: fn(&mut ApprovalRule)| {
        let mut rule = rule("r");
        change(&mut rule);
        (rule.applies(&prod, &kernel), rule.applies(&prod, &plain))
    };
    assert_eq!(of(|_| {}), (true, true));
    assert_eq!(of(|rule| rule.kernel = Some(true)), (true, false));
    assert_eq!(of(|rule| rule.kernel = Some(false)), (false, true));
    assert_eq!(of(|rule| rule.stages = vec!["prod*".into()]), (true, true));
    assert_eq!(of(|rule| rule.stages = vec!["uat".into()]), (false, false));
    assert_eq!(of(|rule| rule.hosts_over = Some(59)), (true, true));
    assert_eq!(of(|rule| rule.hosts_over = Some(60)), (false, false));
    assert_eq!(of(|rule| rule.packages = vec!["open*".into()]), (false, true));
    assert_eq!(of(|rule| rule.severity = Some(Severity::Medium)), (false, false));
    let mut both = rule("r");
    (both.kernel, both.hosts_over) = (Some(true), Some(100));
    assert!(!both.applies(&prod, &kernel), "each of its conditions must hold");
}

#[test]
fn what_opens_a_gate_by_itself_covers_all_of_it() {
    let uat = stage("uat");
    let says = |change: fn(&mut AutoRule), risk: &Risk| {
        let mut rule = auto("low");
        change(&mut rule);
        rule.objection(&uat, risk).unwrap_or_else(|| "opens".into())
    };
    let plain = risk(&["openssl", "libssl3"], 3);
    assert_eq!(says(|_| {}, &plain), "opens");
    assert_eq!(says(|rule| rule.stages = vec!["prod".into()], &plain), "it is not for stage uat");
    assert_eq!(says(|rule| rule.hosts_max = Some(2), &plain), "3 hosts change, and 2 at most may");
    assert_eq!(says(|rule| rule.packages = vec!["libssl*".into()], &plain), "openssl is none of its packages");
    assert_eq!(says(|rule| rule.origins = vec!["Debian".into()], &plain), "\"Debian-Security\" is none of its origins");
    let kernel = risk(&["linux-image-6.1.0-40-amd64"], 1);
    assert_eq!(says(|_| {}, &kernel), "the kernel linux-image-6.1.0-40-amd64 is in it");
    assert_eq!(says(|rule| rule.kernel = true, &kernel), "opens");
    let worse = Risk { severity: Severity::High, ..plain.clone() };
    assert_eq!(says(|_| {}, &worse), "severity is high, and low at most may be");
    let gone = Risk { removals: [PackageName::new("gone").unwrap()].into(), ..plain.clone() };
    assert_eq!(says(|_| {}, &gone), "gone goes away");
    let other = Risk { security_only: false, ..plain.clone() };
    assert_eq!(says(|rule| rule.security_only = true, &other), "not every operation is a security update");
    let unproven = Risk { proven: false, ..plain };
    assert_eq!(says(|_| {}, &unproven), "the way back is not proven to the byte");
}

fn people() -> impl Strategy<Value = Vec<Who>> {
    let names = prop::sample::subsequence(vec!["ann", "bob", "cleo", "group:cab", "group:dba"], 1..4);
    names.prop_map(|list| list.into_iter().map(|who| Who::parse(who).unwrap()).collect())
}

fn whens() -> impl Strategy<Value = When> {
    prop_oneof![Just(When::Before), Just(When::After), Just(When::Both)]
}

fn plans() -> impl Strategy<Value = Option<Approval>> {
    let some = (prop::option::of(people()), 1..4_u32, any::<bool>(), any::<bool>(), whens());
    prop::option::of(some.prop_map(|(by, quorum, signed, four_eyes, when)| Approval {
        by: by.into_iter().collect(),
        quorum,
        signed,
        four_eyes,
        when,
        ..Approval::default()
    }))
}

fn rules() -> impl Strategy<Value = ApprovalRule> {
    let some = (
        prop::option::of(people()),
        prop::option::of(1..4_u32),
        any::<bool>(),
        any::<bool>(),
        prop::option::of(whens()),
    );
    some.prop_map(|(by, quorum, signed, four_eyes, when)| ApprovalRule {
        by,
        quorum,
        signed,
        four_eyes,
        when,
        ..rule("r")
    })
}

fn decisions() -> impl Strategy<Value = Decision> {
    let groups = prop::sample::subsequence(vec!["cab".to_owned(), "dba".to_owned()], 0..=2);
    let how = prop_oneof![Just(How::Command), Just(How::Flag), Just(How::Prompt)];
    let verdict = prop_oneof![Just(Verdict::Approved), Just(Verdict::Rejected)];
    (prop::sample::select(vec!["ann", "bob", "cleo", "ops"]), groups, how, verdict).prop_map(
        |(name, groups, how, verdict)| {
            let by = Person { name: name.into(), source: "login".into() };
            Decision { groups, ..Decision::new(verdict, by, "fine", how) }
        },
    )
}

proptest! {
    /// Whatever counts at a narrowed gate counts at the plan's own, and at each rule's.
    #[test]
    fn narrowing_never_widens(
        plan in plans(), list in prop::collection::vec(rules(), 0..4), decision in decisions()
    ) {
        let requester = Person { name: "ops".into(), source: "login".into() };
        let gate = narrowed(plan.as_ref(), &list);
        prop_assert_eq!(gate.is_none(), plan.is_none() && list.is_empty());
        let Some(gate) = gate else { return Ok(()) };
        let alone = list.iter().filter_map(|rule| narrowed(None, [rule]));
        for wide in alone.chain(plan.clone()) {
            if gate.objection(&decision, &requester, []).is_none() {
                prop_assert_eq!(wide.objection(&decision, &requester, []), None, "{:?} in {:?}", &decision, &wide);
            }
            prop_assert!(gate.quorum >= wide.quorum);
            prop_assert!(!wide.is_simple() || gate.by.len() >= wide.by.len());
        }
        // Where a gate stood before, one stands now; a rule that says nothing of it adds none.
        let wanted = |fits: fn(When) -> bool| {
            plan.as_ref().is_some_and(|plan| fits(plan.when)) || list.iter().any(|rule| rule.when.is_some_and(fits))
        };
        prop_assert!(!wanted(When::is_before) || gate.when.is_before());
        prop_assert!(!wanted(When::is_after) || gate.when.is_after());
        // One rule more takes nothing back, and their order does not matter.
        let mut turned = list.clone();
        turned.reverse();
        let other = narrowed(plan.as_ref(), &turned).expect("there is one");
        let counts = |gate: &Approval| gate.objection(&decision, &requester, []).is_none();
        prop_assert_eq!((counts(&gate), gate.quorum, gate.when), (counts(&other), other.quorum, other.when));
    }
}
