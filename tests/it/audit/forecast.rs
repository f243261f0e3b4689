//! What `plan` says of how long stages will take, by the runs before.

use std::process::Stdio;
use std::time::Duration;

use expectrl::{Eof, Expect as _, Session};
use serde_json::{Value, json};

use super::bench::{Bench, text};

fn forecasts(plan: &Value) -> Vec<Value> {
    let stages = plan["stages"].as_array().unwrap();
    stages.iter().map(|stage| stage.get("forecast").cloned().unwrap_or(json!("none"))).collect()
}

#[test]
fn a_plan_forecasts_by_the_runs_before_it() {
    let bench = Bench::start();
    // Nothing is known yet, and asking makes no state folder.
    let first = bench.json(0, &["plan", "second.toml"]);
    for forecast in forecasts(&first) {
        assert_eq!(
            (&forecast["runs"], &forecast["fits"], &forecast["ends_at"]),
            (&json!(0), &Value::Null, &Value::Null)
        );
        assert_eq!(forecast["why"], "no earlier run says how long hosts take");
    }
    assert!(!bench.path("state").exists());
    let run = bench.json(0, &["run", "second.toml", "--yes", "--approve", "all", "--reason", "again"]);
    let run = text(&run["run_id"]);
    // What needs nothing has no forecast.
    assert_eq!(forecasts(&bench.json(0, &["plan", "second.toml"])), [json!("none"), json!("none")]);
    bench.json(0, &["rollback", &run, "--yes", "--reason", "again", "--approve", "all"]);

    // The way back is a run, too, and says nothing about the way there.
    let known = bench.json(0, &["plan", "second.toml"]);
    let [uat, prod] = &forecasts(&known)[..] else { panic!("two stages") };
    assert_eq!(
        (&uat["hosts"], &prod["hosts"], &prod["runs"], &prod["by"]),
        (&json!(2), &json!(4), &json!(1), &json!("stage"))
    );
    assert_eq!((&prod["fits"], &prod["until"], &prod["why"]), (&json!(true), &Value::Null, &Value::Null));
    assert!(prod["per_host_ms"].as_u64() > Some(0) && prod["takes_ms"].as_u64() >= prod["per_host_ms"].as_u64());
    // Production begins when UAT is done.
    assert_eq!(prod["begins_at"], uat["ends_at"]);
    // How long it takes is no part of what the digest is of.
    assert_eq!(known["digest"], first["digest"]);

    // With a window, from its opening on.
    let start = bench.shell("date -u -d '+2 hours' +%H:%M").trim().to_owned();
    let plan = bench.read("second.toml");
    let windowed = |length: &str| {
        let keys = format!("parallel = 1\nwindow = [{{ start = {start:?}, length = \"{length}\" }}]");
        bench.write(
            "second.toml",
            &plan
                .replace("hosts = \"uat\"", &format!("hosts = \"uat\"\n{keys}"))
                .replace("hosts = \"prod\"", &format!("hosts = \"prod\"\n{keys}")),
        );
    };
    windowed("6h");
    let uat = forecasts(&bench.json(0, &["plan", "second.toml", "--no-refresh"])).remove(0);
    assert!(text(&uat["begins_at"]).ends_with(&format!("T{start}:00Z")), "{uat}");
    assert_eq!((&uat["fits"], &uat["until"]), (&json!(true), &uat["none_after"]));

    // Two hosts, one after the other, do not fit into a second unless each takes half of it at most.
    windowed("1s");
    let uat = forecasts(&bench.json(0, &["plan", "second.toml", "--no-refresh"])).remove(0);
    let fits = uat["per_host_ms"].as_u64().unwrap() * 2 <= 1000;
    assert_eq!(uat["fits"], fits, "{uat}");
    let shown = bench.command("state", &["plan", "second.toml", "--no-refresh"]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert_eq!(shown.contains("does not fit its window (until "), !fits, "{shown}");
    if !fits {
        is_told_before_the_first_change(&bench);
    }

    // A state folder that cannot be used is told, and no more than that.
    bench.shell("mkdir -p strange/runs && chmod 0777 strange");
    let output = bench.command("strange", &["plan", "second.toml"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("so there is no forecast: "), "{said}");
}

fn is_told_before_the_first_change(bench: &Bench) {
    let mut command = bench.command("state", &["run", "second.toml"]);
    command.stdin(Stdio::inherit());
    let mut session = Session::spawn(command).unwrap();
    session.get_process_mut().set_window_size(250, 40).unwrap();
    session.set_expect_timeout(Some(Duration::from_secs(90)));
    session.expect("stage uat: by 1 earlier run it does not fit its window: ").unwrap();
    // Production has not been asked yet.
    session.expect("stage prod: by 1 earlier run it does not fit its window: ").unwrap();
    session.send("\x03").unwrap();
    session.expect(Eof).unwrap();
}
