//! One stage's way through a run.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;

use super::approval::{Approval, Decision};
use super::document::Verdict;
use super::event::{GateKind, StageEnd, UndoCause};
use super::hooks::StageHook;
use super::host::Activity;
use super::ids::{Digest, HostIx};
use super::preapproval::Uncovered;
use super::settings;

/// What a stage is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Not begun.
    Pending,
    /// Its hosts are being asked.
    Resolving,
    /// All hosts answered, some have something to do; it waits for what must be true before its first change.
    Resolved,
    /// All hosts answered, none has anything to do: it succeeds when the run ends, or when somebody who needs it
    /// approves.
    Idle,
    /// What its hosts will need is fetched, before anything is changed.
    Prefetching,
    /// A wave is being patched.
    Rolling,
    /// A wave that was patched is watched.
    Soaking,
    /// Between waves: the last one is done.
    BetweenWaves,
    /// A gate waits.
    Gate,
    /// Patched hosts go back.
    Undoing(UndoCause),
    /// Claims are taken off.
    Closing(StageEnd),
    /// Its hosts are inspected again, before its approval is used: after its end by a stage that needs it, else by itself.
    Rechecking(Option<StageEnd>),
    /// Over.
    Ended(StageEnd),
}

/// A gate that is open, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Which of the stage's.
    pub kind: GateKind,
    /// What is decided on.
    pub digest: Digest,
    /// Since when.
    pub opened: Timestamp,
    /// Whose decisions count, and how many it takes.
    pub rules: Approval,
    /// What rules of a policy have to do with it, for people.
    pub policy: Vec<String>,
    /// The decision that a rule makes at it; none: it takes a person's.
    pub auto: Option<Box<Decision>>,
    /// The decisions that count, in order.
    pub decisions: Vec<(Decision, Timestamp)>,
    /// The decision that settled it, and when: the last approval that was needed, or the first rejection.
    pub decided: Option<(Decision, Timestamp)>,
}

impl Gate {
    /// A gate that nobody has decided.
    pub fn new(kind: GateKind, digest: Digest, opened: Timestamp, rules: Approval) -> Self {
        let (policy, decisions) = (Vec::new(), Vec::new());
        Self { kind, digest, opened, rules, policy, auto: None, decisions, decided: None }
    }

    /// How many approvals it has, and how many it takes.
    pub fn tally(&self) -> (u32, u32) {
        let approvals = self.decisions.iter().filter(|(decision, _)| decision.verdict == Verdict::Approved).count();
        (u32::try_from(approvals).unwrap_or(u32::MAX), self.rules.quorum.max(1))
    }

    /// The decisions that still count: a signature counts until its statement expires.
    pub fn standing(&self, now: Timestamp) -> impl Iterator<Item = &Decision> {
        self.decisions.iter().map(|(decision, _)| decision).filter(move |decision| !decision.has_expired(now))
    }

    /// Takes a decision that counts.
    pub(super) fn take(&mut self, decision: &Decision, at: Timestamp) {
        self.decisions.retain(|(earlier, _)| !earlier.has_expired(at));
        self.decisions.push((decision.clone(), at));
        let (have, need) = self.tally();
        if decision.verdict != Verdict::Approved || have >= need {
            self.decided = Some((decision.clone(), at));
        }
    }

    /// Its approval is void: it waits anew, and its time begins anew.
    pub(super) fn reopen(&mut self, at: Timestamp) {
        (self.decided, self.opened) = (None, at);
        self.decisions.clear();
    }
}

/// What keeps a stage's hosts from beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shut {
    /// For people.
    pub by: String,
    /// When they may; none: never, as far as one can see.
    pub opens: Option<Timestamp>,
}

/// A wave that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Soak {
    /// Since when.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// When a look at its hosts began last.
    pub looked: Timestamp,
}

/// One stage's state.
#[derive(Debug, Clone)]
pub struct StageRun {
    /// What it is at.
    pub phase: Phase,
    /// The wave that runs or ran last; 0 before the first.
    pub wave: u32,
    /// The gate that is open, or was decided last.
    pub gate: Option<Gate>,
    /// Every decision, in order.
    pub decisions: Vec<(GateKind, Digest, Decision, Timestamp)>,
    /// More hosts failed than may.
    pub exceeded: bool,
    /// It has ended over that: whatever its failure takes back in other stages has gone back.
    pub(super) took_back: bool,
    /// More hosts than may did not answer after the first change.
    pub unreached: bool,
    /// Its hosts were inspected again, and nobody has used that yet.
    pub(super) fresh: bool,
    /// Why its last approval was void, for people; empty: it was not.
    pub stale: Vec<String>,
    /// A pre-approval that was brought to its open gate, and what it does not cover there.
    pub uncovered: Option<Uncovered>,
    /// It waits for its window, or for the end of a freeze.
    pub shut: Option<Shut>,
    /// What would have kept its hosts from beginning, and was passed in an emergency.
    pub passed_by: Vec<String>,
    /// Since when and until when the wave is watched, and when it was looked at last.
    pub soak: Option<Soak>,
    /// The last wave that was watched for long enough.
    pub(super) soaked: u32,
    /// What its hosts will need was fetched ahead.
    pub(super) prefetched: bool,
    /// The stage's own hook that runs now.
    pub(super) hook: Option<StageHook>,
    /// Whether the hook before it went well; none: it did not run.
    pub before: Option<bool>,
    /// The hook after it has run.
    pub(super) after: bool,
    /// The last wave that was approved at its own gate.
    pub(super) passed: u32,
    /// Lost hosts were asked what became of them, after it had ended.
    pub(super) recovered: bool,
    /// When its first host was asked.
    pub opened: Option<Timestamp>,
    /// Hosts that have not begun the present activity.
    pub(super) queue: VecDeque<HostIx>,
    /// Hosts between two steps of the present activity.
    pub(super) ready: VecDeque<HostIx>,
    /// Hosts that wait for their turn to boot.
    pub(super) to_reboot: VecDeque<HostIx>,
    /// Hosts that began the present activity and have not come to rest.
    pub(super) active: BTreeSet<HostIx>,
    /// Its hosts in waves.
    pub(super) waves: Vec<Vec<HostIx>>,
}

impl StageRun {
    pub(super) fn new(stage: &settings::Stage) -> Self {
        Self {
            phase: Phase::Pending,
            wave: 0,
            gate: None,
            decisions: Vec::new(),
            exceeded: false,
            took_back: false,
            unreached: false,
            fresh: false,
            stale: Vec::new(),
            uncovered: None,
            shut: None,
            passed_by: Vec::new(),
            soak: None,
            soaked: 0,
            prefetched: false,
            hook: None,
            before: None,
            after: false,
            passed: 0,
            recovered: false,
            opened: None,
            queue: VecDeque::new(),
            ready: VecDeque::new(),
            to_reboot: VecDeque::new(),
            active: BTreeSet::new(),
            waves: waves(stage),
        }
    }

    /// What its hosts are doing, if they are doing anything.
    pub fn activity(&self) -> Option<Activity> {
        match self.phase {
            Phase::Resolving => Some(Activity::Resolving),
            Phase::Rolling => Some(Activity::Rolling),
            Phase::Prefetching => Some(Activity::Prefetching),
            Phase::Soaking => Some(Activity::Soaking),
            Phase::Undoing(_) => Some(Activity::Undoing),
            Phase::Closing(_) => Some(Activity::Closing),
            Phase::Rechecking(_) => Some(Activity::Rechecking),
            _ => None,
        }
    }

    /// Whether nobody is left to begin or to wait for in the present activity.
    pub(super) fn is_through(&self) -> bool {
        self.queue.is_empty() && self.active.is_empty()
    }

    /// Whether the host has begun the present activity and has not come to rest.
    pub fn is_at_work(&self, host: HostIx) -> bool {
        self.active.contains(&host)
    }

    /// How many hosts have begun the present activity and have not come to rest.
    pub fn active_hosts(&self) -> usize {
        self.active.len()
    }

    /// Whether no further host begins.
    pub fn is_stopped(&self) -> bool {
        self.exceeded || self.unreached
    }

    /// Takes the host, whose turn it is, out of the list that it waits in; false: it is not its turn.
    pub(super) fn takes_turn(&mut self, host: HostIx) -> bool {
        if let Some(at) = self.ready.iter().position(|other| *other == host) {
            self.ready.remove(at);
        } else if self.to_reboot.front() == Some(&host) {
            self.to_reboot.pop_front();
        } else if let Some(at) = self.queue.iter().position(|other| *other == host) {
            self.queue.remove(at);
            self.active.insert(host);
        } else {
            return false;
        }
        true
    }

    /// The gate that waits for a decision.
    pub fn open_gate(&self) -> Option<&Gate> {
        match self.phase {
            Phase::Gate => self.gate.as_ref().filter(|gate| gate.decided.is_none()),
            _ => None,
        }
    }

    /// Whether somebody has permitted it to begin, and it has not.
    pub(super) fn may_begin(&self) -> bool {
        let approved = |gate: &Gate| gate.decided.as_ref().is_some_and(|(it, _)| it.verdict == Verdict::Approved);
        self.phase == Phase::Gate
            && self.gate.as_ref().is_some_and(|gate| gate.kind == GateKind::Before && approved(gate))
    }

    /// Whether stages that need this one may look at their hosts (not change them).
    pub(super) fn may_be_built_on(&self) -> bool {
        matches!(self.phase, Phase::Idle | Phase::Ended(StageEnd::Approved | StageEnd::Current))
    }

    /// Whether stages that need this one may change their hosts.
    pub(super) fn succeeded(&self) -> bool {
        matches!(self.phase, Phase::Ended(StageEnd::Approved | StageEnd::Current))
    }

    /// Whether it is over.
    pub fn ended(&self) -> Option<StageEnd> {
        match self.phase {
            Phase::Ended(end) => Some(end),
            _ => None,
        }
    }
}

/// The stage's hosts, cut into waves: each size is of all selected hosts, at least one; the last size repeats.
pub fn waves(stage: &settings::Stage) -> Vec<Vec<HostIx>> {
    let total = stage.hosts.len();
    let mut rest = stage.hosts.as_slice();
    let mut waves = Vec::new();
    while !rest.is_empty() {
        let size = match stage.waves.get(waves.len()).or(stage.waves.last()) {
            Some(amount) => amount.of(total).max(1),
            None => total,
        };
        let (wave, left) = rest.split_at(size.min(rest.len()));
        waves.push(wave.to_vec());
        rest = left;
    }
    waves
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::approval::Signed;
    use super::super::document::How;
    use super::super::settings::Person;
    use super::super::statement::DecisionStatement;
    use super::*;
    use crate::core::settings::Amount;

    fn amount() -> impl Strategy<Value = Amount> {
        prop_oneof![(0..300_u32).prop_map(Amount::Count), (0..=100_u8).prop_map(Amount::Percent)]
    }

    fn stage(hosts: u32, waves: Vec<Amount>) -> settings::Stage {
        let stage = serde_json::json!({
            "name": "s", "pattern": "all", "hosts": (0..hosts).rev().collect::<Vec<_>>(), "needs": [], "waves": waves,
            "parallel": 1, "max_failed": { "count": 0 }, "max_unreachable": { "count": 0 }, "on_exceeded": "rollback",
            "rollback_scope": "stage", "restart": "needed", "restart_exclude": [], "timeout": 60, "approval": null,
        });
        serde_json::from_value(stage).unwrap()
    }

    /// An approval whose statement expires then.
    fn signed(name: &str, expires: &str) -> Decision {
        let by = Person { name: name.into(), source: "signature".into() };
        let text = serde_json::json!({
            "schema": 1, "run": "01JD0000000000000000000000", "change": "CHG1", "plan": "p", "stage": "uat",
            "gate": "after", "digest": Digest::ZERO, "decision": "approved", "reason": "fine", "expires": expires,
        });
        let statement: DecisionStatement = serde_json::from_value(text).unwrap();
        let signed = Signed {
            principal: name.into(),
            key: name.into(),
            statement: statement.text(),
            signature: String::new(),
            brought_by: by.clone(),
            preapproval: None,
        };
        Decision { signed: Some(Box::new(signed)), ..Decision::new(Verdict::Approved, by, "fine", How::Signature) }
    }

    #[test]
    fn a_signature_counts_until_its_statement_expires() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let rules = Approval { quorum: 2, signed: true, ..Approval::default() };
        let mut gate = Gate::new(GateKind::After, Digest::ZERO, at("2026-06-01T00:00:00Z"), rules);
        gate.take(&signed("alice", "2026-06-08T00:00:00Z"), at("2026-06-01T00:00:00Z"));
        assert_eq!(gate.standing(at("2026-06-08T00:00:00Z")).count(), 1);
        assert_eq!(gate.standing(at("2026-06-08T00:00:01Z")).count(), 0);
        // Too late for alice's: bob's is the first again, and alice may sign anew.
        gate.take(&signed("bob", "2026-06-16T00:00:00Z"), at("2026-06-09T00:00:00Z"));
        assert_eq!((gate.tally(), gate.decided.is_some()), ((1, 2), false));
        let again = signed("alice", "2026-06-16T00:00:00Z");
        let (requester, now) = (&again.by, at("2026-06-09T00:00:00Z"));
        assert_eq!(gate.rules.objection(&again, requester, gate.standing(now)), None);
        gate.take(&again, now);
        assert_eq!((gate.tally(), gate.decided.is_some()), ((2, 2), true));
    }

    proptest! {
        #[test]
        fn waves_are_the_hosts_in_order_in_the_sizes_that_are_asked_for(
            hosts in 0..400_u32, sizes in prop::collection::vec(amount(), 0..5)
        ) {
            let stage = stage(hosts, sizes.clone());
            let waves = waves(&stage);
            prop_assert_eq!(waves.concat(), stage.hosts.clone(), "each host once, in order");
            prop_assert!(waves.iter().all(|wave| !wave.is_empty()));
            // A share is of all of the stage's hosts, rounded down, whatever is left of them.
            let size = |amount: &Amount| match amount {
                Amount::Count(n) => u64::from(*n).max(1),
                Amount::Percent(share) => (u64::from(hosts) * u64::from(*share) / 100).max(1),
            };
            let mut left = u64::from(hosts);
            for (at, wave) in waves.iter().enumerate() {
                let wanted = sizes.get(at).or(sizes.last()).map_or(u64::from(hosts), size);
                prop_assert_eq!(wave.len() as u64, wanted.min(left), "wave {}", at + 1);
                left -= wave.len() as u64;
            }
        }
    }
}
