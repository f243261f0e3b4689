//! Hosts that boot: because the patch wants it, or in the middle of it.

use serde_json::Value;

use super::bench::{Bench, host, standing};
use super::host::{Spec, plain, spec, wait_until};

const RUN: [&str; 6] = ["run", "plan.toml", "--yes", "--approve", "all", "--reason=fine"];

fn wanting(name: &'static str) -> Spec {
    spec(name).repo("handmade").install(&["lab-reboot=1.0"])
}

#[test]
fn hosts_that_need_it_boot_one_after_the_other() {
    let held = |name| wanting(name).install(&["lab-held=1.0"]);
    let Some(bench) = Bench::start(&[held("uat-1"), held("uat-2"), plain("uat-3")]) else { return };
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
    // The second began to boot only when the first was back.
    assert_eq!(boots(&bench, &document), ["step_started", "step_ended", "step_started", "step_ended"]);

    // Two of the three at a time, though their patch asks for no boot.
    bench.plan_of("lab", "packages = [\"lab-held\"]", "reboot = \"always\"\nreboot_parallel = \"67%\"");
    let document = bench.json(0, &RUN);
    let reboot = &host(&document, "uat-1")["reboot"];
    assert_eq!((&reboot["done"], &reboot["reason"]), (&true.into(), &"the plan says reboot = \"always\"".into()));
    assert_eq!(boots(&bench, &document), ["step_started", "step_started", "step_ended", "step_ended"]);
    assert_eq!(bench.host("uat-3").lab("boots", &[]).trim(), "0", "nothing was changed on it");
}

/// When hosts of this run began to boot, and were back.
fn boots(bench: &Bench, document: &Value) -> Vec<String> {
    let journal = format!("state/runs/{}/journal.jsonl", document["run_id"].as_str().unwrap());
    let events = bench.read(&journal).lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
    let boots = events.iter().filter(|event| event["step"] == "reboot");
    boots.map(|event| event["event"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_host_that_is_not_back_from_its_boot_in_time_goes_back() {
    let Some(bench) = Bench::start(&[plain("uat-1")]) else { return };
    let uat = bench.host("uat-1");
    // From the next boot on, nobody gets in for a while.
    uat.sh("mkdir /etc/systemd/system/ssh.service.d
        printf '[Service]\\nExecStartPre=/bin/sleep 20\\n' >/etc/systemd/system/ssh.service.d/late.conf
        systemctl daemon-reload");
    let stage = "reboot = \"always\"\nreboot_timeout = \"8s\"\ndead_man = \"off\"";
    bench.plan_of("lab", "packages = [\"lab-plain\"]", stage);
    let document = bench.json(5, &RUN);
    assert_eq!(standing(&document, "uat-1"), "ROLLBACK/SUCCESS restored", "{document:#}");
    let error = &host(&document, "uat-1")["error"];
    assert_eq!(error["kind"], "reboot");
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("did not come back from its reboot within 8 s: "), "{message}");
    assert_eq!((uat.version("lab-plain"), uat.lab("boots", &[]).trim()), ("1.0".to_owned(), "1"));
}

#[test]
fn a_boot_that_is_due_is_listed_where_the_plan_wants_none() {
    let Some(bench) = Bench::start(&[wanting("uat-1")]) else { return };
    // Nor does it want anybody asked.
    bench.plan_of("lab", "packages = [\"lab-reboot\"]", "approval = false");
    let document = bench.json(0, &RUN[..3]);
    assert_eq!(standing(&document, "uat-1"), "PATCH/SUCCESS patched");
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
