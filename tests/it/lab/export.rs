//! `audit export` of runs on real hosts: one that signatures approved, one that was rejected.

use std::process::Command;

use serde_json::Value;

use super::bench::Bench;
use super::host::plain;

/// Runs this in the test's folder.
#[track_caller]
fn shell(bench: &Bench, text: &str) -> String {
    let output = Command::new("sh").args(["-euc", text]).current_dir(bench.path("")).output().unwrap();
    assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

#[test]
fn a_period_has_what_was_approved_and_what_was_rejected() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("prod-1")]) else { return };
    shell(&bench, "ssh-keygen -q -t ed25519 -N '' -f alice && echo \"alice@example.com $(cat alice.pub)\" >signers");
    let plan = |name: &str, stage: &str| {
        bench.plan_of(name, "packages = [\"lab-plain\"]", stage);
        let file = if name == "lab" { "plan.toml".to_owned() } else { format!("{name}.toml") };
        bench.write(&file, &bench.read(&file).replacen("[patch]", "allowed_signers = \"signers\"\n[patch]", 1));
    };
    plan("first", "");
    plan("lab", "approval = { signed = true }");
    // Rejected in UAT: it goes back, and production is never touched.
    let rejected = bench.json(3, &["run", "first.toml", "--yes"]);
    let no = text(&rejected["run_id"]).to_owned();
    bench.json(4, &["reject", &no, "--reason", "<b>too slow</b>", "--resume"]);
    // Approved, with a signature, in both stages.
    let mut waits = bench.json(3, &["run", "plan.toml", "--yes"]);
    let yes = text(&waits["run_id"]).to_owned();
    for code in [3, 0] {
        let digest = text(&waits["waiting"]["digest"]).to_owned();
        let approve =
            ["approve", &yes, "--digest", &digest, "--reason", "smoke tests fine", "--sign", "alice", "--resume"];
        waits = bench.json(code, &approve);
    }
    assert_eq!(bench.host("prod-1").version("lab-plain"), "2.0");

    let document = bench.json(0, &["audit", "export", "--since", "2020-01-01", "-o", "all"]);
    let outcome = |run: &str| {
        let runs = document["runs"].as_array().unwrap();
        text(&runs.iter().find(|one| one["run_id"] == run).unwrap()["outcome"]).to_owned()
    };
    assert_eq!((outcome(&no).as_str(), outcome(&yes).as_str()), ("rejected", "complete"));
    shell(&bench, "cd all && sha256sum --quiet -c SHA256SUMS");
    let signed: Vec<String> = bench
        .read("all/README.md")
        .lines()
        .filter_map(|line| line.strip_prefix("    ssh-keygen "))
        .map(|line| shell(&bench, &format!("cd all && ssh-keygen {line}")))
        .collect();
    assert_eq!(signed.len(), 2, "{signed:?}");
    assert!(signed.iter().all(|said| said.starts_with("Good ")), "{signed:?}");
    let report = bench.read("all/report.html");
    for part in [
        "lab-plain",
        "1.0",
        "2.0",
        "smoke tests fine",
        "&lt;b&gt;too slow&lt;/b&gt;",
        "uat-1",
        "prod-1",
        "ROLLBACK",
        "alice@example.com",
    ] {
        assert!(report.contains(part), "{part:?} is not in the report");
    }
    assert!(!report.contains("<b>"), "what people wrote is not HTML");
    bench.json(0, &["audit", "verify", "--export", "all", "--state-dir", "elsewhere"]);
    // One of them alone has nothing of the other but its lines in the chain.
    bench.json(0, &["audit", "export", &no, "-o", "one"]);
    assert_eq!(shell(&bench, &format!("grep -rl {yes} one || true")), "", "the other run came later");
    bench.write("all/report.md", &bench.read("all/report.md").replacen("too slow", "fine", 1));
    let found = bench.json(5, &["audit", "verify", "--export", "all", "--state-dir", "elsewhere"]);
    assert!(text(&found["export"]["findings"][0]["message"]).contains("report.md is not what"), "{found:#}");
}
