//! What policies make of a run's gates.

use super::Rollout;
use crate::core::approval::{Approval, Decision};
use crate::core::document::{How, Verdict};
use crate::core::event::{Event, GateKind};
use crate::core::host::Place;
use crate::core::ids::{Digest, HostIx, StageIx};
use crate::core::policy::{ApprovalRule, AutoRule, narrowed};
use crate::core::preapproval::held;
use crate::core::report;
use crate::core::risk::Risk;
use crate::core::settings::Person;
use crate::core::stage::Gate;

use jiff::Timestamp;

impl Rollout {
    /// The rules of the stage's gates as of now: the plan's, narrowed by each rule of the policy that applies to what its
    /// hosts have answered; none: it has no gate.
    pub fn gate_rules(&self, ix: StageIx) -> Option<Approval> {
        let plan = self.settings.stages[ix.at()].approval.as_ref();
        let rules = narrowed(plan, self.rules_that_apply(ix))?;
        Some(match self.declared().rule(&self.settings) {
            Some(emergency) => emergency.shortened(rules),
            None => rules,
        })
    }

    /// The rules of the policy that narrow the stage's gates as of now.
    pub fn rules_that_apply(&self, ix: StageIx) -> Vec<&ApprovalRule> {
        let policy = &self.settings.policy;
        if policy.approvals.is_empty() || !self.settings.kind.patches() {
            return Vec::new();
        }
        policy.narrowing(&self.settings.stages[ix.at()].name, &self.risk(ix)).collect()
    }

    /// A gate as it opens now.
    pub(super) fn gate_now(&self, ix: StageIx, kind: GateKind, digest: Digest, at: Timestamp) -> Gate {
        let mut gate = Gate::new(kind, digest, at, Approval::default());
        self.judge(ix, &mut gate);
        gate
    }

    /// Whose decisions count at the gate, and whether it takes any, as of now.
    pub(super) fn judge(&self, ix: StageIx, gate: &mut Gate) {
        // A gate that asks about hosts that failed or fell silent opens without the plan's rules, too.
        gate.rules = self.gate_rules(ix).unwrap_or_default();
        let said = |rule: &ApprovalRule| format!("{} ({}): {}", rule.name, rule.at, rule.demand());
        gate.policy = self.rules_that_apply(ix).into_iter().map(said).collect();
        gate.auto = None;
        if gate.kind != GateKind::After || !self.settings.kind.patches() {
            return;
        }
        let stage = &self.settings.stages[ix.at()].name;
        let risk = self.risk(ix);
        for rule in self.settings.policy.auto_approve.iter().filter(|rule| rule.is_for(stage)) {
            match self.too_much(ix, gate).or_else(|| rule.objection(stage, &risk)).or_else(|| self.unchecked(ix, rule))
            {
                None if gate.auto.is_none() => gate.auto = Some(Box::new(by_rule(rule, &risk))),
                None => {}
                Some(why) => gate.policy.push(format!("{} ({}) does not approve it: {why}", rule.name, rule.at)),
            }
        }
    }

    /// Why no rule may open this gate, whatever it covers; none: one may.
    fn too_much(&self, ix: StageIx, gate: &Gate) -> Option<String> {
        let run = &self.stages[ix.at()];
        if !gate.rules.is_simple() {
            return Some(format!("the gate asks for more: {}", gate.rules.words(&self.settings.requester.name)));
        }
        if run.is_stopped() || self.has_failed(ix) {
            return Some("hosts failed, or did not answer".into());
        }
        let name = |host: HostIx| &self.settings.hosts[host.at()].name;
        let hosts = || self.settings.stages[ix.at()].hosts.iter().copied();
        let is_well = |place| matches!(place, Place::Patched | Place::Kept | Place::Current | Place::Excepted);
        if let Some(host) = hosts().find(|host| !is_well(self.host(*host).place)) {
            return Some(format!("{} is not patched", name(host)));
        }
        if let Some(host) = hosts().find(|host| report::checks(self, *host).iter().any(|check| !check.ok)) {
            return Some(format!("a check of {} does not hold", name(host)));
        }
        // What somebody changed since is for a person to look at.
        let changed = |host: &HostIx| !self.host(*host).drift.is_empty() || self.host(*host).inspected.is_some();
        hosts().find(changed).map(|host| format!("{} has changed since it was approved", name(host)))
    }

    /// Which check a rule asks for that was not made, or did not hold, and where.
    fn unchecked(&self, ix: StageIx, rule: &AutoRule) -> Option<String> {
        rule.checks.iter().find_map(|name| self.without_check(ix, name))
    }

    /// Which check the policy asks for that was not made, or did not hold, and where.
    pub(super) fn missing_check(&self, ix: StageIx) -> Option<String> {
        if !self.settings.kind.patches() {
            return None;
        }
        self.settings.policy.checks.iter().find_map(|check| {
            let why = self.without_check(ix, &check.name)?;
            Some(format!("{why}, and {} asks for it", check.at))
        })
    }

    fn without_check(&self, ix: StageIx, name: &str) -> Option<String> {
        let hosts = self.settings.stages[ix.at()].hosts.iter();
        hosts.filter(|host| !self.ops(**host).is_empty()).find_map(|host| {
            let held = held(self, *host)?;
            let lacks = !held.iter().any(|check| check == name);
            lacks.then(|| format!("{} has no check {name} that held", self.settings.hosts[host.at()].name))
        })
    }

    /// The decision that a rule has made at the stage's open gate.
    pub(super) fn decided_by_rule(&self, ix: StageIx) -> Option<Event> {
        let gate = self.stages[ix.at()].open_gate()?;
        let decision = gate.auto.as_deref()?.clone();
        Some(Event::Decided { stage: ix, gate: gate.kind, digest: gate.digest, decision })
    }
}

fn by_rule(rule: &AutoRule, risk: &Risk) -> Decision {
    let hosts = if risk.hosts == 1 { "1 host".to_owned() } else { format!("{} hosts", risk.hosts) };
    let packages = if risk.packages.len() == 1 { "1 package" } else { &format!("{} packages", risk.packages.len()) };
    let kernel = if risk.kernels.is_empty() { "no kernel" } else { "a kernel" };
    let reason = format!(
        "policy rule {} ({}): {hosts}, {packages}, severity {}, {kernel}",
        rule.name,
        rule.at,
        risk.severity.as_str()
    );
    let by = Person { name: "patchctl".into(), source: "policy".into() };
    Decision::new(Verdict::Approved, by, reason, How::Policy)
}
