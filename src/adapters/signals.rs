//! Signals to this process.

use async_trait::async_trait;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::ports::Signals;

/// SIGINT, SIGTERM and SIGHUP, taken over from the moment that this is made.
pub struct ProcessSignals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl ProcessSignals {
    /// Takes the signals over.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn take() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

#[async_trait]
impl Signals for ProcessSignals {
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.hangup.recv() => "SIGHUP",
        }
    }
}
