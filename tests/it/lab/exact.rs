//! The way back, to the byte.

use super::bench::{Bench, first_error, host, standing};
use super::host::{Host, Spec, spec};

/// A host with everything that a transaction can meet: see lab-app in tests/lab.
fn with_app(name: &'static str) -> Spec {
    let packages = ["lab-app=1.0", "lab-old=1.0", "lab-shared=1.0", "lab-held=1.0", "lab-plain=1.0"];
    spec(name).repo("handmade").install(&packages)
}

/// What an administrator has done to it since.
fn live_in(host: &Host) {
    host.sh("echo 'workers = 16 # ours' >>/etc/lab-app.conf
        echo '# ours' >>/etc/lab-old.conf
        rm /etc/lab-app.d/log.conf
        apt-mark auto lab-shared lab-old
        apt-mark hold lab-held");
}

#[test]
fn a_transaction_with_everything_in_it_goes_back_exactly() {
    let Some(bench) = Bench::start(&[with_app("uat-1"), with_app("prod-1")]) else { return };
    let uat = bench.host("uat-1");
    live_in(uat);
    bench.plan("select = \"all\"\nallow_removals = true");
    let before = uat.snapshot();

    let paused = bench.json(3, &["run", "plan.toml", "--yes"]);
    let app = ["lab-app", "lab-dep", "lab-held", "lab-old", "lab-plain"];
    let there: Vec<String> = uat.versions(&app).into_values().collect();
    assert_eq!(there, ["2.0", "2.0", "1.0", "", "2.0"], "a new dependency, a hold, a removal");
    assert!(uat.read("/etc/lab-app.conf").contains("# ours"), "the administrator's version stays");
    assert!(uat.sh("apt-mark showauto").lines().any(|name| name == "lab-dep"));
    assert_eq!(uat.sh("apt-mark showhold").trim(), "lab-held");

    let run = paused["run_id"].as_str().unwrap();
    let document = bench.json(4, &["reject", run, "--reason", "no", "--resume"]);
    assert_eq!(standing(&document, "uat-1"), "ROLLBACK/SUCCESS restored");
    let shown = host(&document, "uat-1");
    assert_eq!(shown["rollback"]["exact"], true, "{shown:#}");
    let change = |name: &str| shown["packages"].as_array().unwrap().iter().find(|p| p["name"] == name).unwrap().clone();
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(
        change("lab-app"),
        json(r#"{"name":"lab-app","arch":"all","before":"1.0","tried":"2.0","after":"1.0"}"#)
    );
    assert_eq!(change("lab-dep"), json(r#"{"name":"lab-dep","arch":"all","before":null,"tried":"2.0","after":null}"#));
    assert_eq!(change("lab-old"), json(r#"{"name":"lab-old","arch":"all","before":"1.0","tried":null,"after":"1.0"}"#));
    uat.assert_same(&before);
    bench.host("prod-1").assert_untouched();
}

#[test]
fn a_removal_that_nobody_allowed_is_refused() {
    let Some(bench) = Bench::start(&[with_app("uat-1"), with_app("prod-1")]) else { return };
    bench.plan("packages = [\"lab-app\"]");
    let before = bench.snapshots();
    let document = bench.json(7, &["run", "plan.toml", "--yes", "--approve", "all", "--reason", "fine"]);
    assert_eq!(document["outcome"], "refused");
    let error = first_error(&document);
    assert_eq!((&error["kind"], &error["step"]), (&"refused".into(), &"resolve".into()));
    assert!(error["message"].as_str().unwrap().contains("lab-old"), "{error:#}");
    assert!(error["hint"].as_str().unwrap().contains("allow_removals"), "{error:#}");
    assert_eq!(standing(&document, "uat-1"), "NONE/FAILED refused");
    bench.host("uat-1").assert_untouched();
    bench.host("prod-1").assert_untouched();
    bench.assert_same(&before);
}

#[test]
fn what_can_no_longer_be_downloaded_comes_from_the_cache_or_is_rebuilt() {
    let rebuilt = spec("uat-1").repo("newonly").install(&["dpkg-repack"]);
    let Some(bench) = Bench::start(&[rebuilt, spec("uat-2").repo("newonly").cached()]) else { return };
    bench.plan("packages = [\"openssl\", \"libssl3\"]");
    let before = bench.snapshots();
    let plan = bench.json(0, &["plan", "plan.toml"]);
    for name in ["uat-1", "uat-2"] {
        assert_eq!(host(&plan, name)["rollback"], serde_json::json!({"guaranteed": true, "missing": []}));
        bench.host(name).assert_untouched();
    }

    let paused = bench.json(3, &["run", "plan.toml", "--yes"]);
    let evidence = bench.patchctl(&["status", "-v"]).ended(0).out;
    assert!(evidence.contains("libssl3 was rebuilt from what is installed"), "{evidence}");
    let run = paused["run_id"].as_str().unwrap();
    let document = bench.json(4, &["reject", run, "--reason", "no", "--resume"]);
    assert_eq!(host(&document, "uat-1")["rollback"]["exact"], true, "{document:#}");
    bench.assert_same(&before);
}

#[test]
fn where_there_is_no_way_back_nothing_is_begun() {
    let stuck = |name| spec(name).repo("handmade-new").install(&["lab-plain=1.0"]);
    let Some(bench) = Bench::start(&[stuck("uat-1"), stuck("prod-1")]) else { return };
    let uat = bench.host("uat-1");
    bench.plan("packages = [\"lab-plain\"]");
    let plan = bench.json(0, &["plan", "plan.toml"]);
    assert_eq!(host(&plan, "uat-1")["rollback"]["guaranteed"], true, "it can be rebuilt");
    // Not without the list of its files.
    uat.sh("rm /var/lib/dpkg/info/lab-plain.list");
    let before = uat.snapshot();
    let document = bench.json(7, &["run", "plan.toml", "--yes", "--approve", "all", "--reason", "fine"]);
    assert_eq!(standing(&document, "uat-1"), "NONE/FAILED refused");
    let error = first_error(&document);
    assert_eq!((&error["kind"], &error["host"]), (&"refused".into(), &"uat-1".into()));
    assert!(error["message"].as_str().unwrap().contains("lab-plain 1.0"), "{error:#}");
    assert!(error["hint"].is_string(), "{error:#}");
    assert_eq!(uat.dpkg_actions(), [""; 0]);
    assert!(!uat.is_claimed());
    uat.assert_same(&before);
    bench.host("prod-1").assert_untouched();
}
