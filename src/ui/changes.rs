//! Package changes, long and short.

use super::grid::{Cell, Grid};
use super::style::Look;
use crate::core::document::{self, PackageChange};

/// As short as a table needs it: `openssl 3.0.20→3.0.22 +1`.
pub(super) fn brief(look: &Look, changes: &[PackageChange]) -> String {
    let text = document::brief(changes, look.arrow());
    if text.is_empty() { look.dash().to_owned() } else { text }
}

/// The first package's name, and how many more there are: `openssl +1`.
pub(super) fn briefer(look: &Look, changes: &[PackageChange]) -> String {
    let mut names = changes.iter().filter(|change| change.shift().is_some()).map(|change| &change.name);
    match (names.next(), names.count()) {
        (None, _) => look.dash().to_owned(),
        (Some(only), 0) => only.to_string(),
        (Some(first), more) => format!("{first} +{more}"),
    }
}

/// All of them, a line each, versions whole and in columns.
pub(super) fn lines(look: &Look, changes: &[PackageChange]) -> Vec<String> {
    let mut grid = Grid::bare(look);
    for (change, (from, to)) in changes.iter().filter_map(|change| change.shift().map(|shift| (change, shift))) {
        let shift = format!("{} {} {}", from.unwrap_or("new"), look.arrow(), to.unwrap_or("removed"));
        grid.row(vec![Cell::plain(format!("{}:{}", change.name, change.arch)), Cell::plain(shift)]);
    }
    grid.lines().collect()
}
