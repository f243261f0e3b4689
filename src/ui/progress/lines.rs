//! The lines that stay.

use std::time::Duration;

use super::Verbosity;
use super::tally::{Tally, is_bad};
use crate::core::document::{ActionPerformed, ActionState, StageState, StateReason};
use crate::core::ids::{HostName, StageName};
use crate::core::view::{Level, View, Way};
use crate::ui::result::reason_words;
use crate::ui::style::{Look, Tone};
use crate::ui::text;

/// Stages with more hosts than this have lines for what went wrong only; the rest is counted.
const FEW: usize = 20;

/// Makes the lines that stay.
pub(super) struct Lines {
    look: Look,
    verbosity: Verbosity,
    live: bool,
}

impl Lines {
    pub(super) fn new(look: Look, verbosity: Verbosity, live: bool) -> Self {
        Self { look, verbosity, live }
    }

    /// The line for a view, where it has one.
    pub(super) fn of(&self, view: &View, tally: &Tally) -> Option<String> {
        let Verbosity { quiet, verbose } = self.verbosity;
        match view {
            View::HostDone { host, stage, performed, state, reason, detail, took } => {
                let (way, hosts) = tally.stage(stage);
                let bad = is_bad(way, *performed, *state);
                let wanted = bad || (!quiet && (!self.live || hosts <= FEW));
                let end = End { performed: *performed, state: *state, reason: *reason, detail, took: *took, bad };
                wanted.then(|| self.done(stage, host, &end))
            }
            View::Message { level: Level::Warning, text } => {
                Some(format!("{} {}", self.look.warn(), text::one_line(text)))
            }
            _ if quiet => None,
            View::Message { level, text } => (*level == Level::Info || verbose).then(|| text::one_line(text)),
            View::HostPhase { .. } | View::HostLog { .. } | View::Notice { .. } => self.of_host(view),
            _ => self.of_run(view),
        }
    }

    /// What hosts do: in the live form the block shows it, so lines are for other forms and for the curious.
    fn of_host(&self, view: &View) -> Option<String> {
        let (look, verbose) = (&self.look, self.verbosity.verbose);
        match view {
            View::HostPhase { host, stage, phase } => {
                (!self.live).then(|| format!("{stage}  {host}  {}", text::one_line(phase)))
            }
            View::HostLog { host, line } => (verbose && !line.trim().is_empty()).then(|| {
                let bar = look.symbol("│", "|");
                look.paint(Tone::Dim, format!("  {host} {bar} {}", text::safe(line.trim_end())))
            }),
            View::Notice { host, text } => {
                (!self.live || verbose).then(|| format!("{} {host}: {}", look.warn(), text::one_line(text)))
            }
            _ => None,
        }
    }

    /// Where the run and its stages are.
    fn of_run(&self, view: &View) -> Option<String> {
        let look = &self.look;
        match view {
            View::RunStarted { run, change, plan, hosts, resumed } => {
                let again = if *resumed { "taken up again, " } else { "" };
                let about = look.paint(Tone::Dim, format!("run {run}  change {change}"));
                Some(format!("{}  {about}  {again}{}", look.paint(Tone::Strong, plan), text::count(*hosts, "host")))
            }
            View::StageStarted { stage, hosts, way } => {
                let hosts = text::count(*hosts, "host");
                let what = match way {
                    Way::Forward => hosts,
                    Way::Back => look.paint(Tone::Warn, format!("going back on {hosts}")),
                };
                Some(format!("{}  {what}", look.paint(Tone::Strong, stage)))
            }
            View::WaveStarted { stage, wave, of } => {
                (!self.live && *of > 1).then(|| format!("{stage}  wave {wave} of {of}"))
            }
            View::StageDone { stage, state, reason } => {
                let reason = reason.as_str().replace('_', " ");
                let state = look.paint(stage_tone(*state), state);
                Some(format!("{}  {state} ({reason})", look.paint(Tone::Strong, stage)))
            }
            _ => None,
        }
    }

    fn done(&self, stage: &StageName, host: &HostName, end: &End<'_>) -> String {
        let look = &self.look;
        let tone = match end.state {
            _ if end.bad => Tone::Bad,
            ActionState::Skipped => Tone::Dim,
            _ => Tone::Good,
        };
        let mark = match tone {
            Tone::Bad => look.bad(),
            Tone::Dim => look.paint(Tone::Dim, look.dash()),
            _ => look.good(),
        };
        let reason = match (end.performed, end.reason) {
            (ActionPerformed::Patch, StateReason::Waiting) => StateReason::Patched,
            (_, reason) => reason,
        };
        let took = text::duration(u64::try_from(end.took.as_millis()).unwrap_or(u64::MAX));
        let took = if end.took.is_zero() { String::new() } else { format!("  {}", look.paint(Tone::Dim, took)) };
        let mut detail = text::one_line(end.detail);
        let reason = reason_words(reason);
        if let (false, Some(width)) = (end.bad, look.width().filter(|_| self.live)) {
            // What went well stays on one line.
            let used = 2 + text::width(stage.as_str()) + 2 + text::width(host.as_str()) + 2 + reason.len() + 2 + 8;
            detail = text::cut(&detail, width.saturating_sub(used), look.ellipsis());
        }
        let detail = if detail.is_empty() { detail } else { format!("  {detail}") };
        let stage = look.paint(Tone::Dim, stage);
        format!("{mark} {stage}  {host}  {}{detail}{took}", look.paint(tone, reason))
    }
}

fn stage_tone(state: StageState) -> Tone {
    match state {
        StageState::Success => Tone::Good,
        StageState::Failed => Tone::Bad,
        StageState::Rejected => Tone::Warn,
        StageState::Waiting | StageState::Running => Tone::Accent,
        StageState::Skipped => Tone::Dim,
    }
}

/// How a host ended.
struct End<'a> {
    performed: ActionPerformed,
    state: ActionState,
    reason: StateReason,
    detail: &'a str,
    took: Duration,
    bad: bool,
}
