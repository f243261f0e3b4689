//! Passwords and passphrases: from the inventory's commands, else from the person; each only once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::OnceCell;

use super::{Aside, Prompter, Stop};
use crate::adapters::secret_command::first_line;
use crate::core::problem::{ErrorKind, Problem};
use crate::core::settings::Host;
use crate::core::untrusted::Untrusted;
use crate::ports::{Secret, Secrets};

/// What may be asked for beside passphrases.
#[derive(Debug, Clone, Copy, Default)]
pub struct AskFor {
    /// `--ask-pass`.
    pub password: bool,
    /// `--ask-become-pass`.
    pub become_password: bool,
}

/// What a secret is for; the same secret is got once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Which {
    Password,
    BecomePassword,
    Passphrase(PathBuf),
    Command(ErrorKind, String),
}

type Slot = Arc<OnceCell<Result<Secret, Problem>>>;

/// Gets secrets at the terminal, or from the inventory's commands.
pub struct TerminalSecrets {
    prompter: Prompter,
    ask: AskFor,
    hidden: Vec<String>,
    known: Mutex<HashMap<Which, Slot>>,
}

impl TerminalSecrets {
    /// Asks through this prompter, and only for what was asked for. The inventory's commands do not get the variables that
    /// are `hidden`.
    pub fn new(prompter: Prompter, ask: AskFor, hidden: Vec<String>) -> Self {
        Self { prompter, ask, hidden, known: Mutex::new(HashMap::new()) }
    }

    /// The secret, got now or before. A refusal counts too: three hundred hosts ask once.
    async fn get(&self, which: Which, before: &str) -> Result<Option<Secret>, Problem> {
        let slot = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(known.entry(which.clone()).or_default())
        };
        let secret = slot.get_or_init(|| async {
            match &which {
                Which::Command(kind, command) => self.ask_command(*kind, command).await,
                _ => self.ask_person(&which, before).await,
            }
        });
        secret.await.clone().map(Some)
    }

    async fn ask_person(&self, which: &Which, before: &str) -> Result<Secret, Problem> {
        let (label, kind) = match which {
            Which::BecomePassword => ("Password for becoming root: ".to_owned(), ErrorKind::Become),
            Which::Passphrase(file) => {
                (format!("Passphrase of {}: ", Untrusted::new(&file.to_string_lossy())), ErrorKind::Auth)
            }
            Which::Password | Which::Command(..) => ("SSH password: ".to_owned(), ErrorKind::Auth),
        };
        let question = format!("{before}{label}");
        let typed = self.prompter.converse(move |terminal| terminal.secret(&question)).await;
        match typed {
            Ok(secret) => Ok(Secret::new(secret.as_str().to_owned())),
            Err(stop) => Err(refusal(which, kind, stop)),
        }
    }

    async fn ask_command(&self, kind: ErrorKind, command: &str) -> Result<Secret, Problem> {
        // The command may ask a person itself.
        let _aside = Aside::new(Arc::clone(&self.prompter.display));
        first_line(command, None, &self.hidden).await.map_err(|error| {
            let name = if kind == ErrorKind::Become { "become_password_command" } else { "password_command" };
            Problem::new(kind, format!("{name} {error}"))
                .hint("try the command by hand; it must print the password on its first line")
        })
    }
}

fn refusal(which: &Which, kind: ErrorKind, stop: Stop) -> Problem {
    let (what, instead) = match which {
        Which::BecomePassword => ("the password for becoming root", "set become_password_command in the inventory"),
        Which::Passphrase(_) => ("the key's passphrase", "add the key to an SSH agent (ssh-add)"),
        Which::Password | Which::Command(..) => {
            ("the SSH password", "set password_command in the inventory, or use a key")
        }
    };
    match stop {
        Stop::NoTerminal => {
            Problem::new(kind, format!("{what} is needed, and there is no terminal to ask on")).hint(instead)
        }
        Stop::Left | Stop::Withdrawn => Problem::new(kind, format!("{what} was not given")).hint(instead),
    }
}

#[async_trait]
impl Secrets for TerminalSecrets {
    async fn password(&self, host: &Host) -> Result<Option<Secret>, Problem> {
        match &host.password_command {
            Some(command) => self.get(Which::Command(ErrorKind::Auth, command.clone()), "").await,
            None if self.ask.password => self.get(Which::Password, "").await,
            None => Ok(None),
        }
    }

    async fn become_password(&self, host: &Host) -> Result<Option<Secret>, Problem> {
        match &host.become_password_command {
            Some(command) => self.get(Which::Command(ErrorKind::Become, command.clone()), "").await,
            None if self.ask.become_password => self.get(Which::BecomePassword, "").await,
            None => Ok(None),
        }
    }

    async fn passphrase(&self, file: &Path, wrong: bool) -> Result<Option<Secret>, Problem> {
        let which = Which::Passphrase(file.to_owned());
        if wrong {
            self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&which);
        }
        self.get(which, if wrong { "That was not it. " } else { "" }).await
    }
}
