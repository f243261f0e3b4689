//! What reaches the run from outside, turned into events, or refused with a reason that a person can use.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::super::approval::{Decision, NotCounted, OnTimeout};
use super::super::document::{How, Verdict};
use super::super::event::{Event, GateKind, Input, PauseCause, StageEnd, Step};
use super::super::findings::StepResult;
use super::super::host::Place;
use super::super::ids::{Digest, HostIx, StageIx};
use super::super::packages::{Package, PackageOp};
use super::super::preapproval::told;
use super::super::settings::Person;
use super::super::stage::{Gate, Phase, StageRun};
use super::{Rollout, Slot};

/// Why something that reached the run changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The run is over.
    #[error("the run is finished; there is nothing to decide")]
    Finished,
    /// No gate is open.
    #[error("no gate is open: {0}")]
    NoGate(String),
    /// Several gates are open.
    #[error("several gates are open ({0}); name one with --stage")]
    SeveralGates(String),
    /// The decision names another digest.
    #[error("the gate's digest is {open}, not {given}: what is decided on has changed")]
    OtherDigest {
        /// The open gate's.
        open: Digest,
        /// What was given.
        given: String,
    },
    /// Somebody was faster; the first final decision stands.
    #[error("{by} has {verdict} it already: {reason}")]
    Decided {
        /// Who.
        by: String,
        /// What.
        verdict: &'static str,
        /// Why.
        reason: String,
    },
    /// Nobody decided while the gate waited, and the plan says that this rejects.
    #[error("the gate's time is up, and the plan says on_timeout = \"reject\": it is rejected when the run goes on")]
    Expired,
    /// The gate's rules do not count it.
    #[error(transparent)]
    NotCounted(#[from] NotCounted),
    /// A decision needs a reason.
    #[error("a reason must be given")]
    NoReason,
    /// No host can be asked what became of it.
    #[error("{0} is in a known state, or was given up: there is nothing to recover")]
    NothingToRecover(String),
    /// The host's stage goes on first.
    #[error("stage {0} is not at rest: go on with the run first (`patchctl resume`), then recover the host")]
    NotAtRest(String),
    /// A stage that the host's stage needs comes first.
    #[error("stage {stage} needs {need}, whose hosts are to be recovered first")]
    NeedFirst {
        /// The host's stage.
        stage: String,
        /// What it needs.
        need: String,
    },
    /// The run has nothing to do with the host.
    #[error("{0} carries no claim of this run, and is in a known state: there is nothing to give up")]
    NothingToRelease(String),
    /// Somebody cancelled it before.
    #[error("{by} has cancelled the run already: {reason}")]
    Cancelled {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// No policy lets this person declare one.
    #[error("no emergency: {0}")]
    NoEmergency(String),
    /// Nobody declared an emergency.
    #[error("nobody declared an emergency in this run: there is nothing to review")]
    NothingToReview,
    /// It is not over yet.
    #[error("an emergency is reviewed once its run is over")]
    ReviewedTooSoon,
    /// Somebody has looked at it before.
    #[error("{by} has reviewed it already: {reason}")]
    Reviewed {
        /// Who.
        by: String,
        /// What that person said.
        reason: String,
    },
    /// Whoever declared it does not review it.
    #[error("{by} declared this emergency ({reason}): somebody else reviews it")]
    OwnEmergency {
        /// Who.
        by: String,
        /// Why it was declared.
        reason: String,
    },
    /// Nothing can be tried again.
    #[error("no host failed or was unreachable; there is nothing to try again")]
    NothingToRetry,
    /// It is about something that is not under way any more.
    #[error("it is about a step that is not under way")]
    OutOfDate,
}

impl Rollout {
    /// Turns an input into events. They are to be journaled and applied, in order.
    ///
    /// # Errors
    /// When the input does not fit the state; nothing has happened then.
    pub fn decide(&self, input: Input, now: Timestamp) -> Result<Vec<Event>, Refusal> {
        match input {
            Input::Drive { by, version, confirmed } => Ok(self.taken_up(by, version, confirmed, now)),
            Input::StepEnded { host, step, result, ops, installed } => {
                self.step_result(host, step, result, ops, installed)
            }
            Input::HookEnded { stage, hook, problem, log } => self.hook_end(stage, hook, problem, log),
            Input::Confirm { by, yes } if self.confirming => {
                Ok(vec![if yes { Event::Confirmed { by } } else { Event::Declined { by } }])
            }
            Input::Confirm { .. } => Err(Refusal::OutOfDate),
            Input::Decide { stage, digest, decision } => self.decision(stage, digest, decision, now),
            Input::NotCovered { stage, id, what } => self.not_covered(stage, id, what),
            Input::Leave { why } => Ok(vec![Event::Paused { why }]),
            Input::Retry { only } => self.retry(only.as_deref(), now),
            Input::Signal(signal) if self.draining.is_none() => Ok(vec![Event::Draining { signal }]),
            Input::Signal(_) => Err(Refusal::OutOfDate),
            Input::Barred { host, step, problem } => {
                self.must_be_under_way(host, step)?;
                Ok(vec![Event::Barred { host, problem }])
            }
            Input::Pause { by } => self.pause(by),
            Input::Cancel { by, reason } => self.cancels(by, reason),
            Input::Declare(declaration) => self.declares(declaration, now),
            Input::Review { by, reason } => self.reviews(by, reason),
            Input::Recover { by, hosts } => self.recover(by, hosts),
            Input::Release { host, by, reason } => self.release(host, by, reason),
            notified @ Input::Notified { .. } => self.notified(notified),
            Input::Tick => Ok([self.expired(now), self.reminders_due(now)].concat()),
        }
    }

    fn taken_up(&self, by: Person, version: String, confirmed: bool, now: Timestamp) -> Vec<Event> {
        let mut events = vec![Event::Driven { by: by.clone(), version }];
        if confirmed && !self.confirmed {
            events.push(Event::Confirmed { by });
        }
        let waiting =
            |ix: StageIx| matches!(self.stages[ix.at()].phase, Phase::Pending | Phase::Resolving | Phase::Resolved);
        let stages = (0..).map(StageIx).take(self.stages.len());
        events.extend(
            stages.filter(|ix| self.has_lapsed(*ix, waiting, now)).map(|stage| Event::ApprovalLapsed { stage }),
        );
        events.extend(self.expired(now));
        events.extend(self.reminders_due(now));
        events
    }

    /// Whether the stage's approval is too old to be used now, and somebody would use it: the stage itself, or one that
    /// waits to begin on it.
    pub(super) fn has_lapsed(&self, ix: StageIx, waiting: impl Fn(StageIx) -> bool, now: Timestamp) -> bool {
        let Some(gate) = &self.stages[ix.at()].gate else { return false };
        let Some((decision, at)) = &gate.decided else { return false };
        let stages = (0..).map(StageIx).zip(&self.settings.stages);
        let used = match self.stages[ix.at()].phase {
            Phase::Gate | Phase::Rechecking(None) => true,
            Phase::Ended(StageEnd::Approved) | Phase::Rechecking(Some(StageEnd::Approved))
                if gate.kind != GateKind::Before && !self.is_built_on(ix) =>
            {
                stages.filter(|(_, stage)| stage.needs.contains(&ix)).any(|(other, _)| waiting(other))
            }
            _ => false,
        };
        let is_old = has_passed(*at, gate.rules.valid, now) || gate.standing(now).count() < gate.decisions.len();
        used && decision.verdict == Verdict::Approved && is_old
    }

    fn gates(&self) -> impl Iterator<Item = (StageIx, &Gate)> {
        (0..).map(StageIx).zip(&self.stages).filter_map(|(ix, run)| match run.phase {
            Phase::Gate => run.gate.as_ref().map(|gate| (ix, gate)),
            _ => None,
        })
    }

    fn open_gates(&self) -> impl Iterator<Item = (StageIx, &Gate)> {
        self.gates().filter(|(_, gate)| gate.decided.is_none())
    }

    fn expired(&self, now: Timestamp) -> Vec<Event> {
        let mut events = Vec::new();
        for (stage, gate) in self.open_gates() {
            if Self::expires(gate).is_some_and(|at| now > at) {
                let by = Person { name: "patchctl".into(), source: "policy".into() };
                let reason = "nobody decided in time, and the plan says on_timeout = \"reject\"";
                let decision = Decision::new(Verdict::Expired, by, reason, How::Policy);
                events.push(Event::Decided { stage, gate: gate.kind, digest: gate.digest, decision });
            }
        }
        events
    }

    /// After which moment a gate that nobody has decided rejects, where the plan says so.
    fn expires(gate: &Gate) -> Option<Timestamp> {
        let rules = &gate.rules;
        let wait = SignedDuration::try_from(rules.wait).unwrap_or(SignedDuration::MAX);
        let at = gate.opened.checked_add(wait).ok()?;
        (rules.on_timeout == OnTimeout::Reject).then_some(at)
    }

    /// When the first of the open gates rejects because nobody decided.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.open_gates().filter_map(|(_, gate)| Self::expires(gate)).min()
    }

    fn step_result(
        &self,
        host: HostIx,
        step: Step,
        result: StepResult,
        ops: Vec<PackageOp>,
        installed: Vec<Package>,
    ) -> Result<Vec<Event>, Refusal> {
        self.must_be_under_way(host, step)?;
        let mut events = Vec::new();
        let (transaction, list) = match &result {
            StepResult::Resolved(found) => (Some(found.transaction), found.installed),
            StepResult::Inspected(_) => (None, None),
            StepResult::Done(report)
            | StepResult::Failed { report, .. }
            | StepResult::RestoredItself { report, .. } => (None, report.installed),
        };
        if let Some(digest) = transaction.filter(|digest| !self.transactions.contains_key(digest)) {
            events.push(Event::Transaction { digest, ops });
        }
        if let Some(digest) = list.filter(|digest| !self.installed.contains_key(digest)) {
            events.push(Event::Installed { digest, packages: installed });
        }
        events.push(Event::StepEnded { host, step, result });
        Ok(events)
    }

    fn must_be_under_way(&self, host: HostIx, step: Step) -> Result<(), Refusal> {
        let under_way = self.open.contains_key(&Slot::Host(host)) && self.hosts[host.at()].step == Some(step);
        if under_way { Ok(()) } else { Err(Refusal::OutOfDate) }
    }

    fn pause(&self, by: Person) -> Result<Vec<Event>, Refusal> {
        if self.finished {
            return Err(Refusal::Finished);
        }
        Ok(vec![Event::PauseAsked { by }])
    }

    fn cancels(&self, by: Person, reason: String) -> Result<Vec<Event>, Refusal> {
        if self.finished {
            return Err(Refusal::Finished);
        }
        if reason.trim().is_empty() {
            return Err(Refusal::NoReason);
        }
        if let Some((by, reason, _)) = &self.cancelled {
            return Err(Refusal::Cancelled { by: by.name.clone(), reason: reason.clone() });
        }
        Ok(vec![Event::Cancelled { by, reason }])
    }

    fn recover(&self, by: Person, hosts: Vec<HostIx>) -> Result<Vec<Event>, Refusal> {
        for host in &hosts {
            let name = || self.settings.hosts[host.at()].name.to_string();
            if !self.hosts[host.at()].may_recover() {
                return Err(Refusal::NothingToRecover(name()));
            }
            let stage = self.stage_of[host.at()];
            let run = &self.stages[stage.at()];
            // A decision that was recorded is carried out first: nothing takes it back.
            let at_rest = run.ended().is_some() || run.open_gate().is_some_and(|gate| gate.kind == GateKind::After);
            if !at_rest || self.is_built_on(stage) {
                return Err(Refusal::NotAtRest(self.settings.stages[stage.at()].name.to_string()));
            }
            self.needs_recovered(stage, &hosts)?;
        }
        Ok(vec![Event::Recovering { by, hosts }])
    }

    /// A host is only finished where what its stage needs has succeeded, and is not asked about at the same time.
    fn needs_recovered(&self, stage: StageIx, hosts: &[HostIx]) -> Result<(), Refusal> {
        let finishes = matches!(
            self.stages[stage.at()].phase,
            Phase::Gate | Phase::Ended(StageEnd::Approved | StageEnd::Current | StageEnd::Incomplete)
        );
        let open = |need: &&StageIx| {
            !self.stages[need.at()].succeeded() || hosts.iter().any(|host| self.stage_of[host.at()] == **need)
        };
        let name = |ix: StageIx| self.settings.stages[ix.at()].name.to_string();
        match self.settings.stages[stage.at()].needs.iter().find(open).filter(|_| finishes) {
            Some(need) => Err(Refusal::NeedFirst { stage: name(stage), need: name(*need) }),
            None => Ok(()),
        }
    }

    fn release(&self, host: HostIx, by: Person, reason: String) -> Result<Vec<Event>, Refusal> {
        if reason.trim().is_empty() {
            return Err(Refusal::NoReason);
        }
        let at = &self.hosts[host.at()];
        let known = !at.claimed && at.step.is_none() && !at.may_recover();
        if known || at.given_up.is_some() {
            return Err(Refusal::NothingToRelease(self.settings.hosts[host.at()].name.to_string()));
        }
        Ok(vec![Event::Released { host, by, reason }])
    }

    fn decision(
        &self,
        stage: Option<StageIx>,
        digest: Option<String>,
        decision: Decision,
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        if self.finished {
            return Err(Refusal::Finished);
        }
        let (stage, gate) = self.gate_for(stage)?;
        if decision.reason.trim().is_empty() {
            return Err(Refusal::NoReason);
        }
        if let Some((first, _)) = &gate.decided {
            return Err(Refusal::Decided {
                by: first.by.name.clone(),
                verdict: if first.verdict == Verdict::Approved { "approved" } else { "rejected" },
                reason: first.reason.clone(),
            });
        }
        if Self::expires(gate).is_some_and(|at| now > at) {
            return Err(Refusal::Expired);
        }
        if let Some(given) = digest.filter(|given| !gate.digest.matches(given)) {
            return Err(Refusal::OtherDigest { open: gate.digest, given });
        }
        if let Some(objection) = self.objection(stage, gate, &decision, now) {
            return Err(objection.into());
        }
        Ok(vec![Event::Decided { stage, gate: gate.kind, digest: gate.digest, decision }])
    }

    /// Why a decision would not count at this gate; none: it would.
    pub fn objection(&self, stage: StageIx, gate: &Gate, decision: &Decision, now: Timestamp) -> Option<NotCounted> {
        let objection = gate.rules.objection(decision, &self.settings.requester, gate.standing(now));
        let unchecked = || {
            let approves = decision.verdict == Verdict::Approved && gate.kind != GateKind::Before;
            approves.then(|| self.missing_check(stage)).flatten().map(NotCounted::Unchecked)
        };
        let objection = objection.or_else(unchecked).or_else(|| {
            // Whoever approved beforehand could not know of it.
            let beforehand = decision.how == How::Flag && decision.verdict == Verdict::Approved;
            (beforehand && gate.kind != GateKind::Before)
                .then(|| self.inconclusive(stage))
                .flatten()
                .map(NotCounted::Inconclusive)
        });
        objection.or_else(|| {
            let scope = decision.preapproval()?;
            let gaps = told(&self.gaps(scope, stage, now));
            (!gaps.is_empty()).then(|| NotCounted::NotCovered { id: scope.id.clone(), what: gaps.join("; ") })
        })
    }

    /// The same thing is not said twice of the same gate, however often the run is taken up.
    fn not_covered(&self, stage: StageIx, id: String, what: Vec<String>) -> Result<Vec<Event>, Refusal> {
        if !self.open_gates().any(|(ix, _)| ix == stage) {
            return Err(Refusal::OutOfDate);
        }
        let known = self.stages[stage.at()].uncovered.as_ref();
        if known.is_some_and(|known| known.id == id && known.what == what) {
            return Ok(Vec::new());
        }
        Ok(vec![Event::NotCovered { stage, id, what }])
    }

    /// The groups that the rules of this run's gates name.
    pub fn groups_of_gates(&self) -> Vec<&str> {
        let gates = self.stages.iter().filter_map(|run| run.gate.as_ref());
        let named: BTreeSet<&str> = gates.flat_map(|gate| gate.rules.groups()).collect();
        named.into_iter().collect()
    }

    fn gate_for(&self, stage: Option<StageIx>) -> Result<(StageIx, &Gate), Refusal> {
        if let Some(wanted) = stage {
            let name = self.settings.stages.get(wanted.at()).map_or("?", |stage| stage.name.as_str());
            return self
                .gates()
                .find(|(ix, _)| *ix == wanted)
                .ok_or_else(|| Refusal::NoGate(format!("stage {name} does not wait at one")));
        }
        let mut open = self.open_gates();
        match (open.next(), open.next()) {
            (Some(gate), None) => Ok(gate),
            (None, _) => match self.gates().next() {
                Some(decided) => Ok(decided),
                None => Err(Refusal::NoGate("no stage waits for a decision".into())),
            },
            (Some(_), Some(_)) => {
                let name = |(ix, _): (StageIx, &Gate)| self.settings.stages[ix.at()].name.to_string();
                Err(Refusal::SeveralGates(self.open_gates().map(name).collect::<Vec<_>>().join(", ")))
            }
        }
    }

    fn retry(&self, only: Option<&[HostIx]>, now: Timestamp) -> Result<Vec<Event>, Refusal> {
        if let Some((by, reason, _)) = &self.cancelled {
            return Err(Refusal::Cancelled { by: by.name.clone(), reason: reason.clone() });
        }
        let mut hosts = Vec::new();
        for ((ix, stage), run) in (0..).map(StageIx).zip(&self.settings.stages).zip(&self.stages) {
            let redo = matches!(
                run.phase,
                Phase::Ended(StageEnd::Failed | StageEnd::Refused | StageEnd::Declined | StageEnd::Incomplete)
            );
            // A rejection is final, also one that was recorded and has not been carried out yet.
            let decided = run.phase == Phase::Gate && run.open_gate().is_none();
            let rejected = matches!(run.phase, Phase::Ended(StageEnd::Rejected | StageEnd::Cancelled));
            if rejected || decided || self.is_built_on(ix) || !matches!(run.phase, Phase::Ended(_) | Phase::Gate) {
                continue;
            }
            hosts.extend(stage.hosts.iter().filter(|host| {
                let at = &self.hosts[host.at()];
                let back = at.place == Place::Restored && self.settings.kind.patches();
                let again =
                    redo && !at.is_out_of_reach() && (back || matches!(at.place, Place::Ready | Place::Waiting));
                at.may_retry() || again
            }));
        }
        hosts.retain(|host| only.is_none_or(|only| only.contains(host)));
        if hosts.is_empty() {
            return Err(Refusal::NothingToRetry);
        }
        let again = |ix: StageIx| hosts.iter().any(|host| self.stage_of(*host) == ix);
        let begins = |ix: StageIx| again(ix) || self.stages[ix.at()].phase == Phase::Ended(StageEnd::NeedsUnmet);
        let stages = (0..).map(StageIx).take(self.stages.len());
        let lapsed = stages.filter(|ix| !again(*ix) && self.has_lapsed(*ix, begins, now));
        let events =
            lapsed.map(|stage| Event::ApprovalLapsed { stage }).chain([Event::Retried { hosts: hosts.clone() }]);
        Ok(events.collect())
    }

    /// Whether a stage that needs this one is changing its hosts now.
    fn is_built_on(&self, ix: StageIx) -> bool {
        let changes = |run: &StageRun| matches!(run.phase, Phase::Rolling | Phase::Soaking | Phase::BetweenWaves);
        let others = self.settings.stages.iter().zip(&self.stages).filter(|(stage, _)| stage.needs.contains(&ix));
        others.into_iter().any(|(_, run)| changes(run))
    }

    /// Whether a gate at which the run waits was decided, or a rule decides it, or its time is up.
    pub fn is_decided(&self, now: Timestamp) -> bool {
        // What was decided and waits for its window is due when that opens.
        let is_due = |ix: StageIx, gate: &Gate| {
            let waits = self.stages[ix.at()].shut.is_some();
            (gate.decided.is_some() && !waits) || (gate.decided.is_none() && gate.auto.is_some())
        };
        self.gates().any(|(ix, gate)| is_due(ix, gate)) || !self.expired(now).is_empty()
    }

    /// What the process waits for, when nothing is under way and somebody else must act.
    pub fn waits_for(&self) -> Option<PauseCause> {
        if let Some(signal) = &self.draining {
            return Some(PauseCause::Signal(signal.clone()));
        }
        if self.pause_asked {
            return Some(PauseCause::Asked);
        }
        if !self.barred.is_empty() {
            return Some(PauseCause::Barred);
        }
        if self.open_gates().next().is_some() {
            return Some(PauseCause::Gate);
        }
        if self.confirming {
            return Some(PauseCause::Confirmation);
        }
        self.shut().map(|_| PauseCause::Window).or_else(|| self.soaking().map(|_| PauseCause::Soak))
    }
}

fn has_passed(since: Timestamp, span: std::time::Duration, now: Timestamp) -> bool {
    let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
    now.duration_since(since) > span
}
