//! Where runs are kept.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Inbox, Reply, Store, Wish};
use crate::core::ids::{Digest, RunId, StageIx};
use crate::core::record::{ChainError, Head};
use crate::core::rollout::{Misfit, Rollout};
use crate::core::settings::Settings;

/// What was frozen when a run started.
#[derive(Debug, Clone)]
pub struct Frozen {
    /// The settings.
    pub settings: Arc<Settings>,
    /// The playbooks, as JSON.
    pub playbooks: Arc<str>,
}

/// What people wrote, and a run was begun with: kept as it was, for whoever looks later.
#[derive(Debug, Clone, Copy)]
pub struct Texts<'a> {
    /// The plan.
    pub plan: &'a str,
    /// The policies' files, the system's first.
    pub policies: &'a [(String, Arc<str>)],
}

/// A run as its journal tells it.
#[derive(Debug)]
pub struct Loaded {
    /// What was frozen.
    pub frozen: Frozen,
    /// The fold of its journal.
    pub rollout: Rollout,
    /// The journal's head.
    pub head: Head,
    /// Bytes after the last whole line: a write that was not completed.
    pub torn: u64,
    /// Whether a process holds the run.
    pub driven: bool,
    /// The journal's head when each stage's gate opened last: its digest binds it.
    pub opened: BTreeMap<StageIx, Digest>,
}

/// A run that this process holds: nobody else drives it.
pub struct Held {
    /// Its journal and blobs.
    pub store: Box<dyn Store>,
    /// Its letters.
    pub inbox: Box<dyn Inbox>,
}

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
    #[error("{path}: {why}")]
    Unsafe {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The configuration names a group that this system does not have.
    #[error("the configuration's `group`: this system has no group {0:?}")]
    NoGroup(String),
    /// A frozen file cannot be read.
    #[error("{path}: cannot be read as what patchctl wrote there")]
    Frozen {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A frozen file is not what it was when the run began.
    #[error("{path}: it was altered since the run began; `patchctl audit verify` says what else was")]
    Altered {
        /// Which.
        path: PathBuf,
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
    /// There is no run at all.
    #[error("there are no runs yet; `patchctl run PLAN` makes one")]
    NoRuns,
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

/// A run that wants to use a pre-approval.
#[derive(Debug, Clone, Copy)]
pub struct Use<'a> {
    /// The digest of the file.
    pub file: Digest,
    /// The run.
    pub run: &'a RunId,
    /// How many runs may; none: any number.
    pub allowed: Option<u32>,
}

/// What became of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Used {
    /// The run is counted, now or since earlier: it may.
    Counted,
    /// Others have used it up.
    Spent {
        /// Which, oldest first.
        runs: Vec<RunId>,
    },
}

/// Counts the runs that use a pre-approval.
pub trait Uses: std::fmt::Debug + Send + Sync {
    /// Counts the run, once however often it asks. It is on the disk when this returns.
    ///
    /// # Errors
    /// When that cannot be kept: the pre-approval must not be used then.
    fn take(&self, wanted: &Use<'_>) -> Result<Used, StateError>;
}

/// The runs on this machine.
#[async_trait::async_trait]
pub trait Runs: Send + Sync {
    /// Makes a new run with everything that is frozen, and holds it.
    ///
    /// # Errors
    /// When the disk does not take it; nothing of the run is left then.
    fn create(&self, frozen: &Frozen, texts: &Texts<'_>) -> Result<Held, StateError>;

    /// Holds a run.
    ///
    /// # Errors
    /// `Held` when another process does.
    fn hold(&self, run: &RunId) -> Result<Held, StateError>;

    /// What was frozen when the run started.
    ///
    /// # Errors
    /// When it cannot be read.
    fn frozen(&self, run: &RunId) -> Result<Frozen, StateError>;

    /// The run as its journal tells it, up to the last whole line.
    ///
    /// # Errors
    /// When the journal was altered, or cannot be read.
    fn load(&self, run: &RunId) -> Result<Loaded, StateError>;

    /// All runs, newest first.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    fn list(&self) -> Result<Vec<RunId>, StateError>;

    /// The run that this word names: a run ID or the beginning of one, a change ID or plan name with one open run, or
    /// `last`.
    ///
    /// # Errors
    /// When it names none, or several.
    fn find(&self, word: &str) -> Result<RunId, StateError>;

    /// A blob.
    ///
    /// # Errors
    /// When it is not there, or is not what its name says.
    fn blob(&self, run: &RunId, digest: &Digest) -> Result<Vec<u8>, StateError>;

    /// The files that were frozen when the run started, by name.
    ///
    /// # Errors
    /// When one cannot be read.
    fn frozen_files(&self, run: &RunId) -> Result<BTreeMap<String, Vec<u8>>, StateError>;

    /// The journal, byte for byte.
    ///
    /// # Errors
    /// When it cannot be read.
    fn journal(&self, run: &RunId) -> Result<Vec<u8>, StateError>;

    /// The names of the run's blobs.
    ///
    /// # Errors
    /// When they cannot be listed.
    fn blobs(&self, run: &RunId) -> Result<Vec<String>, StateError>;

    /// Where the site's chain ends.
    ///
    /// # Errors
    /// When it cannot be read.
    fn site_end(&self) -> Result<Head, StateError>;

    /// The names of the files that a run's records are: its journal, what was frozen, its blobs.
    ///
    /// # Errors
    /// When the run's folder cannot be listed.
    fn files(&self, run: &RunId) -> Result<Vec<String>, StateError>;

    /// Writes one of these files, byte for byte.
    ///
    /// # Errors
    /// When it cannot be read, or the other side does not take it.
    fn copy(&self, run: &RunId, file: &str, to: &mut dyn io::Write) -> Result<(), StateError>;

    /// The site's chain, byte for byte; none: there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    fn site(&self) -> Result<Option<Vec<u8>>, StateError>;

    /// Counts the runs that use pre-approvals.
    fn uses(&self) -> Arc<dyn Uses>;

    /// Sends a letter to the process that drives the run, and waits for what becomes of it. None: nobody took it in
    /// time, and it was taken back.
    ///
    /// # Errors
    /// When the disk does not take the letter.
    async fn send(&self, run: &RunId, wish: &Wish) -> io::Result<Option<Reply>>;
}
