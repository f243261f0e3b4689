//! Plans that are good.

use std::time::Duration;

use super::{GOOD, parse};
use crate::core::approval::{OnTimeout, When};
use crate::core::risk::Severity;
use crate::core::settings::{Amount, Pin, Restart, Scope, Select, Unproven};
use crate::input::packages::show;

pub(super) const FULL: &str = r#"
schema = 1
name = "openssl-2026-11"
change = "CHG0041337"
inventory = "inventory.toml"

[patch]
playbook = "apt"
select = "packages"
packages = [
  "openssl=3.0.22-1~deb12u2",
  "libssl3:amd64",
  "apt/focal-updates 2.0.11 amd64 [upgradable from: 2.0.10]",
]
packages_for = { dnf = ["openssl-libs"] }
exclude = ["linux-image-*"]
install = true
allow_removals = true
pin = "off"
unproven = "refuse"
severity = "high"
vars = { release_dir = "/srv/app" }

[[stage]]
name = "uat"
hosts = "uat"
approval = false
reboot = "never"
dead_man = "off"
soak = "0s"

[[stage]]
name = "prod"
hosts = "prod:&web"
needs = ["uat"]
waves = [1, "10%", "50%"]
parallel = 20
max_failed = 2
max_unreachable = "5%"
on_exceeded = "rollback"
rollback_scope = "wave"
restart = "report"
restart_exclude = ["docker*"]
timeout = "1h30m"
approval = { when = "both", quorum = 1, wait = "3d", on_timeout = "reject", valid = "12h", each_wave = false, signed = false, four_eyes = false }
"#;

#[test]
fn every_key_that_is_built() {
    let plan = parse(FULL).unwrap();
    assert_eq!(plan.name().as_str(), "openssl-2026-11");
    assert_eq!(plan.change().map(crate::core::ids::ChangeId::as_str), Some("CHG0041337"));
    assert_eq!(plan.inventory_path(), Some(std::path::Path::new("inventory.toml")));
    let patch = &plan.patch;
    let packages: Vec<String> = patch.packages.iter().map(show).collect();
    assert_eq!(packages, ["openssl=3.0.22-1~deb12u2", "libssl3:amd64", "apt:amd64=2.0.11"]);
    assert_eq!(patch.packages_for.values().flatten().map(show).collect::<Vec<_>>(), ["openssl-libs"]);
    assert_eq!((patch.select, patch.pin, patch.unproven), (Select::Packages, Pin::Off, Unproven::Refuse));
    assert!(patch.install && patch.allow_removals);
    assert_eq!(patch.severity, Some(Severity::High));
    assert_eq!(patch.exclude, ["linux-image-*"]);
    assert_eq!(patch.vars["release_dir"], "/srv/app");
    let prod = &plan.stages[1].stage;
    assert_eq!(prod.waves, [Amount::Count(1), Amount::Percent(10), Amount::Percent(50)]);
    assert_eq!((prod.parallel, prod.max_failed, prod.max_unreachable), (20, Amount::Count(2), Amount::Percent(5)));
    assert_eq!((prod.rollback_scope, prod.restart), (Scope::Wave, Restart::Report));
    assert_eq!(prod.timeout, Duration::from_secs(5400));
    let gate = prod.approval.as_ref().unwrap();
    assert_eq!((gate.when, gate.on_timeout), (When::Both, OnTimeout::Reject));
    assert_eq!((gate.wait, gate.valid), (Duration::from_secs(3 * 86_400), Duration::from_secs(12 * 3600)));
    assert_eq!(plan.stages[0].stage.approval, None);
}

#[test]
fn the_defaults_of_a_short_plan() {
    let plan = parse(GOOD).unwrap();
    let patch = &plan.patch;
    assert_eq!((patch.select, patch.pin, patch.unproven), (Select::Packages, Pin::Exact, Unproven::Skip));
    assert!(!patch.install && !patch.allow_removals && patch.approved.is_none());
    assert_eq!(patch.severity, None);
    let stage = &plan.stages[0].stage;
    assert_eq!((stage.waves.as_slice(), stage.parallel), ([Amount::Percent(100)].as_slice(), 10));
    assert_eq!((stage.max_failed, stage.rollback_scope), (Amount::Count(0), Scope::Stage));
    assert_eq!(stage.timeout, Duration::from_secs(1800));
    let gate = stage.approval.as_ref().unwrap();
    assert_eq!((gate.when, gate.on_timeout, gate.wait), (When::After, OnTimeout::Wait, Duration::from_secs(604_800)));
}

#[test]
fn a_stage_needs_the_one_before_unless_it_says_otherwise() {
    let stage = |name: &str, needs: &str| format!("[[stage]]\nname = \"{name}\"\nhosts = \"all\"\n{needs}\n");
    let text = format!(
        "name = \"p\"\n[patch]\nselect = \"all\"\n{}{}{}{}",
        stage("a", ""),
        stage("b", ""),
        stage("c", "needs = []"),
        stage("d", "needs = [\"c\", \"a\"]"),
    );
    let plan = parse(&text).unwrap();
    let needs: Vec<Vec<u16>> = plan.stages.iter().map(|s| s.stage.needs.iter().map(|n| n.0).collect()).collect();
    assert_eq!(needs, [vec![], vec![0], vec![], vec![0, 2]]);
}

#[test]
fn files_are_looked_for_beside_the_plan() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("approved.txt"), "openssl\n").unwrap();
    std::fs::write(at("mine.toml"), "").unwrap();
    let text = GOOD.replace("[patch]\n", "[patch]\napproved = \"approved.txt\"\nplaybook = \"./mine.toml\"\n");
    std::fs::write(at("plan.toml"), text).unwrap();
    let plan = crate::input::plan::load(&at("plan.toml")).unwrap();
    assert_eq!(plan.playbook_file(), Some(at("./mine.toml").as_path()));
    assert_eq!(plan.patch.approved.as_ref().map(Vec::len), Some(1));
}
