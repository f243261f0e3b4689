//! What is going on now: a fold of the views, and the little of it that is shown.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::core::document::{ActionPerformed, ActionState};
use crate::core::ids::{HostName, StageName};
use crate::core::view::{View, Way};
use crate::ui::style::{Look, Tone};
use crate::ui::text;

/// Lines for hosts, at most.
const HOST_LINES: usize = 10;
/// Columns of a host's name, at most.
const NAME: usize = 32;
/// Columns of a phase.
const PHASE: usize = 12;

/// What is going on now.
#[derive(Debug, Default)]
pub(super) struct Tally {
    stages: Vec<StageTally>,
    /// By the order in which they began, so that lines keep their places.
    active: BTreeMap<u64, Active>,
    places: HashMap<HostName, u64>,
    begun: u64,
}

#[derive(Debug)]
struct StageTally {
    name: StageName,
    way: Way,
    hosts: usize,
    done: usize,
    failed: usize,
    running: usize,
    wave: Option<(u32, u32)>,
    since: Duration,
}

#[derive(Debug)]
struct Active {
    host: HostName,
    stage: StageName,
    phase: String,
    log: String,
    since: Duration,
}

/// Whether a host's end is one that a person must see.
pub(super) fn is_bad(way: Way, performed: ActionPerformed, state: ActionState) -> bool {
    match state {
        ActionState::Failed | ActionState::Unknown => true,
        ActionState::Success => way == Way::Forward && performed == ActionPerformed::Rollback,
        ActionState::Skipped => false,
    }
}

impl Tally {
    pub(super) fn apply(&mut self, view: &View, now: Duration) {
        match view {
            View::StageStarted { stage, hosts, way } => {
                self.stages.retain(|old| old.name != *stage);
                let (name, way) = (stage.clone(), *way);
                self.stages.push(StageTally {
                    name,
                    way,
                    hosts: *hosts,
                    done: 0,
                    failed: 0,
                    running: 0,
                    wave: None,
                    since: now,
                });
            }
            View::WaveStarted { stage, wave, of } => {
                if let Some(tally) = self.stage_mut(stage) {
                    tally.wave = Some((*wave, *of));
                }
            }
            View::HostPhase { host, stage, phase } => self.phase(host, stage, phase, now),
            View::HostLog { host, line } | View::Notice { host, text: line } => {
                if let Some(active) = self.places.get(host).and_then(|place| self.active.get_mut(place)) {
                    active.log = text::safe(line.trim());
                }
            }
            View::HostDone { host, stage, performed, state, .. } => self.done(host, stage, *performed, *state),
            View::StageDone { stage, .. } => self.stages.retain(|old| old.name != *stage),
            View::RunDone => *self = Self::default(),
            View::RunStarted { .. } | View::Message { .. } => {}
        }
    }

    fn phase(&mut self, host: &HostName, stage: &StageName, phase: &str, now: Duration) {
        let phase = text::one_line(phase);
        if let Some(active) = self.places.get(host).and_then(|place| self.active.get_mut(place)) {
            active.phase = phase;
            active.since = now;
            active.log.clear();
            return;
        }
        self.begun += 1;
        self.places.insert(host.clone(), self.begun);
        let active = Active { host: host.clone(), stage: stage.clone(), phase, log: String::new(), since: now };
        self.active.insert(self.begun, active);
        if let Some(tally) = self.stage_mut(stage) {
            tally.running += 1;
        }
    }

    fn done(&mut self, host: &HostName, stage: &StageName, performed: ActionPerformed, state: ActionState) {
        let ran = self.places.remove(host).and_then(|place| self.active.remove(&place));
        if let Some(tally) = ran.and_then(|active| self.stage_mut(&active.stage)) {
            tally.running = tally.running.saturating_sub(1);
        }
        if let Some(tally) = self.stage_mut(stage) {
            tally.done += 1;
            if is_bad(tally.way, performed, state) {
                tally.failed += 1;
            }
        }
    }

    fn stage_mut(&mut self, name: &StageName) -> Option<&mut StageTally> {
        self.stages.iter_mut().find(|tally| tally.name == *name)
    }

    /// The way that a stage goes, and how many hosts it is about.
    pub(super) fn stage(&self, name: &StageName) -> (Way, usize) {
        self.stages.iter().find(|tally| tally.name == *name).map_or((Way::Forward, 0), |tally| (tally.way, tally.hosts))
    }

    /// What to show of it on a screen of this size: a line a stage, a line a running host while there is room.
    pub(super) fn frame(&self, look: &Look, (height, width): (usize, usize)) -> Frame {
        let room = height.saturating_sub(2).max(2);
        let stages = self.stages.len().min(room / 2);
        let room = (room - stages).min(HOST_LINES);
        let fits = if self.active.len() > room { room.saturating_sub(1) } else { self.active.len() };
        let shown: Vec<&Active> = self.active.values().take(fits).collect();
        let widest = NAME.min(width / 3);
        let name = shown.iter().map(|active| text::width(active.host.as_str())).max().unwrap_or(0).min(widest);
        let more = self.active.len() - fits;
        Frame {
            stages: self.stages.iter().take(stages).map(|stage| stage.line(look)).collect(),
            hosts: shown.iter().map(|active| active.line(look, name)).collect(),
            more: (more > 0).then(|| format!("{} and {more} more running", look.ellipsis())),
        }
    }
}

/// What the block shows.
#[derive(Debug, Default)]
pub(super) struct Frame {
    pub(super) stages: Vec<StageLine>,
    pub(super) hosts: Vec<HostLine>,
    pub(super) more: Option<String>,
}

#[derive(Debug)]
pub(super) struct StageLine {
    pub(super) head: String,
    pub(super) done: u64,
    pub(super) hosts: u64,
    pub(super) counts: String,
    pub(super) well: bool,
    pub(super) since: Duration,
}

#[derive(Debug)]
pub(super) struct HostLine {
    pub(super) head: String,
    pub(super) said: String,
    pub(super) since: Duration,
}

impl StageTally {
    /// The numbers, the most telling first: the last ones are cut off where there is no room.
    fn counts(&self, look: &Look) -> String {
        let waiting = self.hosts.saturating_sub(self.done + self.running);
        let wave = self.wave.filter(|(_, of)| *of > 1).map(|(wave, of)| format!("wave {wave}/{of}"));
        let number = |number: usize, what: &str| (number > 0).then(|| format!("{number} {what}"));
        let rest = [number(self.failed, "failed"), number(self.running, "running"), wave, number(waiting, "waiting")];
        let done = format!("{}/{} done", self.done, self.hosts);
        let between = format!(" {} ", look.bullet());
        std::iter::once(done).chain(rest.into_iter().flatten()).collect::<Vec<_>>().join(&between)
    }

    fn line(&self, look: &Look) -> StageLine {
        let back = if self.way == Way::Back { " going back" } else { "" };
        StageLine {
            head: look.paint(Tone::Strong, format!("{}{back}", self.name)),
            done: self.done as u64,
            hosts: self.hosts as u64,
            counts: self.counts(look),
            well: self.failed == 0 && self.way == Way::Forward,
            since: self.since,
        }
    }
}

impl Active {
    fn line(&self, look: &Look, name: usize) -> HostLine {
        let host = text::pad(&text::cut(self.host.as_str(), name, look.ellipsis()), name);
        let phase = text::pad(&text::cut(&self.phase, PHASE, look.ellipsis()), PHASE);
        let head = format!("{host}  {}", look.paint(Tone::Accent, phase));
        HostLine { head, said: self.log.clone(), since: self.since }
    }
}
