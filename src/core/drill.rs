//! Drills: a plan's first stage is patched and taken back on purpose; and what one proves afterwards.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::document::Outcome;
use super::ids::{HostIx, RunId};
use super::policy::Policy;
use super::report::{self, Driven};
use super::rollout::Rollout;
use super::settings::{OnExceeded, RunKind, Scope, Settings, stamp};

/// The settings of a drill of the plan that these are of: its first stage that needs none, without gates and soaks. None:
/// that stage has no hosts.
pub fn settings_of(mut settings: Settings) -> Option<Settings> {
    let at = settings.stages.iter().position(|stage| stage.needs.is_empty())?;
    let mut stage = settings.stages.swap_remove(at);
    if stage.hosts.is_empty() {
        return None;
    }
    stage.approval = None;
    stage.soak = std::time::Duration::ZERO;
    // Whatever fails, all of it goes back, and nobody is asked.
    stage.on_exceeded = OnExceeded::Rollback;
    stage.rollback_scope = Scope::Stage;
    let kept: BTreeMap<HostIx, HostIx> = stage.hosts.iter().copied().zip((0..).map(HostIx)).collect();
    settings.hosts = stage.hosts.iter().map(|host| settings.hosts[host.at()].clone()).collect();
    stage.hosts = (0..).map(HostIx).take(stage.hosts.len()).collect();
    settings.stages = vec![stage];
    settings.policy = policy_of(std::mem::take(&mut settings.policy), &kept);
    settings.kind = RunKind::Drill;
    Some(settings)
}

/// What policies say about the way forward holds. There is no gate for their other rules, and a drill needs no drill.
fn policy_of(policy: Policy, kept: &BTreeMap<HostIx, HostIx>) -> Policy {
    let exceptions = policy.exceptions.into_iter().map(|mut exception| {
        exception.hosts = exception.hosts.iter().filter_map(|host| kept.get(host).copied()).collect();
        exception.hosts.sort_unstable();
        exception
    });
    Policy {
        exceptions: exceptions.collect(),
        approvals: Vec::new(),
        auto_approve: Vec::new(),
        checks: Vec::new(),
        drill: None,
        ..policy
    }
}

/// A drill that proved the way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The drill.
    pub run: RunId,
    /// When it ended.
    pub ended: Timestamp,
}

impl Proof {
    /// What this run proves; none: it is no drill, or not over, or not every host came back, or none had anything to do.
    pub fn of(rollout: &Rollout) -> Option<Self> {
        let proves = rollout.is_drill()
            && rollout.is_finished()
            && report::outcome(rollout, Driven::No) == Outcome::Complete
            && report::drill(rollout).is_some_and(|drill| drill.proved > 0);
        let ended = rollout.last_at().filter(|_| proves)?;
        Some(Self { run: rollout.settings().run.clone(), ended })
    }
}

/// A run needs a drill of its plan that is not older than this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrillRule {
    /// Where it stands, `FILE:LINE`.
    pub at: String,
    /// How old it may be, in seconds.
    pub within: u64,
    /// The last drill of the plan that proved its way back, when the run started; none: there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Proof>,
}

impl DrillRule {
    /// Whether a run may begin now.
    pub fn is_met(&self, now: Timestamp) -> bool {
        let age = |last: &Proof| u64::try_from(now.duration_since(last.ended).as_secs()).unwrap_or(0);
        self.last.as_ref().is_some_and(|last| age(last) <= self.within)
    }

    /// `a drill not older than 30d`
    pub fn words(&self) -> String {
        let units = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
        let whole = units.into_iter().find(|(seconds, _)| self.within.is_multiple_of(*seconds));
        let (seconds, unit) = whole.unwrap_or((1, "s"));
        format!("a drill not older than {}{unit}", self.within / seconds)
    }

    /// Which drill is the last, for people.
    pub fn last_words(&self) -> String {
        match &self.last {
            Some(last) => {
                format!("the last one that proved the way back ended {} (run {})", stamp(last.ended), last.run)
            }
            None => "none that proved the way back is known here".to_owned(),
        }
    }
}
