//! What people want of a run while it is driven: letters from other processes, and signals.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{Driver, EngineError, checked};
use crate::core::approval::Decision;
use crate::core::event::{Event, Input, PauseCause};
use crate::core::ids::{StageIx, StageName};
use crate::core::rollout::Refusal;
use crate::core::view::{Level, View};
use crate::ports::{Letter, Reply, Wish};

impl Driver<'_> {
    pub(super) fn letter(&mut self, letter: Letter) -> Result<(), EngineError> {
        let reply = match self.granted(letter.wish) {
            Ok(reply) => reply,
            Err(EngineError::Refused(refusal)) => Reply::Refused(refusal.to_string()),
            Err(other) => return Err(other),
        };
        self.close_decided_prompts();
        self.world.inbox.answer(&letter.id, &reply);
        Ok(())
    }

    /// Carries out what another process wants.
    fn granted(&mut self, wish: Wish) -> Result<Reply, EngineError> {
        let settings = Arc::clone(self.run.rollout.settings());
        match wish {
            Wish::Decide { stage, digest, decision } => self.decided(stage, digest, decision),
            Wish::Pause { by } => self.input(Input::Pause { by }).map(|()| Reply::Done),
            Wish::Cancel { by, reason } => self.input(Input::Cancel { by, reason }).map(|()| Reply::Done),
            Wish::Release { host, by, reason } => {
                let Some(ix) = settings.host(&host) else {
                    return Ok(Reply::Refused(format!("the run has no host {host}")));
                };
                self.input(Input::Release { host: ix, by, reason })?;
                // Nothing more is done there, and nobody waits for it.
                if let Some(step) = self.steps.remove(&ix) {
                    step.abort();
                }
                Ok(Reply::Done)
            }
        }
    }

    fn decided(
        &mut self,
        stage: Option<StageName>,
        digest: Option<String>,
        decision: Decision,
    ) -> Result<Reply, EngineError> {
        let settings = Arc::clone(self.run.rollout.settings());
        let stage = match &stage {
            None => None,
            Some(name) => Some(settings.stage(name).ok_or_else(|| Refusal::NoGate(format!("no stage {name}")))?),
        };
        // Whoever wrote the letter may have made up the rest of it.
        let (stage, decision) =
            match checked(&*self.world.signatures, &self.run.rollout, decision, self.world.clock.now()) {
                Ok((signed_for, decision)) => (signed_for.or(stage), decision),
                Err(why) => return Ok(Reply::Refused(why.to_string())),
            };
        let decision = self.standing(decision);
        let (by, verdict) = (decision.by.name.clone(), decision.verdict);
        let decided = self.decision(Input::Decide { stage, digest, decision })?;
        let name = settings.stages[decided.unwrap_or(StageIx(0)).at()].name.clone();
        let text = format!("stage {name}: {} by {by}, from another terminal", verdict.as_str());
        self.world.display.show(&View::Message { level: Level::Info, text });
        Ok(Reply::Recorded { stage: name })
    }

    /// Takes a decision from elsewhere; the stage that it decided.
    fn decision(&mut self, input: Input) -> Result<Option<StageIx>, EngineError> {
        let now = self.world.clock.now();
        let events = self.run.rollout.decide(input, now)?;
        self.carried(&events, now)?;
        let stage = |event: &Event| if let Event::Decided { stage, .. } = event { Some(*stage) } else { None };
        Ok(events.iter().find_map(stage))
    }

    /// The first signal stops the run at the next safe point, the second leaves at once: jobs on hosts go on, and a
    /// resumed run asks them.
    pub(super) fn signal(&mut self, signal: &'static str) -> Result<(), EngineError> {
        let now = self.world.clock.now();
        let first = self.run.rollout.draining().is_none();
        self.close_prompts();
        let run = &self.run.rollout.settings().run;
        if first {
            let running = self.run.rollout.running().count();
            let text = if running == 0 {
                format!("{signal}: stopping; `patchctl resume {run}` goes on")
            } else {
                format!(
                    "{signal}: nothing new starts; {running} under way will end first (once more: leave now, it goes on there)"
                )
            };
            self.world.display.show(&View::Message { level: Level::Warning, text });
            return self.run.take(Input::Signal(signal.into()), now);
        }
        let text = format!("{signal}: leaving at once; jobs on hosts go on; `patchctl resume {run}` asks them");
        self.world.display.show(&View::Message { level: Level::Warning, text });
        self.tasks.abort_all();
        self.busy = 0;
        self.tasks = JoinSet::new();
        self.post.close();
        self.run.take(Input::Leave { why: PauseCause::Signal(signal.into()) }, now)
    }
}
