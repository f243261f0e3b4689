//! What rules come to before hosts have answered: for whoever asks which of them apply, and why.

use super::{ApprovalRule, AutoRule, Exception};
use crate::core::approval::Approval;
use crate::core::risk::Severity;
use crate::core::settings::{Patch, Stage};

/// What a rule comes to for a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stance {
    /// It applies, whatever the hosts answer; why.
    Applies(String),
    /// It depends on what the hosts answer: on this.
    Depends(String),
    /// It does not apply; why.
    Not(String),
}

/// `critical, since the plan declares none`
fn severity_words(patch: &Patch) -> String {
    match patch.severity {
        Some(severity) => severity.as_str().to_owned(),
        None => format!("{}, since the plan declares none", Severity::default().as_str()),
    }
}

impl ApprovalRule {
    /// What it comes to for this stage.
    pub fn stance(&self, stage: &Stage, patch: &Patch) -> Stance {
        let severity = patch.severity.unwrap_or_default();
        if !self.is_for(&stage.name) {
            return Stance::Not(format!("it is for stages {}", self.stages.join(", ")));
        }
        if let Some(least) = self.severity.filter(|least| severity < *least) {
            return Stance::Not(format!("severity is {}, and it begins at {}", severity_words(patch), least.as_str()));
        }
        if let Some(most) = self.hosts_over.filter(|most| stage.hosts.len() <= *most as usize) {
            return Stance::Not(format!("the stage has {}, and it is for more than {most}", hosts(stage.hosts.len())));
        }
        match self.condition() {
            Some(condition) => Stance::Depends(condition),
            None if self.severity.is_some() => Stance::Applies(format!("severity is {}", severity_words(patch))),
            None if self.stages.is_empty() => Stance::Applies("it is for every stage".into()),
            None => Stance::Applies(format!("it is for stages {}", self.stages.join(", "))),
        }
    }
}

impl AutoRule {
    /// What it comes to for this stage, whose gate is this as far as one can see.
    pub fn stance(&self, stage: &Stage, patch: &Patch, gate: Option<&Approval>) -> Stance {
        if !self.is_for(&stage.name) {
            return Stance::Not(format!("it is for stages {}", self.stages.join(", ")));
        }
        if patch.severity.unwrap_or_default() > self.max_severity {
            let most = self.max_severity.as_str();
            return Stance::Not(format!("severity is {}, and {most} at most may be", severity_words(patch)));
        }
        match gate {
            None => Stance::Not("the stage has no gate to open".into()),
            Some(gate) if !gate.when.is_after() => Stance::Not("the stage has no gate at its end".into()),
            Some(gate) if !gate.is_simple() => {
                Stance::Not("the gate asks for more than one decision of anybody".into())
            }
            Some(_) => Stance::Depends(self.condition()),
        }
    }
}

impl Exception {
    /// What it leaves as it is, for people.
    pub fn what(&self) -> String {
        let whole = hosts(self.hosts.len());
        if self.packages.is_empty() { whole } else { format!("{} on {whole}", self.packages.join(", ")) }
    }
}

fn hosts(count: usize) -> String {
    if count == 1 { "1 host".into() } else { format!("{count} hosts") }
}
