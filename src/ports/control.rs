//! What the machine that drives a run does for it beside SSH.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;

/// A command here.
#[derive(Debug, Clone)]
pub struct LocalCommand {
    /// For `sh -c`.
    pub text: String,
    /// Its variables, beside those of this process.
    pub env: BTreeMap<String, String>,
    /// Its deadline; then it is killed, with all that it has started.
    pub timeout: Duration,
}

/// How a command ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocalEnd {
    /// Its exit code; none: it was killed.
    pub code: Option<i32>,
    /// Whether its time was up.
    pub late: bool,
    /// What it wrote to standard output, the end of it.
    pub out: Vec<u8>,
    /// And to standard error.
    pub err: Vec<u8>,
}

/// What a web server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The status.
    pub status: u16,
    /// The body, the beginning of it where it is too long.
    pub body: String,
    /// From looking up the name to the end of the body.
    pub took: Duration,
}

/// Runs commands here, and asks servers from here.
#[async_trait]
pub trait Control: Send + Sync {
    /// Runs a command to its end, without input. Signals that this process gets from its terminal are not for it.
    ///
    /// # Errors
    /// When it cannot be started.
    async fn run(&self, command: &LocalCommand) -> Result<LocalEnd, String>;

    /// Asks for a page. Redirects are not followed: their status is the answer.
    ///
    /// # Errors
    /// When there is no answer, in words.
    async fn page(&self, url: &str, ca: Option<&Path>, timeout: Duration) -> Result<Page, String>;

    /// Connects to `HOST:PORT`; how long that took.
    ///
    /// # Errors
    /// When nobody listens there, in words.
    async fn connect(&self, address: &str, timeout: Duration) -> Result<Duration, String>;
}
