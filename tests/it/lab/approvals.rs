//! Signed decisions, on this machine and from another.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::bench::{Bench, first_error, stage};
use super::host::{Spec, plain, wait_until};

const SIGNED: &str = "approval = { quorum = 2, signed = true }";

fn keygen(bench: &Bench, args: &[&str]) {
    let output = Command::new("ssh-keygen").current_dir(bench.path("")).args(args).stdin(Stdio::null()).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A plan whose stages want two signatures, keys for these people, and an authority that certifies.
fn signed_bench(hosts: &[Spec], people: &[&str]) -> Option<Bench> {
    let bench = Bench::start(hosts)?;
    let mut signers = String::from("# who may approve\n");
    for name in people.iter().copied().chain(["authority"]) {
        keygen(&bench, &["-q", "-t", "ed25519", "-N", "", "-f", name]);
        let options =
            if name == "authority" { "*@example.com cert-authority".into() } else { format!("{name}@example.com") };
        signers.push_str(&format!("{options} {}", bench.read(&format!("{name}.pub"))));
    }
    keygen(&bench, &["-q", "-t", "ed25519", "-N", "", "-f", "mallory"]);
    bench.write("signers", &signers);
    bench.plan_of("lab", "packages = [\"lab-plain\"]", SIGNED);
    bench.write("plan.toml", &bench.read("plan.toml").replacen("[patch]", "allowed_signers = \"signers\"\n[patch]", 1));
    Some(bench)
}

fn message(document: &Value) -> String {
    first_error(document)["message"].as_str().unwrap().to_owned()
}

#[track_caller]
fn refused(bench: &Bench, args: &[&str], said: &str) {
    let document = bench.json(2, args);
    assert!(message(&document).contains(said), "{args:?}: {document:#}");
}

#[test]
fn two_people_sign_and_the_gate_opens() {
    let Some(bench) = signed_bench(&[plain("uat-1")], &["alice", "bob"]) else { return };
    let paused = bench.json(3, &["run", "plan.toml", "--yes", "--approve", "all", "--reason", "flags do not sign"]);
    let (run, digest) = (paused["run_id"].as_str().unwrap(), paused["waiting"]["digest"].as_str().unwrap());
    assert!(paused["waiting"]["command"].as_str().unwrap().contains("--sign KEY"), "{paused:#}");
    let approve = |key: &'static str| -> Vec<&str> {
        vec!["approve", run, "--digest", digest, "--reason", "smoke tests fine", "--sign", key]
    };
    refused(&bench, &["approve", run, "--digest", digest, "--reason", "fine"], "only a signed decision counts");
    refused(&bench, &approve("mallory"), "not among the allowed signers");
    refused(&bench, &approve("nobody"), "no such key file");
    refused(
        &bench,
        &["approve", run, "--digest", "00000000", "--reason", "x", "--sign", "alice"],
        "the digest is sha256:",
    );

    let first = bench.json(0, &approve("alice"));
    assert_eq!(first["signed_by"]["principal"], "alice@example.com");
    assert_eq!(bench.json(0, &["status", run])["waiting"]["have"], 1);
    refused(&bench, &approve("alice.pub"), "alice@example.com has approved already");
    // The same key again, certified for another name.
    keygen(&bench, &["-q", "-s", "authority", "-I", "x", "-n", "carol@example.com", "alice.pub"]);
    refused(&bench, &approve("alice-cert.pub"), "has approved already: others must, too");
    let mut second = approve("bob");
    second.push("--resume");
    let document = bench.json(0, &second);
    let by = stage(&document, "uat")["decision"]["by"].as_array().unwrap();
    let names: Vec<_> = by.iter().map(|by| (by["name"].as_str().unwrap(), by["how"].as_str().unwrap())).collect();
    assert_eq!(names, [("alice@example.com", "signature"), ("bob@example.com", "signature")]);
    assert!(by.iter().all(|by| by["key"].as_str().unwrap().starts_with("SHA256:")), "{by:#?}");
    assert_eq!(bench.host("uat-1").version("lab-plain"), "2.0");

    // What the journal keeps is enough for ssh-keygen to say the same.
    let decided =
        bench.journal().into_iter().filter(|event| event["event"] == "decided" || event["decision"].is_object());
    let signed: Vec<Value> = decided.filter_map(|event| event.pointer("/decision/signed").cloned()).collect();
    assert_eq!(signed.len(), 2, "{:#?}", bench.journal().last());
    for record in &signed {
        bench.write("said", record["statement"].as_str().unwrap());
        bench.write("said.sig", record["signature"].as_str().unwrap());
        assert!(verifies(&bench, record["principal"].as_str().unwrap()));
    }
}

/// Whether ssh-keygen verifies `said` and `said.sig`.
fn verifies(bench: &Bench, principal: &str) -> bool {
    let mut command = Command::new("ssh-keygen");
    command.current_dir(bench.path("")).args(["-Y", "verify", "-f", "signers", "-I", principal]);
    command.args(["-n", "approval.patchctl", "-s", "said.sig"]);
    command.stdin(std::fs::File::open(bench.path("said")).unwrap()).status().unwrap().success()
}

#[test]
fn somebody_signs_on_a_machine_without_the_run() {
    let Some(bench) = signed_bench(&[plain("uat-1")], &["alice", "bob"]) else { return };
    let paused = bench.json(3, &["run", "plan.toml", "--yes"]);
    let run = paused["run_id"].as_str().unwrap();
    let export = |verb: &str, file: &str| bench.json(0, &[verb, run, "--reason", "smoke tests fine", "--export", file]);
    let exported = export("approve", "uat.json");
    assert_eq!((&exported["recorded"], &exported["digest"]), (&false.into(), &paused["waiting"]["digest"]));
    assert!(bench.read("uat.json.evidence.txt").contains("lab-plain"));
    let digest = format!("sha256:{}", sha256(&bench.path("uat.json.gate.json")));
    assert_eq!(paused["waiting"]["digest"], digest.as_str(), "the gate's own text can be checked with sha256sum");
    // A file that is there is not written over.
    refused(&bench, &["approve", run, "--reason", "x", "--export", "uat.json"], "cannot be written");

    // alice has ssh-keygen only, bob has patchctl and no run.
    refused(&bench, &["approve", run, "--import", "uat.json"], "uat.json.sig: cannot be read");
    keygen(&bench, &["-q", "-Y", "sign", "-n", "file", "-f", "alice", "uat.json"]);
    refused(&bench, &["approve", run, "--import", "uat.json"], "made in the namespace \"file\"");
    std::fs::remove_file(bench.path("uat.json.sig")).unwrap();
    keygen(&bench, &["-q", "-Y", "sign", "-n", "approval.patchctl", "-f", "alice", "uat.json"]);
    refused(&bench, &["reject", run, "--import", "uat.json"], "it approves");
    let recorded = bench.json(0, &["approve", run, "--import", "uat.json"]);
    assert_eq!(recorded["signed_by"]["principal"], "alice@example.com");
    refused(&bench, &["approve", run, "--import", "uat.json"], "has approved already");

    forged(&bench, run);
    expired(&bench, run);

    export("approve", "bobs.json");
    let elsewhere = ["--state-dir", "elsewhere"];
    refused(&bench, &[&["reject", "bobs.json", "--sign", "bob"][..], &elsewhere].concat(), "it approves");
    let gate = bench.read("bobs.json.gate.json");
    bench.write("bobs.json.gate.json", &gate.replacen("lab-plain", "lab-other", 1));
    refused(&bench, &[&["approve", "bobs.json", "--sign", "bob"][..], &elsewhere].concat(), "does not have the digest");
    bench.write("bobs.json.gate.json", &gate);
    bench.json(0, &[&["approve", "bobs.json", "--sign", "bob"][..], &elsewhere].concat());
    let document = bench.json(0, &["approve", run, "--import", "bobs.json", "--resume"]);
    assert_eq!(document["outcome"], "complete");
}

/// Statements that were changed, signed or not.
fn forged(bench: &Bench, run: &str) {
    let text = bench.read("uat.json");
    bench.write("forged.json", &text.replacen("smoke tests fine", "whatever", 1));
    bench.write("forged.json.sig", &bench.read("uat.json.sig"));
    refused(bench, &["approve", run, "--import", "forged.json"], "does not fit the text");
    let other = text.replacen(run, "01JD0000000000000000000000", 1);
    for (name, text, said) in [
        ("spaces.json", text.replacen("  \"run\"", " \"run\"", 1), "is not written as patchctl writes it"),
        ("other.json", other, "the statement is about run"),
        ("long.json", text.replacen("\"expires\": \"20", "\"expires\": \"21", 1), "`valid` allows no longer"),
    ] {
        bench.write(name, &text);
        keygen(bench, &["-q", "-Y", "sign", "-n", "approval.patchctl", "-f", "bob", name]);
        refused(bench, &["approve", run, "--import", name], said);
    }
    assert_eq!(bench.json(0, &["status", run])["waiting"]["have"], 1);
}

fn expired(bench: &Bench, run: &str) {
    let old = bench.read("uat.json").replacen("\"expires\": \"20", "\"expires\": \"19", 1);
    bench.write("old.json", &old);
    keygen(bench, &["-q", "-Y", "sign", "-n", "approval.patchctl", "-f", "bob", "old.json"]);
    refused(bench, &["approve", run, "--import", "old.json"], "the statement expired at 19");
    std::fs::remove_file(bench.path("old.json.sig")).unwrap();
    refused(bench, &["approve", "old.json", "--sign", "bob"], "it expired at 19");
}

fn sha256(path: &Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

/// Puts a letter into the run's inbox, as a process would that means harm; what became of it.
fn letter(bench: &Bench, run: &str, id: &str, decision: &Value) -> String {
    let wish = serde_json::json!({ "decide": { "stage": "uat", "digest": null, "decision": decision } });
    let path = |name: &str| bench.path(&format!("state/runs/{run}/inbox/{name}"));
    let letter = serde_json::json!({ "run": run, "id": id, "wish": wish });
    std::fs::write(path(".draft"), letter.to_string()).unwrap();
    std::fs::rename(path(".draft"), path(&format!("{id}.json"))).unwrap();
    let reply = path(&format!("{id}.reply.json"));
    wait_until("the letter is answered", 60, || reply.exists());
    std::fs::read_to_string(reply).unwrap()
}

#[test]
fn the_process_that_drives_the_run_checks_a_signature_again() {
    let people = ["alice", "bob"];
    let Some(bench) = signed_bench(&[plain("uat-1"), plain("prod-1")], &people) else { return };
    let text = bench.read("plan.toml");
    // Production waits for nobody, and for a prompt: the process lives on while UAT waits for signatures.
    let (uat, prod) = text.split_at(text.find("[[stage]]\nname = \"prod\"").unwrap());
    bench.write("plan.toml", &format!("{uat}{}", prod.replacen(SIGNED, "needs = []", 1)));
    let mut terminal = bench.terminal(&["run", "plan.toml", "--yes", "--output", "json"]);
    terminal.expect("Keep the patch on stage prod");
    wait_until("UAT waits, too", 60, || bench.json(0, &["status"])["waiting"]["stage"] == "uat");
    let live = bench.json(0, &["status"]);
    let run = live["run_id"].as_str().unwrap();
    let alice = ["--stage", "uat", "--reason", "fine", "--digest", live["waiting"]["digest"].as_str().unwrap()];
    bench.json(0, &[&["approve", run, "--export", "uat.json"][..], &alice].concat());
    keygen(&bench, &["-q", "-Y", "sign", "-n", "approval.patchctl", "-f", "mallory", "uat.json"]);

    // Whatever the letter says of itself, the signature is mallory's; or there is none.
    let by = serde_json::json!({ "name": "alice@example.com", "source": "signature" });
    let mut decision = serde_json::json!({
        "verdict": "approved", "by": by, "reason": "fine", "how": "signature",
        "signed": {
            "principal": "alice@example.com", "key": "SHA256:x", "statement": bench.read("uat.json"),
            "signature": bench.read("uat.json.sig"), "brought_by": { "name": "root", "source": "login" },
        },
    });
    let reply = letter(&bench, run, "forged", &decision);
    assert!(reply.contains("is not among the allowed signers"), "{reply}");
    decision.as_object_mut().unwrap().remove("signed");
    let reply = letter(&bench, run, "unsigned", &decision);
    assert!(reply.contains("has no signature"), "{reply}");
    assert_eq!(bench.json(0, &["status"])["waiting"]["have"], 0);

    bench.json(0, &[&["approve", run, "--sign", "alice"][..], &alice].concat());
    assert_eq!(bench.json(0, &["status"])["waiting"]["have"], 1);
    bench.json(0, &[&["approve", run, "--sign", "bob"][..], &alice].concat());
    bench.json(0, &["reject", run, "--stage", "prod", "--reason", "not today"]);
    let document = terminal.end().ended(4).json();
    assert_eq!(stage(&document, "uat")["decision"]["by"][1]["name"], "bob@example.com");
}

#[test]
fn a_signed_gate_needs_a_sound_list_of_signers() {
    let bench = Bench::bare();
    bench.write("inventory.toml", "[groups.uat]\nhosts = [\"uat-1\"]\n");
    let plan = |top: &str| {
        let stage = format!("[[stage]]\nname = \"uat\"\nhosts = \"uat\"\n{SIGNED}\n");
        let patch = "[patch]\npackages = [\"lab-plain\"]\n";
        bench.write("plan.toml", &format!("name = \"lab\"\ninventory = \"inventory.toml\"\n{top}\n{patch}{stage}"));
    };
    let check = |said: &str| refused(&bench, &["check", "plan.toml"], said);
    if !Path::new("/etc/patchctl/allowed_signers").exists() {
        plan("");
        check("plan.toml:9:12: stage `uat` counts signed decisions only, and nobody's signature counts");
    }
    plan("allowed_signers = \"signers\"");
    check("plan.toml:3:19: the file of allowed signers signers: no such file");
    bench.write("signers", "# us\nalice oops ssh-ed25519 AAAA\n");
    check("signers:2:7: `oops` is neither an option nor a type of key");
    keygen(&bench, &["-q", "-t", "ed25519", "-N", "", "-f", "alice"]);
    bench.write("signers", &format!("alice {}", bench.read("alice.pub")));
    bench.json(0, &["check", "plan.toml"]);
    let chmod = |mode: u32| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(bench.path("signers"), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    chmod(0o666);
    check("may be written by others");
}
