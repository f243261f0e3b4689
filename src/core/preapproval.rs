//! Signed approval beforehand: what somebody permits without being asked again, and what of a gate lies beyond that.
//!
//! A decision at a gate names the digest of exactly what was done. A pre-approval names a scope instead: everything that
//! the gate is about must lie in it, else it does not count there, and what lies outside is told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::calendar::{Calendar, Window, is_match};
use super::document::Stamp;
use super::event::GateKind;
use super::findings::RebootNeed;
use super::host::{HostRun, Place};
use super::ids::{HostIx, HostName, PlanName, StageIx, StageName};
use super::packages::{OpKind, PackageOp};
use super::report;
use super::risk::{Severity, is_kernel};
use super::rollout::Rollout;
use super::settings::{Reboot, stamp};
use super::untrusted::Untrusted;

/// The namespace of these signatures: `ssh-keygen -Y sign -n preapproval.patchctl`.
pub const NAMESPACE: &str = "preapproval.patchctl";

/// Nobody gives a permission for longer than this: 366 days.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(366 * 24);

/// So many gaps are kept and told; whoever mends these looks again.
const TOLD: usize = 20;
/// So many hosts, or patterns, are named in one line.
const NAMED: usize = 4;

/// What a person signed. A list that is empty stands for anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preapproval {
    /// Its name, for the record.
    pub id: String,
    /// Why, for the record.
    pub reason: String,
    /// Plans, by their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plans: Vec<String>,
    /// Stages whose gates it may open.
    pub stages: Vec<String>,
    /// Hosts that may be changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Packages that may change.
    pub packages: Vec<String>,
    /// Where new versions may come from, as the package manager names it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
    /// Whether each change must be a security update.
    #[serde(default)]
    pub security_only: bool,
    /// The worst severity of what the patch closes, as its plan says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_severity: Option<Severity>,
    /// Checks, by their names, each of which must have been made after the change, and held, on every host that changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
    /// For how long the plan must watch each wave, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soak: Option<u64>,
    /// What must not happen.
    pub forbid: BTreeSet<Forbidden>,
    /// It counts from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Stamp>,
    /// After this moment it does not count any more.
    pub until: Stamp,
    /// When it may be used: while one of these is open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    /// How many runs may use it; none: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<u32>,
}

/// What a pre-approval does not cover, whatever else it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Forbidden {
    /// A package that is a kernel, or a part of one.
    Kernel,
    /// A host that boots, or is to.
    Reboot,
    /// A package that goes away.
    Removal,
}

impl Forbidden {
    /// All of them: what holds where a file says nothing.
    pub const ALL: [Self; 3] = [Self::Kernel, Self::Reboot, Self::Removal];
}

/// What a gate is about, as far as a scope has something to say about it.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The plan.
    pub plan: &'a PlanName,
    /// The stage.
    pub stage: &'a StageName,
    /// How bad what the patch closes is; what nobody has said is critical.
    pub severity: Severity,
    /// Whether the run patches; else it undoes an earlier one.
    pub patches: bool,
    /// Whether more hosts failed or fell silent than may.
    pub stopped: bool,
    /// For how long waves are watched, in seconds.
    pub soak: u64,
    /// The hosts that the gate is about.
    pub hosts: Vec<HostFacts<'a>>,
}

/// What became of one host, or would.
#[derive(Debug, Clone)]
pub struct HostFacts<'a> {
    /// Its name.
    pub name: &'a HostName,
    /// Why a person must look at it.
    pub trouble: Option<String>,
    /// What changes there.
    pub ops: &'a [PackageOp],
    /// Why it boots, or may.
    pub reboot: Option<String>,
    /// The checks that held after its change; none: it was not changed yet.
    pub checks: Option<Vec<String>>,
}

/// Something that a pre-approval does not cover, and on which hosts; none: it is not about single hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// What, in words.
    pub what: String,
    /// Where.
    pub hosts: Vec<HostName>,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.hosts.is_empty() {
            return f.write_str(&self.what);
        }
        write!(f, "{}: {}", some_of(&self.hosts), self.what)
    }
}

/// A pre-approval that did not open a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncovered {
    /// The pre-approval.
    pub id: String,
    /// What it does not cover, for people.
    pub what: Vec<String>,
}

/// Gaps as they are recorded and told: bounded, however many there are.
pub fn told(gaps: &[Gap]) -> Vec<String> {
    let mut lines: Vec<String> = gaps.iter().take(TOLD).map(ToString::to_string).collect();
    if let Some(more) = gaps.len().checked_sub(TOLD).filter(|more| *more > 0) {
        lines.push(format!("and {more} more of this kind"));
    }
    lines
}

impl Preapproval {
    /// The reason of a decision that it makes.
    pub fn words(&self) -> String {
        format!("{} (pre-approval {})", self.reason, self.id)
    }

    /// Whether its time is over.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        now > self.until.0
    }

    /// What of these facts it does not cover now; nothing: it covers all of them.
    pub fn gaps(&self, facts: &Facts<'_>, now: Timestamp) -> Vec<Gap> {
        let mut gaps = self.beyond_run(facts, now);
        // In the order in which they are met, each with all hosts that have it.
        let mut on_hosts: BTreeMap<String, (usize, Vec<HostName>)> = BTreeMap::new();
        for host in &facts.hosts {
            for what in self.beyond_host(host) {
                let order = on_hosts.len();
                on_hosts.entry(what).or_insert_with(|| (order, Vec::new())).1.push(host.name.clone());
            }
        }
        let mut on_hosts: Vec<_> = on_hosts.into_iter().collect();
        on_hosts.sort_by_key(|(_, (order, _))| *order);
        gaps.extend(on_hosts.into_iter().map(|(what, (_, hosts))| Gap { what, hosts }));
        gaps
    }

    /// What is wrong whatever the hosts are.
    fn beyond_run(&self, facts: &Facts<'_>, now: Timestamp) -> Vec<Gap> {
        let mut gaps = Vec::new();
        let mut gap = |what: String| gaps.push(Gap { what, hosts: Vec::new() });
        if let Some(from) = self.from.filter(|from| now < from.0) {
            gap(format!("it counts from {} on", stamp(from.0)));
        }
        if self.has_expired(now) {
            gap(format!("it expired at {}", stamp(self.until.0)));
        }
        let windows = Calendar::new(facts.stage, std::slice::from_ref(&self.windows), &[]);
        if !self.windows.is_empty() && !windows.is_open(now) {
            gap(format!("outside of its windows ({})", some_of(&self.windows)));
        }
        if let Some(most) = self.max_severity.filter(|most| facts.severity > *most) {
            let severity = facts.severity.as_str();
            gap(format!("the plan's severity is {severity}, and {} is the worst that it covers", most.as_str()));
        }
        if !facts.patches {
            gap("it is for patching, and this run is a rollback".into());
        }
        if !allows(&self.plans, facts.plan.as_str()) {
            gap(format!("plan {} is not among its plans ({})", facts.plan, some_of(&self.plans)));
        }
        if !fits(&self.stages, facts.stage.as_str()) {
            gap(format!("stage {} is not among its stages ({})", facts.stage, some_of(&self.stages)));
        }
        if let Some(least) = self.soak.filter(|least| facts.patches && facts.soak < *least) {
            gap(format!("waves are watched for {} s (`soak`), and it asks for {least} s", facts.soak));
        }
        if facts.stopped {
            gap("more hosts failed, or do not answer, than the plan allows: a person must look".into());
        }
        gaps
    }

    fn beyond_host(&self, host: &HostFacts<'_>) -> Vec<String> {
        let mut gaps: Vec<String> = host.trouble.iter().map(|why| format!("{why}: a person must look")).collect();
        if host.ops.is_empty() {
            return gaps;
        }
        if !allows(&self.hosts, host.name.as_str()) {
            gaps.push(format!("not among its hosts ({})", some_of(&self.hosts)));
        }
        if let Some(why) = host.reboot.as_ref().filter(|_| self.forbid.contains(&Forbidden::Reboot)) {
            gaps.push(format!("reboots are forbidden, and {why}"));
        }
        let missing = self.checks.iter().filter(|name| host.checks.as_ref().is_some_and(|held| !held.contains(name)));
        gaps.extend(missing.map(|name| format!("its check {name} was not made, and must have held")));
        gaps.extend(host.ops.iter().flat_map(|op| self.beyond_op(op)));
        gaps
    }

    fn beyond_op(&self, op: &PackageOp) -> Vec<String> {
        let mut gaps = Vec::new();
        let shown = shown(op);
        let name = op.name.as_str();
        if !fits(&self.packages, name) {
            gaps.push(format!("{shown}: not among its packages ({})", some_of(&self.packages)));
        }
        if op.op == OpKind::Remove && self.forbid.contains(&Forbidden::Removal) {
            gaps.push(format!("{shown}: removals are forbidden"));
        }
        if op.op == OpKind::Downgrade {
            gaps.push(format!("{shown}: no pre-approval covers an older version"));
        }
        if self.forbid.contains(&Forbidden::Kernel) && is_kernel(name) {
            gaps.push(format!("{shown}: kernels are forbidden"));
        }
        if self.security_only && !op.security {
            gaps.push(format!("{shown}: not a security update"));
        }
        // What goes away comes from nowhere.
        if op.op != OpKind::Remove && !allows(&self.origins, &op.origin) {
            let origin = if op.origin.is_empty() { "an unknown origin".into() } else { cut(&op.origin) };
            gaps.push(format!("{shown}: from {origin}, which is not among its origins ({})", some_of(&self.origins)));
        }
        gaps
    }
}

/// `openssl 3.0.20-1 → 3.0.22-1`
fn shown(op: &PackageOp) -> String {
    match (&op.from, &op.to) {
        (Some(from), Some(to)) => format!("{} {from} → {to}", op.name),
        (None, Some(to)) => format!("{} {to} (new)", op.name),
        _ => format!("{} (removed)", op.name),
    }
}

/// Whether one of the patterns fits the name.
fn fits(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| is_match(pattern, name))
}

/// The same, where no pattern stands for any name.
fn allows(patterns: &[String], name: &str) -> bool {
    patterns.is_empty() || fits(patterns, name)
}

/// What came from elsewhere, short and safe to show.
fn cut(text: &str) -> String {
    Untrusted::new(&text.chars().take(200).collect::<String>()).to_string()
}

fn some_of<T: fmt::Display>(all: &[T]) -> String {
    let named: Vec<String> = all.iter().take(NAMED).map(ToString::to_string).collect();
    match all.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

impl Rollout {
    /// What of the stage's gate a pre-approval does not cover now; nothing: it covers all of it.
    pub fn gaps(&self, scope: &Preapproval, stage: StageIx, now: Timestamp) -> Vec<Gap> {
        let (of, run) = (&self.settings().stages[stage.at()], &self.stages()[stage.at()]);
        let kind = run.gate.as_ref().map(|gate| gate.kind);
        // Between two waves it is about those that have begun.
        let begun = |host: &&HostIx| kind != Some(GateKind::Wave) || self.host(**host).wave <= run.wave;
        let facts = Facts {
            plan: &self.settings().plan,
            stage: &of.name,
            severity: self.settings().patch.severity.unwrap_or_default(),
            patches: self.settings().kind.patches(),
            stopped: run.is_stopped(),
            soak: of.soak.as_secs(),
            hosts: of.hosts.iter().filter(begun).map(|host| self.facts_of(*host, of.reboot)).collect(),
        };
        scope.gaps(&facts, now)
    }

    fn facts_of(&self, host: HostIx, reboot: Reboot) -> HostFacts<'_> {
        let run = self.host(host);
        HostFacts {
            name: &self.settings().hosts[host.at()].name,
            trouble: trouble(self, host),
            ops: if run.place == Place::Excepted { &[] } else { self.ops(host) },
            reboot: boots(run, reboot),
            checks: held(self, host),
        }
    }
}

/// The checks that held after the host's change; none: it was not changed.
pub(super) fn held(rollout: &Rollout, host: HostIx) -> Option<Vec<String>> {
    let changed = matches!(rollout.host(host).place, Place::Patched | Place::Kept);
    changed
        .then(|| report::checks(rollout, host).into_iter().filter(|check| check.ok).map(|check| check.name).collect())
}

/// Why a person must look at the host: whatever is not simply well. Nobody has permitted that beforehand.
fn trouble(rollout: &Rollout, host: HostIx) -> Option<String> {
    let run = rollout.host(host);
    if let Some(problem) = run.problem.as_ref().or(run.undo_problem.as_ref()) {
        return Some(cut(&problem.message));
    }
    let well = matches!(run.place, Place::Ready | Place::Current | Place::Patched | Place::Kept | Place::Excepted);
    if !well {
        return Some("it is neither patched nor current".to_owned());
    }
    if let Some(check) = report::checks(rollout, host).iter().find(|check| !check.ok) {
        return Some(format!("its check {} does not hold", cut(&check.name)));
    }
    // What somebody changed since it was approved.
    run.drift.first().map(|change| format!("it has changed: {}", cut(change)))
}

/// Why the host boots, or may: what it was found to need, what was done, and what the plan permits still.
fn boots(run: &HostRun, reboot: Reboot) -> Option<String> {
    if run.rebooted {
        return Some("it was rebooted".into());
    }
    match run.settled.as_deref().map(|report| &report.reboot) {
        Some(RebootNeed::Yes(why)) => Some(format!("it needs one: {}", cut(why))),
        Some(_) => None,
        None if reboot == Reboot::Never => match run.resolution.as_deref().map(|found| &found.reboot) {
            Some(RebootNeed::Yes(why)) => Some(format!("it needs one: {}", cut(why))),
            _ => None,
        },
        None => Some("the plan may boot it".into()),
    }
}

#[cfg(test)]
#[path = "preapproval_tests.rs"]
mod tests;
