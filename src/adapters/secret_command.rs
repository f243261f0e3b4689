//! Secrets from commands.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::Command;
use zeroize::Zeroizing;

use crate::ports::Secret;

/// How long a command may take: a person may have to touch a key or type a PIN for it.
const TIME: Duration = Duration::from_secs(60);
/// More output than this is no password.
const LONGEST: u64 = 64 * 1024;

/// Why a command gave no secret. What it printed is in none of these.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    #[error("cannot be started")]
    Start(#[source] std::io::Error),
    #[error("its output cannot be read")]
    Read(#[source] std::io::Error),
    #[error("did not end within {} s", TIME.as_secs())]
    Time,
    #[error("ended with {0}")]
    Failed(std::process::ExitStatus),
    #[error("printed nothing on its first line")]
    Empty,
    #[error("printed something that is no UTF-8 text")]
    NoText,
}

/// The first line that the command prints. It is given to `sh -c` as it stands in the inventory, with no input; its
/// messages go to standard error. It does not get the variables that are `hidden`: they hold other secrets.
pub(super) async fn first_line(
    command: &str,
    time: Option<Duration>,
    hidden: &[String],
) -> Result<Secret, CommandError> {
    let work = async {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        for name in hidden {
            shell.env_remove(name);
        }
        let mut child = shell.spawn().map_err(CommandError::Start)?;
        let mut output = Zeroizing::new(Vec::with_capacity(4096));
        if let Some(stdout) = child.stdout.take() {
            stdout.take(LONGEST).read_to_end(&mut output).await.map_err(CommandError::Read)?;
        }
        let status = child.wait().await.map_err(CommandError::Read)?;
        if status.success() { line_of(&output) } else { Err(CommandError::Failed(status)) }
    };
    tokio::time::timeout(time.unwrap_or(TIME), work).await.unwrap_or(Err(CommandError::Time))
}

/// The first line of what was read.
pub(super) fn line_of(output: &[u8]) -> Result<Secret, CommandError> {
    let line = output.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line).map_err(|_| CommandError::NoText)?;
    if text.is_empty() {
        return Err(CommandError::Empty);
    }
    Ok(Secret::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(command: &str) -> Result<String, String> {
        let result = first_line(command, Some(Duration::from_millis(300)), &[]).await;
        result.map(|secret| secret.expose().to_owned()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn only_the_first_line_counts() {
        assert_eq!(run("printf 'pass word\\r\\nsecond\\n'").await, Ok("pass word".to_owned()));
        assert_eq!(run("printf ''").await, Err("printed nothing on its first line".to_owned()));
        assert_eq!(run("printf '\\377\\n'").await, Err("printed something that is no UTF-8 text".to_owned()));
    }

    #[tokio::test]
    async fn a_command_that_fails_or_hangs_gives_nothing_away() {
        assert_eq!(run("echo hunter2; exit 3").await, Err("ended with exit status: 3".to_owned()));
        let began = std::time::Instant::now();
        assert!(run("echo hunter2; sleep 20").await.unwrap_err().starts_with("did not end"));
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}
