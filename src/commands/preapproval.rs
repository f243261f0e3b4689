//! `--preapproval FILE`: read, and its signature checked, before any host is contacted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::sign::{SHORT, beside, text};
use super::{CommandError, Context};
use crate::core::preapproval::NAMESPACE;
use crate::core::settings::Settings;
use crate::engine::{self, Preapproved};
use crate::ports::state::{Runs, Uses};

/// A file that the command line names, and what counts its uses.
#[derive(Debug, Clone)]
pub(super) struct Brought {
    file: PathBuf,
    uses: Arc<dyn Uses>,
}

impl Brought {
    pub(super) fn new(file: Option<PathBuf>, runs: &dyn Runs) -> Option<Self> {
        file.map(|file| Self { file, uses: runs.uses() })
    }

    /// What it permits, if it is signed by somebody whose signature counts in a run with these settings.
    pub(super) fn read(&self, context: &Context<'_>, settings: &Settings) -> Result<Preapproved, CommandError> {
        let file = self.file.as_path();
        let (said, signature) = (text(file, SHORT)?, signature(file)?);
        let signatures = context.wiring.signatures(&context.wiring.front(true));
        let now = context.wiring.clock().now();
        // Nothing in it is believed, or found fault with, before it is known who says it.
        let armored = (said.as_str(), signature.as_str());
        engine::preapproved_by(&*signatures, settings, armored, now)
            .map_err(|why| CommandError::invalid(format!("--preapproval {}: {why}", file.display()), hint(&why)))?;
        let scope = crate::input::preapproval(&file.display().to_string(), &said)?;
        engine::not_too_long(&scope, now)
            .map_err(|why| CommandError::invalid(format!("--preapproval {}: {why}", file.display()), hint(&why)))?;
        let (text, signature) = (said.into(), signature.into());
        Ok(Preapproved { scope: Arc::new(scope), text, signature, uses: Arc::clone(&self.uses) })
    }
}

fn signature(file: &Path) -> Result<String, CommandError> {
    text(&beside(file, ".sig"), SHORT).map_err(|mut error| {
        let hint = format!("`ssh-keygen -Y sign -n {NAMESPACE} -f KEY {}` makes it", file.display());
        error.problems.iter_mut().for_each(|problem| problem.hint = Some(hint.clone()));
        error
    })
}

fn hint(why: &engine::NotSigned) -> String {
    match why {
        engine::NotSigned::NoSigners => "name the people with `allowed_signers` in the plan".into(),
        engine::NotSigned::TooLong(_) => "let it end earlier, and sign it anew".into(),
        _ => format!("the file must be as it was signed, with `ssh-keygen -Y sign -n {NAMESPACE} -f KEY FILE`"),
    }
}
