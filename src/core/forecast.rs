//! How long a stage will take, by how long its hosts took in earlier runs of the plan, and whether that fits its windows.
//!
//! It is on the careful side: each host is taken to need as long as the slowest of ten did. What nobody can foresee is not
//! in it: how long people take to decide, and what fails.

#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::calendar::{Calendar, State};
use super::document::{Forecast, ForecastBy, Stamp};
use super::ids::{HostIx, StageName};
use super::rollout::Rollout;

/// How many earlier runs say how long hosts take: the newest.
pub const RUNS: usize = 5;

/// How long one host took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Took {
    /// From its first step that may change it to the last, in milliseconds; without the way back.
    pub worked_ms: u64,
    /// How much of that was its reboot.
    pub booting_ms: u64,
}

/// How long hosts took in an earlier run, by stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier(pub Vec<(StageName, Vec<Took>)>);

impl Earlier {
    /// What a run says that is finished; none: no host of it was patched, or it undid another.
    pub fn of(rollout: &Rollout) -> Option<Self> {
        let settings = rollout.settings();
        if !rollout.is_finished() || !settings.kind.patches() {
            return None;
        }
        let took = |host: &HostIx| rollout.host(*host).took();
        let stages =
            settings.stages.iter().map(|stage| (stage.name.clone(), stage.hosts.iter().filter_map(took).collect()));
        let stages: Vec<(StageName, Vec<Took>)> =
            stages.filter(|(_, took): &(_, Vec<Took>)| !took.is_empty()).collect();
        (!stages.is_empty()).then_some(Self(stages))
    }

    fn stage(&self, name: &StageName) -> Option<&[Took]> {
        self.0.iter().find(|(stage, _)| stage == name).map(|(_, took)| took.as_slice())
    }
}

/// What earlier runs say about one stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    by: ForecastBy,
    runs: usize,
    /// How long a host takes, beside its reboot.
    host_ms: u64,
    /// How long a reboot takes.
    boot_ms: u64,
}

impl Known {
    /// What runs of the stage say; where there are none, those of the plan's other stages. The newest run stands first.
    fn of(earlier: &[Earlier], stage: &StageName) -> Option<Self> {
        let own: Vec<Vec<Took>> = earlier.iter().filter_map(|run| run.stage(stage)).map(<[Took]>::to_vec).collect();
        let (by, mut runs) = if own.is_empty() {
            let all = earlier.iter().map(|run| run.0.iter().flat_map(|(_, took)| took).copied().collect());
            (ForecastBy::Plan, all.collect())
        } else {
            (ForecastBy::Stage, own)
        };
        runs.truncate(RUNS);
        let took: Vec<Took> = runs.iter().flatten().copied().collect();
        let boots = took.iter().map(|took| took.booting_ms).filter(|ms| *ms > 0);
        Some(Self {
            by,
            runs: runs.len(),
            host_ms: slowest(took.iter().map(|took| took.worked_ms.saturating_sub(took.booting_ms)).collect())?,
            boot_ms: slowest(boots.collect()).unwrap_or(0),
        })
    }
}

/// How long the slowest of ten took: nine of ten take no longer.
fn slowest(mut all: Vec<u64>) -> Option<u64> {
    all.sort_unstable();
    let nine_of_ten = (all.len() * 9).div_ceil(10);
    all.get(nine_of_ten.checked_sub(1)?).copied()
}

/// What a stage has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// Its waves.
    pub waves: Vec<Wave>,
    /// Hosts at a time.
    pub parallel: usize,
    /// Hosts that boot at a time.
    pub reboot_parallel: usize,
    /// What passes after each wave that has something to do.
    pub after_wave: Duration,
}

/// The hosts of a wave that have something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wave {
    /// How many.
    pub hosts: usize,
    /// How many of them will boot.
    pub reboots: usize,
}

impl Wave {
    /// Into how many parts it falls that begin one after the other, and how long each takes.
    fn parts(self, load: &Load, known: &Known) -> (usize, Duration) {
        let parts = self.hosts.div_ceil(load.parallel.max(1)).max(1);
        let boots = if self.reboots > 0 { known.boot_ms } else { 0 };
        // Hosts wait for their turn to boot, and keep others from beginning meanwhile.
        let turns = self.reboots.div_ceil(load.reboot_parallel.max(1));
        let by_boots = known.host_ms.saturating_add(boots.saturating_mul(turns as u64)).div_ceil(parts as u64);
        (parts, Duration::from_millis(known.host_ms.saturating_add(boots).max(by_boots)))
    }
}

/// What a stage will take that may begin at this moment; none: none of its hosts has anything to do.
pub fn forecast(
    load: &Load,
    stage: &StageName,
    earlier: &[Earlier],
    calendar: &Calendar<'_>,
    from: Timestamp,
) -> Option<Forecast> {
    let waves: Vec<Wave> = load.waves.iter().copied().filter(|wave| wave.hosts > 0).collect();
    let hosts = waves.iter().map(|wave| wave.hosts).sum();
    if hosts == 0 {
        return None;
    }
    let begins = opens(calendar, from);
    let state = begins.map(|at| calendar.state(at));
    let (none_after, until) = match state {
        Some(State::Open { last, end }) => (last, end),
        _ => (None, None),
    };
    let blank = Forecast {
        hosts,
        waves: waves.len(),
        runs: 0,
        by: None,
        per_host_ms: None,
        takes_ms: None,
        begins_at: begins.map(Stamp),
        ends_at: None,
        none_after: none_after.map(Stamp),
        until: until.map(Stamp),
        fits: None,
        why: None,
    };
    let Some(begins) = begins else {
        let why = "no host may begin, and as far as can be seen none ever may".to_owned();
        return Some(Forecast { fits: Some(false), why: Some(why), ..blank });
    };
    let Some(known) = Known::of(earlier, stage) else {
        return Some(Forecast { why: Some("no earlier run says how long hosts take".to_owned()), ..blank });
    };
    let way = Way::of(&waves, load, &known, calendar, begins);
    let boots = if waves.iter().any(|wave| wave.reboots > 0) { known.boot_ms } else { 0 };
    let why = way.objection(hosts, until);
    Some(Forecast {
        runs: known.runs,
        by: Some(known.by),
        per_host_ms: Some(known.host_ms.saturating_add(boots)),
        takes_ms: Some(u64::try_from(way.takes.as_millis()).unwrap_or(u64::MAX)),
        ends_at: way.ends.map(Stamp),
        fits: Some(why.is_none()),
        why,
        ..blank
    })
}

/// When hosts may begin, from this moment on.
fn opens(calendar: &Calendar<'_>, from: Timestamp) -> Option<Timestamp> {
    if calendar.is_open(from) {
        return Some(from);
    }
    match calendar.state(from) {
        State::Open { .. } => Some(from),
        State::Shut { opens, .. } => opens,
    }
}

/// How the hosts of a stage come to their turn.
struct Way {
    /// How long they are worked on, waiting for windows left out.
    takes: Duration,
    /// When the last one is done; none: some never come to their turn.
    ends: Option<Timestamp>,
    /// How many do not begin in the time in which the first did.
    late: usize,
}

impl Way {
    /// Part by part, each as soon as the one before is done, or its window opens.
    fn of(waves: &[Wave], load: &Load, known: &Known, calendar: &Calendar<'_>, begins: Timestamp) -> Self {
        let mut way = Self { takes: Duration::ZERO, ends: Some(begins), late: 0 };
        for wave in waves {
            let (parts, each) = wave.parts(load, known);
            for part in 0..parts {
                let ready = way.ends;
                way.ends = ready.and_then(|ready| opens(calendar, ready));
                if way.ends != ready || way.ends.is_none() || way.late > 0 {
                    way.late += load.parallel.max(1).min(wave.hosts - part * load.parallel.max(1));
                }
                way.pass(each);
            }
            way.pass(if wave.hosts > 0 { load.after_wave } else { Duration::ZERO });
        }
        way
    }

    fn pass(&mut self, time: Duration) {
        self.takes = self.takes.saturating_add(time);
        let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        self.ends = self.ends.and_then(|ends| ends.checked_add(time).ok());
    }

    /// Why it does not fit; none: it does.
    fn objection(&self, hosts: usize, until: Option<Timestamp>) -> Option<String> {
        if self.late > 0 {
            return Some(format!("{} of {hosts} hosts would not begin in time", self.late));
        }
        let over = self.ends.zip(until).is_some_and(|(ends, until)| ends > until);
        over.then(|| "its last hosts would be worked on after the end".to_owned())
    }
}
