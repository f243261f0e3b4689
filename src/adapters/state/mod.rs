//! The state folder: one folder a run, with its journal, what was frozen at its start, blobs, and letters.

mod folder;
mod inbox;

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

pub use self::folder::{Frozen, Loaded, RunFolder};
pub use self::inbox::{FolderInbox, NoInbox, send};
use crate::core::ids::RunId;
use crate::core::record::ChainError;
use crate::core::rollout::Misfit;

/// Why the state folder, or a run in it, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The disk, or the rights on it.
    #[error("{path}: {what}")]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What could not be done with it.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The folder belongs to somebody else, or others may look into it.
    #[error("{path}: {why}; a state folder must belong to its user alone (chmod 700)")]
    Unsafe {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A frozen file cannot be read.
    #[error("{path}: cannot be read as what patchctl wrote there")]
    Frozen {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The journal is not whole.
    #[error("{path}: {source}")]
    Chain {
        /// Which.
        path: PathBuf,
        /// Where and why.
        source: ChainError,
    },
    /// The journal tells something that cannot have happened.
    #[error("{path}: {source}")]
    Misfit {
        /// Which.
        path: PathBuf,
        /// What.
        source: Misfit,
    },
    /// No run has this name.
    #[error("no run is called {0:?}; `patchctl runs` lists them")]
    NoSuchRun(String),
    /// Several runs have it.
    #[error("{word:?} names several runs: {runs}")]
    SeveralRuns {
        /// What was asked for.
        word: String,
        /// What it fits.
        runs: String,
    },
    /// Another process drives the run.
    #[error("another process drives run {run}: {by}")]
    Held {
        /// The run.
        run: RunId,
        /// Who, as the lock says.
        by: String,
    },
}

pub(super) fn io_error(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> StateError {
    let path = path.to_owned();
    move |source| StateError::Io { path, what, source }
}

/// The state folder.
#[derive(Debug, Clone)]
pub struct StateDir {
    root: PathBuf,
}

impl StateDir {
    /// Opens the state folder, and makes it where it is not there yet.
    ///
    /// # Errors
    /// When it cannot be made, belongs to somebody else, or others may look into it.
    pub fn open(root: &Path) -> Result<Self, StateError> {
        let runs = root.join("runs");
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&runs)
            .map_err(io_error(&runs, "cannot be made; name another with --state-dir"))?;
        for path in [root, &runs] {
            let meta = fs::metadata(path).map_err(io_error(path, "cannot be looked at"))?;
            let unsafe_because = |why| Err(StateError::Unsafe { path: path.to_owned(), why });
            if meta.uid() != rustix::process::geteuid().as_raw() {
                return unsafe_because("belongs to another user");
            }
            if meta.mode() & 0o077 != 0 {
                return unsafe_because("others may read or write it");
            }
        }
        Ok(Self { root: root.to_owned() })
    }

    /// The folder of a run.
    pub fn path_of(&self, run: &RunId) -> PathBuf {
        self.root.join("runs").join(run.as_str())
    }

    /// All runs, newest first.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn runs(&self) -> Result<Vec<RunId>, StateError> {
        let folder = self.root.join("runs");
        let entries = fs::read_dir(&folder).map_err(io_error(&folder, "cannot be listed"))?;
        let mut runs: Vec<RunId> = entries
            .filter_map(Result::ok)
            .filter_map(|entry| RunId::new(entry.file_name().to_string_lossy().into_owned()).ok())
            .collect();
        // Run IDs sort by the time they were made.
        runs.sort_by(|a, b| b.cmp(a));
        Ok(runs)
    }

    /// The run that this word names: a run ID or the beginning of one, a change ID or plan name with one open run, or
    /// `last`.
    ///
    /// # Errors
    /// When it names none, or several.
    pub fn find(&self, word: &str) -> Result<RunId, StateError> {
        let runs = self.runs()?;
        if word == "last" {
            return runs.into_iter().next().ok_or_else(|| StateError::NoSuchRun(word.to_owned()));
        }
        let upper = word.to_ascii_uppercase();
        let by_id: Vec<&RunId> =
            runs.iter().filter(|run| !word.is_empty() && run.as_str().starts_with(&upper)).collect();
        if !by_id.is_empty() {
            return one(word, &by_id);
        }
        let named = |run: &&RunId| {
            self.frozen(run)
                .is_ok_and(|frozen| frozen.settings.change.as_str() == word || frozen.settings.plan.as_str() == word)
        };
        let by_name: Vec<&RunId> = runs.iter().filter(named).collect();
        let open = |run: &&RunId| self.load(run).is_ok_and(|loaded| !loaded.rollout.is_finished());
        let still_open: Vec<&RunId> = by_name.iter().copied().filter(open).collect();
        match still_open.as_slice() {
            [] => one(word, &by_name),
            _ => one(word, &still_open),
        }
    }
}

fn one(word: &str, runs: &[&RunId]) -> Result<RunId, StateError> {
    match runs {
        [] => Err(StateError::NoSuchRun(word.to_owned())),
        [run] => Ok((*run).clone()),
        several => {
            let names: Vec<&str> = several.iter().take(8).map(|run| run.as_str()).collect();
            Err(StateError::SeveralRuns { word: word.to_owned(), runs: names.join(", ") })
        }
    }
}
