//! What a made-up run tells its display.

use std::time::Duration;

use patchctl::core::document::{ActionPerformed, ActionState, StageReason, StageState, StateReason};
use patchctl::core::ids::HostName;
use patchctl::core::view::{Level, View, Way};

use super::samples;

const AT_A_TIME: usize = 20;
const PHASES: [(&str, &str); 6] = [
    ("connect", ""),
    ("inspect", "reading package lists"),
    ("stash", "libssl3_3.0.20-1~deb12u2_amd64.deb from /var/cache/apt/archives"),
    ("apply", "Unpacking libssl3:amd64 (3.0.22-1~deb12u2) over (3.0.20-1~deb12u2) ..."),
    ("apply", "Setting up libssl3:amd64 (3.0.22-1~deb12u2) \x1b[31m ..."),
    ("verify", "nginx.service restarted"),
];

pub(super) fn name(number: usize) -> HostName {
    samples::host(&format!("web-{number:03}.fra1.example.com"))
}

pub(super) fn start(hosts: usize) -> Vec<View> {
    vec![
        View::RunStarted {
            run: samples::run(),
            change: samples::change(),
            plan: samples::plan_name(),
            hosts,
            resumed: false,
        },
        View::StageStarted { stage: samples::stage("prod"), hosts, way: Way::Forward },
        View::WaveStarted { stage: samples::stage("prod"), wave: 1, of: 3 },
        View::Message { level: Level::Info, text: "packages are pinned to what uat proved".to_owned() },
    ]
}

/// Hosts step by step, so many at a time.
pub(super) fn forward(hosts: usize) -> impl Iterator<Item = Vec<View>> {
    let steps = PHASES.len() + 1;
    let last = steps * hosts.div_ceil(AT_A_TIME) + AT_A_TIME;
    (0..last).flat_map(move |tick| {
        (0..AT_A_TIME).filter_map(move |slot| {
            // Slots run one step apart, so that something happens everywhere.
            let at = tick.checked_sub(slot)?;
            let host = at / steps * AT_A_TIME + slot;
            (host < hosts).then(|| step(host, at % steps))
        })
    })
}

fn step(number: usize, step: usize) -> Vec<View> {
    let host = name(number);
    let Some((phase, log)) = PHASES.get(step) else {
        return vec![done(number)];
    };
    let phase = View::HostPhase { host: host.clone(), stage: samples::stage("prod"), phase: (*phase).to_owned() };
    let log = View::HostLog { host: host.clone(), line: (*log).to_owned() };
    let lost = View::Notice { host, text: "connection lost, trying again in 4 s".to_owned() };
    if number % 7 == 3 && step == 3 { vec![phase, lost] } else { vec![phase, log] }
}

pub(super) fn done(number: usize) -> View {
    let bad = number % 100 == 42;
    View::HostDone {
        host: name(number),
        stage: samples::stage("prod"),
        performed: if bad { ActionPerformed::Rollback } else { ActionPerformed::Patch },
        state: ActionState::Success,
        reason: if bad { StateReason::Restored } else { StateReason::Waiting },
        detail: if bad {
            "apply: E: Sub-process /usr/bin/dpkg returned an error code (1)"
        } else {
            "openssl 3.0.20→3.0.22 +1"
        }
        .to_owned(),
        took: Duration::from_millis(41_200 + number as u64 * 37),
    }
}

pub(super) fn end() -> Vec<View> {
    let stage = samples::stage("prod");
    vec![View::StageDone { stage, state: StageState::Waiting, reason: StageReason::Approval }, View::RunDone]
}
