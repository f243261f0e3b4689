//! Commands on this machine, and servers asked from it.

mod local;
mod web;

use std::path::Path;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::ports::control::{Control, LocalCommand, LocalEnd, Page};

/// This machine.
pub struct ThisMachine {
    hidden: Vec<String>,
}

impl ThisMachine {
    /// Commands do not get the variables that are `hidden`: they hold secrets.
    pub fn new(hidden: Vec<String>) -> Self {
        Self { hidden }
    }
}

#[async_trait]
impl Control for ThisMachine {
    async fn run(&self, command: &LocalCommand) -> Result<LocalEnd, String> {
        local::run(command, &self.hidden).await
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
