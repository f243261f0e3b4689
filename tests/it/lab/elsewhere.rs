//! Decisions from another terminal, and two runs that want the same host.

use super::bench::{Bench, first_error, host, stage, standing};
use super::host::plain;

const PLAIN: &str = "packages = [\"lab-plain\"]";

#[test]
fn a_paused_run_is_rejected_from_elsewhere() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("prod-1")]) else { return };
    bench.plan(PLAIN);
    let before = bench.host("uat-1").snapshot();
    let paused = bench.json(3, &["run", "plan.toml", "--yes"]);
    let run = paused["run_id"].as_str().unwrap();
    assert_eq!(bench.host("uat-1").version("lab-plain"), "2.0");

    // What is approved must be named, and rightly; a rejection needs its reason.
    let wrong = bench.json(2, &["approve", run, "--digest", "00000000", "--reason", "fine"]);
    assert_eq!(first_error(&wrong)["kind"], "invalid");
    bench.json(2, &["approve", run, "--reason", "fine"]);
    bench.json(2, &["reject", run]);
    assert_eq!(bench.json(0, &["status", run])["waiting"]["kind"], "approval");

    // A write that was cut off must not take the decision with it.
    let journal = format!("state/runs/{run}/journal.jsonl");
    bench.write(&journal, &format!("{}{{\"v\":1,\"seq\":9", bench.read(&journal)));
    let answer = bench.patchctl(&["reject", run, "--reason", "latency doubled", "--output", "json"]).ended(0);
    assert_eq!(answer.json()["verdict"], "rejected");
    assert!(answer.err.contains("incomplete record"), "{}", answer.err);
    assert_eq!(bench.json(0, &["status", run])["waiting"]["have"], 1);
    bench.json(2, &["approve", run, "--digest", paused["waiting"]["digest"].as_str().unwrap(), "--reason", "late"]);
    // What cron runs: all that is due is one document, and afterwards nothing is due.
    let due = bench.json(4, &["resume", "--due"]);
    let document = due["runs"][0].clone();
    assert_eq!(document["outcome"], "rejected");
    let nothing = bench.patchctl(&["resume", "--due"]).ended(0);
    assert_eq!((nothing.out.as_str(), nothing.err.as_str()), ("", ""));
    assert_eq!(standing(&document, "uat-1"), "ROLLBACK/SUCCESS restored");
    assert_eq!(host(&document, "uat-1")["action_cause"], "latency doubled");
    bench.host("uat-1").assert_same(&before);
    assert!(!bench.host("uat-1").is_claimed());
    bench.host("prod-1").assert_untouched();
    assert_eq!(bench.patchctl(&["status", run, "--exit-code"]).code, Some(4));
}

#[test]
fn flags_that_do_not_fit_leave_no_run_behind() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("prod-1")]) else { return };
    bench.plan(PLAIN);
    bench.json(2, &["run", "plan.toml", "--approve", "nope", "--reason", "x"]);
    bench.json(2, &["run", "plan.toml", "--wait", "soon"]);
    assert_eq!(bench.json(0, &["runs"])["runs"].as_array().unwrap().len(), 0);
    // Without hosts of UAT there is nothing that production could be held to.
    let document = bench.json(7, &["run", "plan.toml", "--yes", "--limit", "prod-1"]);
    assert_eq!(stage(&document, "prod")["state"], "SKIPPED");
    assert!(first_error(&document)["message"].as_str().unwrap().contains("--limit"));
    bench.json(3, &["run", "plan.toml", "--yes"]);
    bench.json(2, &["resume", "last", "--limit", "uat-1"]);
    bench.json(2, &["reject", "last", "--reason", "x", "--limit", "uat-1"]);
    bench.json(2, &["resume", "last", "--change", "OTHER"]);
    bench.host("prod-1").assert_untouched();
}

#[test]
fn a_decision_from_elsewhere_reaches_the_process_at_its_prompt() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("prod-1")]) else { return };
    bench.plan(PLAIN);
    let before = bench.host("prod-1").snapshot();
    let mut terminal = bench.terminal(&["run", "plan.toml", "--yes", "--output", "json"]);
    terminal.gate();
    let live = bench.json(0, &["status"]);
    assert_eq!(live["outcome"], "running");
    let digest = live["waiting"]["digest"].as_str().unwrap();
    bench.json(2, &["approve", "last", "--digest", "12345678", "--reason", "wrong"]);
    bench.json(0, &["approve", "last", "--digest", digest, "--reason", "from my phone"]);
    terminal.gate();
    assert_eq!(bench.host("prod-1").version("lab-plain"), "2.0");
    bench.json(0, &["reject", "last", "--reason", "not in production"]);
    let document = terminal.end().ended(4).json();
    assert_eq!(standing(&document, "uat-1"), "PATCH/SUCCESS patched");
    assert_eq!(standing(&document, "prod-1"), "ROLLBACK/SUCCESS restored");
    assert_eq!(stage(&document, "uat")["decision"]["by"][0]["how"], "command");
    bench.host("prod-1").assert_same(&before);
}

#[test]
fn a_host_belongs_to_one_run_at_a_time() {
    let first = plain("uat-1").install(&["lab-held=1.0"]);
    let Some(bench) = Bench::start(&[first, plain("prod-1")]) else { return };
    bench.plan(PLAIN);
    bench.plan_of("other", "packages = [\"lab-held\"]", "");
    let paused = bench.json(3, &["run", "plan.toml", "--yes"]);
    let run = paused["run_id"].as_str().unwrap();
    let before = bench.host("uat-1").snapshot();

    let other = ["run", "other.toml", "--yes", "--approve", "all", "--reason", "other"];
    let document = bench.json(7, &other);
    assert_eq!(document["outcome"], "refused");
    let error = first_error(&document);
    assert_eq!((&error["kind"], &error["host"]), (&"claimed".into(), &"uat-1".into()));
    assert!(error["message"].as_str().unwrap().contains(run), "{error:#}");
    assert!(error["hint"].as_str().unwrap().contains("approve"), "{error:#}");
    bench.host("uat-1").assert_same(&before);
    bench.host("prod-1").assert_untouched();

    // The same plan again is refused too, for its own open run.
    let again = bench.json(7, &["run", "plan.toml", "--yes"]);
    assert!(first_error(&again)["message"].as_str().unwrap().contains(run), "{again:#}");

    bench.json(4, &["reject", run, "--reason", "make room", "--resume"]);
    bench.json(0, &other);
    assert_eq!(bench.host("uat-1").version("lab-held"), "2.0");
    assert_eq!(bench.host("uat-1").version("lab-plain"), "1.0");
}
