//! What earlier stages proved, and what a host is refused for.

use super::Rollout;
use crate::core::findings::Resolution;
use crate::core::host::Place;
use crate::core::ids::HostIx;
use crate::core::packages::PackageOp;
use crate::core::pins::Pins;
use crate::core::problem::{ErrorKind, Problem};
use crate::core::settings::{Pin, RunKind, Unproven};

impl Rollout {
    /// What the stages that succeeded proved.
    pub(super) fn proved(&self) -> Pins {
        let mut pins = Pins::default();
        for (stage, run) in self.settings.stages.iter().zip(&self.stages) {
            if !run.may_be_built_on() {
                continue;
            }
            for host in stage.hosts.iter().map(|host| &self.hosts[host.at()]) {
                let Some(found) = host.resolution.as_deref() else { continue };
                let settled = host.settled.as_deref();
                let installed = match host.place {
                    Place::Kept => settled.and_then(|report| report.installed),
                    Place::Current => found.installed,
                    _ => continue,
                };
                pins.prove(&found.platform, &found.current);
                pins.prove(&found.platform, settled.map(|report| &report.packages).into_iter().flatten());
                if let Some(list) = installed.and_then(|digest| self.installed.get(&digest)) {
                    pins.prove(&found.platform, list.iter());
                }
            }
        }
        pins
    }

    /// Two names for one machine would patch it twice, or once under each stage's rules.
    pub(super) fn same_machine(&self, host: HostIx, first: HostIx) -> Option<Problem> {
        let name = |host: HostIx| &self.settings.hosts[host.at()].name;
        let message = format!("this is the same machine as {}: host key and machine ID are equal", name(first));
        let problem = Problem::new(ErrorKind::Refused, message).on(name(host)).during("resolve");
        (first != host).then(|| problem.hint("name it once in the inventory; a cloned machine wants its own host key"))
    }

    /// Why the host is not to be patched as it was resolved, if so.
    pub(super) fn refusal(&self, host: HostIx, found: &Resolution, ops: &[PackageOp]) -> Option<Problem> {
        if !self.settings.kind.patches() {
            return None;
        }
        let name = &self.settings.hosts[host.at()].name;
        let problem = |kind, message: String| Problem::new(kind, message).on(name).during("resolve");
        let instead = self.settings.stages[self.stage_of(host).at()].compensate.is_some();
        if let Some(why) = found.irreversible.as_ref().filter(|_| !ops.is_empty()) {
            if let Some(at) = &self.settings.policy.rollback_proven {
                let message = format!("this cannot be undone: {why} ({at})");
                return Some(
                    problem(ErrorKind::Refused, message).hint("ask whoever keeps the policy for an exception"),
                );
            }
            if self.settings.kind == RunKind::Drill {
                let message = format!("this cannot be undone, so there is no way back to be drilled: {why}");
                return Some(problem(ErrorKind::Refused, message).hint("drill what can go back"));
            }
            if !instead {
                let message = format!("this cannot be undone, and the plan does not say what is done instead: {why}");
                let hint = "name it for the stage: compensate = { run = \"…\" } or { local = \"…\" }";
                return Some(problem(ErrorKind::Refused, message).hint(hint));
            }
        }
        let proof = found.proof();
        if !proof.guaranteed() {
            let message = format!("no way back: the old packages of {} cannot be had again", proof.missing.join(", "));
            let hint = "put them into the repository or the package cache, or install dpkg-repack on the host";
            return Some(problem(ErrorKind::Refused, message).hint(hint));
        }
        if let Some(at) = self.settings.policy.rollback_proven.as_ref().filter(|_| !proof.approximate.is_empty()) {
            let rebuilt = proof.approximate.join(", ");
            let message = format!("no proven way back: {rebuilt} would be rebuilt from what is installed ({at})");
            let hint = "put the old packages into the repository or the package cache: then it is proven to the byte";
            return Some(problem(ErrorKind::Refused, message).hint(hint));
        }
        if !self.is_pinned(host) || self.settings.patch.pin == Pin::Off {
            return None;
        }
        let hint = "add a host of this kind, with these packages, to an earlier stage, or set pin = \"off\"";
        if self.pins.of(&found.platform).is_none() && !(ops.is_empty() && found.unproven.is_empty()) {
            let kind = &found.platform;
            let message = format!("no earlier stage has a host with {} {} {}", kind.distro, kind.release, kind.arch);
            return Some(problem(ErrorKind::Unproven, message).hint(hint));
        }
        if let Some(op) = self.pins.unproved(&found.platform, ops) {
            let to = op.to.as_ref().map_or("", |version| version.as_str());
            let message = format!("no earlier stage proved {} {to}", op.name);
            return Some(problem(ErrorKind::Unproven, message).hint(hint));
        }
        let left_out = !found.unproven.is_empty();
        if left_out && (ops.is_empty() || self.settings.patch.unproven == Unproven::Refuse) {
            let names: Vec<&str> = found.unproven.iter().map(|package| package.name.as_str()).collect();
            let message = format!("no earlier stage proved {}", names.join(", "));
            return Some(problem(ErrorKind::Unproven, message).hint(hint));
        }
        None
    }
}
