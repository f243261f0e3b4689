//! Hosts that are not, or not any more, who they should be.

use super::bench::{Bench, first_error, standing};
use super::host::plain;

const RUN: [&str; 6] = ["run", "plan.toml", "--yes", "--approve", "all", "--reason=fine"];

#[test]
fn an_unknown_host_key_is_refused_until_it_is_accepted() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("prod-1")]) else { return };
    bench.plan("packages = [\"lab-plain\"]");
    bench.write(".ssh/known_hosts", "");
    let document = bench.json(7, &RUN);
    let error = first_error(&document);
    assert_eq!((&error["kind"], &error["host"]), (&"host_key".into(), &"uat-1".into()));
    assert!(error["hint"].as_str().unwrap().contains("inventory ping --accept-new-host-keys"), "{error:#}");
    assert_eq!(standing(&document, "uat-1"), "NONE/FAILED unreachable");
    bench.host("uat-1").assert_untouched();
    bench.host("prod-1").assert_untouched();
    assert_eq!(first_error(&bench.json(7, &["inventory", "ping"]))["kind"], "host_key");
    assert_eq!(bench.read(".ssh/known_hosts"), "");

    let document = bench.json(0, &["inventory", "ping", "--accept-new-host-keys"]);
    assert_eq!(document["hosts"].as_array().unwrap().len(), 2);
    for host in &bench.hosts {
        assert!(bench.read(".ssh/known_hosts").contains(&format!("{} ", host.address)));
    }
    bench.json(0, &RUN);
    assert_eq!(bench.host("prod-1").version("lab-plain"), "2.0");
}

#[test]
fn a_changed_host_key_is_refused_and_its_line_named() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("prod-1")]) else { return };
    bench.plan("packages = [\"lab-plain\"]");
    let (uat, prod) = (bench.host("uat-1"), bench.host("prod-1"));
    // All keys that are known for the first host are the other's.
    let lines =
        |address: &str, keys: &[String]| -> String { keys.iter().map(|key| format!("{address} {key}\n")).collect() };
    let known =
        format!("# kept by hand\n{}{}", lines(&uat.address, &prod.host_keys), lines(&prod.address, &prod.host_keys));
    bench.write(".ssh/known_hosts", &known);
    for args in [&RUN[..], &["inventory", "ping", "--accept-new-host-keys"]] {
        let document = bench.json(7, args);
        let error = first_error(&document);
        assert_eq!((&error["kind"], &error["host"]), (&"host_key".into(), &"uat-1".into()));
        let message = error["message"].as_str().unwrap();
        let place = bench.path(".ssh/known_hosts").display().to_string();
        let named = [2, 3].iter().any(|line| {
            message.contains(&format!("{place}:{line}")) || message.contains(&format!("{place}, line {line}"))
        });
        assert!(named, "file and line in {message}");
    }
    assert_eq!(bench.read(".ssh/known_hosts"), known);
    uat.assert_untouched();
    prod.assert_untouched();
}

#[test]
fn a_machine_with_two_names_is_refused() {
    let Some(bench) = Bench::start(&[plain("uat-1")]) else { return };
    let uat = bench.host("uat-1");
    bench.plan("packages = [\"lab-plain\"]");
    let inventory = bench.read("inventory.toml").replace("hosts = [\"uat-1\"]", "hosts = [\"uat-1\", \"alias\"]");
    bench.write("inventory.toml", &format!("{inventory}[hosts.alias]\naddress = {:?}\n", uat.address));
    // Which name is meant is not for chance to say: both are refused, and say which the other is.
    let document = bench.json(7, &RUN);
    for (name, other) in [("uat-1", "alias"), ("alias", "uat-1")] {
        assert_eq!(standing(&document, name), "NONE/FAILED refused");
        let errors = document["errors"].as_array().unwrap();
        let error = errors.iter().find(|error| error["host"] == name).unwrap();
        assert!(error["message"].as_str().unwrap().contains(&format!("same machine as {other}")), "{error:#}");
    }
    assert_eq!(uat.dpkg_actions(), [""; 0]);
    assert!(!uat.is_claimed());
}
