//! Our side of a connection, in russh's task: judges the host's key, keeps account of what comes, and refuses whatever a
//! host wants of us beyond answering.

use std::sync::{Arc, Mutex, PoisonError};

use russh::client::{ChannelOpenHandle, DisconnectReason, Handler, Msg, Session};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, ChannelId};

use super::hostkey::{Accepted, Judge};
use super::stream::{Ledger, Overrun};
use crate::core::problem::Problem;
use crate::core::untrusted::Untrusted;

/// The most of a host's own words that goes into a message.
const WORDS_MAX: usize = 300;

/// What a connection's own task tells us.
#[derive(Default)]
pub(super) struct Events {
    verdict: Mutex<Option<Result<Accepted, Problem>>>,
    gone: Mutex<Option<String>>,
}

impl Events {
    /// Why the connection ended, once it has.
    pub(super) fn why(&self) -> Option<String> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What became of the host's key.
    pub(super) fn verdict(&self) -> Option<Result<Accepted, Problem>> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Our side of a connection, in russh's task.
pub(crate) struct Client {
    pub(super) judge: Judge,
    pub(super) events: Arc<Events>,
    pub(super) ledger: Arc<Ledger>,
}

impl Client {
    /// A host that wants to open something on our side: nothing was offered to it, and russh would keep each for ever.
    fn uninvited(&self) -> Result<(), russh::Error> {
        Err(std::io::Error::other(self.ledger.uninvited()).into())
    }
}

impl Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let verdict = self.judge.decide(key);
        let good = verdict.is_ok();
        let mut slot = self.events.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = Some(verdict);
        Ok(good)
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], _: &mut Session) -> Result<(), russh::Error> {
        self.ledger.data(channel.into(), data);
        Ok(())
    }

    async fn extended_data(
        &mut self,
        channel: ChannelId,
        _: u32,
        data: &[u8],
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        self.ledger.data(channel.into(), data);
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<russh::Error>) -> Result<(), russh::Error> {
        let (text, result) = match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                (format!("the host hung up: {}", short(info.message.trim())), Ok(()))
            }
            DisconnectReason::Error(error) => (words(&error), Err(error)),
        };
        *self.events.gone.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
        result
    }

    async fn server_channel_open_session(
        &mut self,
        _: Channel<Msg>,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        self.uninvited()
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        self.uninvited()
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        self.uninvited()
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        self.uninvited()
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        self.uninvited()
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        self.uninvited()
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: Channel<Msg>,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        self.uninvited()
    }
}

/// A host's own words for a message: not too many, and nothing that steers a terminal.
pub(super) fn short(text: &str) -> String {
    let mut start: String = text.chars().take(WORDS_MAX).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    Untrusted::new(&start).to_string()
}

/// An error of russh's as a person would say it.
pub(super) fn words(error: &russh::Error) -> String {
    match error {
        russh::Error::Disconnect | russh::Error::HUP => "it closed the connection".to_owned(),
        russh::Error::KeepaliveTimeout | russh::Error::InactivityTimeout => "it went silent".to_owned(),
        russh::Error::IO(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "it closed the connection".to_owned()
        }
        russh::Error::IO(error)
            if let Some(inner) = error.get_ref()
                && inner.is::<Overrun>() =>
        {
            error.to_string()
        }
        other => short(&other.to_string().to_lowercase()),
    }
}
