//! The report as Markdown (CommonMark, with GitHub's tables).

use super::{Block, Report, compose};
use crate::core::untrusted::Untrusted;

/// The report as Markdown.
pub fn markdown(report: &Report<'_>) -> String {
    let parts: Vec<String> = compose(report).iter().map(draw).collect();
    parts.join("\n")
}

fn draw(block: &Block) -> String {
    match block {
        Block::Alarm(said) => format!("**{}**\n", escape(said)),
        Block::Title(said) => format!("# {}\n", escape(said)),
        Block::Heading(depth, said) => format!("{} {}\n", "#".repeat(usize::from(*depth)), escape(said)),
        Block::Text(said) => format!("{}\n", escape(said)),
        Block::Facts(facts) => {
            facts.iter().map(|(name, value)| format!("- **{}:** {}\n", escape(name), escape(value))).collect()
        }
        Block::List(items) => items.iter().map(|item| format!("- {}\n", escape(item))).collect(),
        Block::Table(head, rows) => {
            let line = |cells: &mut dyn Iterator<Item = &str>| {
                let cells: Vec<String> = cells.map(escape).collect();
                format!("| {} |\n", cells.join(" | "))
            };
            let rule = format!("|{}\n", " --- |".repeat(head.len()));
            let rows: String = rows.iter().map(|row| line(&mut row.iter().map(String::as_str))).collect();
            format!("{}{rule}{rows}", line(&mut head.iter().copied()))
        }
    }
}

/// What has a meaning in Markdown wherever it stands.
const MARKS: &str = "\\`*_{}[]()<>#+!|~&$^=@";

/// Text that means itself, whoever wrote it: no emphasis, no links (nor what is made a link by itself), no HTML.
pub(super) fn escape(text: &str) -> String {
    let safe = Untrusted::new(text).to_string();
    let mut out = String::with_capacity(safe.len());
    let mut chars = safe.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let before = &safe[..at];
        let next = chars.peek().map(|(_, next)| *next);
        let means = match c {
            c if MARKS.contains(c) => true,
            // `https://`
            ':' => next == Some('/'),
            // `www.`, and the number of a list's item
            '.' => before.to_ascii_lowercase().ends_with("www") || is_number(before),
            '-' => before.trim().is_empty(),
            _ => false,
        };
        if means {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn is_number(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}
