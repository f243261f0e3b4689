//! Whose the state folder is: its user's alone.

use std::fs::{Metadata, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::bench::{Bench, text};

/// Everything below the folder, and the folder.
pub(super) fn everything(folder: &Path, see: &mut impl FnMut(&Path, &Metadata)) {
    see(folder, &std::fs::metadata(folder).unwrap());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let meta = std::fs::symlink_metadata(&path).unwrap();
        if meta.is_dir() { everything(&path, see) } else { see(&path, &meta) }
    }
}

#[test]
fn what_runs_leave_is_their_users_alone() {
    let bench = Bench::start();
    let mut command = std::process::Command::new("sh");
    // Whatever the umask.
    command.args(["-c", "umask 0; exec \"$0\" \"$@\""]).arg(env!("CARGO_BIN_EXE_patchctl"));
    let args = ["run", "second.toml", "--yes", "--approve", "all", "--reason", "fine"];
    let status = command.args(args).current_dir(bench.path("")).env("HOME", bench.path("")).env_remove("SSH_AUTH_SOCK");
    let output = status.env("PATCHCTL_STATE_DIR", bench.path("state")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let (mut files, mut folders) = (0, 0);
    everything(&bench.path("state"), &mut |path, meta| {
        let (wanted, count) = if meta.is_dir() { (0o700, &mut folders) } else { (0o600, &mut files) };
        assert_eq!(meta.mode() & 0o7777, wanted, "{}", path.display());
        *count += 1;
    });
    assert!(files >= 7 && folders >= 5, "{files} files, {folders} folders");
}

#[test]
fn a_state_folder_that_others_may_use_is_refused() {
    let bench = Bench::start();
    let state = bench.path("state");
    let said = |why: &str, at: &Path| {
        // Whatever the command, nothing is read there and nothing is written.
        for args in [&["runs"][..], &["audit", "verify"], &["run", "second.toml", "--yes"]] {
            let document = bench.json(2, args);
            let message = text(&document["errors"][0]["message"]);
            assert!(message.starts_with(&format!("{}: {why}", at.display())), "{args:?}: {message}");
            assert!(message.contains("chmod 700"), "{message}");
        }
        assert_eq!(std::fs::read_dir(state.join("runs")).unwrap().count(), 0);
    };
    bench.json(0, &["runs"]);
    for folder in [state.clone(), state.join("runs")] {
        for mode in [0o750, 0o701, 0o770] {
            std::fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
            said("others may read or write it", &folder);
        }
        std::fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: a foreign owner: only root can give a folder away");
        return;
    }
    for folder in [state.join("runs"), state.clone()] {
        std::os::unix::fs::chown(&folder, Some(65534), None).unwrap();
        said("belongs to another user", &folder);
        std::os::unix::fs::chown(&folder, Some(0), None).unwrap();
    }
    bench.json(0, &["runs"]);
}
