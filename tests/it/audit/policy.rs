//! Policies on the demo's fleet: what they forbid, whom they ask, and what `policy test` says of it.

use serde_json::Value;

use super::bench::{Bench, text};

const GO: [&str; 5] = ["run", "second.toml", "--yes", "--policy", "policy.toml"];

/// The way back on the demo's hosts is proven, and it says no severity: it counts as critical.
const AUTO: &str = "[[auto_approve]]\nname = \"small\"\nmax_severity = \"critical\"\nhosts_max = 2\n";

fn nothing_ran(bench: &Bench) -> bool {
    !bench.path("state/runs").read_dir().is_ok_and(|mut runs| runs.next().is_some())
}

fn stage<'a>(document: &'a Value, name: &str) -> &'a Value {
    document["stages"].as_array().unwrap().iter().find(|stage| stage["name"] == name).unwrap()
}

#[test]
fn what_a_policy_has_wrong_or_forbids_is_told_and_no_run_begins() {
    let bench = Bench::start();
    #[track_caller]
    fn refused(bench: &Bench, code: i32, policy: &str, said: &str) {
        bench.write("policy.toml", policy);
        let document = bench.json(code, &GO);
        let errors = document["errors"].to_string();
        assert!(errors.contains(said), "{errors}");
        assert!(nothing_ran(bench), "a run exists");
    }
    refused(&bench, 2, "[limits]\nmax_wafe = 2\n", "policy.toml:2:1: unknown key `max_wafe`");
    let wave = "[limits]\nmax_wave = 2\n";
    refused(&bench, 7, wave, "max_wave");
    let freeze = "[[freeze]]\nname = \"all\"\nfrom = \"2020-01-01T00:00:00Z\"\nto = \"2120-01-01T00:00:00Z\"\n";
    refused(&bench, 7, freeze, "as far as can be seen none ever may: freeze all until");
    bench.write("policy.toml", wave);
    bench.shell("chmod 666 policy.toml");
    let document = bench.json(2, &GO);
    assert!(document["errors"].to_string().contains("may be written by others"), "{document:#}");
    assert!(nothing_ran(&bench), "a run exists");

    // A plan can be held to less by itself, and to no more.
    bench.shell("chmod 644 policy.toml");
    bench.write("policy.toml", "");
    let plan = bench.read("second.toml");
    bench.write("second.toml", &format!("{plan}\n[policy.emergency]\nby = [\"me\"]\npasses = [\"freeze\"]\n"));
    let document = bench.json(2, &GO);
    assert!(document["errors"].to_string().contains("a plan can only narrow"), "{document:#}");
    bench.write("second.toml", &format!("{plan}\n[policy.limits]\nmax_wave = 2\n"));
    let document = bench.json(7, &GO);
    assert!(document["errors"].to_string().contains("max_wave"), "{document:#}");
    assert!(nothing_ran(&bench), "a run exists");
}

#[test]
fn a_rule_opens_the_small_gate_and_asks_two_at_the_large_one() {
    let bench = Bench::start();
    let rule = "[[approval]]\nname = \"many\"\nhosts_over = 2\nquorum = 2\nfour_eyes = true\n";
    bench.write("policy.toml", &format!("{AUTO}{rule}"));

    let tested = bench.json(0, &["policy", "test", "second.toml", "--policy", "policy.toml"]);
    let uat = stage(&tested, "uat");
    assert!(uat.to_string().contains("\"small\"") && uat.to_string().contains("policy.toml:1"), "{uat:#}");
    let table = bench.command("state", &["policy", "test", "second.toml", "--policy", "policy.toml"]).output().unwrap();
    let table = String::from_utf8(table.stdout).unwrap();
    for said in ["small", "many", "quorum 2", "more than 2 hosts change"] {
        assert!(table.contains(said), "{said}: {table}");
    }
    assert!(nothing_ran(&bench), "a run exists");

    let args = [&GO[..], &["--approve", "all", "--reason", "fine"]].concat();
    let document = bench.json(3, &args);
    let uat = &stage(&document, "uat")["decision"];
    assert_eq!((&uat["verdict"], &uat["by"][0]["how"]), (&"approved".into(), &"policy".into()), "{uat:#}");
    assert!(text(&uat["by"][0]["reason"]).starts_with("policy rule small (policy.toml:1): 2 hosts"), "{uat:#}");
    let waiting = &document["waiting"];
    assert_eq!((&waiting["stage"], &waiting["kind"]), (&"prod".into(), &"approval".into()), "{waiting:#}");

    // The one who started it is one of two, and does not count; the records say which rules there were.
    let run = text(&document["run_id"]);
    let status = bench.command("state", &["status", &run]).output().unwrap();
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(status.contains("many (policy.toml:5): quorum 2, four eyes"), "{status}");
    let frozen = bench.read(&format!("state/runs/{run}/settings.json"));
    assert!(frozen.contains("policy.toml"), "{frozen}");
    bench.json(0, &["audit", "verify"]);

    // An auditor gets the rules as they were, and what they came to.
    bench.json(0, &["audit", "export", &run, "-o", "evidence"]);
    bench.json(0, &["audit", "verify", "--export", "evidence"]);
    assert_eq!(bench.read(&format!("evidence/runs/{run}/policy.toml")), bench.read("policy.toml"));
    let report = bench.read("evidence/report.html");
    for said in
        ["policy.toml, sha256:", "policy rule small (policy.toml:1)", "many (policy.toml:5)", "counts as critical"]
    {
        assert!(report.contains(said), "{said}");
    }
}

#[test]
fn a_host_with_an_exception_stays_as_it_is_and_every_result_says_why() {
    let bench = Bench::start();
    let exception = |until: &str| {
        format!(
            "[[exception]]\nhosts = \"prod-02\"\nuntil = {until}\nticket = \"CHG7\"\nreason = \"the vendor forbids it\"\n"
        )
    };
    bench.write("policy.toml", &exception("2120-01-01"));
    let args = [&GO[..], &["--approve", "all", "--reason", "fine"]].concat();
    let document = bench.json(8, &args);
    let host = |document: &Value, name: &str| {
        let hosts = stage(document, "prod")["hosts"].as_array().unwrap().clone();
        hosts.into_iter().find(|host| host["host"] == name).unwrap()
    };
    let left = host(&document, "prod-02");
    assert_eq!((&left["action_performed"], &left["packages"]), (&"NONE".into(), &Value::Array(Vec::new())), "{left:#}");
    assert!(left.to_string().contains("the vendor forbids it (exception CHG7 until 2120-01-02"), "{left:#}");
    assert_eq!(host(&document, "prod-01")["action_state"], "SUCCESS");

    // Over, it is not used, and that is said.
    bench.write("policy.toml", &exception("2020-01-01"));
    let output = bench.command("state", &args).args(["--output", "json"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("the exception CHG7 for prod-02 is over since 2020-01-02"), "{said}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(host(&document, "prod-02")["action_state"], "SUCCESS", "{document:#}");
}

#[test]
fn no_gate_is_approved_without_the_checks_that_a_policy_asks_for() {
    let bench = Bench::start();
    let args = [&GO[..], &["--approve", "all", "--reason", "fine"]].concat();
    bench.write("policy.toml", "checks = [\"bin/check\", \"health\"]\n");
    let tested = bench.json(0, &["policy", "test", "second.toml", "--policy", "policy.toml"]);
    assert_eq!(tested["checks"][1], "health (policy.toml:1)", "{tested:#}");
    let document = bench.json(3, &args);
    assert_eq!(document["waiting"]["stage"], "uat", "{document:#}");
    let (run, digest) = (text(&document["run_id"]), text(&document["waiting"]["digest"]));
    let refused = bench.json(2, &["approve", &run, "--digest", &digest, "--reason", "fine"]);
    let why = text(&refused["errors"][0]["message"]);
    assert!(why.contains("uat-01 has no check health that held, and policy.toml:1 asks for it"), "{why}");
    bench.json(4, &["reject", &run, "--reason", "nobody looks after health", "--resume"]);

    bench.write("policy.toml", "checks = [\"bin/check\"]\n");
    bench.json(0, &args);
}
