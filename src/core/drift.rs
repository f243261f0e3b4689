//! Who differs from what the last approved run left, and from its stage's others.
//!
//! Runs are looked at from the newest to the oldest, until it is known of each host which one had the last word on it;
//! what is installed now is held against that.

use std::collections::{BTreeMap, BTreeSet};

use super::document::{Against, DOCUMENT_VERSION, DriftDocument, DriftState, HostDrift, Outcome, PackageDrift};
use super::event::StageEnd;
use super::findings::Platform;
use super::host::{HostRun, Place};
use super::ids::{ChangeId, HostIx, HostName, PlanName, RunId, StageName};
use super::packages::{Arch, Package, PackageName, PackageOp, Version};
use super::problem::Problem;
use super::rollout::Rollout;
use super::settings::{RunKind, Settings};

/// A package, whatever its version.
pub type Key = (PackageName, Arch);

/// What an approved run left on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The run.
    pub run: RunId,
    /// Its change.
    pub change: ChangeId,
    /// Its plan.
    pub plan: PlanName,
    /// The host's stage in it.
    pub stage: StageName,
    /// The host's place in it.
    pub host: HostIx,
    /// What kind of host it is, where it said so.
    pub platform: Option<Platform>,
    /// The packages that the run verified there; none: not installed.
    pub packages: BTreeMap<Key, Option<Version>>,
}

/// What runs know of a host.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// What the last approved one left there; none: there was none.
    pub left: Option<Left>,
    /// A newer run that changed the host, and that nobody has decided there.
    pub undecided: Option<RunId>,
    /// The reference is a rollback of this run, which may have kept other packages.
    beneath: Option<RunId>,
}

impl Known {
    fn is_settled(&self) -> bool {
        self.left.is_some() && self.beneath.is_none()
    }
}

/// Looks for each host's last approved run. It is shown the runs from the newest to the oldest.
#[derive(Debug)]
pub struct Search(BTreeMap<HostName, Known>);

impl Search {
    /// For these hosts.
    pub fn new(hosts: impl IntoIterator<Item = HostName>) -> Self {
        Self(hosts.into_iter().map(|host| (host, Known::default())).collect())
    }

    /// Whether all is known: older runs add nothing.
    pub fn is_over(&self) -> bool {
        self.0.values().all(Known::is_settled)
    }

    /// Whether a run with these settings can add anything.
    pub fn wants(&self, settings: &Settings) -> bool {
        settings.hosts.iter().any(|host| self.0.get(&host.name).is_some_and(|known| Self::open(known, &settings.run)))
    }

    fn open(known: &Known, run: &RunId) -> bool {
        known.left.is_none() || known.beneath.as_ref() == Some(run)
    }

    /// Takes in the next older run. Whether it is the reference of any host.
    pub fn see(&mut self, rollout: &Rollout) -> bool {
        let settings = rollout.settings();
        let mut is_reference = false;
        for stage in &settings.stages {
            for host in &stage.hosts {
                let Some(known) = self.0.get_mut(&settings.hosts[host.at()].name) else { continue };
                if !Self::open(known, &settings.run) {
                    continue;
                }
                match (left(rollout, *host), &mut known.left) {
                    (older, Some(newer)) => {
                        known.beneath = None;
                        for (key, version) in older.into_iter().flat_map(|older| older.packages) {
                            newer.packages.entry(key).or_insert(version);
                        }
                    }
                    (Some(found), empty) => {
                        *empty = Some(found);
                        is_reference = true;
                        if let RunKind::Rollback { of, .. } = &settings.kind {
                            known.beneath = Some(of.clone());
                        }
                    }
                    (None, None) if is_undecided(rollout.host(*host)) => {
                        known.undecided.get_or_insert_with(|| settings.run.clone());
                    }
                    (None, None) => {}
                }
            }
        }
        is_reference
    }

    /// What is known of a host by now.
    pub fn known(&self, host: &HostName) -> Option<&Known> {
        self.0.get(host)
    }
}

/// Whether the run changed the host, and the change neither stays nor is taken back.
fn is_undecided(run: &HostRun) -> bool {
    run.given_up.is_none()
        && matches!(
            run.place,
            Place::Applied
                | Place::Settled
                | Place::MustReboot
                | Place::InEffect
                | Place::Patched
                | Place::MustUndo
                | Place::MustRestore
                | Place::NotRestored
                | Place::Lost
        )
}

/// What the run left on the host; none: it has no approved word on it.
fn left(rollout: &Rollout, host: HostIx) -> Option<Left> {
    let (settings, run) = (rollout.settings(), rollout.host(host));
    let stage = &rollout.stages()[rollout.stage_of(host).at()];
    // Nothing was changed there: whether it counts is the stage's to say.
    let current = run.place == Place::Current
        && matches!(stage.ended(), Some(StageEnd::Approved | StageEnd::Current | StageEnd::Incomplete));
    let packages = match &settings.kind {
        // The host behind the name may be another one by now.
        _ if run.given_up.is_some() => return None,
        RunKind::Run if current => kept(run, &[]),
        RunKind::Run if run.place == Place::Kept => kept(run, rollout.ops(host)),
        RunKind::Rollback { undo, .. } if current || run.place == Place::Restored => {
            restored(run, undo.get(&settings.hosts[host.at()].name).map_or(&[], Vec::as_slice))
        }
        _ => return None,
    };
    Some(Left {
        run: settings.run.clone(),
        change: settings.change.clone(),
        plan: settings.plan.clone(),
        stage: settings.stages[rollout.stage_of(host).at()].name.clone(),
        host,
        platform: run.resolution.as_deref().map(|found| found.platform.clone()),
        packages,
    })
}

type Versions = BTreeMap<Key, Option<Version>>;

/// What is verified comes before what was asked for and there already, and both before what was meant to be.
fn kept(run: &HostRun, ops: &[PackageOp]) -> Versions {
    let current = run.resolution.as_deref().map(|found| found.current.as_slice()).unwrap_or_default();
    let mut packages = meant(if run.inspected.is_some() { &[] } else { ops });
    packages.extend(current.iter().cloned().map(entry));
    packages.extend(run.evidence().packages.into_iter().map(entry));
    packages
}

/// What had gone back already is not among what the host reported.
fn restored(run: &HostRun, undo: &[PackageOp]) -> Versions {
    let mut packages = meant(undo);
    let reported = run.undone.as_deref().map(|report| report.packages.as_slice()).unwrap_or_default();
    packages.extend(reported.iter().cloned().map(entry));
    packages
}

fn meant(ops: &[PackageOp]) -> Versions {
    ops.iter().map(|op| ((op.name.clone(), op.arch.clone()), op.to.clone())).collect()
}

fn entry(package: Package) -> (Key, Option<Version>) {
    ((package.name, package.arch), package.version)
}

/// The packages that are looked at: what each run left anywhere among these hosts.
pub fn wanted<'a>(all: impl IntoIterator<Item = &'a Left>) -> BTreeMap<RunId, BTreeSet<Key>> {
    let mut wanted: BTreeMap<RunId, BTreeSet<Key>> = BTreeMap::new();
    for left in all {
        wanted.entry(left.run.clone()).or_default().extend(left.packages.keys().cloned());
    }
    wanted
}

/// A host, what runs know of it, and what it said.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The host.
    pub host: HostName,
    /// What runs know of it.
    pub known: Known,
    /// What is installed there of the packages that are looked at; none: it was not asked.
    pub answer: Option<Result<Vec<Package>, Problem>>,
}

/// Who differs, in the order of the hosts.
pub fn compare(all: Vec<Seen>) -> DriftDocument {
    let mut stages: BTreeMap<StageKey, StageVotes> = BTreeMap::new();
    for (left, now) in all.iter().filter_map(told) {
        stages.entry(stage_key(left)).or_default().add(left, &now);
    }
    let hosts: Vec<HostDrift> = all.into_iter().map(|seen| host_drift(seen, &stages)).collect();
    let is = |state: DriftState| hosts.iter().any(|host| host.state == state);
    let outcome = match () {
        () if is(DriftState::Drifted) => Outcome::Failed,
        () if is(DriftState::Unreachable) => Outcome::Refused,
        () => Outcome::Complete,
    };
    let errors = hosts.iter().filter_map(|host| host.error.clone()).collect();
    DriftDocument { schema: DOCUMENT_VERSION, outcome, exit_code: outcome.exit_code(), hosts, errors }
}

type Now = BTreeMap<Key, Version>;

/// What was left on a host, and what is there, of one that answered.
fn told(seen: &Seen) -> Option<(&Left, Now)> {
    let (left, Some(Ok(packages))) = (seen.known.left.as_ref()?, &seen.answer) else { return None };
    let now = packages.iter().cloned().map(entry).filter_map(|(key, version)| Some((key, version?)));
    Some((left, now.collect()))
}

fn host_drift(seen: Seen, stages: &BTreeMap<StageKey, StageVotes>) -> HostDrift {
    let told = told(&seen);
    let mut differences = Vec::new();
    if let Some((left, now)) = &told {
        differences = from_run(left, now);
        let votes = stages.get(&stage_key(left));
        let others = votes.map(|votes| votes.differences(left, now)).unwrap_or_default();
        // Where the run and the stage's others say the same, that is one difference.
        let said = |other: &PackageDrift| {
            differences
                .iter()
                .any(|known| (&known.name, &known.arch, &known.expected) == (&other.name, &other.arch, &other.expected))
        };
        let news: Vec<PackageDrift> = others.into_iter().filter(|other| !said(other)).collect();
        differences.extend(news);
    }
    let state = match (&seen.known.left, &told) {
        (None, _) => DriftState::Unknown,
        (Some(_), None) => DriftState::Unreachable,
        (Some(_), Some(_)) if differences.is_empty() => DriftState::Same,
        (Some(_), Some(_)) => DriftState::Drifted,
    };
    let error = seen.answer.and_then(Result::err).map(|problem| problem.on(&seen.host));
    let left = seen.known.left;
    HostDrift {
        host: seen.host,
        run_id: left.as_ref().map(|left| left.run.clone()),
        change_id: left.as_ref().map(|left| left.change.clone()),
        plan: left.as_ref().map(|left| left.plan.clone()),
        stage: left.map(|left| left.stage),
        state,
        undecided: seen.known.undecided,
        differences,
        error,
    }
}

fn from_run(left: &Left, now: &Now) -> Vec<PackageDrift> {
    let differs = |(key, expected): (&Key, &Option<Version>)| {
        let found = now.get(key).cloned();
        (found != *expected).then(|| difference(key, expected.clone(), found, Against::Run))
    };
    left.packages.iter().filter_map(differs).collect()
}

fn difference(key: &Key, expected: Option<Version>, found: Option<Version>, against: Against) -> PackageDrift {
    PackageDrift { name: key.0.clone(), arch: key.1.clone(), expected, found, against }
}

/// Hosts that should be alike.
type StageKey = (RunId, StageName, Option<Platform>);

fn stage_key(left: &Left) -> StageKey {
    (left.run.clone(), left.stage.clone(), left.platform.clone())
}

/// How many hosts of a stage have which version of each of the run's packages.
#[derive(Debug, Default)]
struct StageVotes {
    /// Those on which the run left that version.
    left: BTreeMap<Key, BTreeMap<Version, usize>>,
    /// Those, and others on which the run did not touch the package.
    all: BTreeMap<Key, BTreeMap<Version, usize>>,
}

/// What a host says about a package, for others to be held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vote {
    /// It is as the run left it.
    Left,
    /// The run did not touch it there.
    Untouched,
    /// It was changed since: that says nothing about how others should be.
    None,
}

impl StageVotes {
    fn vote(left: &Left, now: &Now, key: &Key) -> Vote {
        match left.packages.get(key) {
            None => Vote::Untouched,
            Some(expected) if expected.as_ref() == now.get(key) => Vote::Left,
            Some(_) => Vote::None,
        }
    }

    fn add(&mut self, left: &Left, now: &Now) {
        for (key, version) in now {
            let count = |votes: &mut BTreeMap<Key, BTreeMap<Version, usize>>| {
                *votes.entry(key.clone()).or_default().entry(version.clone()).or_default() += 1;
            };
            match Self::vote(left, now, key) {
                Vote::Left => [&mut self.left, &mut self.all].into_iter().for_each(count),
                Vote::Untouched => count(&mut self.all),
                Vote::None => {}
            }
        }
    }

    /// Where the host has another version than most of the others. What is not installed is no version: hosts of one
    /// stage may do different work. What the run verified on the host yields only to what it verified on others.
    fn differences(&self, left: &Left, now: &Now) -> Vec<PackageDrift> {
        let differs = |(key, found): (&Key, &Version)| {
            let vote = Self::vote(left, now, key);
            let own = usize::from(vote != Vote::None);
            let others = |version: &Version, count: usize| count - if version == found { own } else { 0 };
            let counts = if vote == Vote::Left { self.left.get(key)? } else { self.all.get(key)? };
            // Of versions that are as frequent, one must be named, and always the same.
            let most = counts.iter().map(|(version, count)| (others(version, *count), version)).max()?;
            let same = counts.get(found).map_or(0, |count| others(found, *count));
            (most.0 > same).then(|| difference(key, Some(most.1.clone()), Some(found.clone()), Against::Stage))
        };
        now.iter().filter_map(differs).collect()
    }
}

#[cfg(test)]
mod tests;
