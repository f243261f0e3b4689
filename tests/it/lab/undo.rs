//! `rollback`: a finished run is undone, all of it or a part.

use super::bench::{Bench, host, standing};
use super::host::{plain, spec};

const RUN: [&str; 6] = ["run", "plan.toml", "--yes", "--approve", "all", "--reason=fine"];

#[test]
fn a_finished_run_is_undone() {
    let app = |name| spec(name).repo("handmade").install(&["lab-app=1.0", "lab-old=1.0", "lab-shared=1.0"]);
    let Some(bench) = Bench::start(&[app("uat-1"), app("prod-1")]) else { return };
    bench.plan("packages = [\"lab-app\"]\nallow_removals = true");
    let before = bench.snapshots();
    let document = bench.json(0, &RUN);
    let run = document["run_id"].as_str().unwrap();
    let patched = bench.host("prod-1").dpkg_actions();

    bench.json(2, &["rollback", run, "--yes"]);
    let plan = bench.json(0, &["rollback", run, "--dry-run"]);
    let op = |name: &str, key: &str| {
        let ops = host(&plan, "prod-1")["transaction"].as_array().unwrap();
        ops.iter().find(|op| op["name"] == name).unwrap()[key].clone()
    };
    assert_eq!([op("lab-app", "op"), op("lab-dep", "op"), op("lab-old", "op")], ["downgrade", "remove", "install"]);
    assert_eq!((op("lab-app", "from"), op("lab-app", "to")), ("2.0".into(), "1.0".into()));
    assert_eq!(bench.host("prod-1").dpkg_actions(), patched, "a dry run changes nothing");

    // Nothing can be downloaded any more: it goes back all the same.
    bench.hosts.iter().for_each(|host| drop(host.lab("repo", &["none"])));
    let document = bench.json(0, &["rollback", run, "--yes", "--reason", "found a bug"]);
    assert_eq!(document["kind"], "rollback");
    assert_eq!(document["summary"]["rolled_back"], 2);
    for name in ["uat-1", "prod-1"] {
        assert_eq!(standing(&document, name), "ROLLBACK/SUCCESS restored");
        assert_eq!(host(&document, name)["action_cause"], "found a bug");
        assert!(!bench.host(name).is_claimed());
        bench.host(name).lab("repo", &["handmade"]);
    }
    bench.assert_same(&before);
}

#[test]
fn a_part_of_a_run_is_undone() {
    let two = |name| plain(name).install(&["lab-held=1.0"]);
    let Some(bench) = Bench::start(&[two("uat-1"), two("prod-1")]) else { return };
    bench.plan("packages = [\"lab-plain\", \"lab-held\"]");
    let run = bench.json(0, &RUN)["run_id"].as_str().unwrap().to_owned();
    let versions = |name: &str| bench.host(name).versions(&["lab-held", "lab-plain"]).into_values().collect::<Vec<_>>();

    let part = ["rollback", &run, "--yes", "--reason", "only this", "--packages", "lab-pl*", "--stage", "prod"];
    let document = bench.json(0, &part);
    assert_eq!(document["summary"]["hosts"], 1);
    assert_eq!(standing(&document, "prod-1"), "ROLLBACK/SUCCESS restored");
    assert_eq!(versions("prod-1"), ["2.0", "1.0"]);
    assert_eq!(versions("uat-1"), ["2.0", "2.0"]);

    let document = bench.json(0, &["rollback", &run, "--yes", "--reason", "and here", "--limit", "uat-1"]);
    assert_eq!(standing(&document, "uat-1"), "ROLLBACK/SUCCESS restored");
    assert_eq!(versions("uat-1"), ["1.0", "1.0"]);
    assert_eq!(versions("prod-1"), ["2.0", "1.0"]);
}

#[test]
fn what_somebody_else_has_changed_since_is_left_alone() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("prod-1")]) else { return };
    bench.plan("packages = [\"lab-plain\"]");
    let run = bench.json(0, &RUN)["run_id"].as_str().unwrap().to_owned();
    let prod = bench.host("prod-1");
    prod.install_made("lab-plain", "3.0");
    let actions = prod.dpkg_actions();

    let args = ["rollback", &run, "--yes", "--reason", "found a bug", "--output", "json"];
    let answer = bench.patchctl(&args).ended(8);
    let document = answer.json();
    assert_eq!(standing(&document, "uat-1"), "ROLLBACK/SUCCESS restored");
    assert!(answer.err.lines().any(|line| line.starts_with("✓ uat  uat-1  restored")), "{}", answer.err);
    assert_eq!(standing(&document, "prod-1"), "NONE/FAILED conflict");
    assert_eq!(host(&document, "prod-1")["error"]["kind"], "conflict");
    assert_eq!(prod.dpkg_actions(), actions);
    assert!(bench.hosts.iter().all(|host| !host.is_claimed()));
}

#[test]
fn what_a_newer_run_has_changed_since_is_left_alone_and_the_run_is_named() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("prod-1")]) else { return };
    bench.plan("packages = [\"lab-plain\"]");
    let run = bench.json(0, &RUN)["run_id"].as_str().unwrap().to_owned();
    bench.hosts.iter().for_each(|host| drop(host.lab("repo", &["handmade-newer"])));
    bench.plan_of("newer", "packages = [\"lab-plain\"]", "");
    let newer = bench.json(0, &["run", "newer.toml", "--yes", "--approve", "all", "--reason", "fine"]);
    let newer = newer["run_id"].as_str().unwrap();
    let actions: Vec<_> = bench.hosts.iter().map(super::host::Host::dpkg_actions).collect();

    let document = bench.json(7, &["rollback", &run, "--yes", "--reason", "found a bug"]);
    for at in &bench.hosts {
        assert_eq!(standing(&document, at.name), "NONE/FAILED conflict");
        let message = host(&document, at.name)["error"]["message"].as_str().unwrap();
        assert!(message.contains(newer), "it names {newer}: {message}");
        assert_eq!(at.version("lab-plain"), "3.0");
        assert!(!at.is_claimed());
    }
    assert_eq!(bench.hosts.iter().map(super::host::Host::dpkg_actions).collect::<Vec<_>>(), actions);
}
