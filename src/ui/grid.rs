//! Columns of text: aligned, the last one wrapped, coloured after they were measured.

use super::style::{Look, Tone};
use super::text;

/// One cell: safe text, and what it means.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) text: String,
    tone: Tone,
}

impl Cell {
    pub(super) fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { text: text.into(), tone }
    }

    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self::new(Tone::Plain, text)
    }
}

/// Space between columns.
const GAP: usize = 2;
/// Narrower than this nothing is wrapped into the last column.
pub(super) const LAST_COLUMN: usize = 24;

/// Rows under a header. Every column but the last is as wide as its widest cell.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    header: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
    right: Vec<usize>,
}

impl Grid {
    pub(super) fn new(header: &[&'static str]) -> Self {
        Self { header: header.to_vec(), rows: Vec::new(), right: Vec::new() }
    }

    /// Aligns this column to the right.
    pub(super) fn right(mut self, column: usize) -> Self {
        self.right.push(column);
        self
    }

    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.header.iter().map(|name| text::width(name)).collect();
        for row in &self.rows {
            for (widest, cell) in widths.iter_mut().zip(row) {
                *widest = (*widest).max(text::width(&cell.text));
            }
        }
        widths
    }

    /// The columns that all of it takes without wrapping.
    pub(super) fn width(&self) -> usize {
        let widths = self.widths();
        widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
    }

    /// The columns before the last one.
    pub(super) fn before_last(&self) -> usize {
        let widths = self.widths();
        let all_but_last = &widths[..widths.len().saturating_sub(1)];
        all_but_last.iter().map(|width| width + GAP).sum()
    }

    /// The whole as lines; the last column is wrapped where the look has a width.
    pub(super) fn draw(&self, look: &Look) -> String {
        let mut widths = self.widths();
        let room = look.width().map(|width| width.saturating_sub(self.before_last()).max(LAST_COLUMN / 2));
        if let (Some(last), Some(room)) = (widths.last_mut(), room) {
            *last = (*last).min(room);
        }
        let mut out = String::new();
        let header: Vec<Cell> = self.header.iter().map(|&name| Cell::new(Tone::Strong, name)).collect();
        self.line(&mut out, look, &widths, &header);
        let rule = look.symbol("─", "-");
        let rules: Vec<Cell> = widths.iter().map(|&width| Cell::new(Tone::Dim, rule.repeat(width))).collect();
        self.line(&mut out, look, &widths, &rules);
        for row in &self.rows {
            self.line(&mut out, look, &widths, row);
        }
        out
    }

    fn line(&self, out: &mut String, look: &Look, widths: &[usize], cells: &[Cell]) {
        let last = widths.len().saturating_sub(1);
        let mut more = Vec::new();
        for (at, (cell, &width)) in cells.iter().zip(widths).enumerate() {
            let space = " ".repeat(width.saturating_sub(text::width(&cell.text)));
            if at < last {
                let painted = look.paint(cell.tone, &cell.text);
                let (before, after) =
                    if self.right.contains(&at) { (space, String::new()) } else { (String::new(), space) };
                out.push_str(&format!("{before}{painted}{after}{}", " ".repeat(GAP)));
            } else {
                let mut lines = text::wrap(&cell.text, width.max(1)).into_iter();
                out.push_str(&look.paint(cell.tone, lines.next().unwrap_or_default()));
                more.extend(lines.map(|line| look.paint(cell.tone, line)));
            }
        }
        trim_end(out);
        out.push('\n');
        let indent: usize = widths.iter().take(last).map(|width| width + GAP).sum();
        for line in more {
            out.push_str(&" ".repeat(indent));
            out.push_str(&line);
            out.push('\n');
        }
    }
}

fn trim_end(out: &mut String) {
    let kept = out.trim_end_matches(' ').len();
    out.truncate(kept);
}
