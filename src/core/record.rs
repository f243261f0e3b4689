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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
        self.step(line.as_bytes());
        Ok(line)
    }

    /// Reads the next line and moves on.
    ///
    /// # Errors
    /// When the line is no record, is of a newer version, or does not follow the one before.
    pub fn read(&mut self, line: impl AsRef<[u8]>) -> Result<Record, ChainError> {
        // Bytes: what is not UTF-8 is altered, and must not be repaired before it is compared.
        let line = line.as_ref();
        let seq = self.next;
        // The version first: a newer journal may have events that we cannot read at all.
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        let unreadable = |source| ChainError::Unreadable { seq, source };
        let Version { v } = serde_json::from_slice(line).map_err(unreadable)?;
        if v > JOURNAL_VERSION {
            return Err(ChainError::Version { seq, found: v });
        }
        let record: Record = serde_json::from_slice(line).map_err(unreadable)?;
        if record.seq != seq || record.prev != self.digest {
            return Err(ChainError::Broken { seq });
        }
        self.step(line);
        Ok(record)
    }

    fn step(&mut self, line: &[u8]) {
        self.next += 1;
        self.digest = Digest::of(line);
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
    use proptest::prelude::*;

    use super::*;
    use crate::core::approval::Decision;
    use crate::core::document::{How, Verdict};
    use crate::core::event::{GateKind, PauseCause, Step};
    use crate::core::findings::{Fate, StepReport, StepResult};
    use crate::core::ids::{HostIx, JobId, StageIx};
    use crate::core::packages::{Arch, Package, PackageName, Version};
    use crate::core::problem::{ErrorKind, Problem};
    use crate::core::settings::Person;

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

    #[test]
    fn a_byte_that_reads_as_the_same_character_is_another_byte() {
        let mut head = Head::EMPTY;
        // What was no UTF-8 in a host's log is this character in the journal.
        let event = Event::Draining { signal: "\u{fffd}".into() };
        let lines: Vec<Vec<u8>> =
            (0..2).map(|_| head.write(Timestamp::UNIX_EPOCH, &event).unwrap().into_bytes()).collect();
        assert!(read(&lines).1.is_ok());
        let at = lines[0].windows(3).position(|part| part == "\u{fffd}".as_bytes()).unwrap();
        let mut altered = lines;
        altered[0].splice(at..at + 3, [0xff]);
        assert!(read(&altered).1.is_err());
    }

    fn event() -> impl Strategy<Value = Event> {
        let stage = || any::<u16>().prop_map(StageIx);
        let host = || any::<u32>().prop_map(HostIx);
        let person = || (".*", ".*").prop_map(|(name, source)| Person { name, source });
        let digest = || any::<[u8; 4]>().prop_map(|bytes| Digest::of(&bytes));
        let gate = || prop::sample::select(vec![GateKind::Before, GateKind::After]);
        let problem =
            || (prop::sample::select(ErrorKind::ALL.to_vec()), ".*").prop_map(|(kind, text)| Problem::new(kind, text));
        let decision = (prop::sample::select(vec![Verdict::Approved, Verdict::Rejected]), person(), ".*")
            .prop_map(|(verdict, by, reason)| Decision::new(verdict, by, reason, How::Prompt));
        let packages = ("[a-z][a-z0-9+.-]{1,8}", "[0-9]:[0-9a-z.+~]{1,8}").prop_map(|(name, version)| Package {
            name: PackageName::new(name.replace("..", "x")).unwrap(),
            arch: Arch::new("amd64").unwrap(),
            version: Some(Version::new(version).unwrap()),
        });
        let result = prop_oneof![
            prop::collection::vec(".*", 0..3)
                .prop_map(|tail| StepReport { tail, ..StepReport::default() })
                .prop_map(|report| StepResult::Done(Box::new(report))),
            problem().prop_map(|problem| StepResult::Failed { problem, fate: Fate::Lost, report: Box::default() }),
        ];
        prop_oneof![
            digest().prop_map(|settings| Event::RunStarted {
                settings,
                frozen: [("plan.toml".to_owned(), settings)].into(),
                site: Some(Head { next: 3, digest: settings }),
            }),
            (person(), ".*").prop_map(|(by, version)| Event::Driven { by, version }),
            (digest(), prop::collection::vec(packages, 0..3))
                .prop_map(|(digest, packages)| Event::Installed { digest, packages }),
            (stage(), gate(), digest()).prop_map(|(stage, gate, digest)| Event::GateOpened { stage, gate, digest }),
            (stage(), gate(), digest(), decision).prop_map(|(stage, gate, digest, decision)| Event::Decided {
                stage,
                gate,
                digest,
                decision
            }),
            (stage(), any::<u32>(), prop::collection::vec(host(), 0..4))
                .prop_map(|(stage, wave, hosts)| Event::WaveStarted { stage, wave, hosts }),
            (host(), prop::option::of("[a-z]{1,8}"))
                .prop_map(|(host, job)| (host, job.map(|id| JobId::new(id).unwrap())))
                .prop_map(|(host, job)| Event::StepStarted { host, step: Step::Apply, job }),
            (host(), result).prop_map(|(host, result)| Event::StepEnded { host, step: Step::Apply, result }),
            ".*".prop_map(|signal| Event::Paused { why: PauseCause::Signal(signal) }),
            any::<u64>().prop_map(|bytes| Event::TailCut { bytes }),
            problem().prop_map(|problem| Event::Noted { problem }),
            Just(Event::Finished),
        ]
    }

    /// The events of a journal, their times, and its bytes.
    fn journal() -> impl Strategy<Value = (Vec<(Timestamp, Event)>, Vec<Vec<u8>>)> {
        let at = (-62_135_596_800..253_402_207_200_i64, 0..1_000_000_000)
            .prop_map(|(seconds, nanos)| Timestamp::new(seconds, nanos).unwrap_or(Timestamp::UNIX_EPOCH));
        prop::collection::vec((at, event()), 1..6).prop_map(|events| {
            let mut head = Head::EMPTY;
            let lines = events.iter().map(|(at, event)| head.write(*at, event).unwrap().into_bytes()).collect();
            (events, lines)
        })
    }

    /// What lines come to: the records up to the first that is none, and how it ended.
    fn read(lines: &[impl AsRef<[u8]>]) -> (Vec<Record>, Result<Head, ChainError>) {
        let (mut head, mut records) = (Head::EMPTY, Vec::new());
        for line in lines {
            match head.read(line) {
                Ok(record) => records.push(record),
                Err(error) => return (records, Err(error)),
            }
        }
        (records, Ok(head))
    }

    /// The head of a journal that is not as it was: none, or another one. A pause or an end writes the right one down.
    fn is_found(altered: &[Vec<u8>], whole: &[Vec<u8>]) -> bool {
        let right = read(whole).1.unwrap();
        read(altered).1.map_or(true, |head| head != right)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn what_is_written_is_read((events, lines) in journal()) {
            let (records, head) = read(&lines);
            prop_assert_eq!(head.unwrap().next, events.len() as u64);
            for (record, (at, event)) in records.iter().zip(&events) {
                prop_assert_eq!((&record.event, record.at), (event, *at));
            }
            prop_assert!(lines.iter().all(|line| !line.contains(&b'\n')), "an event is one line");
        }

        #[test]
        fn an_altered_byte_is_found(
            (_, lines) in journal(), line: prop::sample::Index, byte: prop::sample::Index, mask in 1..=255_u8
        ) {
            let mut altered = lines.clone();
            let line = line.get_mut(&mut altered);
            *byte.get_mut(line) ^= mask;
            prop_assert!(is_found(&altered, &lines));
        }

        #[test]
        fn a_line_that_is_missing_doubled_or_elsewhere_is_found(
            (_, lines) in journal(), from: prop::sample::Index, to: prop::sample::Index
        ) {
            let (from, to) = (from.index(lines.len()), to.index(lines.len()));
            let mut altered = lines.clone();
            let line = altered.remove(from);
            prop_assert!(is_found(&altered, &lines));
            altered.insert(to, line.clone());
            prop_assert_eq!(is_found(&altered, &lines), from != to);
            altered.insert(to, line);
            prop_assert!(is_found(&altered, &lines));
        }

        #[test]
        fn any_torn_tail_is_a_shorter_journal((_, lines) in journal(), cut: prop::sample::Index) {
            let bytes = lines.join(&b'\n');
            let torn = &bytes[..cut.index(bytes.len())];
            let whole: Vec<&[u8]> = torn.split(|byte| *byte == b'\n').collect();
            let (records, head) = read(&whole[..whole.len() - 1]);
            prop_assert!(head.is_ok());
            prop_assert_eq!(&records[..], &read(&lines).0[..records.len()]);
        }
    }
}
