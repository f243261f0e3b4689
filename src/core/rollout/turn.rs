//! Whose turn it is to begin, or to boot.

use super::Rollout;
use crate::core::host::Activity;
use crate::core::ids::{HostIx, StageIx};
use crate::core::settings::Stage;

impl Rollout {
    /// The next host that may begin beside those that are worked on.
    pub(super) fn next_of_queue(&self, ix: StageIx, activity: Activity) -> Option<HostIx> {
        let (stage, run) = (&self.settings.stages[ix.at()], &self.stages[ix.at()]);
        let first = *run.queue.front()?;
        if !matches!(activity, Activity::Rolling | Activity::Soaking | Activity::Undoing) {
            return Some(first);
        }
        let host = |ix: &HostIx| &self.settings.hosts[ix.at()];
        let rank = stage.rank(host(&first));
        // Hosts of groups that come before are at rest first.
        if activity == Activity::Rolling && run.active.iter().any(|other| stage.rank(host(other)) < rank) {
            return None;
        }
        let taken: Vec<_> = run.active.iter().filter_map(|other| stage.kept_apart_by(host(other))).collect();
        let is_free = |ix: &&HostIx| stage.kept_apart_by(host(ix)).is_none_or(|value| !taken.contains(&value));
        let same_rank = |ix: &&HostIx| activity != Activity::Rolling || stage.rank(host(ix)) == rank;
        run.queue.iter().take_while(same_rank).find(is_free).copied()
    }

    /// Whether the process that drives the run may work on one more host.
    pub(super) fn has_room(&self) -> bool {
        self.forks.is_none_or(|most| self.running().count() < most.max(1) as usize)
    }

    /// Whether one more host of the stage may boot.
    pub(super) fn may_boot(&self, stage: &Stage) -> bool {
        let booting = stage.hosts.iter().filter(|host| self.hosts[host.at()].is_booting()).count();
        booting < stage.reboot_parallel.of(stage.hosts.len()).max(1)
    }
}
