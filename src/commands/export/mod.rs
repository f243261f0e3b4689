//! `audit export RUN` and `audit export --since D --until D`

mod check;
mod draft;
mod files;

use std::collections::BTreeSet;

use serde_json::json;

pub(super) use self::check::check;
use self::draft::Draft;
use super::audit::{named, read_anchors};
use super::{CommandError, Context, Ended};
use crate::cli::AuditExportArgs;
use crate::core::audit::anchors::Anchor;
use crate::core::audit::site::Chain;
use crate::core::document::Stamp;
use crate::core::dossier::{Dossier, Maker, Period, Report};
use crate::core::ids::{Digest, RunId};
use crate::core::report::Driven;
use crate::engine::audit::{Wanted, audit};
use crate::engine::dossier::dossier;
use crate::ports::state::Runs;

/// The list of checksums.
const SUMS: &str = "SHA256SUMS";
/// The in-toto statement.
const STATEMENT: &str = "statement.intoto.json";
/// What kind of in-toto statement it is.
const PREDICATE: &str = "urn:patchctl:audit-export:v1";

pub(super) fn export(context: &Context<'_>, args: &AuditExportArgs) -> Ended {
    let anchors = args.anchors.as_deref().map(read_anchors).transpose()?;
    let runs = context.runs()?;
    // The chain first: what is written meanwhile makes journals longer than it says, never shorter.
    let site = runs.site()?;
    let wanted = wanted(runs.as_ref(), args, &Chain::read(site.as_deref()))?;
    let mut draft = Draft::begin(&args.out)?;
    if let Some(site) = &site {
        draft.write("site/chain.jsonl", files::part_of(site, &wanted))?;
    }
    if let Some(anchors) = &anchors {
        draft.write("site/anchors", files::anchors(anchors, &wanted).as_bytes())?;
    }
    let there: BTreeSet<RunId> = runs.list()?.into_iter().filter(|run| wanted.contains(run)).collect();
    for run in &there {
        for file in runs.files(run)? {
            draft.copy(&format!("runs/{run}/{file}"), |to| Ok(runs.copy(run, &file, to)?))?;
        }
    }
    let made = Made { context, args, wanted: &wanted, there: &there, anchors: anchors.as_deref() };
    made.finish(runs.as_ref(), draft)
}

/// The runs that are asked for, also those that only the site's chain knows.
fn wanted(runs: &dyn Runs, args: &AuditExportArgs, chain: &Chain) -> Result<BTreeSet<RunId>, CommandError> {
    if let Some(word) = &args.run {
        return Ok([named(runs, word)?].into());
    }
    let period = period(args);
    let all = runs.list()?.into_iter().chain(chain.seals.keys().cloned());
    let found: BTreeSet<RunId> = all.filter(|run| run.made_at().is_some_and(|at| period.has(at))).collect();
    if found.is_empty() {
        return Err(CommandError::invalid(
            "no run started in that time",
            "`patchctl runs` lists them; days are in UTC",
        ));
    }
    Ok(found)
}

fn period(args: &AuditExportArgs) -> Period {
    Period { since: args.since, until: args.until }
}

/// An export whose records are copied.
struct Made<'a> {
    context: &'a Context<'a>,
    args: &'a AuditExportArgs,
    wanted: &'a BTreeSet<RunId>,
    there: &'a BTreeSet<RunId>,
    anchors: Option<&'a [Anchor]>,
}

impl Made<'_> {
    /// Verifies the copy, tells what is in it, and puts it in place. What is verified is what the auditor gets.
    fn finish(&self, runs: &dyn Runs, mut draft: Draft) -> Ended {
        let wiring = self.context.wiring;
        if self.there.is_empty() {
            // There is no run left; the folder that says so must still have its form.
            draft.write("runs/README", b"No record of any run was left.\n")?;
        }
        let copy = wiring.exported(draft.path())?;
        let signatures = wiring.signatures(&wiring.front(true));
        let wanted = Wanted { runs: Some(self.wanted), anchors: self.anchors, scope: &super::audit::scope };
        let found = audit(copy.as_ref(), &*signatures, &wanted)?;
        let maker = self.maker();
        let (mut dossiers, mut untold) = (Vec::new(), Vec::new());
        for run in self.there {
            let driven = runs.load(run).is_ok_and(|loaded| loaded.driven);
            match dossier(copy.as_ref(), run, maker.at.0, if driven { Driven::Yes } else { Driven::No }) {
                Ok(dossier) => dossiers.push(dossier),
                Err(error) => untold.push((run.clone(), super::with_causes(&error))),
            }
        }
        let report = Report { maker: &maker, runs: &dossiers, untold: &untold, audit: &found };
        let mut signed = Vec::new();
        for dossier in &dossiers {
            signed.extend(files::of_run(&mut draft, dossier)?);
        }
        files::of_all(&mut draft, &report, &signed)?;
        let statement = self.statement(&draft, &report);
        draft.write(STATEMENT, &files::pretty(&statement)?)?;
        let sums: String = draft.sums.iter().map(|(name, sum)| format!("{}  {name}\n", sum.hex())).collect();
        draft.write(SUMS, sums.as_bytes())?;
        let sums = std::mem::take(&mut draft.sums);
        draft.put()?;
        let document = self.document(&report, &sums);
        self.context.print(&document, |look| crate::ui::audit::exported(look, &self.args.out, sums.len(), &report))?;
        Ok(found.exit_code)
    }

    fn maker(&self) -> Maker {
        Maker {
            by: self.context.wiring.person(),
            at: Stamp(self.context.wiring.clock().now()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            period: self.args.run.is_none().then(|| period(self.args)),
        }
    }

    /// The runs that are asked for and are not there.
    fn missing(&self) -> Vec<&RunId> {
        self.wanted.difference(self.there).collect()
    }

    fn statement(&self, draft: &Draft, report: &Report<'_>) -> serde_json::Value {
        let subject = |(name, sum): (&String, &Digest)| json!({ "name": name, "digest": { "sha256": sum.hex() } });
        let maker = report.maker;
        json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": draft.sums.iter().map(subject).collect::<Vec<_>>(),
            "predicateType": PREDICATE,
            "predicate": {
                "exported_by": maker.by, "exported_at": maker.at, "patchctl": maker.version,
                "period": maker.period.map(|period| json!({
                    "since": period.since.map(Stamp), "until": period.until.map(Stamp)
                })),
                "runs": self.there.iter().map(|run| run_of(report, run)).collect::<Vec<_>>(),
                "missing": self.missing(),
                "verification": report.audit,
            },
        })
    }

    fn document(&self, report: &Report<'_>, sums: &std::collections::BTreeMap<String, Digest>) -> serde_json::Value {
        json!({
            "schema": 1,
            "path": self.args.out.display().to_string(),
            "exit_code": report.audit.exit_code,
            "runs": self.there.iter().map(|run| run_of(report, run)).collect::<Vec<_>>(),
            "missing": self.missing(),
            "files": sums.len(),
            "digests": { SUMS: sums.get(SUMS), STATEMENT: sums.get(STATEMENT) },
            "verification": report.audit,
            "errors": [],
        })
    }
}

/// What is said of a run in a line.
fn run_of(report: &Report<'_>, run: &RunId) -> serde_json::Value {
    let audit = report.audit_of(run);
    let dossier = report.runs.iter().find(|dossier| dossier.settings.run == *run);
    let decision = |dossier: &Dossier| {
        let made = dossier.gates.iter().flat_map(|gate| gate.decisions.iter().map(move |made| (gate, made)));
        let said = made.map(|(gate, made)| {
            json!({
                "stage": gate.question.stage, "digest": gate.question.digest, "verdict": made.decision.verdict,
                "by": made.decision.by, "at": made.at, "how": made.decision.how, "reason": made.decision.reason,
                "key": made.decision.signed.as_ref().map(|signed| &signed.key),
            })
        });
        said.collect::<Vec<_>>()
    };
    json!({
        "run_id": run,
        "change_id": dossier.map(|dossier| &dossier.settings.change),
        "plan": dossier.map(|dossier| &dossier.settings.plan),
        "plan_digest": dossier.map(|dossier| dossier.settings.plan_digest),
        "requester": dossier.map(|dossier| &dossier.settings.requester),
        "outcome": dossier.map(|dossier| dossier.result.outcome),
        "summary": dossier.map(|dossier| dossier.result.summary),
        "started_at": dossier.map(|dossier| dossier.result.started_at),
        "finished_at": dossier.map(|dossier| dossier.result.finished_at),
        "decisions": dossier.map(decision),
        "records": audit.map(|audit| audit.records),
        "head": audit.map(|audit| audit.head),
        "ok": audit.is_some_and(|audit| audit.ok),
    })
}
