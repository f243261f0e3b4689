//! An emergency on a real host: through a freeze, over another run's claim, and looked at afterwards.

use patchctl::adapters::clock::SystemClock;
use patchctl::ports::Clock as _;

use super::bench::{Bench, standing};
use super::host::{plain, spec};

const POLICY: &str = r#"
[[freeze]]
name = "christmas"
from = "2026-01-01T00:00:00Z"
to = "2120-01-01T00:00:00Z"
stages = ["uat"]
[emergency]
by = ["root"]
passes = ["freeze"]
review_within = "24h"
"#;

#[test]
fn an_emergency_goes_ahead_and_everything_about_it_is_recorded() {
    let fresh = spec("uat-1").repo("handmade").cached().install(&["lab-slow=1.0", "lab-plain=1.0"]);
    let Some(bench) = Bench::start(&[fresh]) else { return };
    let uat = bench.host("uat-1");
    uat.sh("echo 0 >/etc/lab-slow.seconds");
    bench.plan("packages = [\"lab-plain\"]");
    bench.plan_of("urgent", "packages = [\"lab-slow\"]", "");
    bench.write("policy.toml", POLICY);

    // A run waits at its gate, with its claim on the host.
    let waits = bench.json(3, &["run", "plan.toml", "--yes"]);
    let first = waits["run_id"].as_str().unwrap();
    let urgent =
        ["run", "urgent.toml", "--yes", "--policy", "policy.toml", "--approve", "all", "--reason", "exploited"];
    let refused = bench.json(7, &urgent);
    assert!(refused["errors"][0]["message"].as_str().unwrap().contains("christmas"), "{refused:#}");
    let somebody =
        bench.command(&[&urgent[..], &["--emergency", "--output", "json"]].concat()).env("SUDO_UID", "1").output();
    let somebody = somebody.unwrap();
    assert_eq!(somebody.status.code(), Some(7), "{somebody:?}");
    assert!(String::from_utf8_lossy(&somebody.stdout).contains("daemon may not declare an emergency: root may"));
    assert_eq!(bench.json(0, &["runs"])["runs"].as_array().unwrap().len(), 1, "nothing of it exists");

    let document = bench.json(0, &[&urgent[..], &["--emergency"]].concat());
    let run = document["run_id"].as_str().unwrap();
    assert_eq!(standing(&document, "uat-1"), "PATCH/SUCCESS patched");
    let emergency = &document["emergency"];
    assert_eq!((&emergency["declared"][0]["by"], &emergency["in_force"]), (&"root".into(), &true.into()));
    assert_eq!(emergency["review"], serde_json::Value::Null);
    assert_eq!((uat.version("lab-slow"), uat.version("lab-plain")), ("2.0".into(), "2.0".into()));

    // The other run has it in its records, its claim is back, and it goes back to exactly what it changed.
    let told = bench.json(0, &["status", first]);
    assert!(told["errors"][0]["message"].as_str().unwrap().contains(run), "{told:#}");
    assert!(uat.is_claimed());
    let undone = bench.json(4, &["reject", first, "--reason", "not now", "--resume"]);
    assert_eq!(standing(&undone, "uat-1"), "ROLLBACK/SUCCESS restored");
    assert_eq!((uat.version("lab-slow"), uat.version("lab-plain")), ("2.0".into(), "1.0".into()));

    // A review is due, by somebody else.
    let list = bench.patchctl(&["runs"]).ended(0);
    assert!(list.out.contains("to be reviewed by"), "{}", list.out);
    let own = bench.patchctl(&["audit", "review", run, "--reason", "fine"]).ended(2);
    assert!(own.err.contains("somebody else reviews it"), "{}", own.err);
    let review = ["audit", "review", run, "--reason", "rightly so, INC0099"];
    let other = bench.command(&review).env("SUDO_UID", "1").output().unwrap();
    assert!(other.status.success(), "{other:?}");
    let report = bench.patchctl(&["report", run]).ended(0);
    assert!(report.out.contains("reviewed by daemon") && report.out.contains("INC0099"), "{}", report.out);
    assert!(!bench.patchctl(&["runs"]).ended(0).out.contains("to be reviewed"));
    bench.json(0, &["audit", "verify"]);
}

#[test]
fn two_declare_it_and_then_it_passes_a_window() {
    let Some(bench) = Bench::start(&[plain("uat-1")]) else { return };
    let far = jiff::SignedDuration::from_hours(12);
    let start = (SystemClock.now() + far).to_zoned(jiff::tz::TimeZone::UTC).strftime("%H:%M").to_string();
    let window = format!("[[stage.window]]\nstart = \"{start}\"\nlength = \"1h\"\n");
    bench.plan_of("lab", "packages = [\"lab-plain\"]", &window);
    bench.write("policy.toml", "[emergency]\nby = [\"root\", \"daemon\"]\nquorum = 2\npasses = [\"window\"]\n");
    let first = ["run", "plan.toml", "--yes", "--policy", "policy.toml", "--emergency", "--reason", "exploited"];
    let document = bench.json(3, &first);
    let (run, emergency) = (document["run_id"].as_str().unwrap(), &document["emergency"]);
    assert_eq!((&emergency["in_force"], &emergency["have"], &emergency["need"]), (&false.into(), &1.into(), &2.into()));
    assert_eq!(document["waiting"]["command"], format!("patchctl resume {run} --emergency --reason TEXT"));
    bench.host("uat-1").assert_untouched();

    let second = ["resume", run, "--emergency", "--reason", "I see it too", "--output", "json"];
    let output = bench.command(&second).env("SUDO_UID", "1").output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["waiting"]["kind"], "approval", "patched, and no gate opened by itself: {document:#}");
    assert!(document["emergency"]["passed"][0].as_str().unwrap().starts_with("stage uat: window every day"));
    assert_eq!(bench.host("uat-1").version("lab-plain"), "2.0");
}
