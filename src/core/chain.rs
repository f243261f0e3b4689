//! The site's chain: where the journal of each run stood when it began, paused and ended.
//!
//! A journal's own chain shows a changed record; it cannot show that its end was cut off, or that a whole run is gone.
//! This one can: it is a chain itself, and its head leaves the machine, in the system's log and on the patched hosts.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::{Digest, RunId};
use super::record::{ChainError, Head};

/// The version of the chain's format that this patchctl writes.
pub const CHAIN_VERSION: u32 = 1;

/// At which moment a journal was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// The run began.
    Started,
    /// It paused.
    Paused,
    /// It came to its end.
    Finished,
    /// A process that had written records let go of it.
    Released,
}

impl Moment {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Paused => "paused",
            Self::Finished => "finished",
            Self::Released => "released",
        }
    }
}

/// Where a journal stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// Whose journal.
    pub run: RunId,
    /// At which moment.
    pub moment: Moment,
    /// How many records it had.
    pub records: u64,
    /// The hash of the last of them.
    pub head: Digest,
}

/// One line of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteRecord {
    /// [`CHAIN_VERSION`] of the patchctl that wrote it.
    pub v: u32,
    /// From 0, without gaps.
    pub seq: u64,
    /// The hash of the line before, without its line end; zeros for the first.
    pub prev: Digest,
    /// When the journal's last record was written.
    pub at: Timestamp,
    /// Where the journal stood.
    #[serde(flatten)]
    pub seal: Seal,
}

impl SiteRecord {
    /// The next line (without its line end) behind this head, which moves on.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn write(head: &mut Head, at: Timestamp, seal: &Seal) -> Result<String, serde_json::Error> {
        let record = Self { v: CHAIN_VERSION, seq: head.next, prev: head.digest, at, seal: seal.clone() };
        let line = serde_json::to_string(&record)?;
        head.step(line.as_bytes());
        Ok(line)
    }

    /// Reads the next line behind this head, which moves on.
    ///
    /// # Errors
    /// When it is no such line, is of a newer version, or does not follow.
    pub fn read(head: &mut Head, line: &[u8]) -> Result<Self, ChainError> {
        let seq = head.next;
        let record: Self = serde_json::from_slice(line).map_err(|source| ChainError::Unreadable { seq, source })?;
        if record.v > CHAIN_VERSION {
            return Err(ChainError::Version { seq, found: record.v });
        }
        if record.seq != seq || record.prev != head.digest {
            return Err(ChainError::Broken { seq });
        }
        head.step(line);
        Ok(record)
    }

    /// The head behind this line, from the line alone.
    ///
    /// # Errors
    /// When it is no such line.
    pub fn head_behind(line: &[u8]) -> Result<Head, serde_json::Error> {
        let record: Self = serde_json::from_slice(line)?;
        Ok(Head { next: record.seq + 1, digest: Digest::of(line) })
    }
}

/// A head that was left outside: a line of the system's log, or a host's witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// Whose journal.
    pub run: RunId,
    /// How many records it had.
    pub records: u64,
    /// The hash of the last of them.
    pub head: Digest,
    /// How many lines the site's chain had, and the hash of the last.
    pub site: Option<(u64, Digest)>,
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run={} records={} head={}", self.run, self.records, self.head)?;
        match &self.site {
            Some((lines, head)) => write!(f, " site={lines} site_head={head}"),
            None => Ok(()),
        }
    }
}

impl Anchor {
    /// The anchor in a line, whatever stands around it; none where there is none.
    pub fn find(line: &str) -> Option<Self> {
        let value = |key: &str| {
            let mut words = line.split_whitespace();
            words.find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
        };
        let digest = |key: &str| Digest::try_from(value(key)?.to_owned()).ok();
        let site = value("site").and_then(|text| text.parse().ok()).zip(digest("site_head"));
        Some(Self {
            run: RunId::new(value("run")?.to_owned()).ok()?,
            records: value("records")?.parse().ok().filter(|records| *records > 0)?,
            head: digest("head")?,
            site,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_is_found_in_a_line_of_any_log() {
        let run = RunId::new("01JD0000000000000000000000").unwrap();
        let anchor = Anchor { run, records: 7, head: Digest::of(b"a"), site: Some((3, Digest::of(b"b"))) };
        for line in [format!("{anchor}"), format!("Nov 26 01:00:00 ops patchctl[7]: paused {anchor}")] {
            assert_eq!(Anchor::find(&line), Some(anchor.clone()));
        }
        let bare = Anchor { site: None, ..anchor };
        assert_eq!(Anchor::find(&bare.to_string()), Some(bare));
        for line in ["", "run=x", "run=01JD0000000000000000000000 records=0 head=sha256:00", "a run=… of records"] {
            assert_eq!(Anchor::find(line), None, "{line}");
        }
    }
}
