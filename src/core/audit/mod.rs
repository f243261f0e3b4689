//! What an audit of the records finds, and the parts of it that are a matter of the records alone: the journals' chains,
//! the site's chain, and what was left outside of the state folder.

pub mod anchors;
pub mod journal;
pub mod site;

use serde::Serialize;

use super::ids::{ChangeId, Digest, PlanName, RunId};

/// The version of the audit's document.
pub const AUDIT_VERSION: u32 = 1;

/// Of which kind something is that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A record was altered, dropped or put in another order, or tells what cannot have happened.
    Record,
    /// Records at the journal's end are missing.
    Truncated,
    /// The journal is not the one that was sealed or anchored.
    Rewritten,
    /// A run is gone.
    MissingRun,
    /// A file that was frozen when the run began is gone or another.
    Frozen,
    /// A blob is gone or another.
    Blob,
    /// A signature does not count.
    Signature,
    /// A decision does not count, or is about something else than its gate was.
    Decision,
    /// The site's chain was altered, cut or replaced.
    Chain,
    /// A file of an export is gone, another, or none of its own.
    Exported,
    /// Something cannot be read.
    Unreadable,
}

impl FindingKind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Truncated => "truncated",
            Self::Rewritten => "rewritten",
            Self::MissingRun => "missing run",
            Self::Frozen => "frozen file",
            Self::Blob => "blob",
            Self::Signature => "signature",
            Self::Decision => "decision",
            Self::Chain => "site chain",
            Self::Exported => "exported file",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The run; none: the site's chain.
    pub run: Option<RunId>,
    /// The number of the record in its journal, or of the line in the site's chain, from 0.
    pub record: Option<u64>,
    /// Of which kind.
    pub kind: FindingKind,
    /// What.
    pub message: String,
}

impl Finding {
    /// About a run.
    pub fn of_run(run: &RunId, record: Option<u64>, kind: FindingKind, message: impl Into<String>) -> Self {
        Self { run: Some(run.clone()), record, kind, message: message.into() }
    }

    /// About a line of the site's chain, or the whole of it.
    pub fn of_chain(line: Option<u64>, message: impl Into<String>) -> Self {
        Self { run: None, record: line, kind: FindingKind::Chain, message: message.into() }
    }
}

/// How far something vouches for a run's journal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reach {
    /// So many records, from the first on; none: nothing does.
    pub records: Option<u64>,
    /// So many lines say so.
    pub lines: u64,
}

/// One run's records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunAudit {
    /// The run.
    pub run_id: RunId,
    /// The change that it belongs to, where that can be read.
    pub change_id: Option<ChangeId>,
    /// The plan, where that can be read.
    pub plan: Option<PlanName>,
    /// Whether nothing is wrong with it.
    pub ok: bool,
    /// Whole records in its journal.
    pub records: u64,
    /// The hash of the last of them.
    pub head: Digest,
    /// Bytes of a last record that was not completed: a process died while it wrote it.
    pub torn: u64,
    /// Whether a process drives it at this moment.
    pub driven: bool,
    /// Decisions that somebody signed.
    pub signed: u64,
    /// Blobs that its records name.
    pub blobs: u64,
    /// Whether it began before there was a site's chain: its frozen files are held by the settings' digest alone.
    pub older: bool,
    /// What the site's chain vouches for.
    pub sealed: Reach,
    /// What was left outside vouches for; none: nothing outside was compared.
    pub anchored: Option<Reach>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// The site's chain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SiteAudit {
    /// Whether there is one.
    pub exists: bool,
    /// Its lines.
    pub lines: u64,
    /// Bytes of a last line that was not completed.
    pub torn: u64,
    /// What is wrong: with its lines, and with runs that it names and that are not there.
    pub findings: Vec<Finding>,
}

/// Everything that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// [`AUDIT_VERSION`].
    pub schema: u32,
    /// Whether nothing is wrong.
    pub ok: bool,
    /// 0, or 5 where something was found.
    pub exit_code: u8,
    /// The runs, newest first.
    pub runs: Vec<RunAudit>,
    /// The site's chain.
    pub site: SiteAudit,
    /// Lines from outside that were compared; none: nothing outside was.
    pub anchors: Option<u64>,
    /// The files of the export that was looked at; left out where it was the state folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export: Option<ExportAudit>,
}

/// The files of an export, against the lists of them that it has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ExportAudit {
    /// How many there are.
    pub files: u64,
    /// What is wrong with them.
    pub findings: Vec<Finding>,
}

impl Audit {
    /// Of these parts.
    pub fn new(runs: Vec<RunAudit>, site: SiteAudit, anchors: Option<u64>) -> Self {
        let ok = site.findings.is_empty() && runs.iter().all(|run| run.ok);
        Self { schema: AUDIT_VERSION, ok, exit_code: if ok { 0 } else { 5 }, runs, site, anchors, export: None }
    }

    /// With what was found of the files of an export.
    pub fn with_export(self, export: ExportAudit) -> Self {
        let ok = self.ok && export.findings.is_empty();
        Self { ok, exit_code: if ok { 0 } else { 5 }, export: Some(export), ..self }
    }

    /// All that is wrong.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        let export = self.export.iter().flat_map(|export| &export.findings);
        export.chain(&self.site.findings).chain(self.runs.iter().flat_map(|run| &run.findings))
    }
}
