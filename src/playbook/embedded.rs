//! The built-in playbooks, carried in the binary.

use super::Playbook;
use super::load::{self, LoadError};

/// The built-in playbooks' names, in the order in which `auto` tries them.
pub const NAMES: &[&str] = &["apt", "release"];

macro_rules! embed {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../playbooks/", $path)))),*]
    };
}

const FILES: &[(&str, &str)] = embed![
    "prelude.sh",
    "probe/probe.sh",
    "probe/btrfs.sh",
    "apt.toml",
    "apt/lib.sh",
    "apt/detect.sh",
    "apt/refresh.sh",
    "apt/inspect.sh",
    "apt/resolve.sh",
    "apt/preflight.sh",
    "apt/forget.sh",
    "apt/compare.sh",
    "apt/rollback.sh",
    "apt/restart.sh",
    "apt/verify.sh",
    "apt/apply.sh",
    "apt/baseline.sh",
    "apt/stash.sh",
    "apt/reboot.sh",
    "release.toml",
    "release/apply.sh",
    "release/baseline.sh",
    "release/compare.sh",
    "release/detect.sh",
    "release/forget.sh",
    "release/inspect.sh",
    "release/lib.sh",
    "release/preflight.sh",
    "release/refresh.sh",
    "release/resolve.sh",
    "release/restart.sh",
    "release/rollback.sh",
    "release/stash.sh",
    "release/verify.sh",
];

/// The text of an embedded file.
pub(super) fn file(path: &str) -> Option<&'static str> {
    FILES.iter().find(|(known, _)| *known == path).map(|(_, text)| *text)
}

/// A built-in playbook by its name; none where there is no such.
///
/// # Errors
/// Never for a released binary: a test loads them all.
pub fn built_in(name: &str) -> Option<Result<Playbook, LoadError>> {
    let name = NAMES.iter().find(|known| **known == name)?;
    let text = file(&format!("{name}.toml"))?;
    Some(load::playbook(&format!("{name}.toml"), text, &|path| match file(path) {
        Some(text) => Ok(text.to_owned()),
        None => Err(std::io::Error::new(std::io::ErrorKind::NotFound, "not embedded")),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::StepName;

    #[test]
    fn every_built_in_loads_whole() {
        for name in NAMES {
            let playbook = built_in(name).expect("listed").expect("valid");
            assert_eq!(playbook.name.as_str(), *name);
            // Whoever is not root there cannot have the host boot.
            let can_boot = playbook.rights == crate::playbook::Rights::Root;
            for step in StepName::ALL.into_iter().filter(|step| can_boot || *step != StepName::Reboot) {
                assert!(playbook.steps.contains_key(&step), "{name} has no step {}", step.as_str());
            }
        }
    }

    #[test]
    fn every_file_beside_them_is_embedded() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks");
        for name in NAMES {
            for entry in std::fs::read_dir(root.join(name)).expect("a folder of scripts") {
                let path = format!("{name}/{}", entry.expect("readable").file_name().to_string_lossy());
                assert!(file(&path).is_some(), "{path} is not embedded");
            }
        }
    }
}
