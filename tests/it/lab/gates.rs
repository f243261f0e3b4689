//! Who may decide, how many must, what between an approval and its use makes it void, and gates between waves.

use serde_json::Value;

use super::bench::{Answer, Bench, first_error, stage, standing};
use super::host::{Spec, plain};

const PLAIN: &str = "packages = [\"lab-plain\"]";
const RUN: [&str; 3] = ["run", "plan.toml", "--yes"];

/// patchctl as this user of the system had it through sudo.
fn as_user(bench: &Bench, user: &str, args: &[&str]) -> Answer {
    let id = std::process::Command::new("id").args(["-u", user]).output().unwrap();
    let uid = String::from_utf8(id.stdout).unwrap();
    let output = bench.command(args).args(["--output", "json"]).env("SUDO_UID", uid.trim()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Answer { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Two hosts whose stages have this approval.
fn gated(hosts: &[Spec], approval: &str) -> Option<Bench> {
    let bench = Bench::start(hosts)?;
    bench.plan_of("lab", PLAIN, approval);
    Some(bench)
}

#[track_caller]
fn refused(answer: Answer, said: &str) {
    let document = answer.ended(2).json();
    let message = first_error(&document)["message"].as_str().unwrap().to_owned();
    assert!(message.contains(said), "{message:?} says nothing of {said:?}");
}

fn text<'a>(document: &'a Value, pointer: &str) -> &'a str {
    document.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {document:#}"))
}

fn approve<'a>(run: &'a str, digest: &'a str) -> Vec<&'a str> {
    vec!["approve", run, "--digest", digest, "--reason", "smoke tests fine"]
}

#[test]
fn two_of_those_who_are_named_decide_and_not_who_asked() {
    let rules = "approval = { by = [\"group:games\", \"man\", \"bin\", \"root\"], quorum = 2, four_eyes = true }";
    let Some(bench) = gated(&[plain("uat-1")], rules) else { return };
    // A flag of the requester's is no second pair of eyes.
    let paused = bench.json(3, &[&RUN[..], &["--approve", "all", "--reason", "mine"]].concat());
    let (run, digest) = (text(&paused, "/run_id"), text(&paused, "/waiting/digest"));
    assert_eq!((&paused["waiting"]["have"], &paused["waiting"]["need"]), (&0.into(), &2.into()), "{paused:#}");
    refused(as_user(&bench, "root", &approve(run, digest)), "root started this run");
    refused(as_user(&bench, "daemon", &approve(run, digest)), "daemon");

    // Whoever is not shown the question can read all of it.
    let status = bench.patchctl(&["status", run]).ended(0).out;
    for part in ["lab-plain", "1.0", "2.0", &digest["sha256:".len()..][..12], "group:games", "not root"] {
        assert!(status.contains(part), "{part} is not in\n{status}");
    }

    let first = as_user(&bench, "games", &[&approve(run, digest)[..], &["--resume"]].concat()).ended(0).json();
    assert_eq!(first["decided"], false, "{first:#}");
    let waiting = bench.json(0, &["status", run]);
    assert_eq!((&waiting["outcome"], &waiting["waiting"]["have"]), (&"paused".into(), &1.into()));
    assert_eq!(waiting["gates"][0]["approved_by"][0], "games", "{waiting:#}");
    refused(as_user(&bench, "games", &approve(run, digest)), "has approved already");
    let done = as_user(&bench, "man", &[&approve(run, digest)[..], &["--resume"]].concat()).ended(0).json();
    let by = stage(&done, "uat")["decision"]["by"].as_array().unwrap();
    let names: Vec<_> = by.iter().map(|by| (by["name"].as_str().unwrap(), by["source"].as_str().unwrap())).collect();
    assert_eq!(names, [("games", "sudo"), ("man", "sudo")]);
    refused(as_user(&bench, "bin", &["reject", run, "--reason", "too late"]), "");
    assert_eq!(bench.host("uat-1").version("lab-plain"), "2.0");
}

#[test]
fn anybody_who_is_named_can_reject_alone() {
    let rules = "approval = { by = [\"group:games\", \"man\"], quorum = 2, four_eyes = true }";
    let Some(bench) = gated(&[plain("uat-1"), plain("prod-1")], rules) else { return };
    let before = bench.host("uat-1").snapshot();
    let paused = bench.json(3, &RUN);
    let (run, digest) = (text(&paused, "/run_id"), text(&paused, "/waiting/digest"));
    as_user(&bench, "games", &approve(run, digest)).ended(0);
    refused(as_user(&bench, "daemon", &["reject", run, "--reason", "I do not like it"]), "daemon");
    let rejected = as_user(&bench, "man", &["reject", run, "--reason", "latency doubled", "--resume"]).ended(4).json();
    assert_eq!(standing(&rejected, "uat-1"), "ROLLBACK/SUCCESS restored");
    assert_eq!(text(stage(&rejected, "uat"), "/decision/verdict"), "rejected");
    bench.host("uat-1").assert_same(&before);
    bench.host("prod-1").assert_untouched();
}

#[test]
fn what_was_changed_after_its_approval_must_be_approved_again() {
    let Some(bench) = gated(&[plain("uat-1"), plain("prod-1")], "") else { return };
    let paused = bench.json(3, &RUN);
    let (run, digest) = (text(&paused, "/run_id"), text(&paused, "/waiting/digest"));
    bench.json(0, &approve(run, digest));
    // Somebody works on the host that was approved, before production begins.
    bench.host("uat-1").install_made("lab-plain", "7.0");

    let answer = bench.patchctl(&["resume", run, "--output", "json"]).ended(3);
    let void = answer.json();
    assert_eq!((text(&void, "/outcome"), text(&void, "/waiting/stage")), ("paused", "uat"));
    assert_ne!(text(&void, "/waiting/digest"), digest);
    assert!(answer.err.contains("uat-1") && answer.err.contains("lab-plain is 7.0 now, and was 2.0"), "{}", answer.err);
    let status = bench.patchctl(&["status", run]).ended(0).out;
    assert!(status.contains("since the last approval, which is void") && status.contains("7.0"), "{status}");
    bench.host("prod-1").assert_untouched();
    refused(as_user(&bench, "root", &approve(run, digest)), "digest");

    let digest = text(&void, "/waiting/digest");
    bench.json(0, &approve(run, digest));
    let next = bench.json(3, &["resume", run]);
    assert_eq!(text(&next, "/waiting/stage"), "prod");
    assert_eq!(bench.host("prod-1").version("lab-plain"), "2.0");
    let journal: Vec<Value> = bench.journal();
    let events = |kind: &str| journal.iter().filter(|record| record["event"] == kind).count();
    assert_eq!((events("approval_stale"), events("gate_opened"), events("decided")), (1, 2, 2), "{journal:#?}");
}

#[test]
fn before_production_a_host_that_differs_by_now_asks_again() {
    let approval = "approval = { when = \"before\" }";
    let Some(bench) = gated(&[plain("uat-1")], approval) else { return };
    let before = bench.host("uat-1").snapshot();
    let paused = bench.json(3, &RUN);
    let (run, digest) = (text(&paused, "/run_id"), text(&paused, "/waiting/digest"));
    bench.host("uat-1").assert_same(&before);
    bench.json(0, &approve(run, digest));
    // What was approved was 2.0; now the repository has 3.0.
    bench.host("uat-1").lab("repo", &["handmade-newer"]);
    bench.host("uat-1").sh("apt-get -q update");
    let again = bench.json(3, &["resume", run]);
    assert_ne!(text(&again, "/waiting/digest"), digest);
    assert_eq!(bench.host("uat-1").version("lab-plain"), "1.0");
    let status = bench.patchctl(&["status", run]).ended(0).out;
    assert!(status.contains("3.0") && status.contains("which is void"), "{status}");
    let digest = text(&again, "/waiting/digest");
    bench.json(0, &[&approve(run, digest)[..], &["--resume"]].concat());
    assert_eq!(bench.host("uat-1").version("lab-plain"), "3.0");
}

#[test]
fn each_wave_is_asked_for() {
    let approval = "waves = [1]\napproval = { each_wave = true }";
    let Some(bench) = gated(&[plain("uat-1"), plain("uat-2")], approval) else { return };
    let paused = bench.json(3, &RUN);
    let (run, digest) = (text(&paused, "/run_id"), text(&paused, "/waiting/digest"));
    assert!(bench.host("uat-2").dpkg_actions().is_empty());
    let next = bench.json(3, &[&approve(run, digest)[..], &["--resume"]].concat());
    assert_ne!(text(&next, "/waiting/digest"), digest);
    assert_eq!(bench.host("uat-2").version("lab-plain"), "2.0");
    let rejected = bench.json(4, &["reject", run, "--reason", "the second one is slow", "--resume"]);
    // The first wave has been approved, and stays.
    assert_eq!(standing(&rejected, "uat-1"), "PATCH/SUCCESS patched");
    assert_eq!(standing(&rejected, "uat-2"), "ROLLBACK/SUCCESS restored");
}
