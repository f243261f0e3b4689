//! What an auditor asks of a run, read off its records: who wanted it, who decided on which evidence, what was done when.
//! A fold of the journal, as the run itself is; what it comes to is shown by `ui::dossier`.

mod story;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

pub use self::story::Story;
use super::approval::{Approval, Decision};
use super::audit::{Audit, RunAudit};
use super::document::{ResultDocument, Stamp};
use super::evidence::{GateQuestion, WayBack};
use super::ids::{HostName, RunId, StageName};
use super::settings::{Person, Settings};

/// Runs that started between two moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// At this moment or later.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
}

impl Period {
    /// Whether a run that started then is one of them.
    pub fn has(&self, started: Timestamp) -> bool {
        self.since.is_none_or(|since| started >= since) && self.until.is_none_or(|until| started < until)
    }
}

/// Who made an export, when, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maker {
    /// Who.
    pub by: Person,
    /// When.
    pub at: Stamp,
    /// Which patchctl.
    pub version: String,
    /// Which period was asked for; none: one run.
    pub period: Option<Period>,
}

/// Everything that a report is about.
pub struct Report<'a> {
    /// Who made it.
    pub maker: &'a Maker,
    /// The runs, in the order in which they started.
    pub runs: &'a [Dossier],
    /// Runs of which too little is left to tell anything.
    pub untold: &'a [(RunId, String)],
    /// What verifying the records found.
    pub audit: &'a Audit,
}

impl Report<'_> {
    /// What verifying a run's records found.
    pub fn audit_of(&self, run: &RunId) -> Option<&RunAudit> {
        self.audit.runs.iter().find(|audit| audit.run_id == *run)
    }
}

/// One run, as an auditor looks at it.
#[derive(Debug, Clone)]
pub struct Dossier {
    /// What was frozen at its start.
    pub settings: Arc<Settings>,
    /// What it did.
    pub result: ResultDocument,
    /// Who drove it, with which patchctl.
    pub drivers: Vec<Driver>,
    /// Its gates, in the order in which they opened.
    pub gates: Vec<GateStory>,
    /// What was done, and by whom: hosts are told of elsewhere.
    pub acts: Vec<Act>,
    /// When the change was done on each host that got it.
    pub patched: BTreeMap<HostName, Stamp>,
    /// When each host was back that went back.
    pub restored: BTreeMap<HostName, Stamp>,
    /// When the first change began in each stage that got so far.
    pub first_change: BTreeMap<StageName, Stamp>,
    /// Whether each host could have gone back, as it was known before its change.
    pub ways_back: BTreeMap<HostName, WayBack>,
    /// Why the records could not be followed to their end.
    pub cut_short: Option<String>,
}

/// A process that drove a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    /// Who started it.
    pub by: Person,
    /// Which patchctl it was.
    pub version: String,
    /// Since when.
    pub since: Stamp,
}

/// A gate, from when it opened until it was decided.
#[derive(Debug, Clone, PartialEq)]
pub struct GateStory {
    /// What its files are called by: the stage, and a number where the stage had several.
    pub name: String,
    /// What was asked, with all that whoever decided was shown.
    pub question: GateQuestion,
    /// The text whose SHA-256 the digest is, where it can still be made.
    pub text: Option<String>,
    /// Who could decide.
    pub rules: Approval,
    /// What was decided, in order.
    pub decisions: Vec<Decided>,
    /// Why what had been approved did not count any more.
    pub void: Option<String>,
}

/// A decision at a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// Its number among the run's decisions, from 1.
    pub number: usize,
    /// What.
    pub decision: Decision,
    /// When.
    pub at: Stamp,
    /// In which record.
    pub record: u64,
}

/// Something that was done in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// In which record.
    pub record: u64,
    /// When.
    pub at: Stamp,
    /// By whom; none: by patchctl, as the plan says.
    pub by: Option<Person>,
    /// What.
    pub what: String,
    /// To what: a stage, hosts, the run.
    pub on: String,
    /// How it went.
    pub result: String,
}
