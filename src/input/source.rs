//! A text with its name, and the mistakes found in it so far.

use std::cell::RefCell;
use std::io::Read as _;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::error::{InputError, InputErrors};

/// No plan or inventory is larger; what is, is something else.
const MAX_BYTES: u64 = 16 << 20;

/// After so many mistakes the rest would not be read.
const MAX_ERRORS: usize = 100;

/// A text and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) name: Arc<str>,
    pub(crate) text: Arc<str>,
}

impl Source {
    pub(crate) fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    /// Reads the file, if it is text of a sensible size.
    pub(crate) fn read(path: &Path) -> Result<Self, InputErrors> {
        Self::read_if(path, |_| Ok(()))
    }

    /// Reads the file, if it is text of a sensible size and what it is passes the check; else the mistake, and a hint.
    pub(crate) fn read_if(
        path: &Path,
        check: impl FnOnce(&std::fs::Metadata) -> Result<(), (String, &'static str)>,
    ) -> Result<Self, InputErrors> {
        let name = path.display().to_string();
        let fail = |message: String| InputErrors::from(InputError::whole(name.clone(), message));
        let file = std::fs::File::open(path).map_err(|e| fail(cannot_read(&e)))?;
        let meta = file.metadata().map_err(|e| fail(cannot_read(&e)))?;
        check(&meta).map_err(|(message, hint)| InputError::whole(name.clone(), message).hint(hint))?;
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|e| fail(cannot_read(&e)))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(fail(format!("is larger than {} MiB", MAX_BYTES >> 20)));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(name, text)),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let text: Arc<str> = String::from_utf8_lossy(error.as_bytes()).into();
                let source = Self::new(name, text);
                Err(source.error(at..at + 1, "this byte is not UTF-8").into())
            }
        }
    }

    /// `FILE:LINE`, for what refers to these bytes later.
    pub(crate) fn place(&self, span: &Range<usize>) -> String {
        let line = self.error(span.clone(), "").line().unwrap_or(1);
        format!("{}:{line}", self.name)
    }

    /// A mistake at these bytes.
    pub(crate) fn error(&self, span: Range<usize>, message: impl Into<String>) -> InputError {
        InputError {
            file: self.name.to_string(),
            source: Arc::clone(&self.text),
            span: Some(span),
            message: message.into(),
            hint: None,
        }
    }
}

fn cannot_read(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "is a folder".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}

/// Collects the mistakes of one text while it is read.
#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) source: Source,
    errors: RefCell<Vec<InputError>>,
}

impl Sink {
    pub(crate) fn new(source: Source) -> Self {
        Self { source, errors: RefCell::default() }
    }

    /// A mistake at these bytes.
    pub(crate) fn error(&self, span: &Range<usize>, message: impl Into<String>) {
        self.push(self.source.error(span.clone(), message));
    }

    /// A mistake at these bytes, with what would be right.
    pub(crate) fn error_hint(&self, span: &Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        self.push(self.source.error(span.clone(), message).hint(hint));
    }

    /// Whether no more mistakes are taken: what only says more about another one can be left.
    pub(crate) fn is_full(&self) -> bool {
        self.errors.borrow().len() >= MAX_ERRORS
    }

    pub(crate) fn push(&self, error: InputError) {
        if !self.is_full() {
            self.errors.borrow_mut().push(error);
        }
    }

    pub(crate) fn extend(&self, errors: &InputErrors) {
        errors.all().iter().for_each(|error| self.push(error.clone()));
    }

    /// The mistakes of another file. That it cannot be read at all is the mistake of who names it, at these bytes.
    pub(crate) fn extend_at(&self, span: &Range<usize>, what: &str, errors: &InputErrors) {
        for error in errors.all() {
            match (&error.span, &error.hint) {
                (Some(_), _) => self.push(error.clone()),
                (None, None) => self.error(span, format!("{what} {}: {}", error.file, error.message)),
                (None, Some(hint)) => self.error_hint(span, format!("{what} {}: {}", error.file, error.message), hint),
            }
        }
    }

    /// The value, if nothing was wrong.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, InputErrors> {
        let name = self.source.name.to_string();
        match (InputErrors::from_list(self.errors.into_inner()), value) {
            (Some(errors), _) => Err(errors),
            (None, Some(value)) => Ok(value),
            (None, None) => Err(InputError::whole(name, "cannot be understood").into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.toml");
        let end = |e: InputErrors| e.to_string().split_once("plan.toml").unwrap().1.to_owned();
        assert_eq!(end(Source::read(&path).unwrap_err()), ": no such file");
        std::fs::write(&path, b"a = 1\nb = \"\xff\"\n").unwrap();
        assert_eq!(end(Source::read(&path).unwrap_err()), ":2:6: this byte is not UTF-8");
        let error = Source::read(folder.path()).unwrap_err();
        assert!(error.to_string().ends_with("is a folder"), "{error}");
    }
}
