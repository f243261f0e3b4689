//! A line of text, edited in place; or a secret, of which nothing is shown.

use unicode_width::UnicodeWidthChar;
use zeroize::Zeroizing;

use super::Stop;
use super::keys::Key;
use super::terminal::Terminal;

/// Characters, at most: a pasted file is no reason.
const LONGEST: usize = 1000;

/// What is being typed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Line {
    text: Vec<char>,
    at: usize,
}

impl Line {
    /// Applies an editing key.
    fn edit(&mut self, key: Key) {
        match key {
            Key::Char(c) if self.text.len() < LONGEST => {
                self.text.insert(self.at, c);
                self.at += 1;
            }
            Key::Backspace if self.at > 0 => {
                self.at -= 1;
                self.text.remove(self.at);
            }
            Key::Delete if self.at < self.text.len() => {
                self.text.remove(self.at);
            }
            Key::Left => self.at = self.at.saturating_sub(1),
            Key::Right => self.at = (self.at + 1).min(self.text.len()),
            Key::LineStart => self.at = 0,
            Key::LineEnd => self.at = self.text.len(),
            Key::EraseLine => {
                self.text.drain(..self.at);
                self.at = 0;
            }
            Key::EraseWord => {
                let spaces = self.text[..self.at].iter().rev().take_while(|c| **c == ' ').count();
                let word = self.text[..self.at - spaces].iter().rev().take_while(|c| **c != ' ').count();
                let from = self.at - spaces - word;
                self.text.drain(from..self.at);
                self.at = from;
            }
            _ => {}
        }
    }

    /// The part around the cursor that fits into `columns`, and the cursor's column in it.
    fn window(&self, columns: usize) -> (String, usize) {
        let width = |c: &char| c.width().unwrap_or(0);
        let mut from = self.at;
        let mut used = 0;
        while from > 0 && used + width(&self.text[from - 1]) < columns {
            from -= 1;
            used += width(&self.text[from]);
        }
        let cursor = used;
        let mut to = self.at;
        while to < self.text.len() && used + width(&self.text[to]) < columns {
            used += width(&self.text[to]);
            to += 1;
        }
        (self.text[from..to].iter().collect(), cursor)
    }
}

/// Asks for a line; without the spaces around it.
pub(super) fn ask(terminal: &mut Terminal, label: &str) -> Result<String, Stop> {
    let mut line = Line::default();
    let result = loop {
        if let Err(stop) = draw(terminal, label, &line) {
            break Err(stop);
        }
        match terminal.key() {
            Ok(Key::Enter) => break Ok(()),
            Ok(Key::Interrupt | Key::Escape) => break Err(Stop::Left),
            Ok(Key::End) if line.text.is_empty() => break Err(Stop::Left),
            Ok(key) => line.edit(key),
            Err(stop) => break Err(stop),
        }
    };
    terminal.write("\n")?;
    result?;
    let text: String = line.text.iter().collect();
    Ok(text.trim().to_owned())
}

fn draw(terminal: &mut Terminal, label: &str, line: &Line) -> Result<(), Stop> {
    let (_, columns) = terminal.size();
    let taken = label.chars().map(|c| c.width().unwrap_or(0)).sum::<usize>();
    let (shown, cursor) = line.window(columns.saturating_sub(taken + 1).max(8));
    let label = terminal.paint("1", label);
    terminal.write(&format!("\r{label}{shown}\x1b[K\r\x1b[{}C", (taken + cursor).max(1)))
}

/// Asks for a secret: nothing is shown, and what was typed is wiped.
pub(super) fn ask_secret(terminal: &mut Terminal, label: &str) -> Result<Zeroizing<String>, Stop> {
    terminal.write(&terminal.paint("1", label))?;
    // Room for all of it: a text that grows leaves copies of itself behind.
    let mut secret = Zeroizing::new(String::with_capacity(LONGEST * 4));
    let result = loop {
        match terminal.key() {
            Ok(Key::Enter) => break Ok(()),
            Ok(Key::Interrupt | Key::Escape) => break Err(Stop::Left),
            Ok(Key::End) if secret.is_empty() => break Err(Stop::Left),
            Ok(Key::Backspace) => {
                secret.pop();
            }
            Ok(Key::EraseLine) => secret.clear(),
            Ok(Key::Char(c)) if secret.chars().count() < LONGEST => secret.push(c),
            Ok(_) => {}
            Err(stop) => break Err(stop),
        }
    };
    terminal.write("\n")?;
    result.map(|()| secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[Key]) -> Line {
        let mut line = Line::default();
        keys.iter().for_each(|key| line.edit(*key));
        line
    }

    #[test]
    fn a_line_is_edited_where_the_cursor_is() {
        use Key::{Backspace, Char, Delete, EraseWord, Left, LineEnd, LineStart};
        let line = typed(&[Char('b'), Left, Char('a'), LineEnd, Char('c'), LineStart, Delete]);
        assert_eq!(line.text, ['b', 'c']);
        let line = typed(&[Char('a'), Char(' '), Char('b'), Char(' '), EraseWord]);
        assert_eq!((line.text.as_slice(), line.at), (['a', ' '].as_slice(), 2));
        assert_eq!(typed(&[Backspace, Left, Delete, EraseWord]), Line::default());
    }

    #[test]
    fn a_long_line_shows_the_part_around_the_cursor() {
        let mut line = Line { text: "abcdefghij".chars().collect(), at: 10 };
        assert_eq!(line.window(5), ("ghij".to_owned(), 4));
        line.at = 0;
        assert_eq!(line.window(5), ("abcd".to_owned(), 0));
        let wide = Line { text: "日本語".chars().collect(), at: 3 };
        assert_eq!(wide.window(5), ("本語".to_owned(), 4));
    }
}
