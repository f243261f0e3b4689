//! `drift`: who differs from what the last approved run left.

use serde_json::{Value, json};

use super::bench::Bench;
use super::host::{Host, plain};

const FLEET: [&str; 3] = ["uat-1", "uat-2", "prod-1"];
const RUN: [&str; 6] = ["run", "plan.toml", "--yes", "--approve", "all", "--reason=fine"];

/// A host of drift's document.
#[track_caller]
fn of<'a>(document: &'a Value, name: &str) -> &'a Value {
    document["hosts"].as_array().unwrap().iter().find(|host| host["host"] == name).unwrap()
}

fn states<'a>(document: &'a Value, names: &[&str]) -> Vec<&'a str> {
    names.iter().map(|name| of(document, name)["state"].as_str().unwrap()).collect()
}

#[test]
fn what_somebody_changed_by_hand_is_found_until_a_run_or_a_rollback_says_otherwise() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("prod-1"), plain("prod-2"), plain("new-1")]) else { return };
    bench.plan("packages = [\"lab-plain\"]");
    bench.json(2, &["drift"]);
    let run = bench.json(0, &RUN)["run_id"].clone();

    let (actions, before) = (bench.hosts.iter().map(Host::dpkg_actions).collect::<Vec<_>>(), bench.snapshots());
    let document = bench.json(0, &["drift"]);
    // new-1 is in no stage of the plan.
    assert_eq!(states(&document, &["uat-1", "prod-1", "prod-2", "new-1"]), ["same", "same", "same", "unknown"]);
    assert_eq!((&of(&document, "prod-1")["run_id"], &of(&document, "prod-1")["stage"]), (&run, &json!("prod")));
    assert_eq!(bench.hosts.iter().map(Host::dpkg_actions).collect::<Vec<_>>(), actions);
    bench.assert_same(&before);
    assert!(bench.hosts.iter().all(|host| !host.is_claimed()));

    bench.host("prod-2").install_made("lab-plain", "1.9");
    let document = bench.json(5, &["drift"]);
    let difference = json!({"name": "lab-plain", "arch": "all", "expected": "2.0", "found": "1.9", "against": "run"});
    assert_eq!(of(&document, "prod-2")["differences"], json!([difference]));
    assert_eq!(of(&document, "prod-1")["state"], "same", "it is not prod-1 that was changed");
    let table = bench.patchctl(&["drift", "prod"]).ended(5).out;
    assert!(
        table.contains("1 host of stage prod differs\n      prod-2\n      lab-plain:all  left 2.0  now 1.9\n"),
        "{table}"
    );
    assert!(table.contains("1 of 2 hosts differs") && !table.contains("uat-1"), "{table}");
    bench.json(0, &["drift", "prod", "--limit", "prod-1"]);

    // Gone is another difference; what is back as it was is none.
    bench.host("prod-2").sh("dpkg --purge lab-plain >/dev/null 2>&1");
    assert_eq!(of(&bench.json(5, &["drift"]), "prod-2")["differences"][0]["found"], Value::Null);
    bench.host("prod-2").sh("apt-get install -y lab-plain=2.0 >/dev/null 2>&1");
    bench.json(0, &["drift"]);

    let run = run.as_str().unwrap();
    bench.json(0, &["rollback", run, "--yes", "--reason", "found a bug", "--stage", "prod"]);
    let document = bench.json(0, &["drift"]);
    assert_eq!(of(&document, "uat-1")["run_id"], run);
    assert_ne!(of(&document, "prod-1")["run_id"], run, "the rollback has the last word there");
    bench.host("prod-1").install_made("lab-plain", "2.0");
    let document = bench.json(5, &["drift"]);
    assert_eq!(of(&document, "prod-1")["differences"][0]["expected"], "1.0");
}

#[test]
fn hosts_of_a_stage_that_are_not_alike_are_found_and_those_that_do_not_answer_are_named() {
    let specs = [plain("uat-1").install(&["lab-held=1.0"]), plain("uat-2"), plain("prod-1")];
    let Some(bench) = Bench::start(&specs) else { return };
    bench.plan("packages = [\"lab-plain\", \"lab-held\"]");
    let paused = bench.json(3, &["run", "plan.toml", "--yes", "--approve", "uat", "--reason=fine"]);
    // prod is patched, and nobody has decided there.
    let document = bench.json(0, &["drift"]);
    assert_eq!(states(&document, &FLEET), ["same", "same", "unknown"]);
    assert_eq!(of(&document, "prod-1")["undecided"], paused["run_id"]);
    let digest = paused["waiting"]["digest"].as_str().unwrap();
    bench.json(0, &["approve", "last", "--digest", digest, "--reason", "fine", "--resume"]);

    // The run found no lab-held on uat-2, and whoever brought it there since took the old one.
    bench.host("uat-2").install_made("lab-held", "1.0");
    let document = bench.json(5, &["drift"]);
    let difference = json!({"name": "lab-held", "arch": "all", "expected": "2.0", "found": "1.0", "against": "stage"});
    assert_eq!(of(&document, "uat-2")["differences"], json!([difference]));
    assert_eq!(states(&document, &FLEET), ["same", "drifted", "same"]);

    bench.host("uat-2").lab("off", &[]);
    // Without an inventory: the hosts that runs know, as they were frozen.
    std::fs::remove_file(bench.path("inventory.toml")).unwrap();
    let document = bench.json(7, &["drift"]);
    assert_eq!(states(&document, &FLEET), ["same", "unreachable", "same"]);
    assert_eq!(of(&document, "uat-2")["error"]["kind"], "unreachable");
    assert_eq!(document["errors"][0]["host"], "uat-2");
    bench.host("uat-1").install_made("lab-plain", "3.0");
    assert_eq!(states(&bench.json(5, &["drift"]), &FLEET), ["drifted", "unreachable", "same"]);
    bench.json(2, &["drift", "nobody"]);
}
