//! `patchctl new`, with the real binary.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use expectrl::{Eof, Expect, Session, session::OsSession};

const CTRL_C: &str = "\x03";
const DOWN: &str = "\x1b[B";

const INVENTORY: &str = "[groups.uat]\nhosts = [\"a\"]\n[groups.prod]\nhosts = [\"b\", \"c\"]\n";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("inventory.toml"), INVENTORY).unwrap();
    folder
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_patchctl"));
    command.arg("new").current_dir(folder).env("HOME", folder).env("LANG", "C.UTF-8").env("NO_COLOR", "1");
    command.env_remove("LC_ALL").env_remove("XDG_STATE_HOME").env_remove("PATCHCTL_STATE_DIR");
    command
}

fn at_terminal(folder: &Path) -> OsSession {
    let mut session = Session::spawn(command(folder)).unwrap();
    session.get_process_mut().set_window_size(100, 40).unwrap();
    session.set_expect_timeout(Some(Duration::from_secs(90)));
    session
}

#[test]
fn the_wizard_writes_a_plan_that_is_valid() {
    let folder = folder();
    let mut session = at_terminal(folder.path());
    session.expect("Inventory").unwrap();
    session.send("\r").unwrap();
    session.expect("patch first").unwrap();
    session.send("nowhere\r").unwrap();
    session.expect("the pattern").unwrap();
    session.expect("patch first").unwrap();
    session.send("\r").unwrap();
    session.expect("1 host: a").unwrap();
    session.expect("after your approval").unwrap();
    session.send("\r").unwrap();
    session.expect("2 hosts: b, c").unwrap();
    session.expect("approved list").unwrap();
    session.send(format!("{DOWN}\r")).unwrap();
    session.expect("Packages").unwrap();
    session.send("openssl, libssl3=3.0.22-1~deb12u2\r").unwrap();
    session.expect("kept when it went well").unwrap();
    session.send("\r").unwrap();
    session.expect("plan.toml is written").unwrap();
    session.expect("ask once more").unwrap();
    session.send("\r").unwrap();
    session.expect("Next: patchctl plan plan.toml").unwrap();
    session.expect(Eof).unwrap();
    let plan = std::fs::read_to_string(folder.path().join("plan.toml")).unwrap();
    assert!(plan.contains("\"libssl3=3.0.22-1~deb12u2\""), "{plan}");
    let mut check = Command::new(env!("CARGO_BIN_EXE_patchctl"));
    let checked = check.args(["check", "plan.toml"]).current_dir(folder.path()).env("HOME", folder.path());
    assert!(checked.status().unwrap().success());
}

#[test]
fn leaving_the_wizard_writes_nothing() {
    for question in ["Inventory", "patch first", "after your approval", "approved list"] {
        let folder = folder();
        let mut session = at_terminal(folder.path());
        for asked in ["Inventory", "patch first", "after your approval", "approved list"] {
            session.expect(asked).unwrap();
            if asked == question {
                break;
            }
            session.send("\r").unwrap();
        }
        session.send(CTRL_C).unwrap();
        session.expect("nothing was written").unwrap();
        session.expect(Eof).unwrap();
        assert!(!folder.path().join("plan.toml").exists(), "{question}");
    }
}

#[test]
fn without_a_terminal_all_of_it_must_be_given() {
    let folder = folder();
    let output = command(folder.path()).stdin(std::process::Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--uat"));
    let mut given = command(folder.path());
    given.args(["--uat", "uat", "--prod", "prod", "--packages", "openssl", "p.toml"]);
    let output = given.stdin(std::process::Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "p.toml is written; `patchctl run p.toml` runs it\n");
    let again = command(folder.path()).args(["--uat", "uat", "--prod", "prod", "p.toml"]).output().unwrap();
    assert_eq!(again.status.code(), Some(2), "what is there is not written over");
}
