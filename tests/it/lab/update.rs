//! The real update of openssl and libssl3, from UAT to production.

use super::bench::{Bench, host, stage, standing};
use super::host::spec;

#[test]
fn an_approved_update_goes_through_uat_to_production() {
    let Some(bench) = Bench::start(&[spec("uat-1"), spec("prod-1")]) else { return };
    let new = bench.host("uat-1").candidate("openssl");
    let old = bench.host("prod-1").version("openssl");
    let nginx = bench.host("prod-1").main_pid("nginx");
    bench.plan("packages = [\"openssl\", \"libssl3\"]");

    let run = ["run", "plan.toml", "--yes", "--approve", "all", "--reason", "smoke tests fine"];
    let document = bench.json(0, &run);
    assert_eq!(document["outcome"], "complete");
    assert_eq!(document["summary"]["patched"], 2);
    assert_eq!(document["waiting"], serde_json::Value::Null);
    for (name, group) in [("uat-1", "uat"), ("prod-1", "prod")] {
        assert_eq!(standing(&document, name), "PATCH/SUCCESS patched");
        let stage = stage(&document, group);
        assert_eq!((&stage["state"], &stage["state_reason"]), (&"SUCCESS".into(), &"approved".into()));
        assert_eq!(stage["decision"]["verdict"], "approved");
        assert_eq!(stage["decision"]["by"][0]["how"], "flag");
        assert_eq!(stage["decision"]["by"][0]["reason"], "smoke tests fine");

        let shown = host(&document, name);
        assert_eq!(shown["action_cause"], "smoke tests fine");
        let change = |package: &str| serde_json::json!({"name": package, "arch": "amd64", "before": old, "after": new});
        assert_eq!(shown["packages"], serde_json::json!([change("libssl3"), change("openssl")]));
        assert_eq!(shown["error"], serde_json::Value::Null);
        assert!(shown["services"]["restarted"].as_array().unwrap().contains(&"nginx.service".into()), "{shown:#}");
        // Restarting this one would end people's sessions, so it is only told.
        assert_eq!(shown["services"]["stale"], serde_json::json!(["systemd-logind.service"]));

        let real = bench.host(name);
        assert_eq!(real.version("openssl"), new);
        assert_eq!(real.version("libssl3"), new);
        assert_eq!(real.on_old_code("libcrypto"), ["systemd-logind".to_owned()].into());
        assert_eq!(real.on_old_code("libssl"), [].into());
        assert!(!real.is_claimed(), "{}", real.sh("find /var/lib/patchctl"));
        let mut actions = real.dpkg_actions();
        actions.sort();
        assert_eq!(actions, ["libssl3", "openssl"].map(|package| format!("upgrade {package}:amd64 {old} {new}")));
    }
    assert_ne!(bench.host("prod-1").main_pid("nginx"), nginx);

    let run = document["run_id"].as_str().unwrap();
    assert_eq!(bench.json(0, &["report", run]), document, "a report is the result again");
    assert_eq!(bench.json(0, &["runs"])["runs"][0]["outcome"], "complete");

    // Again: nothing to do, so nobody is asked, and nothing is done.
    let actions = bench.host("prod-1").dpkg_actions();
    let events = bench.patchctl(&["run", "plan.toml", "--output", "jsonl"]).ended(0).out;
    let lines: Vec<serde_json::Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let document = lines.last().unwrap();
    assert_eq!((document["outcome"].as_str(), &document["summary"]["current"]), (Some("complete"), &2.into()));
    assert_eq!(standing(document, "prod-1"), "NONE/SUCCESS current");
    assert_eq!(bench.host("prod-1").dpkg_actions(), actions);
    assert!(!bench.host("prod-1").is_claimed());
}

#[test]
fn services_on_old_code_are_restarted_listed_or_left_as_the_stage_says() {
    let Some(bench) = Bench::start(&[spec("uat-1"), spec("lab-1"), spec("prod-1")]) else { return };
    let pids = || ["uat-1", "lab-1", "prod-1"].map(|name| bench.host(name).main_pid("nginx"));
    let before = pids();
    let stage = |name: &str, restart: &str| {
        format!("[[stage]]\nname = \"{name}\"\nhosts = \"{name}\"\nneeds = []\napproval = false\n{restart}\n")
    };
    let stages = [
        stage("uat", "restart = \"report\""),
        stage("lab", "restart = \"never\""),
        stage("prod", "restart_exclude = [\"nginx*\"]"),
    ];
    let patch = "name = \"lab\"\ninventory = \"inventory.toml\"\n[patch]\npackages = [\"openssl\", \"libssl3\"]\n";
    bench.write("plan.toml", &format!("{patch}{}", stages.concat()));
    let document = bench.json(0, &["run", "plan.toml", "--yes"]);
    let services = |name: &str, what: &str| -> Vec<String> {
        serde_json::from_value(host(&document, name)["services"][what].clone()).unwrap()
    };
    let nginx = "nginx.service".to_owned();
    assert_eq!(services("uat-1", "restarted"), [""; 0]);
    assert!(services("uat-1", "stale").contains(&nginx), "{document:#}");
    assert_eq!((services("lab-1", "restarted"), services("lab-1", "stale")), (vec![], vec![]), "nobody looked");
    let checks = host(&document, "lab-1")["checks"].as_array().unwrap();
    assert!(checks.iter().all(|check| check["name"] != "services"), "{checks:#?}");
    assert!(services("prod-1", "restarted").contains(&"ssh.service".to_owned()), "{document:#}");
    assert!(services("prod-1", "stale").contains(&nginx), "{document:#}");
    assert_eq!(pids(), before);
    assert!(bench.host("uat-1").on_old_code("libssl").contains("nginx"));
}
