//! Records of a real run, and what is left of them on the hosts that it changed.

use serde_json::Value;

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

    let head = document["audit_head"].as_str().unwrap();
    let table = bench.patchctl(&["report", run]).ended(0).out;
    assert!(table.contains(&format!("records end with {head}\n")), "{table}");

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
    let altered = bench.json(5, &["audit", "verify"]);
    assert_eq!((&altered["ok"], kinds(&altered)), (&false.into(), vec!["record"]));

    let told = bench.patchctl(&["audit", "verify"]).ended(5).out;
    assert!(told.contains(&format!("run {run}, record ")) && told.contains("copy it away"), "{told}");

    // A journal cut short, and the site's chain with it: only the hosts know that there was more.
    let first = whole.lines().next().unwrap();
    bench.write(&journal, &format!("{first}\n"));
    std::fs::remove_file(bench.path("state/chain.jsonl")).unwrap();
    let alone = bench.json(5, &["audit", "verify"]);
    assert_eq!(kinds(&alone), ["chain"], "the chain is missed, and nothing more can be said");
    let cut = bench.json(5, &["audit", "verify", "--anchors", "anchors"]);
    assert_eq!(kinds(&cut), ["chain", "truncated"]);

    // The whole run is gone, and the site's chain too.
    std::fs::remove_dir_all(bench.path(&format!("state/runs/{run}"))).unwrap();
    assert_eq!(bench.json(0, &["audit", "verify"])["ok"], true, "nothing here knows that there was a run");
    let gone = bench.json(5, &["audit", "verify", "--anchors", "anchors"]);
    assert_eq!(kinds(&gone), ["missing_run"]);
}

/// Of which kinds are the things that were found, sorted.
fn kinds(document: &Value) -> Vec<&str> {
    let runs = document["runs"].as_array().unwrap().iter();
    let all = runs
        .flat_map(|run| run["findings"].as_array().unwrap())
        .chain(document["site"]["findings"].as_array().unwrap());
    let mut kinds: Vec<&str> = all.map(|finding| finding["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    kinds
}
