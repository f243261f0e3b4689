//! Hosts, and everything that patchctl needs to patch them: a home of its own, keys, an inventory, plans.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::host::{Host, Spec, at_once, lab_runs};
use super::terminal::Terminal;

/// A test's hosts and its folder.
pub(super) struct Bench {
    pub(super) hosts: Vec<Host>,
    home: tempfile::TempDir,
}

impl Bench {
    /// Boots these hosts and writes an inventory for them; none where the lab cannot run.
    pub(super) fn start(specs: &[Spec]) -> Option<Self> {
        if !lab_runs() {
            return None;
        }
        let bench = Self { hosts: at_once(specs, Host::boot), home: tempfile::tempdir().unwrap() };
        bench.write(".ssh/known_hosts", &bench.known_hosts());
        bench.defaults("user = \"root\"");
        Some(bench)
    }

    /// A folder without hosts: for what must be refused before any host is looked for.
    pub(super) fn bare() -> Self {
        Self { hosts: Vec::new(), home: tempfile::tempdir().unwrap() }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(super) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub(super) fn known_hosts(&self) -> String {
        let lines =
            |host: &Host| -> String { host.host_keys.iter().map(|key| format!("{} {key}\n", host.address)).collect() };
        self.hosts.iter().map(lines).collect()
    }

    /// The inventory: these defaults, each host in the group that its name begins with.
    pub(super) fn defaults(&self, defaults: &str) {
        self.inventory(&format!("{defaults}\nprivate_key = {:?}", self.hosts[0].private_key.display().to_string()));
    }

    /// The same without a key to log in with.
    pub(super) fn inventory(&self, defaults: &str) {
        let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for host in &self.hosts {
            groups.entry(host.name.split('-').next().unwrap_or(host.name)).or_default().push(host.name);
        }
        let mut text = format!("[defaults]\n{defaults}\n");
        for (group, hosts) in groups {
            let _ = writeln!(text, "[groups.{group}]\nhosts = {hosts:?}");
        }
        for host in &self.hosts {
            let _ = writeln!(text, "[hosts.{:?}]\naddress = {:?}", host.name, host.address);
        }
        self.write("inventory.toml", &text);
    }

    /// A plan with this `[patch]`, first for the group `uat`, then for `prod`, where there are such hosts.
    pub(super) fn plan(&self, patch: &str) {
        self.plan_of("lab", patch, "");
    }

    /// The plan of this name, in `NAME.toml` (`lab` in plan.toml), with more keys for each stage.
    pub(super) fn plan_of(&self, name: &str, patch: &str, stage: &str) {
        let mut text = format!("schema = 1\nname = \"{name}\"\ninventory = \"inventory.toml\"\n[patch]\n{patch}\n");
        for group in ["uat", "prod"] {
            if self.hosts.iter().any(|host| host.name.starts_with(group)) {
                let _ = writeln!(text, "[[stage]]\nname = \"{group}\"\nhosts = \"{group}\"\n{stage}");
            }
        }
        self.write(&if name == "lab" { "plan.toml".to_owned() } else { format!("{name}.toml") }, &text);
    }

    pub(super) fn host(&self, name: &str) -> &Host {
        self.hosts.iter().find(|host| host.name == name).unwrap()
    }

    /// The snapshots of all hosts, in their order.
    pub(super) fn snapshots(&self) -> Vec<String> {
        at_once(&self.hosts, Host::snapshot)
    }

    #[track_caller]
    pub(super) fn assert_same(&self, before: &[String]) {
        for (host, before) in self.hosts.iter().zip(before) {
            host.assert_same(before);
        }
    }

    /// patchctl with a clean environment, in the test's folder.
    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_patchctl"));
        self.clean(&mut command);
        command.args(args);
        command
    }

    fn clean(&self, command: &mut Command) {
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("HOME", self.home.path()).env("LANG", "C.UTF-8");
        command.env("PATCHCTL_STATE_DIR", self.path("state")).env("TERM", "xterm").current_dir(self.home.path());
        command.env("TMPDIR", self.home.path());
    }

    /// Runs it to its end, without a terminal.
    pub(super) fn patchctl(&self, args: &[&str]) -> Answer {
        let output = self.command(args).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Answer { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The same with `--output json`: its document, once it has ended with this code.
    #[track_caller]
    pub(super) fn json(&self, code: i32, args: &[&str]) -> Value {
        let of_another = ["status", "report"].contains(&args[0]);
        let args: Vec<&str> = args.iter().copied().chain(["--output", "json"]).collect();
        let document = self.patchctl(&args).ended(code).json();
        assert!(of_another || document["exit_code"].is_null() || document["exit_code"] == code, "{document:#}");
        document
    }

    /// Starts it in the background, its streams in files `NAME.out` and `NAME.err`.
    pub(super) fn spawn(&self, name: &str, args: &[&str]) -> Child {
        let file = |end: &str| std::fs::File::create(self.path(&format!("{name}.{end}"))).unwrap();
        let mut command = self.command(args);
        command.stdin(Stdio::null()).stdout(file("out")).stderr(file("err")).spawn().unwrap()
    }

    pub(super) fn signal(&self, child: &Child, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
    }

    /// The events in the journal of the only run.
    pub(super) fn journal(&self) -> Vec<Value> {
        let Ok(mut runs) = std::fs::read_dir(self.path("state/runs")) else { return Vec::new() };
        let Some(Ok(run)) = runs.next() else { return Vec::new() };
        let text = std::fs::read_to_string(run.path().join("journal.jsonl")).unwrap_or_default();
        // The last line may be half written.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The built-in playbook as one of the test's own, in own/apt.toml, without this step.
    pub(super) fn playbook_without(&self, step: &str) {
        let (from, to) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks"), self.path("own"));
        std::fs::create_dir_all(to.join("apt")).unwrap();
        for entry in std::fs::read_dir(from.join("apt")).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, to.join("apt").join(path.file_name().unwrap())).unwrap();
        }
        let text = std::fs::read_to_string(from.join("apt.toml")).unwrap().replace("name = \"apt\"", "name = \"own\"");
        let begin = text.find(&format!("[steps.{step}]")).unwrap();
        let end = text[begin + 1..].find("[steps.").map_or(text.len(), |at| begin + 1 + at);
        self.write("own/apt.toml", &format!("{}{}", &text[..begin], &text[end..]));
    }

    /// Runs it on a pseudo-terminal, its results in a file.
    pub(super) fn terminal(&self, args: &[&str]) -> Terminal {
        let out = self.path("terminal.out");
        let mut command = Command::new("sh");
        self.clean(&mut command);
        command.args(["-c", "out=$1; shift; exec \"$@\" >\"$out\"", "sh"]).arg(&out);
        command.arg(env!("CARGO_BIN_EXE_patchctl")).args(args);
        Terminal::start(command, out)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let hosts = std::mem::take(&mut self.hosts);
        std::thread::scope(|scope| {
            for host in hosts {
                scope.spawn(move || drop(host));
            }
        });
    }
}

/// How patchctl ended.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

impl Answer {
    #[track_caller]
    pub(super) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// Standard output, which must be exactly one document.
    #[track_caller]
    pub(super) fn json(&self) -> Value {
        match serde_json::from_str(&self.out) {
            Ok(document) => document,
            Err(error) => panic!("standard output is no document: {error}\n{}\n{}", self.out, self.err),
        }
    }
}

/// A stage of a document.
#[track_caller]
pub(super) fn stage<'a>(document: &'a Value, name: &str) -> &'a Value {
    let stages = document["stages"].as_array().unwrap();
    match stages.iter().find(|stage| stage["name"] == name) {
        Some(stage) => stage,
        None => panic!("no stage {name} in {document:#}"),
    }
}

/// A host of a document.
#[track_caller]
pub(super) fn host<'a>(document: &'a Value, name: &str) -> &'a Value {
    let mut hosts = document["stages"].as_array().into_iter().flatten().flat_map(|s| s["hosts"].as_array().unwrap());
    match hosts.find(|host| host["host"] == name) {
        Some(host) => host,
        None => panic!("no host {name} in {document:#}"),
    }
}

/// `PATCH/SUCCESS patched`: where a host of a document stands.
#[track_caller]
pub(super) fn standing(document: &Value, name: &str) -> String {
    let host = host(document, name);
    let text = |key: &str| host[key].as_str().unwrap_or("?").to_owned();
    format!("{}/{} {}", text("action_performed"), text("action_state"), text("state_reason"))
}

/// The first error of a document.
#[track_caller]
pub(super) fn first_error(document: &Value) -> &Value {
    match document["errors"].as_array().and_then(|list| list.first()) {
        Some(error) => error,
        None => panic!("no error in {document:#}"),
    }
}
