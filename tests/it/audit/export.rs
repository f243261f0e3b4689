//! `audit export` gives an auditor all there is, and tools that everybody has verify it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use super::bench::{Bench, text};

/// Every file below a folder, from it on.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            let mode = path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

/// The command lines in the README that begin like this, as somebody pastes them who has no patchctl.
fn pasted(bench: &Bench, folder: &str, begin: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(bench.path(folder).join("README.md")).unwrap();
    let lines = readme.lines().filter_map(|line| line.strip_prefix("    ")).filter(|line| line.starts_with(begin));
    lines.map(|line| bench.shell(&format!("cd {folder} && {line}"))).collect()
}

fn export(bench: &Bench, code: i32, args: &[&str], folder: &str) -> Value {
    let _ = std::fs::remove_dir_all(bench.path(folder));
    bench.json(code, &[&["audit", "export"], args, &["-o", folder]].concat())
}

#[test]
fn an_auditor_needs_no_patchctl() {
    let bench = Bench::start();
    let (first, second) = bench.two_runs();
    let document = export(&bench, 0, &[&first], "out");
    assert_eq!(document["verification"]["ok"], true, "{document:#}");
    assert_eq!(document["runs"][0]["head"], bench.json(0, &["report", &first])["audit_head"]);
    let found = files(&bench.path("out"));
    assert_eq!(document["files"], found.len());
    assert!(!found.iter().any(|name| name.contains(&second)), "nothing of other runs: {found:#?}");
    let run = |name: &str| format!("runs/{first}/{name}");
    for name in ["journal.jsonl", "settings.json", "plan.toml", "result.json", "verify.json", "evidence-uat.txt"] {
        assert!(found.contains(&run(name)), "{name}: {found:#?}");
        if let Ok(own) = std::fs::read(bench.path(&format!("state/{}", run(name)))) {
            assert_eq!(own, std::fs::read(bench.path(&format!("out/{}", run(name)))).unwrap(), "{name}");
        }
    }
    let evidence = std::fs::read_to_string(bench.path(&format!("out/{}", run("evidence-uat.txt")))).unwrap();
    assert!(evidence.contains("uat-01") && evidence.contains("digest sha256:"), "{evidence}");

    assert!(pasted(&bench, "out", "sha256sum -c").concat().lines().all(|line| line.ends_with(": OK")));
    let digest = text(&document["runs"][0]["decisions"][0]["digest"]);
    assert!(pasted(&bench, "out", "sha256sum runs").concat().contains(&digest["sha256:".len()..]));
    let signed = pasted(&bench, "out", "ssh-keygen");
    assert_eq!(signed.len(), 1, "{signed:?}");
    assert!(signed[0].starts_with("Good \"approval.patchctl\" signature for alice@example.com"), "{signed:?}");
    // A signature over something else is not good.
    let statement = format!("out/runs/{first}/decisions/01-uat-alice@example.com.statement");
    assert!(std::fs::read_to_string(bench.path(&statement)).unwrap().contains("tests are fine"));

    let readme = std::fs::read_to_string(bench.path("out/README.md")).unwrap();
    let shell = readme.split_once("    check() {").unwrap().1.split("\nLines in").next().unwrap();
    let said = bench.shell(&format!("cd out\ncheck() {{{shell}"));
    assert!(!said.contains("BROKEN"), "{said}");
    assert!(said.contains(&text(&document["runs"][0]["head"])), "{said}");

    statement_of(&bench, &first);
    report_of(&bench, &first);
    with_patchctl(&bench, &first);
    refusals(&bench, &first);
}

fn statement_of(bench: &Bench, run: &str) {
    let statement = std::fs::read_to_string(bench.path("out/statement.intoto.json")).unwrap();
    let statement: Value = serde_json::from_str(&statement).unwrap();
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    let subjects = statement["subject"].as_array().unwrap();
    let journal = subjects.iter().find(|subject| subject["name"] == format!("runs/{run}/journal.jsonl")).unwrap();
    let sum = bench.shell(&format!("sha256sum <state/runs/{run}/journal.jsonl"));
    assert!(sum.starts_with(&text(&journal["digest"]["sha256"])));
    assert_eq!(statement["predicate"]["runs"][0]["outcome"], "complete");
    assert_eq!(statement["predicate"]["runs"][0]["decisions"][0]["by"]["name"], "alice@example.com");
}

fn report_of(bench: &Bench, run: &str) {
    for name in ["report.html", "report.md"] {
        let report = std::fs::read_to_string(bench.path(&format!("out/{name}"))).unwrap();
        for part in [run, "DEMO", "tests are fine", "uat", "prod", "uat-02", "6.5.1", "CC8.1", "A.8.8", "SHA256:"] {
            assert!(report.contains(part), "{part:?} is not in {name}");
        }
        let form = if name == "report.md" { "markdown" } else { "html" };
        let output = bench.command("state", &["report", run, "--output", form]).output().unwrap();
        assert!(output.status.success() && String::from_utf8(output.stdout).unwrap().contains("tests are fine"));
        for part in ["<script", "src=", "href=", "@import", "url("] {
            assert!(!report.contains(part), "{part:?} is in {name}");
        }
    }
}

fn with_patchctl(bench: &Bench, run: &str) {
    let verify = |code| bench.json_of("elsewhere", code, &["audit", "verify", "--export", "out"]);
    let document = verify(0);
    assert_eq!(document["runs"][0]["run_id"], run);
    assert_eq!(document["export"]["findings"], serde_json::json!([]));
    // Whatever is done to any file of it is found.
    for name in files(&bench.path("out")) {
        let path = bench.path("out").join(&name);
        let own = std::fs::read(&path).unwrap();
        let mut changed = own.clone();
        *changed.last_mut().unwrap() ^= 1;
        std::fs::write(&path, &changed).unwrap();
        verify(5);
        std::fs::write(&path, &own).unwrap();
    }
    let journal = bench.path(&format!("out/runs/{run}/journal.jsonl"));
    let own = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, own.replacen("tests are fine", "tests are good", 1)).unwrap();
    // The lists made anew do not help: the journal itself is altered.
    let statement = std::fs::read_to_string(bench.path("out/statement.intoto.json")).unwrap();
    let was = bench.shell(&format!("sha256sum <state/runs/{run}/journal.jsonl"));
    let is = bench.shell(&format!("sha256sum <out/runs/{run}/journal.jsonl"));
    bench.write("out/statement.intoto.json", &statement.replace(&was[..64], &is[..64]));
    let sums = "cd out; find * -type f ! -name SHA256SUMS -print0 | sort -z | xargs -0 sha256sum >SHA256SUMS";
    bench.shell(sums);
    let document = verify(5);
    assert_eq!(document["export"]["findings"], serde_json::json!([]), "{document:#}");
    assert_eq!(document["runs"][0]["findings"][0]["kind"], "record");
    std::fs::write(&journal, own).unwrap();
    bench.write("out/statement.intoto.json", &statement);
    bench.shell(sums);
    verify(0);
    bench.write("out/more", "x");
    let document = verify(5);
    assert!(text(&document["export"]["findings"][0]["message"]).contains("more is not in SHA256SUMS"), "{document:#}");
    bench.json(2, &["audit", "verify", "--export", "nowhere"]);
    let output = bench.command("elsewhere", &["audit", "verify", "--export", "out"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("the export: exported file: more is not in"), "{said}");
}

fn refusals(bench: &Bench, run: &str) {
    let refused = |args: &[&str], said: &str| {
        let document = bench.json(2, &[&["audit", "export"], args].concat());
        assert!(text(&document["errors"][0]["message"]).contains(said), "{document:#}");
    };
    refused(&[run, "-o", "out"], "not empty");
    refused(&[run, "-o", "plan.toml"], "something else is there");
    refused(&[run, "-o", "no/such/folder"], "cannot be made");
    refused(&["nothing", "-o", "new"], "no run is called");
    refused(&["--since", "2020-01-01", "--until", "2020-12-31", "-o", "new"], "no run started in that time");
    refused(&["--since", "yesterday", "-o", "new"], "invalid value 'yesterday'");
    assert!(!bench.path("new").exists());
    let left = |name: &String| name.starts_with('.') && name.contains(".new-");
    let names =
        std::fs::read_dir(bench.path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(left).count(), 0, "nothing half made is left");
}

#[test]
fn what_does_not_verify_is_exported_and_says_so_first() {
    let bench = Bench::start();
    let (first, second) = bench.two_runs();
    let document = export(&bench, 0, &["--since", "2020-01-01"], "all");
    assert_eq!(document["runs"].as_array().map(Vec::len), Some(2), "{document:#}");
    bench.json_of("elsewhere", 0, &["audit", "verify", "--export", "all"]);
    bench.json_of("elsewhere", 0, &["audit", "verify", "--export", "all", &second]);

    let records = bench.copy();
    let journal = records.run(&first, "journal.jsonl");
    records.lines(&journal, |lines| {
        let line = lines.iter_mut().find(|line| line.contains("tests are fine")).unwrap();
        *line = line.replacen("\"approved\"", "\"rejected\"", 1);
    });
    std::fs::remove_dir_all(records.run(&second, "")).unwrap();
    let document = bench.json_of("copy", 5, &["audit", "export", "--since", "2020-01-01", "-o", "bad"]);
    assert_eq!(document["missing"], serde_json::json!([second]), "{document:#}");
    let markdown = std::fs::read_to_string(bench.path("bad/report.md")).unwrap();
    assert!(markdown.starts_with("**THESE RECORDS DO NOT VERIFY: 4 problems found"), "{markdown}");
    assert!(markdown.contains("IS TOLD ONLY IN PART"), "{markdown}");
    let html = std::fs::read_to_string(bench.path("bad/report.html")).unwrap();
    assert!(html.contains("<body>\n<p class=\"alarm\">THESE RECORDS DO NOT VERIFY"), "{html}");
    bench.shell("cd bad && sha256sum --quiet -c SHA256SUMS");
    let document = bench.json_of("elsewhere", 5, &["audit", "verify", "--export", "bad"]);
    assert_eq!(document["site"]["findings"][0]["run"], second.as_str(), "{document:#}");

    // A run of which nothing is left but its name in the chain.
    let document = bench.json_of("copy", 5, &["audit", "export", &second, "-o", "gone"]);
    assert_eq!((&document["runs"], &document["missing"]), (&serde_json::json!([]), &serde_json::json!([second])));
    bench.json_of("elsewhere", 5, &["audit", "verify", "--export", "gone"]);
}
