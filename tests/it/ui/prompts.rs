//! Prompts on a real pseudo-terminal. The child is this same binary: `child` below asks and says what it got.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use expectrl::{Eof, Expect, Regex, Session, session::OsSession};
use patchctl::adapters::prompt::{AskFor, PromptLook, Prompter, TerminalApprover, TerminalSecrets};
use patchctl::adapters::signals::ProcessSignals;
use patchctl::core::document::Verdict;
use patchctl::core::view::NoDisplay;
use patchctl::ports::{Approver, Secrets, Signals};
use patchctl::ui::evidence::Evidence;
use patchctl::ui::style::{ColorChoice, Look};
use rustix::process::Signal;

use super::samples;

const CTRL_C: &str = "\x03";
const ESCAPE: &str = "\x1b";
const MENU: &str = "leave it waiting";
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
    let live = std::env::var_os("UI_LIVE").map(|_| Arc::new(super::show::live()));
    let display: Arc<dyn patchctl::core::view::Display> = match &live {
        Some(live) => Arc::clone(live) as _,
        None => Arc::new(NoDisplay),
    };
    let look = Look::stderr(ColorChoice::Auto);
    let prompter = Prompter::new(display, PromptLook { colour: look.colour(), unicode: look.unicode() });
    let approver = TerminalApprover::new(prompter.clone(), Arc::new(Evidence::new(look)));
    let secrets = TerminalSecrets::new(prompter.clone(), AskFor { password: true, become_password: true }, Vec::new());
    let answer = match std::env::var("UI_ASK").unwrap_or_default().as_str() {
        "gate" => format!("{:?}", approver.ask(&samples::small_gate()).await),
        "large_gate" => format!("{:?}", approver.ask(&samples::large_gate()).await),
        "withdrawn" => {
            let short = Duration::from_millis(400);
            let answer = tokio::time::timeout(short, approver.ask(&samples::small_gate())).await;
            tokio::time::sleep(short).await;
            format!("{:?}", answer.ok())
        }
        "begin" => format!("{:?}", approver.begin(&samples::beginning()).await),
        "sure" => format!("{:?}", approver.sure(&samples::small_gate(), Verdict::Rejected).await),
        "withdrawn_then_asked" => {
            let short = Duration::from_millis(400);
            let first = tokio::time::timeout(short, approver.ask(&samples::small_gate())).await;
            format!("{:?} {:?}", first.ok(), approver.ask(&samples::small_gate()).await)
        }
        "signal" => {
            let mut signals = ProcessSignals::take().unwrap();
            let answer = approver.ask(&samples::small_gate()).await;
            let signal = tokio::time::timeout(Duration::from_millis(300), signals.next()).await;
            format!("{answer:?} {:?}", signal.ok())
        }
        "wizard" => {
            let line = prompter.line("Inventory".to_owned(), "inventory.toml".to_owned()).await;
            let pair = |word: &str| (word.to_owned(), format!("means {word}"));
            let choice = prompter.choice("Who".to_owned(), ["both", "first"].map(pair).into()).await;
            let several = prompter.several("Which".to_owned(), ["a", "b", "c"].map(str::to_owned).into()).await;
            format!("{line:?} {choice:?} {several:?}")
        }
        "passphrase" => {
            let file = std::path::Path::new("/root/.ssh/id_ed25519");
            let (first, again) = tokio::join!(secrets.passphrase(file, false), secrets.passphrase(file, false));
            let told = first.map(|secret| secret.map(|secret| secret.expose().to_owned()));
            format!("{told:?} {}", again.is_ok())
        }
        "wrong_passphrase" => {
            let file = std::path::Path::new("/root/.ssh/id_ed25519");
            let first = secrets.passphrase(file, false).await.is_ok();
            let again = secrets.passphrase(file, true).await;
            format!("{first} {:?}", again.map(|secret| secret.map(|secret| secret.expose().to_owned())))
        }
        other => panic!("nobody asks {other:?}"),
    };
    if let Some(live) = live {
        std::thread::sleep(Duration::from_millis(800));
        live.finish();
    }
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
    session.set_expect_timeout(Some(Duration::from_secs(90)));
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
    session.expect(MENU).unwrap();
    session.send("\r").unwrap();
    session.expect("Reason").unwrap();
    session.send("  \r").unwrap();
    session.expect("a reason is needed").unwrap();
    session.expect("Reason").unwrap();
    session.send("smoke testz\x7fs fine\r").unwrap();
    session.expect("Approve stage uat, digest 2d711642b726?").unwrap();
    session.send("y\r").unwrap();
    assert_eq!(answer(&mut session), "Approve { reason: \"smoke tests fine\" } MODES same");
}

#[test]
fn without_the_last_yes_the_choice_is_open_again() {
    let mut session = ask("gate");
    session.expect(MENU).unwrap();
    session.send(format!("{DOWN}\r")).unwrap();
    session.expect("Reason").unwrap();
    session.send("oops\r").unwrap();
    session.expect("Reject stage uat").unwrap();
    session.send("\r").unwrap();
    session.expect(MENU).unwrap();
    session.send(format!("{DOWN}\r")).unwrap();
    session.expect("Reason").unwrap();
    session.send("latency doubled\r").unwrap();
    session.expect("Reject stage uat").unwrap();
    session.send("y\r").unwrap();
    assert_eq!(answer(&mut session), "Reject { reason: \"latency doubled\" } MODES same");
}

#[test]
fn leaving_at_any_place_leaves_the_gate_waiting() {
    let last = format!("{DOWN}{DOWN}{DOWN}\r");
    for keys in [CTRL_C, &last] {
        let mut session = ask("gate");
        session.expect(MENU).unwrap();
        session.send(keys).unwrap();
        assert_eq!(answer(&mut session), "Wait MODES same", "{keys:?}");
    }
    let mut session = ask("gate");
    session.expect(MENU).unwrap();
    session.send("\r").unwrap();
    session.expect("Reason").unwrap();
    session.send(format!("half a reas{CTRL_C}")).unwrap();
    assert_eq!(answer(&mut session), "Wait MODES same");
    let mut session = ask("gate");
    session.expect(MENU).unwrap();
    session.send("\r").unwrap();
    session.expect("Reason").unwrap();
    session.send("good\r").unwrap();
    session.expect("Approve stage").unwrap();
    session.send(CTRL_C).unwrap();
    assert_eq!(answer(&mut session), "Wait MODES same");
}

#[test]
fn ctrl_c_is_no_signal_to_the_process() {
    let mut session = ask("signal");
    session.expect(MENU).unwrap();
    session.send(CTRL_C).unwrap();
    let found = session.expect(Regex("(?s)^(.*)ANSWER ([^\r]*)\r")).unwrap();
    assert!(found.get(1).unwrap().ends_with(b"\x1b[?25h"), "the cursor is back");
    assert_eq!(found.get(2).unwrap(), b"Wait None MODES same");
}

#[test]
fn a_signal_and_a_new_window_size_do_not_answer() {
    let mut session = ask("signal");
    session.expect(MENU).unwrap();
    let pid = session.get_process().pid();
    session.get_process_mut().set_window_size(60, 30).unwrap();
    for signal in [Signal::WINCH, Signal::CHILD, Signal::INT] {
        let pid = rustix::process::Pid::from_raw(pid.as_raw()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }
    std::thread::sleep(Duration::from_millis(200));
    session.send("\r").unwrap();
    session.expect("Reason").unwrap();
    session.send(CTRL_C).unwrap();
    assert_eq!(answer(&mut session), "Wait Some(\"SIGINT\") MODES same");
}

#[test]
fn progress_hides_what_is_typed_and_makes_room_for_the_prompt() {
    let mut command = command("gate");
    command.env("UI_LIVE", "1");
    let mut session = Session::spawn(command).unwrap();
    session.get_process_mut().set_window_size(100, 50).unwrap();
    session.set_expect_timeout(Some(Duration::from_secs(90)));
    session.expect("300 hosts").unwrap();
    session.expect(MENU).unwrap();
    session.send(CTRL_C).unwrap();
    session.expect("more running").unwrap();
    session.send("typed").unwrap();
    let found = session.expect(Regex("(?s)^(.*)ANSWER ([^\r]*)\r")).unwrap();
    assert!(!String::from_utf8_lossy(found.get(1).unwrap()).contains("typed"));
    assert_eq!(found.get(2).unwrap(), b"Wait MODES same");
}

#[test]
fn details_are_shown_and_the_choice_is_open_again() {
    let mut session = ask("large_gate");
    session.expect(MENU).unwrap();
    session.send(format!("{DOWN}{DOWN}\r")).unwrap();
    session.expect("web-300.fra1.example.com").unwrap();
    session.expect(MENU).unwrap();
    session.send(CTRL_C).unwrap();
    assert_eq!(answer(&mut session), "Wait MODES same");
}

#[test]
fn a_decision_from_elsewhere_closes_the_prompt_and_gives_the_terminal_back() {
    let mut session = ask("withdrawn");
    session.expect(MENU).unwrap();
    assert_eq!(answer(&mut session), "None MODES same");
}

#[test]
fn a_closed_prompt_takes_no_keys_from_the_next_one() {
    let mut session = ask("withdrawn_then_asked");
    session.expect(MENU).unwrap();
    session.expect(MENU).unwrap();
    session.send(DOWN).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    session.send("\r").unwrap();
    session.expect("Reason").unwrap();
    session.send("no\r").unwrap();
    session.expect("Reject stage uat").unwrap();
    session.send("y\r").unwrap();
    assert_eq!(answer(&mut session), "None Reject { reason: \"no\" } MODES same");
}

#[test]
fn before_the_first_change_only_yes_is_yes() {
    for (keys, expected) in [("y\r", "Yes"), ("\r", "No"), ("yn\r", "No"), (CTRL_C, "Later")] {
        let mut session = ask("begin");
        session.expect("3.0.20-1~deb12u2 → 3.0.22-1~deb12u2").unwrap();
        session.expect("prod (40 hosts)").unwrap();
        session.expect("Change these 2 hosts now?").unwrap();
        session.send(keys).unwrap();
        assert_eq!(answer(&mut session), format!("{expected} MODES same"), "{keys:?}");
    }
}

#[test]
fn a_verdict_is_meant_only_with_a_yes() {
    for (keys, expected) in [("y\r", "Yes"), ("\r", "No")] {
        let mut session = ask("sure");
        session.expect("Reject stage uat, digest").unwrap();
        session.send(keys).unwrap();
        assert_eq!(answer(&mut session), format!("{expected} MODES same"), "{keys:?}");
    }
}

#[test]
fn the_wizards_questions() {
    let mut session = ask("wizard");
    session.expect("inventory.toml").unwrap();
    session.send("\r").unwrap();
    session.expect("means first").unwrap();
    session.send(format!("{DOWN}\r")).unwrap();
    session.expect("Which").unwrap();
    session.expect("c").unwrap();
    session.send(format!(" {DOWN}{DOWN} \r")).unwrap();
    let told = answer(&mut session);
    assert_eq!(told, r#"Some("inventory.toml") Some("first") Some(["a", "c"]) MODES same"#);

    let mut session = ask("wizard");
    session.expect("inventory.toml").unwrap();
    session.send(CTRL_C).unwrap();
    session.expect("means first").unwrap();
    session.send(ESCAPE).unwrap();
    session.expect("Which").unwrap();
    session.expect("c").unwrap();
    session.send(CTRL_C).unwrap();
    assert_eq!(answer(&mut session), "None None None MODES same");
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
fn a_wrong_passphrase_is_said_to_be_wrong() {
    let mut session = ask("wrong_passphrase");
    session.expect("Passphrase of").unwrap();
    session.send("no\r").unwrap();
    session.expect("That was not it. Passphrase of").unwrap();
    session.send("hunter2\r").unwrap();
    assert_eq!(answer(&mut session), "true Ok(Some(\"hunter2\")) MODES same");
}

#[test]
fn ctrl_c_at_a_secret_gives_none() {
    let mut session = ask("passphrase");
    session.expect("Passphrase of").unwrap();
    session.send(format!("hunt{CTRL_C}")).unwrap();
    let told = answer(&mut session);
    assert!(told.contains("was not given") && told.ends_with("MODES same"), "{told}");
}

#[test]
fn without_a_terminal_nothing_is_asked_and_nothing_granted() {
    for (question, expected) in [("gate", "Unavailable"), ("begin", "Unavailable"), ("passphrase", "ssh-add")] {
        let output = command(question).stdin(std::process::Stdio::null()).output().unwrap();
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(out.contains(expected), "{question}: {out}");
        assert!(output.stderr.is_empty(), "{question}");
    }
}
