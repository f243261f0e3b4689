//! Tables, in one look: no lines but the one under the header, wide gaps, only the last column wraps.

use comfy_table::{
    Attribute, Cell as TableCell, CellAlignment, Color, ColumnConstraint, ContentArrangement, LineStyle, Table,
    TableStyle,
};

use super::style::{Look, Tone};

/// One cell: safe text, and what it means.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(super) fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { text: text.into(), tone }
    }

    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self::new(Tone::Plain, text)
    }

    fn styled(self) -> TableCell {
        let cell = TableCell::new_owned(self.text);
        match self.tone {
            Tone::Plain => cell,
            Tone::Good => cell.fg(Color::DarkGreen),
            Tone::Warn => cell.fg(Color::DarkYellow),
            Tone::Bad => cell.fg(Color::DarkRed),
            Tone::Accent => cell.fg(Color::DarkCyan),
            Tone::Dim => cell.add_attribute(Attribute::Dim),
            Tone::Strong => cell.add_attribute(Attribute::Bold),
        }
    }
}

/// Space between columns: a cell's padding, and where other tables have a line.
const GAP: usize = 2;
/// Narrower than this nothing is wrapped into the last column.
pub(super) const LAST_COLUMN: usize = 24;

/// Rows under a header.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    look: Look,
    table: Table,
    right: Vec<usize>,
}

impl Grid {
    /// A table with these columns.
    pub(super) fn new(look: &Look, header: &[&'static str]) -> Self {
        let mut grid = Self::bare(look);
        grid.table.set_header(header.iter().map(|name| Cell::new(Tone::Strong, *name).styled()));
        grid
    }

    /// Columns without a header.
    pub(super) fn bare(look: &Look) -> Self {
        let mut table = Table::new();
        let rule = if look.unicode() { '─' } else { '-' };
        table.load_style(TableStyle::new().header_separator(LineStyle::none().fill(rule).junction(rule)));
        // Whether there is a terminal, how wide it is and what colours it has was decided by the look.
        table.force_no_tty();
        table.style_text_only();
        if look.colour() {
            crossterm::style::force_color_output(true);
            table.enforce_styling();
        }
        Self { look: look.clone(), table, right: Vec::new() }
    }

    /// Aligns this column to the right.
    pub(super) fn right(mut self, column: usize) -> Self {
        self.right.push(column);
        self
    }

    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        self.table.add_row(cells.into_iter().map(Cell::styled));
    }

    fn widths(&self) -> Vec<usize> {
        self.table.column_max_content_widths().into_iter().map(usize::from).collect()
    }

    /// The columns that all of it takes without wrapping.
    pub(super) fn width(&self) -> usize {
        self.before_last() + self.widths().last().copied().unwrap_or(0)
    }

    /// The columns before the last one.
    pub(super) fn before_last(&self) -> usize {
        let widths = self.widths();
        widths.iter().rev().skip(1).map(|width| width + GAP).sum()
    }

    /// The whole; the last column is wrapped where the look has a width.
    pub(super) fn draw(mut self) -> String {
        if let Some(width) = self.look.width() {
            let least = self.before_last() + LAST_COLUMN / 2;
            let width = u16::try_from(width.max(least)).unwrap_or(u16::MAX);
            self.table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        self.lines().fold(String::new(), |text, line| text + &line + "\n")
    }

    /// As lines; without a width nothing wraps.
    pub(super) fn lines(&mut self) -> impl Iterator<Item = String> {
        let last = self.table.column_count().saturating_sub(1);
        for (at, column) in self.table.column_iter_mut().enumerate() {
            column.set_padding((0, u16::from(at < last)));
            if at < last {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
            if self.right.contains(&at) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        self.table.lines().map(|line| line.trim_end().to_owned())
    }
}
