//! One exchange, as far as it has come: takes what the host sends and says what to do.

use super::frames::{Broken, Frame, Frames};
use super::gathered::Gathered;
use super::payload::{Becoming, Kind};
use crate::ports::Listener;

/// The most of the host's standard error that is kept from before the step: what sudo and the login shell say.
const NOISE_MAX: usize = 4096;

/// The most of the host's standard error that is read and is no log: the login shell, sudo, a driver in trouble.
const BESIDE_MAX: u64 = 64 * 1024 * 1024;

/// How an exchange ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// The step ran to its end.
    Done { code: i32, boot: String },
    /// The job is dead and left no result.
    Died { why: String, boot: String },
    /// The driver would not go on.
    Refused { word: String, about: String },
    /// sudo ended before the driver had root's rights.
    NoRoot { said: String },
}

/// What is to be done after some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Wait for more.
    Wait,
    /// Send the password; this is what sudo said when it was tried without.
    Password(String),
}

/// The state of one exchange.
pub(crate) struct Exchange<'a> {
    frames: Frames,
    log: Stderr,
    gathered: &'a mut Gathered,
    listener: &'a dyn Listener,
    kind: Kind,
    began: bool,
    asked: bool,
    said: String,
    noticed: Noticed,
    end: Option<End>,
}

/// What a listener was told: once is enough.
#[derive(Default)]
struct Noticed {
    orphaned: bool,
    beside: bool,
    files_cut: bool,
}

impl<'a> Exchange<'a> {
    /// Begins the exchange with this key.
    pub(crate) fn new(key: &str, kind: Kind, gathered: &'a mut Gathered, listener: &'a dyn Listener) -> Self {
        gathered.begin_exchange();
        let (frames, log) = (Frames::new(key), Stderr::new(key));
        let (said, noticed) = (String::new(), Noticed::default());
        Self { frames, log, gathered, listener, kind, began: false, asked: false, said, noticed, end: None }
    }

    /// Takes bytes from standard output.
    ///
    /// # Errors
    /// When they are not our driver's.
    pub(crate) fn stdout(&mut self, bytes: &[u8]) -> Result<Next, Broken> {
        let mut next = Next::Wait;
        let Self { frames, gathered, listener, kind, began, asked, said, noticed, end, .. } = self;
        frames.feed(bytes, &mut |frame| {
            match frame {
                Frame::Uid(_) => *began = true,
                Frame::Ask(_) if !kind.may_ask || *asked => {
                    return Err(Broken::Order("it asks for a password that it needs not"));
                }
                Frame::Ask(text) => {
                    *asked = true;
                    *said = text.to_owned();
                    next = Next::Password(text.to_owned());
                }
                Frame::Sudo(_) if *began || end.is_some() => {}
                Frame::Sudo(_) => *end = Some(End::NoRoot { said: said.clone() }),
                Frame::Fail(word, about) => {
                    *end = Some(End::Refused { word: word.to_owned(), about: about.to_owned() });
                }
                Frame::Claim(fields) => gathered.claim(fields),
                Frame::Of(_) if !kind.is_job => {
                    return Err(Broken::Order("another job's frames for a step that only reads"));
                }
                Frame::Of(job) => {
                    if !gathered.is_its_own() {
                        listener.notice("nobody confirmed the change in time, so the host undoes it by itself");
                    }
                    gathered.source(job);
                }
                Frame::State(word) => noticed.state(word, *listener),
                Frame::Log(..) if !kind.is_job => {
                    return Err(Broken::Order("a job's frames for a step that only reads"));
                }
                Frame::Log(at, bytes) => {
                    gathered.log_at(at)?;
                    gathered.log(bytes, true, *listener)?;
                }
                Frame::Records(at, bytes) => gathered.records(at, bytes, *listener)?,
                Frame::File(name, bytes) => gathered.file(name, bytes)?,
                Frame::FilesCut => noticed.files_cut(*listener),
                Frame::Beat => {}
                Frame::End(code, boot) => *end = Some(End::Done { code, boot: boot.to_owned() }),
                Frame::Died(why, boot) => *end = Some(End::Died { why: why.to_owned(), boot: boot.to_owned() }),
            }
            Ok(())
        })?;
        Ok(next)
    }

    /// Takes bytes from standard error.
    ///
    /// # Errors
    /// When there is no end of them.
    pub(crate) fn stderr(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let log = self.log.feed(bytes);
        if !self.kind.is_job && !log.is_empty() {
            return self.gathered.log(&log, false, self.listener);
        }
        self.log.beside += bytes.len() as u64;
        if self.log.beside > BESIDE_MAX {
            Err(Broken::Flood(BESIDE_MAX >> 20, "errors that are no step's"))
        } else {
            Ok(())
        }
    }

    /// Whether everything has come.
    pub(crate) fn is_over(&self) -> bool {
        match self.end {
            None => false,
            Some(End::Done { .. }) => self.kind.is_job || self.log.ended,
            // Who was refused is told why on standard error: to be read to its end.
            Some(End::NoRoot { .. }) => false,
            Some(End::Died { .. } | End::Refused { .. }) => true,
        }
    }

    /// How it ended, if it did.
    pub(crate) fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Whether the driver got the rights that the step wants: from then on the step may have begun.
    pub(crate) fn began(&self) -> bool {
        self.began
    }

    /// How root was become, if that is known now.
    pub(crate) fn becoming(&self) -> Option<Becoming> {
        self.began.then_some(if self.asked { Becoming::Password } else { Becoming::Free })
    }

    /// How much of the log has come.
    #[cfg(test)]
    pub(crate) fn gathered_log(&self) -> u64 {
        self.gathered.have().log
    }

    /// Whether the driver spoke at all.
    pub(crate) fn greeted(&self) -> bool {
        self.frames.greeted()
    }

    /// Hands out the rest of the log, where a reading step's connection ends without its last line.
    pub(crate) fn finish(&mut self) {
        let log = self.log.finish();
        if !self.kind.is_job && !log.is_empty() {
            // The last few bytes: whether they are too many does not matter any more.
            let _ = self.gathered.log(&log, false, self.listener);
        }
    }

    /// What the host said beside the protocol: the login shell, sudo.
    pub(crate) fn noise(&self) -> String {
        let out = String::from_utf8_lossy(self.frames.noise()).into_owned();
        let err = String::from_utf8_lossy(&self.log.noise);
        let text = format!("{}\n{}", out.trim(), err.trim());
        text.trim().to_owned()
    }
}

impl Noticed {
    fn state(&mut self, word: &str, listener: &dyn Listener) {
        match word {
            "orphaned" if !std::mem::replace(&mut self.orphaned, true) => {
                listener
                    .notice("what ran the step was killed, but something that it started still runs; waiting for that");
            }
            "beside" if !std::mem::replace(&mut self.beside, true) => {
                listener.notice("an earlier job of this run is still at work there; waiting for its end");
            }
            _ => {}
        }
    }

    fn files_cut(&mut self, listener: &dyn Listener) {
        if !std::mem::replace(&mut self.files_cut, true) {
            listener.notice("the step left more than 4 MiB of files; the rest stays on the host");
        }
    }
}

/// Standard error: noise, the line with our key, the log, the line with our key again.
struct Stderr {
    needle: Vec<u8>,
    pending: Vec<u8>,
    noise: Vec<u8>,
    /// How much came that is no log.
    beside: u64,
    began: bool,
    ended: bool,
}

impl Stderr {
    fn new(key: &str) -> Self {
        let needle = format!("patchctl:{key}\n").into_bytes();
        Self { needle, pending: Vec::new(), noise: Vec::new(), beside: 0, began: false, ended: false }
    }

    /// The part of the log that is certain now.
    fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.ended {
            return Vec::new();
        }
        self.pending.extend_from_slice(bytes);
        if !self.began {
            if let Some(at) = self.find() {
                let noise: Vec<u8> = self.pending.drain(..at + self.needle.len()).take(at).collect();
                self.keep_noise(&noise);
                self.began = true;
            } else {
                let noise: Vec<u8> = self.pending.drain(..self.certain()).collect();
                self.keep_noise(&noise);
                return Vec::new();
            }
        }
        if let Some(at) = self.find() {
            self.ended = true;
            self.pending.truncate(at);
            return std::mem::take(&mut self.pending);
        }
        self.pending.drain(..self.certain()).collect()
    }

    /// How much of what is pending cannot be the beginning of our line.
    fn certain(&self) -> usize {
        let (text, most) = (&self.pending, self.pending.len().min(self.needle.len() - 1));
        let held = (1..=most).rev().find(|n| text.ends_with(&self.needle[..*n])).unwrap_or(0);
        text.len() - held
    }

    fn finish(&mut self) -> Vec<u8> {
        let rest = std::mem::take(&mut self.pending);
        if self.began {
            return rest;
        }
        self.keep_noise(&rest);
        Vec::new()
    }

    fn find(&self) -> Option<usize> {
        let mut end = 0;
        let ends_there = |line: &[u8]| {
            end += line.len();
            line.ends_with(&self.needle).then(|| end - self.needle.len())
        };
        self.pending.split_inclusive(|b| *b == b'\n').find_map(ends_there)
    }

    fn keep_noise(&mut self, bytes: &[u8]) {
        self.noise.extend_from_slice(bytes);
        let over = self.noise.len().saturating_sub(NOISE_MAX);
        self.noise.drain(..over);
    }
}
