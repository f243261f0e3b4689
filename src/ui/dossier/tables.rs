//! The tables of the report. Hosts of which the same is to be said share a row, so that a large fleet stays readable; what
//! became of each host stands in one table of all.

use super::run::{between, list, moment};
use super::{Block, NONE, reach_words, text};
use crate::core::approval::same_person;
use crate::core::audit::{Audit, RunAudit};
use crate::core::document::{
    ActionPerformed, ActionState, CheckWhen, HostResult, PackageChange, StageResult, Stamp, Verdict,
};
use crate::core::dossier::{Act, Decided, Dossier, GateStory, Report};
use crate::core::evidence::{GateKind, WayBack};
use crate::core::problem::Problem;
use crate::core::settings::stamp;

/// So many columns of names stand in a row of several hosts; all of them are in the table of hosts.
const NAMES: usize = 400;

pub(super) fn runs(report: &Report<'_>) -> Block {
    let rows = report.runs.iter().map(|dossier| {
        let (settings, result) = (&dossier.settings, &dossier.result);
        let verified = match report.audit_of(&settings.run) {
            Some(audit) if audit.ok => "yes",
            _ => "NO",
        };
        vec![
            settings.run.to_string(),
            settings.change.to_string(),
            settings.plan.to_string(),
            settings.requester.name.clone(),
            moment(result.started_at),
            result.outcome.to_string(),
            result.summary.hosts.to_string(),
            verified.to_owned(),
        ]
    });
    Block::Table(
        &["run", "change", "plan", "asked for by", "started", "outcome", "hosts", "records verify"],
        rows.collect(),
    )
}

pub(super) fn integrity(audit: &Audit) -> Block {
    let row = |run: &RunAudit| {
        let anchored = match &run.anchored {
            Some(reach) => reach_words(run, reach.records),
            None => "not compared".into(),
        };
        vec![
            run.run_id.to_string(),
            run.records.to_string(),
            run.head.to_string(),
            reach_words(run, run.sealed.records),
            anchored,
            run.signed.to_string(),
            run.blobs.to_string(),
            if run.ok { "nothing".into() } else { text::count(run.findings.len(), "problem") },
        ]
    };
    Block::Table(
        &["run", "records", "hash of the last", "sealed", "anchored outside", "signed decisions", "logs", "found"],
        audit.runs.iter().map(row).collect(),
    )
}

/// Every host with its stage.
fn hosts_of(dossier: &Dossier) -> impl Iterator<Item = (&StageResult, &HostResult)> {
    dossier.result.stages.iter().flat_map(|stage| stage.hosts.iter().map(move |host| (stage, host)))
}

/// Hosts with the same key in the order of the first of them, as one row each.
fn grouped<'a, K: PartialEq + Clone>(
    items: impl Iterator<Item = (K, &'a HostResult)>,
) -> Vec<(K, Vec<&'a HostResult>)> {
    let mut groups: Vec<(K, Vec<&HostResult>)> = Vec::new();
    for (key, host) in items {
        match groups.iter_mut().find(|(other, _)| *other == key) {
            Some((_, hosts)) => hosts.push(host),
            None => groups.push((key, vec![host])),
        }
    }
    groups
}

fn names(hosts: &[&HostResult]) -> String {
    text::names(hosts.iter().map(|host| host.host.as_str()), NAMES)
}

pub(super) fn changes(dossier: &Dossier) -> Block {
    let changed = hosts_of(dossier).filter(|(_, host)| !host.packages.is_empty());
    let groups = grouped(changed.map(|(stage, host)| ((&stage.name, &host.packages, host.action_performed), host)));
    let mut rows = Vec::new();
    for ((stage, packages, performed), hosts) in groups {
        for package in packages {
            rows.push(change(package, performed, vec![stage.to_string(), hosts.len().to_string(), names(&hosts)]));
        }
    }
    if rows.is_empty() {
        return Block::Text("No package was changed on any host.".into());
    }
    Block::Table(&["package", "before", "tried", "now", "stage", "hosts", "which"], rows)
}

fn change(package: &PackageChange, performed: ActionPerformed, on: Vec<String>) -> Vec<String> {
    let version = |version: Option<&crate::core::packages::Version>| {
        version.map_or_else(|| "not installed".to_owned(), ToString::to_string)
    };
    let tried = match &package.tried {
        Some(tried) => version(tried.as_ref()),
        None => NONE.to_owned(),
    };
    // What was never changed has only a version that it would have got.
    let now = if performed == ActionPerformed::None {
        format!("not changed ({})", version(package.before.as_ref()))
    } else {
        version(package.after.as_ref())
    };
    let mut row = vec![format!("{}:{}", package.name, package.arch), version(package.before.as_ref()), tried, now];
    row.extend(on);
    row
}

/// Whether each stage began only after those that it needs were kept.
pub(super) fn order(dossier: &Dossier) -> Block {
    let settings = &dossier.settings;
    let row = |(at, stage): (usize, &crate::core::settings::Stage)| {
        let first = dossier.first_change.get(&stage.name).copied();
        let needs = stage.needs.iter().filter_map(|need| settings.stages.get(need.at()));
        let mut said = Vec::new();
        let mut in_order = true;
        for need in needs {
            let kept = kept(dossier, need.name.as_str());
            in_order &= kept.is_some_and(|kept| first.is_none_or(|first| kept <= first));
            said.push(match kept {
                Some(at) => format!("{}, approved at {}", need.name, stamp(at.0)),
                None if need.approval.is_none() => format!("{}, which has no gate", need.name),
                None => format!("{}, not approved", need.name),
            });
        }
        let no_gate =
            stage.needs.iter().filter_map(|need| settings.stages.get(need.at())).any(|s| s.approval.is_none());
        let verdict = match (stage.needs.is_empty(), first, in_order) {
            (true, ..) if at == 0 => "first stage",
            (true, ..) => "needs no other stage",
            (_, None, _) => "not begun",
            (_, Some(_), true) => "yes",
            (_, Some(_), false) if no_gate => "yes, without an approval",
            (_, Some(_), false) => "NO",
        };
        vec![stage.name.to_string(), list(said.into_iter()), moment(first), verdict.to_owned()]
    };
    Block::Table(
        &["stage", "tested in", "first change here", "only after that"],
        settings.stages.iter().enumerate().map(row).collect(),
    )
}

/// When the gate at a stage's end was approved last.
fn kept(dossier: &Dossier, stage: &str) -> Option<Stamp> {
    let ends = dossier.gates.iter().filter(|gate| {
        gate.question.stage.as_str() == stage && !matches!(gate.question.kind, GateKind::Before | GateKind::Wave)
    });
    let approved = ends.flat_map(|gate| &gate.decisions).filter(|made| made.decision.verdict == Verdict::Approved);
    approved.map(|made| made.at).max()
}

pub(super) fn checks(dossier: &Dossier) -> Block {
    let mut rows = Vec::new();
    let seen = |host: &HostResult| -> Vec<(String, CheckWhen, bool)> {
        host.checks.iter().map(|check| (check.name.clone(), check.when, check.ok)).collect()
    };
    for ((stage, checks), hosts) in grouped(hosts_of(dossier).map(|(stage, host)| ((&stage.name, seen(host)), host))) {
        for (at, (name, when, ok)) in checks.iter().enumerate() {
            let details = || hosts.iter().filter_map(|host| host.checks.get(at)).map(|check| check.detail.as_str());
            let first = details().next().unwrap_or_default();
            let same = details().all(|detail| detail == first);
            rows.push(vec![
                stage.to_string(),
                name.clone(),
                if *when == CheckWhen::Before { "before" } else { "after" }.to_owned(),
                if *ok { "passed" } else { "FAILED" }.to_owned(),
                if same { text::one_line(first) } else { "differs by host".to_owned() },
                hosts.len().to_string(),
                names(&hosts),
            ]);
        }
    }
    if rows.is_empty() {
        return Block::Text("No check ran on a host that has the patch now.".into());
    }
    Block::Table(&["stage", "check", "when", "result", "seen", "hosts", "which"], rows)
}

pub(super) fn decisions(dossier: &Dossier) -> Block {
    let mut rows = Vec::new();
    for gate in &dossier.gates {
        if gate.decisions.is_empty() {
            rows.push(decision(dossier, gate, None));
        }
        rows.extend(gate.decisions.iter().map(|made| decision(dossier, gate, Some(made))));
    }
    Block::Table(
        &[
            "no.",
            "stage",
            "gate",
            "opened",
            "digest",
            "verdict",
            "by",
            "at",
            "how",
            "key",
            "reason",
            "not the requester",
            "evidence",
        ],
        rows,
    )
}

fn decision(dossier: &Dossier, gate: &GateStory, made: Option<&Decided>) -> Vec<String> {
    let question = &gate.question;
    let mut row = vec![
        made.map_or_else(|| NONE.to_owned(), |made| made.number.to_string()),
        question.stage.to_string(),
        gate_words(question.kind).to_owned(),
        stamp(question.opened_at.0),
        question.digest.to_string(),
    ];
    match made {
        None => row.extend(["not decided", NONE, NONE, NONE, NONE, NONE, NONE].map(str::to_owned)),
        Some(made) => {
            let decision = &made.decision;
            let nobody = decision.verdict == Verdict::Expired;
            let own = same_person(&decision.by.name, &dossier.settings.requester.name);
            row.extend([
                decision.verdict.as_str().to_owned(),
                if nobody { NONE.into() } else { format!("{} ({})", decision.by.name, decision.by.source) },
                stamp(made.at.0),
                decision.how.as_str().to_owned(),
                decision.signed.as_ref().map_or_else(|| "not signed".into(), |signed| signed.key.clone()),
                text::one_line(&decision.reason),
                if nobody {
                    NONE
                } else if own {
                    "NO"
                } else {
                    "yes"
                }
                .to_owned(),
            ]);
        }
    }
    row.push(format!("evidence-{}.txt", gate.name));
    row
}

fn gate_words(kind: GateKind) -> &'static str {
    match kind {
        GateKind::Before => "before the first change",
        GateKind::After => "after the last change",
        GateKind::Wave => "after a wave",
        GateKind::Exceeded => "too many hosts failed",
        GateKind::Unreached => "too many hosts out of reach",
    }
}

pub(super) fn ways_back(dossier: &Dossier) -> Block {
    let of = |host: &HostResult| match dossier.ways_back.get(&host.host) {
        None | Some(WayBack::NotNeeded) => ("not needed: nothing to change".to_owned(), String::new()),
        Some(WayBack::Proven { approximate }) if approximate.is_empty() => {
            ("yes: every old package was on the host".into(), String::new())
        }
        Some(WayBack::Proven { approximate }) => ("yes, not to the byte".into(), approximate.join(", ")),
        Some(WayBack::Impossible { why, instead }) => {
            ("NONE: it cannot be undone".into(), format!("{why}; instead: {instead}"))
        }
        Some(WayBack::Unproven { missing }) => ("NO".into(), format!("missing: {}", missing.join(", "))),
    };
    let groups = grouped(hosts_of(dossier).map(|(stage, host)| ((&stage.name, of(host)), host)));
    let row =
        |((stage, (proven, how)), hosts): ((&crate::core::ids::StageName, (String, String)), Vec<&HostResult>)| {
            let back = hosts.iter().filter(|host| host.rollback.is_some()).count();
            let exact = hosts.iter().filter(|host| host.rollback.as_ref().is_some_and(|way| way.exact)).count();
            let used = if back == 0 { NONE.to_owned() } else { format!("by {back}, exactly by {exact}") };
            vec![stage.to_string(), proven, text::one_line(&how), used, hosts.len().to_string(), names(&hosts)]
        };
    Block::Table(
        &["stage", "proven before the change", "how", "used", "hosts", "which"],
        groups.into_iter().map(row).collect(),
    )
}

pub(super) fn hosts(dossier: &Dossier) -> Block {
    let row = |(stage, host): (&StageResult, &HostResult)| {
        vec![
            stage.name.to_string(),
            host.host.to_string(),
            host.address.clone(),
            host.wave.to_string(),
            host.action_performed.to_string(),
            host.action_state.to_string(),
            host.state_reason.to_string(),
            host.action_cause.as_deref().map_or_else(|| NONE.to_owned(), text::one_line),
            moment(dossier.patched.get(&host.host).copied()),
            moment(dossier.restored.get(&host.host).copied()),
        ]
    };
    Block::Table(
        &["stage", "host", "address", "wave", "performed", "state", "reason", "cause", "changed at", "restored at"],
        hosts_of(dossier).map(row).collect(),
    )
}

/// Hosts that did not simply get the patch, or need nothing.
pub(super) fn exceptions(dossier: &Dossier) -> Vec<Vec<String>> {
    let plain = |host: &HostResult| {
        host.action_state == ActionState::Success && host.action_performed != ActionPerformed::Rollback
    };
    let row = |(stage, host): (&StageResult, &HostResult)| {
        let why = match &host.error {
            Some(error) => problem(error),
            None => host.action_cause.as_deref().map_or_else(|| NONE.to_owned(), text::one_line),
        };
        let remains = match &host.rollback {
            None => NONE.to_owned(),
            Some(way) if way.exact => "none: it is exactly as it was".into(),
            Some(way) => text::one_line(&way.differences.join("; ")),
        };
        let what = format!("{}/{} ({})", host.action_performed, host.action_state, host.state_reason);
        vec![host.host.to_string(), stage.name.to_string(), what, why, remains]
    };
    hosts_of(dossier).filter(|(_, host)| !plain(host)).map(row).collect()
}

pub(super) fn problem(problem: &Problem) -> String {
    text::one_line(&problem.message)
}

pub(super) fn still_due(dossier: &Dossier) -> Vec<String> {
    let mut due = Vec::new();
    for (_, host) in hosts_of(dossier) {
        if host.reboot.needed && !host.reboot.done {
            due.push(format!("{}: a reboot", host.host));
        }
        if !host.services.stale.is_empty() {
            due.push(format!(
                "{}: services that still run replaced code: {}",
                host.host,
                host.services.stale.join(", ")
            ));
        }
    }
    due
}

/// How long each gate waited.
pub(super) fn waits(dossier: &Dossier) -> Block {
    let row = |gate: &GateStory| {
        let (opened, last) = (gate.question.opened_at, gate.decisions.last().map(|made| made.at));
        let waited = last.map_or_else(|| NONE.to_owned(), |last| between(opened, last));
        vec![gate.name.clone(), stamp(opened.0), moment(last), waited]
    };
    if dossier.gates.is_empty() {
        return Block::Text("No gate opened.".into());
    }
    Block::Table(&["gate", "opened", "decided last", "after"], dossier.gates.iter().map(row).collect())
}

pub(super) fn chronicle(dossier: &Dossier) -> Block {
    let row = |act: &Act| {
        let by = match &act.by {
            Some(person) => format!("{} ({})", person.name, person.source),
            None => "patchctl".to_owned(),
        };
        vec![
            act.record.to_string(),
            stamp(act.at.0),
            by,
            text::one_line(&act.what),
            text::one_line(&act.on),
            text::one_line(&act.result),
        ]
    };
    Block::Table(&["record", "at", "by", "what", "on", "result"], dossier.acts.iter().map(row).collect())
}
