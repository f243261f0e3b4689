//! Completions and manual pages are checked in for packagers; here they are held to what the binary makes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

const AGAIN: &str = "run tests/generate and commit what it changes";

/// The files of a folder, by name.
fn folder(path: &Path) -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir(path) else { return BTreeMap::new() };
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
    };
    entries.map(read).collect()
}

#[track_caller]
fn same(name: &str, made: &BTreeMap<String, String>) {
    let kept = folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join(name));
    let all: BTreeSet<_> = made.keys().chain(kept.keys()).collect();
    let differ: Vec<_> = all.into_iter().filter(|file| made.get(*file) != kept.get(*file)).collect();
    assert!(differ.is_empty(), "{name}/ is not what the binary makes now ({AGAIN}): {differ:?}");
}

fn patchctl() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_patchctl"));
    // How wide the terminal is must not change a page.
    command.env_clear().env("HOME", "/nonexistent").stdin(std::process::Stdio::null());
    command
}

#[test]
fn the_manual_pages_are_up_to_date() {
    let made = tempfile::tempdir().unwrap();
    let ended = patchctl().arg("man").arg(made.path()).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    same("man", &folder(made.path()));
}

#[test]
fn the_completions_are_up_to_date() {
    let made = [("bash", "patchctl.bash"), ("zsh", "_patchctl"), ("fish", "patchctl.fish")].map(|(shell, file)| {
        let ended = patchctl().args(["completions", shell]).output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        (file.to_owned(), String::from_utf8(ended.stdout).unwrap())
    });
    same("completions", &BTreeMap::from(made));
}
