//! Commands here.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::task::JoinHandle;

use crate::ports::control::{LocalCommand, LocalEnd};

/// What is kept of each of its outputs: the end.
const KEPT: usize = 256 * 1024;
/// How long its outputs are waited for once it has ended: what it left in the background may hold them.
const GRACE: Duration = Duration::from_millis(500);
/// How long it has to end by itself once it was asked to.
const TERM: Duration = Duration::from_secs(5);

/// The command's processes, ended with it or with the run's interest in them.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // It may be gone already.
            let _ = killpg(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

/// Runs the command in the folder, without the variables that are hidden.
pub(super) async fn run(command: &LocalCommand, folder: &Path, hidden: &[String]) -> Result<LocalEnd, String> {
    let mut shell = Command::new("sh");
    shell.args(["-c", &command.text]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // The plan may be gone since; what it says need not stand beside it.
    if folder.is_dir() {
        shell.current_dir(folder);
    }
    for name in hidden {
        shell.env_remove(name);
    }
    // Ctrl-C at our terminal is for us: what the command does is ended or finished, not cut.
    shell.envs(&command.env).process_group(0).kill_on_drop(true);
    let mut child = shell.spawn().map_err(|error| format!("the command cannot be started: {error}"))?;
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    let mut group = Group(pid);
    let (out, err) = (Tail::of(child.stdout.take()), Tail::of(child.stderr.take()));
    let mut end = LocalEnd::default();
    let status = match tokio::time::timeout(command.timeout, child.wait()).await {
        Ok(status) => status,
        Err(_) => {
            end.late = true;
            group.signal(Signal::SIGTERM);
            match tokio::time::timeout(TERM, child.wait()).await {
                Ok(status) => status,
                Err(_) => {
                    group.signal(Signal::SIGKILL);
                    child.wait().await
                }
            }
        }
    };
    let status = status.map_err(|error| format!("the command cannot be waited for: {error}"))?;
    if end.late {
        group.signal(Signal::SIGKILL);
    } else {
        // What it left behind on purpose may go on.
        group.0 = None;
        end.code = status.code();
    }
    (end.out, end.err) = tokio::join!(out.taken(), err.taken());
    Ok(end)
}

/// The end of what a command writes.
struct Tail {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Tail {
    fn of(from: Option<impl AsyncRead + Unpin + Send + 'static>) -> Self {
        let bytes: Arc<Mutex<Vec<u8>>> = Arc::default();
        let kept = Arc::clone(&bytes);
        let reader = tokio::spawn(async move {
            let Some(mut from) = from else { return };
            let mut buffer = vec![0; 16 * 1024];
            while let Ok(read @ 1..) = from.read(&mut buffer).await {
                let mut bytes = kept.lock().unwrap_or_else(PoisonError::into_inner);
                bytes.extend_from_slice(&buffer[..read]);
                let over = bytes.len().saturating_sub(KEPT);
                bytes.drain(..over);
            }
        });
        Self { bytes, reader }
    }

    /// All of it, or what came while it was waited for.
    async fn taken(mut self) -> Vec<u8> {
        let done = tokio::time::timeout(GRACE, &mut self.reader).await;
        if done.is_err() {
            self.reader.abort();
        }
        std::mem::take(&mut *self.bytes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn end(text: &str, seconds: u64) -> LocalEnd {
        let env = [("PATCHCTL_1".to_owned(), "a b'\"$(x)".to_owned())].into();
        let command = LocalCommand { text: text.into(), env, timeout: Duration::from_secs(seconds) };
        run(&command, Path::new("/usr"), &["SECRET".to_owned()]).await.unwrap()
    }

    #[tokio::test]
    async fn a_command_gets_its_values_as_they_are() {
        let end = end("printf '%s in %s' \"${PATCHCTL_1}\" \"$PWD\"; echo bad >&2; exit 3", 20).await;
        assert_eq!((end.code, end.late), (Some(3), false));
        assert_eq!((end.out.as_slice(), end.err.as_slice()), (&b"a b'\"$(x) in /usr"[..], &b"bad\n"[..]));
    }

    #[tokio::test]
    async fn what_is_late_is_ended_with_its_children() {
        let began = std::time::Instant::now();
        let end = end("echo begun; sleep 60 & wait", 1).await;
        assert_eq!((end.code, end.late, end.out.as_slice()), (None, true, &b"begun\n"[..]));
        assert!(began.elapsed() < Duration::from_secs(30));
    }

    #[tokio::test]
    async fn what_goes_on_in_the_background_is_not_waited_for() {
        let began = std::time::Instant::now();
        let end = end("echo begun; sleep 20 & exit 0", 60).await;
        assert_eq!((end.code, end.out.as_slice()), (Some(0), &b"begun\n"[..]));
        assert!(began.elapsed() < Duration::from_secs(15));
    }
}
