//! Commands on this machine, and servers asked from it.

mod local;
mod web;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::ports::control::{Control, LocalCommand, LocalEnd, Page};

/// This machine.
pub struct ThisMachine {
    folder: PathBuf,
    hidden: Vec<String>,
}

impl ThisMachine {
    /// Commands run in `folder`, wherever this process stands: cron starts it in a home. They do not get the variables
    /// that are `hidden`: they hold secrets.
    pub fn new(folder: &Path, hidden: Vec<String>) -> Self {
        Self { folder: folder.to_owned(), hidden }
    }
}

#[async_trait]
impl Control for ThisMachine {
    async fn run(&self, command: &LocalCommand) -> Result<LocalEnd, String> {
        local::run(command, &self.folder, &self.hidden).await
    }

    async fn page(&self, url: &str, ca: Option<&Path>, timeout: Duration) -> Result<Page, String> {
        web::page(url, ca, timeout).await
    }

    async fn connect(&self, address: &str, timeout: Duration) -> Result<Duration, String> {
        let began = Instant::now();
        match tokio::time::timeout(timeout, tokio::net::TcpStream::connect(address)).await {
            Ok(Ok(_)) => Ok(began.elapsed()),
            Ok(Err(error)) => Err(format!("{address}: {error}")),
            Err(_) => Err(format!("{address} did not answer within {} s", timeout.as_secs())),
        }
    }
}
