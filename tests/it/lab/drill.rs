//! `drill`: the first stage is patched and taken back on purpose; and the policy that asks for one.

use serde_json::{Value, json};

use super::bench::{Bench, first_error, host, stage, standing};
use super::host::{Host, plain, spec, wait_until};

const RUN: [&str; 8] = ["run", "plan.toml", "--yes", "--policy", "policy.toml", "--approve", "all", "--reason=fine"];
const TEST: [&str; 5] = ["policy", "test", "plan.toml", "--policy", "policy.toml"];
const THERE_AND_BACK: [&str; 2] = ["upgrade lab-plain:all 1.0 2.0", "upgrade lab-plain:all 2.0 1.0"];

fn states(bench: &Bench) -> Vec<Value> {
    let document = bench.json(0, &["drift"]);
    document["hosts"].as_array().unwrap().iter().map(|host| host["state"].clone()).collect()
}

#[test]
fn a_drill_leaves_hosts_as_they_were_and_lets_the_run_through_that_needs_it() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("uat-2"), plain("prod-1")]) else { return };
    bench.plan_of("lab", "packages = [\"lab-plain\"]", "waves = [1]\nsoak = \"1h\"");
    bench.write("policy.toml", "[drill]\nwithin = \"1h\"\n");
    let before = bench.snapshots();

    let refused = bench.json(7, &RUN);
    let why = "policy.toml:1: a run of plan lab needs a drill not older than 1h, and none that proved the way back is";
    assert!(first_error(&refused)["message"].as_str().unwrap().starts_with(why), "{refused:#}");
    assert!(first_error(&refused)["hint"].as_str().unwrap().contains("plan.toml` makes one"), "{refused:#}");
    assert_eq!(bench.json(7, &TEST)["drill"]["met"], false);
    assert!(!bench.path("state/runs").read_dir().is_ok_and(|mut runs| runs.next().is_some()), "a run exists");

    let document = bench.json(0, &["drill", "plan.toml", "--yes", "--policy", "policy.toml"]);
    assert_eq!((&document["kind"], &document["outcome"]), (&json!("drill"), &json!("complete")));
    assert_eq!((&document["drill"]["proved"], document["stages"].as_array().unwrap().len()), (&json!(2), 1));
    let uat = stage(&document, "uat");
    assert_eq!(
        (&uat["state"], &uat["state_reason"], &uat["decision"]),
        (&json!("SUCCESS"), &json!("drilled"), &Value::Null)
    );
    let ways = ["uat-1", "uat-2"].map(|name| {
        assert_eq!(standing(&document, name), "ROLLBACK/SUCCESS restored");
        assert_eq!(host(&document, name)["rollback"]["exact"], true);
        assert!(!bench.host(name).is_claimed());
        assert_eq!(bench.host(name).dpkg_actions(), THERE_AND_BACK);
        host(&document, name)["way_back_ms"].as_u64().unwrap()
    });
    assert!(ways.iter().all(|ms| *ms > 0));
    assert_eq!(document["drill"]["slowest_way_back_ms"].as_u64(), ways.iter().max().copied());
    bench.assert_same(&before);
    bench.host("prod-1").assert_untouched();

    let drill = document["run_id"].as_str().unwrap();
    let table = bench.patchctl(&["report", "last"]).ended(0).out;
    assert!(table.contains(&format!("drill {drill}")), "{table}");
    assert!(table.contains("2 hosts patched and taken back exactly; the slowest way back took "), "{table}");
    assert_eq!(bench.json(0, &["runs"])["runs"][0]["kind"], "drill");
    let undo = bench.json(7, &["rollback", "last", "--yes", "--reason", "why not"]);
    assert!(first_error(&undo)["message"].as_str().unwrap().ends_with("is a drill: it took back what it patched"));
    // It approved nothing that hosts could differ from.
    assert_eq!(states(&bench), ["unknown"; 3]);

    let tested = bench.json(0, &TEST);
    assert_eq!((&tested["drill"]["met"], &tested["drill"]["run_id"]), (&json!(true), &json!(drill)));
    bench.plan_of("lab", "packages = [\"lab-plain\"]", "");
    let run = bench.json(0, &RUN);
    assert_eq!(standing(&run, "prod-1"), "PATCH/SUCCESS patched");
    assert_eq!(states(&bench), ["same"; 3]);

    // Now there is nothing to do: that proves nothing, and the last word on the hosts is still the run's.
    let idle = bench.patchctl(&["drill", "plan.toml", "--yes"]).ended(0).out;
    assert!(idle.contains("nothing was proved: no host had anything to be patched"), "{idle}");
    assert_eq!(bench.json(0, &TEST)["drill"]["run_id"], drill);
    assert_eq!(states(&bench), ["same"; 3]);

    // The drill is too old for another policy, and an emergency passes that.
    bench.write("policy.toml", "[drill]\nwithin = \"1s\"\n[emergency]\nby = [\"root\"]\npasses = [\"window\"]\n");
    let refused = bench.json(7, &RUN);
    assert!(first_error(&refused)["message"].as_str().unwrap().contains(drill), "{refused:#}");
    let passed = bench.json(0, &[&RUN[..], &["--emergency"]].concat());
    let said = passed["emergency"]["passed"][0].as_str().unwrap();
    assert!(said.starts_with("a drill not older than 1s (policy.toml:1): the last one that proved"), "{said}");
    bench.json(0, &["audit", "verify"]);
    let export = bench.json(0, &["audit", "export", drill, "-o", "evidence"]);
    assert_eq!(export["errors"], json!([]), "{export:#}");
    bench.json(0, &["audit", "verify", "--export", "evidence"]);
}

#[test]
fn a_patch_that_fails_in_a_drill_is_found_and_everything_is_back() {
    let failing = spec("uat-2").repo("handmade").install(&["lab-plain=1.0", "lab-failing=1.0"]);
    let Some(bench) = Bench::start(&[plain("uat-1"), failing]) else { return };
    // One host may fail: the other one is drilled all the same.
    bench.plan_of("lab", "packages = [\"lab-plain\", \"lab-failing\"]", "max_failed = 1");
    let before = bench.snapshots();
    let document = bench.json(5, &["drill", "plan.toml", "--yes"]);
    assert_eq!((&document["outcome"], &document["drill"]["proved"]), (&json!("failed"), &json!(1)));
    assert_eq!(first_error(&document)["host"], "uat-2");
    for name in ["uat-1", "uat-2"] {
        assert_eq!(standing(&document, name), "ROLLBACK/SUCCESS restored");
        assert!(!bench.host(name).is_claimed());
    }
    bench.assert_same(&before);
    bench.write("policy.toml", "[drill]\nwithin = \"1h\"\n");
    bench.json(7, &TEST);
    bench.json(0, &["audit", "verify"]);
}

#[test]
fn a_drill_that_is_killed_goes_on_to_the_same_end() {
    let slow = spec("uat-1").repo("handmade").cached().install(&["lab-slow=1.0"]);
    let Some(bench) = Bench::start(&[slow]) else { return };
    let uat = bench.host("uat-1");
    uat.write("/etc/lab-slow.seconds", "3\n");
    bench.plan("packages = [\"lab-slow\"]");
    let before = bench.snapshots();
    let mut args = vec!["drill", "plan.toml", "--yes"];
    for step in ["apply", "settle", "rollback", "forget"] {
        let mut drill = bench.spawn("drill", &args);
        let begun = |event: &Value| event["event"] == "step_started" && event["step"] == step;
        wait_until(step, 90, || bench.journal().iter().any(begun));
        drill.kill().unwrap();
        drill.wait().unwrap();
        args = vec!["resume", "last", "--yes"];
        if step == "settle" {
            // Its host is not as it was: a run of the plan would begin from there.
            let refused = bench.json(7, &["run", "plan.toml", "--yes"]);
            assert!(first_error(&refused)["message"].as_str().unwrap().contains("has an open run"), "{refused:#}");
        }
    }
    let document = bench.json(0, &args);
    assert_eq!((&document["kind"], &document["drill"]["proved"]), (&json!("drill"), &json!(1)));
    assert_eq!(standing(&document, "uat-1"), "ROLLBACK/SUCCESS restored");
    assert_eq!(uat.dpkg_actions(), ["upgrade lab-slow:all 1.0 2.0", "upgrade lab-slow:all 2.0 1.0"], "each once");
    assert!(bench.hosts.iter().all(|host: &Host| !host.is_claimed()));
    bench.assert_same(&before);
    bench.json(0, &["audit", "verify"]);
}
