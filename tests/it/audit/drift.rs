//! `drift` on the demo's fleet: application releases instead of packages.

use serde_json::json;

use super::bench::{Bench, text};

#[test]
fn a_release_that_somebody_switched_by_hand() {
    let bench = Bench::start();
    let run = text(&bench.json(0, &["run", "second.toml", "--yes", "--approve", "all", "--reason", "ok"])["run_id"]);
    // Nowhere an inventory: the hosts are those that runs know.
    let document = bench.json(0, &["drift"]);
    let hosts = document["hosts"].as_array().unwrap();
    assert!(hosts.len() == 6 && hosts.iter().all(|host| host["state"] == "same" && host["run_id"] == run.as_str()));

    let current = bench.demo().join("hosts/prod-02/apps/shop/current");
    let app = current.parent().unwrap();
    bench.shell(&format!("cd {app:?} && ln -sfn releases/2.4.0 current"));
    let document = bench.json(5, &["drift", "prod"]);
    assert_eq!(document["hosts"].as_array().unwrap().len(), 4);
    let difference = json!({"name": "shop", "arch": "all", "expected": "2.4.1", "found": "2.4.0", "against": "run"});
    assert_eq!(document["hosts"][1]["differences"], json!([difference]));

    let table = bench.command("state", &["drift"]).output().unwrap();
    assert_eq!(table.status.code(), Some(5));
    insta::assert_snapshot!(String::from_utf8(table.stdout).unwrap().replace(&run, "RUN"));
    // Another state folder knows nothing.
    assert_eq!(bench.json_of("other", 2, &["drift"])["errors"][0]["kind"], "invalid");
}
