//! Reads the driver's frames from a host's standard output: lines of words, some followed by a counted number of bytes.

/// The longest line that a driver writes, with room.
const LINE_MAX: usize = 8 * 1024;

/// The most bytes that one counted frame may carry.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The highest offset that a log or records may have: no disk holds so much.
const OFFSET_MAX: u64 = 1 << 50;

/// The most noise that is kept from before the first frame.
const NOISE_MAX: usize = 2048;

/// The most noise that is read: no login shell says so much before it runs a command.
pub(super) const NOISE_READ_MAX: u64 = 1024 * 1024;

/// The most frames of one exchange. A driver writes forty a second at most: this is more than a day of them.
const FRAMES_MAX: u32 = 4_000_000;

/// What came is not what our driver writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("it sent {0:?} where a line of ours was due")]
    Line(String),
    #[error("it sent a line without an end")]
    Endless,
    #[error("its output does not fit together: {0}")]
    Order(&'static str),
    #[error("it sent more than {0} MiB of records or files")]
    TooMuch(u64),
    #[error("it sent more than 1 MiB before its first word to us; a login shell does not greet like that")]
    Noise,
    #[error("it sent more lines than our driver would in a day")]
    Chatter,
    #[error("it sent more than {0} MiB of {1}")]
    Flood(u64, &'static str),
}

/// One thing that the driver says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// It has the rights that the step wants; the step comes now.
    Uid(u32),
    /// It needs the password; this is what sudo said.
    Ask(&'a str),
    /// sudo ended with this.
    Sudo(i32),
    /// It will not go on: a word, and what it concerns.
    Fail(&'a str, &'a str),
    /// Whose claim the host carries: fields separated by tabs, or nothing.
    Claim(&'a str),
    /// What follows is of the job with this ID, by which the host goes back by itself.
    Of(&'a str),
    /// How the job stands.
    State(&'a str),
    /// Bytes of the log, from this offset of it.
    Log(u64, &'a [u8]),
    /// Bytes of the records, from this offset of them.
    Records(u64, &'a [u8]),
    /// Bytes of a file in `OUT`.
    File(&'a str, &'a [u8]),
    /// There were more files in `OUT` than are taken.
    FilesCut,
    /// It is still there.
    Beat,
    /// The step ended: its exit code and the boot.
    End(i32, &'a str),
    /// The job died: why, and the boot now.
    Died(&'a str, &'a str),
}

/// Bytes that a line has announced.
#[derive(Debug)]
enum Counted {
    Log(u64),
    Records(u64),
    File(String),
}

/// Splits a stream into frames.
#[derive(Debug)]
pub(crate) struct Frames {
    hello: Vec<u8>,
    greeted: bool,
    noise_read: u64,
    frames: u32,
    buffer: Vec<u8>,
    counted: Option<(Counted, u64)>,
}

impl Frames {
    /// For the exchange with this key.
    pub(crate) fn new(key: &str) -> Self {
        let hello = format!("patchctl:{key}\n").into_bytes();
        Self { hello, greeted: false, noise_read: 0, frames: 0, buffer: Vec::new(), counted: None }
    }

    /// Whether the driver has spoken at all.
    pub(crate) fn greeted(&self) -> bool {
        self.greeted
    }

    /// What came before the driver's first word: the login shell's own text.
    pub(crate) fn noise(&self) -> &[u8] {
        if self.greeted { &[] } else { &self.buffer }
    }

    /// Takes bytes and hands each frame that is complete to `take`. Counted bytes are handed on in pieces as they come.
    ///
    /// # Errors
    /// When the host sends what no driver of ours writes.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        take: &mut dyn FnMut(Frame<'_>) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        self.buffer.extend_from_slice(bytes);
        if !self.greeted && !self.greet(bytes.len()) {
            self.noise_read += bytes.len() as u64;
            return if self.noise_read > NOISE_READ_MAX { Err(Broken::Noise) } else { Ok(()) };
        }
        let buffer = std::mem::take(&mut self.buffer);
        let mut rest = &buffer[..];
        loop {
            if let Some((what, left)) = &mut self.counted {
                let n = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                if n > 0 {
                    let (piece, after) = rest.split_at(n);
                    hand_on(what, piece, take)?;
                    rest = after;
                    *left -= n as u64;
                }
                if *left > 0 {
                    break;
                }
                self.counted = None;
            }
            let Some(end) = rest.iter().position(|b| *b == b'\n') else { break };
            let (line, after) = rest.split_at(end);
            rest = &after[1..];
            self.line(line, take)?;
        }
        if rest.len() > LINE_MAX {
            return Err(Broken::Endless);
        }
        self.buffer = rest.to_vec();
        Ok(())
    }

    /// Looks for the line with our key, which so many new bytes may have made whole; drops what lies before it.
    fn greet(&mut self, new: usize) -> bool {
        let from = self.buffer.len().saturating_sub(new + self.hello.len() - 1);
        let found = self.buffer[from..].windows(self.hello.len()).position(|part| part == self.hello);
        match found {
            Some(at) => {
                self.buffer.drain(..from + at + self.hello.len());
                self.greeted = true;
            }
            None if self.buffer.len() > NOISE_MAX => {
                self.buffer.drain(..self.buffer.len() - NOISE_MAX);
            }
            None => {}
        }
        self.greeted
    }

    fn line(&mut self, line: &[u8], take: &mut dyn FnMut(Frame<'_>) -> Result<(), Broken>) -> Result<(), Broken> {
        self.frames += 1;
        if self.frames > FRAMES_MAX {
            return Err(Broken::Chatter);
        }
        let text = String::from_utf8_lossy(line);
        let (word, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
        let bad = || Broken::Line(text.chars().take(120).collect());
        let frame = match word {
            "uid" => Frame::Uid(first.parse().map_err(|_| bad())?),
            "ask" => Frame::Ask(rest),
            "sudo" => Frame::Sudo(first.parse().map_err(|_| bad())?),
            "fail" => Frame::Fail(first, second),
            "claim" => Frame::Claim(rest),
            "of" if is_name(first) && rest == first => Frame::Of(first),
            "state" => Frame::State(first),
            "beat" => Frame::Beat,
            "much" => Frame::FilesCut,
            "end" => Frame::End(first.parse().map_err(|_| bad())?, second),
            "died" => Frame::Died(first, second),
            "d" | "f" => {
                let counted = count(word, first, second).ok_or_else(bad)?;
                if let (Counted::File(name), 0) = &counted {
                    take(Frame::File(name, &[]))?;
                }
                self.counted = Some(counted);
                return Ok(());
            }
            _ => return Err(bad()),
        };
        take(frame)
    }
}

/// Whether it names a file or a job: nothing that could lead elsewhere.
fn is_name(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    !text.is_empty() && !text.starts_with('.') && text.bytes().all(fits)
}

/// `d l OFFSET LENGTH`, `d r OFFSET LENGTH`, `f LENGTH NAME`.
fn count(word: &str, first: &str, second: &str) -> Option<(Counted, u64)> {
    let (what, length) = if word == "f" {
        if !is_name(second) {
            return None;
        }
        (Counted::File(second.to_owned()), first)
    } else {
        let (offset, length) = second.split_once(' ')?;
        let offset = offset.parse().ok().filter(|n| *n <= OFFSET_MAX)?;
        let what = match first {
            "l" => Counted::Log(offset),
            "r" => Counted::Records(offset),
            _ => return None,
        };
        (what, length)
    };
    let length = length.parse().ok().filter(|n| *n <= BYTES_MAX)?;
    Some((what, length))
}

fn hand_on(
    what: &mut Counted,
    piece: &[u8],
    take: &mut dyn FnMut(Frame<'_>) -> Result<(), Broken>,
) -> Result<(), Broken> {
    match what {
        Counted::Log(at) => {
            take(Frame::Log(*at, piece))?;
            *at += piece.len() as u64;
        }
        Counted::Records(at) => {
            take(Frame::Records(*at, piece))?;
            *at += piece.len() as u64;
        }
        Counted::File(name) => take(Frame::File(name, piece))?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pieces: &[&[u8]]) -> Result<Vec<String>, Broken> {
        let mut frames = Frames::new("KEY");
        let mut seen = Vec::new();
        for piece in pieces {
            frames.feed(piece, &mut |frame| {
                seen.push(format!("{frame:?}"));
                Ok(())
            })?;
        }
        Ok(seen)
    }

    #[test]
    fn frames_survive_any_cut() {
        let stream = b"Welcome!\nprompt$ patchctl:KEY\nuid 0\nd l 5 4\na\nb\nd r 0 0\nf 2 x.y\nhiend 3 boot\n";
        let whole = all(&[stream]).unwrap();
        assert_eq!(whole, ["Uid(0)", "Log(5, [97, 10, 98, 10])", "File(\"x.y\", [104, 105])", "End(3, \"boot\")"]);
        for cut in 0..stream.len() {
            let (a, b) = stream.split_at(cut);
            let pieces = all(&[a, b]).unwrap();
            assert_eq!(pieces.last(), whole.last(), "cut at {cut}");
        }
    }

    #[test]
    fn what_no_driver_writes_is_refused() {
        let bad = [
            "hello\n",
            "uid x\n",
            "uid -1\n",
            "of ../x\n",
            "of a b\n",
            "d x 0 1\n",
            "d l 0 99999999999\n",
            "d l -1 1\n",
            "d r 0 -1\n",
            "d l 18446744073709551615 9\nxxxxxxxxx",
            "f 1 ../x\n",
            "f 1 .x\n",
            "f -1 x\n",
            "end\n",
            "end 99999999999 x\n",
        ];
        for bad in bad {
            let stream = format!("patchctl:KEY\n{bad}");
            assert!(all(&[stream.as_bytes()]).is_err(), "{bad:?} was taken");
        }
        let endless = [b"patchctl:KEY\n".to_vec(), vec![b'x'; LINE_MAX + 1]].concat();
        assert_eq!(all(&[&endless]), Err(Broken::Endless));
    }

    #[test]
    fn frames_without_end_are_refused() {
        let mut frames = Frames::new("KEY");
        frames.feed(b"patchctl:KEY\n", &mut |_| Ok(())).unwrap();
        let beats = b"beat\n".repeat(10_000);
        let fed = (0..1000).find_map(|_| frames.feed(&beats, &mut |_| Ok(())).err());
        assert_eq!(fed, Some(Broken::Chatter));
    }

    #[test]
    fn noise_before_the_first_word_is_bounded_and_kept() {
        let mut frames = Frames::new("KEY");
        for _ in 0..1000 {
            frames.feed(&[b'x'; 1000], &mut |_| Ok(())).unwrap();
        }
        frames.feed(b"This account is not available.\n", &mut |_| Ok(())).unwrap();
        assert!(!frames.greeted());
        assert!(frames.noise().len() <= NOISE_MAX);
        assert!(frames.noise().ends_with(b"not available.\n"));
        let fed = (0..100).find_map(|_| frames.feed(&[b'x'; 1000], &mut |_| Ok(())).err());
        assert_eq!(fed, Some(Broken::Noise));
    }
}
