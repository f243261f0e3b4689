//! Decisions at the terminal.

use super::bench::{Bench, host, stage, standing};
use super::host::{plain, spec};
use super::terminal::Choice;

const PLAIN: &str = "packages = [\"lab-plain\"]";

#[test]
fn a_rejected_update_leaves_the_host_as_it_was() {
    let Some(bench) = Bench::start(&[spec("uat-1"), spec("prod-1")]) else { return };
    let (uat, prod) = (bench.host("uat-1"), bench.host("prod-1"));
    bench.plan("packages = [\"openssl\", \"libssl3\"]");
    let before = uat.snapshot();
    let old = uat.version("libssl3");

    let mut terminal = bench.terminal(&["run", "plan.toml", "--output", "json"]);
    terminal.begin(true);
    terminal.gate();
    assert_ne!(uat.version("libssl3"), old, "the gate opens after the patch");
    assert!(uat.is_claimed());
    terminal.decide(Choice::Reject, "latency doubled");
    let document = terminal.end().ended(4).json();

    assert_eq!(document["outcome"], "rejected");
    assert_eq!(document["summary"]["rolled_back"], 1);
    assert_eq!(standing(&document, "uat-1"), "ROLLBACK/SUCCESS restored");
    let shown = host(&document, "uat-1");
    assert_eq!(shown["action_cause"], "latency doubled");
    assert_eq!(shown["rollback"], serde_json::json!({"exact": true, "differences": [], "self": false}));
    assert_eq!((&shown["packages"][0]["before"], &shown["packages"][0]["after"]), (&old.clone().into(), &old.into()));
    let uat_stage = stage(&document, "uat");
    assert_eq!(uat_stage["state"], "REJECTED");
    assert_eq!(uat_stage["decision"]["verdict"], "rejected");
    assert_eq!(uat_stage["decision"]["by"][0]["how"], "prompt");
    assert_eq!(uat_stage["decision"]["by"][0]["reason"], "latency doubled");
    assert_eq!(stage(&document, "prod")["state"], "SKIPPED");
    assert_eq!(standing(&document, "prod-1"), "NONE/SKIPPED not_begun");

    uat.assert_same(&before);
    assert_eq!(uat.on_old_code("libssl"), [].into(), "services run the restored library");
    assert!(!uat.is_claimed());
    prod.assert_untouched();
}

#[test]
fn an_update_is_approved_after_a_look_at_the_details() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("prod-1")]) else { return };
    bench.plan(PLAIN);
    let mut terminal = bench.terminal(&["run", "plan.toml", "--output", "json"]);
    terminal.expect("lab-plain");
    terminal.begin(true);
    terminal.gate();
    bench.host("prod-1").assert_untouched();
    terminal.choose(Choice::Details);
    terminal.expect("packages after");
    terminal.gate();
    terminal.decide(Choice::Approve, "smoke tests fine");
    terminal.gate();
    assert_eq!(bench.host("prod-1").version("lab-plain"), "2.0");
    terminal.decide(Choice::Approve, "all quiet");
    let answer = terminal.end().ended(0);
    let document = answer.json();
    assert_eq!(document["outcome"], "complete");
    assert_eq!(host(&document, "uat-1")["action_cause"], "smoke tests fine");
    assert_eq!(host(&document, "prod-1")["action_cause"], "all quiet");
    assert!(!bench.host("uat-1").is_claimed() && !bench.host("prod-1").is_claimed());
}

#[test]
fn no_before_the_first_change_changes_nothing() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("prod-1")]) else { return };
    bench.plan(PLAIN);
    let mut terminal = bench.terminal(&["run", "plan.toml", "--output", "json"]);
    terminal.begin(false);
    let document = terminal.end().ended(7).json();
    assert_eq!(document["outcome"], "refused");
    bench.host("uat-1").assert_untouched();
    bench.host("prod-1").assert_untouched();
}

#[test]
fn ctrl_c_at_the_gate_leaves_the_run_waiting() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("prod-1")]) else { return };
    bench.plan(PLAIN);
    let mut terminal = bench.terminal(&["run", "plan.toml", "--output", "json"]);
    terminal.begin(true);
    terminal.gate();
    terminal.interrupt();
    let paused = terminal.end().ended(3).json();
    assert_eq!(paused["outcome"], "paused");
    assert_eq!(standing(&paused, "uat-1"), "PATCH/SUCCESS waiting");
    let waiting = &paused["waiting"];
    assert_eq!((&waiting["kind"], &waiting["stage"]), (&"approval".into(), &"uat".into()));
    assert!(bench.host("uat-1").is_claimed(), "the claim lasts as long as the pause");
    assert_eq!(bench.json(0, &["status"])["waiting"]["digest"], waiting["digest"]);

    let (run, digest) = (paused["run_id"].as_str().unwrap(), waiting["digest"].as_str().unwrap());
    let approved = bench.json(0, &["approve", run, "--digest", digest, "--reason", "fine by me"]);
    assert_eq!(approved["verdict"], "approved");
    bench.host("prod-1").assert_untouched();
    let document = bench.json(0, &["resume", run, "--approve", "prod", "--reason", "go on"]);
    assert_eq!(stage(&document, "uat")["decision"]["by"][0]["how"], "command");
    assert_eq!(bench.host("prod-1").version("lab-plain"), "2.0");
}

#[test]
fn leaving_it_waiting_is_a_choice() {
    let Some(bench) = Bench::start(&[plain("uat-1")]) else { return };
    bench.plan(PLAIN);
    let mut terminal = bench.terminal(&["run", "plan.toml", "--yes"]);
    terminal.gate();
    terminal.choose(Choice::Wait);
    let answer = terminal.end().ended(3);
    let shown = format!("{}{}", answer.out, answer.err);
    assert!(shown.contains("patchctl approve"), "it says how to go on: {shown}");
    // A terminal that resumes is asked again.
    let mut terminal = bench.terminal(&["resume", "last", "--output", "json"]);
    terminal.gate();
    terminal.decide(Choice::Approve, "had lunch");
    assert_eq!(host(&terminal.end().ended(0).json(), "uat-1")["action_cause"], "had lunch");
}
