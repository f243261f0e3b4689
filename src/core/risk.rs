//! What a stage's transactions put at stake: the facts that rules go by. Computed from the run's state and nothing else.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::host::Place;
use super::ids::{HostIx, StageIx};
use super::packages::{OpKind, PackageName, PackageOp};
use super::rollout::Rollout;
use super::settings::Reboot;

/// How bad the worst weakness is that the patch closes, in CVSS's words. No package manager says it, so the plan does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// CVSS below 4.
    Low,
    /// CVSS 4 to 6.9.
    Medium,
    /// CVSS 7 to 8.9.
    High,
    /// CVSS 9 and above; also what nobody has declared.
    #[default]
    Critical,
}

impl Severity {
    /// The word in plans and policies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What one stage's transactions put at stake, as far as its hosts have answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Risk {
    /// The plan's word; where it has none, the worst.
    pub severity: Severity,
    /// How many hosts were changed, or would be.
    pub hosts: usize,
    /// The packages that change on any of them.
    pub packages: BTreeSet<PackageName>,
    /// The kernels among them.
    pub kernels: BTreeSet<PackageName>,
    /// The packages that go away.
    pub removals: BTreeSet<PackageName>,
    /// Where new versions come from, as the package manager names it.
    pub origins: BTreeSet<String>,
    /// Whether each operation is a security update.
    pub security_only: bool,
    /// Whether hosts were rebooted, or would or might be.
    pub reboot: bool,
    /// Whether each host's way back is proven, and every old package is the distribution's own.
    pub proven: bool,
}

impl Rollout {
    /// What is at stake in a stage, as of now.
    pub fn risk(&self, stage: StageIx) -> Risk {
        let Some(of) = self.settings().stages.get(stage.at()) else { return Risk::default() };
        let mut risk = Risk {
            severity: self.settings().patch.severity.unwrap_or_default(),
            security_only: true,
            proven: true,
            ..Risk::default()
        };
        for host in of.hosts.iter().copied().filter(|host| self.is_changed(*host)) {
            let proof = self.host(host).resolution.as_deref().map(super::findings::Resolution::proof);
            risk.hosts += 1;
            risk.proven &= proof.is_some_and(|proof| proof.guaranteed() && proof.approximate.is_empty());
            self.ops(host).iter().for_each(|op| risk.add(op));
        }
        risk.reboot = risk.hosts > 0 && of.reboot != Reboot::Never;
        risk
    }

    /// Whether the run changed the host, or would.
    fn is_changed(&self, host: HostIx) -> bool {
        let untouched = matches!(self.host(host).place, Place::Waiting | Place::Current | Place::Refused);
        !untouched && !self.ops(host).is_empty()
    }
}

impl Risk {
    fn add(&mut self, op: &PackageOp) {
        self.packages.insert(op.name.clone());
        if is_kernel(op.name.as_str()) {
            self.kernels.insert(op.name.clone());
        }
        if op.op == OpKind::Remove {
            self.removals.insert(op.name.clone());
        } else {
            self.origins.insert(op.origin.clone());
        }
        self.security_only &= op.security;
    }
}

/// Names that kernels have, by the beginning: Debian's and Ubuntu's, those of rpm, and of others.
const KERNELS: [&str; 6] =
    ["linux-image", "linux-modules", "linux-signed-image", "kernel", "raspberrypi-kernel", "pve-kernel"];

/// Whether a package is a kernel or a part of one, by its name.
pub fn is_kernel(name: &str) -> bool {
    KERNELS.iter().any(|begin| name.starts_with(begin)) || matches!(name, "linux" | "linux-lts" | "linux-generic")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_are_ordered_and_nobodys_word_is_the_worst() {
        assert!(Severity::Low < Severity::Medium && Severity::Medium < Severity::High);
        assert!(Severity::High < Severity::Critical);
        assert_eq!(Severity::default(), Severity::Critical);
    }

    #[test]
    fn kernels_are_known_by_their_names() {
        for kernel in ["linux-image-6.1.0-40-amd64", "linux-modules-extra-6.8.0", "kernel-core", "linux-lts"] {
            assert!(is_kernel(kernel), "{kernel}");
        }
        for other in ["linux-libc-dev", "openssl", "libkernel0"] {
            assert!(!is_kernel(other), "{other}");
        }
    }
}
