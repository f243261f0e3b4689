//! The journal's lines: a version, a sequence number, the hash of the line before, the time, and an event.
//!
//! The chain makes any later change of a record visible: the hash of each line is part of the next.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::Event;
use super::ids::Digest;

/// The version of the journal's format that this patchctl writes. Older ones stay readable.
pub const JOURNAL_VERSION: u32 = 1;

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// [`JOURNAL_VERSION`] of the patchctl that wrote it.
    pub v: u32,
    /// From 0, without gaps.
    pub seq: u64,
    /// The hash of the line before, without its line end; zeros for the first.
    pub prev: Digest,
    /// When it was written.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Why a journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// A line is not a record.
    #[error("record {seq} cannot be read")]
    Unreadable {
        /// Its place.
        seq: u64,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A line was written by a newer patchctl.
    #[error("record {seq} has version {found}; this patchctl reads up to {JOURNAL_VERSION}")]
    Version {
        /// Its place.
        seq: u64,
        /// Its version.
        found: u32,
    },
    /// The chain is broken here.
    #[error("record {seq} does not follow the one before it: the journal was altered")]
    Broken {
        /// Its place.
        seq: u64,
    },
}

/// The end of the chain: what the next record hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The next record's sequence number.
    pub next: u64,
    /// The hash of the last line.
    pub digest: Digest,
}

impl Head {
    /// Of an empty journal.
    pub const EMPTY: Self = Self { next: 0, digest: Digest::ZERO };

    /// Writes an event as the next line (without its line end) and moves on.
    ///
    /// # Errors
    /// When the event cannot be written as JSON.
    pub fn write(&mut self, at: Timestamp, event: &Event) -> Result<String, serde_json::Error> {
        /// A record that borrows its event: nothing is copied to be written.
        #[derive(Serialize)]
        struct Line<'a> {
            v: u32,
            seq: u64,
            prev: Digest,
            at: Timestamp,
            #[serde(flatten)]
            event: &'a Event,
        }
        let line = serde_json::to_string(&Line { v: JOURNAL_VERSION, seq: self.next, prev: self.digest, at, event })?;
        self.step(&line);
        Ok(line)
    }

    /// Reads the next line and moves on.
    ///
    /// # Errors
    /// When the line is no record, is of a newer version, or does not follow the one before.
    pub fn read(&mut self, line: &str) -> Result<Record, ChainError> {
        let seq = self.next;
        // The version first: a newer journal may have events that we cannot read at all.
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        let unreadable = |source| ChainError::Unreadable { seq, source };
        let Version { v } = serde_json::from_str(line).map_err(unreadable)?;
        if v > JOURNAL_VERSION {
            return Err(ChainError::Version { seq, found: v });
        }
        let record: Record = serde_json::from_str(line).map_err(unreadable)?;
        if record.seq != seq || record.prev != self.digest {
            return Err(ChainError::Broken { seq });
        }
        self.step(line);
        Ok(record)
    }

    fn step(&mut self, line: &str) {
        self.next += 1;
        self.digest = Digest::of(line.as_bytes());
    }
}

/// The JSON schema of the journal's lines, which `--output jsonl` prints as they are written.
pub fn schema() -> serde_json::Value {
    serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "patchctl event",
        "description": "One record of a run. `event` names its kind; the other fields belong to that kind.",
        "type": "object",
        "required": ["v", "seq", "prev", "at", "event"],
        "properties": {
            "v": { "const": JOURNAL_VERSION, "description": "the version of this form" },
            "seq": { "type": "integer", "minimum": 0, "description": "from 0, without gaps" },
            "prev": { "type": "string", "pattern": "^sha256:[0-9a-f]{64}$", "description": "the hash of the line before" },
            "at": { "type": "string", "format": "date-time" },
            "event": { "enum": Event::KINDS },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::StageIx;

    #[test]
    fn any_altered_dropped_or_swapped_line_is_found() {
        let at = Timestamp::UNIX_EPOCH;
        let mut head = Head::EMPTY;
        let lines: Vec<String> =
            (0..4).map(|n| head.write(at, &Event::StageOpened { stage: StageIx(n) }).expect("plain data")).collect();
        let read = |lines: &[String]| {
            let mut head = Head::EMPTY;
            lines.iter().map(|line| head.read(line)).collect::<Result<Vec<_>, _>>()
        };
        assert_eq!(read(&lines).expect("whole").len(), 4);
        let mut altered = lines.clone();
        altered[1] = altered[1].replace("\"stage\":1", "\"stage\":7");
        assert!(read(&altered).is_err());
        let mut dropped = lines.clone();
        dropped.remove(1);
        assert!(read(&dropped).is_err());
        let mut swapped = lines;
        swapped.swap(1, 2);
        assert!(read(&swapped).is_err());
    }
}
