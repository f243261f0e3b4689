//! The list of packages that may be asked for, where a plan names one.

use std::path::Path;

use super::error::InputErrors;
use super::packages::parse_request;
use super::source::{Sink, Source};
use crate::core::packages::PackageRequest;

/// Reads the list: a package, `name=version` or a line of `apt list` in each row; `#` begins a comment.
pub(crate) fn read_approved(path: &Path) -> Result<Vec<PackageRequest>, InputErrors> {
    parse_approved(Source::read(path)?)
}

/// The same from its text.
pub(crate) fn parse_approved(source: Source) -> Result<Vec<PackageRequest>, InputErrors> {
    let sink = Sink::new(source);
    let text = std::sync::Arc::clone(&sink.source.text);
    let mut rows = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let row = line.split('#').next().unwrap_or_default();
        let from = start + (row.len() - row.trim_start().len());
        start += line.len();
        let row = row.trim();
        // `apt list` prints this above its rows.
        if row.is_empty() || row == "Listing..." || row == "Listing... Done" {
            continue;
        }
        match parse_request(row) {
            Ok(request) => rows.push(request),
            Err(why) => sink.error(&(from..from + row.len()), why),
        }
    }
    if rows.is_empty() {
        sink.error_hint(&(0..0), "the list approves nothing", "give a package a line");
    }
    sink.finish(Some(rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::packages::show;

    #[test]
    fn rows_comments_and_the_heading_of_apt_list() {
        let text = "# CHG1\nListing... Done\nopenssl=3.0.22  # yes\n\n  libssl3\r\napt/focal 2.0.11 amd64 [upgradable from: 2.0.10]";
        let rows = parse_approved(Source::new("approved.txt", text)).unwrap();
        assert_eq!(rows.iter().map(show).collect::<Vec<_>>(), ["openssl=3.0.22", "libssl3", "apt:amd64=2.0.11"]);
    }

    #[test]
    fn bad_rows_have_their_places() {
        let errors = parse_approved(Source::new("approved.txt", "ok\n  -x\na;b # no\n")).unwrap_err();
        assert_eq!(
            errors.to_string(),
            "approved.txt:2:3: the package name \"-x\" must begin with a letter or a digit\n\
             approved.txt:3:1: the package name \"a;b\" has a character that no package name has"
        );
    }

    #[test]
    fn an_empty_list_is_a_mistake() {
        let errors = parse_approved(Source::new("approved.txt", "# nothing\n")).unwrap_err();
        assert_eq!(errors.to_string(), "approved.txt:1:1: the list approves nothing; give a package a line");
    }
}
