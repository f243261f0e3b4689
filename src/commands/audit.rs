//! `audit verify [RUN]`

use std::io::Read as _;
use std::path::Path;

use serde::Serialize;

use super::{CommandError, Context, Ended};
use crate::cli::AuditCommand;
use crate::core::audit::{self, Cover, Finding, Heads, Wrong};
use crate::core::chain::Anchor;
use crate::core::document::DOCUMENT_VERSION;
use crate::core::ids::{ChangeId, PlanName, RunId};
use crate::engine;
use crate::ports::state::Runs;

/// More than this is no list of heads.
const LARGEST: u64 = 256 << 20;
/// Something was found.
const FOUND: u8 = 5;

/// What `audit verify` prints.
#[derive(Debug, Serialize)]
pub(crate) struct AuditDocument {
    /// The document's version.
    pub(crate) schema: u32,
    /// Nothing is wrong.
    pub(crate) ok: bool,
    /// The runs, newest first.
    pub(crate) runs: Vec<AuditedRun>,
    /// Whether there is a site's chain, and how many lines of it are whole.
    pub(crate) site: Option<u64>,
    /// How many heads from outside were compared.
    pub(crate) anchors: usize,
    /// What is wrong, and what the reader should know.
    pub(crate) findings: Vec<Finding>,
}

/// A run that was verified.
#[derive(Debug, Serialize)]
pub(crate) struct AuditedRun {
    /// Which.
    pub(crate) run_id: RunId,
    /// Its change; none where what was frozen cannot be read.
    pub(crate) change_id: Option<ChangeId>,
    /// Its plan.
    pub(crate) plan: Option<PlanName>,
    /// Its records that are whole.
    pub(crate) records: u64,
    /// How far they are covered.
    #[serde(flatten)]
    pub(crate) cover: Cover,
    /// Signatures that count.
    pub(crate) signatures: u32,
    /// Nothing is wrong with it.
    pub(crate) ok: bool,
}

pub(super) fn audit(context: &Context<'_>, command: &AuditCommand) -> Ended {
    match command {
        AuditCommand::Verify { run, anchors } => verify(context, run.as_deref(), anchors.as_deref()),
        AuditCommand::Export(_) => Err(CommandError::invalid("this is not built yet", "`audit verify` is")),
    }
}

fn verify(context: &Context<'_>, word: Option<&str>, anchors: Option<&Path>) -> Ended {
    context.refuse_limit("records are of whole runs")?;
    let anchors = anchors.map_or(Ok(Vec::new()), read_anchors)?;
    let runs = context.runs()?;
    let all = word.is_none();
    let which = match word {
        Some(word) => vec![runs.find(word)?],
        None => runs.list()?,
    };
    let (mut heads, mut findings, mut audited) = (Heads::new(), Vec::new(), Vec::new());
    for run in which {
        let (line, digests) = one(context, runs.as_ref(), &run, &mut findings);
        heads.insert(run, digests);
        audited.push(line);
    }
    let text = runs.chain()?;
    let (mut covers, site) = audit::chain(text.as_deref(), &heads, all, &mut findings);
    audit::anchors(&anchors, &heads, &site, all, &mut covers, &mut findings);
    for run in &mut audited {
        run.cover = covers.get(&run.run_id).copied().unwrap_or_default();
        run.ok = !findings.iter().any(|found| !found.kind.is_note() && found.run_id.as_ref() == Some(&run.run_id));
    }
    let ok = findings.iter().all(|found| found.kind.is_note());
    let site = text.map(|_| site.len() as u64);
    let document =
        AuditDocument { schema: DOCUMENT_VERSION, ok, runs: audited, site, anchors: anchors.len(), findings };
    let given = document.anchors > 0;
    context.print(&document, |look| crate::ui::audit::verified(look, &rows(&document), &document.findings, given))?;
    Ok(if ok { 0 } else { FOUND })
}

fn one(
    context: &Context<'_>,
    runs: &dyn Runs,
    run: &RunId,
    findings: &mut Vec<Finding>,
) -> (AuditedRun, Vec<crate::core::ids::Digest>) {
    let mut line = AuditedRun {
        run_id: run.clone(),
        change_id: None,
        plan: None,
        records: 0,
        cover: Cover::default(),
        signatures: 0,
        ok: false,
    };
    let read = runs.frozen(run).and_then(|frozen| Ok((frozen, runs.raw(run)?)));
    let (frozen, raw) = match read {
        Ok(read) => read,
        Err(error) => {
            findings.push(Finding::of_run(Wrong::Altered, run, None, super::with_causes(&error)));
            return (line, Vec::new());
        }
    };
    let signatures = context.wiring.signatures(&context.wiring.front(true));
    let proved = engine::audit::run(&frozen.settings, &raw, &*signatures);
    line.change_id = Some(frozen.settings.change.clone());
    line.plan = Some(frozen.settings.plan.clone());
    (line.records, line.signatures) = (proved.heads.len() as u64, proved.signatures);
    findings.extend(proved.findings);
    (line, proved.heads)
}

fn rows(document: &AuditDocument) -> Vec<crate::ui::audit::Row> {
    let row = |run: &AuditedRun| crate::ui::audit::Row {
        run: run.run_id.to_string(),
        plan: run.plan.as_ref().map(ToString::to_string),
        records: run.records,
        cover: run.cover,
        signatures: run.signatures,
        ok: run.ok,
    };
    document.runs.iter().map(row).collect()
}

fn read_anchors(path: &Path) -> Result<Vec<Anchor>, CommandError> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(LARGEST).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes))
    };
    read.map_err(|error| {
        CommandError::invalid(format!("{}: {error}", path.display()), "name a file that can be read")
    })?;
    // A log may have anything in it.
    let anchors: Vec<Anchor> = String::from_utf8_lossy(&bytes).lines().filter_map(Anchor::find).collect();
    if anchors.is_empty() {
        let hint = "a head is a line with run=…, records=… and head=sha256:…, as in the system's log (`journalctl -t \
                    patchctl`) and in /var/lib/patchctl/witness on patched hosts";
        return Err(CommandError::invalid(format!("{}: there is no head in it", path.display()), hint));
    }
    Ok(anchors)
}
