//! Who may use the state folder: its owner alone, or a team through its group.
//!
//! In a team's folder every member may write everything, so nothing in it is taken for what its name says before that was
//! looked at: no link is followed, neither in a file's place nor in a folder's; no pipe is waited for; and what was made is
//! shared through the open file.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::io_error;
use crate::ports::state::StateError;

/// The people who share a state folder.
#[derive(Debug, Clone, Copy)]
pub struct Team {
    /// Their group, by its number.
    pub group: u32,
    /// Whether a user is in a group, both by their numbers.
    pub is_in_group: fn(u32, u32) -> bool,
    /// A user's name, by the number.
    pub name_of: fn(u32) -> String,
    /// The time.
    pub now: fn() -> Timestamp,
}

/// Who may use the state folder: its owner alone, or a team.
#[derive(Debug, Clone)]
pub(super) struct Access {
    root: PathBuf,
    team: Option<Team>,
}

/// A file or folder, to be used by this path while this lives.
pub(super) struct At {
    path: PathBuf,
    _folder: Option<OwnedFd>,
}

impl At {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Access {
    pub(super) fn new(root: &Path, team: Option<Team>) -> Self {
        Self { root: root.to_owned(), team }
    }

    pub(super) fn team(&self) -> Option<&Team> {
        self.team.as_ref()
    }

    fn file_mode(&self) -> u32 {
        if self.team.is_none() { 0o600 } else { 0o660 }
    }

    fn dir_mode(&self) -> u32 {
        if self.team.is_none() { 0o700 } else { 0o2770 }
    }

    /// What lies there, reached through no link below the state folder. Of a folder that belongs to its user alone, the path
    /// is as good as it is.
    pub(super) fn at(&self, path: &Path) -> io::Result<At> {
        let below = path.strip_prefix(&self.root).ok().filter(|_| self.team.is_some());
        let Some((name, folders)) = below.and_then(|below| below.file_name().zip(below.parent())) else {
            return Ok(At { path: path.to_owned(), _folder: None });
        };
        let folder = self.walk(folders)?;
        Ok(At { path: by_number(&folder).join(name), _folder: Some(folder) })
    }

    /// A folder there, reached so.
    pub(super) fn folder_at(&self, path: &Path) -> io::Result<At> {
        let Some(below) = path.strip_prefix(&self.root).ok().filter(|_| self.team.is_some()) else {
            return Ok(At { path: path.to_owned(), _folder: None });
        };
        let folder = self.walk(below)?;
        Ok(At { path: by_number(&folder), _folder: Some(folder) })
    }

    fn walk(&self, below: &Path) -> io::Result<OwnedFd> {
        let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut folder = rustix::fs::open(&self.root, how, Mode::empty())?;
        for name in below.components() {
            let next = rustix::fs::openat(&folder, name.as_os_str(), how | OFlags::NOFOLLOW, Mode::empty());
            folder = next.map_err(|error| match error {
                Errno::LOOP | Errno::NOTDIR => io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("{} is a link, and no folder of patchctl's", name.as_os_str().display()),
                ),
                other => other.into(),
            })?;
        }
        Ok(folder)
    }

    /// Makes a folder in one that is ours already.
    pub(super) fn make_dir(&self, path: &Path) -> io::Result<()> {
        let at = self.at(path)?;
        DirBuilder::new().mode(0o700).create(at.path())?;
        self.share_dir(at.path())
    }

    /// A new file in a folder that is ours already.
    pub(super) fn create(&self, path: &Path) -> io::Result<File> {
        self.create_as(path, self.file_mode())
    }

    /// A new file that others of the team may read, and only we may write.
    pub(super) fn create_own(&self, path: &Path) -> io::Result<File> {
        self.create_as(path, if self.team.is_none() { 0o600 } else { 0o640 })
    }

    fn create_as(&self, path: &Path, mode: u32) -> io::Result<File> {
        let at = self.at(path)?;
        let file = OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(at.path())?;
        self.share(&file, mode)?;
        Ok(file)
    }

    /// A file that is there, to be read and appended to.
    pub(super) fn open(&self, path: &Path) -> io::Result<File> {
        plain(OpenOptions::new().read(true).append(true), self.at(path)?.path())
    }

    /// A file that is there, to be read.
    pub(super) fn open_to_read(&self, path: &Path) -> io::Result<File> {
        plain(OpenOptions::new().read(true), self.at(path)?.path())
    }

    /// All of a file.
    pub(super) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open_to_read(path)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// A file that is made where it is not there.
    pub(super) fn open_or_create(&self, path: &Path) -> io::Result<File> {
        match self.create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.open(path),
            made => made,
        }
    }

    /// Gives a file another name.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(self.at(from)?.path(), self.at(to)?.path())
    }

    /// Takes a file away.
    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(self.at(path)?.path())
    }

    /// The names of what lies in a folder.
    pub(super) fn names(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let at = self.folder_at(path)?;
        fs::read_dir(at.path())?.map(|entry| entry.map(|entry| entry.file_name())).collect()
    }

    /// The folder's entries are on the disk when this returns.
    pub(super) fn sync(&self, path: &Path) -> io::Result<()> {
        File::open(self.folder_at(path)?.path())?.sync_all()
    }

    /// Gives what was just made to the team, whatever the umask and the folder made of it.
    fn share(&self, file: &File, mode: u32) -> io::Result<()> {
        if let Some(Team { group, .. }) = &self.team {
            if file.metadata()?.gid() != *group {
                fchown(file, None, Some(*group))?;
            }
            file.set_permissions(Permissions::from_mode(mode))?;
        }
        Ok(())
    }

    fn share_dir(&self, path: &Path) -> io::Result<()> {
        let folder = OpenOptions::new().read(true).custom_flags(flags(OFlags::DIRECTORY)).open(path)?;
        self.share(&folder, self.dir_mode())
    }

    /// Makes the state folder where it is not there, with its folder of runs.
    pub(super) fn prepare(&self, root: &Path, runs: &Path) -> Result<(), StateError> {
        self.adopt_if_empty(root);
        let cannot = "cannot be made; name another with --state-dir";
        if let Some(above) = root.parent().filter(|_| !root.exists()) {
            DirBuilder::new().recursive(true).mode(0o700).create(above).map_err(io_error(above, cannot))?;
        }
        for path in [root, runs] {
            match self.make_dir(path) {
                Err(error)
                    if error.kind() == io::ErrorKind::PermissionDenied && self.team.is_some() && root.exists() =>
                {
                    let why = "is not for this user, who is not in the group of the configuration";
                    return Err(StateError::Unsafe { path: root.to_owned(), why });
                }
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists && !path.exists() => {
                    return Err(io_error(path, cannot)(error));
                }
                _ => {}
            }
        }
        let meta = fs::metadata(root).map_err(io_error(root, "cannot be looked at"))?;
        self.check(root, &meta)?;
        self.check_owner(root, &meta)?;
        // One user may have put it on another disk.
        let look = if self.team.is_none() { fs::metadata(runs) } else { fs::symlink_metadata(runs) };
        self.check(runs, &look.map_err(io_error(runs, "cannot be looked at"))?)
    }

    /// A folder that somebody made for us with an ordinary umask, and that nothing lies in yet, is closed to others; one
    /// that is in use is theirs to judge.
    fn adopt_if_empty(&self, root: &Path) {
        let ours = fs::metadata(root).is_ok_and(|meta| meta.uid() == rustix::process::geteuid().as_raw());
        if ours && fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_none()) {
            // Where this fails, the folder is found wide below.
            let _ = match &self.team {
                None => fs::set_permissions(root, Permissions::from_mode(0o700)),
                Some(Team { group, .. }) => std::os::unix::fs::chown(root, None, Some(*group))
                    .and_then(|()| fs::set_permissions(root, Permissions::from_mode(self.dir_mode()))),
            };
        }
    }

    /// Whether the folder is as it must be.
    fn check(&self, path: &Path, meta: &fs::Metadata) -> Result<(), StateError> {
        let wrong = |why| Err(StateError::Unsafe { path: path.to_owned(), why });
        let us = rustix::process::geteuid().as_raw();
        let (owner, mode) = (meta.uid(), meta.mode() & 0o7777);
        match &self.team {
            _ if !meta.is_dir() => wrong("is no folder"),
            None if owner != us => {
                wrong("belongs to another user; a state folder must belong to its user alone (chmod 700)")
            }
            None if mode & 0o077 != 0 => {
                wrong("others may read or write it; a state folder must belong to its user alone (chmod 700)")
            }
            Some(team) if meta.gid() != team.group => {
                wrong("does not belong to the group of the configuration (`chgrp`, and `chmod 2770`)")
            }
            Some(_) if mode != 0o2770 => {
                wrong("is not as a team's state folder must be: its owner and its group alone (`chmod 2770`)")
            }
            _ => Ok(()),
        }
    }

    /// Whether it is somebody's of the team: whoever owns a folder can open it to anybody. What lies in it only they made.
    fn check_owner(&self, path: &Path, meta: &fs::Metadata) -> Result<(), StateError> {
        let Some(team) = &self.team else { return Ok(()) };
        let owner = meta.uid();
        if [0, rustix::process::geteuid().as_raw()].contains(&owner) || (team.is_in_group)(owner, team.group) {
            return Ok(());
        }
        let why = "belongs to a user who is not in the group of the configuration (`chown` it to root)";
        Err(StateError::Unsafe { path: path.to_owned(), why })
    }
}

/// The way to an open folder that nobody can turn.
fn by_number(folder: &OwnedFd) -> PathBuf {
    Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string())
}

/// No link is followed, and nobody is waited for.
fn flags(more: OFlags) -> i32 {
    // Flags of `open` are a C `int`.
    (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | more).bits().cast_signed()
}

/// Opens what must be a plain file.
pub(super) fn plain(how: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let file = how.custom_flags(flags(OFlags::empty())).open(path).map_err(|error| {
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::LOOP) => io::Error::new(error.kind(), "it is a link, and no file of patchctl's"),
            _ => error,
        }
    })?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file"));
    }
    Ok(file)
}
