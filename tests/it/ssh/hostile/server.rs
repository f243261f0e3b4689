//! An SSH server that speaks SSH as it should and then does as it is told: a play takes the place of the shell.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use russh::keys::Algorithm;
use russh::server::{
    Auth, ChannelOpenHandle, Config, Handle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey,
};
use russh::{Channel, ChannelId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use super::super::fixture::Home;
use super::super::server::new_key;

/// What the server does instead of running a command.
pub(super) type Play = Arc<dyn Fn(Wire) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

pub(super) fn play<F>(act: impl Fn(Wire) -> F + Send + Sync + 'static) -> Play
where
    F: Future<Output = ()> + Send + 'static,
{
    Arc::new(move |wire| Box::pin(act(wire)))
}

/// Where the server stops answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mute {
    Never,
    /// When somebody wants to log in.
    Login,
    /// When a session is to be opened.
    Open,
    /// When a command is to be run: it takes what belongs to it, and neither agrees nor refuses.
    Exec,
}

#[derive(Clone)]
pub(super) struct Setup {
    pub(super) mute: Mute,
    /// Told to who logs in.
    pub(super) banner: Option<&'static str>,
    /// How much a client may send before it is allowed more.
    pub(super) window: u32,
    pub(super) play: Play,
}

impl Setup {
    pub(super) fn new(play: Play) -> Self {
        Self { mute: Mute::Never, banner: None, window: 2 * 1024 * 1024, play }
    }

    pub(super) fn mute(at: Mute) -> Self {
        Self { mute: at, ..Self::new(play(|_| async {})) }
    }
}

/// How many connections there were and are, and how many commands.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) live: AtomicUsize,
    pub(super) connections: AtomicUsize,
    pub(super) execs: AtomicUsize,
}

/// A running server; it ends with this value.
pub(super) struct Hostile {
    pub(super) address: SocketAddr,
    pub(super) seen: Arc<Seen>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Hostile {
    /// A server that `home` knows.
    pub(super) async fn start(home: &Home, setup: Setup) -> Self {
        let key = new_key(Algorithm::Ed25519);
        let public = key.public_key().to_openssh().unwrap();
        let config = Arc::new(Config {
            keys: vec![key],
            auth_rejection_time: Duration::from_millis(1),
            auth_rejection_time_initial: Some(Duration::ZERO),
            window_size: setup.window,
            nodelay: true,
            ..Config::default()
        });
        let server = Self::listen(move |tcp, seen| {
            let tcp = tcp.into_std().unwrap();
            let socket = tcp.try_clone().unwrap();
            let client = Client { setup: setup.clone(), seen, socket, kept: Vec::new(), input: HashMap::new() };
            let (config, tcp) = (Arc::clone(&config), TcpStream::from_std(tcp).unwrap());
            async move {
                if let Ok(session) = russh::server::run_stream(config, tcp, client).await {
                    let _ = session.await;
                }
            }
        })
        .await;
        home.know(&format!("[127.0.0.1]:{} {public}", server.address.port()));
        server
    }

    /// A server that is no SSH server, or half of one.
    pub(super) async fn raw<F>(act: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::listen(move |tcp, _| act(tcp)).await
    }

    async fn listen<F>(serve: impl Fn(TcpStream, Arc<Seen>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let here = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                here.connections.fetch_add(1, Ordering::SeqCst);
                here.live.fetch_add(1, Ordering::SeqCst);
                let (work, seen) = (serve(tcp, Arc::clone(&here)), Arc::clone(&here));
                tokio::spawn(async move {
                    work.await;
                    seen.live.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, seen, task }
    }

    pub(super) fn execs(&self) -> usize {
        self.seen.execs.load(Ordering::SeqCst)
    }

    /// Waits until nobody is connected any more.
    pub(super) async fn left(&self) {
        for _ in 0..500 {
            if self.seen.live.load(Ordering::SeqCst) == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} connections leaked", self.seen.live.load(Ordering::SeqCst));
    }
}

/// One client's session, once its payload has come.
pub(super) struct Wire {
    pub(super) handle: Handle,
    pub(super) channel: ChannelId,
    /// The exchange's key.
    pub(super) key: String,
    command: String,
    /// What came on standard input.
    payload: Vec<u8>,
}

impl Wire {
    /// Whether this stands in what is to be run.
    pub(super) fn has(&self, text: &str) -> bool {
        self.payload.windows(text.len()).any(|part| part == text.as_bytes())
    }

    /// How much of a job's records the client has.
    pub(super) fn records(&self) -> u64 {
        let payload = String::from_utf8_lossy(&self.payload);
        payload.lines().find_map(|line| line.strip_prefix("|rec=")).map_or(0, |have| have.parse().unwrap())
    }

    /// Standard output; whether the client still takes it.
    pub(super) async fn out(&self, bytes: impl Into<Vec<u8>>) -> bool {
        self.handle.data(self.channel, bytes.into()).await.is_ok()
    }

    /// Standard error.
    pub(super) async fn err(&self, bytes: impl Into<Vec<u8>>) -> bool {
        self.handle.extended_data(self.channel, 1, bytes.into()).await.is_ok()
    }

    /// What the driver says first, and that the step comes now.
    pub(super) async fn greet(&self) {
        self.err(format!("patchctl:{}\n", self.key)).await;
        self.out(format!("patchctl:{}\nuid 0\n", self.key)).await;
    }

    /// What the driver says last.
    pub(super) async fn end(&self, code: i32) {
        self.err(format!("patchctl:{}\n", self.key)).await;
        self.out(format!("end {code} boot\n")).await;
    }

    pub(super) async fn status(&self, code: u32) {
        let _ = self.handle.exit_status_request(self.channel, code).await;
    }

    pub(super) async fn close(&self) {
        let _ = self.handle.eof(self.channel).await;
        let _ = self.handle.close(self.channel).await;
    }

    /// Runs what came with a shell that has this home, as an honest host would.
    pub(super) async fn honestly(self, home: &Path) {
        let mut shell = Command::new("sh");
        shell.args(["-c", &self.command]).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", home).current_dir(home);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = shell.spawn().unwrap();
        let (mut input, mut out, mut err) =
            (child.stdin.take().unwrap(), child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let feed = async { drop((input.write_all(&self.payload).await, input)) };
        let pump_out = async {
            let mut buffer = vec![0; 16_384];
            while let Ok(n @ 1..) = out.read(&mut buffer).await {
                self.out(&buffer[..n]).await;
            }
        };
        let pump_err = async {
            let mut buffer = vec![0; 16_384];
            while let Ok(n @ 1..) = err.read(&mut buffer).await {
                self.err(&buffer[..n]).await;
            }
        };
        tokio::join!(feed, pump_out, pump_err);
        self.status(0).await;
        self.close().await;
    }
}

/// What has come on a session's standard input.
struct Input {
    command: String,
    bytes: Vec<u8>,
}

impl Input {
    /// The key and the payload, once that is whole.
    fn whole(&self) -> Option<String> {
        let end = self.bytes.iter().position(|b| *b == b'\n')?;
        let (key, length) = std::str::from_utf8(&self.bytes[..end]).unwrap().split_once(' ')?;
        let length: usize = length.parse().unwrap();
        (self.bytes.len() > end + length).then(|| key.to_owned())
    }
}

/// Whether the other side has not closed it.
fn is_open(socket: &std::net::TcpStream) -> bool {
    match socket.peek(&mut [0]) {
        Ok(read) => read > 0,
        Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
    }
}

struct Client {
    setup: Setup,
    seen: Arc<Seen>,
    socket: std::net::TcpStream,
    /// Never answered: dropping one is an answer too.
    kept: Vec<ChannelOpenHandle>,
    input: HashMap<ChannelId, Input>,
}

impl Handler for Client {
    type Error = russh::Error;

    async fn auth_none(&mut self, _: &str) -> Result<Auth, russh::Error> {
        // russh reads nothing while it waits for this answer, and so does not see that the client has gone.
        while self.setup.mute == Mute::Login && is_open(&self.socket) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(Auth::reject())
    }

    async fn auth_publickey_offered(&mut self, _: &str, _: PublicKeyOffer<'_>) -> Result<Auth, russh::Error> {
        Ok(Auth::Accept)
    }

    async fn auth_publickey(&mut self, _: &str, _: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        Ok(Auth::Accept)
    }

    async fn authentication_banner(&mut self) -> Result<Option<String>, russh::Error> {
        Ok(self.setup.banner.map(str::to_owned))
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        if self.setup.mute == Mute::Open {
            self.kept.push(reply);
        } else {
            reply.accept().await;
        }
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        self.seen.execs.fetch_add(1, Ordering::SeqCst);
        if self.setup.mute != Mute::Exec {
            session.channel_success(channel)?;
            let command = String::from_utf8(data.to_vec()).unwrap();
            self.input.insert(channel, Input { command, bytes: Vec::new() });
        }
        Ok(())
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], session: &mut Session) -> Result<(), russh::Error> {
        let Some(input) = self.input.get_mut(&channel) else { return Ok(()) };
        input.bytes.extend_from_slice(data);
        let Some(key) = input.whole() else { return Ok(()) };
        let Some(Input { command, bytes: payload }) = self.input.remove(&channel) else { return Ok(()) };
        let wire = Wire { handle: session.handle(), channel, key, command, payload };
        tokio::spawn((self.setup.play)(wire));
        Ok(())
    }
}
