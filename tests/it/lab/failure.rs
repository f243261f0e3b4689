//! Patches that fail.

use super::bench::{Bench, first_error, host, stage, standing};
use super::host::{plain, spec};

#[test]
fn a_failing_postinst_takes_the_stage_back_or_its_wave() {
    // The second host has the package whose patch fails; the first one's patch works, and goes back all the same.
    let failing = spec("uat-2").repo("handmade").install(&["lab-plain=1.0", "lab-failing=1.0"]);
    let Some(bench) = Bench::start(&[plain("uat-1"), failing, plain("uat-3"), plain("prod-1")]) else { return };
    bench.plan_of("lab", "packages = [\"lab-plain\", \"lab-failing\"]", "waves = [1]");
    let before = bench.snapshots();

    let document = bench.json(5, &["run", "plan.toml", "--yes", "--approve", "all", "--reason", "fine"]);
    assert_eq!(document["outcome"], "failed");
    assert_eq!(document["summary"]["rolled_back"], 2);
    let error = first_error(&document);
    assert_eq!((&error["kind"], &error["host"], &error["step"]), (&"apply".into(), &"uat-2".into(), &"apply".into()));
    assert!(error["message"].as_str().unwrap().contains("lab-failing"), "{error:#}");
    for name in ["uat-1", "uat-2"] {
        assert_eq!(standing(&document, name), "ROLLBACK/SUCCESS restored");
        assert_eq!(host(&document, name)["rollback"]["exact"], true);
        assert!(!bench.host(name).is_claimed());
        assert!(bench.host(name).dpkg_actions().iter().any(|action| action == "upgrade lab-plain:all 1.0 2.0"));
    }
    assert!(host(&document, "uat-1")["action_cause"].as_str().unwrap().contains("uat-2"));
    assert_eq!(stage(&document, "uat")["state"], "FAILED");
    assert_eq!(stage(&document, "uat")["decision"], serde_json::Value::Null, "nobody was asked");
    assert_eq!(stage(&document, "prod")["state"], "SKIPPED");
    bench.assert_same(&before);
    bench.host("prod-1").assert_untouched();
    bench.host("uat-3").assert_untouched();
    assert_eq!(bench.host("uat-2").sh("dpkg --audit; apt-get check 2>&1 | grep -c E: || true").trim(), "0");

    // Of a narrower scope, the wave before stays as it is until somebody decides.
    let wave = "waves = [1, 2]\nrollback_scope = \"wave\"";
    bench.plan_of("lab", "packages = [\"lab-plain\", \"lab-failing\"]", wave);
    let document = bench.json(3, &["run", "plan.toml", "--yes"]);
    assert_eq!(standing(&document, "uat-1"), "PATCH/SUCCESS waiting");
    assert_eq!(document["waiting"]["stage"], "uat", "{document:#}");
    for name in ["uat-2", "uat-3"] {
        assert_eq!(standing(&document, name), "ROLLBACK/SUCCESS restored");
    }
    let plain = "upgrade lab-plain:all 1.0 2.0";
    assert_eq!(bench.host("uat-3").dpkg_actions(), [plain, "upgrade lab-plain:all 2.0 1.0"], "it was well");
    assert_eq!(bench.host("uat-1").version("lab-plain"), "2.0");
    bench.host("prod-1").assert_untouched();
}
