//! What is fetched ahead of a window, and what is done where nothing can go back.

use jiff::{SignedDuration, tz::TimeZone};
use patchctl::adapters::clock::SystemClock;
use patchctl::ports::Clock as _;

use super::bench::{Bench, host, standing};
use super::host::{plain, wait_until};

#[test]
fn what_a_stage_needs_is_fetched_before_its_window() {
    let Some(bench) = Bench::start(&[plain("uat-1")]) else { return };
    let uat = bench.host("uat-1");
    let opens = SystemClock.now() + SignedDuration::from_secs(45);
    let start = opens.to_zoned(TimeZone::UTC).strftime("%H:%M:%S").to_string();
    let window = format!("prefetch = true\n[[stage.window]]\nstart = \"{start}\"\nlength = \"1h\"\n");
    bench.plan_of("lab", "packages = [\"lab-plain\"]", &window);
    let flags = ["--yes", "--approve", "all", "--reason", "fine", "--wait", "5m", "--output", "json"];
    let mut child = bench.spawn("run", &[&["run", "plan.toml"], &flags[..]].concat());
    wait_until("it waits for its window", 40, || bench.read("run.err").contains("waiting here until"));
    let run = bench.journal()[0]["event"].clone();
    assert!(!run.is_null());
    let fetched = uat.sh("ls /var/lib/patchctl/stash/*/new/*.deb");
    assert!(fetched.contains("lab-plain_2.0"), "{fetched}");
    assert_eq!(uat.version("lab-plain"), "1.0");
    assert!(!uat.is_claimed(), "others may change it meanwhile");
    assert!(SystemClock.now() < opens, "the window has opened meanwhile: nothing was shown");
    assert_eq!(child.wait().unwrap().code(), Some(0), "{}", bench.read("run.err"));
    assert_eq!(uat.version("lab-plain"), "2.0");
}

#[test]
fn what_cannot_be_undone_needs_something_else_and_says_so() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("prod-1")]) else { return };
    bench.playbook_without("rollback");
    let text = bench.read("own/apt.toml");
    bench.write(
        "own/apt.toml",
        &text.replacen("schema = 1", "schema = 1\nirreversible = \"firmware has no older version\"", 1),
    );
    let patch = "playbook = \"own/apt.toml\"\npackages = [\"lab-plain\"]";
    bench.plan_of("lab", patch, "");
    let answer = bench.patchctl(&["check", "plan.toml"]).ended(2);
    assert!(
        answer.err.contains("cannot be undone (firmware has no older version), and stage uat does not say"),
        "{}",
        answer.err
    );

    // On this machine for the one, on the host for the other, where it does not come to its end.
    let here = "compensate = { local = \"echo fail over from {{ host.name }} >>instead.log\" }";
    let there = "compensate = { run = \"echo fails over >/root/instead; sleep 30\", timeout = \"1s\" }";
    bench.plan_of("lab", patch, &format!("needs = []\n{here}"));
    let plan = bench.read("plan.toml");
    let (uat, prod) = plan.rsplit_once(here).unwrap();
    bench.write("plan.toml", &format!("{uat}{there}{prod}"));
    let document = bench.json(3, &["run", "plan.toml", "--yes"]);
    let id = document["run_id"].as_str().unwrap();
    let status = bench.patchctl(&["status", id]);
    assert!(status.out.contains("CANNOT BE UNDONE: firmware has no older version"), "{}", status.out);
    assert!(
        status.out.contains("1 host CANNOT BE UNDONE: the plan's compensating action runs there instead"),
        "{}",
        status.out
    );
    bench.json(0, &["reject", id, "--stage", "uat", "--reason", "it does not boot"]);
    let document = bench.json(6, &["reject", id, "--stage", "prod", "--reason", "it does not boot", "--resume"]);
    assert_eq!(standing(&document, "uat-1"), "ROLLBACK/FAILED not_exact");
    assert_eq!(bench.read("instead.log"), "fail over from uat-1\n");
    let differences = &host(&document, "uat-1")["rollback"]["differences"];
    assert_eq!(differences[0], "package lab-plain: 1.0 before, 2.0 now", "{document:#}");
    assert_eq!(bench.host("uat-1").version("lab-plain"), "2.0");
    assert_eq!(standing(&document, "prod-1"), "ROLLBACK/FAILED rollback_failed");
    let error = &host(&document, "prod-1")["error"];
    assert_eq!(error["message"], "compensate did not end within 1 s", "{error}");
    assert_eq!(bench.host("prod-1").read("/root/instead"), "fails over\n");
}
