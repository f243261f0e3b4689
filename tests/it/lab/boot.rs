//! Hosts that boot: because the patch wants it, or in the middle of it.

use super::bench::{Bench, host, standing};
use super::host::{Spec, spec, wait_until};

const RUN: [&str; 6] = ["run", "plan.toml", "--yes", "--approve", "all", "--reason=fine"];

fn wanting(name: &'static str) -> Spec {
    spec(name).repo("handmade").install(&["lab-reboot=1.0"])
}

#[test]
fn hosts_that_need_it_boot_one_after_the_other() {
    let plain = spec("uat-3").repo("handmade").install(&["lab-plain=1.0"]);
    let Some(bench) = Bench::start(&[wanting("uat-1"), wanting("uat-2"), plain]) else { return };
    bench.plan_of("lab", "packages = [\"lab-reboot\", \"lab-plain\"]", "reboot = \"needed\"\ndead_man = \"60s\"");
    let document = bench.json(0, &RUN);
    assert_eq!(document["summary"]["patched"], 3);
    for name in ["uat-1", "uat-2"] {
        assert_eq!(standing(&document, name), "PATCH/SUCCESS patched");
        let reboot = &host(&document, name)["reboot"];
        assert_eq!((&reboot["needed"], &reboot["done"]), (&true.into(), &true.into()));
        assert!(reboot["reason"].as_str().unwrap().contains("lab-reboot"), "{reboot}");
        assert_eq!(bench.host(name).lab("boots", &[]).trim(), "1");
        assert!(!bench.host(name).is_claimed());
    }
    assert_eq!(host(&document, "uat-3")["reboot"], serde_json::json!({ "needed": false, "done": false }));
    assert_eq!(bench.host("uat-3").lab("boots", &[]).trim(), "0");
    // One at a time: the second began to boot only when the first was back.
    let boots: Vec<String> = bench
        .journal()
        .iter()
        .filter(|event| event["step"] == "reboot")
        .map(|event| event["event"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(boots, ["step_started", "step_ended", "step_started", "step_ended"]);
}

#[test]
fn a_boot_that_is_due_is_listed_where_the_plan_wants_none() {
    let Some(bench) = Bench::start(&[wanting("uat-1")]) else { return };
    bench.plan("packages = [\"lab-reboot\"]");
    let document = bench.json(0, &RUN);
    let reboot = &host(&document, "uat-1")["reboot"];
    assert_eq!((&reboot["needed"], &reboot["done"]), (&true.into(), &false.into()));
    assert_eq!(bench.host("uat-1").lab("boots", &[]).trim(), "0");
}

#[test]
fn a_host_that_boots_in_the_middle_of_its_patch_goes_back() {
    for dead_man in ["off", "60s"] {
        let Some(bench) = Bench::start(&[spec("uat-1").repo("handmade").install(&["lab-slow=1.0"])]) else { return };
        let uat = bench.host("uat-1");
        uat.write("/etc/lab-slow.seconds", "30\n");
        bench.plan_of("lab", "packages = [\"lab-slow\"]", &format!("dead_man = \"{dead_man}\""));
        let before = bench.snapshots();
        let args: Vec<&str> = RUN.into_iter().chain(["--output", "json"]).collect();
        let mut run = bench.spawn("run", &args);
        wait_until("dpkg is at work", 60, || !uat.dpkg_actions().is_empty());
        uat.lab("off", &[]);
        uat.lab("on", &[]);
        assert_eq!(run.wait().unwrap().code(), Some(5), "{}", bench.read("run.err"));
        let document: serde_json::Value = serde_json::from_str(&bench.read("run.out")).unwrap();
        assert_eq!(standing(&document, "uat-1"), "ROLLBACK/SUCCESS restored", "{document:#}");
        assert!(host(&document, "uat-1")["action_cause"].as_str().unwrap().contains("booted"), "{document:#}");
        assert!(!uat.is_claimed());
        assert_eq!(uat.sh("dpkg --audit").trim(), "");
        bench.assert_same(&before);
    }
}

#[test]
fn a_playbook_that_cannot_boot_its_host_is_refused_before_anything_is_changed() {
    let Some(bench) = Bench::start(&[wanting("uat-1")]) else { return };
    bench.playbook_without("reboot");
    bench.plan_of("lab", "playbook = \"own/apt.toml\"\npackages = [\"lab-reboot\"]", "reboot = \"needed\"");
    let document = bench.json(7, &RUN);
    assert!(super::bench::first_error(&document)["message"].as_str().unwrap().contains("reboot"), "{document:#}");
    bench.host("uat-1").assert_untouched();
}
