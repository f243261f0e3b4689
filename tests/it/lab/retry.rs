//! Hosts that do not answer, and hosts that fail: trying them again.

use super::bench::{Bench, first_error, standing};
use super::host::plain;

const RUN: [&str; 6] = ["run", "plan.toml", "--yes", "--approve", "all", "--reason=fine"];

#[test]
fn a_host_that_comes_back_is_tried_again() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("uat-2"), plain("prod-1")]) else { return };
    bench.plan_of("lab", "packages = [\"lab-plain\"]", "max_unreachable = 1");
    let away = bench.host("uat-2");
    away.sh("systemctl stop ssh.service ssh.socket 2>/dev/null || systemctl stop ssh.service");
    let document = bench.json(8, &RUN);
    assert_eq!(document["outcome"], "partial");
    assert_eq!((&document["summary"]["patched"], &document["summary"]["unreachable"]), (&2.into(), &1.into()));
    assert_eq!(standing(&document, "uat-2"), "NONE/FAILED unreachable");
    assert_eq!(first_error(&document)["kind"], "unreachable");
    away.assert_untouched();

    away.sh("systemctl start ssh.service");
    let run = document["run_id"].as_str().unwrap();
    let others = [bench.host("uat-1").dpkg_actions(), bench.host("prod-1").dpkg_actions()];
    let document = bench.json(0, &["resume", run, "--failed", "--yes", "--approve", "all", "--reason", "it is back"]);
    assert_eq!(standing(&document, "uat-2"), "PATCH/SUCCESS patched");
    assert_eq!(away.dpkg_actions(), ["upgrade lab-plain:all 1.0 2.0"]);
    assert_eq!([bench.host("uat-1").dpkg_actions(), bench.host("prod-1").dpkg_actions()], others);
    assert!(bench.hosts.iter().all(|host| !host.is_claimed()));
}

#[test]
fn above_max_unreachable_nothing_begins() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("uat-2"), plain("prod-1")]) else { return };
    bench.plan("packages = [\"lab-plain\"]");
    bench.host("uat-2").sh("systemctl stop ssh.service");
    let document = bench.json(7, &RUN);
    assert_eq!(document["outcome"], "refused");
    assert_eq!(standing(&document, "uat-1"), "NONE/SKIPPED not_begun");
    assert_eq!(standing(&document, "uat-2"), "NONE/FAILED unreachable");
    bench.hosts.iter().for_each(super::host::Host::assert_untouched);

    bench.host("uat-2").sh("systemctl start ssh.service");
    let document = bench.json(0, &["resume", "last", "--failed", "--yes", "--approve", "all", "--reason", "fine"]);
    assert_eq!(document["summary"]["patched"], 3);
}

#[test]
fn one_of_those_that_failed_is_tried_again_by_itself() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("uat-2")]) else { return };
    let check = "parallel = 2\n[[stage.check]]\nname = \"app\"\nrun = \"test -e /root/well\"\nwhen = \"after\"\nwithin = \"1s\"";
    bench.plan_of("lab", "packages = [\"lab-plain\"]", check);
    let document = bench.json(5, &RUN);
    assert_eq!(document["summary"]["rolled_back"], 2);

    bench.host("uat-1").write("/root/well", "");
    let run = document["run_id"].as_str().unwrap();
    let again = ["resume", run, "--failed", "-l", "uat-1", "--yes", "--approve", "all", "--reason", "mended"];
    let document = bench.json(5, &again);
    assert_eq!(standing(&document, "uat-1"), "PATCH/SUCCESS patched", "{document:#}");
    assert_eq!(standing(&document, "uat-2"), "ROLLBACK/SUCCESS restored");
    assert_eq!(bench.host("uat-2").version("lab-plain"), "1.0");
    assert!(bench.hosts.iter().all(|host| !host.is_claimed()));
}
