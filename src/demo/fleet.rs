//! SSH servers on loopback, one a host. All of them end when the [`Fleet`] is dropped.

use std::net::Shutdown;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::{Algorithm, PrivateKey, PublicKey};
use russh::server::{self, Config};
use russh::{MethodKind, MethodSet};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::DemoError;
use super::server::{Connection, HostSide};
use crate::core::ids::HostName;

/// A host of the fleet: what a client needs to know of it.
#[derive(Debug, Clone)]
pub struct FleetHost {
    /// Its name in the inventory.
    pub name: HostName,
    /// The folder that is its home.
    pub home: PathBuf,
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    /// Its host key.
    pub key: PublicKey,
}

/// Servers that answer as these hosts.
#[derive(Debug)]
pub struct Fleet {
    hosts: Vec<FleetHost>,
    // Dropping them ends the servers and their connections.
    _servers: JoinSet<()>,
}

impl Fleet {
    /// Starts a server for each name and home (a folder that exists). They let in who has `client`, nobody else.
    ///
    /// # Errors
    /// When a host key cannot be made, or loopback has no port left.
    pub async fn start(homes: Vec<(HostName, PathBuf)>, client: PublicKey) -> Result<Self, DemoError> {
        let mut hosts = Vec::new();
        let mut servers = JoinSet::new();
        for (name, home) in homes {
            let mut key = PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).map_err(DemoError::Key)?;
            key.set_comment(name.as_str());
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(DemoError::Listen)?;
            let port = listener.local_addr().map_err(DemoError::Listen)?.port();
            let public = key.public_key().clone();
            let side = Arc::new(HostSide { home: home.clone(), client: client.key_data().clone() });
            servers.spawn(listen(listener, Arc::new(config(key)), side));
            hosts.push(FleetHost { name, home, port, key: public });
        }
        Ok(Self { hosts, _servers: servers })
    }

    /// The hosts, in the order in which they were named.
    pub fn hosts(&self) -> &[FleetHost] {
        &self.hosts
    }
}

fn config(key: PrivateKey) -> Config {
    let mut methods = MethodSet::empty();
    methods.push(MethodKind::PublicKey);
    Config {
        keys: vec![key],
        methods,
        auth_rejection_time: Duration::from_millis(100),
        auth_rejection_time_initial: Some(Duration::ZERO),
        // A paused run keeps its connections; a client that is gone is noticed by its keepalives.
        inactivity_timeout: None,
        keepalive_interval: Some(Duration::from_secs(30)),
        // Packets of a command's input that wait for it, each of 32 KiB at most. When that is full the whole connection
        // waits (see `exec::feed`), so there is room for a client that is ahead of its command by a lot.
        channel_buffer_size: 2048,
        nodelay: true,
        ..Config::default()
    }
}

async fn listen(listener: TcpListener, config: Arc<Config>, side: Arc<HostSide>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(converse(stream, Arc::clone(&config), Arc::clone(&side)));
            }
            // Out of file descriptors, most likely: some will be given back.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// A second hold on a connection's socket, which ends the connection when it is dropped: russh keeps the session in a
/// task of its own that cannot be cancelled.
struct HangUp(std::net::TcpStream);

impl Drop for HangUp {
    fn drop(&mut self) {
        // An error means that the other side was faster.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// One connection, from its first byte to its last. What goes wrong on it, the client sees too.
async fn converse(stream: TcpStream, config: Arc<Config>, side: Arc<HostSide>) {
    if let Ok((stream, _hang_up)) = with_hang_up(stream)
        && let Ok(session) = server::run_stream(config, stream, Connection::new(side)).await
    {
        let _ = session.await;
    }
}

fn with_hang_up(stream: TcpStream) -> std::io::Result<(TcpStream, HangUp)> {
    stream.set_nodelay(true)?;
    let stream = stream.into_std()?;
    let hang_up = HangUp(stream.try_clone()?);
    Ok((TcpStream::from_std(stream)?, hang_up))
}
