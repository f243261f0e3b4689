//! What policies add to a run: rules that narrow its gates, approvals that need no person, hosts and packages that are left
//! as they are. All of it is fixed when the run starts; what a rule comes to is read off the run's state.
//!
//! Limits, windows and freezes are not here: they are in the stages' own settings, which a policy lowers before the run
//! begins.

mod stance;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::approval::{Approval, When, Who};
use super::calendar::is_match;
use super::drill::DrillRule;
use super::ids::{Digest, HostIx, StageName};
use super::risk::{Risk, Severity};
use super::settings::stamp;

pub use self::stance::Stance;

/// Everything that policies say about one run, put together: whatever any of them forbids is forbidden.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// The files that it comes from; the plan's own table is in the plan.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<PolicyFile>,
    /// Where it stands that a way back which is only approximate is none; none: nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback_proven: Option<String>,
    /// What gates must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<ApprovalRule>,
    /// Checks that must have held before a gate is approved.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<RequiredCheck>,
    /// What opens a gate without a person.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub auto_approve: Vec<AutoRule>,
    /// What is left as it is. Those that were over when the run started are not among them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<Exception>,
    /// What an emergency may pass, and who says that it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emergency: Option<Emergency>,
    /// How old the last drill of the plan may be; none: none is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drill: Option<DrillRule>,
}

/// A file of rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    /// As messages name it.
    pub name: String,
    /// The digest of its text.
    pub digest: Digest,
}

/// A check that must have been made, and have held, on every host that changed, before its stage's gate is approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequiredCheck {
    /// Its name in the evidence.
    pub name: String,
    /// Where it stands, `FILE:LINE`.
    pub at: String,
}

/// A rule that narrows gates where all of its conditions hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRule {
    /// What people call it.
    pub name: String,
    /// Where it stands, `FILE:LINE`.
    pub at: String,
    /// Globs on the stages that it is for; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<String>,
    /// Only from this severity on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Only with a kernel, or only without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<bool>,
    /// Only where more hosts change than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosts_over: Option<u32>,
    /// Only where one of the packages that change fits one of these globs; empty: whatever they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// Who may decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Vec<Who>>,
    /// How many must.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<u32>,
    /// Whether only signed decisions count.
    #[serde(default)]
    pub signed: bool,
    /// Whether somebody else than who started the run must approve.
    #[serde(default)]
    pub four_eyes: bool,
    /// Where the gate must stand; none: where the plan says, or at the stage's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
}

/// A rule that opens a gate at a stage's end by itself, where all of it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoRule {
    /// What people call it.
    pub name: String,
    /// Where it stands, `FILE:LINE`.
    pub at: String,
    /// Globs on the stages that it is for; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<String>,
    /// Up to this severity.
    pub max_severity: Severity,
    /// Whether a kernel may be among what changed.
    #[serde(default)]
    pub kernel: bool,
    /// Whether packages may have gone away.
    #[serde(default)]
    pub removals: bool,
    /// At most so many hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosts_max: Option<u32>,
    /// Every package that changed fits one of these globs; empty: whatever they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// Every new version comes from one of these; empty: from anywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
    /// Whether every operation must be a security update.
    #[serde(default)]
    pub security_only: bool,
    /// Checks, by their names, each of which must have been made, and held, on every host that changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
}

/// Hosts, or packages on them, that are left as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// Where it stands, `FILE:LINE`.
    pub at: String,
    /// The hosts of this run that it is for, sorted.
    pub hosts: Vec<HostIx>,
    /// Globs on the packages that it is for; empty: the whole host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// The first moment at which it does not hold any more.
    pub until: Timestamp,
    /// Where somebody agreed to it.
    pub ticket: String,
    /// Why.
    pub reason: String,
}

/// The way that is open in an emergency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Emergency {
    /// Where it stands, `FILE:LINE`.
    pub at: String,
    /// Who may go it.
    pub by: Vec<Who>,
    /// How many people must.
    pub quorum: u32,
    /// What it passes.
    pub passes: Vec<Passes>,
    /// How long afterwards somebody must have looked at it, in seconds.
    pub review_within: u64,
}

/// What an emergency passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Passes {
    /// Windows.
    Window,
    /// Freezes.
    Freeze,
}

impl Policy {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The exception by which the whole host is left as it is.
    pub fn excepted(&self, host: HostIx) -> Option<&Exception> {
        self.exceptions_of(host).find(|exception| exception.packages.is_empty())
    }

    /// The exceptions by which packages of the host are left as they are.
    pub fn held_back(&self, host: HostIx) -> impl Iterator<Item = &Exception> {
        self.exceptions_of(host).filter(|exception| !exception.packages.is_empty())
    }

    fn exceptions_of(&self, host: HostIx) -> impl Iterator<Item = &Exception> {
        self.exceptions.iter().filter(move |exception| exception.hosts.binary_search(&host).is_ok())
    }

    /// The rules that narrow a stage's gate where this is at stake.
    pub fn narrowing(&self, stage: &StageName, risk: &Risk) -> impl Iterator<Item = &ApprovalRule> {
        self.approvals.iter().filter(move |rule| rule.applies(stage, risk))
    }
}

/// A plan's rules for a gate, narrowed by those of a policy; none: no gate, since neither wants one.
pub fn narrowed<'a>(plan: Option<&Approval>, rules: impl IntoIterator<Item = &'a ApprovalRule>) -> Option<Approval> {
    let mut when = plan.map(|plan| plan.when);
    let mut gate = plan.cloned();
    for rule in rules {
        let gate = gate.get_or_insert_default();
        gate.narrow(rule.by.clone(), rule.quorum, rule.signed, rule.four_eyes);
        when = match (when, rule.when) {
            (Some(one), Some(other)) => Some(one.with(other)),
            (one, other) => one.or(other),
        };
    }
    if let (Some(gate), Some(when)) = (&mut gate, when) {
        gate.when = when;
    }
    gate
}

fn is_for(stages: &[String], stage: &StageName) -> bool {
    stages.is_empty() || fits(stages, stage.as_str())
}

fn fits(globs: &[String], name: &str) -> bool {
    globs.iter().any(|glob| is_match(glob, name))
}

impl ApprovalRule {
    /// Whether it is for this stage, whatever its hosts come to.
    pub fn is_for(&self, stage: &StageName) -> bool {
        is_for(&self.stages, stage)
    }

    /// Whether all that it asks for is so.
    pub fn applies(&self, stage: &StageName, risk: &Risk) -> bool {
        let packages = || risk.packages.iter().any(|package| fits(&self.packages, package.as_str()));
        self.is_for(stage)
            && self.severity.is_none_or(|least| risk.severity >= least)
            && self.kernel.is_none_or(|wanted| wanted != risk.kernels.is_empty())
            && self.hosts_over.is_none_or(|most| risk.hosts > most as usize)
            && (self.packages.is_empty() || packages())
    }

    /// The conditions that only the hosts' answers decide, for people; none: there are none.
    pub fn condition(&self) -> Option<String> {
        let mut all = Vec::new();
        match self.kernel {
            Some(true) => all.push("a kernel is in it".to_owned()),
            Some(false) => all.push("no kernel is in it".to_owned()),
            None => {}
        }
        if let Some(most) = self.hosts_over {
            all.push(format!("more than {most} {} change", if most == 1 { "host" } else { "hosts" }));
        }
        if !self.packages.is_empty() {
            all.push(format!("one of {} is in it", self.packages.join(", ")));
        }
        (!all.is_empty()).then(|| all.join(", and "))
    }

    /// What it makes of a gate, for people.
    pub fn demand(&self) -> String {
        let mut all = Vec::new();
        match self.when {
            Some(When::Before) => all.push("a gate before the stage".to_owned()),
            Some(When::After) => all.push("a gate after the stage".to_owned()),
            Some(When::Both) => all.push("gates before and after the stage".to_owned()),
            None => {}
        }
        if let Some(by) = &self.by {
            all.push(format!("by {}", by.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")));
        }
        all.extend(self.quorum.map(|quorum| format!("quorum {quorum}")));
        all.extend(self.signed.then(|| "signed".to_owned()));
        all.extend(self.four_eyes.then(|| "four eyes".to_owned()));
        if all.is_empty() { "a gate".into() } else { all.join(", ") }
    }
}

impl AutoRule {
    /// Whether it is for this stage, whatever its hosts come to.
    pub fn is_for(&self, stage: &StageName) -> bool {
        is_for(&self.stages, stage)
    }

    /// Why it does not cover what is at stake in this stage; none: it does.
    pub fn objection(&self, stage: &StageName, risk: &Risk) -> Option<String> {
        let over = self.hosts_max.filter(|most| risk.hosts > *most as usize);
        let stranger =
            risk.packages.iter().find(|name| !self.packages.is_empty() && !fits(&self.packages, name.as_str()));
        let elsewhere = risk.origins.iter().find(|origin| !self.origins.is_empty() && !self.origins.contains(origin));
        if !self.is_for(stage) {
            Some(format!("it is not for stage {stage}"))
        } else if risk.severity > self.max_severity {
            Some(format!("severity is {}, and {} at most may be", risk.severity.as_str(), self.max_severity.as_str()))
        } else if let Some(kernel) = risk.kernels.first().filter(|_| !self.kernel) {
            Some(format!("the kernel {kernel} is in it"))
        } else if let Some(gone) = risk.removals.first().filter(|_| !self.removals) {
            Some(format!("{gone} goes away"))
        } else if let Some(most) = over {
            Some(format!("{} hosts change, and {most} at most may", risk.hosts))
        } else if let Some(package) = stranger {
            Some(format!("{package} is none of its packages"))
        } else if let Some(origin) = elsewhere {
            Some(format!("{origin:?} is none of its origins"))
        } else if self.security_only && !risk.security_only {
            Some("not every operation is a security update".into())
        } else if !risk.proven {
            Some("the way back is not proven to the byte".into())
        } else {
            None
        }
    }

    /// What only the hosts' answers decide, for people.
    pub fn condition(&self) -> String {
        let mut all = vec!["every host is patched without failure".to_owned(), "the way back is proven".to_owned()];
        all.extend((!self.kernel).then(|| "no kernel is in it".to_owned()));
        all.extend((!self.removals).then(|| "no package goes away".to_owned()));
        all.extend(self.hosts_max.map(|most| format!("at most {most} hosts change")));
        all.extend((!self.packages.is_empty()).then(|| format!("only {} are in it", self.packages.join(", "))));
        all.extend((!self.origins.is_empty()).then(|| format!("all comes from {}", self.origins.join(", "))));
        all.extend((!self.checks.is_empty()).then(|| format!("these checks held: {}", self.checks.join(", "))));
        all.extend(self.security_only.then(|| "all of it are security updates".to_owned()));
        all.join(", ")
    }
}

impl Exception {
    /// Why something is left as it is.
    pub fn cause(&self) -> String {
        let what = match self.packages.as_slice() {
            [] => String::new(),
            packages => format!("{}: ", packages.join(", ")),
        };
        format!("{what}{} (exception {} until {})", self.reason, self.ticket, stamp(self.until))
    }
}

#[cfg(test)]
pub(in crate::core) mod tests;
