//! A person at a terminal. How the prompts are driven is known here alone.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use expectrl::process::unix::WaitStatus;
use expectrl::session::OsSession;
use expectrl::{Eof, Expect, Session};

use super::bench::Answer;

const DOWN: &str = "\x1b[B";
const ENTER: &str = "\r";
const CTRL_C: &str = "\x03";

/// What is chosen at a gate, in the order of its menu.
#[derive(Debug, Clone, Copy)]
pub(super) enum Choice {
    Approve,
    Reject,
    Details,
    Wait,
}

/// patchctl on a pseudo-terminal.
pub(super) struct Terminal {
    session: OsSession,
    /// Where its standard output goes.
    out: PathBuf,
    /// What was shown so far.
    shown: String,
}

impl Terminal {
    pub(super) fn start(command: Command, out: PathBuf) -> Self {
        let mut session = Session::spawn(command).unwrap();
        session.get_process_mut().set_window_size(120, 50).unwrap();
        session.set_expect_timeout(Some(Duration::from_secs(90)));
        Self { session, out, shown: String::new() }
    }

    /// Waits until this is shown.
    #[track_caller]
    pub(super) fn expect(&mut self, text: &str) {
        match self.session.expect(text) {
            Ok(found) => {
                self.shown.push_str(&String::from_utf8_lossy(found.before()));
                self.shown.push_str(text);
            }
            Err(error) => {
                let mut rest = [0; 65536];
                let read = self.session.try_read(&mut rest).unwrap_or(0);
                panic!("{text:?}: {error}; shown:\n{}{}", self.shown, String::from_utf8_lossy(&rest[..read]));
            }
        }
    }

    fn send(&mut self, keys: &str) {
        use std::io::Write as _;
        // A person is slower than a prompt that has just appeared.
        std::thread::sleep(Duration::from_millis(150));
        self.session.write_all(keys.as_bytes()).unwrap();
        self.session.flush().unwrap();
    }

    /// Yes, or no, to the question before the first change.
    #[track_caller]
    pub(super) fn begin(&mut self, yes: bool) {
        self.expect("now?");
        self.send(if yes { "y\r" } else { "n\r" });
    }

    /// Waits until the gate's menu is open.
    #[track_caller]
    pub(super) fn gate(&mut self) {
        self.expect("leave it waiting");
    }

    /// Picks an entry of the open menu.
    pub(super) fn choose(&mut self, choice: Choice) {
        for _ in 0..choice as usize {
            self.send(DOWN);
        }
        self.send(ENTER);
    }

    /// Approves or rejects at the open menu, with this reason.
    #[track_caller]
    pub(super) fn decide(&mut self, choice: Choice, reason: &str) {
        self.choose(choice);
        self.expect("Reason");
        self.send(&format!("{reason}{ENTER}"));
        self.expect(if matches!(choice, Choice::Approve) { "Approve stage" } else { "Reject stage" });
        self.send("y\r");
    }

    pub(super) fn interrupt(&mut self) {
        self.send(CTRL_C);
    }

    /// Answers this question.
    #[track_caller]
    pub(super) fn answer(&mut self, question: &str, answer: &str) {
        self.expect(question);
        self.send(&format!("{answer}{ENTER}"));
    }

    /// Types something that is not shown.
    #[track_caller]
    pub(super) fn secret(&mut self, question: &str, secret: &str) {
        self.expect(question);
        self.send(&format!("{secret}{ENTER}"));
    }

    /// Waits for its end; everything that was shown is `err`.
    #[track_caller]
    pub(super) fn end(mut self) -> Answer {
        if let Ok(found) = self.session.expect(Eof) {
            self.shown.push_str(&String::from_utf8_lossy(found.as_bytes()));
        }
        let code = match self.session.get_process().wait() {
            Ok(WaitStatus::Exited(_, code)) => Some(code),
            _ => None,
        };
        Answer { code, out: std::fs::read_to_string(&self.out).unwrap_or_default(), err: self.shown }
    }
}
