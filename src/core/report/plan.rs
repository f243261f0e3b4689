//! What a run of the plan would do, and how long it would take: the answer of `plan`.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::core::document::{
    DOCUMENT_VERSION, PlanDocument, PlannedHost, PlannedRollback, PlannedStage, RebootForecast,
};
use crate::core::findings::OldSource;
use crate::core::forecast::{Earlier, Load, Wave, forecast};
use crate::core::host::Place;
use crate::core::ids::{Digest, HostIx, HostName, StageIx};
use crate::core::rollout::Rollout;
use crate::core::settings::{Reboot, Stage};

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
            forecast: None,
        })
        .collect();
    let digest = Digest::of_json(&stages).ok();
    PlanDocument { schema: DOCUMENT_VERSION, digest, stages, errors: Vec::new() }
}

/// Adds how long each stage will take, by earlier runs, the newest first. A stage begins when those end that it needs.
pub fn add_forecasts(
    document: &mut PlanDocument,
    rollout: &Rollout,
    needs: &[Vec<StageIx>],
    earlier: &[Earlier],
    now: Timestamp,
) {
    let settings = rollout.settings();
    let mut ends: Vec<Timestamp> = Vec::new();
    for (ix, stage) in (0..).map(StageIx).zip(&settings.stages) {
        let needed = needs.get(ix.at()).into_iter().flatten().filter_map(|need| ends.get(need.at()).copied());
        let from = needed.max().unwrap_or(now);
        let planned = document.stages.iter_mut().find(|planned| planned.name == stage.name);
        let found = planned.as_deref().and_then(|planned| {
            forecast(&load(rollout, stage, planned), &stage.name, earlier, &rollout.calendar(ix), from)
        });
        ends.push(found.as_ref().and_then(|found| found.ends_at).map_or(from, |ends| ends.0));
        if let Some(planned) = planned {
            planned.forecast = found;
        }
    }
}

/// What the stage has to do, as its hosts answered. One that was not asked yet is taken to have something to do.
fn load(rollout: &Rollout, stage: &Stage, planned: &PlannedStage) -> Load {
    let boots = |host: &PlannedHost| match stage.reboot {
        Reboot::Never => false,
        Reboot::Needed => host.reboot == RebootForecast::Needed,
        Reboot::Always => true,
    };
    let busy = |(ix, _): &(&HostIx, &PlannedHost)| matches!(rollout.host(**ix).place, Place::Waiting | Place::Ready);
    let busy: BTreeMap<&HostName, bool> =
        stage.hosts.iter().zip(&planned.hosts).filter(busy).map(|(_, host)| (&host.host, boots(host))).collect();
    let wave = |names: &Vec<HostName>| {
        let boots: Vec<bool> = names.iter().filter_map(|name| busy.get(name)).copied().collect();
        Wave { hosts: boots.len(), reboots: boots.iter().filter(|boots| **boots).count() }
    };
    Load {
        waves: planned.waves.iter().map(wave).collect(),
        parallel: stage.parallel as usize,
        reboot_parallel: stage.reboot_parallel.of(stage.hosts.len()),
        after_wave: stage.soak,
    }
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
