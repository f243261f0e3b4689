//! Runs taken in hand from another terminal: paused, cancelled, hosts recovered and given up.

use std::path::PathBuf;
use std::process::Child;

use serde_json::Value;

use super::bench::{Bench, first_error, host, stage, standing};
use super::host::{Spec, plain, spec, wait_until};

const PLAIN: &str = "packages = [\"lab-plain\"]";
const SLOW: &str = "packages = [\"lab-slow\"]";
const APPROVED: [&str; 5] = ["--yes", "--approve", "all", "--reason", "fine"];

fn slow(name: &'static str) -> Spec {
    spec(name).repo("handmade").install(&["lab-slow=1.0"])
}

/// A run in the background, up to where dpkg is at work on `uat-1`, for so many seconds.
fn under_way(bench: &Bench, seconds: u32) -> Child {
    let uat = bench.host("uat-1");
    uat.write("/etc/lab-slow.seconds", &format!("{seconds}\n"));
    let run = bench.spawn("run", &[&["run", "plan.toml", "--output", "json"], &APPROVED[..]].concat());
    wait_until("dpkg is at work", 60, || !uat.dpkg_actions().is_empty());
    run
}

/// The document of the run in the background, once it has ended with this code.
#[track_caller]
fn document(bench: &Bench, run: &mut Child, code: i32) -> Value {
    assert_eq!(run.wait().unwrap().code(), Some(code), "{}", bench.read("run.err"));
    serde_json::from_str(&bench.read("run.out")).unwrap()
}

fn resumed(run: &str) -> Vec<&str> {
    [&["resume", run], &APPROVED[..]].concat()
}

/// The state folder of the demo that runs here.
fn demos_state(bench: &Bench) -> String {
    let mut found = None;
    wait_until("the demo has a run", 30, || {
        let folders = std::fs::read_dir(bench.path("")).unwrap().map(|entry| entry.unwrap().path().join("state"));
        let made =
            |folder: &PathBuf| std::fs::read_dir(folder.join("runs")).is_ok_and(|mut runs| runs.next().is_some());
        found = folders.into_iter().find(made);
        found.is_some()
    });
    found.unwrap().to_str().unwrap().to_owned()
}

#[test]
fn the_demo_is_paused_and_cancelled_from_elsewhere() {
    let bench = Bench::bare();
    for (wish, code, outcome) in [
        (&["pause", "last"][..], 3, "paused"),
        (&["cancel", "last", "--reason", "wrong window", "--yes"], 4, "rejected"),
    ] {
        let mut demo = bench.terminal(&["demo", "--output", "json"]);
        demo.begin(true);
        demo.gate();
        let state = demos_state(&bench);
        let asked = bench.json(0, &[wish, &["--state-dir", &state]].concat());
        assert_eq!(asked["asked"], wish[0]);
        let document = demo.end().ended(code).json();
        assert_eq!(document["outcome"], outcome);
    }
}

#[test]
fn what_does_not_exist_cannot_be_taken_in_hand() {
    let bench = Bench::bare();
    for wish in [
        &["pause", "last"][..],
        &["cancel", "CHG1", "--reason", "x", "--yes"],
        &["recover", "01JD", "-l", "web-1"],
        &["release", "last", "-l", "web-1", "--reason", "x"],
        &["release", "01JD3M0V8ZQK5W9E2RXTYB6C7D", "-l", "web-1", "--reason", "x", "--yes"],
    ] {
        assert_eq!(first_error(&bench.json(2, wish))["kind"], "invalid");
    }
    bench.write("inventory.toml", "[hosts.web-1]\naddress = \"127.0.0.1\"\nport = 1\nuser = \"me\"\n");
    let release = ["release", "01jd3m0v8zqk5w9e2rxtyb6c7d", "-l", "web-1", "--reason", "x", "--yes"];
    let document = bench.json(7, &release);
    assert_eq!((&document["hosts"][0]["claim"], &document["hosts"][0]["recorded"]), (&"unknown".into(), &false.into()));
    assert_eq!(first_error(&document)["kind"], "unreachable");
    let text = bench.patchctl(&release).ended(7).out;
    assert!(text.starts_with("web-1: no record of it here; it does not answer"), "{text}");
}

#[test]
fn a_pause_from_elsewhere_lets_the_job_end_and_nothing_more_begin() {
    let Some(bench) = Bench::start(&[slow("uat-1"), slow("prod-1")]) else { return };
    bench.host("prod-1").write("/etc/lab-slow.seconds", "0\n");
    bench.plan(SLOW);
    let mut run = under_way(&bench, 6);
    let asked = bench.json(0, &["pause", "last"]);
    assert_eq!((&asked["asked"], &asked["recorded"]), (&"pause".into(), &true.into()));
    assert!(asked["driver"].as_str().unwrap().starts_with("process "), "{asked:#}");
    // While a process drives the run, nobody else asks its hosts.
    let busy = bench.json(7, &["recover", "last", "-l", "uat-1"]);
    assert!(first_error(&busy)["message"].as_str().unwrap().contains("another process drives"), "{busy:#}");
    let vain = bench.json(2, &["release", "last", "-l", "prod-1", "--reason", "not begun"]);
    assert!(first_error(&vain)["message"].as_str().unwrap().contains("nothing to give up"), "{vain:#}");

    let paused = document(&bench, &mut run, 3);
    assert_eq!((&paused["outcome"], &paused["waiting"]["kind"]), (&"paused".into(), &"person".into()));
    let id = paused["run_id"].as_str().unwrap();
    assert_eq!(paused["waiting"]["command"], format!("patchctl resume {id}"));
    assert_eq!(bench.host("uat-1").version("lab-slow"), "2.0", "what was under way has ended");
    bench.host("prod-1").assert_untouched();
    let cron = bench.patchctl(&["resume", "--due"]).ended(0);
    assert_eq!((cron.out.as_str(), cron.err.as_str()), ("", ""), "nobody takes it up but a person");

    let done = bench.json(0, &resumed(id));
    for name in ["uat-1", "prod-1"] {
        assert_eq!(standing(&done, name), "PATCH/SUCCESS patched");
        assert_eq!(bench.host(name).dpkg_actions(), ["upgrade lab-slow:all 1.0 2.0"], "once, on {name}");
        assert!(!bench.host(name).is_claimed());
    }
    bench.json(2, &["pause", id]);
    bench.json(2, &["cancel", id, "--reason", "late", "--yes"]);
}

#[test]
fn a_run_that_nobody_drives_is_paused_until_somebody_resumes_it() {
    let Some(bench) = Bench::start(&[plain("uat-1")]) else { return };
    bench.plan(PLAIN);
    let waits = bench.json(3, &["run", "plan.toml", "--yes"]);
    let (id, digest) = (waits["run_id"].as_str().unwrap(), waits["waiting"]["digest"].as_str().unwrap());
    for _ in 0..2 {
        let asked = bench.json(0, &["pause", id]);
        assert_eq!((&asked["recorded"], &asked["driver"]), (&true.into(), &Value::Null));
    }
    assert_eq!(bench.json(0, &["status", id])["outcome"], "paused");
    bench.json(0, &["approve", id, "--digest", digest, "--reason", "fine"]);
    let cron = bench.patchctl(&["resume", "--due"]).ended(0);
    assert_eq!((cron.out.as_str(), cron.err.as_str()), ("", ""));
    assert!(bench.host("uat-1").is_claimed());
    bench.json(0, &["resume", id]);
    assert!(!bench.host("uat-1").is_claimed());
}

#[test]
fn a_cancellation_from_elsewhere_takes_back_what_waits_at_the_gate() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("prod-1")]) else { return };
    bench.plan(PLAIN);
    let before = bench.snapshots();
    let mut terminal = bench.terminal(&["run", "plan.toml", "--yes", "--output", "json"]);
    terminal.gate();
    let digest = bench.json(0, &["status"])["waiting"]["digest"].as_str().unwrap().to_owned();
    bench.json(0, &["approve", "last", "--digest", &digest, "--reason", "uat is fine"]);
    terminal.gate();
    let asked = bench.json(0, &["cancel", "last", "--reason", "wrong window", "--yes"]);
    assert!(asked["driver"].as_str().unwrap().starts_with("process "), "{asked:#}");
    let done = terminal.end().ended(4).json();
    assert_eq!(standing(&done, "uat-1"), "PATCH/SUCCESS patched");
    assert_eq!(standing(&done, "prod-1"), "ROLLBACK/SUCCESS restored");
    assert_eq!(host(&done, "prod-1")["action_cause"], "wrong window");
    let prod = stage(&done, "prod");
    assert_eq!((&prod["state"], &prod["state_reason"]), (&"REJECTED".into(), &"cancelled".into()));
    bench.host("prod-1").assert_same(&before[1]);
    assert!(bench.hosts.iter().all(|host| !host.is_claimed()));
}

#[test]
fn a_cancellation_in_the_middle_of_the_patch_waits_for_it_and_takes_it_back() {
    let Some(bench) = Bench::start(&[slow("uat-1"), slow("prod-1")]) else { return };
    bench.plan(SLOW);
    let before = bench.host("uat-1").snapshot();
    let mut run = under_way(&bench, 5);
    bench.json(0, &["cancel", "last", "--reason", "wrong window", "--yes"]);
    let twice = bench.json(2, &["cancel", "last", "--reason", "again", "--yes"]);
    assert!(first_error(&twice)["message"].as_str().unwrap().contains("wrong window"), "{twice:#}");
    let done = document(&bench, &mut run, 4);
    assert_eq!(done["outcome"], "rejected");
    assert_eq!(standing(&done, "uat-1"), "ROLLBACK/SUCCESS restored");
    assert_eq!(standing(&done, "prod-1"), "NONE/SKIPPED rejected");
    let uat = bench.host("uat-1");
    // How long the package's scripts take is the test's own doing.
    uat.sh("rm -f /etc/lab-slow.seconds");
    uat.assert_same(&before);
    assert!(!uat.is_claimed());
    bench.host("prod-1").sh("rm -f /etc/lab-slow.seconds");
    bench.host("prod-1").assert_untouched();
}

#[test]
fn a_run_that_nobody_drives_is_cancelled_from_here() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("prod-1")]) else { return };
    bench.plan(PLAIN);
    let before = bench.host("uat-1").snapshot();
    let id = bench.json(3, &["run", "plan.toml", "--yes"])["run_id"].as_str().unwrap().to_owned();
    bench.json(2, &["cancel", &id, "--reason", "wrong window"]);
    bench.json(2, &["cancel", &id, "--yes"]);
    bench.json(2, &["cancel", &id, "--yes", "--reason", "x", "--limit", "uat-1"]);
    // No is no.
    let mut terminal = bench.terminal(&["cancel", &id]);
    terminal.expect("back to what it was");
    terminal.expect("not begun, and will not be");
    terminal.answer("Cancel this run?", "n");
    terminal.end().ended(3);
    assert_eq!(bench.host("uat-1").version("lab-plain"), "2.0");

    let mut terminal = bench.terminal(&["cancel", &id, "--output", "json"]);
    terminal.answer("Cancel this run?", "y");
    terminal.answer("Reason", "wrong window");
    let done = terminal.end().ended(4).json();
    assert_eq!(standing(&done, "uat-1"), "ROLLBACK/SUCCESS restored");
    assert_eq!(host(&done, "uat-1")["action_cause"], "wrong window");
    bench.host("uat-1").assert_same(&before);
    assert!(!bench.host("uat-1").is_claimed());
    bench.host("prod-1").assert_untouched();
}

#[test]
fn a_lost_host_is_asked_and_taken_back() {
    let Some(bench) = Bench::start(&[slow("uat-1")]) else { return };
    bench.plan_of("lab", SLOW, "timeout = \"5s\"\ndead_man = \"off\"");
    let uat = bench.host("uat-1");
    let before = uat.snapshot();
    let mut run = under_way(&bench, 4);
    uat.lab("net", &["down"]);
    let lost = document(&bench, &mut run, 6);
    assert_eq!(standing(&lost, "uat-1"), "PATCH/UNKNOWN lost");
    let id = lost["run_id"].as_str().unwrap();
    let shown = bench.patchctl(&["report", id]).ended(0).out;
    assert!(shown.contains(&format!("patchctl recover {id} -l uat-1")), "{shown}");
    assert!(shown.contains("lost during the patch"), "{shown}");

    uat.lab("net", &["up"]);
    wait_until("the patch has ended", 30, || uat.version("lab-slow") == "2.0");
    bench.json(2, &["recover", id, "-l", "uat-2"]);
    let done = bench.json(5, &["recover", id, "-l", "uat-1"]);
    assert_eq!(standing(&done, "uat-1"), "ROLLBACK/SUCCESS restored");
    uat.sh("rm -f /etc/lab-slow.seconds");
    uat.assert_same(&before);
    assert!(!uat.is_claimed());
    let again = bench.json(2, &["recover", id, "-l", "uat-1"]);
    assert!(first_error(&again)["message"].as_str().unwrap().contains("nothing to recover"), "{again:#}");
}

#[test]
fn a_lost_host_is_asked_and_goes_on_to_the_gate() {
    let Some(bench) = Bench::start(&[slow("uat-1"), slow("uat-2")]) else { return };
    bench.host("uat-2").write("/etc/lab-slow.seconds", "0\n");
    bench.plan_of("lab", SLOW, "timeout = \"5s\"\nmax_failed = 1\ndead_man = \"off\"");
    let uat = bench.host("uat-1");
    uat.write("/etc/lab-slow.seconds", "4\n");
    let mut run = bench.spawn("run", &["run", "plan.toml", "--yes", "--output", "json"]);
    wait_until("dpkg is at work", 60, || !uat.dpkg_actions().is_empty());
    uat.lab("net", &["down"]);
    let lost = document(&bench, &mut run, 6);
    assert_eq!(standing(&lost, "uat-1"), "PATCH/UNKNOWN lost");
    assert_eq!(standing(&lost, "uat-2"), "PATCH/SUCCESS waiting");
    let id = lost["run_id"].as_str().unwrap();

    uat.lab("net", &["up"]);
    let args = [&["recover", id, "-l", "uat-*"], &APPROVED[1..]].concat();
    let done = bench.json(0, &args);
    for name in ["uat-1", "uat-2"] {
        assert_eq!(standing(&done, name), "PATCH/SUCCESS patched");
        assert_eq!(bench.host(name).dpkg_actions(), ["upgrade lab-slow:all 1.0 2.0"], "once, on {name}");
        assert!(!bench.host(name).is_claimed());
    }
}

#[test]
fn a_host_that_may_restore_itself_says_so() {
    let Some(bench) = Bench::start(&[slow("uat-1")]) else { return };
    bench.plan_of("lab", SLOW, "dead_man = \"90s\"");
    let mut run = under_way(&bench, 5);
    let pid = rustix::process::Pid::from_child(&run);
    let term = || rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    term();
    wait_until("the first signal is heard", 10, || bench.read("run.err").contains("nothing new starts"));
    term();
    let left = document(&bench, &mut run, 143);
    assert_eq!(host(&left, "uat-1")["state_reason"], "running");
    let shown = bench.patchctl(&["status"]).ended(0).out;
    assert!(shown.contains("Dead man") && shown.contains("restores itself 90 s after its change"), "{shown}");
    let done = bench.json(0, &resumed(left["run_id"].as_str().unwrap()));
    assert_eq!(standing(&done, "uat-1"), "PATCH/SUCCESS patched");
    assert!(!bench.patchctl(&["status"]).ended(0).out.contains("Dead man"));
    assert_eq!(bench.host("uat-1").dpkg_actions(), ["upgrade lab-slow:all 1.0 2.0"]);
}

#[test]
fn a_host_is_given_up_while_the_run_waits_for_it() {
    let Some(bench) = Bench::start(&[slow("uat-1"), slow("uat-2")]) else { return };
    bench.host("uat-2").write("/etc/lab-slow.seconds", "0\n");
    bench.plan_of("lab", SLOW, "max_failed = 1\ndead_man = \"off\"");
    let mut run = under_way(&bench, 3);
    bench.host("uat-1").lab("off", &[]);
    let given_up = bench.json(0, &["release", "last", "-l", "uat-1", "--reason", "it burns"]);
    let shown = &given_up["hosts"][0];
    assert_eq!(
        (&shown["host"], &shown["recorded"], &shown["claim"]),
        (&"uat-1".into(), &true.into(), &"unknown".into())
    );
    let done = document(&bench, &mut run, 6);
    assert_eq!(standing(&done, "uat-1"), "PATCH/UNKNOWN lost");
    assert_eq!(host(&done, "uat-1")["action_cause"], "given up: it burns");
    assert_eq!(standing(&done, "uat-2"), "PATCH/SUCCESS patched");
    let shown = bench.patchctl(&["status"]).ended(0).out;
    assert!(shown.contains("given up") && !shown.contains("patchctl recover"), "{shown}");

    // It comes back after all: it is given up already, and its claim goes now.
    bench.host("uat-1").lab("on", &[]);
    let text = bench.patchctl(&["release", "last", "-l", "uat-1", "--reason", "it was only smoke"]).ended(0).out;
    assert_eq!(text, "uat-1: given up before; the run's claim on it is cleared\n");
    assert!(!bench.host("uat-1").is_claimed());
    bench.json(2, &["release", "last", "-l", "uat-2", "--reason", "for nothing"]);
}

#[test]
fn a_machine_that_was_replaced_is_given_up() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("uat-2")]) else { return };
    bench.plan(PLAIN);
    let id = bench.json(3, &["run", "plan.toml", "--yes"])["run_id"].as_str().unwrap().to_owned();
    // Another machine under the old name and address: other keys, nothing of ours on it.
    bench.host("uat-1").sh("rm -rf /var/lib/patchctl /etc/ssh/ssh_host_*; apt-get -qq update
        apt-get -qqy --allow-downgrades install lab-plain=1.0 >/dev/null 2>&1
        ssh-keygen -A >/dev/null; systemctl restart ssh.service");
    let text = bench.patchctl(&["release", &id, "-l", "uat-1", "--reason", "new hardware"]).ended(0).out;
    assert!(text.starts_with("uat-1: given up; it does not answer as the machine that it was"), "{text}");
    let waiting = bench.json(0, &["status", &id]);
    assert_eq!(standing(&waiting, "uat-1"), "PATCH/UNKNOWN lost");
    assert_eq!(standing(&waiting, "uat-2"), "PATCH/SUCCESS waiting");

    let done = bench.json(6, &resumed(&id));
    assert_eq!(host(&done, "uat-1")["action_cause"], "given up: new hardware");
    assert_eq!(standing(&done, "uat-2"), "PATCH/SUCCESS patched");
    assert!(!bench.host("uat-2").is_claimed());
    // The new machine is patched by the next run, as any.
    let keys = bench.host("uat-1").sh("cut -d' ' -f1,2 /etc/ssh/ssh_host_*_key.pub");
    let address = &bench.host("uat-1").address;
    let others = bench.known_hosts().lines().filter(|line| !line.starts_with(address)).collect::<Vec<_>>().join("\n");
    let new: String = keys.lines().map(|key| format!("{address} {key}\n")).collect();
    bench.write(".ssh/known_hosts", &format!("{others}\n{new}"));
    let next = bench.json(0, &[&["run", "plan.toml"], &APPROVED[..]].concat());
    assert_eq!(standing(&next, "uat-1"), "PATCH/SUCCESS patched");
}

#[test]
fn a_leftover_claim_names_its_run_and_is_cleared() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("prod-1")]) else { return };
    bench.plan(PLAIN);
    let id = bench.json(3, &["run", "plan.toml", "--yes"])["run_id"].as_str().unwrap().to_owned();
    std::fs::remove_dir_all(bench.path("state")).unwrap();
    let again = [&["run", "plan.toml"], &APPROVED[..]].concat();
    let refused = bench.json(7, &again);
    let error = first_error(&refused);
    assert_eq!(error["kind"], "claimed");
    assert!(error["message"].as_str().unwrap().contains(&id), "{error:#}");

    let release = ["release", &id, "-l", "uat-1", "--reason", "state folder lost"];
    bench.json(2, &release);
    bench.json(2, &["release", &id[..12], "-l", "uat-1", "--reason", "state folder lost", "--yes"]);
    assert!(bench.host("uat-1").is_claimed());
    let another = "01JD3M0V8ZQK5W9E2RXTYB6C7D";
    let left = bench.json(0, &["release", another, "-l", "uat-1", "--reason", "a guess", "--yes"]);
    assert_eq!(left["hosts"][0]["claim"], "other_run");
    assert!(bench.host("uat-1").is_claimed());

    let mut terminal = bench.terminal(&release);
    terminal.answer("Clear the run's claim there?", "n");
    terminal.end().ended(3);
    assert!(bench.host("uat-1").is_claimed());
    let mut terminal = bench.terminal(&release);
    terminal.answer("Clear the run's claim there?", "y");
    let answer = terminal.end().ended(0);
    assert_eq!(answer.out, "uat-1: no record of it here; the run's claim on it is cleared\n");
    assert!(!bench.host("uat-1").is_claimed());
    let done = bench.json(0, &again);
    assert_eq!(standing(&done, "prod-1"), "PATCH/SUCCESS patched");
}

#[test]
fn a_run_that_gave_a_host_up_does_not_wait_for_it() {
    let Some(bench) = Bench::start(&[slow("uat-1"), slow("uat-2")]) else { return };
    bench.host("uat-2").write("/etc/lab-slow.seconds", "0\n");
    bench.plan_of("lab", SLOW, "max_failed = 1\ndead_man = \"off\"");
    let uat = bench.host("uat-1");
    uat.write("/etc/lab-slow.seconds", "3\n");
    let mut run = bench.spawn("run", &["run", "plan.toml", "--yes", "--output", "json"]);
    wait_until("dpkg is at work", 60, || !uat.dpkg_actions().is_empty());
    uat.lab("off", &[]);
    bench.json(0, &["release", "last", "-l", "uat-1", "--reason", "it burns"]);
    wait_until("the run pauses at its gate", 60, || run.try_wait().unwrap().is_some());
    let waits = document(&bench, &mut run, 6);
    assert_eq!(waits["waiting"]["kind"], "approval");
    assert_eq!(standing(&waits, "uat-2"), "PATCH/SUCCESS waiting");
}
