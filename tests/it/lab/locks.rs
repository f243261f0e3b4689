//! Somebody else is at work with dpkg.

use std::time::{Duration, Instant};

use super::bench::{Bench, first_error, standing};
use super::host::{plain, wait_until};

#[test]
fn a_held_lock_is_waited_for_as_long_as_the_plan_says_and_its_holder_is_named() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("prod-1")]) else { return };
    bench.plan("packages = [\"lab-plain\"]\n[patch.vars]\nlock_timeout = \"5\"");
    let uat = bench.host("uat-1");
    uat.lab("lock", &[]);
    let holder = uat.main_pid("lab-lock");

    let began = Instant::now();
    let document = bench.json(7, &["run", "plan.toml", "--yes", "--approve", "all", "--reason", "fine"]);
    // Without the plan's word it would be two minutes.
    assert!(began.elapsed() < Duration::from_secs(110), "{:?}", began.elapsed());
    assert_eq!(document["outcome"], "refused");
    assert_eq!(standing(&document, "uat-1"), "NONE/FAILED refused");
    let error = first_error(&document);
    assert_eq!((&error["kind"], &error["host"]), (&"locked".into(), &"uat-1".into()));
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("unattended-upgr") && message.contains(&holder), "{holder} in {message}");
    assert_eq!(uat.dpkg_actions(), [""; 0]);
    assert!(!uat.is_claimed());
    bench.host("prod-1").assert_untouched();
}

#[test]
fn a_lock_that_is_released_in_time_costs_only_time() {
    let Some(bench) = Bench::start(&[plain("uat-1")]) else { return };
    bench.plan("packages = [\"lab-plain\"]\n[patch.vars]\nlock_timeout = \"60\"");
    let uat = bench.host("uat-1");
    uat.lab("lock", &[]);
    let mut run = bench.spawn("run", &["run", "plan.toml", "--yes", "--approve", "all", "--reason", "fine"]);
    wait_until("somebody is told who has the lock", 30, || bench.read("run.err").contains("unattended-upgr"));
    uat.lab("unlock", &[]);
    assert_eq!(run.wait().unwrap().code(), Some(0), "{}", bench.read("run.err"));
    assert_eq!(uat.version("lab-plain"), "2.0");
}

#[test]
fn an_interrupted_dpkg_is_mended_first() {
    let host = plain("uat-1").install(&["lab-held=1.0"]);
    let Some(bench) = Bench::start(&[host]) else { return };
    let uat = bench.host("uat-1");
    bench.plan("packages = [\"lab-plain\"]");
    // As a power cut would have left it: unpacked, not configured.
    uat.sh("cd /root; apt-get -qq update; apt-get -qq download lab-held=2.0; dpkg --unpack lab-held_2.0_all.deb");
    let document = bench.json(0, &["run", "plan.toml", "--yes", "--approve", "all", "--reason", "fine"]);
    assert_eq!(standing(&document, "uat-1"), "PATCH/SUCCESS patched");
    assert_eq!(uat.versions(&["lab-held", "lab-plain"]).into_values().collect::<Vec<_>>(), ["2.0", "2.0"]);
    assert_eq!(uat.sh("dpkg --audit"), "");
}
