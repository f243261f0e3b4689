//! known_hosts files, read as OpenSSH reads them: plain, wildcard and hashed names, ports, `@revoked` and
//! `@cert-authority`. A file that is there and cannot be read is an error, never "unknown".

use std::collections::HashMap;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use data_encoding::BASE64;
use russh::keys::PublicKey;

use super::known_line::{Line, Marker};

/// Why known_hosts could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KnownHostsError {
    #[error("cannot read {}", file.display())]
    Read { file: PathBuf, source: std::io::Error },
    #[error("cannot write {}", file.display())]
    Write { file: PathBuf, source: std::io::Error },
    #[error("{}:{line} revokes a key that cannot be read", file.display())]
    BadRevocation { file: PathBuf, line: usize },
    #[error("{0:?} cannot stand in known_hosts")]
    Name(String),
    #[error("there is no known_hosts file to write to")]
    NoFile,
    #[error("the host's key cannot be written")]
    Key,
}

/// Where a line stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file.
    pub(crate) file: PathBuf,
    /// The line, counted from 1.
    pub(crate) line: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// What is known about one host.
#[derive(Debug, Default)]
pub(crate) struct Known {
    keys: Vec<Entry>,
    /// Under the host's other names: good where they match, and no reason to call a key changed.
    also: Vec<Entry>,
    revoked: Vec<Entry>,
    authorities: Vec<Entry>,
}

/// One key of a host.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Its type as the file names it.
    pub(crate) kind: String,
    blob: Vec<u8>,
    /// Where it stands.
    pub(crate) place: Place,
}

/// What known_hosts says about a key.
#[derive(Debug)]
pub(crate) enum Verdict<'a> {
    /// It is the host's.
    Trusted,
    /// Nothing is known about the host.
    Unknown,
    /// Another key is known.
    Changed(&'a Entry),
    /// It must not be used any more.
    Revoked(&'a Place),
}

/// Under which names a host is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    /// As its address and port are written.
    pub(crate) main: String,
    /// The address alone, as certificates name it.
    pub(crate) bare: String,
    /// Names that help only where the main one is unknown: the address without its port, the inventory's name.
    pub(crate) also: Vec<String>,
}

impl Names {
    /// The names of the host at this address and port that the inventory calls `name`.
    pub(crate) fn new(address: &str, port: u16, name: &str) -> Self {
        let with_port = |text: &str| {
            let text = text.to_lowercase();
            if port == 22 { text } else { format!("[{text}]:{port}") }
        };
        let main = with_port(address);
        let bare = address.to_lowercase();
        let mut also = vec![bare.clone(), with_port(name), name.to_lowercase()];
        also.retain(|other| *other != main);
        also.dedup();
        Self { main, bare, also }
    }
}

impl Known {
    /// What is known says about this key.
    pub(crate) fn judge(&self, key: &PublicKey) -> Verdict<'_> {
        let Ok(blob) = key.to_bytes() else { return Verdict::Unknown };
        if let Some(entry) = self.revoked.iter().find(|entry| entry.blob == blob) {
            return Verdict::Revoked(&entry.place);
        }
        if self.keys.iter().chain(&self.also).any(|entry| entry.blob == blob) {
            return Verdict::Trusted;
        }
        let kind = key.algorithm();
        let same_kind = self.keys.iter().find(|entry| entry.kind == kind.as_str());
        same_kind.or(self.keys.first()).map_or(Verdict::Unknown, Verdict::Changed)
    }

    /// The types of the keys that are known.
    pub(crate) fn kinds(&self) -> Vec<&str> {
        self.keys.iter().chain(&self.also).map(|entry| entry.kind.as_str()).collect()
    }

    /// The authorities whose certificates are good for the host: their keys.
    pub(crate) fn authorities(&self) -> impl Iterator<Item = PublicKey> {
        self.authorities.iter().filter_map(|entry| PublicKey::from_bytes(&entry.blob).ok())
    }
}

/// The known_hosts files of this user and machine.
pub(crate) struct KnownHosts {
    files: Vec<PathBuf>,
    read: Mutex<HashMap<PathBuf, Parsed>>,
    adding: Mutex<()>,
}

#[derive(Clone)]
struct Parsed {
    as_of: (Option<SystemTime>, u64),
    lines: Arc<Vec<Line>>,
}

impl KnownHosts {
    /// These files; the first is the one that is added to.
    pub(crate) fn new(files: Vec<PathBuf>) -> Self {
        Self { files, read: Mutex::default(), adding: Mutex::default() }
    }

    /// What is known about the host with these names.
    ///
    /// # Errors
    /// When a file that exists cannot be read, or revokes something for this host that cannot be understood.
    pub(crate) fn of(&self, names: &Names) -> Result<Known, KnownHostsError> {
        let mut known = Known::default();
        self.collect(std::slice::from_ref(&names.main), &mut known)?;
        if known.keys.is_empty() {
            self.collect(&names.also, &mut known)?;
            known.also = std::mem::take(&mut known.keys);
        }
        Ok(known)
    }

    fn collect(&self, names: &[String], known: &mut Known) -> Result<(), KnownHostsError> {
        for file in &self.files {
            for line in self.lines(file)?.iter() {
                if !names.iter().any(|name| line.names.matches(name)) {
                    continue;
                }
                let place = Place { file: file.clone(), line: line.number };
                let Some(blob) = line.blob.clone() else {
                    if line.marker == Marker::Revoked {
                        return Err(KnownHostsError::BadRevocation { file: place.file, line: place.line });
                    }
                    continue;
                };
                let entry = Entry { kind: line.kind.clone(), blob, place };
                match line.marker {
                    Marker::None => known.keys.push(entry),
                    Marker::Revoked => known.revoked.push(entry),
                    Marker::Authority => known.authorities.push(entry),
                }
            }
        }
        Ok(())
    }

    fn lines(&self, file: &Path) -> Result<Arc<Vec<Line>>, KnownHostsError> {
        let fail = |source| KnownHostsError::Read { file: file.to_path_buf(), source };
        let meta = match std::fs::metadata(file) {
            Ok(meta) => meta,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Arc::default()),
            Err(error) => return Err(fail(error)),
        };
        let as_of = (meta.modified().ok(), meta.len());
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(parsed) = read.get(file).filter(|parsed| parsed.as_of == as_of) {
            return Ok(Arc::clone(&parsed.lines));
        }
        let bytes = std::fs::read(file).map_err(fail)?;
        let text = String::from_utf8_lossy(&bytes);
        let lines = Arc::new(text.lines().enumerate().filter_map(|(i, text)| Line::parse(i + 1, text)).collect());
        read.insert(file.to_path_buf(), Parsed { as_of, lines: Arc::clone(&lines) });
        Ok(lines)
    }

    /// Adds a host's key to the first file, which is made where it is absent.
    ///
    /// # Errors
    /// When the name cannot stand there or the file cannot be written.
    pub(crate) fn add(&self, names: &Names, key: &PublicKey) -> Result<PathBuf, KnownHostsError> {
        let file = self.files.first().ok_or(KnownHostsError::NoFile)?;
        let fits = |c: char| c.is_alphanumeric() || "-_.:[]%".contains(c);
        if names.main.is_empty() || !names.main.chars().all(fits) {
            return Err(KnownHostsError::Name(names.main.clone()));
        }
        let blob = key.to_bytes().map_err(|_| KnownHostsError::Key)?;
        let line = format!("{} {} {}\n", names.main, key.algorithm().as_str(), BASE64.encode(&blob));
        let _one_at_a_time = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        append(file, &line).map_err(|source| KnownHostsError::Write { file: file.clone(), source })?;
        Ok(file.clone())
    }
}

/// Appends a line, as one write, after a line end; makes the folder (0700) and the file (0600) where they are absent.
fn append(file: &Path, line: &str) -> std::io::Result<()> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};

    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut open = std::fs::OpenOptions::new();
    let mut file = open.read(true).append(true).create(true).mode(0o600).open(file)?;
    file.lock()?;
    let mut last = [b'\n'];
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    let begin = if last == [b'\n'] { "" } else { "\n" };
    file.write_all(format!("{begin}{line}").as_bytes())?;
    file.sync_data()
}

#[cfg(test)]
#[path = "known_hosts_tests.rs"]
mod tests;
