//! The evidence at a gate.

use crate::core::approval::OnTimeout;
use crate::core::document::Stamp;
use crate::core::event::GateKind;
use crate::core::evidence::{self, GateQuestion, HostEvidence, WayBack};
use crate::core::host::Place;
use crate::core::ids::{HostIx, StageIx};
use crate::core::rollout::Rollout;

/// What the open gate of a stage asks; none where no gate is open.
pub fn question(rollout: &Rollout, ix: StageIx) -> Option<GateQuestion> {
    let settings = rollout.settings();
    let stage = settings.stages.get(ix.at())?;
    let run = &rollout.stages()[ix.at()];
    let gate = run.gate.as_ref()?;
    let (have, need) = gate.tally();
    let kind = match gate.kind {
        _ if run.exceeded => evidence::GateKind::Exceeded,
        _ if run.unreached => evidence::GateKind::Unreached,
        GateKind::Before => evidence::GateKind::Before,
        GateKind::After => evidence::GateKind::After,
        GateKind::Wave => evidence::GateKind::Wave,
    };
    let opened_by = settings.stages.iter().filter(|other| other.needs.contains(&ix) && !run.is_stopped());
    let opened_by = opened_by.filter(|_| gate.kind != GateKind::Wave);
    let opens = opened_by.map(|other| (other.name.clone(), other.hosts.len())).collect();
    let patched = stage.hosts.iter().filter(|host| rollout.host(**host).place == Place::Patched).count();
    // Between two waves it is about those that have begun.
    let begun = |host: &&HostIx| gate.kind != GateKind::Wave || rollout.host(**host).wave <= run.wave;
    let stale = run.stale.iter().map(|change| format!("since the last approval, which is void: {change}"));
    let uncovered = run.uncovered.iter().flat_map(|given| {
        given.what.iter().map(|what| format!("pre-approval {} does not cover this: {what}", given.id))
    });
    Some(GateQuestion {
        run: settings.run.clone(),
        change: settings.change.clone(),
        plan: settings.plan.clone(),
        stage: stage.name.clone(),
        kind,
        digest: gate.digest,
        opened_at: Stamp(gate.opened),
        until: super::gate_until(rollout, ix, gate).map(Stamp),
        rejects_then: gate.rules.on_timeout == OnTimeout::Reject,
        have,
        need,
        may_decide: (!gate.rules.is_simple()).then(|| gate.rules.words(&settings.requester.name)),
        policy: gate.policy.clone(),
        approved_by: gate.decisions.iter().map(|(decision, _)| decision.by.name.clone()).collect(),
        opens,
        takes_back: patched,
        hosts: stage.hosts.iter().filter(|host| begun(host)).map(|host| host_evidence(rollout, *host)).collect(),
        notes: stale.chain(uncovered).chain(notes(rollout, ix)).collect(),
    })
}

fn host_evidence(rollout: &Rollout, host: HostIx) -> HostEvidence {
    let result = super::host_result(rollout, host);
    let run = rollout.host(host);
    let undecided = matches!(run.place, Place::Ready | Place::Waiting);
    let mut packages = result.packages;
    if undecided {
        // Before the change the evidence is what would be done.
        for (change, op) in packages.iter_mut().zip(rollout.ops(host)) {
            change.after = op.to.clone();
        }
    }
    HostEvidence {
        host: result.host,
        wave: result.wave,
        state: result.state_reason,
        packages,
        checks: result.checks,
        services: result.services,
        reboot: result.reboot,
        rollback: way_back(rollout, host),
        problem: result.error,
        took_ms: result.duration_ms,
        log: run.settled.as_deref().map(|report| report.tail.clone()).unwrap_or_default(),
    }
}

/// Whether a host can go back, as far as it is known.
pub fn way_back(rollout: &Rollout, host: HostIx) -> WayBack {
    let run = rollout.host(host);
    let Some(found) = run.resolution.as_deref() else { return WayBack::NotNeeded };
    if rollout.ops(host).is_empty() {
        return WayBack::NotNeeded;
    }
    if let Some(why) = &found.irreversible {
        let command = rollout.settings().stages[rollout.stage_of(host).at()].compensate.as_ref();
        let instead = command.map(|command| command.command.text().to_owned()).unwrap_or_default();
        return WayBack::Impossible { why: why.clone(), instead };
    }
    let proof = found.proof();
    if !proof.guaranteed() {
        return WayBack::Unproven { missing: proof.missing };
    }
    let rebuilt = |name: &String| format!("{name} was rebuilt from what is installed");
    WayBack::Proven { approximate: proof.approximate.iter().map(rebuilt).collect() }
}

/// What a person should know beside the packages.
fn notes(rollout: &Rollout, ix: StageIx) -> Vec<String> {
    let settings = rollout.settings();
    let mut notes = Vec::new();
    for host in &settings.stages[ix.at()].hosts {
        let run = rollout.host(*host);
        let name = &settings.hosts[host.at()].name;
        let Some(found) = run.resolution.as_deref() else { continue };
        let names = |list: Vec<&str>| list.join(", ");
        for exception in settings.policy.held_back(*host) {
            notes.push(format!("{name}: left as it is: {}", exception.cause()));
        }
        if !found.unproven.is_empty() {
            let list = names(found.unproven.iter().map(|p| p.name.as_str()).collect());
            notes.push(format!("{name}: left out, because no earlier stage proved it: {list}"));
        }
        if !found.held.is_empty() {
            notes.push(format!(
                "{name}: held, not changed: {}",
                names(found.held.iter().map(super::super::packages::PackageName::as_str).collect())
            ));
        }
        if !found.absent.is_empty() {
            let list = names(found.absent.iter().map(super::super::packages::PackageName::as_str).collect());
            notes.push(format!("{name}: not installed, and not to be installed: {list}"));
        }
        let settled = run.settled.as_deref().map(|report| report.notes.as_slice()).unwrap_or_default();
        for note in found.notes.iter().chain(settled).map(|note| format!("{name}: {note}")) {
            // Two steps may have the same thing to say.
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
    }
    notes
}
