//! `audit verify [RUN]`

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::{CommandError, Context, Ended};
use crate::cli::{AuditCommand, AuditVerifyArgs};
use crate::core::audit::anchors::{self, Anchor};
use crate::core::audit::site::Chain;
use crate::core::ids::RunId;
use crate::core::preapproval::Preapproval;
use crate::engine::audit::{Wanted, audit};
use crate::ports::state::{Runs, StateError};

/// No file of anchors is longer.
const LONGEST: u64 = 256 << 20;

pub(super) fn command(context: &Context<'_>, command: &AuditCommand) -> Ended {
    context.refuse_limit("an audit is about whole runs")?;
    match command {
        AuditCommand::Verify(args) => verify(context, args),
        AuditCommand::Review(args) => super::review::review(context, args),
        AuditCommand::Export(args) => super::export::export(context, args),
    }
}

fn verify(context: &Context<'_>, args: &AuditVerifyArgs) -> Ended {
    let anchors = args.anchors.as_deref().map(read_anchors).transpose()?;
    let listed = args.export.as_deref().map(super::export::check).transpose()?;
    let runs = match &args.export {
        Some(folder) => context.wiring.exported(folder)?,
        None => context.runs()?,
    };
    let run = args.run.as_deref().map(|word| named(runs.as_ref(), word)).transpose()?;
    let signatures = context.wiring.signatures(&context.wiring.front(true));
    let wanted: Option<BTreeSet<RunId>> = match (run, &listed) {
        (Some(run), _) => Some([run].into()),
        (None, Some(listed)) => listed.runs.clone(),
        (None, None) => None,
    };
    let wanted = Wanted { runs: wanted.as_ref(), anchors: anchors.as_deref(), scope: &scope };
    let mut found = audit(runs.as_ref(), &*signatures, &wanted)?;
    if let Some(listed) = listed {
        found = found.with_export(listed.audit);
    }
    context.print(&found, |look| crate::ui::audit::audit(look, &found))?;
    Ok(found.exit_code)
}

/// Reads the text of a pre-approval that was signed.
pub(super) fn scope(text: &str) -> Result<Preapproval, String> {
    crate::input::preapproval("the signed text", text).map_err(|errors| errors.to_string())
}

/// The run of this name; also one whose folder is gone, where the site's chain knows it.
pub(super) fn named(runs: &dyn Runs, word: &str) -> Result<RunId, CommandError> {
    let missing = |error: StateError| {
        let chain = Chain::read(runs.site().ok().flatten().as_deref());
        let upper = word.to_ascii_uppercase();
        let mut gone = chain.seals.keys().filter(|run| run.as_str().starts_with(&upper));
        match (gone.next(), gone.next()) {
            (Some(run), None) => Ok(run.clone()),
            _ => Err(CommandError::from(error)),
        }
    };
    match runs.find(word) {
        Ok(run) => Ok(run),
        Err(error @ (StateError::NoSuchRun(_) | StateError::NoRuns)) => missing(error),
        Err(other) => Err(other.into()),
    }
}

pub(super) fn read_anchors(path: &Path) -> Result<Vec<Anchor>, CommandError> {
    let name = path.display();
    let hint = "it takes lines of the system's log, or of the files in /var/lib/patchctl/witness on hosts";
    let bad = |why: String| CommandError::invalid(format!("--anchors {name}: {why}"), hint);
    let mut bytes = Vec::new();
    let mut read = |from: &mut dyn io::Read| from.take(LONGEST + 1).read_to_end(&mut bytes);
    let done = if path == Path::new("-") {
        read(&mut io::stdin().lock())
    } else {
        File::open(path).and_then(|mut file| read(&mut file))
    };
    done.map_err(|error| bad(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > LONGEST {
        return Err(bad(format!("longer than {} MiB", LONGEST >> 20)));
    }
    // A log may hold anything; what is no anchor is passed over.
    let anchors = anchors::parse(&String::from_utf8_lossy(&bytes));
    if anchors.is_empty() {
        return Err(bad("no line in it has `run=`, `records=` and `head=`".to_owned()));
    }
    Ok(anchors)
}
