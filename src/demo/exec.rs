//! A command on a host of the demo: `sh -c COMMAND`, its input and output carried over a channel, as sshd does it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use russh::server::{Handle, Msg};
use russh::{Channel, ChannelId, ChannelMsg, ChannelReadHalf, Sig};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use super::LOGIN;

/// What of a command's output may wait here for the client's window.
const BUFFER: usize = 32 * 1024;
const FALLBACK_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The command with the surroundings that a login would give it.
pub(super) fn command(home: &Path, text: &[u8]) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(OsStr::from_bytes(text));
    command.env_clear().current_dir(home);
    // Where the tools are is the system's matter, so PATH alone is taken over.
    command.env("PATH", std::env::var_os("PATH").unwrap_or_else(|| FALLBACK_PATH.into()));
    command.env("HOME", home).env("USER", LOGIN).env("LOGNAME", LOGIN).env("SHELL", "/bin/sh");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Ctrl-C at the terminal of `patchctl demo` is not for its hosts.
    command.process_group(0);
    command
}

/// Runs it to its end, or until the client closes the channel. The command is not ended then: it has lost its pipes,
/// and what went into a session of its own goes on.
pub(super) async fn run(mut command: Command, channel: Channel<Msg>, session: Handle) {
    let id = channel.id();
    let (from_client, to_client) = channel.split();
    let (stdout, mut stderr) = (to_client.make_writer(), to_client.make_writer_ext(Some(1)));
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            let _ = stderr.write_all(format!("cannot start a shell: {error}\n").as_bytes()).await;
            let _ = to_client.exit_status(127).await;
            let _ = to_client.close().await;
            return;
        }
    };
    let (input, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let work = async {
        // The exit status goes out when there is one, the end when nothing can come any more: as under sshd, a
        // daemon that holds the pipes holds the channel.
        tokio::join!(carry(out, stdout), carry(err, stderr), report_exit(&mut child, id, &session));
        let _ = to_client.eof().await;
        let _ = to_client.close().await;
    };
    tokio::select! {
        () = work => {}
        () = feed(from_client, input) => {}
    }
}

/// Output to the client, no faster than its window lets it. An error means that one of the two ends has gone.
async fn carry(from: Option<impl AsyncRead + Unpin>, to: impl AsyncWrite) {
    if let Some(from) = from {
        let mut from = BufReader::with_capacity(BUFFER, from);
        let mut to = std::pin::pin!(to);
        let _ = tokio::io::copy_buf(&mut from, &mut to).await;
    }
}

/// The client's input to the command; returns when the client has closed the channel.
///
/// russh opens the window again before the data has been taken, and reads nothing from the connection while a channel's
/// buffer is full, the client's window adjustments neither. So the buffer is large but bounded, and only a command that
/// leaves more than that unread makes the connection wait.
async fn feed(mut from: ChannelReadHalf, mut to: Option<ChildStdin>) {
    while let Some(message) = from.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                if let Some(input) = &mut to
                    && input.write_all(&data).await.is_err()
                {
                    // It reads no more; what still comes is dropped.
                    to = None;
                }
            }
            ChannelMsg::Eof => to = None,
            ChannelMsg::Close => return,
            _ => {}
        }
    }
}

async fn report_exit(child: &mut Child, id: ChannelId, session: &Handle) {
    let Ok(status) = child.wait().await else {
        return;
    };
    // An error means that the connection has gone, and nobody waits for the answer.
    let _ = match (status.code(), status.signal()) {
        (Some(code), _) => session.exit_status_request(id, code.cast_unsigned()).await,
        (None, Some(number)) => {
            let (signal, core) = (signal_name(number), ExitStatus::core_dumped(&status));
            session.exit_signal_request(id, signal, core, String::new(), String::new()).await
        }
        (None, None) => Ok(()),
    };
}

/// The protocol knows signals by name.
fn signal_name(number: i32) -> Sig {
    match number {
        1 => Sig::HUP,
        2 => Sig::INT,
        3 => Sig::QUIT,
        4 => Sig::ILL,
        6 => Sig::ABRT,
        8 => Sig::FPE,
        9 => Sig::KILL,
        11 => Sig::SEGV,
        13 => Sig::PIPE,
        14 => Sig::ALRM,
        15 => Sig::TERM,
        other => Sig::Custom(format!("{other}@patchctl")),
    }
}
