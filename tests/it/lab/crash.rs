//! patchctl dies; the host does not notice.

use super::bench::{Bench, standing};
use super::host::{spec, wait_until};

#[test]
fn a_killed_run_is_taken_up_where_it_was() {
    let slow = |name| spec(name).repo("handmade").install(&["lab-slow=1.0"]);
    let Some(bench) = Bench::start(&[slow("uat-1"), slow("prod-1")]) else { return };
    let uat = bench.host("uat-1");
    uat.write("/etc/lab-slow.seconds", "6\n");
    bench.host("prod-1").write("/etc/lab-slow.seconds", "0\n");
    bench.plan("packages = [\"lab-slow\"]");
    let mut run = bench.spawn("run", &["run", "plan.toml", "--yes", "--approve", "all", "--reason", "fine"]);
    wait_until("dpkg is at work", 60, || !uat.dpkg_actions().is_empty());
    run.kill().unwrap();
    run.wait().unwrap();

    let status = bench.json(0, &["status"]);
    assert_eq!(status["outcome"], "interrupted");
    assert_eq!(bench.json(0, &["runs"])["runs"][0]["outcome"], "interrupted");
    bench.host("prod-1").assert_untouched();

    let document = bench.json(0, &["resume", "last", "--approve", "all", "--reason", "fine"]);
    assert_eq!(standing(&document, "uat-1"), "PATCH/SUCCESS patched");
    assert_eq!(standing(&document, "prod-1"), "PATCH/SUCCESS patched");
    for name in ["uat-1", "prod-1"] {
        assert_eq!(bench.host(name).dpkg_actions(), ["upgrade lab-slow:all 1.0 2.0"], "once, on {name}");
        assert!(!bench.host(name).is_claimed());
    }
}
