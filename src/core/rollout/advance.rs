//! What follows from the state by itself: whose turn it is, when a wave is over, when a gate opens.

use jiff::Timestamp;

use super::super::approval::Decision;
use super::super::document::Verdict;
use super::super::event::{Event, GateKind, StageEnd, Step, UndoCause};
use super::super::host::{Activity, Place};
use super::super::ids::{Digest, HostIx, JobId, StageIx};
use super::super::problem::ErrorKind;
use super::super::settings::{RunKind, Unproven};
use super::super::stage::{Phase, StageRun};
use super::Rollout;

impl Rollout {
    /// The next event that follows from the state at this moment, or none when the run waits for the world. `head` is the
    /// journal's head, which a gate's digest binds.
    pub fn advance(&self, head: Digest, now: Timestamp) -> Option<Event> {
        if self.finished || self.paused.is_some() {
            return None;
        }
        let stages = (0..).map(StageIx).take(self.stages.len());
        if self.is_stopping() {
            let goes_back = |ix| self.next_rollback(ix, now).filter(|_| self.draining.is_none() && !self.pause_asked);
            return stages.into_iter().find_map(|ix| self.to_safety(ix).or_else(|| goes_back(ix)));
        }
        stages.clone().find_map(|ix| self.advance_stage(ix, head, now)).or_else(|| self.end_idle_or_finish(stages))
    }

    /// Stages without work end when nothing else can happen: then nobody needs an approval of nothing.
    fn end_idle_or_finish(&self, mut stages: impl Iterator<Item = StageIx>) -> Option<Event> {
        if !self.stages.iter().all(|run| matches!(run.phase, Phase::Idle | Phase::Ended(_))) {
            return None;
        }
        if self.stages.iter().any(|run| run.hook.is_some()) {
            return None;
        }
        let idle = stages.find(|ix| self.stages[ix.at()].phase == Phase::Idle);
        Some(idle.map_or(Event::Finished, |stage| self.end_idle(stage)))
    }

    /// A stage that has nothing to do ends. Something may have been done before it all the same.
    fn end_idle(&self, stage: StageIx) -> Event {
        let ends = self.end_unchanged(stage, StageEnd::Current);
        self.after_stage_first(stage, &ends).unwrap_or(ends)
    }

    /// The stage ends with nothing changed; a host may carry a claim from an earlier try.
    pub(super) fn end_unchanged(&self, stage: StageIx, end: StageEnd) -> Event {
        let hosts = &self.settings.stages[stage.at()].hosts;
        let claimed =
            hosts.iter().any(|host| self.hosts[host.at()].next(Activity::Closing, &self.settings.kind).is_some());
        if claimed { Event::ClosingStarted { stage, end } } else { Event::StageEnded { stage, end } }
    }

    fn advance_stage(&self, ix: StageIx, head: Digest, now: Timestamp) -> Option<Event> {
        if self.stages[ix.at()].hook.is_some() {
            return None;
        }
        let event = self.by_phase(ix, head, now)?;
        Some(self.after_stage_first(ix, &event).unwrap_or(event))
    }

    fn by_phase(&self, ix: StageIx, head: Digest, now: Timestamp) -> Option<Event> {
        let run = &self.stages[ix.at()];
        match &run.phase {
            Phase::Pending | Phase::Resolved if self.cancelled.is_some() => Some(self.end_cancelled(ix)),
            Phase::Pending => self.open_stage(ix, head),
            Phase::Resolving if self.cancelled.is_some() => run.is_through().then(|| self.end_cancelled(ix)),
            // What was begun is let go of first.
            Phase::Prefetching if self.cancelled.is_some() => {
                self.next_step(ix, now).or_else(|| run.is_through().then(|| self.end_cancelled(ix)))
            }
            Phase::Prefetching => {
                self.next_step(ix, now).or_else(|| run.is_through().then_some(Event::PrefetchEnded { stage: ix }))
            }
            Phase::Resolving => self.next_step(ix, now).or_else(|| self.all_asked(ix, head)),
            Phase::Resolved => self.before_first_change(ix, head, now),
            Phase::Rolling => self
                .watch_failures(ix)
                .or_else(|| self.next_step(ix, now))
                .or_else(|| run.is_through().then_some(Event::WaveEnded { stage: ix })),
            Phase::BetweenWaves if self.cancelled.is_some() && self.has_patched(ix) => Some(self.end_cancelled(ix)),
            Phase::BetweenWaves if run.exceeded => self.undo_after_failure(ix, head),
            Phase::BetweenWaves if self.cancelled.is_some() => Some(self.end_cancelled(ix)),
            Phase::BetweenWaves if run.unreached => Some(self.after_silence(ix, head)),
            Phase::BetweenWaves if self.needs_not_met(ix) => self.needs_first(ix, head),
            Phase::BetweenWaves if self.must_soak(ix) => self.soak_begins(ix, now),
            Phase::Soaking => self
                .watch_failures(ix)
                .or_else(|| self.next_step(ix, now))
                .or_else(|| run.is_through().then(|| self.after_look(ix, now)).flatten()),
            Phase::BetweenWaves => {
                self.next_wave(ix, head, now).unwrap_or_else(|| Some(self.after_last_wave(ix, head)))
            }
            Phase::Rechecking(end) => {
                self.next_step(ix, now).or_else(|| run.is_through().then(|| self.after_recheck(ix, *end, head)))
            }
            Phase::Gate if self.cancelled.is_some() && run.open_gate().is_some() => Some(self.end_cancelled(ix)),
            Phase::Gate if self.cancelled.is_some() && run.may_begin() => Some(self.end_cancelled(ix)),
            Phase::Gate => self.after_gate(ix, now).or_else(|| self.decided_by_rule(ix)),
            Phase::Undoing(cause) => {
                self.next_step(ix, now).or_else(|| run.is_through().then(|| self.after_undo(ix, cause, head)))
            }
            Phase::Closing(end) => self
                .next_step(ix, now)
                .or_else(|| run.is_through().then_some(Event::StageEnded { stage: ix, end: *end })),
            Phase::Idle | Phase::Ended(_) => None,
        }
    }

    fn open_stage(&self, ix: StageIx, head: Digest) -> Option<Event> {
        let stage = &self.settings.stages[ix.at()];
        let end = |end| Some(self.end_unchanged(ix, end));
        let excepted = |host: &HostIx| self.hosts[host.at()].place == Place::Excepted;
        if stage.hosts.iter().all(excepted) {
            return end(StageEnd::Empty);
        }
        let needs = || stage.needs.iter().map(|need| &self.stages[need.at()]);
        if needs().any(|need| need.ended().is_some() && !need.succeeded()) {
            let patched = self.has_patched(ix).then(|| self.after_last_wave(ix, head));
            return patched.or_else(|| end(StageEnd::NeedsUnmet));
        }
        needs().all(StageRun::may_be_built_on).then_some(Event::StageOpened { stage: ix })
    }

    fn next_step(&self, ix: StageIx, now: Timestamp) -> Option<Event> {
        let run = &self.stages[ix.at()];
        let activity = run.activity()?;
        let start = |host: HostIx| {
            let step = self.hosts[host.at()].next(activity, &self.settings.kind)?;
            Some(Event::StepStarted { host, step, job: self.job_id(host, step) })
        };
        // What has begun goes on, but for the first change once the window is over.
        let waits = |host: &HostIx| {
            let at = &self.hosts[host.at()];
            // Whose turn is over is put back into service at any time.
            let ends = at.next(activity, &self.settings.kind) == Some(Step::After);
            let before = matches!(at.place, Place::Ready | Place::Stashed) && !ends;
            before && activity == Activity::Rolling && !self.calendar(ix).is_on(now)
        };
        if let Some(host) = run.ready.iter().find(|host| !waits(host)) {
            return start(*host);
        }
        let stage = &self.settings.stages[ix.at()];
        if let Some(host) = run.to_reboot.front().filter(|_| self.may_boot(stage)) {
            return start(*host);
        }
        if !run.ready.is_empty() {
            return self.shut_out(ix, now).flatten();
        }
        if run.active.len() >= stage.parallel as usize || !self.has_room() {
            return None;
        }
        let host = self.next_of_queue(ix, activity)?;
        let begins = activity == Activity::Rolling && self.hosts[host.at()].place == Place::Ready;
        match self.shut_out(ix, now).filter(|_| begins) {
            Some(waits) => waits,
            None => start(host),
        }
    }

    /// A run that stops leaves no host whose dead man would act: what was changed there is confirmed first.
    fn to_safety(&self, ix: StageIx) -> Option<Event> {
        let run = &self.stages[ix.at()];
        run.ready.iter().find_map(|host| {
            let step = self.hosts[host.at()].next_to_safety()?;
            Some(Event::StepStarted { host: *host, step, job: self.job_id(*host, step) })
        })
    }

    /// One host that shuts us out keeps no other from going back.
    fn next_rollback(&self, ix: StageIx, now: Timestamp) -> Option<Event> {
        let run = &self.stages[ix.at()];
        if matches!(run.phase, Phase::Undoing(_)) {
            return self.next_step(ix, now);
        }
        let goes_back = |host: &&HostIx| matches!(self.hosts[host.at()].place, Place::MustUndo | Place::MustRestore);
        let host = run.ready.iter().find(goes_back)?;
        let step = self.hosts[host.at()].next(Activity::Undoing, &self.settings.kind)?;
        Some(Event::StepStarted { host: *host, step, job: self.job_id(*host, step) })
    }

    /// Somebody cancelled the run: what nobody has approved goes back.
    pub(super) fn end_cancelled(&self, ix: StageIx) -> Event {
        if self.has_patched(ix) {
            return Event::UndoStarted { stage: ix, cause: UndoCause::Cancelled };
        }
        self.end_unchanged(ix, StageEnd::Cancelled)
    }

    /// More hosts than may did not answer after the first change: a person says what becomes of those that did.
    fn after_silence(&self, ix: StageIx, head: Digest) -> Event {
        if self.is_drill() {
            return self.takes_back(ix);
        }
        if self.has_patched(ix) {
            return self.open_gate(ix, GateKind::After, head);
        }
        let kept = self.any(ix, |place| place == Place::Kept);
        Event::ClosingStarted { stage: ix, end: if kept { StageEnd::Incomplete } else { StageEnd::Refused } }
    }

    fn job_id(&self, host: HostIx, step: Step) -> Option<JobId> {
        self.job_of(host, step, self.hosts[host.at()].next_try(step))
    }

    /// The ID of a step's job on a host, by the number of the try.
    pub(super) fn job_of(&self, host: HostIx, step: Step, number: u32) -> Option<JobId> {
        let word = step.as_str().replace('_', "-");
        let text = format!("{}-h{}-{word}-{number}", self.settings.run, host.0);
        self.hosts[host.at()].runs_as_job(step).then(|| JobId::new(text).ok()).flatten()
    }

    /// A stage that this one needs was taken back, or begins again.
    fn needs_not_met(&self, ix: StageIx) -> bool {
        self.settings.stages[ix.at()].needs.iter().any(|need| !self.stages[need.at()].succeeded())
    }

    /// What must happen to the stages that this one needs before it changes anything; none: it waits for them.
    fn needs_first(&self, ix: StageIx, head: Digest) -> Option<Event> {
        for need in &self.settings.stages[ix.at()].needs {
            let run = &self.stages[need.at()];
            if run.succeeded() {
                continue;
            }
            return match run.phase {
                // Nothing was changed there, but now something depends on it: somebody must say so.
                Phase::Idle if self.gate_rules(*need).is_some() => Some(self.open_gate(*need, GateKind::After, head)),
                Phase::Idle if run.hook.is_some() => None,
                Phase::Idle => Some(self.end_idle(*need)),
                Phase::Ended(_) => Some(self.stop_before_change(ix, StageEnd::NeedsUnmet, head)),
                _ => None,
            };
        }
        None
    }

    /// Whether hosts of the stage are patched and wait for a decision. No stage ends over them: they would stay, and
    /// nobody would have said so.
    pub(super) fn has_patched(&self, ix: StageIx) -> bool {
        self.any(ix, |place| place == Place::Patched)
    }

    /// The stage ends before its first change, or, where it was taken up again, after the last one.
    fn stop_before_change(&self, ix: StageIx, end: StageEnd, head: Digest) -> Event {
        if self.has_patched(ix) {
            return self.after_last_wave(ix, head);
        }
        Event::ClosingStarted { stage: ix, end }
    }

    fn all_asked(&self, ix: StageIx, head: Digest) -> Option<Event> {
        if !self.stages[ix.at()].is_through() {
            return None;
        }
        let too_many = self.is_unreached(ix);
        let usable = self.any(ix, |place| !matches!(place, Place::Refused | Place::Waiting | Place::Excepted));
        if too_many || !usable {
            return Some(self.stop_before_change(ix, StageEnd::Refused, head));
        }
        Some(Event::StageResolved { stage: ix })
    }

    /// Whether any host of the stage stands somewhere that fits.
    pub(in crate::core) fn any(&self, ix: StageIx, fits: fn(Place) -> bool) -> bool {
        self.settings.stages[ix.at()].hosts.iter().any(|host| fits(self.hosts[host.at()].place))
    }

    fn before_first_change(&self, ix: StageIx, head: Digest, now: Timestamp) -> Option<Event> {
        if !self.any(ix, |place| place == Place::Ready) {
            return Some(self.after_last_wave(ix, head));
        }
        if self.needs_not_met(ix) {
            return self.needs_first(ix, head);
        }
        if self.declined {
            return Some(self.stop_before_change(ix, StageEnd::Declined, head));
        }
        if !self.confirmed {
            return (!self.confirming).then_some(Event::Confirming);
        }
        if self.must_prefetch(ix) {
            return Some(Event::PrefetchStarted { stage: ix });
        }
        if self.gate_rules(ix).is_some_and(|rules| rules.when.is_before()) || self.must_ask(ix) {
            return Some(self.open_gate(ix, GateKind::Before, head));
        }
        self.next_wave(ix, head, now).flatten()
    }

    /// `unproven = "ask"`: a person decides whether the stage begins without what no earlier stage proved.
    fn must_ask(&self, ix: StageIx) -> bool {
        let stage = &self.settings.stages[ix.at()];
        let left_out = |host: &HostIx| {
            let run = &self.hosts[host.at()];
            run.resolution.as_deref().is_some_and(|found| !found.unproven.is_empty())
                || run.problem.as_ref().is_some_and(|problem| problem.kind == ErrorKind::Unproven)
        };
        let asks = self.settings.patch.unproven == Unproven::Ask;
        asks && stage.hosts.iter().any(left_out) && self.gate_rules(ix).is_some()
    }

    pub(super) fn open_gate(&self, stage: StageIx, gate: GateKind, head: Digest) -> Event {
        Event::GateOpened { stage, gate, digest: self.statement(stage, gate, head).digest() }
    }

    /// What leads to the stage's next wave: the wave itself, or what must come before it (none: it waits for that). None:
    /// there is no further wave.
    fn next_wave(&self, ix: StageIx, head: Digest, now: Timestamp) -> Option<Option<Event>> {
        let run = &self.stages[ix.at()];
        let ready = |host: &&HostIx| self.hosts[host.at()].place == Place::Ready;
        let next = (1..).zip(&run.waves).skip(run.wave as usize).find_map(|(wave, members)| {
            let hosts: Vec<HostIx> = members.iter().filter(ready).copied().collect();
            (!hosts.is_empty()).then_some(Event::WaveStarted { stage: ix, wave, hosts })
        })?;
        let each = self.gate_rules(ix).is_some_and(|rules| rules.each_wave) || self.is_inconclusive(ix);
        let wave_of_next = if let Event::WaveStarted { wave, .. } = &next { *wave } else { 0 };
        let hosts = self.settings.stages[ix.at()].hosts.iter().map(|host| &self.hosts[host.at()]);
        let mut undecided = hosts.filter(|host| host.place == Place::Patched);
        if each && undecided.any(|host| host.wave < wave_of_next) {
            return Some(Some(self.open_gate(ix, GateKind::Wave, head)));
        }
        if let Some(waits) = self.shut_out(ix, now) {
            return Some(waits);
        }
        if run.wave > 0 {
            return Some(Some(next));
        }
        // Before its first change the approvals on which it begins are looked at once more.
        let needs = &self.settings.stages[ix.at()].needs;
        if let Some(need) = needs.iter().find(|need| self.has_lapsed(**need, |other| other == ix, now)) {
            return Some(Some(Event::ApprovalLapsed { stage: *need }));
        }
        if let Some(need) = needs.iter().find(|need| self.must_recheck(**need)) {
            return Some(Some(Event::RecheckStarted { stage: *need }));
        }
        Some(Some(match run.before {
            Some(false) => self.stop_before_change(ix, StageEnd::Refused, head),
            _ => self.before_stage_first(ix).unwrap_or(next),
        }))
    }

    fn watch_failures(&self, ix: StageIx) -> Option<Event> {
        let (stage, run) = (&self.settings.stages[ix.at()], &self.stages[ix.at()]);
        if !run.exceeded && self.failures(ix) > stage.max_failed.of(stage.hosts.len()) {
            return Some(Event::Exceeded { stage: ix });
        }
        (!run.is_stopped() && self.is_unreached(ix)).then_some(Event::Unreached { stage: ix })
    }

    /// Whether more hosts of the stage did not answer than may.
    fn is_unreached(&self, ix: StageIx) -> bool {
        let stage = &self.settings.stages[ix.at()];
        let unreachable = |host: &&HostIx| {
            let run = &self.hosts[host.at()];
            run.place == Place::Refused && run.problem.as_ref().is_some_and(|problem| problem.kind.is_unreachable())
        };
        stage.hosts.iter().filter(unreachable).count() > stage.max_unreachable.of(stage.hosts.len())
    }

    fn after_last_wave(&self, ix: StageIx, head: Digest) -> Event {
        if self.is_drill() {
            return self.takes_back(ix);
        }
        let close = |end| Event::ClosingStarted { stage: ix, end };
        // What could not be told a person looks at, whether the plan has a gate or not.
        let gate = self.gate_rules(ix).is_some_and(|rules| rules.when.is_after()) || self.is_inconclusive(ix);
        if self.has_patched(ix) {
            return if gate { self.open_gate(ix, GateKind::After, head) } else { close(StageEnd::Approved) };
        }
        if matches!(self.settings.kind, RunKind::Rollback { .. }) {
            let restored = self.any(ix, |place| matches!(place, Place::Restored | Place::Current));
            let failed = self.any(ix, |place| matches!(place, Place::NotRestored | Place::Lost));
            return close(match (restored, failed) {
                (_, true) => StageEnd::Failed,
                (true, false) => StageEnd::Approved,
                (false, false) => StageEnd::Refused,
            });
        }
        if self.any(ix, |place| matches!(place, Place::Current | Place::Kept)) {
            let run = &self.stages[ix.at()];
            let last = run.gate.as_ref().filter(|gate| gate.kind != GateKind::Before);
            let decided = last.and_then(|gate| gate.decided.as_ref());
            let approved = decided.is_some_and(|(decision, _)| decision.verdict == Verdict::Approved);
            if (run.recovered || run.passed > 0) && approved && self.any(ix, |place| place == Place::Kept) {
                // What is kept was approved; what has been recovered since is back.
                return close(StageEnd::Approved);
            }
            let needed = self.settings.stages.iter().any(|other| other.needs.contains(&ix));
            return if gate && needed { self.open_gate(ix, GateKind::After, head) } else { close(StageEnd::Current) };
        }
        close(if self.has_failed(ix) { StageEnd::Failed } else { StageEnd::Refused })
    }

    /// How many of the stage's hosts failed and count against `max_failed`.
    pub(super) fn failures(&self, ix: StageIx) -> usize {
        let counts = |host: &&HostIx| self.hosts[host.at()].failed && !self.hosts[host.at()].excused;
        self.settings.stages[ix.at()].hosts.iter().filter(counts).count()
    }

    /// Whether a host of the stage failed, in this try or in one before.
    pub(in crate::core) fn has_failed(&self, ix: StageIx) -> bool {
        self.settings.stages[ix.at()].hosts.iter().any(|host| self.hosts[host.at()].failed)
    }

    fn after_gate(&self, ix: StageIx, now: Timestamp) -> Option<Event> {
        let run = &self.stages[ix.at()];
        let gate = run.gate.as_ref()?;
        let (Decision { verdict, .. }, _) = gate.decided.as_ref()?;
        let close = |end| Some(Event::ClosingStarted { stage: ix, end });
        // Whoever cancels waits for nothing.
        let begins = gate.kind != GateKind::After && *verdict == Verdict::Approved && self.cancelled.is_none();
        if let Some(waits) = self.shut_out(ix, now).filter(|_| begins) {
            return waits;
        }
        if begins && self.has_lapsed(ix, |_| false, now) {
            return Some(Event::ApprovalLapsed { stage: ix });
        }
        match (gate.kind, verdict) {
            // Approved was what would be done: it is looked at once more.
            (GateKind::Before, Verdict::Approved) if !run.fresh && self.settings.kind.patches() => {
                Some(Event::RecheckStarted { stage: ix })
            }
            (GateKind::Before | GateKind::Wave, Verdict::Approved) => Some(Event::GatePassed { stage: ix }),
            (GateKind::After, Verdict::Approved) if run.exceeded => close(StageEnd::Failed),
            (GateKind::After, Verdict::Approved) if run.unreached => close(StageEnd::Incomplete),
            (GateKind::After, Verdict::Approved) => close(StageEnd::Approved),
            (_, _) if self.has_patched(ix) => Some(Event::UndoStarted { stage: ix, cause: UndoCause::Rejected }),
            (_, _) => close(StageEnd::Rejected),
        }
    }
}
