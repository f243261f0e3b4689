//! Reading and checking a playbook.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::embedded;
use super::{Playbook, Rights, StepName, StepScript};
use crate::core::duration::parse_duration;
use crate::core::ids::PlaybookName;

/// No script is larger than this: it travels to every host.
const LARGEST_SCRIPT: usize = 256 * 1024;

/// Why a playbook cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("{path}: cannot be read")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The TOML is not a playbook.
    #[error("{path}: {message}")]
    Invalid {
        /// Which file.
        path: String,
        /// What is wrong with it.
        message: String,
    },
}

/// A playbook's file.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "patchctl playbook")]
struct Document {
    schema: u32,
    #[schemars(with = "String")]
    name: PlaybookName,
    description: String,
    #[serde(default = "root")]
    privilege: Rights,
    #[serde(default)]
    kind: Kind,
    lib: Option<String>,
    /// Globs on the names of packages that the way into the host depends on: with `dead_man = "auto"` a host that they
    /// change undoes that by itself unless it is confirmed.
    #[serde(default)]
    way_in: Vec<String>,
    /// Why there is no way back, where there is none: then `rollback` and `compare` may be missing, and a plan must say
    /// what is done instead (`compensate`).
    #[serde(default)]
    irreversible: Option<String>,
    steps: BTreeMap<StepName, StepDocument>,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct StepDocument {
    script: String,
    timeout: String,
}

/// Which keys of `[patch]` the playbook understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// Packages of the host's package manager: `auto` may choose it.
    #[default]
    Packages,
    /// Releases of an application: chosen by name only.
    Release,
}

fn root() -> Rights {
    Rights::Root
}

/// The JSON schema of playbooks.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Document).to_value()
}

/// Reads a playbook's files.
pub(crate) type Reader<'a> = &'a dyn Fn(&str) -> std::io::Result<String>;

/// Reads and checks the playbook in this TOML file.
///
/// # Errors
/// When a file cannot be read, a key is unknown or missing, or a script lies outside the playbook's folder.
pub fn from_path(path: &Path) -> Result<Playbook, LoadError> {
    let shown = path.display().to_string();
    let read = |path: &Path| std::fs::read_to_string(path);
    let text = read(path).map_err(|source| LoadError::Unreadable { path: shown.clone(), source })?;
    let folder: PathBuf = path.parent().unwrap_or(Path::new(".")).to_owned();
    playbook(&shown, &text, &|file| read(&folder.join(file)))
}

pub(crate) fn playbook(path: &str, text: &str, read: Reader<'_>) -> Result<Playbook, LoadError> {
    let invalid = |message: String| LoadError::Invalid { path: path.to_owned(), message };
    let document: Document = toml::from_str(text).map_err(|e| invalid(e.to_string().trim_end().to_owned()))?;
    if document.schema != 1 {
        return Err(invalid(format!("schema = {} is not known; this patchctl reads schema 1", document.schema)));
    }
    let script = |name: &str| script(path, name, read);
    if let Some(bad) = document.way_in.iter().find(|glob| globset::Glob::new(glob).is_err()) {
        return Err(invalid(format!("way_in: {bad:?} is not a glob")));
    }
    let mut library = embedded::file("prelude.sh").unwrap_or_default().to_owned();
    if let Some(lib) = &document.lib {
        library.push('\n');
        library.push_str(&script(lib)?);
    }
    let mut steps = BTreeMap::new();
    for (step, given) in document.steps {
        let timeout = parse_duration(&given.timeout)
            .map_err(|why| invalid(format!("the timeout {:?} of step {} {why}", given.timeout, step.as_str())))?;
        if timeout.is_zero() {
            return Err(invalid(format!("the timeout of step {} must be longer than 0", step.as_str())));
        }
        let text = script(&given.script)?;
        if !text.contains(&format!("step_{}()", step.as_str())) {
            let message = format!("{} does not define step_{}()", given.script, step.as_str());
            return Err(invalid(message));
        }
        steps.insert(step, StepScript { file: given.script, text: text.into(), timeout_s: timeout.as_secs() });
    }
    for step in
        [StepName::Detect, StepName::Resolve, StepName::Apply, StepName::Verify, StepName::Rollback, StepName::Compare]
    {
        let back = matches!(step, StepName::Rollback | StepName::Compare) && document.irreversible.is_some();
        if !steps.contains_key(&step) && !back {
            return Err(invalid(format!("step {} is missing", step.as_str())));
        }
    }
    Ok(Playbook {
        name: document.name,
        description: document.description,
        rights: document.privilege,
        auto: document.kind == Kind::Packages,
        way_in: document.way_in,
        irreversible: document.irreversible,
        library: library.into(),
        steps,
    })
}

fn script(playbook: &str, name: &str, read: Reader<'_>) -> Result<String, LoadError> {
    let invalid = |message: String| LoadError::Invalid { path: playbook.to_owned(), message };
    let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if !inside {
        return Err(invalid(format!("the script {name:?} must lie in the playbook's folder")));
    }
    let text = read(name).map_err(|source| LoadError::Unreadable { path: name.to_owned(), source })?;
    if text.len() > LARGEST_SCRIPT || text.contains('\0') {
        return Err(invalid(format!("the script {name} is no text of at most {LARGEST_SCRIPT} bytes")));
    }
    Ok(text)
}
