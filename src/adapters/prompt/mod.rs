//! Asks the person at the terminal: for a decision, for a go-ahead, for secrets.
//!
//! Everything is written to standard error and read from standard input, and only where both are a terminal that is
//! ours. While a question is open, keys arrive one by one and Ctrl-C is a key like any other: it answers the question
//! and ends nothing. The terminal gets its modes back however the question ends, and what was typed before it
//! appeared does not answer it.

mod command;
mod gate;
mod keys;
mod line;
mod menu;
mod pager;
mod secrets;
mod terminal;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
    /// Ctrl-C, Esc, or the end of the input: the person leaves.
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

    /// Runs a conversation on a thread that may block. Dropping the future withdraws the question: the conversation
    /// ends at its next key, and gives the terminal back by itself.
    async fn converse<T: Send + 'static>(
        &self,
        talk: impl FnOnce(&mut Terminal) -> Result<T, Stop> + Send + 'static,
    ) -> Result<T, Stop> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let withdrawn = Withdraw(Arc::new(AtomicBool::new(false)));
        let flag = Arc::clone(&withdrawn.0);
        let aside = Aside::new(Arc::clone(&self.display));
        let look = self.look;
        let conversation = tokio::task::spawn_blocking(move || {
            // Both go when the terminal is whole again: the next question, and the display, wait for that.
            let _held = (turn, aside);
            if flag.load(Ordering::Acquire) {
                return Err(Stop::Withdrawn);
            }
            let mut terminal = Terminal::open(flag, look).ok_or(Stop::NoTerminal)?;
            talk(&mut terminal)
        });
        conversation.await.unwrap_or(Err(Stop::NoTerminal))
    }
}

/// Withdraws the question when its asker goes away.
struct Withdraw(Arc<AtomicBool>);

impl Drop for Withdraw {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
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
