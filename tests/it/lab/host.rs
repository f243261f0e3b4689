//! One host of the lab.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A script of the lab.
pub(super) fn script(name: &str) -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab").join(name))
}

/// Whether the lab can run here. If not, the test that asked says so and ends.
pub(super) fn lab_runs() -> bool {
    let wish = std::env::var("PATCHCTL_LAB").unwrap_or_default();
    if wish == "off" {
        eprintln!("SKIPPED: PATCHCTL_LAB=off");
        return false;
    }
    let setup = script("setup").output().unwrap();
    match setup.status.code() {
        Some(0) => true,
        Some(77) => {
            let why = String::from_utf8_lossy(&setup.stderr);
            assert_ne!(wish, "required", "the lab is required, and cannot run: {}", why.trim());
            eprintln!("SKIPPED: {}", why.trim());
            false
        }
        _ => panic!("the lab could not be set up: {}", String::from_utf8_lossy(&setup.stderr)),
    }
}

/// Whether the lab can run here, and these programs are on this machine (`setup` installs them). If not, the test that
/// asked says so and ends.
pub(super) fn needs(programs: &[&str]) -> bool {
    if !lab_runs() {
        return false;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &&str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    let missing: Vec<_> = programs.iter().filter(|name| !is_there(name)).collect();
    if !missing.is_empty() {
        skip(&format!("not on this machine: {missing:?}"));
    }
    missing.is_empty()
}

/// Says loudly that a test cannot run here; where the lab is required, that is a failure.
pub(super) fn skip(why: &str) {
    assert_ne!(std::env::var("PATCHCTL_LAB").unwrap_or_default(), "required", "required, and cannot run: {why}");
    eprintln!("SKIPPED: {why}");
}

/// How a host is to be booted.
#[derive(Debug, Clone)]
pub(super) struct Spec {
    /// Its name in the inventory; what stands before the first `-` is its group.
    pub(super) name: &'static str,
    args: Vec<String>,
}

/// A host with this name in the inventory.
pub(super) fn spec(name: &'static str) -> Spec {
    Spec { name, args: Vec::new() }
}

/// A host with one small package that has an update.
pub(super) fn plain(name: &'static str) -> Spec {
    spec(name).repo("handmade").install(&["lab-plain=1.0"])
}

impl Spec {
    pub(super) fn repo(mut self, name: &str) -> Self {
        self.args.extend(["--repo".into(), name.into()]);
        self
    }

    pub(super) fn install(mut self, packages: &[&str]) -> Self {
        self.args.extend(packages.iter().flat_map(|package| ["--install".to_owned(), (*package).to_owned()]));
        self
    }

    pub(super) fn cached(mut self) -> Self {
        self.args.push("--cached".into());
        self
    }
}

/// A host that runs for as long as this lives.
pub(super) struct Host {
    /// Its name in the inventory.
    pub(super) name: &'static str,
    /// Its name in the lab.
    lab_name: String,
    pub(super) address: String,
    pub(super) private_key: PathBuf,
    pub(super) password: String,
    /// Its public keys: type and data.
    pub(super) host_keys: Vec<String>,
    root: PathBuf,
    /// What dpkg had written before patchctl came.
    dpkg_log: String,
}

impl Host {
    pub(super) fn boot(spec: &Spec) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (pid, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let lab_name = format!("{}-{pid}-{number}", spec.name);
        let mut boot = script("host");
        boot.args(["boot", &lab_name, "--for", &pid.to_string()]).args(&spec.args);
        let output = boot.output().unwrap();
        assert!(output.status.success(), "{lab_name}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let all = |key: &str| -> Vec<String> {
            text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).map(str::to_owned).collect()
        };
        let one = |key: &str| all(key).remove(0);
        let mut host = Self {
            name: spec.name,
            lab_name,
            address: one("address"),
            private_key: one("private_key").into(),
            password: std::fs::read_to_string(one("password_file")).unwrap().trim().to_owned(),
            host_keys: all("host_key"),
            root: one("root").into(),
            dpkg_log: String::new(),
        };
        host.dpkg_log = host.read("/var/log/dpkg.log");
        host
    }

    /// Its name for the scripts of the lab.
    pub(super) fn lab_name(&self) -> &str {
        &self.lab_name
    }

    /// A command of the lab for this host: `reboot`, `lock`, `repo`, ….
    pub(super) fn lab(&self, command: &str, args: &[&str]) -> String {
        let output = script("host").arg(command).arg(&self.lab_name).args(args).output().unwrap();
        assert!(output.status.success(), "{command} {args:?} on {}: {}", self.name, both(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a shell script on it as root, beside SSH.
    #[track_caller]
    pub(super) fn sh(&self, text: &str) -> String {
        self.lab("exec", &["sh", "-ec", text])
    }

    /// The path on this machine of a path on the host.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// A file's text; empty where there is none.
    pub(super) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    pub(super) fn metadata(&self, path: &str) -> std::fs::Metadata {
        self.path(path).metadata().unwrap()
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        std::fs::write(self.path(path), text).unwrap();
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.path(path).symlink_metadata().is_ok()
    }

    /// Its whole state as text.
    pub(super) fn snapshot(&self) -> String {
        let output = script("snapshot").arg(&self.lab_name).output().unwrap();
        assert!(output.status.success(), "{}: {}", self.name, both(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    pub(super) fn assert_same(&self, before: &str) {
        let now = self.snapshot();
        if now != before {
            let (old, new): (BTreeSet<_>, BTreeSet<_>) = (before.lines().collect(), now.lines().collect());
            let gone: Vec<_> = old.difference(&new).map(|line| format!("- {line}")).collect();
            let come: Vec<_> = new.difference(&old).map(|line| format!("+ {line}")).collect();
            panic!("{} is not what it was:\n{}\n{}", self.name, gone.join("\n"), come.join("\n"));
        }
    }

    /// What dpkg has done since the host was booted: `upgrade openssl:amd64 3.0.20-1 3.0.22-1`.
    pub(super) fn dpkg_actions(&self) -> Vec<String> {
        let log = self.read("/var/log/dpkg.log");
        let ours = log.strip_prefix(&self.dpkg_log).unwrap();
        let action = |line: &str| {
            let said = line.splitn(3, ' ').nth(2)?;
            let verb = said.split(' ').next()?;
            ["install", "upgrade", "remove", "purge"].contains(&verb).then(|| said.to_owned())
        };
        ours.lines().filter_map(action).collect()
    }

    /// Nothing of ours was ever on it: no line in dpkg's log, no folder, no claim.
    #[track_caller]
    pub(super) fn assert_untouched(&self) {
        assert_eq!(self.read("/var/log/dpkg.log"), self.dpkg_log, "dpkg worked on {}", self.name);
        assert!(!self.exists("/var/lib/patchctl"), "{}: {}", self.name, self.sh("find /var/lib/patchctl"));
    }

    /// The version of each of these packages; empty where it is not installed.
    pub(super) fn versions<'a>(&self, packages: &[&'a str]) -> BTreeMap<&'a str, String> {
        let format = "-f=${db:Status-Status} ${Package} ${Version}\n";
        let output = script("host").args(["exec", &self.lab_name, "dpkg-query", "-W", format]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = |name: &str| {
            let find =
                |line: &str| line.strip_prefix("installed ")?.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned);
            text.lines().find_map(find).unwrap_or_default()
        };
        packages.iter().map(|name| (*name, version(name))).collect()
    }

    pub(super) fn version(&self, package: &str) -> String {
        self.versions(&[package]).remove(package).unwrap()
    }

    /// Installs a package that is in no repository; apt's cache has it then.
    pub(super) fn install_made(&self, name: &str, version: &str) {
        let control =
            format!("Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: lab\nDescription: made\n");
        let deb = format!("/var/cache/apt/archives/{name}_{version}_all.deb");
        self.sh(&format!(
            "mkdir -p /root/made/DEBIAN; printf '{control}' >/root/made/DEBIAN/control
            dpkg-deb --root-owner-group --build /root/made {deb} >/dev/null; rm -r /root/made
            dpkg -i {deb} >/dev/null 2>&1"
        ));
    }

    /// Whether any run has a claim on it.
    pub(super) fn is_claimed(&self) -> bool {
        self.exists("/var/lib/patchctl/claim")
    }

    /// The programs that still run code of a library that was replaced; those of people who are logged in do not count.
    pub(super) fn on_old_code(&self, library: &str) -> BTreeSet<String> {
        let find = format!("grep -l '{library}.*(deleted)' /proc/[0-9]*/maps 2>/dev/null || true");
        let process = "p=${maps%/*}; grep -q user.slice $p/cgroup 2>/dev/null || cat $p/comm 2>/dev/null || true";
        let names = self.sh(&format!("for maps in $({find}); do {process}; done"));
        names.lines().map(str::to_owned).collect()
    }

    /// The main process of a service.
    pub(super) fn main_pid(&self, unit: &str) -> String {
        self.lab("exec", &["systemctl", "show", "-P", "MainPID", unit]).trim().to_owned()
    }

    /// The version that its repositories offer.
    pub(super) fn candidate(&self, package: &str) -> String {
        let text = self.sh(&format!("apt-get -qq update; apt-cache policy {package}"));
        text.lines().find_map(|line| line.trim().strip_prefix("Candidate: ")).unwrap().to_owned()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = script("host").arg("stop").arg(&self.lab_name).output();
    }
}

fn both(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Several things at a time.
pub(super) fn at_once<T: Sync, R: Send>(all: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = all.iter().map(|one| scope.spawn(move || work(one))).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, R>| match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        threads.into_iter().map(join).collect()
    })
}

/// Waits until this is so.
#[track_caller]
pub(super) fn wait_until(what: &str, seconds: u64, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < Duration::from_secs(seconds), "{what}: not within {seconds} s");
        std::thread::sleep(Duration::from_millis(50));
    }
}
