//! Prompts on a real pseudo-terminal. The child is this same binary: `child` below asks and says what it got.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use expectrl::{Eof, Expect, Regex, Session, session::OsSession};
use patchctl::adapters::prompt::{AskFor, PromptLook, Prompter, TerminalApprover, TerminalSecrets};
use patchctl::core::view::NoDisplay;
use patchctl::ports::{Approver, Secrets};
use patchctl::ui::evidence::Evidence;
use patchctl::ui::style::{ColorChoice, Look};

use super::samples;

const CTRL_C: &str = "\x03";
const ESCAPE: &str = "\x1b";
const DOWN: &str = "\x1b[B";

fn modes() -> String {
    rustix::termios::tcgetattr(std::io::stdin())
        .map_or_else(|_| "none".to_owned(), |modes| format!("{:?}", modes.local_modes))
}

/// Asks what `UI_ASK` says and prints the answer.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the child of the other tests"]
async fn child() {
    let before = modes();
    let display: Arc<dyn patchctl::core::view::Display> = match std::env::var_os("UI_LIVE") {
        Some(_) => Arc::new(super::show::live()),
        None => Arc::new(NoDisplay),
    };
    let look = Look::stderr(ColorChoice::Auto);
    let prompter = Prompter::new(display, PromptLook { colour: look.colour(), unicode: look.unicode() });
    let approver = TerminalApprover::new(prompter.clone(), Arc::new(Evidence::new(look)));
    let secrets = TerminalSecrets::new(prompter, AskFor { password: true, become_password: true });
    let answer = match std::env::var("UI_ASK").unwrap_or_default().as_str() {
        "gate" => format!("{:?}", approver.ask(&samples::small_gate()).await),
        "large_gate" => format!("{:?}", approver.ask(&samples::large_gate()).await),
        "withdrawn" => {
            let short = Duration::from_millis(400);
            let answer = tokio::time::timeout(short, approver.ask(&samples::small_gate())).await;
            tokio::time::sleep(short).await;
            format!("{:?}", answer.ok())
        }
        "confirm" => format!("{:?}", approver.confirm("3 hosts", "Begin?").await),
        "passphrase" => {
            let file = std::path::Path::new("/root/.ssh/id_ed25519");
            let (first, again) = tokio::join!(secrets.passphrase(file), secrets.passphrase(file));
            let told = first.map(|secret| secret.map(|secret| secret.expose().to_owned()));
            format!("{told:?} {}", again.is_ok())
        }
        other => panic!("nobody asks {other:?}"),
    };
    println!("ANSWER {answer} MODES {}", if before == modes() { "same" } else { "changed" });
}

fn command(ask: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "ui::prompts::child", "--nocapture", "-q"]);
    command.env("UI_ASK", ask).env("LANG", "C.UTF-8").env("NO_COLOR", "1").env_remove("LC_ALL");
    command
}

fn ask(ask: &str) -> OsSession {
    let mut session = Session::spawn(command(ask)).unwrap();
    session.get_process_mut().set_window_size(80, 50).unwrap();
    session.set_expect_timeout(Some(Duration::from_secs(20)));
    session
}

/// What the child says at its end.
fn answer(session: &mut OsSession) -> String {
    let found = session.expect(Regex("ANSWER ([^\r]*)\r")).unwrap();
    let answer = String::from_utf8_lossy(found.get(1).unwrap()).into_owned();
    session.expect(Eof).unwrap();
    answer
}

#[test]
fn an_approval_needs_a_reason_and_a_last_yes() {
    let mut session = ask("gate");
    session.expect("uat-db-01.example.com").unwrap();
    session.expect("rebuilt").unwrap();
    session.expect("Ctrl-C").unwrap();
    session.send("\r").unwrap();
    session.expect("Reason: ").unwrap();
    session.send("  \r").unwrap();
    session.expect("A reason is needed").unwrap();
    session.expect("Reason: ").unwrap();
    session.send("smoke testz\x7fs fine\r").unwrap();
    session.expect("Approve stage uat, digest 2d711642b726? [y/N]").unwrap();
    session.send("y\r").unwrap();
    assert_eq!(answer(&mut session), "Approve { reason: \"smoke tests fine\" } MODES same");
}

#[test]
fn without_the_last_yes_the_choice_is_open_again() {
    let mut session = ask("gate");
    session.expect("Ctrl-C").unwrap();
    session.send("r\r").unwrap();
    session.expect("Reason: ").unwrap();
    session.send("oops\r").unwrap();
    session.expect("Reject stage uat").unwrap();
    session.send("\r").unwrap();
    session.expect("Ctrl-C").unwrap();
    session.send(format!("{DOWN}\r")).unwrap();
    session.expect("Reason: ").unwrap();
    session.send("latency doubled\r").unwrap();
    session.expect("[y/N]").unwrap();
    session.send("yes\r").unwrap();
    assert_eq!(answer(&mut session), "Reject { reason: \"latency doubled\" } MODES same");
}

#[test]
fn leaving_in_any_way_and_at_any_place_leaves_the_gate_waiting() {
    for keys in [CTRL_C, ESCAPE, "\x04", "w\r"] {
        let mut session = ask("gate");
        session.expect("Ctrl-C").unwrap();
        session.send(keys).unwrap();
        assert_eq!(answer(&mut session), "Wait MODES same", "{keys:?}");
    }
    let mut session = ask("gate");
    session.expect("Ctrl-C").unwrap();
    session.send("\r").unwrap();
    session.expect("Reason: ").unwrap();
    session.send(format!("half a reas{CTRL_C}")).unwrap();
    assert_eq!(answer(&mut session), "Wait MODES same");
}

#[test]
fn details_are_shown_a_page_at_a_time() {
    let mut session = ask("large_gate");
    session.expect("Ctrl-C").unwrap();
    session.send("d\r").unwrap();
    session.expect("lines: Space for more").unwrap();
    session.send(" ").unwrap();
    session.expect("lines: Space for more").unwrap();
    session.send("q").unwrap();
    session.expect("Ctrl-C").unwrap();
    session.send("w\r").unwrap();
    assert_eq!(answer(&mut session), "Wait MODES same");
}

#[test]
fn a_decision_from_elsewhere_closes_the_prompt_and_gives_the_terminal_back() {
    let mut session = ask("withdrawn");
    session.expect("Ctrl-C").unwrap();
    assert_eq!(answer(&mut session), "None MODES same");
}

#[test]
fn before_the_first_change_only_yes_is_yes() {
    for (keys, expected) in [("y\r", "Yes"), ("\r", "No"), ("nope\r", "No"), (CTRL_C, "No")] {
        let mut session = ask("confirm");
        session.expect("Begin? [y/N] ").unwrap();
        session.send(keys).unwrap();
        assert_eq!(answer(&mut session), format!("{expected} MODES same"), "{keys:?}");
    }
}

#[test]
fn a_secret_is_asked_for_once_and_never_shown() {
    let mut session = ask("passphrase");
    session.expect("Passphrase of /root/.ssh/id_ed25519: ").unwrap();
    session.send("hunter3\x7f2\r").unwrap();
    let found = session.expect(Regex("(?s)^(.*)ANSWER ([^\r]*)\r")).unwrap();
    let shown = String::from_utf8_lossy(found.get(1).unwrap()).into_owned();
    assert!(!shown.contains("hunter"), "{shown:?}");
    assert_eq!(found.get(2).unwrap(), b"Ok(Some(\"hunter2\")) true MODES same");
}

#[test]
fn without_a_terminal_nothing_is_asked_and_nothing_granted() {
    for (question, expected) in [("gate", "Unavailable"), ("confirm", "Unavailable"), ("passphrase", "ssh-add")] {
        let output = command(question).stdin(std::process::Stdio::null()).output().unwrap();
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(out.contains(expected), "{question}: {out}");
        assert!(output.stderr.is_empty(), "{question}");
    }
}
