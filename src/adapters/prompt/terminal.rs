//! The terminal, key by key, and its way back to what it was.

use std::collections::VecDeque;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;
use rustix::termios::{InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios};

use super::keys::{self, Key};
use super::{PromptLook, Stop};

/// Restores the terminal's modes when it is dropped: for the process's end, whatever a question has left open.
pub struct TerminalGuard {
    modes: Option<Termios>,
}

impl TerminalGuard {
    /// Remembers the modes that the terminal has now; nothing where standard input is none.
    pub fn save() -> Self {
        Self { modes: rustix::termios::tcgetattr(std::io::stdin()).ok() }
    }
}

impl Drop for TerminalGuard {
    fn drop(&mut self) {
        if let Some(modes) = &self.modes {
            restore(modes);
        }
    }
}

/// Only the foreground may set modes: in the background the attempt would stop the process.
fn restore(modes: &Termios) {
    if in_foreground() {
        let _ = rustix::termios::tcsetattr(std::io::stdin(), OptionalActions::Now, modes);
    }
}

fn in_foreground() -> bool {
    rustix::termios::tcgetpgrp(std::io::stdin()).is_ok_and(|group| group == rustix::process::getpgrp())
}

/// Whether questions can be asked: both ends are a terminal, and it is ours to read from.
pub(super) fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal() && in_foreground()
}

/// The terminal while a conversation goes on.
pub(super) struct Terminal {
    before: Termios,
    withdrawn: Arc<AtomicBool>,
    typed: VecDeque<u8>,
    pub(super) look: PromptLook,
}

impl Terminal {
    /// Takes the terminal, and drops what was typed before: it was not meant for this question.
    pub(super) fn open(withdrawn: Arc<AtomicBool>, look: PromptLook) -> Option<Self> {
        if !is_interactive() {
            return None;
        }
        let before = rustix::termios::tcgetattr(std::io::stdin()).ok()?;
        let mut modes = before.clone();
        modes.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN;
        modes.input_modes -= InputModes::IXON;
        // A read returns after a tenth of a second at the latest, so that a withdrawn question is noticed.
        modes.special_codes[SpecialCodeIndex::VMIN] = 0;
        modes.special_codes[SpecialCodeIndex::VTIME] = 1;
        rustix::termios::tcsetattr(std::io::stdin(), OptionalActions::Flush, &modes).ok()?;
        Some(Self { before, withdrawn, typed: VecDeque::new(), look })
    }

    /// The next key.
    pub(super) fn key(&mut self) -> Result<Key, Stop> {
        loop {
            if let Some(byte) = self.byte()? {
                return keys::decode(byte, || self.byte());
            }
        }
    }

    /// The next byte; none after a tenth of a second without one.
    fn byte(&mut self) -> Result<Option<u8>, Stop> {
        if let Some(byte) = self.typed.pop_front() {
            return Ok(Some(byte));
        }
        if self.withdrawn.load(Ordering::Acquire) {
            return Err(Stop::Withdrawn);
        }
        let mut buffer = [0; 64];
        match rustix::io::read(std::io::stdin(), &mut buffer) {
            // A terminal that hung up also reads as nothing, but at once and for ever.
            Ok(0) if rustix::termios::tcgetattr(std::io::stdin()).is_err() => Err(Stop::NoTerminal),
            Ok(0) | Err(Errno::INTR) => Ok(None),
            Ok(count) => {
                self.typed.extend(&buffer[..count]);
                buffer.fill(0);
                Ok(self.typed.pop_front())
            }
            Err(_) => Err(Stop::NoTerminal),
        }
    }

    /// Writes text as it is.
    pub(super) fn write(&mut self, text: &str) -> Result<(), Stop> {
        let mut err = std::io::stderr();
        err.write_all(text.as_bytes()).and_then(|()| err.flush()).map_err(|_| Stop::NoTerminal)
    }

    /// Rows and columns.
    pub(super) fn size(&self) -> (usize, usize) {
        match rustix::termios::tcgetwinsize(std::io::stderr()) {
            Ok(size) if size.ws_row > 0 && size.ws_col > 0 => (usize::from(size.ws_row), usize::from(size.ws_col)),
            _ => (24, 80),
        }
    }

    /// The first where the terminal shows Unicode, else the second.
    pub(super) fn symbol(&self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.look.unicode { unicode } else { ascii }
    }

    /// The text in this ANSI style.
    pub(super) fn paint(&self, style: &str, text: &str) -> String {
        if self.look.colour { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.typed.iter_mut().for_each(|byte| *byte = 0);
        restore(&self.before);
    }
}
