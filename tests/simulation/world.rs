//! Everything outside of patchctl, as one seed has it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use patchctl::core::document::Verdict;
use patchctl::core::ids::HostIx;
use patchctl::core::rollout::Rollout;
use patchctl::core::settings::Settings;
use patchctl::core::stage::Phase;
use patchctl::ports::{Clock, Letter, People};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::disk::Disk;
use crate::host::Host;
use crate::mutation::Mutation;
use crate::rng::Rng;

/// How often things go wrong, in a thousand cases.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    pub(crate) step: u32,
    pub(crate) net: u32,
    pub(crate) read: u32,
    pub(crate) crash: u32,
    pub(crate) disk: u32,
    pub(crate) signal: u32,
    pub(crate) people: u32,
    pub(crate) others: u32,
}

/// What happens to the process at one of its writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blow {
    /// It dies before the write.
    Before,
    /// It dies in the middle of it.
    Torn,
    /// It dies right after it.
    After,
    /// The disk is full: nothing, or a part, was taken.
    Full,
}

/// A decision that somebody really made.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    pub(crate) verdict: Verdict,
    pub(crate) by: String,
    /// The digest that it names, as far as it names one.
    pub(crate) digest: Option<String>,
}

/// What was met, over all seeds.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) seeds: u64,
    pub(crate) events: u64,
    pub(crate) sessions: u64,
    pub(crate) questions: u64,
    pub(crate) crashes: u64,
    pub(crate) resumes: u64,
    pub(crate) simulated_ms: u64,
    pub(crate) faults: BTreeMap<String, u64>,
    pub(crate) outcomes: BTreeMap<String, u64>,
    pub(crate) states: HashSet<u64>,
}

impl Counters {
    pub(crate) fn fault(&mut self, kind: impl Into<String>) {
        *self.faults.entry(kind.into()).or_default() += 1;
    }
}

pub(crate) struct World {
    pub(crate) rng: Rng,
    /// How hosts look to the plan's checks.
    pub(crate) looks: Rng,
    pub(crate) looks_made: u64,
    pub(crate) started: Instant,
    pub(crate) skew: SignedDuration,
    /// The plan as it was meant. The core may be given another one, to see that this is caught.
    pub(crate) settings: Arc<Settings>,
    pub(crate) hosts: Vec<Host>,
    /// Versions that the repository has, by package: from when on.
    pub(crate) repository: BTreeMap<String, Vec<(u64, u32)>>,
    pub(crate) faults: Faults,
    pub(crate) calm: bool,
    pub(crate) disk: Disk,
    /// The process of now is gone: whoever still acts for it does wrong.
    pub(crate) gone: bool,
    pub(crate) blow: Option<(u64, Blow)>,
    pub(crate) letters: Vec<(u64, Letter)>,
    pub(crate) signals: Vec<(u64, &'static str)>,
    pub(crate) bell: Arc<Notify>,
    pub(crate) acts: BTreeMap<String, Act>,
    pub(crate) letter_reasons: BTreeMap<String, String>,
    /// How often each question was asked at the terminal.
    pub(crate) questions: BTreeMap<String, u32>,
    /// IDs of messages that arrived, and of those that were refused.
    pub(crate) delivered: BTreeSet<String>,
    pub(crate) refused: BTreeSet<String>,
    /// Stages whose own hook before them went well.
    pub(crate) stages_begun: BTreeSet<String>,
    /// Since when the process has nothing to do but to go.
    pub(crate) rested_at: Option<u64>,
    pub(crate) under_way: BTreeMap<HostIx, &'static str>,
    pub(crate) counters: Counters,
    pub(crate) mutation: Option<Mutation>,
    pub(crate) story: Option<Vec<String>>,
    pub(crate) wrong: Vec<String>,
}

/// The world, as its parts share it.
#[derive(Clone)]
pub(crate) struct Shared(pub(crate) Arc<Mutex<World>>);

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for Shared {
    fn now(&self) -> Timestamp {
        self.lock().wall()
    }
}

impl People for Shared {
    fn groups_of(&self, name: &str, of: &[&str]) -> Vec<String> {
        // Everybody whose name ends in the group's.
        of.iter().filter(|group| name.ends_with(**group)).map(|group| (*group).to_owned()).collect()
    }
}

impl World {
    /// Simulated milliseconds since the beginning.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// What the controller's clock says.
    pub(crate) fn wall(&self) -> Timestamp {
        let past = SignedDuration::from_millis(i64::try_from(self.now()).unwrap_or(i64::MAX));
        let epoch = Timestamp::from_second(crate::plan::EPOCH).unwrap_or(Timestamp::UNIX_EPOCH);
        epoch.checked_add(past + self.skew).unwrap_or(epoch)
    }

    pub(crate) fn has(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// The highest version of a package that the repository has now.
    pub(crate) fn candidate(&self, name: &str, now: u64) -> Option<u32> {
        let versions = self.repository.get(name)?;
        versions.iter().filter(|(from, _)| *from <= now).map(|(_, version)| *version).max()
    }

    pub(crate) fn tell(&mut self, line: impl FnOnce() -> String) {
        let now = self.now();
        if let Some(story) = &mut self.story {
            story.push(format!("{:>10.3}  {}", now as f64 / 1000.0, line()));
        }
    }

    pub(crate) fn fault(&mut self, kind: impl Into<String>) {
        let kind = kind.into();
        self.tell(|| format!("  ~ {kind}"));
        self.counters.fault(kind);
    }

    pub(crate) fn violated(&mut self, what: String) {
        self.tell(|| format!("  ! {what}"));
        self.wrong.push(what);
    }

    pub(crate) fn must(&mut self, holds: bool, number: u8, what: impl FnOnce() -> String) {
        if !holds {
            let what = format!("invariant {number}: {}", what());
            self.violated(what);
        }
    }

    /// Whether this goes wrong now.
    pub(crate) fn chance(&mut self, per_mille: u32) -> bool {
        !self.calm && self.rng.chance(per_mille)
    }

    pub(crate) fn everybody_lives(&mut self) {
        let now = self.now();
        self.hosts.iter_mut().for_each(|host| host.live_until(now));
    }

    /// Somebody else changes a package on a host.
    pub(crate) fn meddle(&mut self, host: usize) {
        let now = self.now();
        let target = &mut self.hosts[host];
        target.live_until(now);
        if target.jobs.values().any(crate::host::Job::is_running) || target.half {
            return;
        }
        let Some(name) = target.packages.keys().next().cloned() else { return };
        let version = target.packages.get(&name).copied().unwrap_or(1) + 40;
        target.packages.insert(name.clone(), version);
        target.foreign.insert(name);
        self.fault("somebody else changes a package");
    }
}

/// What the run looks like: how many different states were seen says how far the simulation gets.
pub(crate) fn state_of(rollout: &Rollout) -> u64 {
    let mut hasher = DefaultHasher::new();
    for stage in rollout.stages() {
        std::mem::discriminant(&stage.phase).hash(&mut hasher);
        if let Phase::Ended(end) | Phase::Closing(end) = stage.phase {
            std::mem::discriminant(&end).hash(&mut hasher);
        }
        (stage.exceeded, stage.wave, stage.open_gate().is_some()).hash(&mut hasher);
    }
    for host in (0..).map(HostIx).take(rollout.settings().hosts.len()) {
        let host = rollout.host(host);
        (host.place as u8, host.step, host.claimed).hash(&mut hasher);
    }
    (rollout.draining().is_some(), rollout.paused().is_some()).hash(&mut hasher);
    hasher.finish()
}
