//! Text that wants to be a command. None of it reaches a shell, a host or a path: a listener stands where the host
//! should be and counts who comes, and a canary tells whether anything was run.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::bench::{Bench, first_error};

/// `CANARY` is replaced by a path; a shell that sees one of these makes that file.
const HOSTILE: [&str; 9] = [
    "a; touch CANARY",
    "$(touch CANARY)",
    "`touch CANARY`",
    "-oProxyCommand=touch CANARY",
    "--help",
    "a\ntouch CANARY\n",
    "../../../../tmp/x",
    "a\u{1b}]0;owned\u{7}",
    "a\u{202e}b",
];

struct World {
    bench: Bench,
    port: u16,
    callers: Arc<AtomicUsize>,
}

fn world() -> World {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let callers = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&callers);
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            count.fetch_add(1, Ordering::SeqCst);
            drop(stream);
        }
    });
    World { bench: Bench::bare(), port, callers }
}

/// A TOML string that holds exactly this.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

impl World {
    fn inventory(&self, more: &str) {
        let text = format!(
            "[groups.uat]\nhosts = [\"uat-1\"]\n[hosts.uat-1]\naddress = \"127.0.0.1\"\nport = {}\nuser = \"root\"\n{more}\n",
            self.port
        );
        self.bench.write("inventory.toml", &text);
    }

    fn plan(&self, head: &str, patch: &str, stage: &str) {
        let text = format!(
            "schema = 1\ninventory = \"inventory.toml\"\n{head}\n[patch]\n{patch}\n[[stage]]\nhosts = \"uat-1\"\n{stage}\n"
        );
        self.bench.write("plan.toml", &text);
    }

    /// Every command that reads plan and inventory refuses them, and nothing has happened.
    #[track_caller]
    fn assert_refused(&self, what: &str) {
        for args in [&["check", "plan.toml"][..], &["plan", "plan.toml"], &["run", "plan.toml", "--yes"]] {
            let document = self.bench.json(2, args);
            assert_eq!(first_error(&document)["kind"], "invalid", "{what}");
            // What people read holds no control characters either.
            let answer = self.bench.patchctl(args).ended(2);
            assert_eq!(answer.out, "", "{what}");
            let steers = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
            assert!(!answer.err.contains(steers), "{what}: {:?}", answer.err);
        }
        self.assert_quiet(what);
    }

    #[track_caller]
    fn assert_quiet(&self, what: &str) {
        assert!(!self.bench.path("canary").exists(), "{what} ran");
        assert_eq!(self.callers.load(Ordering::SeqCst), 0, "{what} was contacted");
    }

    fn texts(&self) -> Vec<String> {
        let canary = self.bench.path("canary").display().to_string();
        HOSTILE.iter().map(|text| text.replace("CANARY", &canary)).collect()
    }
}

#[test]
fn hostile_plans_are_refused() {
    let world = world();
    world.inventory("");
    for text in world.texts() {
        let text = quoted(&text);
        world.plan(&format!("name = {text}"), "packages = [\"bash\"]", "name = \"uat\"");
        world.assert_refused(&format!("plan name {text}"));
        world.plan(&format!("name = \"x\"\nchange = {text}"), "packages = [\"bash\"]", "name = \"uat\"");
        world.assert_refused(&format!("change {text}"));
        world.plan("name = \"x\"", "packages = [\"bash\"]", &format!("name = {text}"));
        world.assert_refused(&format!("stage name {text}"));
        world.plan("name = \"x\"", &format!("packages = [{text}]"), "name = \"uat\"");
        world.assert_refused(&format!("package {text}"));
    }
}

#[test]
fn hostile_versions_globs_and_variables_are_refused() {
    let world = world();
    world.inventory("");
    for text in world.texts() {
        let version = quoted(&format!("bash={text}"));
        world.plan("name = \"x\"", &format!("packages = [{version}]"), "name = \"uat\"");
        world.assert_refused(&format!("version {version}"));
        let line = quoted(&format!("bash/stable {text} amd64 [upgradable from: 1.0]"));
        world.plan("name = \"x\"", &format!("packages = [{line}]"), "name = \"uat\"");
        world.assert_refused(&format!("line {line}"));
        let arch = quoted(&format!("bash:{text}"));
        world.plan("name = \"x\"", &format!("packages = [{arch}]"), "name = \"uat\"");
        world.assert_refused(&format!("architecture {arch}"));
        let name = quoted(&text);
        world.plan("name = \"x\"", &format!("packages = [\"bash\"]\nvars = {{ {name} = \"x\" }}"), "name = \"uat\"");
        world.assert_refused(&format!("variable {name}"));
        world.plan("name = \"x\"", &format!("select = \"all\"\nexclude = [{name}]"), "name = \"uat\"");
        world.assert_refused(&format!("exclude {name}"));
    }
    world.plan("name = \"x\"", "packages = [\"bash\"]\nvars = { lock_timeout = \"1\\n2\" }", "name = \"uat\"");
    world.assert_refused("a variable of two lines");
}

#[test]
fn hostile_inventories_are_refused() {
    let world = world();
    world.plan("name = \"x\"", "packages = [\"bash\"]", "name = \"uat\"");
    for text in world.texts() {
        let quoted = quoted(&text);
        world.inventory(&format!("[hosts.{quoted}]"));
        world.assert_refused(&format!("host {quoted}"));
        world.inventory(&format!("[groups.more]\nhosts = [{quoted}]"));
        world.assert_refused(&format!("member {quoted}"));
        world.inventory(&format!("[groups.{quoted}]\nhosts = [\"uat-1\"]"));
        world.assert_refused(&format!("group {quoted}"));
        world.inventory(&format!("[hosts.other]\nuser = {quoted}"));
        world.assert_refused(&format!("user {quoted}"));
        world.inventory(&format!("[hosts.other]\naddress = {quoted}"));
        world.assert_refused(&format!("address {quoted}"));
    }
}

#[test]
fn hostile_arguments_are_refused() {
    let world = world();
    world.inventory("");
    world.plan("name = \"x\"", "packages = [\"bash\"]", "name = \"uat\"");
    for text in world.texts() {
        for flag in ["--change", "--limit", "--user", "--inventory"] {
            let arg = format!("{flag}={text}");
            world.bench.patchctl(&["run", "plan.toml", "--yes", &arg]).ended(2);
            world.assert_quiet(&arg);
        }
        world.bench.patchctl(&["run", "--yes", "--", &text]).ended(2);
        world.bench.patchctl(&["status", "--", &text]).ended(2);
        world.assert_quiet(&text);
    }
}
