//! The conversation at a gate, and before the first change.

use std::sync::Arc;

use async_trait::async_trait;

use super::terminal::Terminal;
use super::{Prompter, Stop};
use crate::core::document::{DocumentKind, Verdict};
use crate::core::evidence::{Beginning, Confirmation, GateAnswer, GateQuestion};
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

    async fn confirmed(&self, about: String, question: String) -> Confirmation {
        match self.prompter.confirm(about, question).await {
            Ok(true) => Confirmation::Yes,
            Ok(false) => Confirmation::No,
            Err(Stop::Left | Stop::Withdrawn) => Confirmation::Later,
            Err(Stop::NoTerminal) => Confirmation::Unavailable,
        }
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

    async fn sure(&self, gate: &GateQuestion, verdict: Verdict) -> Confirmation {
        self.confirmed(self.scribe.evidence(gate), last_question(gate, verdict)).await
    }

    async fn begin(&self, beginning: &Beginning) -> Confirmation {
        let back = if beginning.kind == DocumentKind::Drill { ", and take it all back" } else { "" };
        let question = match beginning.hosts {
            1 => format!("Change this host now{back}?"),
            hosts => format!("Change these {hosts} hosts now{back}?"),
        };
        self.confirmed(self.scribe.beginning(beginning), question).await
    }
}

/// Shows the evidence and asks until there is a decision, or none is wanted.
fn decide(terminal: &Terminal, scribe: &dyn Scribe, gate: &GateQuestion) -> Result<GateAnswer, Stop> {
    let answers = [
        ("approve", ""),
        ("reject", ""),
        ("show details", ""),
        ("leave it waiting", "decide later, from any terminal (as Ctrl-C does)"),
    ];
    let answers = answers.map(|(word, about)| (word.to_owned(), about.to_owned()));
    terminal.show(&format!("\n{}", scribe.evidence(gate)))?;
    terminal.show("")?;
    loop {
        let verdict = match terminal.choose(&format!("Stage {}", gate.stage), &answers)? {
            0 => Verdict::Approved,
            1 => Verdict::Rejected,
            2 => {
                terminal.show(&scribe.details(gate))?;
                terminal.show("")?;
                continue;
            }
            _ => return Ok(GateAnswer::Wait),
        };
        let reason = terminal.line("Reason", None, "a reason is needed; it goes into the record")?;
        if terminal.yes(&last_question(gate, verdict))? {
            return Ok(match verdict {
                Verdict::Approved => GateAnswer::Approve { reason },
                _ => GateAnswer::Reject { reason },
            });
        }
    }
}

fn last_question(gate: &GateQuestion, verdict: Verdict) -> String {
    let verb = if verdict == Verdict::Approved { "Approve" } else { "Reject" };
    format!("{verb} stage {}, digest {}?", gate.stage, &gate.digest.hex()[..12])
}
