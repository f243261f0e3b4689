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
        }
    }

    /// Whether the step runs as a job on the host.
    pub fn is_job(self) -> bool {
        !matches!(self, Self::Resolve | Self::Confirm | Self::Recheck)
    }

    /// Whether the host's dead man is armed with it, where the host has one.
    pub fn arms(self) -> bool {
        matches!(self, Self::Apply | Self::Reboot)
    }
}
