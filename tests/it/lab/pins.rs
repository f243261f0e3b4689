//! Production gets what UAT proved, and nothing else.

use super::bench::{Bench, host, stage, standing};
use super::host::{plain, spec};

const RUN: [&str; 6] = ["run", "plan.toml", "--yes", "--approve", "all", "--reason=fine"];

#[test]
fn production_gets_the_proved_version_although_a_newer_one_has_come() {
    let Some(bench) = Bench::start(&[spec("uat-1").repo("handmade-old"), spec("prod-1").repo("handmade-old")]) else {
        return;
    };
    bench.hosts.iter().for_each(|host| host.install_made("lab-plain", "0.9"));
    bench.hosts.iter().for_each(|host| host.install_made("lab-held", "0.9"));
    bench.plan("packages = [\"lab-plain\"]");
    let paused = bench.json(3, &["run", "plan.toml", "--yes"]);
    assert_eq!(bench.host("uat-1").version("lab-plain"), "1.0");
    // While the gate waits, 2.0 is released.
    bench.host("prod-1").lab("repo", &["handmade"]);
    let run = paused["run_id"].as_str().unwrap();
    let digest = paused["waiting"]["digest"].as_str().unwrap();
    bench.json(0, &["approve", run, "--digest", digest, "--reason", "fine"]);
    let document = bench.json(0, &["resume", run, "--approve", "prod", "--reason", "fine"]);
    assert_eq!(bench.host("prod-1").version("lab-plain"), "1.0");
    assert_eq!(host(&document, "prod-1")["packages"][0]["after"], "1.0");
    assert_eq!(bench.host("prod-1").candidate("lab-plain"), "2.0");

    // Where the plan lets them float, production gets what is current there.
    bench.plan("packages = [\"lab-held\"]\npin = \"off\"");
    bench.json(0, &RUN);
    let held = ["uat-1", "prod-1"].map(|name| bench.host(name).version("lab-held"));
    assert_eq!(held, ["1.0", "2.0"]);
}

#[test]
fn what_no_earlier_stage_proved_is_left_out() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("prod-1").install(&["lab-held=1.0"])]) else { return };
    bench.plan("select = \"all\"");
    let document = bench.json(0, &RUN);
    assert_eq!(standing(&document, "prod-1"), "PATCH/SUCCESS patched");
    let prod = bench.host("prod-1");
    assert_eq!(prod.dpkg_actions(), ["upgrade lab-plain:all 1.0 2.0"]);
    assert_eq!(prod.version("lab-held"), "1.0");
}

#[test]
fn or_it_is_refused_if_the_plan_says_so() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("prod-1").install(&["lab-held=1.0"])]) else { return };
    bench.plan("select = \"all\"\nunproven = \"refuse\"");
    let document = bench.json(8, &RUN);
    assert_eq!(document["outcome"], "partial");
    assert_eq!(standing(&document, "uat-1"), "PATCH/SUCCESS patched");
    assert_eq!(standing(&document, "prod-1"), "NONE/FAILED unproven");
    assert_eq!(host(&document, "prod-1")["error"]["kind"], "unproven");
    assert!(host(&document, "prod-1")["error"]["message"].as_str().unwrap().contains("lab-held"));
    assert_eq!(stage(&document, "uat")["state"], "SUCCESS");
    bench.host("prod-1").assert_untouched();

    // Or a person is asked before the stage begins, at its gate.
    let asks = "select = \"all\"\nunproven = \"ask\"";
    bench.plan_of("open", asks, "approval = false");
    let refused = bench.patchctl(&["check", "open.toml"]).ended(2);
    assert!(refused.err.contains("asks at a stage's gate, and stage prod has none"), "{}", refused.err);
    bench.plan(asks);
    let document = bench.json(3, &["run", "plan.toml", "--yes", "--approve", "uat", "--reason", "fine"]);
    let waiting = &document["waiting"];
    assert_eq!((&waiting["kind"], &waiting["stage"]), (&"approval".into(), &"prod".into()), "{waiting:#}");
    bench.host("prod-1").assert_untouched();
    let (run, digest) = (document["run_id"].as_str().unwrap(), waiting["digest"].as_str().unwrap());
    let status = bench.patchctl(&["status", run]);
    assert!(status.out.contains("lab-held"), "{}", status.out);
    bench.json(0, &["approve", run, "--digest", digest, "--reason", "it may stay behind"]);
    bench.json(0, &["resume", run, "--approve", "prod", "--reason", "fine"]);
    assert_eq!(bench.host("prod-1").dpkg_actions(), ["upgrade lab-plain:all 1.0 2.0"]);
}
