//! What is wrong with records: the chain of the site and the heads that were kept outside, held against the journals.

use std::collections::BTreeMap;

use serde::Serialize;

use super::chain::{Anchor, SiteRecord};
use super::ids::{Digest, RunId};
use super::record::Head;

/// What kind of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// Something says what it did not say when it was written.
    Altered,
    /// Something was there and is not.
    Missing,
    /// A decision stands that does not count.
    Decision,
    /// Records that no seal, or no head outside, covers: a process died, or somebody appended.
    Unsealed,
}

impl Wrong {
    /// Whether it is told for the reader's judgement only. A process that was killed could not seal what it wrote.
    pub fn is_note(self) -> bool {
        self == Self::Unsealed
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub kind: Wrong,
    /// In which run; none: in the site's chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// At which record, or line of the chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<u64>,
    /// For people.
    pub message: String,
}

impl Finding {
    /// In a run.
    pub fn of_run(kind: Wrong, run: &RunId, record: Option<u64>, message: impl Into<String>) -> Self {
        Self { kind, run_id: Some(run.clone()), record, message: message.into() }
    }

    fn of_site(kind: Wrong, record: Option<u64>, message: impl Into<String>) -> Self {
        Self { kind, run_id: None, record, message: message.into() }
    }
}

/// How far a run's records are covered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Cover {
    /// So many of its records are sealed in the site's chain.
    pub sealed: u64,
    /// So many are bound by a head that was kept outside.
    pub anchored: u64,
}

/// The runs that are there, each with the hash of every record (as far as its chain is whole).
pub type Heads = BTreeMap<RunId, Vec<Digest>>;

/// The site's chain held against the journals; how far it covers each run, and how many lines it has.
///
/// `all`: whether `heads` has every run that is there, so that others are missing.
pub fn chain(text: Option<&[u8]>, heads: &Heads, all: bool, findings: &mut Vec<Finding>) -> (Covers, Vec<Digest>) {
    let (mut covers, mut site) = (Covers::new(), Head::EMPTY);
    let mut lines = Vec::new();
    for line in text.unwrap_or_default().split_inclusive(|byte| *byte == b'\n') {
        // What was being written when the machine stopped is nothing yet.
        let Some(line) = line.strip_suffix(b"\n") else { break };
        let record = match SiteRecord::read(&mut site, line) {
            Ok(record) => record,
            Err(error) => {
                let message = format!("line {} of the site's chain: {error}", lines.len() + 1);
                findings.push(Finding::of_site(Wrong::Altered, Some(lines.len() as u64), message));
                break;
            }
        };
        lines.push(site.digest);
        let (run, seal) = (&record.seal.run, &record.seal);
        let Some(journal) = heads.get(run) else {
            if all && !covers.contains_key(run) {
                let message = format!("it is not there; the site's chain has it since {}", record.at);
                findings.push(Finding::of_run(Wrong::Missing, run, None, message));
                covers.insert(run.clone(), Cover::default());
            }
            continue;
        };
        let held = held(run, journal, seal.records, seal.head, "the site's chain", findings);
        let cover = covers.entry(run.clone()).or_default();
        cover.sealed = cover.sealed.max(if held { seal.records } else { 0 });
    }
    for (run, journal) in heads {
        let sealed = covers.entry(run.clone()).or_default().sealed;
        let behind = journal.len() as u64 - sealed.min(journal.len() as u64);
        if behind > 0 && !findings.iter().any(|finding| finding.run_id.as_ref() == Some(run)) {
            let last = sealed.checked_sub(1).map_or("any record".to_owned(), |last| format!("record {last}"));
            let message = format!("unsealed after {last}: {behind} records are in no seal of the site's chain");
            findings.push(Finding::of_run(Wrong::Unsealed, run, Some(sealed), message));
        }
    }
    (covers, lines)
}

/// How far each run is covered.
pub type Covers = BTreeMap<RunId, Cover>;

/// Heads that were kept outside, held against the journals and the site's chain.
pub fn anchors(
    anchors: &[Anchor],
    heads: &Heads,
    site: &[Digest],
    all: bool,
    covers: &mut Covers,
    findings: &mut Vec<Finding>,
) {
    for anchor in anchors {
        if let Some((lines, head)) = anchor.site
            && at(site, lines) != Some(head)
        {
            let message = format!("a head kept outside says that it had {lines} lines and the last was {head}");
            let finding = Finding::of_site(Wrong::Altered, Some(lines), format!("the site's chain: {message}"));
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
        let Some(journal) = heads.get(&anchor.run) else {
            let known = findings.iter().any(|finding| finding.run_id.as_ref() == Some(&anchor.run));
            if all && !known {
                let message = "it is not there; a head of it was kept outside";
                findings.push(Finding::of_run(Wrong::Missing, &anchor.run, None, message));
            }
            continue;
        };
        if held(&anchor.run, journal, anchor.records, anchor.head, "a head kept outside", findings) {
            let cover = covers.entry(anchor.run.clone()).or_default();
            cover.anchored = cover.anchored.max(anchor.records);
        }
    }
}

fn at(heads: &[Digest], records: u64) -> Option<Digest> {
    heads.get(usize::try_from(records.checked_sub(1)?).ok()?).copied()
}

/// Whether the journal had this head after so many records.
fn held(run: &RunId, journal: &[Digest], records: u64, head: Digest, says: &str, findings: &mut Vec<Finding>) -> bool {
    let (kind, message) = match at(journal, records) {
        Some(found) if found == head => return true,
        Some(_) => (Wrong::Altered, format!("{says} has another head after {records} records: they were altered")),
        None => {
            let message = format!("{says} knows {records} records, and {} are there whole", journal.len());
            (Wrong::Missing, message)
        }
    };
    let record = records.min(journal.len() as u64).checked_sub(1);
    let same = |finding: &Finding| finding.run_id.as_ref() == Some(run) && finding.kind == kind;
    // One word for each kind of thing: every later seal says the same.
    if !findings.iter().any(same) {
        findings.push(Finding::of_run(kind, run, record, message));
    }
    false
}
