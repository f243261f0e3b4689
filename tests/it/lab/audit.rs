//! Records of a real run, and what is left of them on the hosts that it changed.

use super::bench::Bench;
use super::host::spec;

#[test]
fn a_host_is_a_witness_against_records_that_were_altered_or_taken_away() {
    let Some(bench) = Bench::start(&[spec("uat-1"), spec("prod-1")]) else { return };
    bench.plan("packages = [\"openssl\", \"libssl3\"]");
    let args = ["run", "plan.toml", "--yes", "--approve", "all", "--reason", "smoke tests fine"];
    let document = bench.json(0, &args);
    let run = document["run_id"].as_str().unwrap();

    let verified = bench.json(0, &["audit", "verify"]);
    assert_eq!(verified["ok"], true);
    assert_eq!(verified["runs"][0]["run_id"], run);
    assert_eq!(verified["runs"][0]["head"], document["audit_head"], "what the result says is what the records are");

    // Each host that was changed says how far the journal had come by then.
    let witness = |name: &str| bench.host(name).sh(&format!("cat /var/lib/patchctl/witness/{run}"));
    let (uat, prod) = (witness("uat-1"), witness("prod-1"));
    assert!(uat.contains(&format!("run={run} ")) && prod.contains(&format!("run={run} ")), "{uat}\n{prod}");
    assert_eq!(bench.host("prod-1").sh(&format!("stat -c '%a %U' /var/lib/patchctl/witness/{run}")).trim(), "600 root");
    bench.write("anchors", &format!("{uat}\n{prod}\n"));
    let anchored = bench.json(0, &["audit", "verify", run, "--anchors", "anchors"]);
    let lines = anchored["anchors"].as_u64().unwrap();
    assert!(lines >= 2, "{anchored:#}");
    assert!(anchored["runs"][0]["anchored"].is_object(), "{anchored:#}");

    // Another reason in the approver's mouth.
    let journal = format!("state/runs/{run}/journal.jsonl");
    let whole = bench.read(&journal);
    bench.write(&journal, &whole.replacen("smoke tests fine", "smoke tests fail", 1));
    assert_eq!(bench.json(5, &["audit", "verify"])["ok"], false);

    // A journal cut short, and the site's chain with it: only the hosts know that there was more.
    let first = whole.lines().next().unwrap();
    bench.write(&journal, &format!("{first}\n"));
    std::fs::remove_file(bench.path("state/chain.jsonl")).unwrap();
    let cut = bench.patchctl(&["audit", "verify", "--anchors", "anchors"]).ended(5);
    assert!(cut.out.contains(run), "{}", cut.out);

    // The whole run is gone, and the site's chain too.
    std::fs::remove_dir_all(bench.path(&format!("state/runs/{run}"))).unwrap();
    let gone = bench.json(5, &["audit", "verify", "--anchors", "anchors"]);
    assert_eq!(gone["ok"], false);
}
