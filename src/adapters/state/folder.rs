//! One run's folder.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::chain::Chain;
use super::{StateDir, io_error};
use crate::core::chain::{Moment, Seal};
use crate::core::event::Event;
use crate::core::ids::{Digest, RunId};
use crate::core::record::Head;
use crate::core::rollout::Rollout;
use crate::ports::Store;
use crate::ports::state::{Frozen, Loaded, Raw, StateError};

/// What is frozen when a run begins.
const FROZEN: [&str; 3] = ["plan.toml", "settings.json", "playbooks.json"];

/// A run's folder, held by this process alone.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    journal: File,
    run: RunId,
    chain: Chain,
    /// Where the journal stands, where that is not in the site's chain yet.
    unsealed: Option<(Timestamp, Head)>,
    /// Held for as long as this lives; the kernel lets go of it when the process ends, however it ends.
    _lock: File,
}

impl StateDir {
    /// Makes the folder of a new run, with everything that is frozen, and holds it.
    ///
    /// # Errors
    /// When the disk does not take it; nothing of the run is left then.
    pub(super) fn make(
        &self,
        frozen: &Frozen,
        plan: &str,
    ) -> Result<(RunFolder, BTreeMap<String, Digest>), StateError> {
        let run = &frozen.settings.run;
        let path = self.path_of(run);
        // Made aside and moved into place whole: a run exists with everything in it, or not at all.
        let draft = path.with_file_name(format!(".new-{run}"));
        let dir = |path: &Path| {
            let made = fs::DirBuilder::new().mode(0o700).create(path);
            made.map_err(io_error(path, "cannot be made"))
        };
        dir(&draft)?;
        for inner in ["blobs", "inbox"] {
            dir(&draft.join(inner))?;
        }
        let as_json = |source| StateError::Frozen { path: draft.join("settings.json"), source };
        let settings = serde_json::to_vec_pretty(&*frozen.settings).map_err(as_json)?;
        let mut files = BTreeMap::new();
        for (name, bytes) in FROZEN.iter().zip([plan.as_bytes(), &settings, frozen.playbooks.as_bytes()]) {
            write_file(&draft.join(name), bytes)?;
            files.insert((*name).to_owned(), Digest::of(bytes));
        }
        write_file(&draft.join("journal.jsonl"), b"")?;
        write_file(&draft.join("lock"), b"")?;
        sync_dir(&draft)?;
        fs::rename(&draft, &path).map_err(io_error(&path, "cannot be put in place"))?;
        sync_dir(&self.root.join("runs"))?;
        Ok((self.take(run)?, files))
    }

    /// Holds a run: only one process drives it.
    ///
    /// # Errors
    /// `Held` when another process does.
    pub(super) fn take(&self, run: &RunId) -> Result<RunFolder, StateError> {
        let path = self.path_of(run);
        let lock_path = path.join("lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&lock_path)
            .map_err(io_error(&lock_path, "cannot be opened"))?;
        // Whoever only looks whether the run is driven holds the lock for a moment.
        let taken = (0..5).any(|try_number| {
            if try_number > 0 {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            lock.try_lock().is_ok()
        });
        if !taken {
            let by = fs::read_to_string(&lock_path).unwrap_or_default();
            return Err(StateError::Held { run: run.clone(), by: by.trim().to_owned() });
        }
        let machine = rustix::system::uname();
        let who = format!("process {} on {}\n", std::process::id(), machine.nodename().to_string_lossy());
        lock.set_len(0)
            .and_then(|()| lock.write_all(who.as_bytes()))
            .map_err(io_error(&lock_path, "cannot be written"))?;
        let journal_path = path.join("journal.jsonl");
        let journal =
            OpenOptions::new().append(true).open(&journal_path).map_err(io_error(&journal_path, "cannot be opened"))?;
        let (run, chain) = (run.clone(), self.chain.clone());
        Ok(RunFolder { path, journal, run, chain, unsealed: None, _lock: lock })
    }

    /// What was frozen when the run started.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn read_frozen(&self, run: &RunId) -> Result<Frozen, StateError> {
        let path = self.path_of(run);
        Ok(Frozen {
            settings: Arc::new(read_json(&path.join("settings.json"))?),
            playbooks: read_text(&path.join("playbooks.json"))?.into(),
        })
    }

    /// The run as its journal tells it, up to the last whole line.
    ///
    /// # Errors
    /// When the journal was altered, or cannot be read.
    pub(super) fn fold(&self, run: &RunId) -> Result<Loaded, StateError> {
        let frozen = self.read_frozen(run)?;
        let folder = self.path_of(run);
        let path = folder.join("journal.jsonl");
        let file = File::open(&path).map_err(io_error(&path, "cannot be opened"))?;
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
                Event::GateOpened { stage, .. } => _ = opened.insert(*stage, record.prev),
                Event::RunStarted { files, .. } => unaltered(&folder, files)?,
                _ => {}
            }
            rollout
                .apply(&record.event, record.at)
                .map_err(|source| StateError::Misfit { path: path.clone(), source })?;
        }
        rollout.hand_out_again();
        let lock = File::open(folder.join("lock")).map_err(io_error(&folder, "has no lock"))?;
        let driven = lock.try_lock_shared().is_err();
        Ok(Loaded { frozen, rollout, head, torn, driven, opened })
    }

    /// What lies in a run's folder.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn read_raw(&self, run: &RunId) -> Result<Raw, StateError> {
        let folder = self.path_of(run);
        let path = folder.join("journal.jsonl");
        let journal = fs::read(&path).map_err(io_error(&path, "cannot be read"))?;
        let digest = |name: &&str| Some(((*name).to_owned(), Digest::of(&fs::read(folder.join(name)).ok()?)));
        let files = FROZEN.iter().filter_map(digest).collect();
        let path = folder.join("blobs");
        let mut blobs = BTreeMap::new();
        for entry in fs::read_dir(&path).map_err(io_error(&path, "cannot be listed"))?.filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            // What was being written when the process died is nothing yet.
            if !name.ends_with(".new") {
                let whole = fs::read(entry.path()).is_ok_and(|bytes| Digest::of(&bytes).hex() == name);
                blobs.insert(name, whole);
            }
        }
        Ok(Raw { journal, files, blobs })
    }
}

impl RunFolder {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl RunFolder {
    /// A beginning, a pause and an end stand in the site's chain as soon as they are in the journal.
    fn seal_where_due(&mut self, lines: &[String]) -> io::Result<()> {
        #[derive(Deserialize)]
        struct Line<'a> {
            seq: u64,
            at: Timestamp,
            event: &'a str,
        }
        for line in lines {
            let Line { seq, at, event } = serde_json::from_str(line)?;
            let head = Head { next: seq + 1, digest: Digest::of(line.as_bytes()) };
            let moment = match event {
                "run_started" => Some(Moment::Started),
                "paused" => Some(Moment::Paused),
                "finished" => Some(Moment::Finished),
                _ => None,
            };
            self.unsealed = Some((at, head));
            if let Some(moment) = moment {
                self.seal(moment)?;
            }
        }
        Ok(())
    }

    fn seal(&mut self, moment: Moment) -> io::Result<()> {
        let Some((at, head)) = self.unsealed else { return Ok(()) };
        self.chain.seal(at, &Seal { run: self.run.clone(), moment, records: head.next, head: head.digest })?;
        self.unsealed = None;
        Ok(())
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        // Where this fails, the records behind the last seal are reported as unsealed.
        let _ = self.seal(Moment::Released);
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
        self.journal.write_all(text.as_bytes())?;
        self.journal.sync_data()?;
        self.seal_where_due(lines)
    }

    fn put_blob(&mut self, bytes: &[u8]) -> io::Result<Digest> {
        let digest = Digest::of(bytes);
        let path = self.path.join("blobs").join(digest.hex());
        if path.exists() {
            return Ok(digest);
        }
        let draft = path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(&draft, &path)?;
        Ok(digest)
    }

    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        let length = self.journal.metadata()?.len();
        self.journal.set_len(length.saturating_sub(bytes))?;
        self.journal.sync_data()
    }
}

/// Whether the frozen files are those that the journal began with.
fn unaltered(folder: &Path, files: &BTreeMap<String, Digest>) -> Result<(), StateError> {
    for name in FROZEN {
        let path = folder.join(name);
        let Some(digest) = files.get(name) else { continue };
        if Digest::of(&fs::read(&path).map_err(io_error(&path, "cannot be read"))?) != *digest {
            return Err(StateError::Altered { path });
        }
    }
    Ok(())
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(io_error(path, "cannot be written"))
}

fn sync_dir(path: &Path) -> Result<(), StateError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(io_error(path, "cannot be written"))
}

fn read_text(path: &Path) -> Result<String, StateError> {
    fs::read_to_string(path).map_err(io_error(path, "cannot be read"))
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, StateError> {
    let text = fs::read(path).map_err(io_error(path, "cannot be read"))?;
    serde_json::from_slice(&text).map_err(|source| StateError::Frozen { path: path.to_owned(), source })
}
