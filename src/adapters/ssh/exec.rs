//! One exchange over a connection: opens a session, sends the payload, reads everything, closes the session.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;

use super::client::short;
use super::connect::Connection;
use super::stream::Ledger;
use crate::adapters::job::COMMAND;
use crate::adapters::job::exchange::{Exchange, Next};
use crate::adapters::job::refusal;
use crate::core::problem::Problem;
use crate::core::settings::Host;
use crate::ports::Secrets;

/// How long we read on when the exchange has ended, for what is under way.
const LINGER: Duration = Duration::from_secs(2);

/// Why an exchange did not come to its end.
#[derive(Debug)]
pub(crate) enum Cut {
    /// The connection or the session ended; the text says how.
    Lost(String),
    /// What came is not what our driver sends; asking again seldom helps.
    Senseless(String),
    /// The session could not begin: nothing of ours ran.
    NotBegun(String),
    /// Not in time; `sent`: the host may have had what it needs to begin.
    Timeout { sent: bool },
    /// A secret could not be had.
    Secret(Problem),
}

type Writer = Pin<Box<dyn AsyncWrite + Send>>;
type Writing<'a> = Pin<Box<dyn Future<Output = std::io::Result<Writer>> + Send + 'a>>;

/// Who is asked for the password.
pub(crate) struct Asking<'a> {
    pub(crate) secrets: &'a dyn Secrets,
    pub(crate) host: &'a Host,
}

/// How long things may take.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    /// All of it.
    pub(crate) limit: Duration,
    /// Silence, where a sign of life is due.
    pub(crate) silence: Duration,
    /// Whether the driver shows signs of life, so that silence means something.
    pub(crate) heartbeat: bool,
}

/// Runs the exchange.
///
/// # Errors
/// When it did not come to its end.
pub(crate) async fn run(
    connection: &Connection,
    payload: Vec<u8>,
    exchange: &mut Exchange<'_>,
    asking: &Asking<'_>,
    times: Times,
) -> Result<(), Cut> {
    let deadline = Instant::now() + times.limit;
    let turn = tokio::time::timeout_at(deadline, connection.turns.acquire()).await;
    let Ok(Ok(_turn)) = turn else { return Err(Cut::Timeout { sent: false }) };
    let opening = connection.handle.channel_open_session();
    let channel = match tokio::time::timeout(times.limit.min(times.silence), opening).await {
        Ok(Ok(channel)) => channel,
        Ok(Err(russh::Error::ChannelOpenFailure(reason))) => {
            return Err(Cut::NotBegun(format!("it opens no session ({reason:?})")));
        }
        Ok(Err(_)) => return Err(Cut::NotBegun(connection.why_closed())),
        Err(_) => {
            let within = times.limit.min(times.silence).as_secs();
            return Err(Cut::NotBegun(format!("it does not open a session within {within} s")));
        }
    };
    let (reader, writer) = channel.split();
    let session = Session { closing: Some(writer), ledger: &connection.ledger };
    let result = session.drive(reader, connection, payload, exchange, asking, (times, deadline)).await;
    session.close().await;
    result
}

/// A session that is closed on every way out, also when its future is dropped.
struct Session<'c> {
    closing: Option<ChannelWriteHalf<Msg>>,
    ledger: &'c Ledger,
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if let (Some(writer), Ok(runtime)) = (self.closing.take(), tokio::runtime::Handle::try_current()) {
            self.ledger.close(writer.id().into());
            runtime.spawn(async move { writer.close().await });
        }
    }
}

impl Session<'_> {
    /// Closes it before its turn is given on.
    async fn close(mut self) {
        if let Some(writer) = self.closing.take() {
            self.ledger.close(writer.id().into());
            let _ = tokio::time::timeout(Duration::from_secs(1), writer.close()).await;
        }
    }

    async fn drive(
        &self,
        mut reader: ChannelReadHalf,
        connection: &Connection,
        payload: Vec<u8>,
        exchange: &mut Exchange<'_>,
        asking: &Asking<'_>,
        (times, mut deadline): (Times, Instant),
    ) -> Result<(), Cut> {
        let Some(session) = &self.closing else { return Ok(()) };
        match tokio::time::timeout_at(deadline, session.exec(true, COMMAND)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(Cut::NotBegun(connection.why_closed())),
            Err(_) => return Err(Cut::Timeout { sent: false }),
        }
        // Raced against reading: a host that does not read would hold us for ever.
        let sent = AtomicBool::new(false);
        let mut writing: Option<Writing<'_>> = Some(send(Box::pin(session.make_writer()), payload, &sent));
        let mut stdin: Option<Writer> = None;
        let mut ended = Ended::default();
        loop {
            let is_due = if exchange.greeted() { times.heartbeat } else { writing.is_none() };
            let quiet = if is_due { Instant::now() + times.silence } else { deadline };
            tokio::select! {
                biased;
                message = reader.wait() => match ended.take(message, exchange)? {
                    Step::On => {}
                    Step::Over => break,
                    Step::Password(said) => {
                        let asked = Instant::now();
                        let line = password(asking, &said).await?;
                        deadline += asked.elapsed();
                        match stdin.take() {
                            Some(writer) => writing = Some(send_last(writer, line)),
                            None => return Err(Cut::Lost("it asked for a password before it had read its script".to_owned())),
                        }
                    }
                },
                written = async { match &mut writing { Some(writing) => writing.await, None => std::future::pending().await } } => {
                    writing = None;
                    stdin = written.ok();
                }
                () = tokio::time::sleep_until(quiet.min(deadline)) => {
                    let sent = sent.load(Ordering::Relaxed);
                    return Err(if Instant::now() >= deadline { Cut::Timeout { sent } } else { went_silent(exchange, times) });
                }
            }
            if exchange.is_over() {
                break;
            }
            if exchange.end().is_some() {
                // What is under way may take a moment, but no longer: a daemon can hold the session open for ever.
                deadline = deadline.min(ended.linger());
            }
        }
        exchange.finish();
        ended.result(exchange, connection)
    }
}

fn went_silent(exchange: &Exchange<'_>, times: Times) -> Cut {
    let after =
        if exchange.greeted() { "went silent: nothing" } else { "took our command and did not start it: nothing" };
    Cut::Lost(format!("the host {after} came for {} s", times.silence.as_secs()))
}

/// Sends the payload; `sent` tells that the host took some of it, which it does not have to.
fn send<'a>(mut writer: Writer, bytes: Vec<u8>, sent: &'a AtomicBool) -> Writing<'a> {
    Box::pin(async move {
        let first = writer.write(&bytes).await?;
        sent.store(true, Ordering::Relaxed);
        writer.write_all(&bytes[first..]).await?;
        Ok(writer)
    })
}

fn send_last<'a>(mut writer: Writer, line: zeroize::Zeroizing<Vec<u8>>) -> Writing<'a> {
    Box::pin(async move {
        writer.write_all(&line).await?;
        writer.shutdown().await?;
        Ok(writer)
    })
}

async fn password(asking: &Asking<'_>, said: &str) -> Result<zeroize::Zeroizing<Vec<u8>>, Cut> {
    if refusal::is_hopeless(said) {
        return Err(Cut::Secret(refusal::no_password(said, asking.host)));
    }
    match asking.secrets.become_password(asking.host).await {
        Ok(Some(secret)) => {
            let mut line = zeroize::Zeroizing::new(Vec::with_capacity(secret.expose().len() + 1));
            line.extend_from_slice(secret.expose().as_bytes());
            line.retain(|b| *b != b'\n');
            line.push(b'\n');
            Ok(line)
        }
        Ok(None) => Err(Cut::Secret(refusal::no_password(said, asking.host))),
        Err(problem) => Err(Cut::Secret(problem.on(&asking.host.name))),
    }
}

/// What goes on after a message.
enum Step {
    On,
    Over,
    Password(String),
}

/// How a session ends: messages come in any order.
#[derive(Default)]
struct Ended {
    status: Option<u32>,
    refused: bool,
    since: Option<Instant>,
}

impl Ended {
    fn take(&mut self, message: Option<ChannelMsg>, exchange: &mut Exchange<'_>) -> Result<Step, Cut> {
        match message {
            Some(ChannelMsg::Data { data }) => match exchange.stdout(&data) {
                Ok(Next::Wait) => {}
                Ok(Next::Password(said)) => return Ok(Step::Password(said)),
                Err(broken) => return Err(Cut::Senseless(broken.to_string())),
            },
            Some(ChannelMsg::ExtendedData { data, .. }) => {
                exchange.stderr(&data).map_err(|broken| Cut::Senseless(broken.to_string()))?;
            }
            Some(ChannelMsg::ExitStatus { exit_status }) => self.status = Some(exit_status),
            Some(ChannelMsg::Failure) => {
                self.refused = true;
                return Ok(Step::Over);
            }
            Some(_) => {}
            None => return Ok(Step::Over),
        }
        Ok(Step::On)
    }

    fn linger(&mut self) -> Instant {
        *self.since.get_or_insert_with(Instant::now) + LINGER
    }

    fn result(&self, exchange: &Exchange<'_>, connection: &Connection) -> Result<(), Cut> {
        if exchange.end().is_some() {
            return Ok(());
        }
        if let Some(overrun) = connection.ledger.overrun() {
            return Err(Cut::Senseless(overrun.to_string()));
        }
        if self.refused {
            return Err(Cut::NotBegun("it refuses to run commands".to_owned()));
        }
        if exchange.greeted() {
            let how = if connection.is_closed() { connection.why_closed() } else { self.how() };
            return Err(Cut::Lost(how));
        }
        let noise = exchange.noise();
        let said: String =
            noise.lines().rev().take(3).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join(" / ");
        let said = if said.is_empty() { String::new() } else { format!("; it said: {}", short(&said)) };
        if connection.is_closed() {
            return Err(Cut::Lost(format!("{}{said}", connection.why_closed())));
        }
        Err(Cut::NotBegun(format!("its login shell did not run our command ({}){said}", self.how())))
    }

    fn how(&self) -> String {
        match self.status {
            Some(status) => format!("the session ended with {status}"),
            None => "the session ended without a result".to_owned(),
        }
    }
}
