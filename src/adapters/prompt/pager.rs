//! Long text, a screen at a time.

use unicode_width::UnicodeWidthChar;

use super::Stop;
use super::keys::Key;
use super::terminal::Terminal;

/// Shows the text; Ctrl-C leaves the whole conversation, `q` and Esc only the text.
pub(super) fn show(terminal: &mut Terminal, text: &str) -> Result<(), Stop> {
    let lines: Vec<&str> = text.lines().collect();
    let mut at = 0;
    while at < lines.len() {
        let (rows, columns) = terminal.size();
        let page = fitting(&lines[at..], rows.saturating_sub(1).max(1), columns);
        terminal.write(&format!("{}\n", lines[at..at + page].join("\n")))?;
        at += page;
        if at < lines.len() && !more(terminal, at, lines.len())? {
            return Ok(());
        }
    }
    Ok(())
}

/// Asks whether to go on.
fn more(terminal: &mut Terminal, at: usize, of: usize) -> Result<bool, Stop> {
    let prompt = format!("-- {at} of {of} lines: Space for more, q to go back --");
    terminal.write(&terminal.paint("7", &prompt))?;
    let answer = loop {
        match terminal.key() {
            Ok(Key::Char(' ' | 'f' | 'j') | Key::Enter | Key::Down) => break Ok(true),
            Ok(Key::Char('q') | Key::Escape | Key::End) => break Ok(false),
            Ok(Key::Interrupt) => break Err(Stop::Left),
            Ok(_) => {}
            Err(stop) => break Err(stop),
        }
    };
    terminal.write("\r\x1b[K")?;
    answer
}

/// How many lines fill `rows`, at least one.
fn fitting(lines: &[&str], rows: usize, columns: usize) -> usize {
    let mut used = 0;
    let fit = lines.iter().take_while(|line| {
        used += width(line).div_ceil(columns.max(1)).max(1);
        used <= rows
    });
    fit.count().max(1)
}

/// Columns of a line, its colours not counted.
fn width(line: &str) -> usize {
    let mut escaped = false;
    let mut columns = 0;
    for c in line.chars() {
        match (escaped, c) {
            (false, '\x1b') => escaped = true,
            (true, 'm') => escaped = false,
            (true, _) => {}
            (false, c) => columns += c.width().unwrap_or(0),
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_lines_count_as_often_as_they_wrap() {
        assert_eq!(width("\x1b[1mab\x1b[0m✓"), 3);
        assert_eq!(fitting(&["a", "bbbbb", "c", "d"], 3, 4), 2);
        assert_eq!(fitting(&["aaaaaaaaaaaaaaaaaaaa"], 2, 4), 1, "a line longer than the screen is shown all the same");
    }
}
