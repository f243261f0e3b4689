//! Hosts that a run left in no known good state: how each stands, and the commands that go on from there.

use super::problems::group;
use super::style::{Look, Tone};
use super::text;
use crate::core::document::{HostResult, Outcome, ResultDocument, StateReason};
use crate::core::host::Place;
use crate::core::ids::HostIx;
use crate::core::rollout::Rollout;

/// With more hosts than this in a like state the command says `HOST` instead of their names.
const MANY: usize = 4;

/// Hosts that somebody must take care of, by what is known of them, each with the command for it.
pub(super) fn to_recover(look: &Look, document: &ResultDocument) -> String {
    let (Some(run), false) = (&document.run_id, document.outcome == Outcome::Running) else { return String::new() };
    let hosts = document.stages.iter().flat_map(|stage| &stage.hosts);
    let known = hosts.filter_map(|host| Some((standing(host)?, host)));
    let mut out = String::new();
    let mut any = false;
    for ((what, recovers), members) in group(known, |(standing, _)| standing.clone()) {
        let names: Vec<&str> = members.iter().map(|(_, host)| host.host.as_str()).collect();
        out.push_str(&format!("  {}\n", look.paint(Tone::Bad, what)));
        out.push_str(&listed(look, &names));
        if recovers {
            any = true;
            let which = if names.len() > MANY { "HOST".to_owned() } else { names.join(",") };
            out.push_str(&command(look, &format!("patchctl recover {run} -l {which}")));
        }
    }
    if any {
        out.push_str("  one that will not come back is given up\n");
        out.push_str(&command(look, &format!("patchctl release {run} -l HOST --reason TEXT")));
    }
    out
}

fn listed(look: &Look, names: &[&str]) -> String {
    let room = look.width().map_or(160, |width| width.saturating_sub(6));
    format!("      {}\n", look.paint(Tone::Dim, text::names(names.iter().copied(), room)))
}

fn command(look: &Look, line: &str) -> String {
    format!("    {}\n", look.paint(Tone::Accent, line))
}

/// What is known of a host that is in no good state, and whether asking it can help.
fn standing(host: &HostResult) -> Option<(String, bool)> {
    let step = host.error.as_ref().and_then(|problem| problem.step.as_deref()).unwrap_or_default();
    let lost = match step {
        "apply" => "lost during the patch: it may be done, or half done",
        "settle" | "verify" | "restart" => "lost after the patch: whether that is in effect, nobody knows",
        "confirm" => "lost after the patch, before that was confirmed",
        "reboot" => "lost during its reboot",
        "rollback" | "compare" => "lost on its way back: it may be done, or half done",
        _ => "lost after a change: nobody knows its state",
    };
    let given_up = host.action_cause.as_deref().is_some_and(|cause| cause.starts_with("given up: "));
    match host.state_reason {
        StateReason::Lost if given_up => {
            Some(("given up: nobody knows its state, and the run does not ask".into(), false))
        }
        StateReason::Lost => Some((lost.into(), true)),
        StateReason::RollbackFailed => Some(("its way back failed: neither patched nor restored".into(), true)),
        StateReason::NotExact => Some(("restored, and not exactly what it was".into(), true)),
        _ => None,
    }
}

/// Hosts that may still undo their change by themselves, since nobody has confirmed it to them.
pub(super) fn dead_men(look: &Look, rollout: &Rollout) -> String {
    let settings = rollout.settings();
    let hosts = settings.stages.iter().flat_map(|stage| &stage.hosts).copied();
    let armed = hosts.filter_map(|host| Some((waits(rollout, host)?, host)));
    let mut out = String::new();
    for ((seconds, asked), members) in group(armed, |(waits, _)| *waits) {
        let names: Vec<&str> = members.iter().map(|(_, host)| settings.hosts[host.at()].name.as_str()).collect();
        let then = if asked { "`recover` asks which" } else { "`resume` within that time confirms it" };
        let what = format!(
            "restores itself {seconds} s after its change and after each boot, unless that is confirmed; {then}"
        );
        for (at, line) in
            text::wrap(&what, look.width().map_or(usize::MAX, |width| width.saturating_sub(4))).iter().enumerate()
        {
            out.push_str(&format!("  {}{}\n", if at == 0 { "" } else { "  " }, look.paint(Tone::Warn, line)));
        }
        out.push_str(&listed(look, &names));
    }
    out
}

/// How long the host's dead man waits, where it may act, and whether the host is lost.
fn waits(rollout: &Rollout, host: HostIx) -> Option<(u64, bool)> {
    let run = rollout.host(host);
    let seconds = run.dead_man().filter(|_| run.armed && run.given_up.is_none())?;
    Some((seconds, run.place == Place::Lost))
}
