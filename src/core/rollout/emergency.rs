//! Emergencies in a run: declared, obeyed, and looked at afterwards.

use jiff::Timestamp;

use super::{Effect, Refusal, Rollout};
use crate::core::calendar::Calendar;
use crate::core::emergency::{Declaration, Declared, Review};
use crate::core::event::Event;
use crate::core::ids::StageIx;
use crate::core::settings::Person;

impl Rollout {
    /// What was declared, and what became of it.
    pub fn declared(&self) -> &Declared {
        &self.declared
    }

    /// Whether an emergency of the policy holds.
    pub fn is_emergency(&self) -> bool {
        self.declared.rule(&self.settings).is_some()
    }

    /// Windows and freezes of a stage, without those that an emergency passes.
    pub fn calendar(&self, ix: StageIx) -> Calendar<'_> {
        self.declared.calendar(&self.settings, ix)
    }

    pub(super) fn declares(&self, declaration: Declaration, now: Timestamp) -> Result<Vec<Event>, Refusal> {
        if self.finished {
            return Err(Refusal::Finished);
        }
        if declaration.reason.trim().is_empty() {
            return Err(Refusal::NoReason);
        }
        if let Some(why) = declaration.objection(&self.settings, now) {
            return Err(Refusal::NoEmergency(why));
        }
        let known = self.declared.has(&declaration.by.name);
        Ok(if known { Vec::new() } else { vec![Event::EmergencyDeclared { declaration }] })
    }

    pub(super) fn reviews(&self, by: Person, reason: String) -> Result<Vec<Event>, Refusal> {
        let Some((first, _)) = self.declared.all.first() else { return Err(Refusal::NothingToReview) };
        if reason.trim().is_empty() {
            return Err(Refusal::NoReason);
        }
        if !self.finished {
            return Err(Refusal::ReviewedTooSoon);
        }
        if let Some(review) = self.declared.review() {
            return Err(Refusal::Reviewed { by: review.by.name.clone(), reason: review.reason.clone() });
        }
        if self.declared.is_own(&by.name) {
            return Err(Refusal::OwnEmergency { by: by.name, reason: first.reason.clone() });
        }
        Ok(vec![Event::Reviewed { by, reason }])
    }

    /// Gates that wait go by its rules from now on.
    pub(super) fn emergency_declared(&mut self, declaration: &Declaration, at: Timestamp) {
        self.declared.all.push((declaration.clone(), at));
        for ix in (0..).map(StageIx).take(self.stages.len()) {
            if self.stages[ix.at()].open_gate().is_none() {
                continue;
            }
            let Some(mut gate) = self.stages[ix.at()].gate.take() else { continue };
            let before = gate.rules.clone();
            self.judge(ix, &mut gate);
            if gate.rules != before {
                // Whoever has approved did so by other rules.
                gate.decisions.clear();
            }
            self.begin(Effect::Ask { stage: ix, gate: gate.kind, digest: gate.digest });
            self.stages[ix.at()].gate = Some(gate);
        }
    }

    pub(super) fn reviewed(&mut self, by: &Person, reason: &str, at: Timestamp) {
        self.declared.reviewed_by(Review { by: by.clone(), reason: reason.to_owned(), at });
    }
}
