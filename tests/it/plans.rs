//! The ready plans: each is valid as it lies there, says what it was tested with, and its commands are shell.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/playbooks/plans");

const INVENTORY: &str = r#"
[groups.uat]
hosts = ["uat-1"]
[groups.prod]
hosts = ["prod-[1:4]"]
vars = { lb = "UNIX-CONNECT:/run/haproxy/admin.sock", lb_backend = "web" }
"#;

fn plans() -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    assert!(all.len() >= 10);
    all
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

#[test]
fn each_is_valid_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("inventory.toml"), INVENTORY).unwrap();
    for path in plans() {
        let plan = home.path().join(name(&path));
        fs::copy(&path, &plan).unwrap();
        let mut check = Command::new(env!("CARGO_BIN_EXE_patchctl"));
        check.env_clear().env("HOME", home.path()).arg("check").arg(&plan).stdin(Stdio::null());
        let output = check.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {text}", name(&path));
    }
}

#[test]
fn each_says_what_it_is_and_what_was_tested_and_is_listed() {
    let lists = ["README.md", "playbooks/README.md"]
        .map(|file| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap());
    for path in plans() {
        let text = fs::read_to_string(&path).unwrap();
        let head: String = text.lines().take_while(|line| line.starts_with('#')).collect();
        for part in ["What must be there:", "What happens:", "ested:", "To change:"] {
            assert!(head.contains(part), "{}: no {part:?}", name(&path));
        }
        for list in &lists {
            assert!(list.contains(name(&path)), "{} is not in a README", name(&path));
        }
    }
}

/// Every command in it, for `sh`, with a variable for each value.
fn commands(of: &toml::Value, found: &mut BTreeSet<String>) {
    match of {
        toml::Value::Table(table) => {
            for (key, value) in table {
                match value {
                    toml::Value::String(text) if key == "run" || key == "local" => {
                        found.insert(filled(text));
                    }
                    value => commands(value, found),
                }
            }
        }
        toml::Value::Array(all) => all.iter().for_each(|value| commands(value, found)),
        _ => {}
    }
}

fn filled(text: &str) -> String {
    let mut parts = text.split("{{");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "\"${PATCHCTL_1}\"" + part.split_once("}}").unwrap().1)
}

#[test]
fn their_commands_are_shell() {
    let shellcheck = Command::new("shellcheck").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !shellcheck {
        eprintln!("SKIPPED in part: shellcheck is not on this machine; `sh -n` looks at them alone");
    }
    for path in plans() {
        let plan: toml::Value = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let mut found = BTreeSet::new();
        commands(&plan, &mut found);
        for command in found {
            looked_at(Command::new("sh").arg("-n"), &path, &command);
            if shellcheck {
                looked_at(Command::new("shellcheck").args(["--shell=sh", "-"]), &path, &command);
            }
        }
    }
}

fn looked_at(with: &mut Command, path: &Path, command: &str) {
    let mut child = with.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(command.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(if output.stdout.is_empty() { &output.stderr } else { &output.stdout });
    assert!(output.status.success(), "{}:\n{command}\n{said}", name(path));
}
