//! The steps of a run on a host.

use serde::{Deserialize, Serialize};

/// One step on one host, as patchctl schedules it: some are several steps of the playbook in one round trip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// detect, refresh, inspect, resolve, preflight: reads only.
    Resolve,
    /// baseline, stash.
    Stash,
    /// apply.
    Apply,
    /// restart, verify.
    Settle,
    /// rollback, compare.
    Rollback,
    /// forget: the claim goes, and stashes past their time.
    Forget,
    /// Over a new connection: the host's dead man does not act any more.
    Confirm,
    /// reboot.
    Reboot,
    /// inspect, before an approval is used; for what is not patched yet also resolve, preflight: reads only.
    Recheck,
    /// The plan's command before anything is done to the host.
    Before,
    /// Checks before the patch, and how the host is: reads only.
    Probe,
    /// A snapshot is taken.
    Snapshot,
    /// Checks after the patch: reads only.
    Check,
    /// The plan's command after everything was done to the host.
    After,
    /// The snapshot is put back.
    Restore,
    /// The snapshot is removed.
    Discard,
    /// baseline, stash, ahead of its time: what is fetched is there when the host begins.
    Prefetch,
}

impl Step {
    /// The word in messages and in job IDs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Stash => "stash",
            Self::Apply => "apply",
            Self::Settle => "settle",
            Self::Rollback => "rollback",
            Self::Forget => "forget",
            Self::Confirm => "confirm",
            Self::Reboot => "reboot",
            Self::Recheck => "recheck",
            Self::Before => "before_host",
            Self::Probe => "probe",
            Self::Snapshot => "snapshot",
            Self::Check => "check",
            Self::After => "after_host",
            Self::Restore => "restore",
            Self::Discard => "discard",
            Self::Prefetch => "prefetch",
        }
    }

    /// Whether the step runs as a job on the host, whatever the plan says.
    pub fn is_job(self) -> bool {
        matches!(
            self,
            Self::Stash | Self::Apply | Self::Settle | Self::Rollback | Self::Forget | Self::Reboot | Self::Prefetch
        )
    }

    /// Whether it is a command of the plan's, or a snapshot: where that runs, the plan says.
    pub fn is_of_plan(self) -> bool {
        matches!(self, Self::Before | Self::After | Self::Snapshot | Self::Restore | Self::Discard)
    }

    /// Whether the host's dead man is armed with it, where the host has one.
    pub fn arms(self) -> bool {
        matches!(self, Self::Apply | Self::Reboot)
    }
}
