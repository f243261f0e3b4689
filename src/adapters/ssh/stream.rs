//! The TCP stream below a connection. russh owns it in a task of its own; this wrapper lets us end it from outside,
//! keeps what the host said first, and ends it where a host sends and sends what no step gets.

use std::collections::HashSet;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::client::short;

/// How much of the host's first words is kept.
const FIRST_WORDS: usize = 256;

/// How much a host may send before the login is done.
const BEFORE_LOGIN: u64 = 1024 * 1024;
/// How much a host may send on one connection that reaches no session: answers to keepalives, new keys, what was under
/// way when a session was closed.
const BESIDE: u64 = 64 * 1024 * 1024;
/// What a packet takes beside its data, with room.
const PACKET: u64 = 128;

/// While this lives, so may the stream.
pub(crate) struct Life {
    _sender: oneshot::Sender<()>,
}

/// What the host said first: an SSH banner, or why it does not want to talk (`Exceeded MaxStartups`).
#[derive(Clone, Default)]
pub(crate) struct FirstWords(Arc<Mutex<Vec<u8>>>);

impl FirstWords {
    fn hear(&self, bytes: &[u8]) -> bool {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = FIRST_WORDS - heard.len();
        heard.extend_from_slice(&bytes[..bytes.len().min(room)]);
        heard.len() < FIRST_WORDS
    }

    /// The first line that is no SSH banner.
    pub(crate) fn complaint(&self) -> Option<String> {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&heard);
        let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
        (!line.starts_with("SSH-")).then(|| short(&line.replace('\u{fffd}', "")))
    }
}

/// A host sent too much that is of no use, or what nobody asked it for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Overrun {
    #[error("it sent more than 1 MiB before the login was done")]
    BeforeLogin,
    #[error("it sent more than 64 MiB that belong to no step")]
    Beside,
    #[error("it wants to open a channel to us, which nobody asked it to")]
    Uninvited,
}

/// What a host sent, and how much of it reached a session. russh answers or drops the rest by itself, for as long as it
/// comes.
#[derive(Default)]
pub(crate) struct Ledger {
    read: AtomicU64,
    used: AtomicU64,
    logged_in: AtomicBool,
    uninvited: AtomicBool,
    closed: Mutex<HashSet<u32>>,
}

impl Ledger {
    /// From now on sessions may be opened.
    pub(crate) fn log_in(&self) {
        self.used.store(self.read.load(Ordering::Relaxed), Ordering::Relaxed);
        self.logged_in.store(true, Ordering::Relaxed);
    }

    /// Data came for a session.
    pub(crate) fn data(&self, channel: u32, bytes: &[u8]) {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        if !bytes.is_empty() && !closed.contains(&channel) {
            self.used.fetch_add(bytes.len() as u64 + PACKET, Ordering::Relaxed);
        }
    }

    /// We closed a session: what still comes for it reaches nobody.
    pub(crate) fn close(&self, channel: u32) {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner).insert(channel);
    }

    /// It wants to open a channel to us.
    pub(crate) fn uninvited(&self) -> Overrun {
        self.uninvited.store(true, Ordering::Relaxed);
        Overrun::Uninvited
    }

    /// Whether it was too much.
    pub(crate) fn overrun(&self) -> Option<Overrun> {
        if self.uninvited.load(Ordering::Relaxed) {
            return Some(Overrun::Uninvited);
        }
        let beside = self.read.load(Ordering::Relaxed).saturating_sub(self.used.load(Ordering::Relaxed));
        match self.logged_in.load(Ordering::Relaxed) {
            false if beside > BEFORE_LOGIN => Some(Overrun::BeforeLogin),
            true if beside > BESIDE => Some(Overrun::Beside),
            _ => None,
        }
    }

    fn take(&self, bytes: usize) -> io::Result<()> {
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
        self.overrun().map_or(Ok(()), |overrun| Err(io::Error::other(overrun)))
    }
}

/// A TCP stream that ends with its [`Life`].
pub(crate) struct Stream {
    tcp: TcpStream,
    life: oneshot::Receiver<()>,
    first: Option<FirstWords>,
    ledger: Arc<Ledger>,
}

impl Stream {
    /// Wraps a stream.
    pub(crate) fn new(tcp: TcpStream, first: FirstWords, ledger: Arc<Ledger>) -> (Self, Life) {
        let (sender, life) = oneshot::channel();
        (Self { tcp, life, first: Some(first), ledger }, Life { _sender: sender })
    }

    /// Whether it is over; if not, this task is woken when it is.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.life.is_terminated() || Pin::new(&mut self.life).poll(cx).is_ready() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.tcp).poll_read(cx, buffer);
        self.ledger.take(buffer.filled().len() - before)?;
        if let Some(first) = &self.first
            && !first.hear(&buffer.filled()[before..])
        {
            self.first = None;
        }
        result
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reaches_no_session_is_too_much_at_some_point() {
        let ledger = Ledger::default();
        assert!(ledger.take(BEFORE_LOGIN as usize).is_ok());
        assert!(ledger.take(1).is_err());
        assert_eq!(ledger.overrun(), Some(Overrun::BeforeLogin));

        let (ledger, session) = (Ledger::default(), 1);
        ledger.log_in();
        for _ in 0..10_000 {
            // As much as a step likes, in packets however small.
            ledger.data(session, &[0; 5]);
            assert!(ledger.take(48).is_ok());
            ledger.data(session, &[0; 32_768]);
            assert!(ledger.take(32_800).is_ok());
        }
        ledger.close(session);
        let packets = (0..).find(|_| {
            ledger.data(session, &[0; 32_768]);
            ledger.data(2, &[]);
            ledger.take(32_800).is_err()
        });
        assert!(packets.is_some_and(|packets| packets < 2200), "{packets:?} after the session was closed");
        assert_eq!(ledger.overrun(), Some(Overrun::Beside));
    }
}
