//! A cron job that nobody watches: what a signed file covers goes through, and the rest waits and says why.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::bench::{Bench, stage, standing};
use super::host::{Spec, plain, spec, wait_until};

const SCOPE: &str = r#"id = "night"
reason = "weekly updates"
stages = ["uat", "prod"]
hosts = ["uat-*", "prod-1"]
packages = ["lab-plain", "lab-slow"]
"#;

/// Hosts, a plan for these packages, alice's key, and a pre-approval that she signed.
fn bench(hosts: &[Spec], packages: &str, more: &str) -> Option<Bench> {
    let bench = Bench::start(hosts)?;
    shell(&bench, "ssh-keygen -q -t ed25519 -N '' -f alice && echo \"alice@example.com $(cat alice.pub)\" >signers");
    bench.plan_of("lab", &format!("packages = [{packages}]\nallow_removals = true"), "approval = { signed = true }");
    bench.write("plan.toml", &bench.read("plan.toml").replacen("[patch]", "allowed_signers = \"signers\"\n[patch]", 1));
    sign(&bench, SCOPE, 30, more);
    Some(bench)
}

/// Signs `night.toml`, which ends so many days from now.
fn sign(bench: &Bench, scope: &str, days: i32, more: &str) {
    let until = shell(bench, &format!("date -u -d '{days} days' +%Y-%m-%dT%H:%M:%SZ"));
    bench.write("night.toml", &format!("{scope}until = \"{}\"\n{more}", until.trim()));
    shell(bench, "rm -f night.toml.sig; ssh-keygen -q -Y sign -n preapproval.patchctl -f alice night.toml");
}

#[track_caller]
fn shell(bench: &Bench, text: &str) -> String {
    let mut command = Command::new("sh");
    let output = command.args(["-euc", text]).current_dir(bench.path("")).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

const CRON: [&str; 5] = ["run", "plan.toml", "--yes", "--preapproval", "night.toml"];
const AGAIN: [&str; 4] = ["resume", "last", "--preapproval", "night.toml"];

/// What is told of the gate that waits, in this stage.
#[track_caller]
fn not_covered(document: &Value, stage: &str) -> Vec<String> {
    assert_eq!(
        (&document["outcome"], &document["waiting"]["stage"]),
        (&"paused".into(), &stage.into()),
        "{document:#}"
    );
    let list = document["waiting"]["not_covered"].as_array().unwrap_or_else(|| panic!("{document:#}"));
    list.iter().map(|line| line.as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn signed_by_alice(document: &Value, name: &str) {
    let by = &stage(document, name)["decision"]["by"][0];
    assert_eq!((&by["name"], &by["how"]), (&"alice@example.com".into(), &"signature".into()), "{document:#}");
    assert!(by["key"].as_str().unwrap().starts_with("SHA256:"), "{document:#}");
}

#[test]
fn what_is_covered_goes_to_production_and_nobody_is_asked() {
    let hosts = [plain("uat-1"), plain("prod-1")];
    let Some(bench) = bench(&hosts, "\"lab-plain\"", "uses = 1\nchecks = [\"packages\", \"services\"]\n") else {
        return;
    };
    let document = bench.json(0, &CRON);
    for (stage, host) in [("uat", "uat-1"), ("prod", "prod-1")] {
        signed_by_alice(&document, stage);
        assert_eq!(standing(&document, host), "PATCH/SUCCESS patched");
        assert_eq!(bench.host(host).version("lab-plain"), "2.0");
    }
    assert_eq!(bench.json(0, &["audit", "verify"])["runs"][0]["signed"], 2);

    // The next night: its one use is taken.
    bench.json(0, &["rollback", "last", "--yes", "--reason", "again", "--approve", "all"]);
    let document = bench.json(3, &CRON);
    let list = not_covered(&document, "uat");
    assert!(list.len() == 1 && list[0].starts_with("all of its uses (1) are taken, by "), "{list:#?}");
    bench.host("prod-1").version("lab-plain");
    assert_eq!(bench.host("prod-1").version("lab-plain"), "1.0");
}

#[test]
fn a_package_or_a_host_beyond_it_waits() {
    let both = |name| spec(name).repo("handmade").install(&["lab-plain=1.0", "lab-held=1.0"]);
    let hosts = [both("uat-1"), plain("prod-1"), plain("prod-2")];
    let Some(bench) = bench(&hosts, "\"lab-plain\", \"lab-held\"", "") else { return };
    let answer = bench.patchctl(&CRON).ended(3);
    let said = "uat-1: lab-held 1.0 → 2.0: not among its packages (lab-plain, lab-slow)";
    assert!(answer.err.contains(&format!("stage uat: not covered: {said}")), "{}", answer.err);
    let document = bench.json(0, &["status"]);
    assert_eq!(not_covered(&document, "uat"), [said]);
    bench.host("prod-1").assert_untouched();

    // A wider one, signed anew: UAT is covered, and of production all but one host.
    sign(&bench, &SCOPE.replacen("\"lab-slow\"", "\"lab-*\"", 1), 30, "");
    let document = bench.json(3, &AGAIN);
    signed_by_alice(&document, "uat");
    assert_eq!(not_covered(&document, "prod"), ["prod-2: not among its hosts (uat-*, prod-1)"]);
    // It says so once, however often it is brought.
    bench.json(3, &AGAIN);
    let told = bench.journal().iter().filter(|event| event["event"] == "not_covered").count();
    assert_eq!(told, 2);
    // A person decides what nobody has decided beforehand; a flag does not sign.
    bench.json(3, &[&AGAIN[..], &["--approve", "all", "--reason", "by flag"]].concat());
    let digest = document["waiting"]["digest"].as_str().unwrap();
    let person = ["approve", "last", "--digest", digest, "--reason", "prod-2 is fine", "--sign", "alice", "--resume"];
    let document = bench.json(0, &person);
    assert_eq!(document["outcome"], "complete");
    bench.json(0, &["audit", "verify"]);
}

#[test]
fn what_goes_away_waits_and_so_does_what_comes_too_late() {
    let hosts = [spec("uat-1").repo("handmade").install(&["lab-app=1.0", "lab-old", "lab-shared"])];
    let Some(bench) = bench(&hosts, "\"lab-app\"", "") else { return };
    let any = SCOPE.replacen("\"lab-slow\"", "\"*\"", 1);
    sign(&bench, &any, 30, "");
    let list = not_covered(&bench.json(3, &CRON), "uat");
    assert_eq!(list, ["uat-1: lab-old (removed): removals are forbidden"]);
    sign(&bench, &any, -1, "forbid = []\n");
    let list = not_covered(&bench.json(3, &AGAIN), "uat");
    assert!(list.len() == 1 && list[0].starts_with("it expired at "), "{list:#?}");
    sign(&bench, &any, 30, "forbid = []\n");
    let document = bench.json(0, &AGAIN);
    signed_by_alice(&document, "uat");
}

#[test]
fn a_run_that_was_killed_uses_it_once() {
    let slow = |name| spec(name).repo("handmade").install(&["lab-slow=1.0"]);
    let Some(bench) = bench(&[slow("uat-1"), slow("prod-1")], "\"lab-slow\"", "uses = 1\n") else { return };
    bench.host("uat-1").write("/etc/lab-slow.seconds", "0\n");
    let prod = bench.host("prod-1");
    prod.write("/etc/lab-slow.seconds", "6\n");
    let mut run = bench.spawn("run", &CRON);
    // UAT was approved by the file, so its use is taken.
    wait_until("dpkg is at work in production", 120, || !prod.dpkg_actions().is_empty());
    run.kill().unwrap();
    run.wait().unwrap();
    let document = bench.json(0, &AGAIN);
    for (stage, host) in [("uat", "uat-1"), ("prod", "prod-1")] {
        signed_by_alice(&document, stage);
        assert_eq!(bench.host(host).dpkg_actions(), ["upgrade lab-slow:all 1.0 2.0"], "once, on {host}");
    }
    let uses = shell(&bench, "ls state/preapprovals/*");
    assert_eq!(uses.split_whitespace().collect::<Vec<_>>(), [document["run_id"].as_str().unwrap(), "lock"]);
    bench.json(0, &["audit", "verify"]);
}
