//! Mistakes in what people write, each with its place.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::core::problem::{ErrorKind, Problem};
use crate::core::untrusted::Untrusted;

/// One mistake: where it is, what it is, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputError {
    /// The file as the user named it, or the flag that the text came with.
    pub file: String,
    /// The whole text; empty where the file could not be read.
    pub source: Arc<str>,
    /// The bytes of `source` that are meant; none: the file as a whole.
    pub span: Option<Range<usize>>,
    /// What is wrong, a lowercase fragment.
    pub message: String,
    /// What would be right, a lowercase fragment.
    pub hint: Option<String>,
}

impl InputError {
    /// A mistake at no place in particular.
    pub(crate) fn whole(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self { file: file.into(), source: Arc::from(""), span: None, message: message.into(), hint: None }
    }

    /// The same, with what would be right.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The line, counted from 1; none where the mistake is the whole file's.
    pub fn line(&self) -> Option<usize> {
        let before = self.before()?;
        Some(before.bytes().filter(|b| *b == b'\n').count() + 1)
    }

    /// The column, counted from 1 in characters.
    pub fn column(&self) -> Option<usize> {
        let before = self.before()?;
        let line = before.rsplit('\n').next().unwrap_or_default();
        Some(line.chars().count() + 1)
    }

    /// The line that the mistake begins in, without its end, and the mistake's bytes in it.
    pub fn excerpt(&self) -> Option<(&str, Range<usize>)> {
        let span = self.span.clone()?;
        let start = self.before()?.rfind('\n').map_or(0, |at| at + 1);
        let rest = self.source.get(start..)?;
        let line = rest.split('\n').next().unwrap_or_default();
        let line = line.strip_suffix('\r').unwrap_or(line);
        let from = (span.start - start).min(line.len());
        let to = span.end.saturating_sub(start).clamp(from, line.len());
        Some((line, from..to))
    }

    fn before(&self) -> Option<&str> {
        let start = self.span.as_ref()?.start.min(self.source.len());
        // A span inside a character (there should be none) means the character.
        (0..=start).rev().find_map(|at| self.source.get(..at))
    }

    /// The message with its hint, without the place.
    pub fn text(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{}; {hint}", self.message),
            None => self.message.clone(),
        }
    }

    /// `file:line:column`, as far as it is known.
    pub fn place(&self) -> String {
        match (self.line(), self.column()) {
            (Some(line), Some(column)) => format!("{}:{line}:{column}", self.file),
            _ => self.file.clone(),
        }
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", Untrusted::new(&self.place()), Untrusted::new(&self.text()))
    }
}

impl std::error::Error for InputError {}

impl From<&InputError> for Problem {
    fn from(error: &InputError) -> Self {
        let problem = Self::new(ErrorKind::Invalid, format!("{}: {}", error.place(), error.message));
        match &error.hint {
            Some(hint) => problem.hint(hint.clone()),
            None => problem,
        }
    }
}

/// Several mistakes, never none, by file and place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputErrors(Vec<InputError>);

impl InputErrors {
    /// The mistakes, sorted and each once; none where there are none.
    pub(crate) fn from_list(mut list: Vec<InputError>) -> Option<Self> {
        if list.is_empty() {
            return None;
        }
        // Files stay in the order in which they were read.
        let files: Vec<String> = list.iter().map(|e| e.file.clone()).collect();
        let rank = |file: &str| files.iter().position(|f| f == file);
        list.sort_by_key(|e| (rank(&e.file), e.span.as_ref().map(|s| (s.start, s.end))));
        list.dedup();
        Some(Self(list))
    }

    /// All of them; at least one.
    pub fn all(&self) -> &[InputError] {
        &self.0
    }

    /// These and those.
    #[must_use]
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        Self::from_list(self.0.clone()).unwrap_or(self)
    }

    /// As the result document's `errors`.
    pub fn problems(&self) -> Vec<Problem> {
        self.0.iter().map(Problem::from).collect()
    }
}

impl From<InputError> for InputErrors {
    fn from(error: InputError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for InputErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.0.iter().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for InputErrors {}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(source: &str, span: Range<usize>) -> InputError {
        InputError {
            file: "plan.toml".into(),
            source: source.into(),
            span: Some(span),
            message: "bad".into(),
            hint: None,
        }
    }

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let error = at("a = 1\r\nü = 2\r\n", 10..13);
        assert_eq!((error.line(), error.column()), (Some(2), Some(3)));
        assert_eq!(error.excerpt(), Some(("ü = 2", 3..6)));
        assert_eq!(at("abc", 99..120).place(), "plan.toml:1:4");
        assert_eq!(at("ü", 1..1).place(), "plan.toml:1:1");
    }

    #[test]
    fn errors_are_sorted_by_file_and_place_and_not_repeated() {
        let mut other = at("x\ny", 2..3);
        other.file = "b.toml".into();
        let list = vec![at("a\nb", 2..3), other.clone(), at("a\nb", 0..1), other];
        let errors = InputErrors::from_list(list).unwrap();
        assert_eq!(errors.to_string(), "plan.toml:1:1: bad\nplan.toml:2:1: bad\nb.toml:2:1: bad");
        assert_eq!(InputErrors::from_list(Vec::new()), None);
    }

    #[test]
    fn a_problem_carries_place_and_hint_apart() {
        let problem = Problem::from(&at("abc", 0..1).hint("say so"));
        assert_eq!(problem.message, "plan.toml:1:1: bad");
        assert_eq!(problem.hint.as_deref(), Some("say so"));
    }

    #[test]
    fn nothing_in_a_file_steers_the_terminal() {
        let mut error = at("abc", 0..1);
        error.file = "pl\x1b[2Jan".into();
        error.message = "unknown key `\u{202e}x`".into();
        assert_eq!(error.to_string(), "pl\\u{1b}[2Jan:1:1: unknown key `\\u{202e}x`");
    }
}
