//! patchctl dies; the host does not notice.

use super::bench::{Bench, standing};
use super::host::{spec, wait_until};

#[test]
fn a_killed_run_is_taken_up_where_it_was() {
    let slow = |name| spec(name).repo("handmade").install(&["lab-slow=1.0"]);
    let Some(bench) = Bench::start(&[slow("uat-1"), slow("prod-1")]) else { return };
    let uat = bench.host("uat-1");
    uat.write("/etc/lab-slow.seconds", "6\n");
    bench.host("prod-1").write("/etc/lab-slow.seconds", "0\n");
    bench.plan("packages = [\"lab-slow\"]");
    let mut run = bench.spawn("run", &["run", "plan.toml", "--yes", "--approve", "all", "--reason", "fine"]);
    wait_until("dpkg is at work", 60, || !uat.dpkg_actions().is_empty());
    run.kill().unwrap();
    run.wait().unwrap();

    let status = bench.json(0, &["status"]);
    assert_eq!(status["outcome"], "interrupted");
    assert_eq!(bench.json(0, &["runs"])["runs"][0]["outcome"], "interrupted");
    bench.host("prod-1").assert_untouched();

    let document = bench.json(0, &["resume", "last", "--approve", "all", "--reason", "fine"]);
    assert_eq!(standing(&document, "uat-1"), "PATCH/SUCCESS patched");
    assert_eq!(standing(&document, "prod-1"), "PATCH/SUCCESS patched");
    for name in ["uat-1", "prod-1"] {
        assert_eq!(bench.host(name).dpkg_actions(), ["upgrade lab-slow:all 1.0 2.0"], "once, on {name}");
        assert!(!bench.host(name).is_claimed());
    }
}

#[test]
fn a_run_that_is_killed_in_each_of_its_steps_does_nothing_twice() {
    let Some(bench) = Bench::start(&[spec("uat-1").repo("handmade").install(&["lab-slow=1.0"])]) else { return };
    let uat = bench.host("uat-1");
    uat.write("/etc/lab-slow.seconds", "4\n");
    bench.plan_of("lab", "packages = [\"lab-slow\"]", "dead_man = \"60s\"\nreboot = \"always\"");
    let flags = ["--yes", "--approve", "all", "--reason", "fine"];
    let mut args: Vec<&str> = ["run", "plan.toml"].into_iter().chain(flags).collect();
    let steps = ["resolve", "stash", "apply", "settle", "confirm", "reboot", "settle", "confirm", "forget"];
    let mut seen = 0;
    for step in steps {
        let mut run = bench.spawn("run", &args);
        let begun = |event: &serde_json::Value| event["event"] == "step_started" && event["step"] == step;
        wait_until(step, 90, || {
            let journal = bench.journal();
            let at = journal.iter().skip(seen).position(begun);
            seen += at.map_or(0, |at| at + 1);
            at.is_some()
        });
        run.kill().unwrap();
        run.wait().unwrap();
        args = ["resume", "last"].into_iter().chain(flags).collect();
    }
    let document = bench.json(0, &args);
    assert_eq!(standing(&document, "uat-1"), "PATCH/SUCCESS patched");
    assert_eq!(uat.dpkg_actions(), ["upgrade lab-slow:all 1.0 2.0"], "once");
    assert_eq!(uat.lab("boots", &[]).trim(), "1", "once");
    assert!(!uat.is_claimed());
    let jobs = uat.sh("ls /var/lib/patchctl/jobs");
    let count = |step: &str| jobs.lines().filter(|job| job.contains(&format!("-{step}-"))).count();
    assert_eq!((count("stash"), count("apply"), count("reboot"), count("deadman")), (1, 1, 1, 0), "{jobs}");
}

/// A run whose patch takes some seconds, up to where dpkg is at work.
fn under_way(bench: &Bench) -> std::process::Child {
    let uat = bench.host("uat-1");
    uat.write("/etc/lab-slow.seconds", "6\n");
    bench.plan("packages = [\"lab-slow\"]");
    let args = ["run", "plan.toml", "--yes", "--approve", "all", "--reason", "fine", "--output", "json"];
    let run = bench.spawn("run", &args);
    wait_until("dpkg is at work", 60, || !uat.dpkg_actions().is_empty());
    run
}

#[test]
fn a_signal_stops_it_where_it_is_safe() {
    let Some(bench) = Bench::start(&[spec("uat-1").repo("handmade").install(&["lab-slow=1.0"])]) else { return };
    let mut run = under_way(&bench);
    bench.signal(&run, rustix::process::Signal::TERM);
    assert_eq!(run.wait().unwrap().code(), Some(143), "{}", bench.read("run.err"));
    let document: serde_json::Value = serde_json::from_str(&bench.read("run.out")).unwrap();
    assert_eq!((&document["outcome"], &document["exit_code"]), (&"interrupted".into(), &143.into()));
    let next = document["waiting"]["command"].as_str().unwrap();
    assert!(next.starts_with("patchctl resume "), "it says how to go on: {document:#}");
    // The step that was under way has ended, and is known.
    assert_eq!(bench.host("uat-1").version("lab-slow"), "2.0");

    let document = bench.json(0, &["resume", "last", "--yes", "--approve", "all", "--reason", "fine"]);
    assert_eq!(standing(&document, "uat-1"), "PATCH/SUCCESS patched");
    assert_eq!(bench.host("uat-1").dpkg_actions(), ["upgrade lab-slow:all 1.0 2.0"]);
    assert!(!bench.host("uat-1").is_claimed());
}

#[test]
fn a_second_signal_leaves_at_once_and_the_host_goes_on() {
    let Some(bench) = Bench::start(&[spec("uat-1").repo("handmade").install(&["lab-slow=1.0"])]) else { return };
    let mut run = under_way(&bench);
    let uat = bench.host("uat-1");
    bench.signal(&run, rustix::process::Signal::INT);
    wait_until("it says what it does", 10, || bench.read("run.err").contains("nothing new starts"));
    bench.signal(&run, rustix::process::Signal::INT);
    assert_eq!(run.wait().unwrap().code(), Some(130), "{}", bench.read("run.err"));
    assert!(bench.read("run.err").contains("leaving at once"), "{}", bench.read("run.err"));
    let document: serde_json::Value = serde_json::from_str(&bench.read("run.out")).unwrap();
    assert_eq!(document["outcome"], "interrupted");
    assert_eq!(uat.sh("pgrep -fc '[l]ab-slow.postinst' || true").trim(), "1", "dpkg goes on");
    let document = bench.json(0, &["resume", "last", "--yes", "--approve", "all", "--reason", "fine"]);
    assert_eq!(standing(&document, "uat-1"), "PATCH/SUCCESS patched");
    assert_eq!(uat.dpkg_actions(), ["upgrade lab-slow:all 1.0 2.0"]);
}

#[test]
fn a_lost_connection_is_made_again() {
    let Some(bench) = Bench::start(&[spec("uat-1").repo("handmade").install(&["lab-slow=1.0"])]) else { return };
    let mut run = under_way(&bench);
    // sshd ends the session as after a cut that it noticed; the patch goes on without it.
    bench.host("uat-1").sh("for p in $(pgrep -f '^sshd: root@'); do kill -9 $p; done");
    assert_eq!(run.wait().unwrap().code(), Some(0), "{}", bench.read("run.err"));
    let document: serde_json::Value = serde_json::from_str(&bench.read("run.out")).unwrap();
    assert_eq!(standing(&document, "uat-1"), "PATCH/SUCCESS patched");
    assert_eq!(bench.host("uat-1").dpkg_actions(), ["upgrade lab-slow:all 1.0 2.0"]);
}

#[test]
fn a_network_that_is_gone_for_a_while_is_waited_for() {
    let Some(bench) = Bench::start(&[spec("uat-1").repo("handmade").install(&["lab-slow=1.0"])]) else { return };
    let mut run = under_way(&bench);
    bench.host("uat-1").lab("net", &["down"]);
    std::thread::sleep(std::time::Duration::from_secs(15));
    bench.host("uat-1").lab("net", &["up"]);
    assert_eq!(run.wait().unwrap().code(), Some(0), "{}", bench.read("run.err"));
    assert_eq!(bench.host("uat-1").dpkg_actions(), ["upgrade lab-slow:all 1.0 2.0"]);
}
