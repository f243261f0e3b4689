//! Snapshots beside the packages' own way back: of real btrfs subvolumes, and by commands.

use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::bench::{Bench, first_error, host, standing};
use super::host::{Host, Spec, needs, plain, script, skip, spec};

/// Approves whatever waits.
const APPROVED: [&str; 5] = ["--yes", "--approve", "all", "--reason", "fine"];

/// Data that the packages' way back does not bring back.
const MIGRATES: &str = "packages = [\"lab-data\"]";

fn data(name: &'static str) -> Spec {
    spec(name).repo("handmade").install(&["lab-data=1.0", "btrfs-progs"])
}

/// A btrfs file system on a loop device, mounted at /srv/data of a host; gone with this, however the test ends.
struct Disk<'a> {
    host: &'a Host,
}

impl<'a> Disk<'a> {
    /// The host's application has its data in a subvolume of it; none where the machine cannot do it.
    fn on(host: &'a Host, bench: &Bench) -> Option<Self> {
        let image = bench.path(&format!("{}.btrfs", host.name)).display().to_string();
        std::fs::File::create(&image).unwrap().set_len(128 << 20).unwrap();
        command("mkfs.btrfs", &["--quiet", "--mixed", &image]).unwrap();
        let device = match command("losetup", &["--find", "--show", &image]) {
            Ok(device) => device,
            Err(why) => {
                skip(&format!("no loop device: {why}"));
                return None;
            }
        };
        // It is mounted within the host, which sees nothing that is mounted outside later, and has no loop devices.
        let number = std::fs::metadata(&device).unwrap().rdev();
        let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
        let mount = format!(
            "mknod /root/disk b {major} {minor}; mkdir /srv/new; mount -t btrfs /root/disk /srv/new
             btrfs -q subvolume create /srv/new/app; cp -a /srv/data/app/. /srv/new/app/
             umount /srv/new; mount -t btrfs /root/disk /srv/data"
        );
        let mounted = script("host").args(["exec", host.lab_name(), "sh", "-ec", &mount]).output().unwrap();
        // From now on the device goes with its last user: the mount, which goes with the host.
        command("losetup", &["--detach", &device]).unwrap();
        assert!(mounted.status.success(), "{}", String::from_utf8_lossy(&mounted.stderr));
        Some(Self { host })
    }

    /// The subvolumes, by their paths.
    fn subvolumes(&self) -> Vec<String> {
        let text = self.host.sh("btrfs subvolume list /srv/data");
        let mut all: Vec<_> = text.lines().filter_map(|line| Some(line.split_once(" path ")?.1.to_owned())).collect();
        all.sort();
        all
    }
}

fn command(name: &str, args: &[&str]) -> Result<String, String> {
    let Output { status, stdout, stderr } =
        Command::new(name).args(args).stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if status.success() { Ok(text(&stdout)) } else { Err(format!("{name}: {}", text(&stderr))) }
}

/// Whether btrfs can be tried here.
fn btrfs_runs() -> bool {
    if !needs(&["mkfs.btrfs", "losetup"]) {
        return false;
    }
    // Where it is a module, this loads it.
    let _ = command("modprobe", &["btrfs"]);
    let known = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let runs = known.lines().any(|line| line.trim() == "btrfs");
    if !runs {
        skip("this kernel has no btrfs");
    }
    runs
}

fn snapshot(more: &str) -> String {
    format!("[stage.snapshot]\nbtrfs = [\"/srv/data/app\"]\n{more}\n")
}

/// Patches, and rejects what was patched; how the run ends.
fn rejected(bench: &Bench, code: i32) -> Value {
    let document = bench.json(3, &["run", "plan.toml", "--yes"]);
    let id = document["run_id"].as_str().unwrap();
    let digest = &document["waiting"]["digest"].as_str().unwrap()[..20];
    bench.json(code, &["reject", id, "--digest", digest, "--reason", "no", "--resume"])
}

#[test]
fn what_packages_cannot_bring_back_comes_from_the_btrfs_snapshot() {
    if !btrfs_runs() {
        return;
    }
    let Some(bench) = Bench::start(&[data("uat-1")]) else { return };
    let uat = bench.host("uat-1");
    let Some(disk) = Disk::on(uat, &bench) else { return };
    // A service that has a file of it open.
    uat.write(
        "/etc/systemd/system/lab-writer.service",
        "[Service]\nExecStart=sleep infinity\nStandardOutput=append:/srv/data/app/log\n",
    );
    uat.sh("systemctl daemon-reload; systemctl start lab-writer");
    let rows = || uat.sh("cat /srv/data/app/rows /srv/data/app/state");
    let before = rows();
    assert_eq!(before, "one two three\nsound\n");

    bench.plan_of("lab", MIGRATES, &snapshot(""));
    let writer = uat.main_pid("lab-writer");
    let document = rejected(&bench, 4);
    assert_eq!(standing(&document, "uat-1"), "ROLLBACK/SUCCESS restored", "{document:#}");
    assert_eq!(host(&document, "uat-1")["rollback"]["exact"], true);
    assert_eq!((rows(), uat.version("lab-data")), (before.clone(), "1.0".into()));
    assert_eq!(disk.subvolumes(), ["app"], "what was taken is removed");
    assert_ne!(uat.main_pid("lab-writer"), writer, "the service would write into what is gone");
    assert_eq!(uat.sh("readlink /proc/$(systemctl show -P MainPID lab-writer)/fd/1"), "/srv/data/app/log\n");
    assert!(!uat.is_claimed());

    // Data first, then packages.
    bench.plan_of("lab", MIGRATES, &snapshot("restore_when = \"always\""));
    let document = rejected(&bench, 4);
    assert_eq!(standing(&document, "uat-1"), "ROLLBACK/SUCCESS restored", "{document:#}");
    assert_eq!((rows(), uat.version("lab-data")), (before, "1.0".into()));
    assert_eq!(disk.subvolumes(), ["app"]);

    // Kept: the snapshot is there until the host is decided, and goes then.
    bench.plan_of("lab", MIGRATES, &snapshot(""));
    let document = bench.json(3, &["run", "plan.toml", "--yes"]);
    let id = document["run_id"].as_str().unwrap();
    assert_eq!(disk.subvolumes(), [format!(".patchctl-{id}-app"), "app".to_owned()]);
    let digest = &document["waiting"]["digest"].as_str().unwrap()[..20];
    bench.json(0, &["approve", id, "--digest", digest, "--reason", "fine", "--resume"]);
    assert_eq!(disk.subvolumes(), ["app"]);
    assert_eq!((rows().as_str(), uat.version("lab-data").as_str()), ("migrated\nsound\n", "2.0"));
}

#[test]
fn without_a_snapshot_the_same_host_is_not_what_it_was() {
    let Some(bench) = Bench::start(&[data("uat-1")]) else { return };
    bench.plan_of("lab", MIGRATES, "");
    let document = rejected(&bench, 6);
    assert_eq!(standing(&document, "uat-1"), "ROLLBACK/FAILED not_exact");
}

#[test]
fn what_cannot_be_put_back_whole_is_not_changed() {
    if !btrfs_runs() {
        return;
    }
    let Some(bench) = Bench::start(&[data("uat-1")]) else { return };
    let uat = bench.host("uat-1");
    let Some(disk) = Disk::on(uat, &bench) else { return };
    uat.sh("mkdir /srv/data/app/plain /srv/data/app/tmp; ln -s app /srv/data/link");
    let refused = |path: &str, why: &str| {
        bench.plan_of("lab", MIGRATES, &format!("[stage.snapshot]\nbtrfs = [\"{path}\"]\n"));
        let document = bench.json(7, &[&["run", "plan.toml"], &APPROVED[..]].concat());
        assert_eq!(standing(&document, "uat-1"), "NONE/FAILED refused", "{document:#}");
        let message = first_error(&document)["message"].as_str().unwrap();
        assert!(message.contains(why), "{path}: {message}");
        assert_eq!((uat.dpkg_actions(), uat.version("lab-data")), (Vec::new(), "1.0".into()));
        assert!(!uat.is_claimed());
    };
    refused("/srv/data/app/plain", "/srv/data/app/plain is no btrfs subvolume");
    refused("/srv/data/link", "/srv/data/link is no btrfs subvolume");
    refused("/srv/nothing", "/srv/nothing is no btrfs subvolume");
    refused("/srv/data", "/srv/data has subvolumes below it, which no snapshot of it would hold: app");
    uat.sh("mount -t tmpfs none /srv/data/app/tmp");
    refused("/srv/data/app", "/srv/data/app has something mounted in it");
    uat.sh("umount /srv/data/app/tmp; btrfs -q subvolume create /srv/data/app/sub");
    refused("/srv/data/app", "/srv/data/app has subvolumes below it, which no snapshot of it would hold: app/sub");
    assert_eq!(disk.subvolumes(), ["app", "app/sub"], "nothing is left of what was tried");
}

/// The host's folder, copied by commands: here, on its disk (`local`), or there (`run`).
fn by_commands(bench: &Bench, on: &str, more: &str) -> String {
    let host = &bench.hosts[0];
    let root = if on == "local" { host.path("/").display().to_string() } else { "/".to_owned() };
    let (data, copies, acts) =
        (format!("{root}srv/data/app"), format!("{root}root/copies"), format!("{root}root/acts"));
    // At which version of the package it is put back.
    let version = format!("dpkg-query --admindir={root}var/lib/dpkg -W -f ' ${{Version}}' lab-data >>{acts}");
    format!(
        "[stage.snapshot]\n\
         take = {{ {on} = \"mkdir -p {copies} && cp -a {data} {copies}/{{{{ run.id }}}} && echo take >>{acts}\" }}\n\
         restore = {{ {on} = \"rm -rf {data} && cp -a {copies}/{{{{ run.id }}}} {data} && printf restore >>{acts} && \
         {version} && echo >>{acts}\" }}\n\
         remove = {{ {on} = \"rm -r {copies}/{{{{ run.id }}}} && echo remove >>{acts}\" }}\n{more}\n"
    )
}

#[test]
fn a_snapshot_by_commands_is_taken_put_back_and_removed() {
    let Some(bench) = Bench::start(&[data("uat-1")]) else { return };
    let uat = bench.host("uat-1");
    let rows = || uat.sh("cat /srv/data/app/rows /srv/data/app/state");
    let acts = |expected: &[&str]| {
        assert_eq!(uat.read("/root/acts").lines().collect::<Vec<_>>(), expected);
        assert_eq!(uat.sh("ls /root/copies"), "");
        uat.write("/root/acts", "");
    };
    // Beside the packages' way back after it, where that was not exact; or before it, whatever comes of it.
    for (on, more, version) in [("local", "", "1.0"), ("run", "restore_when = \"always\"", "2.0")] {
        bench.plan_of("lab", MIGRATES, &by_commands(&bench, on, more));
        let document = rejected(&bench, 4);
        assert_eq!(standing(&document, "uat-1"), "ROLLBACK/SUCCESS restored", "{document:#}");
        assert_eq!((rows(), uat.version("lab-data")), ("one two three\nsound\n".into(), "1.0".into()));
        acts(&["take", &format!("restore {version}"), "remove"]);
    }
    bench.plan_of("lab", MIGRATES, &by_commands(&bench, "run", ""));
    bench.json(0, &[&["run", "plan.toml"], &APPROVED[..]].concat());
    assert_eq!((rows().as_str(), uat.version("lab-data").as_str()), ("migrated\nsound\n", "2.0"));
    acts(&["take", "remove"]);
}

#[test]
fn a_snapshot_is_put_back_once_it_can_be_and_never_over_what_others_changed() {
    let Some(bench) = Bench::start(&[plain("uat-1")]) else { return };
    let uat = bench.host("uat-1");
    let act = |name: &str, more: &str| format!("{name} = {{ local = \"echo {name} >>acts{more}\" }}\n");
    let commands = format!("{}{}{}", act("take", ""), act("restore", "; test -e storage-is-there"), act("remove", ""));
    let acts = |expected: &str| assert_eq!(bench.read("acts").replace('\n', " "), expected);
    let plan = |more: &str| {
        bench.write("acts", "");
        let stage = format!("[stage.snapshot]\n{commands}restore_when = {more}");
        bench.plan_of("lab", "packages = [\"lab-plain\"]", &stage);
        let waits = bench.json(3, &["run", "plan.toml", "--yes"]);
        let field = |value: &Value| value.as_str().unwrap().to_owned();
        (field(&waits["run_id"]), field(&waits["waiting"]["digest"]))
    };
    let reject = |(run, digest): &(String, String)| {
        bench.json(6, &["reject", run, "--digest", &digest[..20], "--reason", "no", "--resume"])
    };

    // Its packages are back, and what the snapshot holds is not: a person must act, and the snapshot stays.
    let run = plan("\"always\"");
    let document = reject(&run);
    assert_eq!(
        (standing(&document, "uat-1").as_str(), uat.version("lab-plain").as_str()),
        ("ROLLBACK/FAILED rollback_failed", "1.0")
    );
    assert_eq!(host(&document, "uat-1")["error"]["step"], "restore", "{document:#}");
    acts("take restore ");
    bench.write("storage-is-there", "");
    let document = bench.json(4, &["recover", &run.0, "-l", "uat-1"]);
    assert_eq!(standing(&document, "uat-1"), "ROLLBACK/SUCCESS restored");
    acts("take restore restore remove ");
    assert!(!uat.is_claimed());

    let run = plan("\"not_exact\"");
    uat.install_made("lab-plain", "3.0");
    let document = reject(&run);
    assert_eq!(standing(&document, "uat-1"), "ROLLBACK/FAILED conflict", "{document:#}");
    assert_eq!(uat.version("lab-plain"), "3.0", "left alone");
    acts("take ");
}

#[test]
fn a_file_system_that_goes_or_fills_up_takes_its_host_back() {
    if !btrfs_runs() {
        return;
    }
    let names = ["uat-1", "uat-2", "uat-3"];
    let Some(bench) = Bench::start(&names.map(|name| data(name).install(&["lab-plain=1.0"]))) else { return };
    let worse = [
        ("umount /srv/data", "mounts does not hold: not as before: /srv/data is not mounted any more"),
        ("mount -o remount,ro /srv/data", "mounts does not hold: not as before: /srv/data cannot be written any more"),
        ("head -c 200M /dev/zero >/srv/data/full", "disk does not hold: not as before: /srv/data is "),
    ];
    let mut disks = Vec::new();
    for (host, (beside, _)) in bench.hosts.iter().zip(worse) {
        let Some(disk) = Disk::on(host, &bench) else { return };
        disks.push(disk);
        let hook = format!("DPkg::Post-Invoke {{\"{beside} 2>/dev/null || true\";}};\n");
        host.write("/etc/apt/apt.conf.d/99lab", &hook);
    }
    let stage = "parallel = 3\nrollback_scope = \"host\"\nmax_failed = 3\nhealth_within = \"0s\"";
    bench.plan_of("lab", "packages = [\"lab-plain\"]", stage);
    let document = bench.json(5, &[&["run", "plan.toml"], &APPROVED[..]].concat());
    for (name, (_, why)) in names.into_iter().zip(worse) {
        assert_eq!(standing(&document, name), "ROLLBACK/SUCCESS restored");
        let message = host(&document, name)["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("check {why}")), "{name}: {message}");
    }
}
