//! The terminal while somebody is asked, and its way back to what it was.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use console::{Key, Term};
use dialoguer::theme::{ColorfulTheme, SimpleTheme, Theme};
use dialoguer::{Confirm, Input, MultiSelect, Select};
use rustix::termios::{InputModes, LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios};
use zeroize::Zeroizing;

use super::{PromptLook, Stop};

/// Characters of a secret, at most: a pasted file is none.
const LONGEST: usize = 1000;
/// Terminals that are not back yet.
static OPEN: AtomicUsize = AtomicUsize::new(0);
/// How long the process's end waits for them.
const PATIENCE: Duration = Duration::from_millis(300);

/// Restores the terminal when it is dropped: for the process's end, whatever a question has left open.
pub struct TerminalGuard {
    modes: Option<Termios>,
}

impl TerminalGuard {
    /// Remembers the modes that the terminal has now; nothing where standard input is none.
    pub fn save() -> Self {
        Self { modes: rustix::termios::tcgetattr(io::stdin()).ok() }
    }
}

impl Drop for TerminalGuard {
    fn drop(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while OPEN.load(Ordering::Acquire) > 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        if let Some(modes) = &self.modes {
            restore(modes);
        }
    }
}

/// Only the foreground may set modes: in the background the attempt would stop the process.
fn restore(modes: &Termios) {
    if in_foreground() {
        let _ = rustix::termios::tcsetattr(io::stdin(), OptionalActions::Now, modes);
    }
}

fn in_foreground() -> bool {
    rustix::termios::tcgetpgrp(io::stdin()).is_ok_and(|group| group == rustix::process::getpgrp())
}

/// Whether questions can be asked: both ends are a terminal, and it is ours to read from.
pub(super) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal() && in_foreground()
}

/// The terminal while a conversation goes on: Ctrl-C is a key like any other, also between two keys, and nothing that
/// is typed appears by itself.
pub(super) struct Terminal {
    before: Termios,
    term: Term,
    theme: Box<dyn Theme>,
    unicode: bool,
}

impl Terminal {
    pub(super) fn open(look: PromptLook) -> Result<Self, Stop> {
        if !is_interactive() {
            return Err(Stop::NoTerminal);
        }
        let before = rustix::termios::tcgetattr(io::stdin()).map_err(|_| Stop::NoTerminal)?;
        let mut modes = before.clone();
        modes.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN;
        modes.input_modes -= InputModes::IXON;
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        OPEN.fetch_add(1, Ordering::AcqRel);
        let terminal = Self { before, term: Term::stderr(), theme: theme(look), unicode: look.unicode };
        // What was typed before was not meant for this question.
        rustix::termios::tcsetattr(io::stdin(), OptionalActions::Flush, &modes).map_err(|_| Stop::NoTerminal)?;
        Ok(terminal)
    }

    /// Writes text as it is.
    pub(super) fn show(&self, text: &str) -> Result<(), Stop> {
        self.term.write_line(text.trim_end_matches('\n')).map_err(|_| Stop::NoTerminal)
    }

    /// The number of the answer that was chosen: each is a word and what it means. Only Ctrl-C leaves it: an arrow key
    /// that comes in two parts, over a slow connection, begins with Esc.
    pub(super) fn choose(&self, prompt: &str, answers: &[(String, String)]) -> Result<usize, Stop> {
        let chosen = self.select(prompt, answers).interact_on(&self.term);
        let chosen = chosen.map_err(|error| self.stopped(error, answers.len() + 1))?;
        self.report(prompt, answers.get(chosen).map_or("", |(word, _)| word))?;
        Ok(chosen)
    }

    /// The same where little is lost: Esc and `q` leave it too.
    pub(super) fn choose_or_leave(&self, prompt: &str, answers: &[(String, String)]) -> Result<usize, Stop> {
        let chosen = self.select(prompt, answers).interact_on_opt(&self.term);
        let chosen = chosen.map_err(|error| self.stopped(error, answers.len() + 1))?.ok_or(Stop::Left)?;
        self.report(prompt, answers.get(chosen).map_or("", |(word, _)| word))?;
        Ok(chosen)
    }

    fn select(&self, prompt: &str, answers: &[(String, String)]) -> Select<'_> {
        self.drop_typed();
        let width = answers.iter().map(|(word, _)| console::measure_text_width(word)).max().unwrap_or(0);
        let rows = answers.iter().map(|(word, about)| self.fitting(format!("{word:width$}  {about}").trim_end()));
        Select::with_theme(&*self.theme).with_prompt(prompt).items(rows).default(0).report(false)
    }

    /// The numbers of the answers that were marked, at least one; Esc and `q` leave it too.
    pub(super) fn mark(&self, prompt: &str, answers: &[String]) -> Result<Vec<usize>, Stop> {
        let rows: Vec<String> = answers.iter().map(|answer| self.fitting(answer)).collect();
        loop {
            self.drop_typed();
            let question = MultiSelect::with_theme(&*self.theme).with_prompt(prompt).items(&rows).report(false);
            let marked = question.interact_on_opt(&self.term);
            let marked = marked.map_err(|error| self.stopped(error, rows.len() + 1))?.ok_or(Stop::Left)?;
            if !marked.is_empty() {
                self.report(prompt, &format!("{} of {}", marked.len(), answers.len()))?;
                return Ok(marked);
            }
            let mut line = String::new();
            // Writing to a String cannot fail.
            let _ = self.theme.format_error(&mut line, "the space bar marks; nothing was marked");
            self.show(&line)?;
        }
    }

    /// What stays of a menu.
    fn report(&self, prompt: &str, answer: &str) -> Result<(), Stop> {
        let mut line = String::new();
        // Writing to a String cannot fail.
        let _ = self.theme.format_select_prompt_selection(&mut line, prompt, answer);
        self.show(&line)
    }

    /// A line without the spaces around it; an empty one is the default, or where there is none it is asked for again,
    /// with `missing` as the reason.
    pub(super) fn line(&self, prompt: &str, default: Option<&str>, missing: &str) -> Result<String, Stop> {
        self.drop_typed();
        let mut question = Input::<String>::with_theme(&*self.theme).with_prompt(prompt);
        question = match default {
            Some(default) => question.default(default.to_owned()),
            // Else nothing would be said about an empty line.
            None => question.allow_empty(true),
        };
        let there = |line: &String| if line.trim().is_empty() { Err(missing.to_owned()) } else { Ok(()) };
        let line = question.validate_with(there).interact_text_on(&self.term);
        line.map(|line| line.trim().to_owned()).map_err(|error| self.stopped(error, 0))
    }

    /// Whether the answer is yes; Enter alone is no.
    pub(super) fn yes(&self, question: &str) -> Result<bool, Stop> {
        self.drop_typed();
        let question = Confirm::with_theme(&*self.theme).with_prompt(question).default(false).wait_for_newline(true);
        question.interact_on(&self.term).map_err(|error| self.stopped(error, 0))
    }

    /// A secret; nothing of it is shown, and it is wiped. dialoguer's own `Password` reads a whole line: Ctrl-C is a
    /// signal to the process there, nothing can end the question, and copies of the secret stay in memory.
    pub(super) fn secret(&self, prompt: &str) -> Result<Zeroizing<String>, Stop> {
        self.drop_typed();
        self.term.write_str(prompt).map_err(|_| Stop::NoTerminal)?;
        // Room for all of it: a text that grows leaves copies of itself behind.
        let mut secret = Zeroizing::new(String::with_capacity(LONGEST * 4));
        let result = loop {
            match self.term.read_key_raw() {
                Ok(Key::Enter) => break Ok(()),
                Ok(Key::CtrlC) => break Err(Stop::Left),
                Ok(Key::Char('\u{4}')) if secret.is_empty() => break Err(Stop::Left),
                Ok(Key::Backspace) => drop(secret.pop()),
                Ok(Key::Char('\u{15}')) => secret.clear(),
                Ok(Key::Char(c)) if !c.is_control() && secret.len() < LONGEST => secret.push(c),
                Ok(_) => {}
                Err(_) => break Err(Stop::NoTerminal),
            }
        };
        self.show("")?;
        result.map(|()| secret)
    }

    /// A pasted text's second line must not answer the next question.
    fn drop_typed(&self) {
        // Were it not possible, the question would still be asked.
        let _ = rustix::termios::tcflush(io::stdin(), QueueSelector::IFlush);
    }

    /// What fits into a row: rows are counted when a menu is drawn again.
    fn fitting(&self, answer: &str) -> String {
        let columns = usize::from(self.term.size().1).saturating_sub(4).max(8);
        console::truncate_str(answer, columns, if self.unicode { "…" } else { "..." }).into_owned()
    }

    /// Why a question ended without an answer; what is left of its `rows` is taken away.
    fn stopped(&self, error: dialoguer::Error, rows: usize) -> Stop {
        let dialoguer::Error::IO(error) = error;
        let height = usize::from(self.term.size().0);
        // The terminal may be gone.
        let _ = match rows {
            0 => self.term.write_line(""),
            rows => self.term.clear_last_lines(rows.min(height.saturating_sub(1))),
        };
        if error.kind() == io::ErrorKind::Interrupted { Stop::Left } else { Stop::NoTerminal }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.term.show_cursor();
        restore(&self.before);
        OPEN.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Without colours the simple one: the other shows by its colour alone which row is meant.
fn theme(look: PromptLook) -> Box<dyn Theme> {
    console::set_colors_enabled_stderr(look.colour);
    let theme = ColorfulTheme::default();
    match (look.colour, look.unicode) {
        (false, _) => return Box::new(SimpleTheme),
        (true, true) => return Box::new(theme),
        (true, false) => {}
    }
    let plain = |text: &str| console::style(text.to_owned()).for_stderr();
    Box::new(ColorfulTheme {
        prompt_suffix: plain(">"),
        success_prefix: plain("*").green(),
        success_suffix: plain("-"),
        error_prefix: plain("x").red(),
        active_item_prefix: plain(">").green(),
        checked_item_prefix: plain("[x]").green(),
        unchecked_item_prefix: plain("[ ]"),
        ..theme
    })
}
