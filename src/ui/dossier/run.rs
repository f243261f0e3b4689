//! One run of the report.

use super::{Block, NONE, tables, text};
use crate::core::approval::{Approval, same_person};
use crate::core::calendar::Freeze;
use crate::core::document::{DocumentKind, Said, Stamp, Verdict};
use crate::core::dossier::{Dossier, GateStory, Report};
use crate::core::settings::{Amount, Patch, RunKind, Select, Stage, stamp};

/// A run, section by section.
pub(super) fn run(report: &Report<'_>, dossier: &Dossier, out: &mut Vec<Block>) {
    let settings = &dossier.settings;
    out.push(Block::Heading(2, format!("Run {}", settings.run)));
    let mut section = |title: &str, blocks: Vec<Block>| {
        out.push(Block::Heading(3, title.to_owned()));
        out.extend(blocks);
    };
    section("Request", vec![Block::Facts(request(dossier))]);
    section("Scope", scope(dossier));
    section("Changes", vec![tables::changes(dossier)]);
    section("Testing", testing(dossier));
    section("Decisions", decisions(dossier));
    section("Way back", vec![way_back_words(), tables::ways_back(dossier)]);
    section("Outcome", vec![Block::Facts(outcome(dossier)), tables::hosts(dossier)]);
    section("Exceptions", exceptions(dossier));
    section("Times", times(dossier));
    section("Chronicle", vec![tables::chronicle(dossier)]);
    if let Some(audit) = report.audit_of(&settings.run) {
        let head = format!("{} records, the last of them with the hash {}.", audit.records, audit.head);
        section("Record", vec![Block::Text(format!("The journal has {head}"))]);
    }
}

fn kind(kind: DocumentKind) -> &'static str {
    match kind {
        DocumentKind::Run => "patch",
        DocumentKind::Rollback => "rollback of an earlier run",
        DocumentKind::Drill => "drill: patch, and way back on purpose",
    }
}

fn request(dossier: &Dossier) -> Vec<(&'static str, String)> {
    let (settings, result) = (&dossier.settings, &dossier.result);
    let mut facts = vec![
        ("Change", settings.change.to_string()),
        ("Plan", format!("{}, {}", settings.plan, settings.plan_digest)),
        ("Asked for by", format!("{} ({})", settings.requester.name, settings.requester.source)),
        ("Kind", kind(result.kind).to_owned()),
    ];
    if let RunKind::Rollback { of, reason, .. } = &settings.kind {
        facts.push(("Undoes run", of.to_string()));
        facts.push(("Why", text::one_line(reason)));
    }
    let driver = |driver: &crate::core::dossier::Driver| {
        format!("{} from {} on, patchctl {}", driver.by.name, stamp(driver.since.0), driver.version)
    };
    facts.push(("Driven by", list(dossier.drivers.iter().map(driver))));
    facts.push(("Started", moment(result.started_at)));
    facts.push(("Ended", moment(result.finished_at)));
    let severity = settings.patch.severity.map(|severity| format!("{}, as the plan declares", severity.as_str()));
    facts.push(("Severity", severity.unwrap_or_else(|| "not declared; counts as critical".to_owned())));
    let policies = settings.policy.files.iter().map(|file| format!("{}, {}", file.name, file.digest));
    facts.push(("Policies", list(policies)));
    if let Some(cancelled) = &result.cancelled {
        let said = format!("by {} at {}: {}", cancelled.by, stamp(cancelled.at.0), text::one_line(&cancelled.reason));
        facts.push(("Cancelled", said));
    }
    if let Some(emergency) = &result.emergency {
        let one = |said: &Said| format!("by {} at {}: {}", said.by, stamp(said.at.0), text::one_line(&said.reason));
        facts.push(("Emergency, declared", list(emergency.declared.iter().map(one))));
        let due = || {
            emergency
                .review_by
                .map_or_else(|| "due once the run is over".into(), |at| format!("NOBODY YET; due by {}", stamp(at.0)))
        };
        facts.push(("Emergency, passed", list(emergency.passed.iter().map(|by| text::one_line(by)))));
        facts.push(("Emergency, reviewed", emergency.review.as_ref().map_or_else(due, one)));
    }
    facts
}

fn scope(dossier: &Dossier) -> Vec<Block> {
    let settings = &dossier.settings;
    let stages = &settings.stages;
    let row = |stage: &Stage| {
        let needs = stage.needs.iter().filter_map(|need| stages.get(need.at())).map(|need| need.name.to_string());
        vec![
            stage.name.to_string(),
            stage.pattern.clone(),
            stage.hosts.len().to_string(),
            list(needs),
            list(stage.waves.iter().map(|amount| amount_words(*amount))),
            stage.approval.as_ref().map_or_else(|| "no gate".into(), |rules| rules_words(rules, dossier)),
        ]
    };
    let window = |stage: &Stage| {
        let lists: Vec<String> = stage
            .windows
            .iter()
            .map(|list| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", or "))
            .collect();
        (!lists.is_empty()).then(|| format!("{}: {}", stage.name, lists.join(", and ")))
    };
    let freeze = |freeze: &Freeze| format!("{} from {} to {}", freeze.name, stamp(freeze.from), stamp(freeze.to));
    vec![
        Block::Facts(vec![
            ("Asked for", patch_words(&settings.patch)),
            ("Windows", list(stages.iter().filter_map(window))),
            ("Freezes", list(settings.freezes.iter().map(freeze))),
        ]),
        Block::Table(
            &["stage", "hosts that match", "hosts", "after", "waves", "who decides"],
            stages.iter().map(row).collect(),
        ),
    ]
}

fn patch_words(patch: &Patch) -> String {
    let mut said = match patch.select {
        Select::Packages => {
            let names = patch.packages.iter().chain(patch.packages_for.values().flatten());
            let named = |request: &crate::core::packages::PackageRequest| match &request.version {
                Some(version) => format!("{}={version}", request.name),
                None => request.name.to_string(),
            };
            list(names.map(named))
        }
        Select::Security => "every pending security update".to_owned(),
        Select::All => "every pending update".to_owned(),
    };
    if let Some(approved) = &patch.approved {
        said.push_str(&format!("; only what is on a list of {}", text::count(approved.len(), "approved package")));
    }
    if !patch.exclude.is_empty() {
        said.push_str(&format!("; except {}", patch.exclude.join(", ")));
    }
    said
}

fn amount_words(amount: Amount) -> String {
    match amount {
        Amount::Count(count) => count.to_string(),
        Amount::Percent(share) => format!("{share}%"),
    }
}

fn rules_words(rules: &Approval, dossier: &Dossier) -> String {
    let people = text::count(usize::try_from(rules.quorum.max(1)).unwrap_or(usize::MAX), "approval");
    format!("{people} by {}", rules.words(&dossier.settings.requester.name))
}

fn testing(dossier: &Dossier) -> Vec<Block> {
    let words = "A later stage gets exactly the versions that the earlier one was patched with and checked on, and begins \
                 once that one is kept; \"pinned\" says whether the plan held it to that.";
    let pinned = match dossier.settings.patch.pin {
        crate::core::settings::Pin::Exact => "yes: exact versions",
        crate::core::settings::Pin::Off => "NO: later stages take what is current",
    };
    vec![
        Block::Text(words.into()),
        Block::Facts(vec![("Pinned", pinned.into())]),
        tables::order(dossier),
        tables::checks(dossier),
    ]
}

fn decisions(dossier: &Dossier) -> Vec<Block> {
    if dossier.gates.is_empty() {
        return vec![Block::Text("No gate opened in this run: nobody approved or rejected anything.".into())];
    }
    let mut blocks =
        vec![Block::Facts(vec![("Separation of duties", separation(dossier))]), tables::decisions(dossier)];
    let rules = |gate: &GateStory| {
        let name = gate.name.clone();
        gate.question.policy.clone().into_iter().map(move |rule| format!("{name}: {}", text::one_line(&rule)))
    };
    let rules: Vec<String> = dossier.gates.iter().flat_map(rules).collect();
    if !rules.is_empty() {
        blocks.push(Block::Text("Rules of policies that had to do with the gates:".into()));
        blocks.push(Block::List(rules));
    }
    let void = |gate: &GateStory| gate.void.as_ref().map(|why| format!("{}: void: {}", gate.name, text::one_line(why)));
    let voids: Vec<String> = dossier.gates.iter().filter_map(void).collect();
    if !voids.is_empty() {
        blocks.push(Block::Text("Approvals that did not count any more when they were to be used:".into()));
        blocks.push(Block::List(voids));
    }
    blocks
}

/// Whether whoever asked for the run approved any of it.
fn separation(dossier: &Dossier) -> String {
    let requester = &dossier.settings.requester.name;
    let approvals = dossier.gates.iter().flat_map(|gate| &gate.decisions);
    let approvals = approvals.filter(|decided| decided.decision.verdict == Verdict::Approved);
    let mut own = approvals.clone().filter(|decided| same_person(&decided.decision.by.name, requester));
    match (approvals.count(), own.next()) {
        (0, _) => "nobody approved anything".into(),
        (_, None) => format!("yes: {requester} asked for the run and approved none of its gates"),
        (_, Some(_)) => format!("NO: {requester} asked for the run and approved a gate of it"),
    }
}

fn way_back_words() -> Block {
    Block::Text(
        "Before the first change on a host, every old package had to be on it, or be shown to be missing. After a rollback \
         the host is compared with what it was: packages, marks, holds and configuration files."
            .into(),
    )
}

fn outcome(dossier: &Dossier) -> Vec<(&'static str, String)> {
    let (result, summary) = (&dossier.result, &dossier.result.summary);
    let counts = [
        (summary.patched, "patched"),
        (summary.current, "needed nothing"),
        (summary.rolled_back, "rolled back"),
        (summary.failed, "failed"),
        (summary.unreachable, "unreachable"),
        (summary.skipped, "not begun"),
        (summary.unknown, "unknown"),
    ];
    let counts = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    let stage =
        |stage: &crate::core::document::StageResult| format!("{} {} ({})", stage.name, stage.state, stage.state_reason);
    vec![
        ("Outcome", format!("{} (exit code {})", result.outcome, result.exit_code)),
        ("Hosts", format!("{}: {}", summary.hosts, list(counts))),
        ("Stages", list(result.stages.iter().map(stage))),
    ]
}

fn exceptions(dossier: &Dossier) -> Vec<Block> {
    let rows = tables::exceptions(dossier);
    let due = tables::still_due(dossier);
    let errors: Vec<String> =
        dossier.result.errors.iter().filter(|problem| problem.host.is_none()).map(tables::problem).collect();
    let mut blocks = Vec::new();
    if rows.is_empty() && due.is_empty() && errors.is_empty() {
        blocks.push(Block::Text("None: no host failed, was left out or went back, and nothing is still due.".into()));
    }
    if !rows.is_empty() {
        blocks.push(Block::Table(&["host", "stage", "what", "why", "differences that remain"], rows));
    }
    if !due.is_empty() {
        blocks.push(Block::Text("Still due:".into()));
        blocks.push(Block::List(due));
    }
    if !errors.is_empty() {
        blocks.push(Block::Text("In the run itself:".into()));
        blocks.push(Block::List(errors));
    }
    blocks
}

fn times(dossier: &Dossier) -> Vec<Block> {
    let result = &dossier.result;
    let first = dossier.first_change.values().min().copied();
    let last = dossier.patched.values().chain(dossier.restored.values()).max().copied();
    let after = |at: Option<Stamp>| match (result.started_at, at) {
        (Some(start), Some(at)) => format!("{} ({} after the start)", stamp(at.0), between(start, at)),
        _ => NONE.to_owned(),
    };
    vec![
        Block::Facts(vec![
            ("Asked for", moment(result.started_at)),
            ("First change on a host", after(first)),
            ("Last change on a host", after(last)),
            ("Ended", after(result.finished_at)),
        ]),
        tables::waits(dossier),
    ]
}

/// The time between two moments, for people.
pub(super) fn between(from: Stamp, to: Stamp) -> String {
    let ms = u64::try_from(to.0.duration_since(from.0).as_millis()).unwrap_or(0);
    text::duration(ms)
}

pub(super) fn moment(at: Option<Stamp>) -> String {
    at.map_or_else(|| NONE.to_owned(), |at| stamp(at.0))
}

/// The items in a row, or a sign that there are none.
pub(super) fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { NONE.to_owned() } else { items.join(", ") }
}
