//! The outbox: which messages follow from what happened, and which of them are not sent yet.
//!
//! A message is an effect like any other: it is open until the journal says what became of it, and after a crash it is
//! handed out again. But no step waits for it, and the run may pause or end before it.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::super::approval::OnTimeout;
use super::super::document::Outcome;
use super::super::event::{Event, Input};
use super::super::ids::{Digest, StageIx};
use super::super::notify::{About, Queued, Topic};
use super::super::report::{self, Driven};
use super::super::settings::RunKind;
use super::{Effect, Refusal, Rollout, Slot};

/// What the outbox remembers beside the messages that are open.
#[derive(Debug, Clone, Default)]
pub(super) struct Outbox {
    /// How many messages there were.
    count: u32,
    /// Stages whose failure was told.
    failed: BTreeSet<StageIx>,
    /// Gates of which people were reminded.
    reminded: BTreeSet<Digest>,
}

impl Event {
    /// Whether it is about messages alone: it may stand in a run that was left or is over, and moves nothing.
    pub(super) fn is_mail(&self) -> bool {
        matches!(self, Self::Notified { .. } | Self::Reminded { .. })
    }
}

impl Rollout {
    /// Puts the messages into the outbox that follow from an event that was just applied, and takes out those that are
    /// dealt with.
    pub(super) fn post(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::Notified { message, .. } => {
                self.open.remove(&Slot::Message(*message));
            }
            // One that a rule opens waits for nobody.
            Event::GateOpened { stage, .. }
                if self.stages[stage.at()].gate.as_ref().is_some_and(|g| g.auto.is_some()) => {}
            Event::GateOpened { stage, gate, digest } => {
                let about = About::Gate { stage: *stage, gate: *gate, digest: *digest, reminder: false };
                self.queue(&[Topic::Gate], &about, at);
            }
            Event::ApprovalLapsed { stage } | Event::ApprovalStale { stage, .. } => self.ask_anew(*stage, false, at),
            Event::Reminded { stage } => self.ask_anew(*stage, true, at),
            Event::StepEnded { host, .. } => {
                let stage = self.stage_of(*host);
                let of = &self.settings.stages[stage.at()];
                // More than may fail: that is the next event, and says more.
                let few = || self.failures(stage) <= of.max_failed.of(of.hosts.len());
                if self.hosts[host.at()].failed && few() {
                    self.failure(stage, at);
                }
            }
            Event::Exceeded { stage } | Event::Unreached { stage } => {
                self.outbox.failed.remove(stage);
                self.failure(*stage, at);
            }
            Event::Retried { .. } => self.outbox.failed.clear(),
            Event::UndoStarted { stage, cause } => {
                let about = About::Rollback { stage: *stage, cause: cause.clone() };
                self.queue(&[Topic::Rollback], &about, at);
            }
            Event::Finished => {
                let topics = self.end_topics();
                self.queue(&topics, &About::Finished, at);
            }
            _ => {}
        }
    }

    /// The stage's gate waits anew, or still.
    fn ask_anew(&mut self, stage: StageIx, reminder: bool, at: Timestamp) {
        let Some(gate) = self.stages.get(stage.at()).and_then(|run| run.gate.as_ref()) else { return };
        let (gate, digest) = (gate.kind, gate.digest);
        if reminder {
            self.outbox.reminded.insert(digest);
        } else {
            self.outbox.reminded.remove(&digest);
        }
        self.queue(&[Topic::Gate], &About::Gate { stage, gate, digest, reminder }, at);
    }

    fn failure(&mut self, stage: StageIx, at: Timestamp) {
        if self.outbox.failed.insert(stage) {
            self.queue(&[Topic::Failed], &About::Failed { stage }, at);
        }
    }

    /// Whom the end concerns. Who wants to hear of failures hears of a bad end that no failure announced.
    fn end_topics(&self) -> Vec<Topic> {
        let mut topics = vec![Topic::Finished];
        let outcome = report::outcome(self, Driven::No);
        let well = matches!(outcome, Outcome::Complete | Outcome::Rejected);
        if outcome == Outcome::Degraded || (!well && self.outbox.failed.is_empty()) {
            topics.push(Topic::Failed);
        }
        if matches!(self.settings.kind, RunKind::Rollback { .. }) {
            topics.push(Topic::Rollback);
        }
        topics
    }

    /// One message to each channel that wants to hear of one of these.
    fn queue(&mut self, topics: &[Topic], about: &About, since: Timestamp) {
        let settings = std::sync::Arc::clone(&self.settings);
        for (channel, notify) in (0..).zip(&settings.notify) {
            if notify.on.iter().any(|topic| topics.contains(topic)) {
                self.outbox.count += 1;
                let number = self.outbox.count;
                self.begin(Effect::Notify(Queued { number, channel, about: about.clone(), since }));
            }
        }
    }

    /// The messages that are not dealt with, in the order in which they were queued.
    pub fn outbox(&self) -> impl Iterator<Item = &Queued> {
        self.open.values().filter_map(|effect| if let Effect::Notify(queued) = effect { Some(queued) } else { None })
    }

    /// How many messages there were, those that are not dealt with among them.
    pub fn messages(&self) -> u32 {
        self.outbox.count
    }

    /// Whether there is something to send now: a message, or a reminder.
    pub fn owes_messages(&self, now: Timestamp) -> bool {
        self.outbox().next().is_some() || !self.reminders_due(now).is_empty()
    }

    /// Gates that have waited for as long as they should, each once.
    pub fn reminders_due(&self, now: Timestamp) -> Vec<Event> {
        let due = self.reminder_times().filter(|(_, at)| now > *at);
        due.map(|(stage, _)| Event::Reminded { stage }).collect()
    }

    /// When the next reminder is due.
    pub fn next_reminder(&self) -> Option<Timestamp> {
        self.reminder_times().map(|(_, at)| at).min()
    }

    /// Gates that are to be reminded of, and after which moment.
    fn reminder_times(&self) -> impl Iterator<Item = (StageIx, Timestamp)> {
        let heard = self.settings.notify.iter().any(|notify| notify.on.contains(&Topic::Gate));
        let gates = (0..).map(StageIx).zip(&self.stages).filter_map(|(ix, run)| Some((ix, run.open_gate()?)));
        gates.filter(move |_| heard && !self.finished).filter_map(|(ix, gate)| {
            let waits = gate.rules.on_timeout == OnTimeout::Wait && !self.outbox.reminded.contains(&gate.digest);
            let wait = SignedDuration::try_from(gate.rules.wait).unwrap_or(SignedDuration::MAX);
            gate.opened.checked_add(wait).ok().filter(|_| waits).map(|at| (ix, at))
        })
    }

    /// What became of a message.
    pub(super) fn notified(&self, input: Input) -> Result<Vec<Event>, Refusal> {
        let Input::Notified { message, outcome, tries, detail } = input else { return Err(Refusal::OutOfDate) };
        let Some(Effect::Notify(queued)) = self.open.get(&Slot::Message(message)) else {
            return Err(Refusal::OutOfDate);
        };
        let channel = self.settings.notify.get(usize::from(queued.channel));
        let channel = channel.map(|notify| notify.name.clone()).unwrap_or_default();
        Ok(vec![Event::Notified { message, channel, outcome, tries, detail }])
    }
}
