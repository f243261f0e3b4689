//! Records of a real run, and what is left of them on the hosts that it changed.

use serde_json::Value;

use super::bench::Bench;
use super::host::{plain, spec};

const RUN: [&str; 6] = ["run", "plan.toml", "--yes", "--approve", "all", "--reason"];

#[test]
fn a_host_is_a_witness_against_records_that_were_altered_or_taken_away() {
    let Some(bench) = Bench::start(&[spec("uat-1"), spec("prod-1")]) else { return };
    bench.plan("packages = [\"openssl\", \"libssl3\"]");
    let document = bench.json(0, &[&RUN[..], &["smoke tests fine"]].concat());
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

/// What a host, or a line of a log, says of a run: how many records there were, and the hash of the last.
fn anchor(line: &str) -> (u64, String) {
    let field = |name: &str| line.split_whitespace().find_map(|word| word.strip_prefix(name)).unwrap().to_owned();
    (field("records=").parse().unwrap(), field("head=").clone())
}

#[test]
fn what_a_host_witnesses_is_what_the_journal_has() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("prod-1")]) else { return };
    bench.plan("packages = [\"lab-plain\"]");
    let done = bench.json(0, &[&RUN[..], &["smoke tests fine"]].concat());
    let run = done["run_id"].as_str().unwrap();
    let verified = bench.json(0, &["audit", "verify"]);
    assert_eq!((&verified["runs"][0]["head"], &verified["runs"][0]["ok"]), (&done["audit_head"], &true.into()));

    let path = format!("state/runs/{run}/journal.jsonl");
    let journal = bench.read(&path);
    let heads: Vec<String> =
        journal.lines().map(|line| patchctl::core::ids::Digest::of(line.as_bytes()).to_string()).collect();
    let mut witnesses = String::new();
    for host in &bench.hosts {
        let said = host.read(&format!("/var/lib/patchctl/witness/{run}"));
        assert!(!said.is_empty(), "{} is no witness", host.name);
        for line in said.lines() {
            let (records, head) = anchor(line);
            assert_eq!(heads[usize::try_from(records).unwrap() - 1], head, "{}: {line}", host.name);
        }
        witnesses.push_str(&said);
    }
    bench.write("witnesses", &witnesses);
    let reach = |document: &Value| document["runs"][0]["anchored"]["records"].as_u64().unwrap();
    let by_hosts = reach(&bench.json(0, &["audit", "verify", run, "--anchors", "witnesses"]));
    assert!(by_hosts > 0 && by_hosts < heads.len() as u64, "{by_hosts}");

    // Altered, and its chain and the site's made anew: a host still tells.
    bench.write(&path, &journal.replacen("smoke tests fine", "smoke tests poor", 1));
    bench.json(5, &["audit", "verify"]);
    let mut prev = format!("sha256:{}", "0".repeat(64));
    let (mut anew, mut new_heads) = (String::new(), Vec::new());
    for (seq, line) in journal.lines().enumerate() {
        let mut record: Value = serde_json::from_str(line).unwrap();
        record["prev"] = prev.into();
        if seq == 1 {
            record["by"]["name"] = "mallory".into();
        }
        let line = record.to_string();
        prev = patchctl::core::ids::Digest::of(line.as_bytes()).to_string();
        new_heads.push(prev.clone());
        anew.push_str(&format!("{line}\n"));
    }
    bench.write(&path, &anew);
    let found = bench.json(5, &["audit", "verify", "--anchors", "witnesses"]);
    let rewritten = |finding: &Value| {
        finding["kind"] == "rewritten" && finding["message"].as_str().unwrap().contains("of the anchors")
    };
    assert!(found["runs"][0]["findings"].as_array().unwrap().iter().any(rewritten), "{found:#}");
    bench.write(&path, &journal);
    bench.json(0, &["audit", "verify", "--anchors", "witnesses"]);
    log(&bench, run, heads.len() as u64);
}

/// The same from the line that goes to the system's log, in the form that a log keeps it in.
fn log(bench: &Bench, run: &str, records: u64) {
    let chain = bench.read("state/chain.jsonl");
    let logged = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let field = |name: &str| line[name].as_str().unwrap().to_owned();
        let (change, moment, head) = (field("change"), field("moment"), field("head"));
        let said = format!("run={run} change={change} moment={moment} records={} head={head}", line["records"]);
        format!("2026-11-26T19:37:00.000001+00:00 ops patchctl[7]: {said}\n")
    };
    bench.write("log", &chain.lines().map(logged).collect::<String>());
    let document = bench.json(0, &["audit", "verify", run, "--anchors", "log"]);
    assert_eq!(document["runs"][0]["anchored"]["records"], records, "{document:#}");
    let text = bench.patchctl(&["audit", "verify", run, "--anchors", "log"]).ended(0).out;
    assert!(text.contains(&format!("records 0 to {} are anchored: all", records - 1)), "{text}");
}

#[test]
fn the_systems_log_keeps_how_far_a_journal_had_come() {
    let Some(bench) = Bench::start(&[plain("uat-1")]) else { return };
    let host = bench.host("uat-1");
    // The host is the controller for once: it has a journald. It gets the C library that patchctl was linked against, too.
    let folder = host.path("/opt/patchctl");
    std::fs::create_dir_all(&folder).unwrap();
    let copied = std::process::Command::new("sh")
        .args(["-euc", "ldd \"$1\" | grep -o '/[^ ]*' | xargs -I % cp -L % \"$2\"; cp \"$1\" \"$2/patchctl\"", "sh"])
        .args([env!("CARGO_BIN_EXE_patchctl").as_ref(), folder.as_os_str()])
        .status();
    assert!(copied.unwrap().success());
    let out = host.sh("cd /opt/patchctl
        ./ld-linux* --library-path . ./patchctl demo --output json </dev/null 2>/dev/null");
    let document: Value = serde_json::from_str(&out).unwrap();
    let head = document["audit_head"].as_str().unwrap();
    let log = host.sh("journalctl -t patchctl -o short-iso --no-pager");
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("run=")).collect();
    let run = format!("run={} ", document["run_id"].as_str().unwrap());
    assert!(lines.len() >= 2 && lines.iter().all(|line| line.contains(&run)), "{log}");
    assert!(lines[0].contains("moment=started"), "{log}");
    let (_, last) = anchor(lines.last().unwrap());
    assert_eq!(last, head, "{log}");
}
