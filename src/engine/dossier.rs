//! A run's records, followed for an auditor.

use jiff::Timestamp;

use crate::core::audit::journal::Journal;
use crate::core::dossier::{Dossier, Story};
use crate::core::ids::RunId;
use crate::core::report::Driven;
use crate::ports::state::{Runs, StateError};

/// What the run's records tell, as far as they can be followed: what is wrong with them, `audit` finds.
///
/// # Errors
/// When its settings or its journal cannot be read at all.
pub fn dossier(runs: &dyn Runs, run: &RunId, now: Timestamp, driven: Driven) -> Result<Dossier, StateError> {
    let settings = runs.frozen(run)?.settings;
    let journal = Journal::read(run, &runs.journal(run)?, &mut Vec::new());
    let mut story = Story::new(settings);
    for record in &journal.records {
        story.take(record);
    }
    if (journal.records.len() as u64) < journal.lines() {
        story.cut(format!("what follows record {} is not as it was written", journal.records.len().saturating_sub(1)));
    }
    Ok(story.end(journal.head().digest, now, driven))
}
