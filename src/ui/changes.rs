//! Package changes, long and short.

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
    let shifts = || changes.iter().filter_map(|change| change.shift().map(|shift| (change, shift)));
    let name = |change: &PackageChange| format!("{}:{}", change.name, change.arch);
    let names = shifts().map(|(change, _)| name(change).len()).max().unwrap_or(0);
    let froms = shifts().map(|(_, (from, _))| from.unwrap_or("").len()).max().unwrap_or(0);
    let line = |(change, (from, to)): (&PackageChange, (Option<&str>, Option<&str>))| {
        let from = from.unwrap_or("new");
        format!("{:names$}  {from:froms$} {} {}", name(change), look.arrow(), to.unwrap_or("removed"))
    };
    shifts().map(line).collect()
}
