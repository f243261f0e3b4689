//! What went wrong, in the form that the journal, the result document and people all get.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::HostName;

/// The kinds of errors that scripts may rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The command line, plan, inventory, policy or playbook is invalid.
    Invalid,
    /// The host did not answer.
    Unreachable,
    /// The host did not accept who we are.
    Auth,
    /// The host's key is unknown, changed or revoked.
    HostKey,
    /// Logged in, but could not become root.
    Become,
    /// Somebody holds the package manager's lock.
    Locked,
    /// Another run has the host.
    Claimed,
    /// Not enough room on a disk.
    NoSpace,
    /// A package or version does not exist for the host.
    NotFound,
    /// A hold stands in the way.
    Held,
    /// Somebody else changed what we were about to change.
    Conflict,
    /// The package repository cannot be used.
    Repository,
    /// No earlier stage proved this version.
    Unproven,
    /// What was approved is not what would be done now.
    Stale,
    /// The package manager failed.
    Apply,
    /// A check failed.
    Check,
    /// A step did not end in its time.
    Timeout,
    /// A reboot failed.
    Reboot,
    /// The way back failed.
    Rollback,
    /// The host was lost after a change had begun.
    Lost,
    /// A rule said no, before anything was changed.
    Refused,
    /// patchctl's own fault, or its disk's.
    Internal,
}

impl ErrorKind {
    /// The word in documents and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Unreachable => "unreachable",
            Self::Auth => "auth",
            Self::HostKey => "host_key",
            Self::Become => "become",
            Self::Locked => "locked",
            Self::Claimed => "claimed",
            Self::NoSpace => "no_space",
            Self::NotFound => "not_found",
            Self::Held => "held",
            Self::Conflict => "conflict",
            Self::Repository => "repository",
            Self::Unproven => "unproven",
            Self::Stale => "stale",
            Self::Apply => "apply",
            Self::Check => "check",
            Self::Timeout => "timeout",
            Self::Reboot => "reboot",
            Self::Rollback => "rollback",
            Self::Lost => "lost",
            Self::Refused => "refused",
            Self::Internal => "internal",
        }
    }

    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 22] = [
        Self::Invalid,
        Self::Unreachable,
        Self::Auth,
        Self::HostKey,
        Self::Become,
        Self::Locked,
        Self::Claimed,
        Self::NoSpace,
        Self::NotFound,
        Self::Held,
        Self::Conflict,
        Self::Repository,
        Self::Unproven,
        Self::Stale,
        Self::Apply,
        Self::Check,
        Self::Timeout,
        Self::Reboot,
        Self::Rollback,
        Self::Lost,
        Self::Refused,
        Self::Internal,
    ];

    /// The kind with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether the host could not be reached in the sense of `max_unreachable`: it never answered as itself.
    pub fn is_unreachable(self) -> bool {
        matches!(self, Self::Unreachable | Self::Auth | Self::HostKey)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One thing that went wrong: an entry of the result document's `errors`.
///
/// Text that came from a host is in `message` as it came; whoever shows it escapes it (see
/// [`Untrusted`](crate::core::untrusted::Untrusted)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Problem {
    /// What kind of thing.
    pub kind: ErrorKind,
    /// On which host, if on one.
    #[schemars(with = "Option<String>")]
    pub host: Option<HostName>,
    /// In which step, if in one.
    pub step: Option<String>,
    /// What happened, without a full stop.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem of no host in particular.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, host: None, step: None, message: message.into(), hint: None }
    }

    /// The same, on this host.
    #[must_use]
    pub fn on(mut self, host: &HostName) -> Self {
        self.host = Some(host.clone());
        self
    }

    /// The same, in this step.
    #[must_use]
    pub fn during(mut self, step: impl Into<String>) -> Self {
        self.step = Some(step.into());
        self
    }

    /// The same, with what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(f, "{host}: ")?;
        }
        if let Some(step) = &self.step {
            write!(f, "{step}: ")?;
        }
        write!(f, "{}", super::untrusted::Untrusted::new(&self.message))
    }
}

impl std::error::Error for Problem {}
