//! `audit verify` finds every change of the records.

use std::path::Path;

use serde_json::Value;

use super::bench::{Bench, Records, text};

/// Tampers with a copy of the records; what `audit verify` finds must have this kind, and say this.
#[track_caller]
fn found(bench: &Bench, kind: &str, said: &str, tamper: impl FnOnce(&Records)) -> Value {
    let records = bench.copy();
    tamper(&records);
    let document = bench.json_of("copy", 5, &["audit", "verify"]);
    assert_eq!((&document["ok"], &document["exit_code"]), (&false.into(), &5.into()));
    let findings = all(&document);
    let fits = |finding: &&Value| finding["kind"] == kind && text(&finding["message"]).contains(said);
    assert!(findings.iter().any(|finding| fits(&finding)), "{kind}, {said:?}: {findings:#?}");
    document
}

fn all(document: &Value) -> Vec<Value> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut findings = list(&document["site"]["findings"]);
    for run in list(&document["runs"]) {
        findings.extend(list(&run["findings"]));
    }
    findings
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn whatever_is_done_to_the_records_is_found() {
    let bench = Bench::start();
    let (first, second) = bench.two_runs();
    let document = bench.json(0, &["audit", "verify"]);
    assert_eq!(document["runs"].as_array().map(Vec::len), Some(2), "{document:#}");
    let run = |id: &str| document["runs"].as_array().unwrap().iter().find(|run| run["run_id"] == id).unwrap().clone();
    assert_eq!(run(&first)["signed"], 1);
    assert!(run(&first)["blobs"].as_u64() > Some(0));
    assert_eq!(run(&first)["sealed"]["records"], run(&first)["records"], "{document:#}");
    assert_eq!(run(&first)["head"], bench.json(0, &["report", &first])["audit_head"]);
    let text = String::from_utf8(bench.command("state", &["audit", "verify"]).output().unwrap().stdout).unwrap();
    assert!(text.contains("every record is as it was written"), "{text}");
    assert!(text.contains("nothing was compared"), "{text}");

    journals(&bench, &first, &second);
    files(&bench, &first, &second);
    chain(&bench, &first, &second);
    decisions(&bench, &first);
}

fn journals(bench: &Bench, first: &str, second: &str) {
    let journal = |records: &Records| records.run(first, "journal.jsonl");
    found(bench, "record", "cannot be read", |records| flip(&journal(records), 0));
    found(bench, "record", "does not follow", |records| {
        records.lines(&journal(records), |lines| {
            let line = lines.iter_mut().find(|line| line.contains("tests are fine")).unwrap();
            *line = line.replacen("\"approved\"", "\"rejected\"", 1);
        });
    });
    found(bench, "record", "does not follow", |records| {
        records.lines(&journal(records), |lines| drop(lines.remove(3)));
    });
    found(bench, "record", "does not follow", |records| {
        records.lines(&journal(records), |lines| lines.swap(3, 4));
    });
    found(bench, "record", "does not follow", |records| {
        records.lines(&journal(records), |lines| lines.insert(4, lines[3].clone()));
    });
    found(bench, "truncated", "its end is missing", |records| {
        records.lines(&journal(records), |lines| drop(lines.pop()));
    });
    found(bench, "truncated", "its end is missing", |records| std::fs::write(journal(records), "").unwrap());
    // Made anew by somebody who knows how: only what is kept elsewhere tells.
    found(bench, "rewritten", "line 0 of the site's chain", |records| {
        records.rechain(&journal(records), |records| records[0]["at"] = "2020-01-01T00:00:00Z".into());
    });
    found(bench, "frozen", "the folders were exchanged", |records| {
        std::fs::rename(records.run(first, ""), records.run("aside", "")).unwrap();
        std::fs::rename(records.run(second, ""), records.run(first, "")).unwrap();
        std::fs::rename(records.run("aside", ""), records.run(second, "")).unwrap();
    });
    let document = found(bench, "missing_run", "the run's folder is gone", |records| {
        std::fs::remove_dir_all(records.run(second, "")).unwrap();
    });
    assert_eq!(document["site"]["findings"][0]["run"], second);
    assert_eq!(bench.json_of("copy", 5, &["audit", "verify", second])["site"]["findings"][0]["run"], second);
    // The other run is whole all the same.
    bench.json_of("copy", 0, &["audit", "verify", first]);
}

fn files(bench: &Bench, first: &str, second: &str) {
    for name in ["plan.toml", "settings.json", "playbooks.json"] {
        found(bench, "frozen", name, |records| flip(&records.run(first, name), 40));
        found(bench, "frozen", name, |records| std::fs::remove_file(records.run(first, name)).unwrap());
    }
    // Nobody goes on with a run whose frozen files are not what they were.
    let records = bench.copy();
    std::fs::write(records.run(second, "plan.toml"), "# nothing\n").unwrap();
    let document = bench.json_of("copy", 1, &["report", second]);
    assert!(text(&document["errors"][0]["message"]).contains("was altered since the run began"), "{document:#}");

    let blob = |records: &Records| {
        let mut blobs: Vec<_> = std::fs::read_dir(records.run(first, "blobs")).unwrap().collect();
        blobs.pop().unwrap().unwrap().path()
    };
    found(bench, "blob", "it was altered", |records| flip(&blob(records), 0));
    found(bench, "blob", "cannot be read", |records| std::fs::remove_file(blob(records)).unwrap());
    found(bench, "blob", "is not what its name says", |records| {
        std::fs::write(records.run(first, &format!("blobs/{}", "0".repeat(64))), "x").unwrap();
    });
}

fn chain(bench: &Bench, first: &str, second: &str) {
    let path = |records: &Records| records.0.join("chain.jsonl");
    found(bench, "chain", "line 0", |records| flip(&path(records), 0));
    found(bench, "chain", "does not follow", |records| records.lines(&path(records), |lines| lines.swap(0, 1)));
    found(bench, "chain", "does not follow", |records| records.lines(&path(records), |lines| drop(lines.remove(1))));
    found(bench, "chain", "the site's chain is gone", |records| std::fs::remove_file(path(records)).unwrap());
    found(bench, "chain", "and has 1", |records| records.lines(&path(records), |lines| lines.truncate(1)));
    // The first run and all that the chain said of it: the second run has seen the chain as it was.
    found(bench, "chain", "are not those of when the run began", |records| {
        records.rechain(&path(records), |lines| lines[0]["at"] = "2020-01-01T00:00:00Z".into());
    });
    found(bench, "chain", "had 4 lines when the run began, and has 2", |records| {
        std::fs::remove_dir_all(records.run(first, "")).unwrap();
        records.rechain(&path(records), |lines| lines.retain(|line| line["run"] == second));
    });
    // The last run and all that the chain said of it: this is what anchors are for.
    let anchors: String = bench.shell("cat state/chain.jsonl").lines().map(as_logged).collect();
    bench.write("anchors", &anchors);
    let records = bench.copy();
    std::fs::remove_dir_all(records.run(second, "")).unwrap();
    records.lines(&path(&records), |lines| lines.retain(|line| line.contains(first)));
    bench.json_of("copy", 0, &["audit", "verify"]);
    let document = bench.json_of("copy", 5, &["audit", "verify", "--anchors", "anchors"]);
    assert!(text(&all(&document)[0]["message"]).contains("the run is gone"), "{document:#}");
    anchored(bench, first);
}

/// A line of the chain, as the system's log has it.
fn as_logged(line: &str) -> String {
    let line: Value = serde_json::from_str(line).unwrap();
    let field = |name: &str| text(&line[name]);
    let (run, change, moment, head) = (field("run"), field("change"), field("moment"), field("head"));
    format!(
        "Nov 26 19:37:00 ops patchctl[7]: run={run} change={change} moment={moment} records={} head={head}\n",
        line["records"]
    )
}

fn anchored(bench: &Bench, first: &str) {
    let document = bench.json(0, &["audit", "verify", "--anchors", "anchors"]);
    for run in document["runs"].as_array().unwrap() {
        assert_eq!(run["anchored"]["records"], run["records"], "{document:#}");
    }
    // What was left on the hosts vouches for a part.
    let witnesses =
        bench.shell(&format!("cat {}/hosts/*/.local/state/patchctl/witness/{first}", bench.demo().display()));
    bench.write("witnesses", &witnesses);
    let document = bench.json(0, &["audit", "verify", first, "--anchors", "witnesses"]);
    let run = &document["runs"][0];
    let reach = run["anchored"]["records"].as_u64().unwrap();
    assert!(reach > 0 && Some(reach) < run["records"].as_u64(), "{document:#}");
    let output = bench.command("state", &["audit", "verify", first, "--anchors", "witnesses"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains(&format!("records 0 to {} are anchored; {reach} to ", reach - 1)), "{said}");

    // A journal and a chain that were written anew together, and well: a host knows better.
    let records = bench.copy();
    let journal = records.run(first, "journal.jsonl");
    records.rechain(&journal, |records| records[1]["by"]["name"] = "mallory".into());
    let heads: Vec<String> = std::fs::read_to_string(&journal)
        .unwrap()
        .lines()
        .map(|line| patchctl::core::ids::Digest::of(line.as_bytes()).to_string())
        .collect();
    records.rechain(&records.0.join("chain.jsonl"), |lines| {
        for line in lines.iter_mut().filter(|line| line["run"] == first) {
            let at = line["records"].as_u64().unwrap() as usize;
            line["head"] = heads[at - 1].clone().into();
        }
    });
    let document = bench.json_of("copy", 5, &["audit", "verify", first, "--anchors", "witnesses"]);
    let rewritten = |finding: &Value| finding["kind"] == "rewritten" && text(&finding["message"]).contains("anchors");
    assert!(all(&document).iter().any(rewritten), "{document:#}");

    let bad = |file: &str, said: &str| {
        let document = bench.json(2, &["audit", "verify", "--anchors", file]);
        assert!(text(&document["errors"][0]["message"]).contains(said), "{document:#}");
    };
    bad("nowhere", "cannot be read");
    bad("signers", "no line in it has");
    bench.json(2, &["audit", "verify", "01JD0000000000000000000000"]);
}

/// Decisions in a journal whose chain was made anew.
fn decisions(bench: &Bench, first: &str) {
    let said = "the decision is not what was signed";
    found(
        bench,
        "signature",
        said,
        signed(first, |record| record["decision"]["by"]["name"] = "bob@example.com".into()),
    );
    found(bench, "signature", said, signed(first, |record| record["decision"]["reason"] = "whatever".into()));
    found(bench, "signature", "rejected", signed(first, |record| record["decision"]["verdict"] = "rejected".into()));
    found(
        bench,
        "signature",
        "does not fit the text",
        signed(first, |record| {
            let statement =
                text(&record["decision"]["signed"]["statement"]).replacen("tests are fine", "nobody looked", 1);
            record["decision"]["signed"]["statement"] = statement.into();
        }),
    );
    found(
        bench,
        "decision",
        "only a signed decision counts",
        signed(first, |record| {
            record["decision"].as_object_mut().unwrap().remove("signed");
            record["decision"]["how"] = "command".into();
            record["decision"]["by"] = serde_json::json!({ "name": "bob", "source": "login" });
        }),
    );
    found(
        bench,
        "decision",
        "another digest",
        signed(first, |record| {
            record["digest"] = format!("sha256:{}", "1".repeat(64)).into();
        }),
    );
    found(bench, "record", "does not begin", |records| {
        records.rechain(&records.run(first, "journal.jsonl"), |lines| drop(lines.remove(0)));
    });
}

/// Changes the signed decision in a journal, whose chain is made anew.
fn signed(run: &str, change: impl Fn(&mut Value)) -> impl FnOnce(&Records) {
    move |records| {
        records.rechain(&records.run(run, "journal.jsonl"), |lines| {
            change(lines.iter_mut().find(|line| line["decision"]["signed"].is_object()).unwrap());
        });
    }
}
