//! Policies on real hosts: a rule that opens a gate, one that asks for somebody, and a package that stays as it is.

use super::bench::{Bench, host, stage, standing};
use super::host::spec;

const POLICY: &str = r#"
[limits]
rollback_proven = true
[[auto_approve]]
name = "small"
stages = ["uat*"]
max_severity = "medium"
hosts_max = 1
packages = ["lab-*"]
[[approval]]
name = "production"
stages = ["prod*"]
packages = ["lab-plain"]
by = ["alice"]
[[exception]]
hosts = "prod-1"
packages = ["lab-slow"]
until = 2120-01-01
ticket = "CHG0815"
reason = "the vendor certifies 1.0 alone"
"#;

#[test]
fn rules_open_one_gate_narrow_another_and_hold_a_package_back() {
    let fresh = |name| spec(name).repo("handmade").cached().install(&["lab-slow=1.0", "lab-plain=1.0"]);
    let Some(bench) = Bench::start(&[fresh("uat-1"), fresh("prod-1")]) else { return };
    for host in &bench.hosts {
        host.sh("echo 0 >/etc/lab-slow.seconds");
    }
    bench.write("policy.toml", POLICY);
    let patch = "packages = [\"lab-slow\", \"lab-plain\"]";
    bench.plan(patch);
    let run = ["run", "plan.toml", "--yes", "--policy", "policy.toml", "--approve", "all", "--reason", "fine"];

    // It says no severity, and counts as critical: no rule opens its gate, and the flag does.
    let tested = bench.json(0, &["policy", "test", "plan.toml", "--policy", "policy.toml"]);
    assert_eq!(tested["severity"], serde_json::Value::Null, "{tested:#}");
    bench.plan(&format!("{patch}\nseverity = \"medium\""));
    let document = bench.json(3, &run);
    let by = &stage(&document, "uat")["decision"]["by"][0];
    assert_eq!((&by["name"], &by["how"]), (&"patchctl".into(), &"policy".into()), "{by:#}");
    assert_eq!(document["waiting"]["stage"], "prod", "{document:#}");
    assert_eq!(standing(&document, "uat-1"), "PATCH/SUCCESS patched");

    // Production is patched and waits for alice; what the exception holds back was not touched.
    let (uat, prod) = (bench.host("uat-1"), bench.host("prod-1"));
    assert_eq!((uat.version("lab-slow"), uat.version("lab-plain")), ("2.0".into(), "2.0".into()));
    assert_eq!((prod.version("lab-slow"), prod.version("lab-plain")), ("1.0".into(), "2.0".into()));
    let packages = host(&document, "prod-1")["packages"].as_array().unwrap();
    assert_eq!(packages.len(), 1, "{packages:#?}");
    let run = document["run_id"].as_str().unwrap();
    let status = bench.patchctl(&["status", run]);
    assert!(status.out.contains("production (policy.toml:10): by alice"), "{}", status.out);
    assert!(status.out.contains("CHG0815"), "{}", status.out);

    // The wrong person changes nothing, a rejection brings back what was patched, and only that.
    let digest = document["waiting"]["digest"].as_str().unwrap();
    let approve = ["approve", run, "--stage", "prod", "--digest", digest, "--reason", "fine"];
    let answer = bench.patchctl(&approve).ended(2);
    assert!(answer.err.contains("alice"), "{}", answer.err);
    let undone = bench.json(4, &["cancel", run, "--reason", "alice is away", "--yes"]);
    assert_eq!(standing(&undone, "prod-1"), "ROLLBACK/SUCCESS restored");
    assert_eq!((prod.version("lab-slow"), prod.version("lab-plain")), ("1.0".into(), "1.0".into()));
    bench.json(0, &["audit", "verify"]);
}
