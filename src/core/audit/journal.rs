//! A journal's bytes against its own chain, and against what vouches for it.

use super::super::ids::{Digest, RunId};
use super::super::record::{Head, Record};
use super::{Finding, FindingKind, Reach};

/// A journal, as far as it is one.
#[derive(Debug, Default)]
pub struct Journal {
    /// Its records, up to the first that is none.
    pub records: Vec<Record>,
    /// The hash of each of its lines, all of them.
    pub hashes: Vec<Digest>,
    /// Bytes behind the last whole line.
    pub torn: u64,
}

impl Journal {
    /// Reads a journal; what is wrong with its chain is added to the findings.
    pub fn read(run: &RunId, bytes: &[u8], findings: &mut Vec<Finding>) -> Self {
        let mut journal = Self::default();
        let (mut head, mut broken) = (Head::EMPTY, false);
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let Some(line) = line.strip_suffix(b"\n") else {
                journal.torn = line.len() as u64;
                break;
            };
            journal.hashes.push(Digest::of(line));
            if broken {
                continue;
            }
            match head.read(line) {
                Ok(record) => journal.records.push(record),
                Err(error) => {
                    broken = true;
                    let message = format!("{error}; what follows it is not looked at");
                    findings.push(Finding::of_run(run, Some(head.next), FindingKind::Record, message));
                }
            }
        }
        journal
    }

    /// How many whole lines it has.
    pub fn lines(&self) -> u64 {
        self.hashes.len() as u64
    }

    /// Where its chain ends.
    pub fn head(&self) -> Head {
        Head { next: self.lines(), digest: self.hashes.last().copied().unwrap_or(Digest::ZERO) }
    }

    /// Whether the journal is the one that had so many records with this head, and says what is wrong if not.
    fn had(&self, records: u64, head: Digest) -> Result<(), (FindingKind, String)> {
        let lines = self.lines();
        if records > lines {
            let message = format!("it had {records} records, and has {lines}: its end is missing");
            return Err((FindingKind::Truncated, message));
        }
        let at = usize::try_from(records).unwrap_or(usize::MAX).checked_sub(1);
        let found = at.map_or(Digest::ZERO, |at| self.hashes.get(at).copied().unwrap_or(Digest::ZERO));
        if found != head {
            let message = format!("its first {records} records are not those that were there: it was written anew");
            return Err((FindingKind::Rewritten, message));
        }
        Ok(())
    }

    /// Holds the journal against what vouches for it: how far that reaches. Each item is where it is said, how many
    /// records there were, and their head. Only the first that does not fit is told: the others say the same.
    pub fn against<'a>(
        &self,
        run: &RunId,
        witnesses: impl IntoIterator<Item = (String, u64, &'a Digest)>,
        findings: &mut Vec<Finding>,
    ) -> Reach {
        let (mut reach, mut told) = (Reach::default(), false);
        for (place, records, head) in witnesses {
            match self.had(records, *head) {
                Ok(()) => {
                    reach.lines += 1;
                    reach.records = reach.records.max(Some(records));
                }
                Err((kind, message)) if !told => {
                    told = true;
                    let record = Some(records.min(self.lines()).saturating_sub(1));
                    findings.push(Finding::of_run(run, record, kind, format!("{place}: {message}")));
                }
                Err(_) => {}
            }
        }
        reach
    }
}
