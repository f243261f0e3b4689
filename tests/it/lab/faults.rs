//! Full disks, doors that close, two runs at once, and silence after the first change.

use super::bench::{Bench, first_error, host, standing};
use super::host::{plain, spec, wait_until};

const RUN: [&str; 6] = ["run", "plan.toml", "--yes", "--approve", "all", "--reason=fine"];

#[test]
fn a_disk_that_is_full_during_the_patch_takes_nothing_away() {
    let Some(bench) = Bench::start(&[spec("uat-1").repo("handmade").install(&["lab-big=1.0"])]) else { return };
    let uat = bench.host("uat-1");
    // The patch's files do not fit.
    uat.sh("cp -a /usr/share/lab-big /root/keep; mount -t tmpfs -o size=1m,mode=755 lab /usr/share/lab-big; cp -a /root/keep/. /usr/share/lab-big/; rm -r /root/keep");
    bench.plan("packages = [\"lab-big\"]");
    let before = bench.snapshots();
    let document = bench.json(5, &RUN);
    assert_eq!(standing(&document, "uat-1"), "ROLLBACK/SUCCESS restored", "{document:#}");
    let cause = host(&document, "uat-1")["action_cause"].as_str().unwrap();
    assert!(cause.contains("No space left"), "{cause}");
    assert_eq!(uat.sh("dpkg --audit").trim(), "");
    bench.assert_same(&before);
}

#[test]
fn a_full_disk_under_our_own_folder_is_survived() {
    let Some(bench) = Bench::start(&[spec("uat-1").repo("handmade").install(&["lab-slow=1.0"])]) else { return };
    let uat = bench.host("uat-1");
    uat.write("/etc/lab-slow.seconds", "5\n");
    uat.sh("mkdir -m 700 /var/lib/patchctl && mount -t tmpfs -o size=256m,mode=700 lab /var/lib/patchctl");
    bench.plan("packages = [\"lab-slow\"]");
    let before = bench.snapshots();
    let mut run = bench.spawn("run", &RUN);
    wait_until("dpkg is at work", 60, || !uat.dpkg_actions().is_empty());
    uat.sh("cat /dev/zero >/var/lib/patchctl/filler 2>/dev/null || true");
    let code = run.wait().unwrap().code();
    // Either the patch ended well and that could be said, or the host is exactly as it was: never anything between.
    let document = bench.json(0, &["report", "last"]);
    match (code, uat.version("lab-slow").as_str()) {
        (Some(0), "2.0") => assert_eq!(standing(&document, "uat-1"), "PATCH/SUCCESS patched"),
        (Some(5), "1.0") => {
            assert_eq!(standing(&document, "uat-1"), "ROLLBACK/SUCCESS restored");
            uat.sh("rm -f /var/lib/patchctl/filler");
            bench.assert_same(&before);
        }
        other => panic!("{other:?}: {document:#}\n{}", bench.read("run.err")),
    }
}

#[test]
fn a_full_disk_of_the_controllers_stops_the_run_and_loses_nothing() {
    let Some(bench) = Bench::start(&[spec("uat-1").repo("handmade").install(&["lab-slow=1.0"])]) else { return };
    let uat = bench.host("uat-1");
    uat.write("/etc/lab-slow.seconds", "4\n");
    bench.plan("packages = [\"lab-slow\"]");
    let disk = SmallDisk::mount(&bench.path("small"), "1m");
    let state = disk.path.join("state");
    let dir = ["--state-dir", state.to_str().unwrap()];
    let args: Vec<&str> = dir.iter().copied().chain(RUN).chain(["--output", "json"]).collect();
    let mut run = bench.spawn("run", &args);
    wait_until("dpkg is at work", 60, || !uat.dpkg_actions().is_empty());
    disk.fill();
    assert_eq!(run.wait().unwrap().code(), Some(1), "{}", bench.read("run.err"));
    let document: serde_json::Value = serde_json::from_str(&bench.read("run.out")).unwrap();
    let message = first_error(&document)["message"].as_str().unwrap();
    assert!(message.contains("No space left"), "{message}");
    disk.empty();
    let args: Vec<&str> =
        dir.iter().copied().chain(["resume", "last", "--approve", "all", "--reason", "fine"]).collect();
    let document = bench.json(0, &args);
    assert_eq!(standing(&document, "uat-1"), "PATCH/SUCCESS patched");
    assert_eq!(uat.dpkg_actions(), ["upgrade lab-slow:all 1.0 2.0"]);
}

/// A filesystem of its own, small enough to be full.
struct SmallDisk {
    path: std::path::PathBuf,
}

impl SmallDisk {
    fn mount(path: &std::path::Path, size: &str) -> Self {
        std::fs::create_dir_all(path).unwrap();
        let options = format!("size={size},mode=700");
        let status = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "lab"])
            .arg(path)
            .status()
            .unwrap();
        assert!(status.success());
        Self { path: path.to_owned() }
    }

    fn fill(&self) {
        use std::io::Write as _;
        let mut file = std::fs::File::create(self.path.join("filler")).unwrap();
        while file.write(&[0; 512]).is_ok() {}
    }

    fn empty(&self) {
        std::fs::remove_file(self.path.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

#[test]
fn two_runs_at_once_on_one_host_do_not_meet() {
    let both = spec("uat-1").repo("handmade").install(&["lab-slow=1.0", "lab-plain=1.0"]);
    let Some(bench) = Bench::start(&[both]) else { return };
    let uat = bench.host("uat-1");
    uat.write("/etc/lab-slow.seconds", "6\n");
    bench.plan("packages = [\"lab-slow\"]");
    bench.plan_of("other", "packages = [\"lab-plain\"]", "");
    let mut first = bench.spawn("run", &RUN);
    wait_until("dpkg is at work", 60, || !uat.dpkg_actions().is_empty());
    let document = bench.json(7, &["run", "other.toml", "--yes", "--approve", "all", "--reason", "fine"]);
    let error = first_error(&document);
    assert_eq!(error["kind"], "claimed");
    let run = bench.json(0, &["runs"])["runs"].as_array().unwrap().last().unwrap()["run_id"].clone();
    assert!(error["message"].as_str().unwrap().contains(run.as_str().unwrap()), "it names the other run: {error:#}");
    assert_eq!(first.wait().unwrap().code(), Some(0), "{}", bench.read("run.err"));
    assert_eq!(uat.dpkg_actions(), ["upgrade lab-slow:all 1.0 2.0"]);
    // Once the first is decided the second may go.
    bench.json(0, &["resume", "last", "--failed", "--approve", "all", "--reason", "now"]);
    assert_eq!(uat.version("lab-plain"), "2.0");
}

#[test]
fn a_door_that_closes_during_the_patch_pauses_the_run() {
    let slow = |name| spec(name).repo("handmade").install(&["lab-slow=1.0"]);
    let Some(bench) = Bench::start(&[slow("uat-1"), slow("uat-2")]) else { return };
    let uat = bench.host("uat-1");
    bench.hosts.iter().for_each(|host| host.write("/etc/lab-slow.seconds", "5\n"));
    bench.plan("packages = [\"lab-slow\"]");
    let args: Vec<&str> = RUN.into_iter().chain(["--output", "json"]).collect();
    let mut run = bench.spawn("run", &args);
    wait_until("dpkg is at work", 60, || !uat.dpkg_actions().is_empty());
    uat.sh("mv /root/.ssh/authorized_keys /root/.ssh/away; for p in $(pgrep -f '^sshd: root@'); do kill -9 $p; done");
    assert_eq!(run.wait().unwrap().code(), Some(3), "{}", bench.read("run.err"));
    let document: serde_json::Value = serde_json::from_str(&bench.read("run.out")).unwrap();
    assert_eq!((&document["outcome"], &document["waiting"]["kind"]), (&"paused".into(), &"person".into()));
    let error = first_error(&document);
    assert_eq!((&error["kind"], &error["host"]), (&"auth".into(), &"uat-1".into()));
    assert_eq!(bench.host("uat-2").version("lab-slow"), "2.0", "nothing went back");
    uat.sh("mv /root/.ssh/away /root/.ssh/authorized_keys");
    let document = bench.json(0, &["resume", "last", "--yes", "--approve", "all", "--reason", "fine"]);
    for host in &bench.hosts {
        assert_eq!(standing(&document, host.name), "PATCH/SUCCESS patched");
        assert_eq!(host.dpkg_actions(), ["upgrade lab-slow:all 1.0 2.0"]);
    }
}

#[test]
fn silence_after_the_first_change_stops_the_stage_and_reverts_nothing() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("uat-2"), plain("uat-3")]) else { return };
    bench.plan_of("lab", "packages = [\"lab-plain\"]", "waves = [1]\nparallel = 1");
    let mut run = bench.spawn("run", &[&RUN[..], &["--output", "json"]].concat());
    wait_until("the first is at work", 60, || !bench.host("uat-1").dpkg_actions().is_empty());
    bench.host("uat-2").lab("net", &["down"]);
    assert_eq!(run.wait().unwrap().code(), Some(3), "{}", bench.read("run.err"));
    let document: serde_json::Value = serde_json::from_str(&bench.read("run.out")).unwrap();
    assert_eq!(document["waiting"]["kind"], "approval");
    assert_eq!(standing(&document, "uat-1"), "PATCH/SUCCESS waiting");
    assert_eq!(standing(&document, "uat-2"), "NONE/FAILED unreachable");
    assert_eq!(standing(&document, "uat-3"), "NONE/SKIPPED not_begun");
    let digest = document["waiting"]["digest"].as_str().unwrap();
    let run = document["run_id"].as_str().unwrap();
    let document =
        bench.json(8, &["approve", run, "--digest", digest, "--reason", "later", "--resume", "--stage", "uat"]);
    assert_eq!(
        (&document["outcome"], standing(&document, "uat-1").as_str()),
        (&"partial".into(), "PATCH/SUCCESS patched")
    );
    bench.host("uat-2").lab("net", &["up"]);
    bench.json(0, &["resume", run, "--failed", "--yes", "--approve", "all", "--reason", "it is back"]);
    assert!(bench.hosts.iter().all(|host| host.dpkg_actions() == ["upgrade lab-plain:all 1.0 2.0"]));
}

#[test]
fn a_person_decides_about_the_healthy_hosts() {
    let failing = spec("uat-2").repo("handmade").install(&["lab-plain=1.0", "lab-failing=1.0"]);
    let Some(bench) = Bench::start(&[plain("uat-1"), failing]) else { return };
    bench.plan_of("lab", "packages = [\"lab-plain\", \"lab-failing\"]", "on_exceeded = \"ask\"\napproval = false");
    let document = bench.json(3, &RUN);
    assert_eq!(standing(&document, "uat-1"), "PATCH/SUCCESS waiting");
    assert_eq!(standing(&document, "uat-2"), "ROLLBACK/SUCCESS restored");
    let digest = document["waiting"]["digest"].as_str().unwrap();
    let document = bench.json(5, &["approve", "last", "--digest", digest, "--reason", "uat-2 is odd", "--resume"]);
    assert_eq!(standing(&document, "uat-1"), "PATCH/SUCCESS patched");
    assert!(bench.hosts.iter().all(|host| !host.is_claimed()));
}
