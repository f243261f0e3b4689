//! Asks the person at the terminal: for a decision, for a go-ahead, for secrets.
//!
//! dialoguer asks, on standard error; answers come from standard input, and only where both are a terminal that is
//! ours. While a question is open Ctrl-C is a key like any other: it answers the question and ends nothing. The
//! terminal gets its modes and its cursor back however the question ends, and what was typed before it appeared does
//! not answer it.

mod gate;
mod secrets;
mod terminal;
mod thread;
mod wizard;

use std::sync::Arc;

use tokio::sync::Mutex;

pub use gate::TerminalApprover;
pub use secrets::{AskFor, TerminalSecrets};
pub use terminal::TerminalGuard;

use crate::core::view::Display;
use terminal::Terminal;

/// How prompts look.
#[derive(Debug, Clone, Copy, Default)]
pub struct PromptLook {
    /// With colours.
    pub colour: bool,
    /// With symbols beyond ASCII.
    pub unicode: bool,
}

/// The way to the person: one question at a time, whoever asks.
#[derive(Clone)]
pub struct Prompter {
    turn: Arc<Mutex<()>>,
    display: Arc<dyn Display>,
    look: PromptLook,
}

/// Why a question has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// Ctrl-C, or where it says so Esc: the person leaves.
    Left,
    /// Nobody waits for the answer any more.
    Withdrawn,
    /// There is no terminal, or it went away.
    NoTerminal,
}

impl Prompter {
    /// Questions push this display aside while they are open.
    pub fn new(display: Arc<dyn Display>, look: PromptLook) -> Self {
        Self { turn: Arc::new(Mutex::new(())), display, look }
    }

    /// Whether there is anybody to ask.
    pub fn is_available() -> bool {
        terminal::is_interactive()
    }

    /// Shows this, and asks yes or no.
    async fn confirm(&self, about: String, question: String) -> Result<bool, Stop> {
        let talk = move |terminal: &Terminal| {
            terminal.show(&format!("\n{about}"))?;
            terminal.show("")?;
            terminal.yes(&question)
        };
        self.converse(talk).await
    }

    /// Runs a conversation on a thread of its own. Dropping the future withdraws the question: the conversation ends,
    /// and gives the terminal back by itself.
    async fn converse<T: Send + 'static>(
        &self,
        talk: impl FnOnce(&Terminal) -> Result<T, Stop> + Send + 'static,
    ) -> Result<T, Stop> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let aside = Aside::new(Arc::clone(&self.display));
        let look = self.look;
        thread::converse(move || {
            // Both go when the terminal is whole again: the next question, and the display, wait for that.
            let _held = (turn, aside);
            talk(&Terminal::open(look)?)
        })
        .await
    }
}

/// The display, out of the way.
struct Aside(Arc<dyn Display>);

impl Aside {
    fn new(display: Arc<dyn Display>) -> Self {
        display.suspend();
        Self(display)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        self.0.resume();
    }
}
