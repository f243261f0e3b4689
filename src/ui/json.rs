//! Documents on standard output: exactly one, and a reader that went away is no error.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;

use crate::core::untrusted::Untrusted;

/// Writes one document and a line end.
///
/// # Errors
/// When the output does not take it. That its reader went away (`| head`) is none.
pub fn write_document(out: &mut dyn Write, document: &impl Serialize) -> io::Result<()> {
    write_json(out, &serde_json::to_string(document).map_err(io::Error::other)?)
}

/// Writes JSON that is written already, as a line.
///
/// # Errors
/// When the output does not take it.
pub fn write_json(out: &mut dyn Write, json: &str) -> io::Result<()> {
    write_bytes(out, format!("{}\n", harmless(json)).as_bytes())
}

/// The same JSON without characters that steer a terminal: JSON itself asks only for the oldest of them to be escaped.
fn harmless(json: &str) -> Cow<'_, str> {
    if json.bytes().all(|b| b < 0x7f) {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        let steers = c as u32 >= 0x7f && Untrusted::new(c.encode_utf8(&mut [0; 4])).to_string().starts_with('\\');
        if steers {
            text.push_str(&format!("\\u{:04x}", c as u32));
        } else {
            text.push(c);
        }
    }
    Cow::Owned(text)
}

/// Writes text as it is, with the same patience for readers that go away.
///
/// # Errors
/// When the output does not take it.
pub fn write_text(out: &mut dyn Write, text: &str) -> io::Result<()> {
    write_bytes(out, text.as_bytes())
}

fn write_bytes(out: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_went_away_is_no_error() {
        assert!(write_document(&mut Gone, &[1, 2]).is_ok());
        let mut out = Vec::new();
        write_document(&mut out, &[1, 2]).unwrap();
        assert_eq!(out, b"[1,2]\n");
    }

    #[test]
    fn what_steers_a_terminal_is_escaped_and_means_the_same() {
        let text = "a\u{1b}\u{9b}2J\u{7f}\u{202e}\u{feff}ü✓\\\"😀";
        let mut out = Vec::new();
        write_document(&mut out, &text).unwrap();
        let shown = String::from_utf8(out).unwrap();
        assert_eq!(shown, "\"a\\u001b\\u009b2J\\u007f\\u202e\\ufeffü✓\\\\\\\"😀\"\n");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
    }
}
