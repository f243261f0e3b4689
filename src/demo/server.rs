//! A host's side of one SSH connection: public-key authentication and commands, nothing else.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use russh::keys::ssh_key::public::KeyData;
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId};
use tokio::task::JoinSet;

use super::LOGIN;
use super::exec;

/// Channels that one connection may have open at a time.
const MAX_CHANNELS: usize = 64;

/// What a host is to its connections.
#[derive(Debug)]
pub(super) struct HostSide {
    pub(super) home: PathBuf,
    pub(super) client: KeyData,
}

/// One connection. Dropped at its end, and with it what carried the input and output of its commands; the commands
/// themselves go on, as under sshd.
pub(super) struct Connection {
    side: Arc<HostSide>,
    opened: HashMap<ChannelId, Channel<Msg>>,
    running: JoinSet<()>,
}

impl Connection {
    pub(super) fn new(side: Arc<HostSide>) -> Self {
        Self { side, opened: HashMap::new(), running: JoinSet::new() }
    }

    fn judge(&self, user: &str, key: &KeyData) -> Auth {
        if user == LOGIN && *key == self.side.client { Auth::Accept } else { Auth::reject() }
    }
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        Ok(self.judge(user, offer.public_key.key_data()))
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        Ok(self.judge(user, key.public_key.key_data()))
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        while self.running.try_join_next().is_some() {}
        if self.running.len() + self.opened.len() < MAX_CHANNELS {
            self.opened.insert(channel.id(), channel);
            reply.accept().await;
        }
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        self.opened.remove(&channel);
        Ok(())
    }

    async fn exec_request(&mut self, id: ChannelId, command: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        // A second request on the same channel finds none.
        let Some(channel) = self.opened.remove(&id) else {
            return session.channel_failure(id);
        };
        session.channel_success(id)?;
        self.running.spawn(exec::run(exec::command(&self.side.home, command), channel, session.handle()));
        Ok(())
    }

    // What this server does not do is said, so that clients that wait for an answer get one.

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        _value: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _term: &str,
        _col_width: u32,
        _row_height: u32,
        _pix_width: u32,
        _pix_height: u32,
        _modes: &[(russh::Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }
}
