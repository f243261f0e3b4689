//! Who is asked whether to begin, and at gates; and what counts there without anybody being asked.

use std::sync::Arc;

use super::{Driver, EngineError, OnGate, Outcome, preapproved, show, standing};
use crate::core::approval::{Decision, NotCounted};
use crate::core::document::{How, Verdict};
use crate::core::event::Input;
use crate::core::evidence::{Confirmation, GateAnswer};
use crate::core::ids::{Digest, RunId, StageIx};
use crate::core::preapproval::{Preapproval, told};
use crate::core::report;
use crate::core::rollout::Slot;
use crate::core::view::{Level, View};
use crate::ports::state::{Use, Used, Uses};

/// A pre-approval, as it was brought.
#[derive(Debug, Clone)]
pub struct Preapproved {
    /// What it permits.
    pub scope: Arc<Preapproval>,
    /// The file's text, byte for byte.
    pub text: Arc<str>,
    /// The signature over it, armored.
    pub signature: Arc<str>,
    /// Counts its uses.
    pub uses: Arc<dyn Uses>,
}

impl Driver<'_> {
    pub(super) fn ask_to_begin(&mut self) {
        let approver = Arc::clone(&self.world.approver);
        let by = self.options.person.clone();
        let beginning = show::beginning(&self.run.rollout, &self.options.earlier, self.world.clock.now());
        let handle = self.tasks.spawn(async move {
            let yes = match approver.begin(&beginning).await {
                Confirmation::Yes => true,
                Confirmation::No => false,
                Confirmation::Later | Confirmation::Unavailable => return Outcome::Nothing(Slot::Confirm),
            };
            Outcome::Input(Slot::Confirm, Box::new(Input::Confirm { by, yes }), Vec::new())
        });
        self.prompts.insert(Slot::Confirm, handle);
    }

    pub(super) fn ask_at_gate(&mut self, stage: StageIx) -> Result<(), EngineError> {
        let slot = Slot::Gate(stage);
        // Somebody else has decided since it was asked last: what was asked then is out of date.
        if let Some(earlier) = self.prompts.remove(&slot) {
            earlier.abort();
        }
        let question = report::question(&self.run.rollout, stage);
        let standing = self.standing(Decision::new(Verdict::Approved, self.options.person.clone(), "", How::Prompt));
        let decided = move |verdict, reason: String, how| Input::Decide {
            stage: Some(stage),
            digest: None,
            decision: Decision { verdict, reason, how, ..standing.clone() },
        };
        // An approval beforehand knows nothing of hosts that failed or fell silent: a person decides about the others.
        let stopped = self.run.rollout.stages()[stage.at()].is_stopped();
        let flagged = self.options.approve.contains(&stage) && !stopped;
        let flag = || decided(Verdict::Approved, self.options.reason.clone().unwrap_or_default(), How::Flag);
        let mut beforehand = flagged.then(flag).filter(|input| self.counts(stage, input));
        if beforehand.is_none() {
            beforehand = self.preapproved(stage)?;
        }
        if let Some(input) = beforehand {
            self.tasks.spawn(async move { Outcome::Input(slot, Box::new(input), Vec::new()) });
            return Ok(());
        }
        let on_gate = self.options.on_gate;
        // Nobody is asked whose answer would not count.
        let asks = self.counts(stage, &decided(Verdict::Approved, String::new(), How::Prompt));
        let approver = Arc::clone(&self.world.approver);
        let handle = self.tasks.spawn(async move {
            let Some(question) = question else { return Outcome::Nothing(slot) };
            let answer = if asks { approver.ask(&question).await } else { GateAnswer::Unavailable };
            let input = match answer {
                GateAnswer::Approve { reason } => decided(Verdict::Approved, reason, How::Prompt),
                GateAnswer::Reject { reason } => decided(Verdict::Rejected, reason, How::Prompt),
                GateAnswer::Unavailable if on_gate == OnGate::Reject => {
                    decided(Verdict::Rejected, "rejected by --on-gate reject".into(), How::Flag)
                }
                GateAnswer::Wait | GateAnswer::Unavailable => return Outcome::Nothing(slot),
            };
            Outcome::Input(slot, Box::new(input), Vec::new())
        });
        self.prompts.insert(slot, handle);
        Ok(())
    }

    /// The decision that was signed beforehand, where it counts at the stage's gate and covers all that it is about; what
    /// it does not cover is recorded, and the gate waits.
    fn preapproved(&mut self, stage: StageIx) -> Result<Option<Input>, EngineError> {
        let Some(given) = self.options.preapproval.clone() else { return Ok(None) };
        let now = self.world.clock.now();
        let settings = Arc::clone(self.run.rollout.settings());
        let text = (&*given.text, &*given.signature);
        let by = self.options.person.clone();
        // Its signature is looked at again: a key or certificate may have expired since the run began.
        let decision = match preapproved(&*self.world.signatures, &settings, &given.scope, text, by, now) {
            Ok(decision) => self.standing(decision),
            Err(why) => return self.uncovered(stage, &given, vec![why.to_string()]),
        };
        let rollout = &self.run.rollout;
        let gate = rollout.stages()[stage.at()].open_gate();
        match gate.and_then(|gate| rollout.objection(stage, gate, &decision, now)) {
            Some(NotCounted::NotCovered { .. }) => {
                let gaps = told(&rollout.gaps(&given.scope, stage, now));
                return self.uncovered(stage, &given, gaps);
            }
            // It counts already: others must approve, too.
            Some(NotCounted::Twice(_) | NotCounted::SameKey(_)) => return Ok(None),
            Some(objection) => return self.uncovered(stage, &given, vec![objection.to_string()]),
            None => {}
        }
        // Counted before the decision is recorded: a crash in between costs nothing, since this run is counted then.
        let wanted = Use { file: Digest::of(given.text.as_bytes()), run: &settings.run, allowed: given.scope.uses };
        match given.uses.take(&wanted) {
            Ok(Used::Counted) => Ok(Some(Input::Decide { stage: Some(stage), digest: None, decision })),
            Ok(Used::Spent { runs }) => {
                let runs: Vec<&str> = runs.iter().map(RunId::as_str).collect();
                let what =
                    format!("all of its uses ({}) are taken, by {}", given.scope.uses.unwrap_or(0), runs.join(", "));
                self.uncovered(stage, &given, vec![what])
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
                self.uncovered(stage, &given, vec![format!("{error}{cause}")])
            }
        }
    }

    fn uncovered(
        &mut self,
        stage: StageIx,
        given: &Preapproved,
        what: Vec<String>,
    ) -> Result<Option<Input>, EngineError> {
        self.input(Input::NotCovered { stage, id: given.scope.id.clone(), what })?;
        Ok(None)
    }

    pub(super) fn standing(&self, decision: Decision) -> Decision {
        standing(&self.run.rollout, &*self.world.people, decision)
    }

    /// Whether the decision would count at the stage's open gate; if not, it is said why.
    fn counts(&self, stage: StageIx, input: &Input) -> bool {
        let rollout = &self.run.rollout;
        let (Input::Decide { decision, .. }, Some(gate)) = (input, rollout.stages()[stage.at()].open_gate()) else {
            return true;
        };
        let Some(objection) = rollout.objection(stage, gate, decision, self.world.clock.now()) else { return true };
        let name = &rollout.settings().stages[stage.at()].name;
        let text = match objection {
            NotCounted::Unsigned => format!(
                "stage {name}: only a signed decision counts: {} (or `reject` in place of `approve`)",
                report::decide_command(rollout, stage, gate)
            ),
            other => format!("stage {name}: {other}"),
        };
        self.world.display.show(&View::Message { level: Level::Info, text });
        false
    }
}
