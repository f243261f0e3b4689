//! Package changes, long and short.

use super::style::Look;
use crate::core::document::PackageChange;
use crate::core::packages::Version;

/// From what to what a package went last: after a rollback, from what was tried.
fn shift(change: &PackageChange) -> (Option<&str>, Option<&str>) {
    let from = match &change.tried {
        Some(tried) => tried.as_ref(),
        None => change.before.as_ref(),
    };
    (from.map(Version::as_str), change.after.as_ref().map(Version::as_str))
}

/// The first change with short versions, and how many more there are: `openssl 3.0.20→3.0.22 +1`.
pub(super) fn brief(look: &Look, changes: &[PackageChange]) -> String {
    let Some(first) = changes.first() else {
        return look.dash().to_owned();
    };
    let text = match shift(first) {
        (Some(from), Some(to)) => {
            let (from, to) = short(from, to);
            format!("{} {from}{}{to}", first.name, look.arrow())
        }
        (None, Some(to)) => format!("+{} {}", first.name, upstream(to)),
        (Some(_), None) => format!("-{}", first.name),
        (None, None) => first.name.to_string(),
    };
    text + &more(changes)
}

/// The first package's name, and how many more there are: `openssl +1`.
pub(super) fn briefer(look: &Look, changes: &[PackageChange]) -> String {
    match changes.first() {
        Some(first) => format!("{}{}", first.name, more(changes)),
        None => look.dash().to_owned(),
    }
}

fn more(changes: &[PackageChange]) -> String {
    if changes.len() > 1 { format!(" +{}", changes.len() - 1) } else { String::new() }
}

/// All of them, a line each, versions whole and in columns.
pub(super) fn lines(look: &Look, changes: &[PackageChange]) -> Vec<String> {
    let name = |change: &PackageChange| format!("{}:{}", change.name, change.arch);
    let names = changes.iter().map(|change| name(change).len()).max().unwrap_or(0);
    let froms = changes.iter().map(|change| shift(change).0.unwrap_or("").len()).max().unwrap_or(0);
    let line = |change: &PackageChange| {
        let head = format!("{:names$}", name(change));
        match shift(change) {
            (Some(from), Some(to)) => format!("{head}  {from:froms$} {} {to}", look.arrow()),
            (None, Some(to)) => format!("{head}  new {} {to}", look.arrow()),
            (Some(from), None) => format!("{head}  {from:froms$} {} removed", look.arrow()),
            (None, None) => head,
        }
    };
    changes.iter().map(line).collect()
}

/// Both versions without what does not tell them apart: epoch and revision, unless only these differ.
fn short<'a>(from: &'a str, to: &'a str) -> (&'a str, &'a str) {
    let (old, new) = (upstream(from), upstream(to));
    if old != new {
        return (old, new);
    }
    // Only the revision (or the epoch) differs.
    match to.rfind('-') {
        Some(at) if from.starts_with(&to[..at]) => (from, &to[at..]),
        _ => (from, to),
    }
}

/// The upstream part of a version: no epoch, no revision.
fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    version.rsplit_once('-').map_or(version, |(upstream, _)| upstream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_lose_what_does_not_tell_them_apart() {
        assert_eq!(short("3.0.20-1~deb12u2", "3.0.22-1~deb12u2"), ("3.0.20", "3.0.22"));
        assert_eq!(short("1:9.2p1-2+deb12u5", "1:9.2p1-2+deb12u6"), ("1:9.2p1-2+deb12u5", "-2+deb12u6"));
        assert_eq!(short("1.0", "2.0"), ("1.0", "2.0"));
        assert_eq!(short("1:1.0-1", "2:1.0-1"), ("1:1.0-1", "2:1.0-1"));
    }

    #[test]
    fn each_kind_of_change_has_its_short_form() {
        let change = |json: &str| -> Vec<PackageChange> { vec![serde_json::from_str(json).unwrap()] };
        let look = Look::plain(None);
        let cases = [
            (r#"{"name":"a","arch":"all","before":"1-1","after":"2-1"}"#, "a 1→2"),
            (r#"{"name":"a","arch":"all","before":null,"after":"2-1"}"#, "+a 2"),
            (r#"{"name":"a","arch":"all","before":"1-1","after":null}"#, "-a"),
            (r#"{"name":"a","arch":"all","before":"1-1","tried":"2-1","after":"1-1"}"#, "a 2→1"),
            (r#"{"name":"a","arch":"all","before":null,"tried":"2-1","after":null}"#, "-a"),
            (r#"{"name":"a","arch":"all","before":"1-1","tried":null,"after":"1-1"}"#, "+a 1"),
        ];
        for (json, text) in cases {
            assert_eq!(brief(&look, &change(json)), text);
        }
        assert_eq!(brief(&look.ascii(), &change(cases[0].0)), "a 1->2");
    }
}
