//! What a gate's decision is about: a statement whose digest the decision names.

use serde::Serialize;

use super::super::event::GateKind;
use super::super::findings::{Check, Identity, Inspection, RebootNeed, RollbackProof, Service};
use super::super::host::Place;
use super::super::ids::{Digest, HostName, RunId, StageIx, StageName};
use super::super::packages::Package;
use super::super::problem::ErrorKind;
use super::Rollout;

/// Everything that an approval approves. Times are not in it: they would make equal things differ.
#[derive(Debug, Serialize)]
pub struct Statement<'a> {
    run: &'a RunId,
    plan: Digest,
    settings: Digest,
    stage: &'a StageName,
    gate: GateKind,
    hosts: Vec<HostStatement<'a>>,
    pins: Digest,
    journal: Digest,
}

#[derive(Debug, Serialize)]
struct HostStatement<'a> {
    host: &'a HostName,
    place: &'static str,
    identity: Option<&'a Identity>,
    transaction: Option<Digest>,
    installed: &'a [Package],
    proof: Option<RollbackProof>,
    services: &'a [Service],
    reboot: Option<&'a RebootNeed>,
    problem: Option<ErrorKind>,
    /// What its checks said, without times.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<(&'a str, &'static str)>,
    /// Where it was inspected again since, and was not the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    inspected: Option<&'a Inspection>,
}

impl Statement<'_> {
    /// The digest that decisions name.
    pub fn digest(&self) -> Digest {
        // The statement is names, digests and words: it can always be written.
        Digest::of_json(self).unwrap_or(Digest::ZERO)
    }
}

impl Rollout {
    /// What the stage's gate is about, as of this journal head.
    pub fn statement(&self, stage: StageIx, gate: GateKind, journal: Digest) -> Statement<'_> {
        let of = &self.settings.stages[stage.at()];
        let hosts = of.hosts.iter().map(|host| {
            let run = &self.hosts[host.at()];
            let found = run.resolution.as_deref();
            let settled = run.settled.as_deref();
            HostStatement {
                host: &self.settings.hosts[host.at()].name,
                place: place_word(run.place),
                identity: found.map(|found| &found.identity),
                transaction: found.map(|found| found.transaction),
                installed: settled.map_or(&[], |report| &report.packages),
                proof: found.map(super::super::findings::Resolution::proof),
                services: settled.map_or(&[], |report| &report.services),
                reboot: settled.map(|report| &report.reboot),
                problem: run.problem.as_ref().map(|problem| problem.kind),
                checks: run.checked.iter().flat_map(|report| &report.checks).map(verdict).collect(),
                inspected: run.inspected.as_deref(),
            }
        });
        Statement {
            run: &self.settings.run,
            plan: self.settings.plan_digest,
            settings: Digest::of_json(&*self.settings).unwrap_or(Digest::ZERO),
            stage: &of.name,
            gate,
            hosts: hosts.collect(),
            pins: Digest::of_json(&*self.pins).unwrap_or(Digest::ZERO),
            journal,
        }
    }
}

fn verdict(check: &Check) -> (&str, &'static str) {
    let verdict = match (check.ok, check.inconclusive) {
        (true, _) => "pass",
        (false, true) => "inconclusive",
        (false, false) => "fail",
    };
    (&check.name, verdict)
}

fn place_word(place: Place) -> &'static str {
    match place {
        Place::Waiting => "waiting",
        Place::Ready => "ready",
        Place::Current => "current",
        Place::Excepted => "excepted",
        Place::Refused => "refused",
        Place::Stashed => "stashed",
        Place::Applied => "applied",
        Place::Settled => "settled",
        Place::MustReboot => "must-reboot",
        Place::InEffect => "in-effect",
        Place::Patched => "patched",
        Place::Kept => "kept",
        Place::MustUndo => "must-undo",
        Place::MustRestore => "must-restore",
        Place::Restored => "restored",
        Place::NotRestored => "not-restored",
        Place::Lost => "lost",
    }
}
