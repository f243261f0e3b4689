//! Where things are kept.

use std::path::{Path, PathBuf};

use super::Global;

/// The folder that runs are kept in: `--state-dir` or `PATCHCTL_STATE_DIR`, else `/var/lib/patchctl` for root, else
/// `$XDG_STATE_HOME/patchctl`, else `~/.local/state/patchctl`. None where there is not even a home folder.
pub fn state_dir(global: &Global) -> Option<PathBuf> {
    // A variable that is set to nothing is not set.
    if let Some(given) = global.state_dir.as_ref().filter(|given| !given.as_os_str().is_empty()) {
        return Some(given.clone());
    }
    let xdg = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    default_state_dir(rustix::process::geteuid().is_root(), xdg.as_deref(), std::env::home_dir().as_deref())
}

fn default_state_dir(root: bool, xdg: Option<&Path>, home: Option<&Path>) -> Option<PathBuf> {
    if root {
        return Some(PathBuf::from("/var/lib/patchctl"));
    }
    // The XDG specification has relative paths ignored.
    match xdg.filter(|path| path.is_absolute()) {
        Some(state) => Some(state.join("patchctl")),
        None => home.map(|home| home.join(".local/state/patchctl")),
    }
}

/// The configuration files, the weaker first, and whether they must be there.
pub(super) fn config_files(given: Option<&Path>) -> (Vec<PathBuf>, bool) {
    if let Some(file) = given {
        return (vec![file.to_owned()], true);
    }
    let xdg = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let own = xdg.or_else(|| std::env::home_dir().map(|home| home.join(".config")));
    let mut files = vec![PathBuf::from("/etc/patchctl/config.toml")];
    files.extend(own.map(|folder| folder.join("patchctl/config.toml")));
    (files, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_folder() {
        let dir = |root, xdg: Option<&str>| {
            default_state_dir(root, xdg.map(Path::new), Some(Path::new("/home/ana"))).unwrap().display().to_string()
        };
        assert_eq!(dir(true, Some("/x")), "/var/lib/patchctl");
        assert_eq!(dir(false, Some("/x")), "/x/patchctl");
        assert_eq!(dir(false, Some("x")), "/home/ana/.local/state/patchctl");
        assert_eq!(dir(false, None), "/home/ana/.local/state/patchctl");
        assert_eq!(default_state_dir(false, None, None), None);
    }
}
