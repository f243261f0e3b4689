//! `--preapproval` on the demo's fleet: which files count, at which gates, and what the records say of it.

use serde_json::Value;

use super::bench::{Bench, text};

const SCOPE: &str = "id = \"night\"\nreason = \"weekly updates\"\nstages = [\"*\"]\npackages = [\"*\"]\n";

/// A pre-approval that alice signed, with more keys; it ends this many days from now.
fn scope(bench: &Bench, file: &str, days: i32, more: &str) {
    let until = bench.shell(&format!("date -u -d '{days} days' +%Y-%m-%dT%H:%M:%SZ"));
    bench.write(file, &format!("{SCOPE}until = \"{}\"\n{more}", until.trim()));
    sign(bench, file, "alice", "preapproval.patchctl");
}

fn sign(bench: &Bench, file: &str, key: &str, namespace: &str) {
    bench.shell(&format!("rm -f {file}.sig; ssh-keygen -q -Y sign -n {namespace} -f {key} {file}"));
}

fn run<'a>(plan: &'a str, file: &'a str) -> Vec<&'a str> {
    vec!["run", plan, "--yes", "--preapproval", file]
}

/// What is said of a stage's gate that waits.
#[track_caller]
fn not_covered(document: &Value, stage: &str) -> Vec<String> {
    assert_eq!(document["waiting"]["stage"], stage, "{document:#}");
    let list = document["waiting"]["not_covered"].as_array().unwrap_or_else(|| panic!("{document:#}"));
    list.iter().map(text).collect()
}

#[test]
fn what_is_not_signed_as_it_must_be_is_refused_before_anything() {
    let bench = Bench::start();
    bench.shell("ssh-keygen -q -t ed25519 -N '' -f mallory");
    #[track_caller]
    fn refused(bench: &Bench, plan: &str, said: &str) {
        let document = bench.json(2, &run(plan, "night.toml"));
        let message = text(&document["errors"][0]["message"]);
        assert!(message.contains(said), "{message}");
        assert!(!bench.path("state/runs").read_dir().is_ok_and(|mut runs| runs.next().is_some()), "a run exists");
    }
    refused(&bench, "plan.toml", "night.toml: cannot be read");
    scope(&bench, "night.toml", 30, "");
    std::fs::remove_file(bench.path("night.toml.sig")).unwrap();
    refused(&bench, "plan.toml", "night.toml.sig: cannot be read");
    sign(&bench, "night.toml", "alice", "approval.patchctl");
    refused(&bench, "plan.toml", "made in the namespace \"approval.patchctl\", not \"preapproval.patchctl\"");
    sign(&bench, "night.toml", "mallory", "preapproval.patchctl");
    refused(&bench, "plan.toml", "is not among the allowed signers");
    scope(&bench, "night.toml", 30, "");
    bench.shell("echo '# whatever' >>night.toml");
    refused(&bench, "plan.toml", "does not fit the text");
    scope(&bench, "night.toml", 30, "hots = [\"*\"]\n");
    refused(&bench, "plan.toml", "unknown key `hots`");
    scope(&bench, "night.toml", 30, "soak = \"1\"\n");
    refused(&bench, "plan.toml", "`soak` has a number without a unit");
    scope(&bench, "night.toml", 400, "");
    refused(&bench, "plan.toml", "nobody gives one for more than 366 days");
    scope(&bench, "night.toml", 30, "");
    refused(&bench, "second.toml", "the run began without allowed signers");
    for (options, said) in [
        ("namespaces=\"approval.*\"", "it is not for the namespace"),
        ("valid-before=\"20200101\"", "it has expired"),
        ("valid-after=\"20990101\"", "it is not valid yet"),
    ] {
        bench.shell(&format!("echo \"alice@example.com {} $(cat alice.pub)\" >signers", options.replace('"', "\\\"")));
        refused(&bench, "plan.toml", said);
    }
}

#[test]
fn what_it_covers_goes_through_and_the_records_prove_it() {
    let bench = Bench::start();
    scope(&bench, "night.toml", 30, "uses = 1\nhosts = [\"*\"]\nchecks = [\"bin/check\"]\n");
    let document = bench.json(0, &run("plan.toml", "night.toml"));
    let id = text(&document["run_id"]);
    for stage in document["stages"].as_array().unwrap() {
        let decision = &stage["decision"];
        let by = &decision["by"][0];
        assert_eq!((&by["name"], &by["how"]), (&"alice@example.com".into(), &"signature".into()), "{stage:#}");
        assert!(text(&by["key"]).starts_with("SHA256:"), "{stage:#}");
        assert_eq!(text(&by["reason"]), "weekly updates (pre-approval night)");
    }
    let audit = bench.json(0, &["audit", "verify"]);
    assert_eq!(audit["runs"][0]["signed"], 2, "{audit:#}");

    // What the journal keeps is enough for ssh-keygen to say the same.
    let journal = std::fs::read_to_string(bench.path("state/runs").join(&id).join("journal.jsonl")).unwrap();
    let records = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let signed = records.filter_map(|record| record.pointer("/decision/signed").cloned()).next().unwrap();
    bench.write("said", &text(&signed["statement"]));
    bench.write("said.sig", &text(&signed["signature"]));
    bench.shell("ssh-keygen -Y verify -f signers -I alice@example.com -n preapproval.patchctl -s said.sig <said");

    // Its one use is taken.
    bench.json(0, &["rollback", &id, "--yes", "--reason", "again", "--approve", "all"]);
    scope(&bench, "other.toml", 30, "");
    bench.shell("sed 's/DEMO-1/DEMO-3/; s/^name = \"demo/name = \"third/' plan.toml >third.toml");
    let document = bench.json(3, &run("third.toml", "night.toml"));
    assert_eq!(not_covered(&document, "uat"), [format!("all of its uses (1) are taken, by {id}")]);
    let third = text(&document["run_id"]);
    let said = bench.command("state", &["status", &third]).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("pre-approval night does not cover this: all of its uses"), "{said}");
    scope(&bench, "strict.toml", 30, "checks = [\"health\"]\n");
    let document = bench.json(3, &["resume", &third, "--preapproval", "strict.toml"]);
    assert_eq!(not_covered(&document, "uat"), ["uat-01, uat-02: its check health was not made, and must have held"]);
    // Another file is another permission, and a run that goes on may bring it.
    let document = bench.json(0, &["resume", &third, "--preapproval", "other.toml"]);
    assert_eq!(document["outcome"], "complete");

    let tampered = [
        ("/decision/signed/preapproval/uses", Value::from(9)),
        ("/decision/signed/preapproval/packages", serde_json::json!(["none"])),
        ("/decision/reason", "whatever".into()),
        ("/decision/by/name", "bob@example.com".into()),
        ("/decision/signed/statement", format!("{SCOPE}until = \"2099-01-01T00:00:00Z\"\n").into()),
    ];
    for (at, value) in tampered {
        let records = bench.copy();
        records.rechain(&records.run(&id, "journal.jsonl"), |lines| {
            let line = lines.iter_mut().find(|line| line["decision"]["signed"].is_object()).unwrap();
            *line.pointer_mut(at).unwrap() = value;
        });
        let audit = bench.json_of("copy", 5, &["audit", "verify", &id]);
        let findings = audit["runs"][0]["findings"].as_array().unwrap();
        assert!(findings.iter().any(|finding| finding["kind"] == "signature"), "{at}: {findings:#?}");
    }
}

#[test]
fn what_it_does_not_cover_waits_and_is_told() {
    let bench = Bench::start();
    for (file, days, more, said) in [
        ("a.toml", -1, "", "it expired at "),
        ("b.toml", 30, "from = \"2099-01-01T00:00:00Z\"\n", "`until` is not later than `from`"),
        ("c.toml", 30, "hosts = [\"nowhere\"]\n", ": not among its hosts (nowhere)"),
        ("d.toml", 30, "plan = \"other\"\n", " is not among its plans (other)"),
        ("e.toml", 30, "origins = [\"nowhere\"]\n", "which is not among its origins (nowhere)"),
        ("f.toml", 30, "security_only = true\n", ": not a security update"),
    ] {
        scope(&bench, file, days, more);
        if file == "b.toml" {
            let document = bench.json(2, &run("plan.toml", file));
            assert!(text(&document["errors"][0]["message"]).contains(said), "{document:#}");
            continue;
        }
        let list = match bench.json(0, &["runs"])["runs"].as_array().unwrap().first() {
            // The same run again, with another file.
            Some(run) => bench.json(3, &["resume", &text(&run["run_id"]), "--preapproval", file]),
            None => bench.json(3, &run("plan.toml", file)),
        };
        let list = not_covered(&list, "uat");
        assert!(list.iter().any(|line| line.contains(said)), "{file}: {list:#?}");
    }
    // In words, for whoever is woken up.
    let output = bench.command("state", &["resume", "last", "--preapproval", "c.toml"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("pre-approval night does not open its gate"), "{said}");
    assert!(said.contains("not covered: ") && said.contains("not among its hosts (nowhere)"), "{said}");
    bench.json(0, &["audit", "verify"]);
}

#[test]
fn it_is_one_decision_and_no_more_than_the_rules_allow() {
    let bench = Bench::start();
    bench.shell("ssh-keygen -q -t ed25519 -N '' -f bob && echo \"bob@example.com $(cat bob.pub)\" >>signers");
    scope(&bench, "night.toml", 30, "");
    let plan = std::fs::read_to_string(bench.path("plan.toml")).unwrap();
    let with = |name: &str, rules: &str| {
        let named = plan.replacen("name = \"demo", &format!("name = \"{name}"), 1);
        bench.write("rules.toml", &named.replacen("{ signed = true }", rules, 1));
    };
    let flags = ["--approve", "all", "--reason", "by flag"];
    let paused = |args: &[&str]| bench.json(3, &[&run("rules.toml", "night.toml")[..], args].concat());
    let go = |document: &Value| {
        let run = text(&document["run_id"]);
        bench.json(4, &["cancel", &run, "--reason", "enough", "--yes"]);
    };

    with("quorum", "{ signed = true, quorum = 2 }");
    let document = paused(&flags);
    assert_eq!((&document["waiting"]["have"], &document["waiting"]["need"]), (&1.into(), &2.into()), "{document:#}");
    // It does not count twice, however often it is brought.
    let document = bench.json(3, &["resume", &text(&document["run_id"]), "--preapproval", "night.toml"]);
    assert_eq!(document["waiting"]["have"], 1);
    go(&document);

    with("by", "{ by = [\"bob@example.com\"] }");
    let document = paused(&flags);
    assert_eq!(not_covered(&document, "uat"), ["alice@example.com may not decide here: bob@example.com may"]);
    go(&document);

    // Who signed it is who started the run.
    bench.shell("echo \"$(id -un)@example.com $(cat alice.pub)\" >signers");
    with("eyes", "{ four_eyes = true }");
    let document = paused(&flags);
    assert!(not_covered(&document, "uat")[0].contains("the gate wants four eyes"), "{document:#}");
    go(&document);

    // A flag does not sign; the file does, and the flag decides where that is enough.
    with("both", "{ signed = true }");
    let document =
        bench.json(0, &[&run("rules.toml", "night.toml")[..], &["--approve", "all", "--reason", "x"]].concat());
    let how = |at: usize| document["stages"][at]["decision"]["by"][0]["how"].clone();
    assert_eq!((how(0), how(1)), ("signature".into(), "flag".into()), "{document:#}");
    bench.json(0, &["audit", "verify"]);
}
