//! Letters between processes: `approve` and `reject` from one terminal reach the process that drives the run from
//! another, and learn what became of them.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use inotify::{EventStream, Inotify, WatchMask};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::access::{Access, Team, plain};
use crate::core::ids::RunId;
use crate::ports::{Inbox, Letter, Reply, Wish};

/// Where the kernel cannot tell us about new files, we look this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// No letter is larger.
const LARGEST_LETTER: u64 = 64 * 1024;

/// A letter as it is written: what is asked for, and what keeps it from being asked for again, or elsewhere.
#[derive(Debug, Serialize, Deserialize)]
struct Written<W> {
    run: RunId,
    /// The file's name.
    id: String,
    /// Until when somebody waits for an answer, in a team's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    wish: W,
}

/// The inbox of a run's folder.
pub struct FolderInbox {
    folder: PathBuf,
    run: RunId,
    access: Access,
    events: Option<EventStream<[u8; 1024]>>,
    /// Letters of a team's that were taken.
    taken: HashSet<String>,
}

impl FolderInbox {
    /// Watches the inbox of a run's folder.
    pub(super) fn watch(run_folder: &Path, run: &RunId, access: Access) -> Self {
        let folder = run_folder.join("inbox");
        let events = watch(&folder, &access).ok();
        Self { folder, run: run.clone(), access, events, taken: HashSet::new() }
    }

    fn waiting(&mut self) -> Option<Letter> {
        let names = self.access.names(&self.folder).ok()?;
        let mut names: Vec<String> = names
            .into_iter()
            .filter_map(|name| name.into_string().ok())
            .filter(|name| name.ends_with(".json") && !name.ends_with(".reply.json") && !name.starts_with('.'))
            .collect();
        names.sort();
        for name in names {
            let path = self.folder.join(&name);
            let id = name.trim_end_matches(".json").to_owned();
            let read = self.read_letter(&path, &id);
            // Taken, whatever it says: a letter that cannot be read is not read again and again.
            if self.access.remove(&path).is_err() {
                continue;
            }
            match read {
                Ok(wish) => {
                    if self.access.team().is_some() {
                        self.taken.insert(id.clone());
                    }
                    return Some(Letter { id, wish });
                }
                Err(why) => self.answer(&id, &Reply::Refused(why)),
            }
        }
        None
    }

    /// What a letter asks for; or why it counts for nothing: it cannot be read, or is not from whom it says.
    fn read_letter(&self, path: &Path, id: &str) -> Result<Wish, String> {
        let cannot = |error: std::io::Error| format!("the letter cannot be read: {error}");
        let at = self.access.at(path).map_err(cannot)?;
        let file = plain(OpenOptions::new().read(true), at.path()).map_err(cannot)?;
        let meta = file.metadata().map_err(cannot)?;
        let mut text = Vec::new();
        file.take(LARGEST_LETTER + 1).read_to_end(&mut text).map_err(cannot)?;
        if text.len() as u64 > LARGEST_LETTER {
            return Err(format!("the letter cannot be read: it is larger than {} KiB", LARGEST_LETTER >> 10));
        }
        let letter: Written<Wish> = serde_json::from_slice(&text).map_err(|error| cannot(error.into()))?;
        match self.access.team() {
            Some(team) => self.is_genuine(team, &meta, id, &letter).map(|()| letter.wish),
            None => Ok(letter.wish),
        }
    }

    /// In a team's folder anybody may put anything anywhere.
    fn is_genuine(
        &self,
        team: &Team,
        meta: &std::fs::Metadata,
        id: &str,
        letter: &Written<Wish>,
    ) -> Result<(), String> {
        if meta.mode() & 0o022 != 0 || meta.nlink() != 1 {
            return Err("others than its writer may have written the letter".into());
        }
        let late = letter.until.is_none_or(|until| until < (team.now)());
        if letter.run != self.run || letter.id != id || self.taken.contains(id) || late {
            return Err("the letter was written for another run, or at another time".into());
        }
        let (owner, said) = ((team.name_of)(meta.uid()), &letter.wish.by().name);
        // Through `sudo` anybody's name comes with a file of root's, and root may be anybody.
        if meta.uid() == 0 || *said == owner {
            return Ok(());
        }
        Err(format!(
            "the letter says that it is from {said}, and is from {owner}; through `su`, or `sudo` to another user than root, \
             nobody decides here"
        ))
    }
}

fn watch(folder: &Path, access: &Access) -> std::io::Result<EventStream<[u8; 1024]>> {
    let inotify = Inotify::init()?;
    inotify.watches().add(access.folder_at(folder)?.path(), WatchMask::MOVED_TO)?;
    inotify.into_event_stream([0; 1024])
}

async fn changed(events: &mut Option<EventStream<[u8; 1024]>>) {
    match events {
        Some(stream) => {
            let _ = tokio::time::timeout(LOOK_EVERY * 30, stream.next()).await;
        }
        None => tokio::time::sleep(LOOK_EVERY).await,
    }
}

#[async_trait]
impl Inbox for FolderInbox {
    async fn next(&mut self) -> Letter {
        loop {
            if let Some(letter) = self.waiting() {
                return letter;
            }
            changed(&mut self.events).await;
        }
    }

    fn answer(&mut self, id: &str, reply: &Reply) {
        // Whoever asked may be gone; the journal has the decision either way.
        let _ = post(&self.folder, &format!("{id}.reply"), reply, &self.access);
    }
}

/// No letters: where no run is on the disk.
pub struct NoInbox;

#[async_trait]
impl Inbox for NoInbox {
    async fn next(&mut self) -> Letter {
        std::future::pending().await
    }

    fn answer(&mut self, _: &str, _: &Reply) {}
}

/// Sends a letter to the process that drives the run, and waits for what becomes of it. None: nobody took it in time,
/// and it was taken back.
///
/// # Errors
/// When the disk does not take the letter.
pub(super) async fn send(
    run_folder: &Path,
    run: &RunId,
    wish: &Wish,
    patience: Duration,
    access: &Access,
) -> std::io::Result<Option<Reply>> {
    let folder = run_folder.join("inbox");
    let id = ulid::Ulid::generate().to_string();
    let mut events = watch(&folder, access).ok();
    let waits = SignedDuration::try_from(patience).unwrap_or(SignedDuration::MAX);
    let until = access.team().map(|team| (team.now)().saturating_add(waits).unwrap_or(Timestamp::MAX));
    post(&folder, &id, &Written { run: run.clone(), id: id.clone(), until, wish }, access)?;
    let reply_path = folder.join(format!("{id}.reply.json"));
    let wait = async {
        loop {
            if let Ok(text) = access.read(&reply_path) {
                let _ = access.remove(&reply_path);
                return serde_json::from_slice(&text).map_err(std::io::Error::other);
            }
            changed(&mut events).await;
        }
    };
    match tokio::time::timeout(patience, wait).await {
        Ok(reply) => reply.map(Some),
        // Gone already: it was taken at the last moment, and its answer is on its way.
        Err(_) if access.remove(&folder.join(format!("{id}.json"))).is_ok() => Ok(None),
        Err(_) => Ok(access.read(&reply_path).ok().and_then(|text| serde_json::from_slice(&text).ok())),
    }
}

fn post(folder: &Path, id: &str, content: &impl Serialize, access: &Access) -> std::io::Result<()> {
    let draft = folder.join(format!(".{id}.new"));
    let mut file = access.create_own(&draft)?;
    file.write_all(&serde_json::to_vec(content)?)?;
    file.sync_all()?;
    access.rename(&draft, &folder.join(format!("{id}.json")))
}
