//! A command that gets a message on its standard input.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::ports::SendError;

/// How long it may take.
const TIME: Duration = Duration::from_secs(30);

/// Runs the command by `sh -c`. What it prints goes nowhere: it is no part of the run, and may say anything.
pub(super) async fn run(command: &str, input: &[u8], hidden: &[String]) -> Result<(), SendError> {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    for name in hidden {
        shell.env_remove(name);
    }
    let mut child =
        shell.spawn().map_err(|error| SendError::soon(format!("the command cannot be started: {error}")))?;
    let work = async {
        if let Some(mut stdin) = child.stdin.take() {
            // A command that needs no more of it than it has read may close it.
            let _ = stdin.write_all(input).await;
        }
        child.wait().await
    };
    match tokio::time::timeout(TIME, work).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(SendError::soon(format!("the command ended with {status}"))),
        Ok(Err(error)) => Err(SendError::soon(format!("the command cannot be waited for: {error}"))),
        Err(_) => Err(SendError::soon(format!("the command did not end within {} s", TIME.as_secs()))),
    }
}
