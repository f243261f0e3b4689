//! What is patched: named, approved, security only, all.

use std::collections::BTreeSet;

use serde_json::Value;

use super::bench::{Bench, first_error, host};
use super::host::spec;

/// The packages of a host's transaction.
fn packages(document: &Value) -> BTreeSet<String> {
    let ops = host(document, "uat-1")["transaction"].as_array().unwrap();
    ops.iter().map(|op| op["name"].as_str().unwrap().to_owned()).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn one_host() -> Option<Bench> {
    Bench::start(&[spec("uat-1").repo("debian").repo("handmade").install(&["lab-plain=1.0", "lab-held=1.0"])])
}

#[test]
fn each_selection_is_what_it_says() {
    let Some(bench) = one_host() else { return };
    let resolved = |patch: &str| {
        bench.plan(patch);
        bench.json(0, &["plan", "plan.toml"])
    };
    let security = resolved("select = \"security\"");
    assert_eq!(packages(&security), set(&["libssl3", "openssl"]));
    let ops = host(&security, "uat-1")["transaction"].as_array().unwrap();
    assert!(ops.iter().all(|op| op["security"] == true), "{security:#}");

    assert_eq!(packages(&resolved("select = \"all\"")), set(&["lab-held", "lab-plain", "libssl3", "openssl"]));
    assert_eq!(
        packages(&resolved("select = \"all\"\nexclude = [\"lab-h*\"]")),
        set(&["lab-plain", "libssl3", "openssl"])
    );
    assert_eq!(packages(&resolved("packages = [\"lab-plain=2.0\"]")), set(&["lab-plain"]));
    // On hosts of this playbook it is called otherwise.
    let elsewhere = "packages = [\"openssl\"]\npackages_for = { apt = [\"lab-plain\"], dnf = [\"lab-held\"] }";
    assert_eq!(packages(&resolved(elsewhere)), set(&["lab-plain"]));
    // Not installed: nothing to do, unless the plan installs.
    assert_eq!(packages(&resolved("packages = [\"lab-reboot\"]")), set(&[]));
    assert_eq!(packages(&resolved("packages = [\"lab-reboot\"]\ninstall = true")), set(&["lab-reboot"]));
    bench.host("uat-1").assert_untouched();

    bench.plan("packages = [\"lab-plain=7.0\"]");
    assert_eq!(host(&bench.json(7, &["plan", "plan.toml"]), "uat-1")["problems"][0]["kind"], "not_found");
    bench.plan("packages = [\"no-such-package\"]");
    assert_eq!(host(&bench.json(7, &["plan", "plan.toml"]), "uat-1")["problems"][0]["kind"], "not_found");
}

#[test]
fn lines_of_apt_are_taken_as_they_are() {
    let Some(bench) = one_host() else { return };
    let uat = bench.host("uat-1");
    let offered = uat.sh("apt-get -qq update; apt list --upgradable 2>/dev/null");
    let lines: Vec<&str> = offered.lines().filter(|line| line.contains("upgradable from")).collect();
    assert_eq!(lines.len(), 4, "{offered}");
    bench.write("approved.txt", &format!("# CAB, 12 March\n{offered}"));
    bench.plan(&format!("approved = \"approved.txt\"\npackages = {lines:?}"));
    let document = bench.json(0, &["run", "plan.toml", "--yes", "--approve", "all", "--reason", "CAB"]);
    assert_eq!(host(&document, "uat-1")["packages"].as_array().unwrap().len(), 4);
    assert_eq!(uat.sh("apt list --upgradable 2>/dev/null").trim(), "Listing...");
}

#[test]
fn nothing_but_the_approved_may_be_asked_for() {
    let Some(bench) = one_host() else { return };
    bench.write("approved.txt", "openssl\nlibssl3\n");
    bench.plan("approved = \"approved.txt\"\npackages = [\"openssl\", \"lab-plain\"]");
    let document = bench.json(2, &["run", "plan.toml", "--yes"]);
    let error = first_error(&document);
    assert_eq!(error["kind"], "invalid");
    assert!(error["message"].as_str().unwrap().contains("lab-plain"), "{error:#}");
    bench.host("uat-1").assert_untouched();

    bench.plan("approved = \"approved.txt\"\npackages = [\"openssl\"]");
    assert_eq!(packages(&bench.json(0, &["plan", "plan.toml"])), set(&["libssl3", "openssl"]));
}
