//! How things look: colours by their meaning, symbols that the terminal can show, and its width. Decided once.

use std::fmt::Display;
use std::io::IsTerminal;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use owo_colors::{OwoColorize, Style};

/// The answer to `--color`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Even into a file; stronger than `NO_COLOR`.
    Always,
    /// Not at all.
    Never,
}

/// What a piece of text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Nothing in particular.
    Plain,
    /// As it should be.
    Good,
    /// Somebody should look.
    Warn,
    /// Something is wrong.
    Bad,
    /// Less important.
    Dim,
    /// More important.
    Strong,
    /// What a person may type or choose.
    Accent,
}

/// How one output stream is written to.
#[derive(Debug, Clone)]
pub struct Look {
    colour: bool,
    unicode: bool,
    width: Option<usize>,
    terminal: bool,
    zone: TimeZone,
}

impl Look {
    /// For standard output. Where it is no terminal its lines are as long as they need to be.
    pub fn stdout(choice: ColorChoice) -> Self {
        Self::of(choice, std::io::stdout().is_terminal(), size_of(std::io::stdout()))
    }

    /// For standard error.
    pub fn stderr(choice: ColorChoice) -> Self {
        Self::of(choice, std::io::stderr().is_terminal(), terminal_size())
    }

    /// Without colours, in UTC; for tests and files.
    pub fn plain(width: Option<usize>) -> Self {
        Self { colour: false, unicode: true, width, terminal: false, zone: TimeZone::UTC }
    }

    /// The same, with symbols of ASCII only.
    #[must_use]
    pub fn ascii(mut self) -> Self {
        self.unicode = false;
        self
    }

    fn of(choice: ColorChoice, terminal: bool, size: Option<(usize, usize)>) -> Self {
        let colour = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                terminal && !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
            }
        };
        let size = size.filter(|_| terminal);
        Self {
            colour,
            unicode: locale_is_utf8(|name| std::env::var(name).ok()),
            width: size.map(|(_, columns)| columns.max(40)),
            terminal: terminal && std::env::var_os("TERM").is_none_or(|term| term != "dumb"),
            zone: TimeZone::system(),
        }
    }

    /// The columns to fill; none: no limit.
    pub fn width(&self) -> Option<usize> {
        self.width
    }

    /// Whether it is a terminal that can move its cursor.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Whether colours are used.
    pub fn colour(&self) -> bool {
        self.colour
    }

    /// Whether symbols beyond ASCII are used.
    pub fn unicode(&self) -> bool {
        self.unicode
    }

    /// The text in the colour of its meaning. The text must be safe to show.
    pub fn paint(&self, tone: Tone, text: impl Display) -> String {
        let text = text.to_string();
        if !self.colour || text.is_empty() {
            return text;
        }
        let style = match tone {
            Tone::Plain => return text,
            Tone::Good => Style::new().green(),
            Tone::Warn => Style::new().yellow(),
            Tone::Bad => Style::new().red(),
            Tone::Dim => Style::new().dimmed(),
            Tone::Strong => Style::new().bold(),
            Tone::Accent => Style::new().cyan(),
        };
        text.style(style).to_string()
    }

    /// The first where the terminal shows Unicode, else the second.
    pub(super) fn symbol(&self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.unicode { unicode } else { ascii }
    }

    pub(super) fn arrow(&self) -> &'static str {
        self.symbol("→", "->")
    }

    pub(super) fn ellipsis(&self) -> &'static str {
        self.symbol("…", "...")
    }

    pub(super) fn bullet(&self) -> &'static str {
        self.symbol("·", "-")
    }

    pub(super) fn dash(&self) -> &'static str {
        self.symbol("–", "-")
    }

    pub(super) fn good(&self) -> String {
        self.paint(Tone::Good, self.symbol("✓", "ok"))
    }

    pub(super) fn bad(&self) -> String {
        self.paint(Tone::Bad, self.symbol("✗", "x"))
    }

    pub(super) fn warn(&self) -> String {
        self.paint(Tone::Warn, "!")
    }

    /// A moment, in the reader's time zone.
    pub fn time(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string()
    }
}

/// The terminal's rows and columns, now.
pub(super) fn terminal_size() -> Option<(usize, usize)> {
    size_of(std::io::stderr())
}

fn size_of(stream: impl std::os::fd::AsFd) -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then(|| (usize::from(size.ws_row), usize::from(size.ws_col)))
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// The first of the three that is set and not empty decides, as in POSIX.
fn locale_is_utf8(var: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(var).find(|value| !value.is_empty());
    let locale = locale.unwrap_or_default().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locale_that_counts_decides_about_symbols() {
        let with = |vars: &'static [(&str, &str)]| {
            locale_is_utf8(move |name| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        assert!(with(&[("LANG", "de_DE.UTF-8")]));
        assert!(with(&[("LC_ALL", ""), ("LC_CTYPE", "C.utf8"), ("LANG", "C")]));
        assert!(!with(&[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")]));
        assert!(!with(&[]));
    }

    #[test]
    fn an_explicit_choice_is_stronger_than_the_terminal() {
        assert!(Look::of(ColorChoice::Always, false, None).colour());
        assert!(!Look::of(ColorChoice::Never, true, Some((24, 80))).colour());
        let file = Look::of(ColorChoice::Auto, false, Some((24, 80)));
        assert_eq!((file.colour(), file.width()), (false, None));
    }
}
