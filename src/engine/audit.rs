//! A run's records, proved: its chain, what follows from what, what was frozen, its logs, and each decision.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::signed::checked;
use crate::core::approval::Decision;
use crate::core::audit::{Finding, Wrong};
use crate::core::document::Verdict;
use crate::core::event::{Event, Input};
use crate::core::findings::StepResult;
use crate::core::ids::{Digest, StageIx};
use crate::core::record::{Head, Record};
use crate::core::rollout::Rollout;
use crate::core::settings::Settings;
use crate::ports::signatures::Signatures;
use crate::ports::state::Raw;

/// What a run's records come to.
pub struct Proved {
    /// The hash of each record, as far as the chain is whole.
    pub heads: Vec<Digest>,
    /// How the run stood after its last good record.
    pub rollout: Rollout,
    /// How many decisions bear a signature that counts.
    pub signatures: u32,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Proves a run's records.
pub fn run(settings: &Arc<Settings>, raw: &Raw, signatures: &dyn Signatures) -> Proved {
    let mut proof = Proof {
        proved: Proved {
            heads: Vec::new(),
            rollout: Rollout::new(Arc::clone(settings)),
            signatures: 0,
            findings: Vec::new(),
        },
        raw,
        signatures,
        logs: BTreeSet::new(),
    };
    proof.journal();
    proof.blobs();
    proof.proved
}

struct Proof<'a> {
    proved: Proved,
    raw: &'a Raw,
    signatures: &'a dyn Signatures,
    logs: BTreeSet<Digest>,
}

impl Proof<'_> {
    fn found(&mut self, kind: Wrong, record: Option<u64>, message: impl Into<String>) {
        let finding = Finding::of_run(kind, &self.proved.rollout.settings().run, record, message);
        self.proved.findings.push(finding);
    }

    fn journal(&mut self) {
        let mut head = Head::EMPTY;
        for line in self.raw.journal.split_inclusive(|byte| *byte == b'\n') {
            let Some(line) = line.strip_suffix(b"\n") else {
                self.found(Wrong::Unsealed, Some(head.next), "it ends in an incomplete record: a write was cut off");
                return;
            };
            let record = match head.read(line) {
                Ok(record) => record,
                Err(error) => {
                    self.found(Wrong::Altered, Some(head.next), error.to_string());
                    return;
                }
            };
            self.judge(&record);
            if let Err(error) = self.proved.rollout.apply(&record.event, record.at) {
                self.found(Wrong::Altered, Some(record.seq), error.to_string());
                return;
            }
            self.proved.heads.push(head.digest);
        }
        if self.proved.heads.is_empty() {
            self.found(Wrong::Missing, None, "its journal is empty");
        }
    }

    fn judge(&mut self, record: &Record) {
        match &record.event {
            Event::RunStarted { files, .. } => {
                for (name, digest) in files {
                    match self.raw.files.get(name) {
                        Some(found) if found == digest => {}
                        Some(_) => self.found(
                            Wrong::Altered,
                            Some(record.seq),
                            format!("{name} is not what was frozen when the run began"),
                        ),
                        None => self.found(Wrong::Missing, Some(record.seq), format!("{name} is not there")),
                    }
                }
            }
            Event::Decided { stage, digest, decision, .. } if decision.verdict != Verdict::Expired => {
                self.decision(record, *stage, *digest, decision);
            }
            Event::StepEnded { result: StepResult::Done(report) | StepResult::Failed { report, .. }, .. } => {
                self.logs.extend(report.log);
            }
            _ => {}
        }
    }

    /// Whether the decision counted when it was recorded: its signature, and the right of whoever decided.
    fn decision(&mut self, record: &Record, stage: StageIx, digest: Digest, decision: &Decision) {
        let rollout = &self.proved.rollout;
        match checked(self.signatures, rollout, decision.clone(), record.at) {
            Ok((_, found)) if found != *decision => {
                self.found(Wrong::Decision, Some(record.seq), "the decision is not the one that was signed");
            }
            Ok(_) => self.proved.signatures += u32::from(decision.signed.is_some()),
            Err(error) => {
                self.found(Wrong::Decision, Some(record.seq), format!("its signature does not count: {error}"));
            }
        }
        let input = Input::Decide { stage: Some(stage), digest: Some(digest.to_string()), decision: decision.clone() };
        if let Err(refusal) = self.proved.rollout.decide(input, record.at) {
            let by = &decision.by.name;
            self.found(Wrong::Decision, Some(record.seq), format!("the decision of {by} does not count: {refusal}"));
        }
    }

    fn blobs(&mut self) {
        for (name, whole) in &self.raw.blobs {
            if !whole {
                self.found(Wrong::Altered, None, format!("blobs/{name} is not what its name says"));
            }
        }
        for log in std::mem::take(&mut self.logs) {
            if !self.raw.blobs.contains_key(&log.hex()) {
                self.found(Wrong::Missing, None, format!("blobs/{} is not there: the log of a step", log.hex()));
            }
        }
    }
}
