//! The fold of a run's records.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::super::approval::Decision;
use super::super::document::{Stamp, Verdict};
use super::super::event::{Event, GateKind, PauseCause, StageEnd, Step, UndoCause};
use super::super::findings::StepResult;
use super::super::ids::{Digest, HostIx, HostName, StageIx, StageName};
use super::super::record::Record;
use super::super::report::{self, Driven};
use super::super::rollout::Rollout;
use super::super::settings::{Person, Settings};
use super::{Act, Decided, Dossier, Driver, GateStory};

/// A run's records, as far as they have been followed.
pub struct Story {
    rollout: Rollout,
    drivers: Vec<Driver>,
    gates: Vec<(StageIx, GateStory)>,
    acts: Vec<Act>,
    patched: BTreeMap<HostName, Stamp>,
    restored: BTreeMap<HostName, Stamp>,
    first_change: BTreeMap<StageName, Stamp>,
    decisions: usize,
    cut_short: Option<String>,
}

impl Story {
    /// Of a run with these settings, before its first record.
    pub fn new(settings: Arc<Settings>) -> Self {
        Self {
            rollout: Rollout::new(settings),
            drivers: Vec::new(),
            gates: Vec::new(),
            acts: Vec::new(),
            patched: BTreeMap::new(),
            restored: BTreeMap::new(),
            first_change: BTreeMap::new(),
            decisions: 0,
            cut_short: None,
        }
    }

    /// Follows the next record. One that tells what cannot have happened ends the story: what comes after it counts for
    /// nothing.
    pub fn take(&mut self, record: &Record) {
        if self.cut_short.is_some() {
            return;
        }
        let text = self.gate_text(record);
        if let Err(error) = self.rollout.apply(&record.event, record.at) {
            return self.cut(format!("record {} tells what cannot have happened: {error}", record.seq));
        }
        self.gate(record, text);
        self.host(record);
        if let Some((by, what, on, result)) = self.act(&record.event) {
            self.acts.push(Act { record: record.seq, at: Stamp(record.at), by, what, on, result });
        }
    }

    /// The records end before they should.
    pub fn cut(&mut self, why: String) {
        self.cut_short.get_or_insert(why);
    }

    /// What the records come to, with the journal's head.
    pub fn end(self, head: Digest, now: Timestamp, driven: Driven) -> Dossier {
        let settings = Arc::clone(self.rollout.settings());
        let way = |(at, host): (u32, &super::super::settings::Host)| {
            (host.name.clone(), report::way_back(&self.rollout, HostIx(at)))
        };
        let ways_back = (0..).zip(&settings.hosts).map(way).collect();
        Dossier {
            result: report::document(&self.rollout, head, now, driven),
            drivers: self.drivers,
            gates: self.gates.into_iter().map(|(_, gate)| gate).collect(),
            acts: self.acts,
            patched: self.patched,
            restored: self.restored,
            first_change: self.first_change,
            ways_back,
            cut_short: self.cut_short,
            settings,
        }
    }

    /// The text of the gate that this record opens: it is about what was so before.
    fn gate_text(&self, record: &Record) -> Option<String> {
        let Event::GateOpened { stage, gate, digest } = &record.event else { return None };
        self.rollout.settings().stages.get(stage.at())?;
        let text = serde_json::to_string(&self.rollout.statement(*stage, *gate, record.prev)).ok()?;
        (Digest::of(text.as_bytes()) == *digest).then_some(text)
    }

    fn gate(&mut self, record: &Record, text: Option<String>) {
        match &record.event {
            Event::GateOpened { stage, .. } => self.opened(*stage, text),
            Event::ApprovalStale { stage, changes, .. } => {
                self.void(*stage, format!("hosts were not as approved: {}", changes.join("; ")));
                self.opened(*stage, None);
            }
            Event::ApprovalLapsed { stage } => {
                self.void(*stage, "it waited too long to be used".into());
                self.opened(*stage, None);
            }
            Event::Decided { stage, decision, .. } => {
                self.decisions += 1;
                let (number, at) = (self.decisions, Stamp(record.at));
                let decided = Decided { number, decision: decision.clone(), at, record: record.seq };
                if let Some((_, gate)) = self.gates.iter_mut().rev().find(|(of, _)| of == stage) {
                    gate.decisions.push(decided);
                }
            }
            Event::Driven { by, version } => {
                self.drivers.push(Driver { by: by.clone(), version: version.clone(), since: Stamp(record.at) });
            }
            _ => {}
        }
    }

    fn opened(&mut self, stage: StageIx, text: Option<String>) {
        let Some(question) = report::question(&self.rollout, stage) else { return };
        let rules = self.rollout.stages()[stage.at()].gate.as_ref().map(|gate| gate.rules.clone());
        let name = match self.gates.iter().filter(|(of, _)| *of == stage).count() {
            0 => question.stage.to_string(),
            before => format!("{}-{}", question.stage, before + 1),
        };
        let rules = rules.unwrap_or_default();
        self.gates.push((stage, GateStory { name, question, text, rules, decisions: Vec::new(), void: None }));
    }

    fn void(&mut self, stage: StageIx, why: String) {
        if let Some((_, gate)) = self.gates.iter_mut().rev().find(|(of, _)| *of == stage) {
            gate.void = Some(why);
        }
    }

    fn host(&mut self, record: &Record) {
        let at = Stamp(record.at);
        match &record.event {
            Event::StepStarted { host, step: Step::Apply, .. } => {
                let stage = self.rollout.stage_of(*host);
                let name = self.rollout.settings().stages[stage.at()].name.clone();
                self.first_change.entry(name).or_insert(at);
            }
            Event::StepEnded { host, step, result } => {
                let name = || self.rollout.settings().hosts[host.at()].name.clone();
                match (step, result) {
                    (Step::Apply, StepResult::Done(_)) => drop(self.patched.insert(name(), at)),
                    (Step::Rollback, StepResult::Done(_)) | (_, StepResult::RestoredItself { problem: None, .. }) => {
                        self.restored.insert(name(), at);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn stage(&self, stage: StageIx) -> String {
        let stages = &self.rollout.settings().stages;
        stages.get(stage.at()).map(|stage| format!("stage {}", stage.name)).unwrap_or_default()
    }

    fn hosts(&self, hosts: &[HostIx]) -> String {
        let all = &self.rollout.settings().hosts;
        let names: Vec<&str> =
            hosts.iter().take(8).filter_map(|host| all.get(host.at())).map(|host| host.name.as_str()).collect();
        let more = hosts.len().saturating_sub(names.len());
        if more > 0 { format!("{} and {more} more", names.join(", ")) } else { names.join(", ") }
    }

    /// What a record tells for the list of what was done: by whom, what, to what, and how it went.
    fn act(&self, event: &Event) -> Option<(Option<Person>, String, String, String)> {
        let settings = self.rollout.settings();
        let ours = |what: &str, on: String, result: &str| Some((None, what.to_owned(), on, result.to_owned()));
        let theirs =
            |by: &Person, what: &str, on: String| Some((Some(by.clone()), what.to_owned(), on, "done".to_owned()));
        match event {
            Event::RunStarted { .. } => {
                theirs(&settings.requester, "asked for the run", format!("change {}", settings.change))
            }
            Event::Driven { by, version } => theirs(by, &format!("took the run up, patchctl {version}"), "run".into()),
            Event::Confirmed { by } => theirs(by, "confirmed the first change", "run".into()),
            Event::Declined { by } => theirs(by, "declined the first change", "run".into()),
            Event::Decided { stage, gate, decision, .. } => Some(self.decided(*stage, *gate, decision)),
            Event::Cancelled { by, reason } => theirs(by, &format!("cancelled the run: {reason}"), "run".into()),
            Event::EmergencyDeclared { declaration } => {
                theirs(&declaration.by, &format!("declared an emergency: {}", declaration.reason), "run".into())
            }
            Event::Reviewed { by, reason } => theirs(by, &format!("reviewed the emergency: {reason}"), "run".into()),
            Event::PauseAsked { by } => theirs(by, "asked the run to pause", "run".into()),
            Event::Recovering { by, hosts } => theirs(by, "asked lost hosts what became of them", self.hosts(hosts)),
            Event::Released { host, by, reason } => {
                theirs(by, &format!("gave the host up: {reason}"), self.hosts(&[*host]))
            }
            Event::GateOpened { stage, gate, .. } => {
                ours(&format!("the gate {} opened", gate_words(*gate)), self.stage(*stage), "waits for a decision")
            }
            Event::ApprovalLapsed { stage } => ours("the approval waited too long", self.stage(*stage), "void"),
            Event::ApprovalStale { stage, .. } => ours("hosts were not as approved", self.stage(*stage), "void"),
            Event::Rechecked { stage } => ours("hosts were inspected again", self.stage(*stage), "as approved"),
            Event::WindowShut { stage, by, .. } => {
                ours(&format!("hosts could begin, and may not: {by}"), self.stage(*stage), "waits")
            }
            Event::BarrierPassed { stage, by } => ours(
                &format!("an emergency passed what would keep hosts from beginning: {by}"),
                self.stage(*stage),
                "passed",
            ),
            Event::WindowOpened { stage } => ours("hosts may begin", self.stage(*stage), "goes on"),
            Event::WaveStarted { stage, wave, hosts } => {
                ours(&format!("wave {wave} began"), format!("{}: {}", self.stage(*stage), self.hosts(hosts)), "done")
            }
            Event::Exceeded { stage } => ours("more hosts failed than may", self.stage(*stage), "stopped"),
            Event::Unreached { stage } => ours("more hosts were out of reach than may", self.stage(*stage), "stopped"),
            Event::UndoStarted { stage, cause } => ours("patched hosts go back", self.stage(*stage), undo_words(cause)),
            Event::Retried { hosts } => ours("hosts were tried again", self.hosts(hosts), "done"),
            Event::StageEnded { stage, end } => ours("the stage ended", self.stage(*stage), end_words(*end)),
            Event::Draining { signal } => ours(&format!("{signal} arrived"), "run".into(), "comes to a safe point"),
            Event::Paused { why } => ours("the process left the run", "run".into(), &pause_words(why)),
            Event::TailCut { bytes } => ours(
                "an incomplete last record was cut off",
                format!("{bytes} bytes"),
                "a process had died while it wrote it",
            ),
            Event::Finished => ours("the run ended", "run".into(), "finished"),
            _ => None,
        }
    }

    fn decided(&self, stage: StageIx, gate: GateKind, decision: &Decision) -> (Option<Person>, String, String, String) {
        let by = (decision.verdict != Verdict::Expired).then(|| decision.by.clone());
        let verb = match decision.verdict {
            Verdict::Approved => "approved",
            Verdict::Rejected => "rejected",
            Verdict::Expired => "nobody decided in time at",
        };
        let what = format!("{verb} the gate {}: {}", gate_words(gate), decision.reason);
        (by, what, self.stage(stage), decision.verdict.as_str().to_owned())
    }
}

fn gate_words(gate: GateKind) -> &'static str {
    match gate {
        GateKind::Before => "before the first change",
        GateKind::After => "after the last change",
        GateKind::Wave => "after a wave",
    }
}

fn undo_words(cause: &UndoCause) -> &'static str {
    match cause {
        UndoCause::Rejected => "rejected",
        UndoCause::Failed => "too many hosts failed",
        UndoCause::FailedIn(_) => "too many hosts failed in another stage",
        UndoCause::Cancelled => "cancelled",
        UndoCause::Drilled => "a drill takes back what it patched",
    }
}

fn end_words(end: StageEnd) -> &'static str {
    match end {
        StageEnd::Approved => "kept",
        StageEnd::Current => "nothing was to be done",
        StageEnd::Rejected => "rejected",
        StageEnd::Failed => "failed",
        StageEnd::Refused => "refused",
        StageEnd::Empty => "no host was selected",
        StageEnd::NeedsUnmet => "a stage that it needs did not succeed",
        StageEnd::Declined => "declined",
        StageEnd::Cancelled => "cancelled",
        StageEnd::Incomplete => "incomplete: too many hosts were out of reach",
        StageEnd::Drilled => "patched and taken back on purpose",
    }
}

fn pause_words(why: &PauseCause) -> String {
    match why {
        PauseCause::Gate => "a gate waits".into(),
        PauseCause::Confirmation => "the first change waits for a person".into(),
        PauseCause::Signal(signal) => signal.clone(),
        PauseCause::Window => "a stage waits for its window".into(),
        PauseCause::Soak => "a wave is watched".into(),
        PauseCause::Asked => "somebody asked for it".into(),
        PauseCause::Barred => "a host does not take us for who we are".into(),
    }
}
