//! The demo's folder, and the processes that still run in it when it is to go.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use super::DemoError;
use crate::core::ids::HostName;

/// How long a job that still runs may take to come to its own end.
const PATIENCE: Duration = Duration::from_secs(3);
const STEP: Duration = Duration::from_millis(50);

/// A folder that only the present user may enter, removed when dropped.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    pub(super) fn make(parent: Option<&Path>, keep: bool) -> Result<Self, DemoError> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
        // The hosts' processes get to know the folder by its full name, without links.
        let parent = parent.canonicalize().map_err(DemoError::file("find", &parent))?;
        let unique = format!("patchctl-demo-{:016x}", rand::random::<u64>());
        let path = parent.join(unique);
        // Not recursive: a folder that exists already, whoever made it, is an error.
        std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(DemoError::file("make", &path))?;
        let folder = Self { path, keep };
        for part in ["hosts", "releases"] {
            let path = folder.path.join(part);
            std::fs::create_dir(&path).map_err(DemoError::file("make", &path))?;
        }
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn releases(&self) -> PathBuf {
        self.path.join("releases")
    }

    pub(super) fn home(&self, host: &HostName) -> PathBuf {
        self.path.join("hosts").join(host.as_str())
    }

    /// Waits for the hosts' processes, and ends those that do not end.
    pub(super) async fn settle(&self) {
        for _ in 0..PATIENCE.as_millis() / STEP.as_millis() {
            if self.processes().is_empty() {
                return;
            }
            tokio::time::sleep(STEP).await;
        }
        self.end(Signal::TERM);
        tokio::time::sleep(STEP * 4).await;
        self.end(Signal::KILL);
    }

    fn end(&self, signal: Signal) {
        for pid in self.processes() {
            // It may have ended by itself since.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// The processes whose home is one of the demo's hosts: each inherits it from the server, jobs that left their
    /// session too. Where there is no /proc, none are found.
    fn processes(&self) -> Vec<Pid> {
        let mut home = b"HOME=".to_vec();
        home.extend_from_slice(self.path.join("hosts/").as_os_str().as_bytes());
        let Ok(entries) = std::fs::read_dir("/proc") else {
            return Vec::new();
        };
        let is_ours = |entry: &std::fs::DirEntry| {
            let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(&home))
        };
        let number = |entry: &std::fs::DirEntry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw);
        entries.flatten().filter_map(|entry| number(&entry).filter(|_| is_ours(&entry))).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.end(Signal::KILL);
        if self.keep {
            return;
        }
        // A process that was just ended may have made one more file.
        for _ in 0..3 {
            match std::fs::remove_dir_all(&self.path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => std::thread::sleep(STEP),
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_folder_is_private_and_goes_away() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::make(Some(parent.path()), false).unwrap();
        let path = folder.path().to_owned();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        drop(folder);
        assert!(!path.exists());
        let folder = Folder::make(Some(parent.path()), true).unwrap();
        let path = folder.path().to_owned();
        drop(folder);
        assert!(path.exists(), "kept");
    }

    #[tokio::test]
    async fn what_still_runs_on_a_host_is_ended_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::make(Some(parent.path()), false).unwrap();
        let sleep = |home: PathBuf| std::process::Command::new("sleep").arg("60").env("HOME", home).spawn().unwrap();
        let mut ours = sleep(folder.path().join("hosts/uat-01"));
        let mut other = sleep(parent.path().to_owned());
        folder.settle().await;
        assert!(!ours.wait().unwrap().success());
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
