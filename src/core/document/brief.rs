//! Package changes in few words, for lines where many must fit.

use super::PackageChange;
use crate::core::packages::Version;

impl PackageChange {
    /// From what to what it went last: after a rollback, from what was tried. None where nothing happened to it.
    pub fn shift(&self) -> Option<(Option<&str>, Option<&str>)> {
        let from = self.tried.as_ref().unwrap_or(&self.before).as_ref().map(Version::as_str);
        let to = self.after.as_ref().map(Version::as_str);
        (from != to).then_some((from, to))
    }
}

/// The first change with short versions, and how many more there are: `openssl 3.0.20→3.0.22 +1`. Empty where nothing
/// changed.
pub fn brief(changes: &[PackageChange], arrow: &str) -> String {
    let mut shifts = changes.iter().filter_map(|change| change.shift().map(|shift| (&change.name, shift)));
    let Some((name, first)) = shifts.next() else {
        return String::new();
    };
    let text = match first {
        (Some(from), Some(to)) => {
            let (from, to) = short(from, to);
            format!("{name} {from}{arrow}{to}")
        }
        (None, Some(to)) => format!("+{name} {}", upstream(to)),
        (_, None) => format!("-{name}"),
    };
    match shifts.count() {
        0 => text,
        more => format!("{text} +{more}"),
    }
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
        let cases = [
            (r#"{"name":"a","arch":"all","before":"1-1","after":"2-1"}"#, "a 1→2"),
            (r#"{"name":"a","arch":"all","before":null,"after":"2-1"}"#, "+a 2"),
            (r#"{"name":"a","arch":"all","before":"1-1","after":null}"#, "-a"),
            (r#"{"name":"a","arch":"all","before":"1-1","tried":"2-1","after":"1-1"}"#, "a 2→1"),
            (r#"{"name":"a","arch":"all","before":null,"tried":"2-1","after":null}"#, "-a"),
            (r#"{"name":"a","arch":"all","before":"1-1","tried":null,"after":"1-1"}"#, "+a 1"),
        ];
        for (json, text) in cases {
            assert_eq!(brief(&change(json), "→"), text);
        }
        assert_eq!(brief(&change(r#"{"name":"a","arch":"all","before":"1-1","after":"1-1"}"#), "→"), "", "not touched");
        let two: Vec<_> = cases[..3].iter().flat_map(|(json, _)| change(json)).collect();
        assert_eq!(brief(&two, "->"), "a 1->2 +2");
    }
}
