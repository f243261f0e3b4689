//! Who may use the state folder: its owner alone, or a team through its group.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::io_error;
use crate::ports::state::StateError;

/// Who may use the state folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Its owner.
    Own,
    /// The members of this group, by its number.
    Group(u32),
}

impl Access {
    pub(super) fn file_mode(self) -> u32 {
        if matches!(self, Self::Own) { 0o600 } else { 0o660 }
    }

    fn dir_mode(self) -> u32 {
        if matches!(self, Self::Own) { 0o700 } else { 0o2770 }
    }

    /// Makes a folder in one that is ours already.
    pub(super) fn make_dir(self, path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(self.dir_mode()).create(path)?;
        self.share_at(path, self.dir_mode())
    }

    /// Gives what was just made to the team, whatever the umask took from it.
    pub(super) fn share(self, file: &File) -> io::Result<()> {
        match self {
            Self::Own => Ok(()),
            Self::Group(_) => file.set_permissions(Permissions::from_mode(self.file_mode())),
        }
    }

    fn share_at(self, path: &Path, mode: u32) -> io::Result<()> {
        match self {
            Self::Own => Ok(()),
            Self::Group(group) => {
                std::os::unix::fs::chown(path, None, Some(group))?;
                fs::set_permissions(path, Permissions::from_mode(mode))
            }
        }
    }

    /// Makes the state folder where it is not there, with its folder of runs.
    pub(super) fn prepare(self, root: &Path, runs: &Path) -> Result<(), StateError> {
        self.adopt_if_empty(root);
        let cannot = "cannot be made; name another with --state-dir";
        for path in [root, runs] {
            if path.exists() {
                continue;
            }
            DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io_error(path, cannot))?;
            self.share_at(path, self.dir_mode()).map_err(io_error(path, "cannot be given to the team's group"))?;
        }
        [root, runs].iter().try_for_each(|path| self.check(path))
    }

    /// A folder that somebody made for us with an ordinary umask, and that nothing lies in yet, is closed to others; one
    /// that is in use is theirs to judge.
    fn adopt_if_empty(self, root: &Path) {
        let ours = fs::metadata(root).is_ok_and(|meta| meta.uid() == rustix::process::geteuid().as_raw());
        if ours && fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_none()) {
            // Where this fails, the folder is found wide below.
            let _ = match self {
                Self::Own => fs::set_permissions(root, Permissions::from_mode(0o700)),
                Self::Group(_) => self.share_at(root, self.dir_mode()),
            };
        }
    }

    /// Whether the folder is as it must be.
    pub(super) fn check(self, path: &Path) -> Result<(), StateError> {
        let meta = fs::metadata(path).map_err(io_error(path, "cannot be looked at"))?;
        let wrong = |why| Err(StateError::Unsafe { path: path.to_owned(), why });
        match self {
            Self::Own if meta.uid() != rustix::process::geteuid().as_raw() => {
                wrong("belongs to another user; a state folder must belong to its user alone (chmod 700)")
            }
            Self::Own if meta.mode() & 0o077 != 0 => {
                wrong("others may read or write it; a state folder must belong to its user alone (chmod 700)")
            }
            Self::Group(group) if meta.gid() != group => {
                wrong("does not belong to the group of the configuration (`chgrp`, and `chmod 2770`)")
            }
            Self::Group(_) if meta.mode() & 0o7777 != 0o2770 => {
                wrong("is not as a team's state folder must be: its owner and its group alone (`chmod 2770`)")
            }
            Self::Own | Self::Group(_) => Ok(()),
        }
    }
}
