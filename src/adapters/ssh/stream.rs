//! The TCP stream below a connection. russh owns it in a task of its own; this wrapper lets us end it from outside, and
//! keeps what the host said first.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// How much of the host's first words is kept.
const FIRST_WORDS: usize = 256;

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
        let clean = |c: &char| !c.is_control() && *c != '\u{fffd}';
        (!line.starts_with("SSH-")).then(|| line.chars().filter(clean).take(120).collect())
    }
}

/// A TCP stream that ends with its [`Life`].
pub(crate) struct Stream {
    tcp: TcpStream,
    life: oneshot::Receiver<()>,
    first: Option<FirstWords>,
}

impl Stream {
    /// Wraps a stream.
    pub(crate) fn new(tcp: TcpStream, first: FirstWords) -> (Self, Life) {
        let (sender, life) = oneshot::channel();
        (Self { tcp, life, first: Some(first) }, Life { _sender: sender })
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
