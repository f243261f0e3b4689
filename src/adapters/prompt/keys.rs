//! Bytes of a terminal into keys.

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    Enter,
    Tab,
    Escape,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D.
    End,
    Backspace,
    Delete,
    Up,
    Down,
    Left,
    Right,
    LineStart,
    LineEnd,
    /// Ctrl-U.
    EraseLine,
    /// Ctrl-W.
    EraseWord,
    /// Something that nobody asked for.
    Other,
}

/// The key that begins with `first`; `next` has the bytes after it, none when none came in time.
pub(super) fn decode<E>(first: u8, mut next: impl FnMut() -> Result<Option<u8>, E>) -> Result<Key, E> {
    Ok(match first {
        b'\r' | b'\n' => Key::Enter,
        b'\t' => Key::Tab,
        0x01 => Key::LineStart,
        0x03 => Key::Interrupt,
        0x04 => Key::End,
        0x05 => Key::LineEnd,
        0x08 | 0x7f => Key::Backspace,
        0x15 => Key::EraseLine,
        0x17 => Key::EraseWord,
        0x1b => match next()? {
            None | Some(0x1b) => Key::Escape,
            Some(b'[' | b'O') => sequence(next)?,
            Some(_) => Key::Other,
        },
        0x00..0x20 => Key::Other,
        0x20..0x7f => Key::Char(char::from(first)),
        0x80.. => unicode(first, next)?,
    })
}

/// What follows `ESC [` or `ESC O`: parameters and a final byte.
fn sequence<E>(mut next: impl FnMut() -> Result<Option<u8>, E>) -> Result<Key, E> {
    let mut parameter = 0;
    for _ in 0..16 {
        match next()? {
            None => return Ok(Key::Escape),
            Some(byte @ 0x20..0x40) => parameter = byte,
            Some(last) => {
                return Ok(match (last, parameter) {
                    (b'A', _) => Key::Up,
                    (b'B', _) => Key::Down,
                    (b'C', _) => Key::Right,
                    (b'D', _) => Key::Left,
                    (b'H', _) | (b'~', b'1' | b'7') => Key::LineStart,
                    (b'F', _) | (b'~', b'4' | b'8') => Key::LineEnd,
                    (b'~', b'3') => Key::Delete,
                    _ => Key::Other,
                });
            }
        }
    }
    Ok(Key::Other)
}

/// A character beyond ASCII.
fn unicode<E>(first: u8, mut next: impl FnMut() -> Result<Option<u8>, E>) -> Result<Key, E> {
    let length = match first {
        0xC2..0xE0 => 2,
        0xE0..0xF0 => 3,
        0xF0..0xF5 => 4,
        _ => return Ok(Key::Other),
    };
    let mut bytes = vec![first];
    while bytes.len() < length {
        match next()? {
            Some(byte) => bytes.push(byte),
            None => return Ok(Key::Other),
        }
    }
    let text = std::str::from_utf8(&bytes).ok();
    // Control characters beyond ASCII are no text.
    Ok(text.and_then(|text| text.chars().next()).filter(|c| !c.is_control()).map_or(Key::Other, Key::Char))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut rest = bytes.iter().copied();
        let mut keys = Vec::new();
        while let Some(first) = rest.next() {
            keys.push(decode::<()>(first, || Ok(rest.next())).unwrap());
        }
        keys
    }

    #[test]
    fn keys_are_told_apart() {
        assert_eq!(keys(b"a\r\x03"), [Key::Char('a'), Key::Enter, Key::Interrupt]);
        assert_eq!(keys(b"\x1b[A\x1bOB\x1b[3~\x1b[1;5C"), [Key::Up, Key::Down, Key::Delete, Key::Right]);
        assert_eq!(keys("ü日".as_bytes()), [Key::Char('ü'), Key::Char('日')]);
        assert_eq!(keys(b"\x1b"), [Key::Escape]);
    }

    #[test]
    fn broken_sequences_are_nothing() {
        assert_eq!(keys(b"\xff\xc3"), [Key::Other, Key::Other]);
        assert_eq!(keys("\u{9b}".as_bytes()), [Key::Other]);
        assert_eq!(keys(b"\x1b[1"), [Key::Escape]);
    }
}
