//! Where URLs and keys come from.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::adapters::secret_command::{first_line, line_of};
use crate::core::notify::SecretSource;
use crate::ports::{Secret, SendError};

/// Secrets, each got once.
pub(super) struct Known {
    hidden: Vec<String>,
    secrets: Mutex<BTreeMap<SecretSource, Secret>>,
}

impl Known {
    pub(super) fn new(hidden: Vec<String>) -> Self {
        Self { hidden, secrets: Mutex::default() }
    }

    /// The variables that no other process gets.
    pub(super) fn hidden(&self) -> &[String] {
        &self.hidden
    }

    pub(super) async fn get(&self, source: &SecretSource) -> Result<Secret, SendError> {
        let known = self.secrets.lock().unwrap_or_else(PoisonError::into_inner).get(source).cloned();
        if let Some(secret) = known {
            return Ok(secret);
        }
        let secret = self.fetch(source).await?;
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).insert(source.clone(), secret.clone());
        Ok(secret)
    }

    async fn fetch(&self, source: &SecretSource) -> Result<Secret, SendError> {
        if let Some(missing) = missing(source) {
            return Err(SendError::missing(missing));
        }
        match source {
            SecretSource::Env(name) => std::env::var(name)
                .map(|value| Secret::new(value.trim().to_owned()))
                .map_err(|_| SendError::missing(format!("the variable {name} is not set"))),
            SecretSource::File(path) => {
                let read = std::fs::read(path).map(zeroize::Zeroizing::new);
                let bytes = read.map_err(|error| SendError::missing(format!("{}: {error}", path.display())))?;
                let none = |_| SendError::missing(format!("{}: there is no text on its first line", path.display()));
                line_of(&bytes).map_err(none)
            }
            SecretSource::Command(command) => first_line(command, None, &self.hidden)
                .await
                .map_err(|error| SendError::missing(format!("the command for its secret {error}"))),
        }
    }
}

/// What can be seen to be missing without running anything.
pub(super) fn missing(source: &SecretSource) -> Option<String> {
    match source {
        SecretSource::Env(name) => {
            let is_set = std::env::var(name).is_ok_and(|value| !value.trim().is_empty());
            (!is_set).then(|| format!("the variable {name} is not set"))
        }
        SecretSource::File(path) => std::fs::File::open(path).err().map(|error| format!("{}: {error}", path.display())),
        SecretSource::Command(_) => None,
    }
}
