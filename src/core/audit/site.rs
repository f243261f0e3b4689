//! The site's chain against itself, and against the runs that are there.

use std::collections::{BTreeMap, BTreeSet};

use super::super::ids::{Digest, RunId};
use super::super::record::Head;
use super::super::site::{Line, Seal};
use super::{Finding, FindingKind, SiteAudit};

/// The site's chain, as far as it is one.
#[derive(Debug, Default)]
pub struct Chain {
    /// What it says of each run: in which line, and what.
    pub seals: BTreeMap<RunId, Vec<(u64, Seal)>>,
    /// The hash of each of its lines.
    hashes: Vec<Digest>,
    /// What is wrong with it.
    pub audit: SiteAudit,
}

impl Chain {
    /// Reads the chain; none: there is none.
    pub fn read(text: Option<&[u8]>) -> Self {
        let Some(text) = text else { return Self::default() };
        let mut chain = Self { audit: SiteAudit { exists: true, ..SiteAudit::default() }, ..Self::default() };
        let mut head = Head::EMPTY;
        for (at, line) in (0..).zip(text.split_inclusive(|byte| *byte == b'\n')) {
            let Some(line) = line.strip_suffix(b"\n") else {
                chain.audit.torn = line.len() as u64;
                break;
            };
            chain.hashes.push(Digest::of(line));
            chain.audit.lines += 1;
            match Line::read(&mut head, line) {
                Ok(line) => chain.seals.entry(line.seal.run.clone()).or_default().push((at, line.seal)),
                Err(error) => {
                    let cause =
                        std::error::Error::source(&error).map(|cause| format!(" ({cause})")).unwrap_or_default();
                    chain.audit.findings.push(Finding::of_chain(Some(at), format!("line {at}: {error}{cause}")));
                }
            }
        }
        chain
    }

    /// What it says of a run.
    pub fn of(&self, run: &RunId) -> &[(u64, Seal)] {
        self.seals.get(run).map_or(&[], Vec::as_slice)
    }

    /// Runs that it names and that are not there.
    pub fn missing(&mut self, there: &BTreeSet<RunId>) {
        for (run, seals) in &self.seals {
            let Some((line, last)) = seals.last().filter(|_| !there.contains(run)) else { continue };
            let message = format!(
                "the run's folder is gone: it had {} records when it was {} (line {line} of the site's chain)",
                last.records,
                last.moment.as_str()
            );
            self.audit.findings.push(Finding::of_run(run, None, FindingKind::MissingRun, message));
        }
    }

    /// Whether the chain is still the one that it was when a run began, and names that run.
    pub fn began(&self, run: &RunId, site: Option<Head>, records: u64) -> Option<Finding> {
        let then = site?;
        let found = |kind, message: String| Some(Finding::of_run(run, Some(0), kind, message));
        if !self.audit.exists {
            return found(FindingKind::Chain, "the site's chain is gone: the run began with one".to_owned());
        }
        let lines = self.hashes.len() as u64;
        if then.next > lines {
            let message = format!("the site's chain had {} lines when the run began, and has {lines}", then.next);
            return found(FindingKind::Chain, message);
        }
        let last = usize::try_from(then.next).unwrap_or(usize::MAX).checked_sub(1);
        let digest = last.map_or(Digest::ZERO, |at| self.hashes.get(at).copied().unwrap_or(Digest::ZERO));
        if digest != then.digest {
            let message =
                format!("the first {} lines of the site's chain are not those of when the run began", then.next);
            return found(FindingKind::Chain, message);
        }
        // A process that died at once has not come to it.
        if self.of(run).is_empty() && records > 1 {
            return found(
                FindingKind::Chain,
                "the site's chain does not name the run: its lines were taken out".to_owned(),
            );
        }
        None
    }
}
