//! The folder of an export while it is made: beside its place and under another name, so that half of one never looks whole.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::commands::CommandError;
use crate::core::ids::{Digest, Hasher};

/// A folder that is being filled.
pub(super) struct Draft {
    path: PathBuf,
    target: PathBuf,
    /// Its files, by their names in it.
    pub(super) sums: BTreeMap<String, Digest>,
    done: bool,
}

impl Draft {
    /// Begins a folder that will be at `target`.
    pub(super) fn begin(target: &Path) -> Result<Self, CommandError> {
        let refuse = |why: &str| {
            CommandError::invalid(format!("-o {}: {why}", target.display()), "name a folder that is not there yet")
        };
        let name = target.file_name().ok_or_else(|| refuse("it has no name of its own"))?;
        match fs::symlink_metadata(target) {
            Ok(meta) if !meta.is_dir() => return Err(refuse("something else is there")),
            Ok(_) if fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_none()) => {}
            Ok(_) => return Err(refuse("it is there, and not empty")),
            Err(_) => {}
        }
        let draft = format!(".{}.new-{}", name.to_string_lossy(), std::process::id());
        let path = target.with_file_name(draft);
        DirBuilder::new().mode(0o700).create(&path).map_err(|error| refuse(&format!("cannot be made: {error}")))?;
        Ok(Self { path, target: target.to_owned(), sums: BTreeMap::new(), done: false })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file.
    pub(super) fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), CommandError> {
        self.copy(name, |to| Ok(to.write_all(bytes)?))
    }

    /// Writes a file, bit by bit.
    pub(super) fn copy(
        &mut self,
        name: &str,
        fill: impl FnOnce(&mut dyn Write) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let path = self.path.join(name);
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(named)?;
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(named)?;
        let mut to = Summing { file: BufWriter::new(file), sum: Hasher::default() };
        fill(&mut to)?;
        let Summing { file, sum } = to;
        let file = file.into_inner().map_err(|error| named(error.into_error()))?;
        file.sync_data().map_err(named)?;
        self.sums.insert(name.to_owned(), sum.end());
        Ok(())
    }

    /// Puts it in its place, whole.
    pub(super) fn put(mut self) -> Result<(), CommandError> {
        fs::rename(&self.path, &self.target).map_err(|error| {
            let message = format!("-o {}: cannot be put in place: {error}", self.target.display());
            CommandError::invalid(message, "name a folder that is not there yet")
        })?;
        self.done = true;
        // The name is as much a part of it as the files.
        let parent = self.target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(File::open(parent)?.sync_all()?)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.done {
            // What cannot be removed either is left under a name that says what it is.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Sums up what goes through it.
struct Summing {
    file: BufWriter<File>,
    sum: Hasher,
}

impl Write for Summing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.sum.take(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
