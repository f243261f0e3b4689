//! Letters between processes: `approve` and `reject` from one terminal reach the process that drives the run from
//! another, and learn what became of them.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use inotify::{EventStream, Inotify, WatchMask};

use super::access::{Access, plain, read};
use crate::ports::{Inbox, Letter, Reply, Wish};

/// Where the kernel cannot tell us about new files, we look this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// No letter is larger.
const LARGEST_LETTER: u64 = 64 * 1024;

/// The inbox of a run's folder.
pub struct FolderInbox {
    folder: PathBuf,
    access: Access,
    events: Option<EventStream<[u8; 1024]>>,
}

/// What became of a file that looks like a letter.
enum Found {
    Letter(Letter),
    /// It counts for nothing; whoever waits for an answer is told why.
    Refused {
        id: String,
        why: String,
    },
}

impl FolderInbox {
    /// Watches the inbox of a run's folder.
    pub(super) fn watch(run_folder: &Path, access: Access) -> Self {
        let folder = run_folder.join("inbox");
        let events = watch(&folder, WatchMask::MOVED_TO).ok();
        Self { folder, access, events }
    }

    fn waiting(&self) -> Option<Letter> {
        let entries = fs::read_dir(&self.folder).ok()?;
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.ends_with(".json") && !name.ends_with(".reply.json") && !name.starts_with('.'))
            .collect();
        names.sort();
        names.iter().find_map(|name| {
            let path = self.folder.join(name);
            let id = name.trim_end_matches(".json").to_owned();
            let found = match read_letter(&path, self.access) {
                Ok(wish) => Found::Letter(Letter { id, wish }),
                Err(why) => Found::Refused { id, why },
            };
            // Taken, whatever it says: a letter that cannot be read is not read again and again.
            fs::remove_file(&path).ok()?;
            match found {
                Found::Letter(letter) => Some(letter),
                Found::Refused { id, why } => {
                    let _ = post(&self.folder, &format!("{id}.reply"), &Reply::Refused(why), self.access);
                    None
                }
            }
        })
    }
}

/// What a letter asks for; or why it counts for nothing: it cannot be read, or is not from whom it says.
fn read_letter(path: &Path, access: Access) -> Result<Wish, String> {
    let cannot = |why: String| format!("the letter cannot be read: {why}");
    let file = plain(OpenOptions::new().read(true), path).map_err(|error| cannot(error.to_string()))?;
    let meta = file.metadata().map_err(|error| cannot(error.to_string()))?;
    let mut text = Vec::new();
    file.take(LARGEST_LETTER + 1).read_to_end(&mut text).map_err(|error| cannot(error.to_string()))?;
    if text.len() as u64 > LARGEST_LETTER {
        return Err(cannot(format!("it is larger than {} KiB", LARGEST_LETTER >> 10)));
    }
    let wish: Wish = serde_json::from_slice(&text).map_err(|error| cannot(error.to_string()))?;
    let is_theirs_alone = meta.mode() & 0o022 == 0 && meta.nlink() == 1;
    match access {
        Access::Own => Ok(wish),
        Access::Group(_) if !is_theirs_alone => Err("others than its writer may have written the letter".into()),
        // Through `sudo` anybody's name comes with a file of root's, and root may be anybody.
        Access::Group(_) if meta.uid() == 0 => Ok(wish),
        Access::Group(team) => {
            let (owner, said) = ((team.name_of)(meta.uid()), &wish.by().name);
            if *said == owner {
                Ok(wish)
            } else {
                Err(format!("the letter says that it is from {said}, and is from {owner}"))
            }
        }
    }
}

fn watch(folder: &Path, mask: WatchMask) -> std::io::Result<EventStream<[u8; 1024]>> {
    let inotify = Inotify::init()?;
    inotify.watches().add(folder, mask)?;
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
        let _ = post(&self.folder, &format!("{id}.reply"), reply, self.access);
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
    wish: &Wish,
    patience: Duration,
    access: Access,
) -> std::io::Result<Option<Reply>> {
    let folder = run_folder.join("inbox");
    let id = ulid::Ulid::generate().to_string();
    let mut events = watch(&folder, WatchMask::MOVED_TO).ok();
    post(&folder, &id, wish, access)?;
    let reply_path = folder.join(format!("{id}.reply.json"));
    let wait = async {
        loop {
            if let Ok(text) = read(&reply_path) {
                let _ = fs::remove_file(&reply_path);
                return serde_json::from_slice(&text).map_err(std::io::Error::other);
            }
            changed(&mut events).await;
        }
    };
    match tokio::time::timeout(patience, wait).await {
        Ok(reply) => reply.map(Some),
        // Gone already: it was taken at the last moment, and its answer is on its way.
        Err(_) if fs::remove_file(folder.join(format!("{id}.json"))).is_ok() => Ok(None),
        Err(_) => Ok(read(&reply_path).ok().and_then(|text| serde_json::from_slice(&text).ok())),
    }
}

fn post(folder: &Path, id: &str, content: &impl serde::Serialize, access: Access) -> std::io::Result<()> {
    let draft = folder.join(format!(".{id}.new"));
    let mut file = access.create_own(&draft)?;
    file.write_all(&serde_json::to_vec(content)?)?;
    file.sync_all()?;
    fs::rename(&draft, folder.join(format!("{id}.json")))
}
