//! Takes a pattern's text apart.

use std::net::Ipv6Addr;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::glob;
use super::{Pattern, Sign, Take, Term, What};
use crate::input::error::InputErrors;
use crate::input::source::{Sink, Source};

/// Parses `text`, which stands at `span` of `source`.
pub(super) fn pattern(
    source: &Source,
    span: &Range<usize>,
    text: &str,
    folder: &Path,
    files: bool,
) -> Result<Pattern, InputErrors> {
    let sink = Sink::new(source.clone());
    let exact = place_of(source, span, text);
    let mut terms = Vec::new();
    let parts = split(text);
    if parts.is_empty() {
        sink.error(span, "the host pattern is empty");
    }
    for (at, part) in parts {
        let span = exact.map_or_else(|| span.clone(), |start| start + at..start + at + part.len());
        match term(part, &span, folder, files) {
            Ok(found) => terms.push(found),
            Err(Wrong::Here(why)) => sink.error(&span, why),
            Err(Wrong::There(errors)) => sink.extend(&errors),
        }
    }
    sink.finish(Some(Pattern { source: source.clone(), terms }))
}

/// Where the text itself begins in the source, if it stands there as it is (not with escapes).
fn place_of(source: &Source, span: &Range<usize>, text: &str) -> Option<usize> {
    let raw = source.text.get(span.clone())?;
    let inside = raw.trim_matches(['"', '\'']);
    (inside == text).then(|| span.start + raw.find(inside).unwrap_or_default())
}

/// The terms and where they begin: parted at commas, and at colons that are not inside brackets or an address.
fn split(text: &str) -> Vec<(usize, &str)> {
    let mut terms = Vec::new();
    for (at, part) in split_at(text, ',') {
        let bare = part.trim().trim_start_matches(['&', '!']);
        if bare.starts_with('@') || is_address(bare) {
            terms.push((at, part));
        } else {
            terms.extend(split_at(part, ':').into_iter().map(|(inner, term)| (at + inner, term)));
        }
    }
    terms
        .into_iter()
        .map(|(at, term)| (at + (term.len() - term.trim_start().len()), term.trim()))
        .filter(|(_, term)| !term.is_empty())
        .collect()
}

/// Whether the colons are an address's: of a whole one, or of a glob on some.
fn is_address(text: &str) -> bool {
    let digits = |c: char| c.is_ascii_hexdigit() || ":.*?".contains(c);
    text.parse::<Ipv6Addr>().is_ok() || (text.contains("::") && text.chars().all(digits))
}

fn split_at(text: &str, separator: char) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let mut depth = 0_u32;
    let mut start = 0;
    for (at, c) in text.char_indices() {
        match c {
            '[' | '(' | '{' => depth += 1,
            ']' | ')' | '}' => depth = depth.saturating_sub(1),
            c if c == separator && depth == 0 => {
                parts.push((start, &text[start..at]));
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push((start, &text[start..]));
    parts
}

enum Wrong {
    Here(String),
    There(InputErrors),
}

fn term(text: &str, span: &Range<usize>, folder: &Path, files: bool) -> Result<Term, Wrong> {
    let here = |why: &str| Wrong::Here(why.to_owned());
    let (sign, bare) = match text.strip_prefix('&') {
        Some(rest) => (Sign::And, rest),
        None => text.strip_prefix('!').map_or((Sign::Plus, text), |rest| (Sign::Not, rest)),
    };
    let bare = bare.trim();
    if bare.is_empty() {
        return Err(here("the host pattern has a sign with nothing behind it"));
    }
    if bare.contains(char::is_control) {
        return Err(here("the host pattern has a control character in it"));
    }
    let (what, take) = if let Some(path) = bare.strip_prefix('@') {
        if !files {
            return Err(here("a file of patterns cannot name another one"));
        }
        (What::File(file(&folder.join(path)).map_err(elsewhere)?), None)
    } else if let Some(expression) = bare.strip_prefix('~') {
        let anchored = format!("^(?:{expression})");
        let why = |_| Wrong::Here(format!("`{expression}` is not a regular expression that patchctl knows"));
        (What::Match(glob::build(&anchored).map_err(why)?), None)
    } else {
        let (name, take) = subscript(bare);
        if name.contains(['*', '?', '[']) {
            let why = |why| Wrong::Here(format!("the host pattern `{name}` {why}"));
            (What::Match(glob::regex(name).map_err(why)?), take)
        } else {
            (What::Name(name.to_owned()), take)
        }
    };
    Ok(Term { sign, what, take, span: span.clone() })
}

/// A file that cannot be read is the pattern's mistake; what is wrong in it is its own.
fn elsewhere(errors: InputErrors) -> Wrong {
    match errors.all().first() {
        Some(error) if error.span.is_none() => Wrong::Here(format!("the file {}: {}", error.file, error.message)),
        _ => Wrong::There(errors),
    }
}

/// Takes `[1]`, `[-1]`, `[0:2]`, `[0-2]` or `[3:]` from the end.
fn subscript(text: &str) -> (&str, Option<Take>) {
    let none = (text, None);
    let Some(rest) = text.strip_suffix(']') else { return none };
    let Some((name, inside)) = rest.rsplit_once('[') else { return none };
    if name.is_empty() {
        return none;
    }
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    if digits(inside.strip_prefix('-').unwrap_or(inside)) {
        return inside.parse().map_or(none, |at| (name, Some(Take::One(at))));
    }
    let Some((from, to)) =
        inside.split_once([':', '-']).filter(|(from, to)| digits(from) && (to.is_empty() || digits(to)))
    else {
        return none;
    };
    match (from.parse(), to.parse()) {
        (Ok(from), Ok(to)) => (name, Some(Take::Range(from, Some(to)))),
        (Ok(from), Err(_)) if to.is_empty() => (name, Some(Take::Range(from, None))),
        _ => none,
    }
}

/// A file of patterns, one or more a line; `#` begins a comment.
fn file(path: &Path) -> Result<Pattern, InputErrors> {
    let source = Source::read(path)?;
    let text = Arc::clone(&source.text);
    let sink = Sink::new(source.clone());
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut terms = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let row = line.split('#').next().unwrap_or_default();
        let from = start + (row.len() - row.trim_start().len());
        start += line.len();
        let row = row.trim();
        if row.is_empty() {
            continue;
        }
        match pattern(&source, &(from..from + row.len()), row, folder, false) {
            Ok(found) => terms.extend(found.terms),
            Err(errors) => sink.extend(&errors),
        }
    }
    if terms.is_empty() {
        sink.error(&(0..0), "the file names no host");
    }
    sink.finish(Some(Pattern { source, terms }))
}
