//! Text for people: safe, of the right width, with numbers that read well.

use std::borrow::Cow;

use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};
use unicode_width::UnicodeWidthStr;

use crate::core::untrusted::Untrusted;

/// Foreign text on one line: line ends become `; `, everything that steers a terminal is escaped.
pub(super) fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut safe = String::with_capacity(text.len());
    for line in lines {
        if safe.ends_with([':', ';', ',', '.']) {
            safe.push(' ');
        } else if !safe.is_empty() {
            safe.push_str("; ");
        }
        safe.push_str(&Untrusted::new(line).to_string());
    }
    safe
}

/// One line of foreign text, escaped.
pub(super) fn safe(text: &str) -> String {
    Untrusted::new(text).to_string()
}

/// Columns that the text takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The text cut to `max` columns, its loss marked.
pub(super) fn cut(text: &str, max: usize, mark: &str) -> String {
    console::truncate_str(text, max, mark).into_owned()
}

/// The text filled up with spaces to `columns`.
pub(super) fn pad(text: &str, columns: usize) -> String {
    console::pad_str(text, columns, console::Alignment::Left, None).into_owned()
}

/// The text in lines of at most `max` columns, broken between words; a word that is longer is broken inside.
pub(super) fn wrap(text: &str, max: usize) -> Vec<String> {
    let options = Options::new(max.max(1))
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    textwrap::wrap(text, options).into_iter().map(Cow::into_owned).collect()
}

/// `1 host`, `2 hosts`.
pub(super) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// A duration, with as much precision as its size deserves.
pub(super) fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 if ms == 0 => "0s".to_owned(),
        0..10 => format!("{}.{}s", seconds, ms % 1000 / 100),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// As many of the names as fit into `max` columns, and how many more there are.
pub(super) fn names<'a>(names: impl ExactSizeIterator<Item = &'a str>, max: usize) -> String {
    let total = names.len();
    let mut shown = String::new();
    for (at, name) in names.enumerate() {
        let rest = total - at;
        let more = if rest > 1 { format!(" and {} more", rest - 1).len() } else { 0 };
        let comma = if at == 0 { 0 } else { 2 };
        if at > 0 && width(&shown) + comma + width(name) + more > max {
            shown.push_str(&format!(" and {rest} more"));
            return shown;
        }
        if at > 0 {
            shown.push_str(", ");
        }
        shown.push_str(name);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_becomes_one_harmless_line() {
        assert_eq!(one_line("E: broken:\n this"), "E: broken: this");
        assert_eq!(one_line("E: broken\r\n\n  try \x1b[31magain\n"), "E: broken; try \\u{1b}[31magain");
    }

    #[test]
    fn cutting_and_wrapping_count_columns_not_bytes() {
        assert_eq!(cut("日本語テキスト", 7, "…"), "日本語…");
        assert_eq!(cut("abc", 3, "…"), "abc");
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn durations_read_well() {
        let cases =
            [(0, "0s"), (300, "0.3s"), (9_990, "9.9s"), (41_200, "41s"), (192_000, "3m12s"), (3_720_000, "1h02m")];
        for (ms, text) in cases {
            assert_eq!(duration(ms), text);
        }
    }

    #[test]
    fn long_lists_end_with_a_number() {
        assert_eq!(names(["a", "b"].into_iter(), 10), "a, b");
        assert_eq!(names(["web-01", "web-02", "web-03"].into_iter(), 20), "web-01 and 2 more");
        assert_eq!(names(["a-name-that-is-too-long"].into_iter(), 5), "a-name-that-is-too-long");
    }
}
