//! What a host does by itself: it undoes a change that nobody confirms, and it boots.

use std::fmt::Write as _;

use patchctl::core::ids::HostIx;
use patchctl::ports::{Arm, Job as Asked};

use crate::host::{Host, Job, Net, Op, Outage, State, Turn, problem_only};
use crate::world::World;

/// A host's dead man, as one run has armed it.
#[derive(Debug, Clone)]
pub(crate) struct DeadMan {
    pub(crate) run: String,
    /// The job under which it undoes the change.
    pub(crate) id: String,
    /// The job that it was armed with.
    armed_with: String,
    nonce: String,
    stash: String,
    ops: Vec<Op>,
    wait: u64,
    /// The end of the last job, or of the arming; boots count by themselves.
    pub(crate) counts_from: u64,
    /// It undoes the change, or has.
    pub(crate) acted: bool,
}

impl DeadMan {
    pub(crate) fn new(job: &Asked, arm: &Arm, ops: Vec<Op>, now: u64) -> Self {
        Self {
            run: job.claim.run.as_str().to_owned(),
            id: arm.id.as_str().to_owned(),
            armed_with: job.id.as_str().to_owned(),
            nonce: job.nonce.clone(),
            stash: arm.script.env.get("RUN").cloned().unwrap_or_default(),
            ops,
            wait: u64::try_from(arm.wait.as_millis()).unwrap_or(u64::MAX),
            counts_from: now,
            acted: false,
        }
    }
}

impl Host {
    /// When the dead man acts, if nothing happens until then.
    pub(crate) fn fires_at(&self) -> Option<u64> {
        let dead_man = self.dead_man.as_ref().filter(|dead_man| !dead_man.acted)?;
        let busy = self.jobs.values().any(Job::is_running);
        let at = dead_man.counts_from.max(self.up_since).saturating_add(dead_man.wait);
        (!busy && self.up_since != u64::MAX).then_some(at)
    }

    /// Nobody confirmed in time.
    pub(crate) fn fire(&mut self, at: u64) {
        let Some(dead_man) = &mut self.dead_man else { return };
        dead_man.acted = true;
        let dead_man = dead_man.clone();
        let never_began = !self.jobs.contains_key(&dead_man.armed_with);
        if never_began {
            self.dead_man = None;
            return;
        }
        self.undid = true;
        let turn = match self.rng.below(20) {
            0 => Turn::Midway("rollback"),
            1 => Turn::Inexact,
            2 => Turn::Garbage,
            _ => Turn::Well,
        };
        let job = Job {
            step: "rollback",
            nonce: dead_man.nonce,
            stash: dead_man.stash,
            ops: dead_man.ops,
            want_installed: false,
            turn,
            boot: 0,
            ends: at + self.rng.range(3_000, 60_000),
            state: State::Running,
        };
        self.jobs.insert(dead_man.id, job);
    }

    pub(crate) fn asks_to_boot(&self, job: &Job) -> (String, i32) {
        let mut text = "step\treboot\nphase\tboots\n".to_owned();
        if let Turn::Before(kind) = job.turn {
            let _ = write!(text, "{}", problem_only(kind));
            return (text, 1);
        }
        (text + "end\tok\n", 0)
    }

    /// Whether the host goes down for this job.
    pub(crate) fn boots(&self, job: &Job) -> bool {
        !matches!(job.turn, Turn::NoBoot | Turn::Before(_) | Turn::Silent)
    }

    /// It is away for a while, and comes back as another boot.
    pub(crate) fn goes_down(&mut self, at: u64) {
        let stays = self.jobs.values().any(|job| job.turn == Turn::StaysDown && job.ends == at);
        let slow = self.rng.chance(60);
        let back = match (stays, slow) {
            (true, _) => u64::MAX,
            (false, true) => at + self.rng.range(400_000, 1_200_000),
            (false, false) => at + self.rng.range(5_000, 90_000),
        };
        self.outages.push(Outage { from: at, to: back, how: Net::Refuses });
        (self.boot, self.up_since, self.wants_boot) = (self.boot + 1, back, false);
    }
}

impl World {
    /// Confirms, unless the host has decided before.
    pub(crate) fn confirms(&mut self, host: HostIx, run: &str) {
        let target = &mut self.hosts[host.at()];
        if target.dead_man.as_ref().is_some_and(|dead_man| dead_man.run == run && !dead_man.acted) {
            target.dead_man = None;
        }
    }

    /// The job with which the host has undone, or undoes, this run's change.
    pub(crate) fn undoing_job(&self, host: HostIx, run: &str) -> Option<String> {
        let dead_man = self.hosts[host.at()].dead_man.as_ref()?;
        (dead_man.acted && dead_man.run == run).then(|| dead_man.id.clone())
    }
}
