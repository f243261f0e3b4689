//! Runs of the built binary on the demo's fleet, and their records to tamper with.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use patchctl::demo::{Demo, DemoOptions};
use serde_json::Value;

/// The demo's fleet, and a folder to work in.
pub(super) struct Bench {
    demo: Demo,
    home: tempfile::TempDir,
    /// The servers live in it.
    _runtime: tokio::runtime::Runtime,
}

impl Bench {
    /// A fleet, alice's key, and a plan whose first gate counts signed decisions only.
    pub(super) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let demo = runtime.block_on(Demo::start(&DemoOptions::default())).unwrap();
        let bench = Self { demo, home: tempfile::tempdir().unwrap(), _runtime: runtime };
        std::fs::create_dir(bench.path(".ssh")).unwrap();
        std::fs::copy(bench.demo.known_hosts(), bench.path(".ssh/known_hosts")).unwrap();
        bench.shell("ssh-keygen -q -t ed25519 -N '' -f alice && echo \"alice@example.com $(cat alice.pub)\" >signers");
        let plan = std::fs::read_to_string(bench.demo.plan_path()).unwrap();
        let inventory = bench.demo.inventory_path().display().to_string();
        let plan = plan.replacen("\"inventory.toml\"", &format!("{inventory:?}"), 1);
        let signed = plan.replacen("[patch]", "allowed_signers = \"signers\"\n[patch]", 1).replacen(
            "hosts = \"uat\"",
            "hosts = \"uat\"\napproval = { signed = true }",
            1,
        );
        bench.write("plan.toml", &signed);
        bench.write(
            "second.toml",
            &plan.replacen("name = \"demo", "name = \"second", 1).replacen("DEMO-1", "DEMO-2", 1),
        );
        bench
    }

    pub(super) fn demo(&self) -> &Path {
        self.demo.path()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    #[track_caller]
    pub(super) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    #[track_caller]
    pub(super) fn shell(&self, text: &str) -> String {
        let output = Command::new("sh").args(["-euc", text]).current_dir(self.home.path()).output().unwrap();
        assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(super) fn command(&self, state: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_patchctl"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("HOME", self.home.path()).env("PATCHCTL_STATE_DIR", self.path(state));
        command.args(args).current_dir(self.home.path()).stdin(Stdio::null());
        command
    }

    /// The document that the command prints; it must end with this code.
    #[track_caller]
    pub(super) fn json_of(&self, state: &str, code: i32, args: &[&str]) -> Value {
        let output = self.command(state, args).args(["--output", "json"]).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}: {out}\n{err}");
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    #[track_caller]
    pub(super) fn json(&self, code: i32, args: &[&str]) -> Value {
        self.json_of("state", code, args)
    }

    /// A run that alice's signature approved in UAT, and another; their IDs.
    pub(super) fn two_runs(&self) -> (String, String) {
        let paused = self.json(3, &["run", "plan.toml", "--yes"]);
        let (run, digest) = (text(&paused["run_id"]), text(&paused["waiting"]["digest"]));
        self.json(0, &["approve", &run, "--digest", &digest, "--reason", "tests are fine", "--sign", "alice"]);
        self.json(0, &["resume", &run, "--approve", "prod", "--reason", "as in UAT"]);
        let second = self.json(0, &["run", "second.toml", "--yes", "--approve", "all", "--reason", "again"]);
        (run, text(&second["run_id"]))
    }

    /// A copy of the records, to tamper with.
    pub(super) fn copy(&self) -> Records {
        let _ = std::fs::remove_dir_all(self.path("copy"));
        self.shell("cp -a state copy");
        Records(self.path("copy"))
    }
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// A state folder that somebody tampers with.
pub(super) struct Records(pub(super) PathBuf);

impl Records {
    pub(super) fn run(&self, run: &str, file: &str) -> PathBuf {
        self.0.join("runs").join(run).join(file)
    }

    pub(super) fn lines(&self, path: &Path, change: impl FnOnce(&mut Vec<String>)) {
        let text = std::fs::read_to_string(path).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        change(&mut lines);
        std::fs::write(path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    }

    /// Writes the journal's chain anew from this record on, as somebody would who knows how it is made.
    pub(super) fn rechain(&self, path: &Path, change: impl FnOnce(&mut Vec<Value>)) {
        let text = std::fs::read_to_string(path).unwrap();
        let mut records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        change(&mut records);
        let (mut prev, mut out) = (format!("sha256:{}", "0".repeat(64)), String::new());
        for (seq, record) in records.iter_mut().enumerate() {
            record["seq"] = seq.into();
            record["prev"] = prev.into();
            let line = record.to_string();
            prev = patchctl::core::ids::Digest::of(line.as_bytes()).to_string();
            out.push_str(&line);
            out.push('\n');
        }
        std::fs::write(path, out).unwrap();
    }
}
