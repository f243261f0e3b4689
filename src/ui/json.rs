//! Documents on standard output: exactly one, and a reader that went away is no error.

use std::io::{self, Write};

use serde::Serialize;

/// Writes one document and a line end.
///
/// # Errors
/// When the output does not take it. That its reader went away (`| head`) is none.
pub fn write_document(out: &mut dyn Write, document: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(document).map_err(io::Error::other)?;
    text.push(b'\n');
    write_bytes(out, &text)
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
}
