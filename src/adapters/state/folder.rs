//! One run's folder.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::access::Access;
use super::site::Site;
use super::{StateDir, io_error};
use crate::core::event::Event;
use crate::core::ids::{Digest, RunId};
use crate::core::record::Head;
use crate::core::rollout::Rollout;
use crate::core::site::Seal;
use crate::ports::Store;
use crate::ports::state::{Frozen, Loaded, StateError, Texts};

/// What is frozen when a run starts.
pub(super) const FROZEN: [&str; 3] = ["plan.toml", "playbooks.json", "settings.json"];

/// And the policies' files, where there were any: the system's, and the one that was given.
pub(super) const POLICIES: [&str; 2] = ["policy.toml", "policy-2.toml"];

/// A run's folder, held by this process alone.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    journal: File,
    site: Site,
    /// Something was appended that is not sealed yet.
    unsealed: bool,
    /// Held for as long as this lives; the kernel lets go of it when the process ends, however it ends.
    _lock: File,
}

impl StateDir {
    /// Makes the folder of a new run, with everything that is frozen, and holds it.
    ///
    /// # Errors
    /// When the disk does not take it; nothing of the run is left then.
    pub(super) fn make(&self, frozen: &Frozen, texts: &Texts<'_>) -> Result<RunFolder, StateError> {
        let run = &frozen.settings.run;
        let path = self.path_of(run);
        // Made aside and moved into place whole: a run exists with everything in it, or not at all.
        let draft = path.with_file_name(format!(".new-{run}"));
        let access = &self.site.access;
        let dir = |path: &Path| access.make_dir(path).map_err(io_error(path, "cannot be made"));
        let write_file = |path: &Path, bytes: &[u8]| write_file(access, path, bytes);
        dir(&draft)?;
        for inner in ["blobs", "inbox"] {
            dir(&draft.join(inner))?;
        }
        write_file(&draft.join("plan.toml"), texts.plan.as_bytes())?;
        for (name, (_, text)) in POLICIES.iter().zip(texts.policies) {
            write_file(&draft.join(name), text.as_bytes())?;
        }
        let path_of_settings = draft.join("settings.json");
        let text = serde_json::to_vec_pretty(&*frozen.settings)
            .map_err(|source| StateError::Frozen { path: path_of_settings.clone(), source })?;
        write_file(&path_of_settings, &text)?;
        write_file(&draft.join("playbooks.json"), frozen.playbooks.as_bytes())?;
        write_file(&draft.join("journal.jsonl"), b"")?;
        write_file(&draft.join("lock"), b"")?;
        self.sync(&draft)?;
        access.rename(&draft, &path).map_err(io_error(&path, "cannot be put in place"))?;
        self.sync(&self.root.join("runs"))?;
        self.take(run)
    }

    /// Holds a run: only one process drives it.
    ///
    /// # Errors
    /// `Held` when another process does.
    pub(super) fn take(&self, run: &RunId) -> Result<RunFolder, StateError> {
        let path = self.path_of(run);
        let lock_path = path.join("lock");
        let access = &self.site.access;
        let mut lock = access.open(&lock_path).map_err(io_error(&lock_path, "cannot be opened"))?;
        // Whoever only looks whether the run is driven holds the lock for a moment.
        let taken = (0..5).any(|try_number| {
            if try_number > 0 {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            lock.try_lock().is_ok()
        });
        if !taken {
            let mut by = String::new();
            let _ = lock.read_to_string(&mut by);
            return Err(StateError::Held { run: run.clone(), by: by.trim().to_owned() });
        }
        let machine = rustix::system::uname();
        let who = format!("process {} on {}\n", std::process::id(), machine.nodename().to_string_lossy());
        lock.set_len(0)
            .and_then(|()| lock.write_all(who.as_bytes()))
            .map_err(io_error(&lock_path, "cannot be written"))?;
        let journal_path = path.join("journal.jsonl");
        let journal = access.open(&journal_path).map_err(io_error(&journal_path, "cannot be opened"))?;
        Ok(RunFolder { path, journal, site: self.site.clone(), unsealed: false, _lock: lock })
    }

    /// What was frozen when the run started.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn read_frozen(&self, run: &RunId) -> Result<Frozen, StateError> {
        let path = self.path_of(run);
        Ok(Frozen {
            settings: Arc::new(self.read_json(&path.join("settings.json"))?),
            playbooks: self.read_text(&path.join("playbooks.json"))?.into(),
        })
    }

    pub(super) fn read_frozen_files(&self, run: &RunId) -> Result<BTreeMap<String, Vec<u8>>, StateError> {
        let folder = self.path_of(run);
        let read = |name: &str| {
            let path = folder.join(name);
            self.site
                .access
                .read(&path)
                .map(|bytes| (name.to_owned(), bytes))
                .map_err(io_error(&path, "cannot be read"))
        };
        let policies = POLICIES.iter().filter(|name| folder.join(name).exists());
        FROZEN.iter().chain(policies).map(|name| read(name)).collect()
    }

    /// Whether the frozen files are what they were when the run began.
    fn is_frozen(&self, run: &RunId, frozen: &BTreeMap<String, Digest>) -> Result<(), StateError> {
        if frozen.is_empty() {
            return Ok(());
        }
        let files = self.read_frozen_files(run)?;
        let altered =
            frozen.iter().find(|(name, digest)| files.get(*name).map(|bytes| Digest::of(bytes)) != Some(**digest));
        match altered {
            Some((name, _)) => Err(StateError::Altered { path: self.path_of(run).join(name) }),
            None => Ok(()),
        }
    }

    /// The run as its journal tells it, up to the last whole line.
    ///
    /// # Errors
    /// When the journal was altered, or cannot be read.
    pub(super) fn fold(&self, run: &RunId) -> Result<Loaded, StateError> {
        let frozen = self.read_frozen(run)?;
        let folder = self.path_of(run);
        let path = folder.join("journal.jsonl");
        let file = self.site.access.open_to_read(&path).map_err(io_error(&path, "cannot be opened"))?;
        let mut reader = BufReader::new(file);
        let mut rollout = Rollout::new(Arc::clone(&frozen.settings));
        let (mut head, mut line, mut torn) = (Head::EMPTY, Vec::new(), 0);
        let mut opened = BTreeMap::new();
        loop {
            line.clear();
            // Bytes: a write that was cut off may end in the middle of a character.
            let read = reader.read_until(b'\n', &mut line).map_err(io_error(&path, "cannot be read"))?;
            if read == 0 {
                break;
            }
            let Some(text) = line.strip_suffix(b"\n") else {
                torn = read as u64;
                break;
            };
            let record = head.read(text).map_err(|source| StateError::Chain { path: path.clone(), source })?;
            match &record.event {
                Event::GateOpened { stage, .. } => {
                    opened.insert(*stage, record.prev);
                }
                Event::RunStarted { frozen, .. } => self.is_frozen(run, frozen)?,
                _ => {}
            }
            rollout
                .apply(&record.event, record.at)
                .map_err(|source| StateError::Misfit { path: path.clone(), source })?;
        }
        rollout.hand_out_again();
        let lock = self.site.access.open_to_read(&folder.join("lock")).map_err(io_error(&folder, "has no lock"))?;
        let driven = lock.try_lock_shared().is_err();
        Ok(Loaded { frozen, rollout, head, torn, driven, opened })
    }
}

impl RunFolder {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Store for RunFolder {
    fn append(&mut self, lines: &[String]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut text = String::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        self.unsealed = true;
        self.journal.write_all(text.as_bytes())?;
        self.journal.sync_data()
    }

    fn put_blob(&mut self, bytes: &[u8]) -> io::Result<Digest> {
        let digest = Digest::of(bytes);
        let path = self.path.join("blobs").join(digest.hex());
        let access = &self.site.access;
        if access.at(&path)?.path().exists() {
            return Ok(digest);
        }
        let draft = path.with_extension("new");
        // Of whoever died while it was written.
        let _ = access.remove(&draft);
        let mut file = access.create(&draft)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        access.rename(&draft, &path)?;
        Ok(digest)
    }

    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        let length = self.journal.metadata()?.len();
        self.journal.set_len(length.saturating_sub(bytes))?;
        self.journal.sync_data()
    }

    fn seal(&mut self, seal: &Seal, at: Timestamp) -> io::Result<()> {
        if self.unsealed {
            self.site.append(seal, at)?;
            self.unsealed = false;
        }
        Ok(())
    }
}

fn write_file(access: &Access, path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    let write = || {
        let mut file = access.create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(io_error(path, "cannot be written"))
}

impl StateDir {
    fn sync(&self, path: &Path) -> Result<(), StateError> {
        self.site.access.sync(path).map_err(io_error(path, "cannot be written"))
    }

    fn read_text(&self, path: &Path) -> Result<String, StateError> {
        let bytes = self.site.access.read(path).map_err(io_error(path, "cannot be read"))?;
        String::from_utf8(bytes).map_err(|error| io_error(path, "cannot be read")(io::Error::other(error)))
    }

    fn read_json<T: DeserializeOwned>(&self, path: &Path) -> Result<T, StateError> {
        let text = self.site.access.read(path).map_err(io_error(path, "cannot be read"))?;
        serde_json::from_slice(&text).map_err(|source| StateError::Frozen { path: path.to_owned(), source })
    }
}
