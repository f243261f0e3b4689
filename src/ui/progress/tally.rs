//! What is going on now: a fold of the views, and the few lines that show it.

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
const PHASE: usize = 10;
/// Columns of a stage's numbers, so that its time does not jump.
const NUMBERS: usize = 56;
/// Columns of a stage's bar, where there is room and where there is less.
const BAR: (usize, usize) = (20, 12);

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

    /// The block: a line a stage, a line a running host while there is room.
    pub(super) fn draw(&self, look: &Look, (height, width): (usize, usize), now: Duration) -> Vec<String> {
        let width = width.saturating_sub(1);
        let room = height.saturating_sub(2).max(2);
        let stages = self.stages.len().min(room / 2);
        let mut lines: Vec<String> =
            self.stages.iter().take(stages).map(|stage| stage.draw(look, width, now)).collect();
        let room = (room - stages).min(HOST_LINES);
        let fits = if self.active.len() > room { room.saturating_sub(1) } else { self.active.len() };
        let shown: Vec<&Active> = self.active.values().take(fits).collect();
        let name = shown.iter().map(|active| text::width(active.host.as_str())).max().unwrap_or(0).min(NAME);
        lines.extend(shown.iter().map(|active| active.draw(look, width, name, now)));
        if self.active.len() > fits {
            let more = format!("  {} and {} more running", look.ellipsis(), self.active.len() - fits);
            lines.push(look.paint(Tone::Dim, more));
        }
        lines
    }
}

impl StageTally {
    /// The numbers that fit into `room` columns, the most telling first.
    fn counts(&self, look: &Look, room: usize) -> String {
        let waiting = self.hosts.saturating_sub(self.done + self.running);
        let wave = self.wave.filter(|(_, of)| *of > 1).map(|(wave, of)| format!("wave {wave}/{of}"));
        let number = |number: usize, what: &str| (number > 0).then(|| format!("{number} {what}"));
        let rest = [number(self.failed, "failed"), number(self.running, "running"), wave, number(waiting, "waiting")];
        let mut counts = format!("{}/{} done", self.done, self.hosts);
        for count in rest.into_iter().flatten() {
            let longer = format!("{counts} {} {count}", look.bullet());
            if text::width(&longer) > room {
                break;
            }
            counts = longer;
        }
        text::pad(&text::cut(&counts, room, look.ellipsis()), room.min(NUMBERS))
    }

    fn draw(&self, look: &Look, width: usize, now: Duration) -> String {
        let columns = if width < 100 { BAR.1 } else { BAR.0 };
        let filled = (self.done * columns).checked_div(self.hosts).unwrap_or(0).min(columns);
        let bar = look.symbol("━", "=").repeat(filled);
        let rest = look.symbol("─", "-").repeat(columns - filled);
        let back = if self.way == Way::Back { " going back" } else { "" };
        let tone = if self.failed > 0 || self.way == Way::Back { Tone::Warn } else { Tone::Good };
        let head = format!("{}{back}", self.name);
        let time = elapsed(now, self.since);
        let used = text::width(&head) + 2 + columns + 2 + 2 + time.len();
        let counts = self.counts(look, width.saturating_sub(used));
        format!(
            "{}  {}{}  {counts}  {}",
            look.paint(Tone::Strong, head),
            look.paint(tone, bar),
            look.paint(Tone::Dim, rest),
            look.paint(Tone::Dim, time)
        )
    }
}

impl Active {
    fn draw(&self, look: &Look, width: usize, name: usize, now: Duration) -> String {
        let time = format!("{:>6}", elapsed(now, self.since));
        let host = text::pad(&text::cut(self.host.as_str(), name, look.ellipsis()), name);
        let phase = text::pad(&text::cut(&self.phase, PHASE, look.ellipsis()), PHASE);
        let used = 2 + name + 2 + PHASE + 2 + 2 + time.len();
        let room = width.saturating_sub(used);
        let log = text::pad(&text::cut(&self.log, room, look.ellipsis()), room);
        let (phase, log) = (look.paint(Tone::Accent, phase), look.paint(Tone::Dim, log));
        format!("  {host}  {phase}  {log}  {}", look.paint(Tone::Dim, time))
    }
}

fn elapsed(now: Duration, since: Duration) -> String {
    let seconds = now.saturating_sub(since).as_secs();
    if seconds < 60 { format!("{seconds}s") } else { text::duration(seconds * 1000) }
}
