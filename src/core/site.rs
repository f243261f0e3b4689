//! The site's chain: one line for each moment at which a run rests, with how far its journal had come. Each line hangs
//! on the one before, so a run that is missing, or a journal that was cut or written anew, is found.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{Event, PauseCause};
use super::ids::{ChangeId, Digest, RunId};
use super::record::Head;
use super::rollout::Rollout;

/// The version of the chain's format.
pub const CHAIN_VERSION: u32 = 1;

/// At which moment of its run a line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// It began.
    Started,
    /// It waits for somebody.
    Paused,
    /// A signal stopped it.
    Interrupted,
    /// Something was written down while nobody drove it: a decision, a host that was given up, a message that was sent.
    Recorded,
    /// It is over.
    Finished,
}

impl Moment {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Paused => "paused",
            Self::Interrupted => "interrupted",
            Self::Recorded => "recorded",
            Self::Finished => "finished",
        }
    }

    /// The moment that these events are, where they are one.
    pub fn of(events: &[Event]) -> Option<Self> {
        events.iter().rev().find_map(|event| match event {
            Event::RunStarted { .. } => Some(Self::Started),
            Event::Paused { why: PauseCause::Signal(_) } => Some(Self::Interrupted),
            Event::Paused { .. } => Some(Self::Paused),
            Event::Finished => Some(Self::Finished),
            _ => None,
        })
    }

    /// At which moment whoever held the run leaves it.
    pub fn leaving(rollout: &Rollout) -> Self {
        match rollout.paused() {
            _ if rollout.is_finished() => Self::Finished,
            Some(PauseCause::Signal(_)) => Self::Interrupted,
            Some(_) => Self::Paused,
            None => Self::Recorded,
        }
    }
}

/// How far a run's journal had come at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// The run.
    pub run: RunId,
    /// The change that it belongs to.
    pub change: ChangeId,
    /// The moment.
    pub moment: Moment,
    /// How many records the journal had.
    pub records: u64,
    /// The hash of the last of them.
    pub head: Digest,
}

impl Seal {
    /// The run's, with its journal at this head.
    pub fn new(run: &RunId, change: &ChangeId, moment: Moment, head: Head) -> Self {
        Self { run: run.clone(), change: change.clone(), moment, records: head.next, head: head.digest }
    }

    /// As it is sent to the system's log.
    pub fn text(&self) -> String {
        anchor(&self.run, &self.change, self.moment.as_str(), Head { next: self.records, digest: self.head })
    }
}

/// How far a run's journal had come, as it is left outside: in the system's log, and on the hosts that the run changed.
/// [`super::audit::anchors`] reads it again.
pub fn anchor(run: &RunId, change: &ChangeId, moment: &str, head: Head) -> String {
    format!("run={run} change={change} moment={moment} records={} head={}", head.next, head.digest)
}

/// One line of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// [`CHAIN_VERSION`].
    pub v: u32,
    /// From 0, without gaps.
    pub seq: u64,
    /// The hash of the line before, without its line end; zeros for the first.
    pub prev: Digest,
    /// When it was written.
    pub at: Timestamp,
    /// What it says.
    #[serde(flatten)]
    pub seal: Seal,
    /// Bytes of a line before it that was not whole, and was cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<u64>,
}

/// Where the chain ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// What the next line hangs on.
    pub head: Head,
    /// Bytes behind the last whole line.
    pub torn: u64,
}

/// Where the chain in this text ends. A last line that cannot be read is hung on all the same: whoever altered it must
/// not keep others from being written down, and [`Line::read`] finds it.
pub fn end(text: &[u8]) -> End {
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let torn = (text.len() - whole) as u64;
    let mut lines = text[..whole].split_inclusive(|byte| *byte == b'\n');
    let count = lines.clone().count() as u64;
    let last = lines.next_back().and_then(|line| line.strip_suffix(b"\n"));
    let Some(last) = last else { return End { head: Head::EMPTY, torn } };
    let next = serde_json::from_slice::<Line>(last).map_or(count, |line| line.seq + 1);
    End { head: Head { next, digest: Digest::of(last) }, torn }
}

/// The same, of a text that may begin in the middle of the chain; none: it takes more of the chain to say.
pub fn end_of_tail(text: &[u8]) -> Option<End> {
    let first = text.iter().position(|byte| *byte == b'\n')? + 1;
    let whole = text.iter().rposition(|byte| *byte == b'\n')? + 1;
    let last = text[first..whole].split_inclusive(|byte| *byte == b'\n').next_back()?.strip_suffix(b"\n")?;
    let line: Line = serde_json::from_slice(last).ok()?;
    Some(End { head: Head { next: line.seq + 1, digest: Digest::of(last) }, torn: (text.len() - whole) as u64 })
}

/// Why a line of the chain is not as it was written.
#[derive(Debug, thiserror::Error)]
pub enum BadLine {
    /// It is no line.
    #[error("it cannot be read: it was altered")]
    Unreadable(#[source] serde_json::Error),
    /// A newer patchctl wrote it.
    #[error("it has version {0}; this patchctl reads up to {CHAIN_VERSION}")]
    Version(u32),
    /// It does not hang on the one before.
    #[error("it does not follow the line before it: lines were altered, dropped or put in another order")]
    Broken,
}

impl Line {
    /// Writes what is sealed as the line after this head.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn write(end: End, at: Timestamp, seal: Seal) -> Result<String, serde_json::Error> {
        let cut = Some(end.torn).filter(|torn| *torn > 0);
        serde_json::to_string(&Self { v: CHAIN_VERSION, seq: end.head.next, prev: end.head.digest, at, seal, cut })
    }

    /// Reads the line that should follow this head, and moves the head on. After one that does not follow, the head is
    /// where that line says that it is, so what is wrong is said once.
    ///
    /// # Errors
    /// When it is not as it was written.
    pub fn read(head: &mut Head, line: &[u8]) -> Result<Self, BadLine> {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        let expected = *head;
        *head = Head { next: head.next + 1, digest: Digest::of(line) };
        let Version { v } = serde_json::from_slice(line).map_err(BadLine::Unreadable)?;
        if v > CHAIN_VERSION {
            return Err(BadLine::Version(v));
        }
        let read: Self = serde_json::from_slice(line).map_err(BadLine::Unreadable)?;
        head.next = read.seq.saturating_add(1);
        if read.seq != expected.next || read.prev != expected.digest {
            return Err(BadLine::Broken);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(count: u64) -> Vec<u8> {
        let mut text = Vec::new();
        for n in 0..count {
            let (run, change) = (RunId::new(format!("01JD000000000000000000000{n}")), ChangeId::new("CHG1"));
            let head = Head { next: n, digest: Digest::of(b"a") };
            let seal = Seal::new(&run.unwrap(), &change.unwrap(), Moment::Paused, head);
            let line = Line::write(end(&text), Timestamp::UNIX_EPOCH, seal).unwrap();
            text.extend_from_slice(line.as_bytes());
            text.push(b'\n');
        }
        text
    }

    fn whole(text: &[u8]) -> bool {
        let mut head = Head::EMPTY;
        text.strip_suffix(b"\n").unwrap().split(|b| *b == b'\n').all(|line| Line::read(&mut head, line).is_ok())
    }

    #[test]
    fn each_line_hangs_on_the_one_before() {
        let text = chain(3);
        assert!(whole(&text));
        assert_eq!(end(&text).head.next, 3);
        let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
        assert!(!whole(&[lines[0], lines[2]].concat()), "a dropped line");
        assert!(!whole(&[lines[1], lines[0], lines[2]].concat()), "another order");
        for at in 0..lines[0].len() - 1 {
            let mut altered = text.clone();
            altered[at] ^= 1;
            assert!(!whole(&altered), "byte {at}");
        }
    }

    #[test]
    fn a_torn_tail_is_told_by_the_next_line() {
        let mut text = chain(2);
        let whole = text.len();
        text.extend_from_slice(b"{\"v\":1,\"se");
        let found = end(&text);
        assert_eq!((found.head, found.torn), (end(&text[..whole]).head, 10));
        let seal = Seal::new(
            &RunId::new("01JD0000000000000000000009").unwrap(),
            &ChangeId::new("C").unwrap(),
            Moment::Started,
            Head::EMPTY,
        );
        let line = Line::write(found, Timestamp::UNIX_EPOCH, seal).unwrap();
        assert!(line.ends_with("\"cut\":10}"), "{line}");
    }
}
