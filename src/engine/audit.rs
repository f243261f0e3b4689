//! The records of runs, held against everything that vouches for them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::core::approval::{Decision, Signed};
use crate::core::audit::anchors::Anchor;
use crate::core::audit::journal::Journal;
use crate::core::audit::site::Chain;
use crate::core::audit::{Audit, Finding, FindingKind, Reach, RunAudit};
use crate::core::document::{How, Verdict};
use crate::core::event::{Event, GateKind};
use crate::core::findings::StepResult;
use crate::core::ids::{Digest, RunId, StageIx};
use crate::core::preapproval::Preapproval;
use crate::core::record::{Head, Record};
use crate::core::rollout::Rollout;
use crate::core::settings::Settings;
use crate::ports::signatures::Signatures;
use crate::ports::state::{Runs, StateError};

/// Which records are looked at, and against what.
pub struct Wanted<'a> {
    /// These runs alone, or all of them.
    pub runs: Option<&'a BTreeSet<RunId>>,
    /// What was left outside; none: nothing outside is compared.
    pub anchors: Option<&'a [Anchor]>,
    /// Reads the text of a pre-approval.
    pub scope: &'a dyn Fn(&str) -> Result<Preapproval, String>,
}

/// Looks at the records.
///
/// # Errors
/// When the state folder itself cannot be read. What is wrong in it is a finding.
pub fn audit(runs: &dyn Runs, signatures: &dyn Signatures, wanted: &Wanted<'_>) -> Result<Audit, StateError> {
    let mut chain = Chain::read(runs.site()?.as_deref());
    let all = runs.list()?;
    let mut there: BTreeSet<RunId> = all.iter().cloned().collect();
    // Anything else that is missing is not asked about.
    let asked = |run: &RunId| wanted.runs.is_none_or(|runs| runs.contains(run));
    there.extend(chain.seals.keys().filter(|run| !asked(run)).cloned());
    chain.missing(&there);
    for anchor in wanted.anchors.unwrap_or_default() {
        if asked(&anchor.run) && !there.contains(&anchor.run) && chain.of(&anchor.run).is_empty() {
            let message = format!(
                "the run is gone, and so is what the site's chain said of it: it had {} records (line {} of the anchors)",
                anchor.records, anchor.line
            );
            there.insert(anchor.run.clone());
            chain.audit.findings.push(Finding::of_run(&anchor.run, None, FindingKind::MissingRun, message));
        }
    }
    let audits = all.iter().filter(|run| asked(run)).map(|run| {
        Look { runs, signatures, chain: &chain, run, scope: wanted.scope, findings: Vec::new() }.whole(wanted.anchors)
    });
    let audits = audits.collect();
    Ok(Audit::new(audits, chain.audit, wanted.anchors.map(|anchors| anchors.len() as u64)))
}

/// A look at one run.
struct Look<'a> {
    runs: &'a dyn Runs,
    signatures: &'a dyn Signatures,
    chain: &'a Chain,
    run: &'a RunId,
    scope: &'a dyn Fn(&str) -> Result<Preapproval, String>,
    findings: Vec<Finding>,
}

/// What a run's first record says of its beginning.
#[derive(Default)]
struct Began {
    frozen: BTreeMap<String, Digest>,
    site: Option<Head>,
}

impl Look<'_> {
    fn found(&mut self, record: Option<u64>, kind: FindingKind, message: impl Into<String>) {
        self.findings.push(Finding::of_run(self.run, record, kind, message));
    }

    /// What can be read, or nothing, and then that is found.
    fn readable<T>(&mut self, kind: FindingKind, result: Result<T, StateError>) -> Option<T> {
        result
            .map_err(|error| {
                let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
                self.found(None, kind, format!("{error}{cause}"));
            })
            .ok()
    }

    fn whole(mut self, anchors: Option<&[Anchor]>) -> RunAudit {
        // Whether it is driven is looked at first: what is appended meanwhile is no cut.
        let driven = self.runs.load(self.run).is_ok_and(|loaded| loaded.driven);
        let journal = self.runs.journal(self.run);
        let bytes = self.readable(FindingKind::Unreadable, journal).unwrap_or_default();
        let mut findings = std::mem::take(&mut self.findings);
        let journal = Journal::read(self.run, &bytes, &mut findings);
        let seals = self.chain.of(self.run).iter();
        let seals = seals.map(|(line, seal)| (format!("line {line} of the site's chain"), seal.records, &seal.head));
        let sealed = journal.against(self.run, seals, &mut findings);
        let anchored = anchors.map(|anchors| {
            let ours = anchors.iter().filter(|anchor| anchor.run == *self.run);
            let ours =
                ours.map(|anchor| (format!("line {} of the anchors", anchor.line), anchor.records, &anchor.head));
            journal.against(self.run, ours, &mut findings)
        });
        self.findings = findings;
        let began = self.began(&journal);
        let settings = self.frozen(&journal, &began);
        let (signed, blobs) = match &settings {
            Some(settings) => (self.told(&journal, settings), self.blobs(&journal)),
            None => (0, 0),
        };
        self.result(
            &journal,
            settings.as_deref(),
            Sums { driven, signed, blobs, sealed, anchored, older: began.site.is_none() },
        )
    }

    fn result(self, journal: &Journal, settings: Option<&Settings>, sums: Sums) -> RunAudit {
        let Head { next, digest } = journal.head();
        let Sums { driven, signed, blobs, sealed, anchored, older } = sums;
        RunAudit {
            run_id: self.run.clone(),
            change_id: settings.map(|settings| settings.change.clone()),
            plan: settings.map(|settings| settings.plan.clone()),
            ok: self.findings.is_empty(),
            records: next,
            head: digest,
            torn: journal.torn,
            driven,
            signed,
            blobs,
            older,
            sealed,
            anchored,
            findings: self.findings,
        }
    }

    /// What the first record says, and whether the site's chain says so, too.
    fn began(&mut self, journal: &Journal) -> Began {
        let began = match journal.records.first().map(|record| &record.event) {
            Some(Event::RunStarted { frozen, site, .. }) => Began { frozen: frozen.clone(), site: *site },
            Some(_) => {
                self.found(Some(0), FindingKind::Record, "the journal does not begin with the run's beginning");
                Began::default()
            }
            None => {
                if journal.lines() == 0 && !self.chain.of(self.run).is_empty() {
                    self.found(None, FindingKind::Truncated, "the journal is empty");
                }
                Began::default()
            }
        };
        let finding = self.chain.began(self.run, began.site, journal.lines());
        self.findings.extend(finding);
        began
    }

    /// Whether the frozen files are what they were; the settings, where they can be read.
    fn frozen(&mut self, journal: &Journal, began: &Began) -> Option<Arc<Settings>> {
        let files = self.runs.frozen_files(self.run);
        let files = self.readable(FindingKind::Frozen, files)?;
        for (name, digest) in &began.frozen {
            match files.get(name) {
                Some(bytes) if Digest::of(bytes) == *digest => {}
                Some(_) => self.found(Some(0), FindingKind::Frozen, format!("{name} was altered since the run began")),
                None => self.found(Some(0), FindingKind::Frozen, format!("{name} is gone")),
            }
        }
        let frozen = self.runs.frozen(self.run);
        let settings = self.readable(FindingKind::Frozen, frozen)?.settings;
        if settings.run != *self.run {
            let message = format!("its settings are those of run {}: the folders were exchanged", settings.run);
            self.found(None, FindingKind::Frozen, message);
        }
        if let Some(Event::RunStarted { settings: digest, .. }) = journal.records.first().map(|record| &record.event)
            && Digest::of_json(&*settings).ok() != Some(*digest)
        {
            self.found(Some(0), FindingKind::Frozen, "settings.json does not say what it said when the run began");
        }
        // A rollback has no plan of its own.
        let has_plan = began.frozen.is_empty() && settings.kind.patches();
        if has_plan && files.get("plan.toml").is_some_and(|plan| Digest::of(plan) != settings.plan_digest) {
            self.found(Some(0), FindingKind::Frozen, "plan.toml was altered since the run began");
        }
        Some(settings)
    }

    /// Follows what the journal tells: can it have happened, and did each decision count? The number of signed ones.
    fn told(&mut self, journal: &Journal, settings: &Arc<Settings>) -> u64 {
        let mut rollout = Rollout::new(Arc::clone(settings));
        let mut signed = 0;
        for record in &journal.records {
            match &record.event {
                Event::GateOpened { stage, gate, digest } => self.gate(&rollout, record, *stage, *gate, *digest),
                Event::Decided { stage, digest, decision, .. } => {
                    signed += u64::from(decision.signed.is_some());
                    self.decision(&rollout, record, *stage, *digest, decision);
                }
                _ => {}
            }
            if let Err(error) = rollout.apply(&record.event, record.at) {
                self.found(
                    Some(record.seq),
                    FindingKind::Record,
                    format!("it tells what cannot have happened: {error}"),
                );
                break;
            }
        }
        signed
    }

    /// A gate's digest is that of what the journal before it tells.
    fn gate(&mut self, rollout: &Rollout, record: &Record, stage: StageIx, gate: GateKind, digest: Digest) {
        let stages = &rollout.settings().stages;
        if stages.get(stage.at()).is_some() && rollout.statement(stage, gate, record.prev).digest() != digest {
            let message = format!("the gate of stage {} has another digest than its evidence", stages[stage.at()].name);
            self.found(Some(record.seq), FindingKind::Decision, message);
        }
    }

    fn decision(&mut self, rollout: &Rollout, record: &Record, stage: StageIx, digest: Digest, decision: &Decision) {
        let seq = Some(record.seq);
        let Some(gate) = rollout.stages().get(stage.at()).and_then(|stage| stage.open_gate()) else {
            return self.found(seq, FindingKind::Decision, "it decides a gate that is not open");
        };
        if gate.digest != digest {
            return self.found(seq, FindingKind::Decision, "it decides on another digest than the gate's");
        }
        if let Some(signed) = decision.signed.as_deref().filter(|signed| signed.preapproval.is_some()) {
            if let Err(why) = self.beforehand(rollout, record, decision, signed) {
                return self.found(seq, FindingKind::Signature, why);
            }
        } else if decision.signed.is_some() {
            match super::checked(self.signatures, rollout, decision.clone(), record.at) {
                Err(why) => return self.found(seq, FindingKind::Signature, format!("{why}")),
                Ok((signed_for, checked)) if signed_for != Some(stage) || checked != *decision => {
                    let message = "the decision is not what was signed: who, what, why or where differs";
                    return self.found(seq, FindingKind::Signature, message);
                }
                Ok(_) => {}
            }
        }
        if decision.how == How::Policy && decision.verdict == Verdict::Approved {
            if gate.auto.as_deref() != Some(decision) {
                self.found(seq, FindingKind::Decision, "no rule of the policy approves it");
            }
            return;
        }
        // What the gate's own time decides is nobody's.
        if decision.verdict != Verdict::Expired
            && let Some(objection) = rollout.objection(stage, gate, decision, record.at)
        {
            self.found(seq, FindingKind::Decision, format!("it should not have counted: {objection}"));
        }
    }

    /// Whether the text that was signed permits what the record says that it permits.
    fn beforehand(
        &self,
        rollout: &Rollout,
        record: &Record,
        decision: &Decision,
        signed: &Signed,
    ) -> Result<(), String> {
        let scope = (self.scope)(&signed.statement)?;
        let text = (signed.statement.as_str(), signed.signature.as_str());
        let brought_by = signed.brought_by.clone();
        let made = super::preapproved(self.signatures, rollout.settings(), &scope, text, brought_by, record.at)
            .map_err(|why| why.to_string())?;
        if (Decision { groups: decision.groups.clone(), ..made }) != *decision {
            return Err("the decision is not what was signed beforehand: who, what, why or how much differs".into());
        }
        Ok(())
    }

    /// Whether every blob is there and is what its name says; how many the records name.
    fn blobs(&mut self, journal: &Journal) -> u64 {
        let mut named = BTreeSet::new();
        for record in &journal.records {
            let Some(digest) = log_of(&record.event) else { continue };
            if named.insert(digest)
                && let Err(error) = self.runs.blob(self.run, &digest)
            {
                let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
                self.found(Some(record.seq), FindingKind::Blob, format!("{error}{cause}"));
            }
        }
        let kept = self.runs.blobs(self.run);
        for name in self.readable(FindingKind::Blob, kept).unwrap_or_default() {
            // One that was being written when its process died.
            let whole = !name.ends_with(".new");
            let digest = Digest::try_from(format!("sha256:{name}"));
            match digest {
                Ok(digest) if named.contains(&digest) => {}
                // A blob is kept before the record that names it: a process may have died in between.
                Ok(digest) if self.runs.blob(self.run, &digest).is_ok() => {}
                _ if whole => self.found(None, FindingKind::Blob, format!("blobs/{name} is not what its name says")),
                _ => {}
            }
        }
        named.len() as u64
    }
}

/// What else is known of a run.
struct Sums {
    driven: bool,
    signed: u64,
    blobs: u64,
    sealed: Reach,
    anchored: Option<Reach>,
    older: bool,
}

/// The blob that a record names.
pub(crate) fn log_of(event: &Event) -> Option<Digest> {
    let Event::StepEnded { result, .. } = event else { return None };
    match result {
        StepResult::Done(report) | StepResult::Failed { report, .. } | StepResult::RestoredItself { report, .. } => {
            report.log
        }
        _ => None,
    }
}
