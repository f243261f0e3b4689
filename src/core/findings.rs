//! What a host reported: the parsed records of its steps, in the form that the journal keeps.

use serde::{Deserialize, Serialize};

use super::health::Health;
use super::ids::{Digest, PlaybookName, RunId};
use super::packages::{Arch, Package, PackageName, PackageOp, Version};
use super::problem::{ErrorKind, Problem};

/// What proofs are pinned under: packages proved on one kind of host say nothing about another kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// `debian`, `ubuntu`, …: the `ID` of os-release.
    pub distro: String,
    /// `12`, `24.04`, …: its `VERSION_ID`.
    pub release: String,
    /// The package manager's native architecture.
    pub arch: String,
}

/// Who a host is, beyond its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The fingerprint of the host key that was checked.
    pub host_key: Option<String>,
    /// `/etc/machine-id`.
    pub machine_id: Option<String>,
}

/// What a host's patch would be: the answer to resolving.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// The playbook that fits.
    pub playbook: PlaybookName,
    /// What proofs are pinned under.
    pub platform: Platform,
    /// Who answered.
    pub identity: Identity,
    /// The exact transaction, interned: see [`Event::Transaction`](super::event::Event::Transaction).
    pub transaction: Digest,
    /// Asked for and already there.
    pub current: Vec<Package>,
    /// Asked for, not installed, and not to be installed.
    pub absent: Vec<PackageName>,
    /// Left out, because no earlier stage proved it.
    pub unproven: Vec<Package>,
    /// Held packages that would have changed.
    pub held: Vec<PackageName>,
    /// Where each old package would come from.
    pub old: Vec<OldPackage>,
    /// Everything installed, interned, where a later stage will be held to it.
    pub installed: Option<Digest>,
    /// Whether the host wants a reboot already.
    pub reboot: RebootNeed,
    /// How long after the change the host waits to be confirmed before it undoes the change by itself, in seconds; none:
    /// it has no dead man.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_man: Option<u64>,
    /// Why there is no way back, where the playbook says that there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub irreversible: Option<String>,
    /// The run whose claim lies on the host, and is passed in an emergency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_by: Option<RunId>,
    /// For people.
    pub notes: Vec<String>,
}

impl Resolution {
    /// What the way back rests on.
    pub fn proof(&self) -> RollbackProof {
        let named = |wanted: fn(&OldPackage) -> bool| {
            self.old.iter().filter(|old| wanted(old)).map(|old| old.name.as_str().to_owned()).collect()
        };
        RollbackProof {
            missing: named(|old| old.source == OldSource::Missing),
            approximate: named(|old| !old.exact && old.source != OldSource::Missing),
        }
    }
}

/// Whether the way back is proven, and how well.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackProof {
    /// Old packages that cannot be had again.
    pub missing: Vec<String>,
    /// Old packages that were rebuilt from what is installed.
    pub approximate: Vec<String>,
}

impl RollbackProof {
    /// Whether every old package can be had.
    pub fn guaranteed(&self) -> bool {
        self.missing.is_empty()
    }
}

/// An old package, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldPackage {
    /// Its name.
    pub name: PackageName,
    /// Its architecture.
    pub arch: Arch,
    /// The version to go back to.
    pub version: Version,
    /// Where from.
    pub source: OldSource,
    /// Whether it is the distribution's own file, byte for byte.
    pub exact: bool,
}

/// Where an old package comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OldSource {
    /// The package manager's cache on the host.
    Cache,
    /// The repository.
    Repository,
    /// Rebuilt from what is installed.
    Repack,
    /// It is in this run's stash already.
    Stashed,
    /// Nowhere.
    Missing,
}

/// What a job or a check of the result reported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StepReport {
    /// What is installed now, of the transaction's packages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<Package>,
    /// Where the old packages came from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub old: Vec<OldPackage>,
    /// Services restarted, still on old code, or failed to restart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Service>,
    /// Whether a reboot is due.
    pub reboot: RebootNeed,
    /// What the playbook's own checks said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// How the host differs from its baseline.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// Packages that somebody else changed since.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<Package>,
    /// Everything installed, interned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installed: Option<Digest>,
    /// The boot in which it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The last lines of its log, where it failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tail: Vec<String>,
    /// The step's log, kept as a blob.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Digest>,
    /// How the host is, beside its packages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Box<Health>>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// What a check of the playbook's own said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// Whether it held.
    pub ok: bool,
    /// What it saw.
    pub detail: String,
    /// It could not be told whether it holds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inconclusive: bool,
    /// What must be the same afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

/// A service, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Service {
    /// The unit's name.
    pub unit: String,
    /// What became of it.
    pub state: ServiceState,
    /// Why, where there is more to say.
    pub why: String,
}

/// What became of a service that ran replaced code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceState {
    /// It was restarted and runs.
    Restarted,
    /// It still runs the old code.
    Stale,
    /// It was restarted and does not run.
    Failed,
}

/// Whether a reboot is due.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RebootNeed {
    /// Nothing asks for one, or nobody looked.
    #[default]
    No,
    /// One is due, for this reason.
    Yes(String),
}

impl RebootNeed {
    /// Whether one is due.
    pub fn is_due(&self) -> bool {
        matches!(self, Self::Yes(_))
    }
}

/// One way in which a host differs from its baseline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// `package`, `mark`, `hold`, `conffile` or `file`.
    pub what: String,
    /// Which one.
    pub name: String,
    /// In the baseline.
    pub before: String,
    /// Now.
    pub after: String,
}

/// What a host is found to be when it is inspected again, before an approval is used: the part of the evidence that comes
/// from the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// Who answered.
    pub identity: Identity,
    /// What is installed, of the packages that the approval is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<Package>,
    /// What would be done, where nothing is done yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<Digest>,
    /// Whether a reboot is due.
    #[serde(default)]
    pub reboot: RebootNeed,
    /// Why it could not be inspected, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<ErrorKind>,
}

impl Inspection {
    /// How this one differs from what was approved, for people; empty: not at all.
    pub fn differences(&self, now: &Self) -> Vec<String> {
        if let Some(kind) = now.problem {
            let known = self.problem == now.problem;
            return if known { Vec::new() } else { vec![format!("cannot be inspected any more ({})", kind.as_str())] };
        }
        let mut found = Vec::new();
        if self.problem.is_some() {
            found.push("can be inspected again".into());
        }
        let key = |identity: &Identity| identity.host_key.clone().unwrap_or_default();
        if key(&self.identity) != key(&now.identity) {
            found.push("has another host key".into());
        }
        if self.identity.machine_id != now.identity.machine_id {
            found.push("is another machine: its machine ID differs".into());
        }
        // Where what would be done differs, packages move between that and those that stay: they are not news.
        let same = self.transaction == now.transaction;
        found.extend(package_differences(&self.packages, &now.packages, same));
        match (self.transaction, now.transaction) {
            _ if same => {}
            (Some(_), None) => found.push("has nothing to be done any more, and was to be changed".into()),
            (None, Some(_)) => found.push("would be changed now, and was to stay as it is".into()),
            _ => found.push("what would be done there is not what was approved".into()),
        }
        if self.reboot.is_due() != now.reboot.is_due() {
            let words = if now.reboot.is_due() { "wants a reboot now" } else { "wants no reboot any more" };
            found.push(words.into());
        }
        found
    }
}

/// `complete`: what is in one list only, differs too.
fn package_differences(approved: &[Package], now: &[Package], complete: bool) -> Vec<String> {
    let version = |list: &[Package], wanted: &Package| {
        let here = list.iter().find(|package| package.name == wanted.name && package.arch == wanted.arch);
        here.and_then(|package| package.version.as_ref().map(ToString::to_string))
    };
    let differs = |package: &Package| {
        let (was, is) = (version(approved, package), version(now, package));
        let word = |version: Option<String>| version.unwrap_or_else(|| "not installed".into());
        let counts = was != is && (complete || (was.is_some() && is.is_some()));
        counts.then(|| format!("{} is {} now, and was {}", package.name, word(is), word(was)))
    };
    let added = now.iter().filter(|package| !approved.iter().any(|a| a.name == package.name && a.arch == package.arch));
    approved.iter().chain(added).filter_map(differs).collect()
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepResult {
    /// The host was resolved.
    Resolved(Box<Resolution>),
    /// The host was inspected again.
    Inspected(Box<Inspection>),
    /// The step did what it should.
    Done(Box<StepReport>),
    /// Nobody had confirmed the change in time, and the host undid it by itself: what its own way back reported.
    RestoredItself {
        /// Why that way back failed, if it did.
        problem: Option<Problem>,
        /// What it reported.
        report: Box<StepReport>,
    },
    /// It did not.
    Failed {
        /// Why.
        problem: Problem,
        /// In what state that leaves the host.
        fate: Fate,
        /// What it reported up to then.
        report: Box<StepReport>,
    },
}

/// In what state a failed step leaves its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// Certainly nothing was changed.
    Unchanged,
    /// Something may have been changed; the host answers, and no job of ours runs there.
    Changed,
    /// The host does not answer; something may have been changed, and a job may still run.
    Lost,
}

/// A list of operations in the order that digests and comparisons need.
pub fn sorted(mut ops: Vec<PackageOp>) -> Vec<PackageOp> {
    ops.sort();
    ops.dedup();
    ops
}
