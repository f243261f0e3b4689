//! Which runs have used a pre-approval: a folder for each signed file, named by its digest, with an empty file for each
//! run. A use is there or it is not, whatever dies in between.

use std::io;
use std::path::{Path, PathBuf};

use super::access::Access;
use super::io_error;
use crate::core::ids::RunId;
use crate::ports::state::{StateError, Use, Used, Uses};

/// The name of the lock in a file's folder; no run is called so.
const LOCK: &str = "lock";

/// Uses, counted in the state folder.
#[derive(Debug)]
pub(super) struct CountedUses {
    pub(super) folder: PathBuf,
    pub(super) access: Access,
}

impl Uses for CountedUses {
    fn take(&self, wanted: &Use<'_>) -> Result<Used, StateError> {
        let folder = self.folder.join(wanted.file.hex());
        self.counted(&folder, wanted).map_err(io_error(&folder, "the use of a pre-approval cannot be counted there"))
    }
}

impl CountedUses {
    fn counted(&self, folder: &Path, wanted: &Use<'_>) -> io::Result<Used> {
        for path in [&self.folder, folder] {
            match self.access.make_dir(path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            // Its name is on the disk before what it holds.
            self.access.sync(path.parent().unwrap_or(path))?;
        }
        // One run at a time: else two could take the last use.
        let lock = self.access.open_or_create(&folder.join(LOCK))?;
        lock.lock()?;
        let names = self.access.names(folder)?;
        let mut runs: Vec<RunId> =
            names.into_iter().filter_map(|name| RunId::new(name.to_string_lossy().into_owned()).ok()).collect();
        if !runs.contains(wanted.run) {
            if wanted.allowed.is_some_and(|allowed| runs.len() >= allowed as usize) {
                runs.sort();
                return Ok(Used::Spent { runs });
            }
            self.access.open_or_create(&folder.join(wanted.run.as_str()))?.sync_all()?;
        }
        // Also where it was there: who wrote it may have died before it was on the disk.
        self.access.sync(folder)?;
        Ok(Used::Counted)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::core::ids::Digest;

    fn run(n: u32) -> RunId {
        RunId::new(format!("01JD00000000000000000000{n:02}")).unwrap()
    }

    fn take(uses: &CountedUses, file: &[u8], run: &RunId, allowed: Option<u32>) -> Used {
        uses.take(&Use { file: Digest::of(file), run, allowed }).unwrap()
    }

    #[test]
    fn a_run_counts_once_and_the_last_use_is_the_last() {
        let folder = tempfile::tempdir().unwrap();
        let uses = CountedUses { folder: folder.path().join("preapprovals"), access: Access::new(folder.path(), None) };
        for n in [1, 1, 2, 1] {
            assert_eq!(take(&uses, b"a", &run(n), Some(2)), Used::Counted, "{n}");
        }
        let spent = Used::Spent { runs: vec![run(1), run(2)] };
        assert_eq!(take(&uses, b"a", &run(3), Some(2)), spent);
        assert_eq!(take(&uses, b"a", &run(2), Some(2)), Used::Counted, "it has its use already");
        assert_eq!(take(&uses, b"b", &run(3), Some(1)), Used::Counted, "another file");
        assert_eq!(take(&uses, b"a", &run(3), None), Used::Counted);
    }

    #[test]
    fn only_so_many_of_many_at_once_get_a_use() {
        let folder = tempfile::tempdir().unwrap();
        let uses = CountedUses { folder: folder.path().join("preapprovals"), access: Access::new(folder.path(), None) };
        let counted = std::thread::scope(|scope| {
            let uses = &uses;
            let tries: Vec<_> = (0..16).map(|n| scope.spawn(move || take(uses, b"a", &run(n), Some(3)))).collect();
            tries.into_iter().map(|all| all.join().unwrap()).filter(|used| *used == Used::Counted).count()
        });
        assert_eq!(counted, 3);
    }

    #[test]
    fn where_it_cannot_be_counted_it_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("preapprovals"), "in the way").unwrap();
        let uses = CountedUses { folder: folder.path().join("preapprovals"), access: Access::new(folder.path(), None) };
        let error = uses.take(&Use { file: Digest::of(b"a"), run: &run(1), allowed: None }).unwrap_err();
        assert!(error.to_string().ends_with("the use of a pre-approval cannot be counted there"), "{error}");
    }
}
