//! What makes a host worse, on real hosts; checks that fail, come late and differ; commands that take too long.

use serde_json::Value;

use super::bench::{Bench, host, standing};
use super::host::{Host, plain, spec};

const APPROVED: [&str; 5] = ["--yes", "--approve", "all", "--reason", "fine"];

fn run(bench: &Bench, code: i32, stage: &str) -> Value {
    bench.plan_of("lab", "packages = [\"lab-plain\"]", stage);
    bench.json(code, &[&["run", "plan.toml"], &APPROVED[..]].concat())
}

/// What happens on the host beside each of its package changes.
fn beside(host: &Host, command: &str) {
    host.write("/etc/apt/apt.conf.d/99lab", &format!("DPkg::Post-Invoke {{\"{command}\";}};\n"));
}

fn message(document: &Value, name: &str) -> String {
    host(document, name)["error"]["message"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn each_kind_of_worse_fails_its_host_and_can_be_left_out_or_only_shown() {
    let names = ["uat-1", "uat-2", "uat-3", "uat-4"];
    let Some(bench) = Bench::start(&names.map(|name| plain(name).install(&["lab-held=1.0"]))) else { return };
    beside(bench.host("uat-1"), "systemd-run --quiet --unit lab-bad --wait false || true");
    bench.host("uat-2").sh("systemctl is-active nginx.service");
    beside(bench.host("uat-2"), "systemctl stop nginx.service");
    bench.host("uat-3").write("/root/counter", "1\n");
    beside(bench.host("uat-3"), "echo 2 >/root/counter");
    // Its clock, as it says.
    let clock = "#!/bin/sh\nif test -e /root/unset; then echo no; else echo yes; fi\n";
    bench.host("uat-4").write("/usr/local/bin/timedatectl", clock);
    bench.host("uat-4").sh("chmod 755 /usr/local/bin/timedatectl");
    beside(bench.host("uat-4"), "touch /root/unset");
    let stage = "health_within = \"5s\"\nparallel = 4\nrollback_scope = \"host\"\nmax_failed = 4\n";
    let compared = "[[stage.check]]\nname = \"counter\"\nrun = \"cat /root/counter || echo none\"\ncompare = true\n\
                    within = \"2s\"\n";
    let document = run(&bench, 5, &format!("{stage}health_exclude = [\"nginx*\"]\n{compared}"));
    for name in names {
        assert_eq!(standing(&document, name), "ROLLBACK/SUCCESS restored");
        assert_eq!(bench.host(name).version("lab-plain"), "1.0");
    }
    assert_eq!(message(&document, "uat-1"), "check failed-units does not hold: not as before: lab-bad.service");
    assert_eq!(message(&document, "uat-2"), "check ports does not hold: not as before: tcp/80");
    assert_eq!(message(&document, "uat-3"), "check counter does not hold: 2; it was \"1\", and is \"2\"");
    let unset = "check time does not hold: not as before: the clock is not synchronised any more";
    assert_eq!(message(&document, "uat-4"), unset);

    // What is only shown takes nobody back.
    bench.host("uat-1").sh("systemctl reset-failed");
    bench.host("uat-2").sh("systemctl start nginx.service");
    let document = run(&bench, 0, "parallel = 4\nhealth = \"report\"\nhealth_within = \"0s\"");
    let checks = host(&document, "uat-2")["checks"].as_array().unwrap();
    let ports = checks.iter().find(|check| check["name"] == "ports").unwrap();
    assert_eq!((&ports["ok"], &ports["detail"]), (&false.into(), &"not as before: tcp/80".into()));
    assert_eq!(standing(&document, "uat-2"), "PATCH/SUCCESS patched");

    // And what nobody wants to see is not looked at.
    bench.host("uat-2").sh("systemctl start nginx.service");
    bench.plan_of("lab", "packages = [\"lab-held\"]", "parallel = 4\nhealth = \"off\"");
    let document = bench.json(0, &[&["run", "plan.toml"], &APPROVED[..]].concat());
    assert_eq!(standing(&document, "uat-2"), "PATCH/SUCCESS patched");
    assert_eq!(bench.host("uat-2").sh("systemctl is-active nginx.service || true"), "inactive\n");
    let checks = host(&document, "uat-2")["checks"].as_array().unwrap().iter();
    assert_eq!(checks.map(|check| &check["name"]).collect::<Vec<_>>(), ["packages", "services"]);
}

#[test]
fn what_comes_late_is_waited_for_and_what_takes_too_long_is_ended() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("uat-2")]) else { return };
    let late = |seconds: u8| {
        format!(
            "touch /root/changed; systemd-run --quiet --on-active={seconds} --timer-property=AccuracySec=1 touch /root/late"
        )
    };
    beside(bench.host("uat-1"), &late(8));
    let slow = bench.host("uat-2");
    let document = run(
        &bench,
        8,
        "[stage.hooks]\n\
         before_host = { run = \"if test {{ host.name }} = uat-2; then echo waits; sleep 60; fi\", timeout = \"2s\" }\n\
         after_host = { local = \"echo {{ host.name }} >>after.log\" }\n\
         [[stage.check]]\nname = \"late\"\nrun = \"test -e /root/late\"\nwhen = \"after\"\n\
         [[stage.check]]\nname = \"early\"\nrun = \"test ! -e /root/changed\"\nwhen = \"before\"\n",
    );
    assert_eq!(standing(&document, "uat-1"), "PATCH/SUCCESS patched");
    assert_eq!(standing(&document, "uat-2"), "NONE/FAILED skipped");
    assert_eq!(message(&document, "uat-2"), "before_host did not end within 2 s: waits");
    assert_eq!(slow.sh("pgrep -x sleep || true"), "", "what was late is ended there");
    let mut after: Vec<String> = bench.read("after.log").lines().map(str::to_owned).collect();
    after.sort();
    assert_eq!(after, ["uat-1", "uat-2"]);
    assert!(!slow.is_claimed());

    // What comes later than the plan says, or takes longer, has failed.
    beside(slow, &late(20));
    let after = |name: &str, keys: &str| {
        format!("[[stage.check]]\nname = \"{name}\"\n{keys}\nwithin = \"2s\"\nwhen = \"after\"\n")
    };
    let long = after("long", "run = \"echo begun; sleep 5\"\ntimeout = \"1s\"");
    let document = run(&bench, 5, &(after("late", "run = \"test -e /root/late\"") + &long));
    assert_eq!(standing(&document, "uat-2"), "ROLLBACK/SUCCESS restored");
    let checks = host(&document, "uat-2")["checks"].as_array().unwrap();
    let said = |name: &str| checks.iter().find(|check| check["name"] == name).unwrap()["detail"].clone();
    assert_eq!((said("late"), said("long")), ("exit code 1".into(), "did not end in its time: begun".into()));

    // Who cannot tell says so with these codes, and a person looks.
    let unsure = after("unsure", "run = \"exit 3\"\ninconclusive = [3]") + &after("tempfail", "run = \"exit 75\"");
    let document = run(&bench, 3, &format!("approval = false\n{unsure}"));
    let checks = host(&document, "uat-2")["checks"].as_array().unwrap();
    for (name, code) in [("unsure", 3), ("tempfail", 75)] {
        let check = checks.iter().find(|check| check["name"] == name).unwrap();
        assert_eq!((&check["ok"], &check["inconclusive"]), (&false.into(), &true.into()), "{check}");
        assert_eq!(check["detail"], format!("inconclusive: could not tell (exit code {code})"));
    }
}

#[test]
fn a_host_that_is_neither_patched_nor_back_gets_the_other_hook() {
    let data = spec("uat-1").repo("handmade").install(&["lab-data=1.0"]);
    let Some(bench) = Bench::start(&[data]) else { return };
    let hooks = "[stage.hooks]\nbefore_host = { local = \"echo out >>log\" }\nafter_host = { local = \"echo in >>log\" }\n\
                 after_host_failed = { run = \"echo {{ run.id }} >/root/failed\" }\n";
    bench.plan_of("lab", "packages = [\"lab-data\"]", hooks);
    let waits = bench.json(3, &["run", "plan.toml", "--yes"]);
    assert_eq!(bench.read("log"), "out\nin\n", "it serves while the gate waits");
    let (id, digest) = (waits["run_id"].as_str().unwrap(), waits["waiting"]["digest"].as_str().unwrap());
    let document = bench.json(6, &["reject", id, "--digest", &digest[..20], "--reason", "no", "--resume"]);
    assert_eq!(standing(&document, "uat-1"), "ROLLBACK/FAILED not_exact");
    assert_eq!(bench.read("log"), "out\nin\nout\n", "it is taken out for its way back, and not put in");
    assert_eq!(bench.host("uat-1").read("/root/failed").trim(), id);
}

#[test]
fn a_stage_begins_once_all_that_it_needs_are_approved_and_takes_all_back_where_the_scope_is_the_run() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("lab-1"), plain("prod-1")]) else { return };
    let before = bench.snapshots();
    let stage = |name: &str, needs: &str, more: &str| {
        format!("[[stage]]\nname = \"{name}\"\nhosts = \"{name}\"\nneeds = {needs}\n{more}\n")
    };
    let scope = "rollback_scope = \"run\"\n[[stage.check]]\nname = \"never\"\nrun = \"false\"\nwhen = \"after\"\nwithin = \"1s\"";
    bench.write(
        "plan.toml",
        &format!(
            "name = \"three\"\ninventory = \"inventory.toml\"\n[patch]\npackages = [\"lab-plain\"]\n{}{}{}",
            stage("uat", "[]", ""),
            stage("lab", "[]", ""),
            stage("prod", "[\"uat\", \"lab\"]", scope)
        ),
    );
    let waits = bench.json(3, &["run", "plan.toml", "--yes", "--approve", "uat", "--reason", "fine"]);
    assert_eq!(
        (standing(&waits, "uat-1").as_str(), standing(&waits, "lab-1").as_str()),
        ("PATCH/SUCCESS patched", "PATCH/SUCCESS waiting")
    );
    bench.host("prod-1").assert_untouched();
    let id = waits["run_id"].as_str().unwrap();
    let document = bench.json(5, &["resume", id, "--approve", "all", "--reason", "fine"]);
    for name in ["uat-1", "lab-1", "prod-1"] {
        assert_eq!(standing(&document, name), "ROLLBACK/SUCCESS restored", "{document:#}");
    }
    bench.assert_same(&before);
}
