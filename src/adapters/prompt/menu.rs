//! A choice of a few.

use super::Stop;
use super::keys::Key;
use super::terminal::Terminal;

/// One answer of a menu.
pub(super) struct Choice<T> {
    pub(super) label: &'static str,
    /// Letters that move to it.
    pub(super) letters: &'static str,
    pub(super) about: &'static str,
    pub(super) value: T,
}

/// Asks; the chosen value. The menu disappears, `title` and the answer stay.
pub(super) fn choose<T: Copy>(terminal: &mut Terminal, title: &str, choices: &[Choice<T>]) -> Result<T, Stop> {
    let mut at = 0;
    terminal.write("\x1b[?25l")?;
    let chosen = keys(terminal, title, choices, &mut at);
    erase(terminal, choices.len() + 2)?;
    terminal.write("\x1b[?25h")?;
    let answer = match &chosen {
        Ok(_) => choices.get(at).map_or("", |choice| choice.label),
        Err(Stop::Left) => "left waiting",
        Err(_) => "closed, decided elsewhere",
    };
    let mark = terminal.paint("36", terminal.symbol("❯", ">"));
    let title = terminal.paint("1", title);
    terminal.write(&format!("{mark} {title} {answer}\n"))?;
    chosen
}

fn keys<T: Copy>(terminal: &mut Terminal, title: &str, choices: &[Choice<T>], at: &mut usize) -> Result<T, Stop> {
    draw(terminal, title, choices, *at)?;
    loop {
        let count = choices.len().max(1);
        let moved = match terminal.key()? {
            Key::Interrupt | Key::Escape | Key::End => return Err(Stop::Left),
            Key::Enter => match choices.get(*at) {
                Some(choice) => return Ok(choice.value),
                None => return Err(Stop::Left),
            },
            Key::Up | Key::Char('k') => (*at + count - 1) % count,
            Key::Down | Key::Tab | Key::Char('j') => (*at + 1) % count,
            Key::Char(letter) => {
                let letter = letter.to_ascii_lowercase();
                choices.iter().position(|choice| choice.letters.contains(letter)).unwrap_or(*at)
            }
            _ => *at,
        };
        if moved != *at {
            *at = moved;
            up(terminal, choices.len() + 2)?;
            draw(terminal, title, choices, *at)?;
        }
    }
}

fn draw<T>(terminal: &mut Terminal, title: &str, choices: &[Choice<T>], at: usize) -> Result<(), Stop> {
    let (_, columns) = terminal.size();
    let label = choices.iter().map(|choice| choice.label.len()).max().unwrap_or(0);
    let mut text = format!("{}\x1b[K\n", terminal.paint("1", title));
    for (number, choice) in choices.iter().enumerate() {
        let here = number == at;
        let mark = if here { terminal.paint("36", terminal.symbol("❯", ">")) } else { " ".to_owned() };
        let padded = format!("{:label$}", choice.label);
        let name = if here { terminal.paint("36", &padded) } else { padded };
        // Its rows are counted when it is drawn again, so nothing may wrap.
        let about: String = choice.about.chars().take(columns.saturating_sub(label + 5)).collect();
        let about = if about.is_empty() { about } else { terminal.paint("2", &about) };
        text.push_str(&format!("{mark} {name}  {about}\x1b[K\n"));
    }
    let keys =
        terminal.symbol("↑ ↓ and Enter, Ctrl-C to leave it as it is", "arrows and Enter, Ctrl-C to leave it as it is");
    text.push_str(&format!("{}\x1b[K\n", terminal.paint("2", keys)));
    terminal.write(&text)
}

fn up(terminal: &mut Terminal, rows: usize) -> Result<(), Stop> {
    terminal.write(&format!("\r\x1b[{rows}A"))
}

fn erase(terminal: &mut Terminal, rows: usize) -> Result<(), Stop> {
    terminal.write(&format!("\r\x1b[{rows}A\x1b[J"))
}
