//! Makes a connection: name, TCP, handshake with the host key's check, login; all of it within one time limit, which
//! does not run while a person is asked for a secret.

use std::borrow::Cow;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use russh::client::{Config, Handle};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Preferred, cipher, compression};
use tokio::net::TcpStream;

use super::auth::{Login, Refused, log_in};
use super::budget::OutOfTime;
use super::client::{Client, Events, short, words};
use super::hostkey::{Accepted, Judge};
use super::stream::{FirstWords, Ledger, Life, Stream};
use crate::adapters::job::payload::Becoming;
use crate::adapters::job::refusal::target;
use crate::core::problem::{ErrorKind, Problem};
use crate::core::settings::Host;
use crate::ports::Answer;

/// A silent host is given up after about this long: [`KEEPALIVES`] times [`KEEPALIVE`].
const KEEPALIVE: Duration = Duration::from_secs(10);
const KEEPALIVES: usize = 3;
/// The second net, for when no keepalive can be sent.
const INACTIVITY: Duration = Duration::from_secs(60);
/// What one channel may hold unread: as small as a fast host allows, since there is one for each host.
const WINDOW: u32 = 256 * 1024;
/// Steps at a time on one connection: well below OpenSSH's `MaxSessions 10`.
const SESSIONS: usize = 4;

/// A connection that is logged in.
pub(crate) struct Connection {
    pub(crate) handle: Handle<Client>,
    pub(crate) answer: Answer,
    /// How to become root, once that is known.
    pub(crate) becoming: Mutex<Becoming>,
    /// Turns for sessions.
    pub(crate) turns: tokio::sync::Semaphore,
    pub(crate) ledger: Arc<Ledger>,
    events: Arc<Events>,
    _life: Life,
}

impl Connection {
    /// Whether it has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Why it ended, as far as is known.
    pub(crate) fn why_closed(&self) -> String {
        self.events.why().unwrap_or_else(|| "the connection ended".to_owned())
    }
}

/// Connects and logs in.
///
/// # Errors
/// Of kind unreachable, auth or host_key, and what to do.
pub(crate) async fn connect(judge: Judge, login: &Login<'_>) -> Result<(Connection, Accepted), Problem> {
    let begun = Instant::now();
    let host = login.host;
    let events = Arc::new(Events::default());
    let (first, ledger) = (FirstWords::default(), Arc::new(Ledger::default()));
    let config = Arc::new(config(&judge));
    let client = Client { judge, events: Arc::clone(&events), ledger: Arc::clone(&ledger) };
    let limit = login.budget.limit();

    let tcp = login.budget.within(dial(host)).await;
    let tcp = tcp.unwrap_or_else(|OutOfTime| Err(silent(host, "it did not answer", limit)))?;
    let (stream, life) = Stream::new(tcp, first.clone(), Arc::clone(&ledger));
    let handle = login.budget.within(russh::client::connect_stream(config, stream, client)).await;
    let handle = match handle {
        Ok(Ok(handle)) => handle,
        Ok(Err(_)) if let Some(overrun) = ledger.overrun() => return Err(senseless(overrun, host)),
        Ok(Err(error)) => return Err(refused_handshake(&error, &events, &first, host)),
        Err(OutOfTime) => return Err(silent(host, "it took the connection and then did not speak SSH", limit)),
    };
    let mut connection = Connection {
        handle,
        answer: Answer { host_key: String::new(), user: login.user.to_owned(), took: Duration::ZERO },
        becoming: Mutex::new(Becoming::Probe),
        turns: tokio::sync::Semaphore::new(SESSIONS),
        ledger,
        events,
        _life: life,
    };
    let accepted = match connection.events.verdict() {
        Some(Ok(accepted)) => accepted,
        Some(Err(problem)) => return Err(problem),
        None => return Err(Problem::new(ErrorKind::HostKey, "its host key was not checked").on(&host.name)),
    };
    match log_in(login, &mut connection.handle).await {
        Ok(()) => connection.ledger.log_in(),
        Err(_) if let Some(overrun) = connection.ledger.overrun() => return Err(senseless(overrun, host)),
        Err(Refused::No(problem)) => return Err(problem),
        Err(Refused::Gone) => return Err(hung_up(&connection, login).await),
        Err(Refused::OutOfTime) => return Err(silent(host, "it did not finish the login", limit)),
    }
    connection.answer.host_key.clone_from(&accepted.fingerprint);
    connection.answer.took = begun.elapsed();
    Ok((connection, accepted))
}

/// Finds the address and connects to it, trying each that the name has.
async fn dial(host: &Host) -> Result<TcpStream, Problem> {
    let unreachable = |message: String| Problem::new(ErrorKind::Unreachable, message).on(&host.name);
    let (address, port) = (host.address.as_str(), host.port);
    let found = tokio::net::lookup_host((address, port)).await;
    let found = found.map_err(|error| {
        unreachable(format!("no address for {address:?} ({error})"))
            .hint("is the name right? `address` in the inventory may say where the host is")
    })?;
    let mut last = None;
    for socket in found {
        match TcpStream::connect(socket).await {
            Ok(tcp) => {
                // Without it each small packet of ours waits for the answer to the last one.
                let _ = tcp.set_nodelay(true);
                return Ok(tcp);
            }
            Err(error) => last = Some((socket, error)),
        }
    }
    let Some((socket, error)) = last else {
        return Err(unreachable(format!("no address for {address:?}")));
    };
    let hint = match error.kind() {
        std::io::ErrorKind::ConnectionRefused => {
            "the machine is up, but nothing listens there: is sshd running, is the port right?"
        }
        _ => "is the machine up, and the way to it (VPN, firewall) open?",
    };
    Err(unreachable(format!("cannot connect to {socket}: {error}")).hint(hint))
}

fn config(judge: &Judge) -> Config {
    let authorities = judge.known.authorities().next().is_some();
    let mut keys = vec![
        Algorithm::Ed25519,
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
        Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
        Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
    ];
    let certificates = if authorities { keys.clone() } else { Vec::new() };
    // What is known comes first: else the host shows a key of another kind, and is unknown with it.
    let known = judge.known.kinds();
    let is_known = |algorithm: &Algorithm| match algorithm {
        Algorithm::Rsa { .. } => known.contains(&"ssh-rsa"),
        other => known.contains(&other.as_str()),
    };
    keys.sort_by_key(|algorithm| !is_known(algorithm));
    Config {
        window_size: WINDOW,
        channel_buffer_size: 8,
        keepalive_interval: Some(KEEPALIVE),
        keepalive_max: KEEPALIVES,
        inactivity_timeout: Some(INACTIVITY),
        nodelay: true,
        preferred: Preferred {
            key: Cow::Owned(keys),
            host_key_certificates: Cow::Owned(certificates),
            cipher: Cow::Borrowed(&[
                cipher::AES_128_GCM,
                cipher::AES_256_GCM,
                cipher::CHACHA20_POLY1305,
                cipher::AES_256_CTR,
                cipher::AES_192_CTR,
                cipher::AES_128_CTR,
            ]),
            compression: Cow::Borrowed(&[compression::NONE]),
            ..Preferred::DEFAULT
        },
        ..Config::default()
    }
}

fn refused_handshake(error: &russh::Error, events: &Events, first: &FirstWords, host: &Host) -> Problem {
    if let Some(Err(problem)) = events.verdict() {
        return problem;
    }
    let unreachable = |message: String| Problem::new(ErrorKind::Unreachable, message).on(&host.name);
    if let Some(said) = first.complaint() {
        let crowded = said.contains("MaxStartups") || said.contains("Not allowed at this time");
        let hint = if crowded {
            "sshd limits how fast connections may come (MaxStartups, PerSourcePenalties): use fewer --forks, and wait a minute"
        } else {
            "does an SSH server listen on that port?"
        };
        return unreachable(format!("it does not speak SSH on port {}; it said: {said}", host.port)).hint(hint);
    }
    match error {
        russh::Error::NoCommonAlgo { kind, theirs, .. } => {
            unreachable(format!("we have no {kind:?} algorithm in common; it offers {}", short(&theirs.join(", "))))
                .hint("the host's sshd is old or set up narrowly: update it, or allow a current algorithm")
        }
        other => unreachable(format!("it ended the connection before the login: {}", words(other))).hint(
            "sshd may be starting, or limit how fast connections may come (MaxStartups, PerSourcePenalties): try again \
             with fewer --forks",
        ),
    }
}

/// The connection ended while we logged in: what the host said about it arrives on another way, a little later.
async fn hung_up(connection: &Connection, login: &Login<'_>) -> Problem {
    for _ in 0..20 {
        if connection.events.why().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let why = connection.why_closed();
    if why.contains("Too many authentication failures") {
        return Problem::new(ErrorKind::Auth, format!("did not let {} in: too many keys were tried", login.user))
            .on(&login.host.name)
            .hint("name the right key with --private-key (it is tried first), or take keys out of the agent");
    }
    Problem::new(ErrorKind::Unreachable, format!("it ended the connection during the login of {}: {why}", login.user))
        .on(&login.host.name)
        .hint(format!("see the host's own log (`journalctl -u ssh`), or `ssh -v {}`", target(login.host)))
}

fn senseless(overrun: super::stream::Overrun, host: &Host) -> Problem {
    Problem::new(ErrorKind::Unreachable, overrun.to_string())
        .on(&host.name)
        .hint("no SSH server does that: is it the right port, and the right machine?")
}

fn silent(host: &Host, what: &str, limit: Duration) -> Problem {
    let message = format!("{what} within {} s ({} port {})", limit.as_secs(), host.address, host.port);
    Problem::new(ErrorKind::Unreachable, message)
        .on(&host.name)
        .hint("is the machine up, and the way to it (VPN, firewall) open?")
}
