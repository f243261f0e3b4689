//! What is typed while the block is on the screen: not shown, for it would push the block out of its place.

use std::io::stdin;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

/// The terminal's echo. Keys keep what they mean: Ctrl-C is a signal as ever.
pub(super) struct Echo {
    ours: bool,
    before: Option<Termios>,
}

impl Echo {
    /// Of the terminal at standard input.
    pub(super) fn of_terminal() -> Self {
        Self { ours: true, before: None }
    }

    /// Nothing that is ours to change.
    pub(super) fn of_nothing() -> Self {
        Self { ours: false, before: None }
    }

    /// Switches it off, where we are the terminal's foreground: in the background the attempt would stop the process.
    pub(super) fn off(&mut self) {
        if !self.ours || self.before.is_some() {
            return;
        }
        if tcgetpgrp(stdin()).is_ok_and(|group| group == rustix::process::getpgrp())
            && let Ok(before) = tcgetattr(stdin())
        {
            let mut modes = before.clone();
            modes.local_modes -= LocalModes::ECHO;
            self.before = tcsetattr(stdin(), OptionalActions::Now, &modes).is_ok().then_some(before);
        }
    }

    /// Gives it back.
    pub(super) fn on(&mut self) {
        if let Some(before) = self.before.take() {
            // A terminal that is gone echoes nothing.
            let _ = tcsetattr(stdin(), OptionalActions::Now, &before);
        }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.on();
    }
}
