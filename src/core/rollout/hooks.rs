//! A stage's own hooks: before its first change, and once its hosts have come to rest.

use super::{Effect, Misfit, Refusal, Rollout, Slot};
use crate::core::event::{Event, GateKind};
use crate::core::hooks::{self, StageHook};
use crate::core::host::Place;
use crate::core::ids::{Digest, HostIx, JobId, StageIx};
use crate::core::problem::{ErrorKind, Problem};

impl Rollout {
    /// The hook before the stage, where it has one that did not run.
    pub(super) fn before_stage_first(&self, ix: StageIx) -> Option<Event> {
        let due = self.settings.stages[ix.at()].hooks.before_stage.is_some() && self.stages[ix.at()].before.is_none();
        due.then(|| self.hook_begins(ix, StageHook::Before))
    }

    /// The hook after the stage, before its gate waits, or before it ends in another way.
    pub(super) fn after_stage_first(&self, ix: StageIx, then: &Event) -> Option<Event> {
        let run = &self.stages[ix.at()];
        let begun = run.before.is_some() || run.wave > 0;
        let at_end = match then {
            Event::GateOpened { stage, gate: GateKind::After, .. }
            | Event::ClosingStarted { stage, .. }
            | Event::StageEnded { stage, .. } => *stage == ix,
            _ => false,
        };
        let due = begun && at_end && !run.after && self.settings.stages[ix.at()].hooks.after_stage.is_some();
        due.then(|| self.hook_begins(ix, StageHook::After))
    }

    fn hook_begins(&self, stage: StageIx, hook: StageHook) -> Event {
        let command = self.settings.stages[stage.at()].hooks.of_stage(hook);
        let on_host = command.is_some_and(|command| command.on == hooks::Where::Run);
        let host = on_host.then(|| self.host_for_hooks(stage)).flatten();
        let word = hook.as_str().replace('_', "-");
        let job =
            host.and_then(|host| JobId::new(format!("{}-h{}-{word}-{}", self.settings.run, host.0, self.epoch)).ok());
        Event::HookStarted { stage, hook, host, job }
    }

    /// The first of the stage's hosts that can be asked: as `run_once` in Ansible.
    fn host_for_hooks(&self, stage: StageIx) -> Option<HostIx> {
        let answers = |host: &&HostIx| {
            let at = self.host(**host);
            let out = matches!(at.place, Place::Waiting | Place::Excepted | Place::Lost | Place::Refused);
            !out && !at.is_out_of_reach()
        };
        self.settings.stages[stage.at()].hosts.iter().find(answers).copied()
    }

    pub(super) fn hook_started(
        &mut self,
        stage: StageIx,
        hook: StageHook,
        host: Option<HostIx>,
        job: Option<&JobId>,
    ) -> Result<(), Misfit> {
        self.stages.get_mut(stage.at()).ok_or(Misfit("no such stage"))?.hook = Some(hook);
        if let Some(host) = host {
            self.hosts.get_mut(host.at()).ok_or(Misfit("no such host"))?.claimed = true;
        }
        self.begin(Effect::Hook { stage, hook, host, job: job.cloned() });
        Ok(())
    }

    pub(super) fn hook_end(
        &self,
        stage: StageIx,
        hook: StageHook,
        problem: Option<Problem>,
        log: Option<Digest>,
    ) -> Result<Vec<Event>, Refusal> {
        let running = self.stages.get(stage.at()).and_then(|run| run.hook);
        if running != Some(hook) {
            return Err(Refusal::OutOfDate);
        }
        Ok(vec![Event::HookEnded { stage, hook, problem, log }])
    }

    pub(super) fn hook_ended(
        &mut self,
        stage: StageIx,
        hook: StageHook,
        problem: Option<&Problem>,
    ) -> Result<(), Misfit> {
        let run = self.stages.get_mut(stage.at()).ok_or(Misfit("no such stage"))?;
        run.hook.take().filter(|running| *running == hook).ok_or(Misfit("the end of a hook that did not run"))?;
        match hook {
            StageHook::Before => run.before = Some(problem.is_none()),
            StageHook::After => run.after = true,
        }
        self.open.remove(&Slot::Hook(stage));
        if let Some(problem) = problem {
            let name = &self.settings.stages[stage.at()].name;
            let message = format!("stage {name}: {}", problem.message);
            let kind = if hook == StageHook::Before { ErrorKind::Refused } else { problem.kind };
            self.notes.push(Problem { kind, message, ..problem.clone() });
        }
        Ok(())
    }
}
