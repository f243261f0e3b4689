//! What a run of the plan would do: the answer of `plan`.

use crate::core::document::{
    DOCUMENT_VERSION, PlanDocument, PlannedHost, PlannedRollback, PlannedStage, RebootForecast,
};
use crate::core::findings::OldSource;
use crate::core::ids::{Digest, HostIx, StageIx};
use crate::core::rollout::Rollout;

/// The plan's document, from a run in which hosts were asked and nothing else was done.
pub fn plan_document(rollout: &Rollout) -> PlanDocument {
    let settings = rollout.settings();
    let stages: Vec<PlannedStage> = (0..)
        .map(StageIx)
        .zip(&settings.stages)
        .map(|(ix, stage)| PlannedStage {
            name: stage.name.clone(),
            waves: crate::core::stage::waves(stage)
                .iter()
                .map(|wave| wave.iter().map(|host| settings.hosts[host.at()].name.clone()).collect())
                .collect(),
            hosts: settings.stages[ix.at()].hosts.iter().map(|host| planned(rollout, *host)).collect(),
        })
        .collect();
    let digest = Digest::of_json(&stages).ok();
    PlanDocument { schema: DOCUMENT_VERSION, digest, stages, errors: Vec::new() }
}

fn planned(rollout: &Rollout, host: HostIx) -> PlannedHost {
    let run = rollout.host(host);
    let found = run.resolution.as_deref();
    let missing = found.map(|found| {
        let gone = found.old.iter().filter(|old| old.source == OldSource::Missing);
        gone.map(|old| format!("{}={}", old.name, old.version)).collect::<Vec<_>>()
    });
    let name = &rollout.settings().hosts[host.at()].name;
    PlannedHost {
        host: name.clone(),
        transaction: rollout.ops(host).to_vec(),
        rollback: PlannedRollback {
            guaranteed: missing.as_ref().is_some_and(Vec::is_empty),
            missing: missing.unwrap_or_default(),
        },
        reboot: match found {
            None => RebootForecast::Unknown,
            Some(found) if found.reboot.is_due() => RebootForecast::Needed,
            Some(_) if rollout.ops(host).iter().any(|op| op.name.as_str().starts_with("linux-image")) => {
                RebootForecast::Needed
            }
            Some(_) => RebootForecast::NotNeeded,
        },
        problems: run.problem.iter().cloned().map(|problem| problem.on(name)).collect(),
    }
}
