//! Mistakes in files, shown with their lines.

use std::fmt::Write as _;
use std::ops::Range;

use owo_colors::{OwoColorize as _, Style};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::core::untrusted::Untrusted;
use crate::input::{InputError, InputErrors};

/// So many columns of a line are shown.
const ROOM: usize = 100;

/// All mistakes, each with its line and a mark under what is meant; ends with a line end.
pub fn render(errors: &InputErrors, colour: bool) -> String {
    let blocks: Vec<String> = errors.all().iter().map(|error| render_one(error, colour)).collect();
    blocks.join("\n")
}

fn render_one(error: &InputError, colour: bool) -> String {
    let paint = |text: &str, style: Style| if colour { text.style(style).to_string() } else { text.to_owned() };
    let bad = Style::new().red().bold();
    let dim = Style::new().blue().bold();
    let place = safe(&error.place());
    let mut text = format!("{}: {}\n", paint("error", bad), safe(&error.message));
    let (Some(number), Some((line, span))) = (error.line(), error.excerpt()) else {
        // Writing to a String cannot fail.
        let _ = writeln!(text, " {} {place}", paint("-->", dim));
        if let Some(hint) = &error.hint {
            let _ = writeln!(text, "  {} {}", paint("=", dim), safe(hint));
        }
        return text;
    };
    let number = number.to_string();
    let margin = " ".repeat(number.len());
    let bar = paint("|", dim);
    let (line, before, marked) = clip(line, span);
    let marks = format!("{}{}", " ".repeat(before), paint(&"^".repeat(marked.max(1)), bad));
    let hint = error.hint.as_deref().map(|hint| format!(" {}", safe(hint))).unwrap_or_default();
    let _ = writeln!(text, "{margin}{} {place}", paint("-->", dim));
    let _ = writeln!(text, "{margin} {bar}");
    let _ = writeln!(text, "{} {bar} {}", paint(&number, dim), line.trim_end());
    let _ = writeln!(text, "{margin} {bar} {marks}{}", paint(&hint, bad));
    text
}

/// A line may be as long as its file: of each of its parts no more letters than these are looked at.
const LETTERS: usize = 8 * ROOM;

/// The line as it is shown, cut around the mark where it is long; the columns before the mark, and the mark's own.
fn clip(line: &str, span: Range<usize>) -> (String, usize, usize) {
    let part = |range: Range<usize>| line.get(range).unwrap_or_default();
    let front = |text: &str| safe(&text.chars().take(LETTERS).collect::<String>());
    let (marked, after) = (front(part(span.clone())), front(part(span.end..line.len())));
    let before = part(0..span.start);
    let from = before.char_indices().rev().nth(LETTERS - 1).map_or(0, |(at, _)| at);
    let mut before = safe(&before[from..]);
    if before.width() > ROOM / 2 {
        before = format!("…{}", last_columns(&before, ROOM / 2));
    }
    let marked = first_columns(&marked, ROOM);
    let room = ROOM.saturating_sub(before.width() + marked.width()).max(10);
    let shown = first_columns(&after, room);
    let end = if shown.len() < after.len() { "…" } else { "" };
    let (columns, width) = (before.width(), marked.width());
    (format!("{before}{marked}{shown}{end}"), columns, width)
}

fn first_columns(text: &str, columns: usize) -> String {
    let mut room = columns;
    text.chars()
        .take_while(|c| {
            let width = c.width().unwrap_or(0);
            let fits = width <= room;
            room = room.saturating_sub(width);
            fits
        })
        .collect()
}

fn last_columns(text: &str, columns: usize) -> String {
    let backwards: String = text.chars().rev().collect();
    first_columns(&backwards, columns).chars().rev().collect()
}

fn safe(text: &str) -> String {
    Untrusted::new(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::plan;

    fn shown(text: &str) -> String {
        let errors = plan::parse(std::path::Path::new("plan.toml"), text).unwrap_err();
        render(&errors, false)
    }

    const STAGE: &str = "[[stage]]\nname = \"uat\"\nhosts = \"uat\"\n";

    #[test]
    fn the_line_and_what_would_be_right() {
        let text = format!("name = \"p\"\n[patch]\npackges = [\"openssl\"]\npin = \"exakt\"\n{STAGE}");
        assert_eq!(
            shown(&text),
            "error: unknown key `packges` in [patch]\n\
             \x20--> plan.toml:3:1\n\
             \x20 |\n\
             3 | packges = [\"openssl\"]\n\
             \x20 | ^^^^^^^ did you mean `packages`?\n\
             \n\
             error: `pin` cannot be \"exakt\"\n\
             \x20--> plan.toml:4:7\n\
             \x20 |\n\
             4 | pin = \"exakt\"\n\
             \x20 |       ^^^^^^^ did you mean \"exact\"? allowed: \"exact\" or \"off\"\n"
        );
    }

    #[test]
    fn wide_letters_tabs_and_escapes_keep_the_mark_in_place() {
        let text = format!("name = \"p\"\n[patch]\npackages = [\"世界\",\t\"\u{202e}x\"]\n{STAGE}");
        let shown = shown(&text);
        let line = shown.lines().find(|line| line.starts_with("3 | ")).unwrap();
        assert_eq!(line, "3 | packages = [\"世界\", \"\\u{202e}x\"]");
        let marks: Vec<&str> = shown.lines().filter(|line| line.contains('^')).collect();
        assert_eq!(marks, ["  |             ^^^^^^", "  |                     ^^^^^^^^^^^"]);
    }

    #[test]
    fn a_long_line_is_cut_around_the_mark() {
        let many = vec!["\"openssl-package\""; 50].join(", ");
        let text = format!("name = \"p\"\n[patch]\nexclude = [{many}, 5, {many}]\npackages = [\"x\"]\n{STAGE}");
        let shown = shown(&text);
        let line = shown.lines().find(|line| line.starts_with("3 | ")).unwrap();
        assert!(line.width() < 120 && line.contains("…") && line.contains(", 5, "), "{line}");
        let mark = shown.lines().find(|line| line.contains('^')).unwrap();
        let column = mark.find('^').unwrap();
        assert_eq!(line.chars().nth(column), Some('5'));
    }

    #[test]
    fn a_file_that_is_not_there_and_colours() {
        let errors = plan::load(std::path::Path::new("/nowhere/pl\u{1b}an.toml")).unwrap_err();
        assert_eq!(render(&errors, false), "error: no such file\n --> /nowhere/pl\\u{1b}an.toml\n");
        assert!(render(&errors, true).starts_with("\u{1b}["));
    }
}
