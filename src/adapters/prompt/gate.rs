//! The conversation at a gate.

use std::sync::Arc;

use async_trait::async_trait;

use super::menu::{self, Choice};
use super::terminal::Terminal;
use super::{Prompter, Stop, line, pager};
use crate::core::evidence::{Confirmation, GateAnswer, GateQuestion};
use crate::core::view::Scribe;
use crate::ports::Approver;

/// Decides at the terminal.
pub struct TerminalApprover {
    prompter: Prompter,
    scribe: Arc<dyn Scribe>,
}

impl TerminalApprover {
    /// Asks through this prompter what this scribe writes down.
    pub fn new(prompter: Prompter, scribe: Arc<dyn Scribe>) -> Self {
        Self { prompter, scribe }
    }
}

#[async_trait]
impl Approver for TerminalApprover {
    async fn ask(&self, gate: &GateQuestion) -> GateAnswer {
        let scribe = Arc::clone(&self.scribe);
        let gate = gate.clone();
        let answer = self.prompter.converse(move |terminal| decide(terminal, scribe.as_ref(), &gate)).await;
        match answer {
            Ok(answer) => answer,
            Err(Stop::Left | Stop::Withdrawn) => GateAnswer::Wait,
            Err(Stop::NoTerminal) => GateAnswer::Unavailable,
        }
    }

    async fn confirm(&self, about: &str, question: &str) -> Confirmation {
        let about = about.trim_end().to_owned();
        let question = question.to_owned();
        let talk = move |terminal: &mut Terminal| {
            if !about.is_empty() {
                terminal.write(&format!("{about}\n\n"))?;
            }
            yes(terminal, &question)
        };
        match self.prompter.converse(talk).await {
            Ok(true) => Confirmation::Yes,
            Ok(false) | Err(Stop::Left | Stop::Withdrawn) => Confirmation::No,
            Err(Stop::NoTerminal) => Confirmation::Unavailable,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choose {
    Approve,
    Reject,
    Details,
    Wait,
}

/// Shows the evidence and asks until there is a decision, or none is wanted.
fn decide(terminal: &mut Terminal, scribe: &dyn Scribe, gate: &GateQuestion) -> Result<GateAnswer, Stop> {
    terminal.write(&format!("\n{}\n", scribe.evidence(gate)))?;
    loop {
        let approve = match choose(terminal, gate)? {
            Choose::Wait => return Ok(GateAnswer::Wait),
            Choose::Details => {
                pager::show(terminal, &scribe.details(gate))?;
                terminal.write("\n")?;
                continue;
            }
            Choose::Approve => true,
            Choose::Reject => false,
        };
        let reason = reason(terminal)?;
        if yes(terminal, &last_question(gate, approve))? {
            return Ok(if approve { GateAnswer::Approve { reason } } else { GateAnswer::Reject { reason } });
        }
    }
}

/// What each answer leads to stands in the evidence.
fn choose(terminal: &mut Terminal, gate: &GateQuestion) -> Result<Choose, Stop> {
    let later = "decide later, from any terminal";
    let choices = [
        Choice { label: "approve", letters: "a", about: "", value: Choose::Approve },
        Choice { label: "reject", letters: "r", about: "", value: Choose::Reject },
        Choice { label: "show details", letters: "ds", about: "", value: Choose::Details },
        Choice { label: "leave it waiting", letters: "wl", about: later, value: Choose::Wait },
    ];
    menu::choose(terminal, &format!("Stage {}:", gate.stage), &choices)
}

/// Why: asked again until there is something.
fn reason(terminal: &mut Terminal) -> Result<String, Stop> {
    loop {
        let reason = line::ask(terminal, "Reason: ")?;
        if !reason.is_empty() {
            return Ok(reason);
        }
        let missing = terminal.paint("33", "A reason is needed; it goes into the record.");
        terminal.write(&format!("{missing}\n"))?;
    }
}

fn last_question(gate: &GateQuestion, approve: bool) -> String {
    let verb = if approve { "Approve" } else { "Reject" };
    format!("{verb} stage {}, digest {}?", gate.stage, &gate.digest.hex()[..12])
}

/// Whether the answer is yes; anything else, and nothing, is no.
fn yes(terminal: &mut Terminal, question: &str) -> Result<bool, Stop> {
    let answer = line::ask(terminal, &format!("{question} [y/N] "))?;
    Ok(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
}
