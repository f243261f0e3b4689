//! Changes that cut the way into their host: it undoes them by itself, and patchctl learns of it.

use serde_json::Value;

use super::bench::{Bench, host, standing};
use super::host::{Host, Spec, spec, wait_until};

const RUN: [&str; 6] = ["run", "plan.toml", "--yes", "--approve", "all", "--reason=fine"];

fn with(name: &'static str, package: &str) -> Spec {
    spec(name).repo("handmade").install(&[&format!("{package}=1.0")])
}

/// A host whose patch cuts it off, and one whose patch does not: the first restores itself, the second is taken back.
fn restores_itself(package: &str, stage: &str) -> Option<(Bench, Value)> {
    let bench = Bench::start(&[with("uat-1", package), with("uat-2", "lab-plain")])?;
    bench.plan_of("lab", &format!("packages = [\"{package}\", \"lab-plain\"]"), stage);
    let before = bench.snapshots();
    let document = bench.json(5, &RUN);
    assert_eq!(document["outcome"], "failed");
    for name in ["uat-1", "uat-2"] {
        assert_eq!(standing(&document, name), "ROLLBACK/SUCCESS restored", "{document:#}");
        assert!(!bench.host(name).is_claimed());
    }
    let rollback = |name: &str| host(&document, name)["rollback"].clone();
    assert_eq!((&rollback("uat-1")["self"], &rollback("uat-1")["exact"]), (&true.into(), &true.into()));
    assert_eq!(rollback("uat-2")["self"], false);
    bench.assert_same(&before);
    Some((bench, document))
}

#[track_caller]
fn assert_says_so(document: &Value) {
    let cause = host(document, "uat-1")["action_cause"].as_str().unwrap();
    assert!(cause.contains("undid it"), "{cause}");
}

#[test]
fn a_patch_that_takes_the_network_down_is_undone_by_its_host() {
    let Some((bench, document)) = restores_itself("lab-netcut", "dead_man = \"30s\"") else { return };
    assert_says_so(&document);
    let up_and_down = ["upgrade lab-netcut:all 1.0 2.0", "upgrade lab-netcut:all 2.0 1.0"];
    assert_eq!(bench.host("uat-1").dpkg_actions(), up_and_down);
    assert_eq!(bench.host("uat-1").sh("ls /var/lib/patchctl/deadman"), "", "nothing of it stays");
}

#[test]
fn a_patch_that_breaks_sshd_is_undone_by_its_host() {
    // The connection that is there lives on: only a new one tells.
    let Some((_bench, document)) = restores_itself("lab-sshd-break", "dead_man = \"30s\"") else { return };
    assert_says_so(&document);
}

#[test]
fn a_patch_that_cuts_its_host_off_at_the_next_boot_is_undone_after_it() {
    let stage = "dead_man = \"30s\"\nreboot = \"always\"\nreboot_timeout = \"40s\"";
    let Some((bench, _)) = restores_itself("lab-bootcut", stage) else { return };
    assert_eq!(bench.host("uat-1").lab("boots", &[]).trim(), "1");
}

#[test]
fn a_host_is_told_before_anybody_is_asked() {
    let Some(bench) = Bench::start(&[with("uat-1", "lab-plain"), with("prod-1", "lab-plain")]) else { return };
    bench.plan_of("lab", "packages = [\"lab-plain\"]", "dead_man = \"60s\"");
    bench.json(3, &["run", "plan.toml", "--yes"]);
    let uat = bench.host("uat-1");
    assert!(!uat.exists("/var/lib/patchctl/deadman") || uat.sh("ls /var/lib/patchctl/deadman").trim().is_empty());
    let units = || uat.sh("systemctl list-units --no-legend 'patchctl-deadman-*' | wc -l");
    wait_until("its watch is gone", 10, || units().trim() == "0");
    let etc = uat.sh("find /etc /usr/local/lib -name '*patchctl*'");
    assert_eq!(etc.trim(), "", "nothing of it stays");
    let document = bench.json(0, &["resume", "last", "--approve", "all", "--reason", "fine"]);
    assert_eq!(standing(&document, "uat-1"), "PATCH/SUCCESS patched");
    assert_eq!(uat.dpkg_actions(), ["upgrade lab-plain:all 1.0 2.0"]);
}

#[test]
fn a_host_whose_controller_died_undoes_the_change_and_says_so_later() {
    let Some(bench) = Bench::start(&[with("uat-1", "lab-slow")]) else { return };
    let uat = bench.host("uat-1");
    uat.write("/etc/lab-slow.seconds", "3\n");
    bench.plan_of("lab", "packages = [\"lab-slow\"]", "dead_man = \"10s\"");
    let before = bench.snapshots();
    let mut run = bench.spawn("run", &RUN);
    wait_until("dpkg is at work", 60, || !uat.dpkg_actions().is_empty());
    run.kill().unwrap();
    run.wait().unwrap();
    wait_until("it went back", 90, || uat.version("lab-slow") == "1.0" && uat.dpkg_actions().len() == 2);
    let document = bench.json(5, &["resume", "last", "--approve", "all", "--reason", "fine"]);
    assert_eq!(standing(&document, "uat-1"), "ROLLBACK/SUCCESS restored");
    assert_eq!(host(&document, "uat-1")["rollback"]["self"], true);
    assert_eq!(uat.dpkg_actions(), ["upgrade lab-slow:all 1.0 2.0", "upgrade lab-slow:all 2.0 1.0"]);
    bench.assert_same(&before);
}

#[test]
fn a_signal_leaves_no_host_that_would_undo_its_change() {
    let Some(bench) = Bench::start(&[with("uat-1", "lab-slow")]) else { return };
    let uat = bench.host("uat-1");
    uat.write("/etc/lab-slow.seconds", "3\n");
    bench.plan_of("lab", "packages = [\"lab-slow\"]", "dead_man = \"20s\"");
    let mut run = bench.spawn("run", &RUN);
    wait_until("dpkg is at work", 60, || !uat.dpkg_actions().is_empty());
    bench.signal(&run, rustix::process::Signal::INT);
    assert_eq!(run.wait().unwrap().code(), Some(130), "{}", bench.read("run.err"));
    std::thread::sleep(std::time::Duration::from_secs(25));
    assert_eq!(uat.version("lab-slow"), "2.0", "it was told before the run was left");
    let document = bench.json(0, &["resume", "last", "--yes", "--approve", "all", "--reason", "fine"]);
    assert_eq!(standing(&document, "uat-1"), "PATCH/SUCCESS patched");
    assert_eq!(uat.dpkg_actions(), ["upgrade lab-slow:all 1.0 2.0"]);
}

#[test]
fn without_a_word_in_the_plan_only_hosts_whose_way_in_is_touched_wait_to_be_told() {
    let Some(bench) = Bench::start(&[with("uat-1", "lab-sshd-break"), with("uat-2", "lab-plain")]) else { return };
    bench.plan_of("lab", "packages = [\"lab-sshd-break\", \"lab-plain\"]", "approval = { when = \"before\" }");
    let waits = bench.json(3, &["run", "plan.toml", "--yes"]);
    bench.hosts.iter().for_each(Host::assert_untouched);
    let waits_for: std::collections::BTreeMap<String, Value> = bench
        .journal()
        .iter()
        .filter(|event| event["event"] == "step_ended" && event["step"] == "resolve")
        .map(|event| (event["host"].to_string(), event["result"]["resolved"]["dead_man"].clone()))
        .collect();
    assert_eq!(waits_for.into_values().collect::<Vec<_>>(), [Value::from(300), Value::Null], "{waits:#}");
}
