//! The state folder: one folder a run, with its journal, what was frozen at its start, blobs, and letters.

mod access;
mod folder;
mod inbox;
mod site;
mod uses;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use self::access::Access;
pub use self::access::Team;
pub use self::folder::RunFolder;
pub use self::inbox::{FolderInbox, NoInbox};
use self::site::{SYSLOG, Site};
use self::uses::CountedUses;
use async_trait::async_trait;

use crate::core::ids::{Digest, RunId};
use crate::core::record::Head;
use crate::ports::state::{Frozen, Held, Loaded, Runs, StateError, Texts, Uses};
use crate::ports::{Reply, Wish};

pub(super) fn io_error(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> StateError {
    let path = path.to_owned();
    move |source| StateError::Io { path, what, source }
}

/// How long another process may take to answer a letter.
const PATIENCE: Duration = Duration::from_secs(10);

/// The state folder.
#[derive(Debug, Clone)]
pub struct StateDir {
    root: PathBuf,
    site: Site,
}

impl StateDir {
    /// Opens the state folder, and makes it where it is not there yet: its user's alone, or this team's.
    ///
    /// # Errors
    /// When it cannot be made, belongs to somebody else, or others may look into it.
    pub fn open(root: &Path, team: Option<Team>) -> Result<Self, StateError> {
        let access = Access::new(root, team);
        access.prepare(root, &root.join("runs"))?;
        let site = Site { root: root.to_owned(), syslog: SYSLOG.into(), access };
        Ok(Self { root: root.to_owned(), site })
    }

    /// The records in a folder that `audit export` made, to be read. Whoever got it may keep it as they like.
    ///
    /// # Errors
    /// When the folder is none of these.
    pub fn exported(root: &Path) -> Result<Self, StateError> {
        let runs = root.join("runs");
        fs::read_dir(&runs).map_err(io_error(&runs, "cannot be listed; is it a folder that `audit export` made?"))?;
        let site = Site { root: root.join("site"), syslog: SYSLOG.into(), access: Access::new(root, None) };
        Ok(Self { root: root.to_owned(), site })
    }

    /// The folder of a run.
    pub fn path_of(&self, run: &RunId) -> PathBuf {
        self.root.join("runs").join(run.as_str())
    }
}

#[async_trait]
impl Runs for StateDir {
    fn create(&self, frozen: &Frozen, texts: &Texts<'_>) -> Result<Held, StateError> {
        self.make(frozen, texts).map(|folder| held(folder, &frozen.settings.run, self.site.access.clone()))
    }

    fn hold(&self, run: &RunId) -> Result<Held, StateError> {
        self.take(run).map(|folder| held(folder, run, self.site.access.clone()))
    }

    fn frozen(&self, run: &RunId) -> Result<Frozen, StateError> {
        self.read_frozen(run)
    }

    fn load(&self, run: &RunId) -> Result<Loaded, StateError> {
        self.fold(run)
    }

    fn list(&self) -> Result<Vec<RunId>, StateError> {
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

    fn find(&self, word: &str) -> Result<RunId, StateError> {
        let runs = self.list()?;
        if word == "last" {
            return runs.into_iter().next().ok_or(StateError::NoRuns);
        }
        let upper = word.to_ascii_uppercase();
        let begins = |run: &&RunId| !word.is_empty() && run.as_str().starts_with(&upper);
        let by_id: Vec<&RunId> = runs.iter().filter(begins).collect();
        if !by_id.is_empty() {
            return one(word, &by_id);
        }
        let named = |run: &&RunId| {
            self.read_frozen(run)
                .is_ok_and(|frozen| frozen.settings.change.as_str() == word || frozen.settings.plan.as_str() == word)
        };
        let by_name: Vec<&RunId> = runs.iter().filter(named).collect();
        let open = |run: &&RunId| self.fold(run).is_ok_and(|loaded| !loaded.rollout.is_finished());
        let still_open: Vec<&RunId> = by_name.iter().copied().filter(open).collect();
        one(word, if still_open.is_empty() { &by_name } else { &still_open })
    }

    fn blob(&self, run: &RunId, digest: &Digest) -> Result<Vec<u8>, StateError> {
        let path = self.path_of(run).join("blobs").join(digest.hex());
        let bytes = self.site.access.read(&path).map_err(io_error(&path, "cannot be read"))?;
        if Digest::of(&bytes) != *digest {
            return Err(StateError::Unsafe { path, why: "it is not what its name says: it was altered" });
        }
        Ok(bytes)
    }

    fn frozen_files(&self, run: &RunId) -> Result<BTreeMap<String, Vec<u8>>, StateError> {
        self.read_frozen_files(run)
    }

    fn journal(&self, run: &RunId) -> Result<Vec<u8>, StateError> {
        let path = self.path_of(run).join("journal.jsonl");
        self.site.access.read(&path).map_err(io_error(&path, "cannot be read"))
    }

    fn blobs(&self, run: &RunId) -> Result<Vec<String>, StateError> {
        let folder = self.path_of(run).join("blobs");
        let entries = match self.site.access.names(&folder) {
            // Whoever copied the records may have left an empty folder out; a blob that is named is missed elsewhere.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(io_error(&folder, "cannot be listed"))?,
        };
        let mut names: Vec<String> = entries.into_iter().map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        Ok(names)
    }

    fn files(&self, run: &RunId) -> Result<Vec<String>, StateError> {
        let folder = self.path_of(run);
        // A link that somebody planted is not followed: what it leads to is no record.
        let is_file = |name: &String| fs::symlink_metadata(folder.join(name)).is_ok_and(|meta| meta.is_file());
        let own = ["journal.jsonl"].into_iter().chain(folder::FROZEN).chain(folder::POLICIES).map(str::to_owned);
        let plain = |name: &String| name.bytes().all(|b| b.is_ascii_alphanumeric()) && !name.is_empty();
        let blobs = self.blobs(run)?.into_iter().filter(plain).map(|name| format!("blobs/{name}"));
        Ok(own.chain(blobs).filter(is_file).collect())
    }

    fn copy(&self, run: &RunId, file: &str, to: &mut dyn io::Write) -> Result<(), StateError> {
        let path = self.path_of(run).join(file);
        let mut from = self.site.access.open_to_read(&path).map_err(io_error(&path, "cannot be opened"))?;
        io::copy(&mut from, to).map_err(io_error(&path, "cannot be copied"))?;
        Ok(())
    }

    fn site(&self) -> Result<Option<Vec<u8>>, StateError> {
        self.site.read().map_err(io_error(&self.site.path(), "cannot be read"))
    }

    fn site_end(&self) -> Result<Head, StateError> {
        let end = self.site.end().map_err(io_error(&self.site.path(), "cannot be read"))?;
        Ok(end.head)
    }

    fn uses(&self) -> Arc<dyn Uses> {
        Arc::new(CountedUses { folder: self.root.join("preapprovals"), access: self.site.access.clone() })
    }

    async fn send(&self, run: &RunId, wish: &Wish) -> io::Result<Option<Reply>> {
        inbox::send(&self.path_of(run), run, wish, PATIENCE, &self.site.access).await
    }
}

fn held(folder: RunFolder, run: &RunId, access: Access) -> Held {
    let inbox = Box::new(FolderInbox::watch(folder.path(), run, access));
    Held { store: Box::new(folder), inbox }
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
