//! An SSH server in this process. What a client executes runs with the real `sh`, in a temporary folder as its home.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, Certificate, PrivateKey, PublicKey};
use russh::server::{Auth, Config, Handle, Handler, Msg, Response, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, MethodKind, MethodSet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{ChildStdin, Command};

/// What the server does with a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Conduct {
    /// Runs it.
    #[default]
    Honest,
    /// Runs it after a login shell's greetings on both streams.
    Chatty,
    /// Takes it and says nothing.
    Silent,
    /// Sends other bytes instead.
    Garbage,
    /// Never stops sending.
    Flood,
    /// Runs it and withholds the exit status.
    NoStatus,
    /// Says that it will not.
    Refuses,
    /// Runs a login shell that is none.
    NoLogin,
    /// Is after passwords: asks for one that nobody needs, and writes down what comes.
    Thief,
}

/// How a server is set up.
#[derive(Clone)]
pub(super) struct Setup {
    pub(super) conduct: Conduct,
    pub(super) authorized: Vec<PublicKey>,
    pub(super) password: Option<String>,
    /// keyboard-interactive asks for this many things; the first is the password.
    pub(super) prompts: usize,
    pub(super) host_keys: Vec<PrivateKey>,
    pub(super) host_certificates: Vec<Certificate>,
    /// Whose certificates let users in.
    pub(super) user_authority: Option<PublicKey>,
    pub(super) path: String,
}

impl Setup {
    pub(super) fn new(conduct: Conduct) -> Self {
        let path = "/usr/bin:/bin".to_owned();
        let host_keys = vec![new_key(Algorithm::Ed25519)];
        Self {
            conduct,
            authorized: Vec::new(),
            password: None,
            prompts: 0,
            host_keys,
            host_certificates: Vec::new(),
            user_authority: None,
            path,
        }
    }
}

/// A fresh key.
pub(super) fn new_key(algorithm: Algorithm) -> PrivateKey {
    PrivateKey::random(&mut russh::keys::key::safe_rng(), algorithm).unwrap()
}

/// Writes a key file as `ssh-keygen` would.
pub(super) fn write_key(path: &Path, key: &PrivateKey) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    key.write_openssh_file(path, LineEnding::LF).unwrap();
}

/// Counts and handles of a running server.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) connections: AtomicUsize,
    pub(super) execs: AtomicUsize,
    open: Mutex<HashSet<(usize, ChannelId)>>,
    pub(super) most_channels: AtomicUsize,
    pub(super) offered: Mutex<Vec<String>>,
    sockets: Mutex<Vec<std::net::TcpStream>>,
}

impl Seen {
    pub(super) fn open_channels(&self) -> usize {
        self.open.lock().unwrap().len()
    }

    fn closed(&self, client: usize, channel: ChannelId) {
        self.open.lock().unwrap().remove(&(client, channel));
    }
}

/// A running server; it ends with this value.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) home: PathBuf,
    pub(super) seen: Arc<Seen>,
    task: tokio::task::JoinHandle<()>,
    _dir: Arc<tempfile::TempDir>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

impl Server {
    pub(super) async fn start(setup: Setup) -> Self {
        Self::start_in(setup, Arc::new(tempfile::tempdir().unwrap())).await
    }

    async fn start_in(setup: Setup, dir: Arc<tempfile::TempDir>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let home = dir.path().to_path_buf();
        let seen = Arc::new(Seen::default());
        let config = Arc::new(Config {
            keys: setup.host_keys.clone(),
            certificates: setup.host_certificates.clone(),
            auth_rejection_time: Duration::from_millis(1),
            auth_rejection_time_initial: Some(Duration::ZERO),
            max_auth_attempts: 6,
            nodelay: true,
            ..Config::default()
        });
        let (seen_here, home_here) = (Arc::clone(&seen), home.clone());
        let task = tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let number = seen_here.connections.fetch_add(1, Ordering::SeqCst);
                let std = tcp.into_std().unwrap();
                seen_here.sockets.lock().unwrap().push(std.try_clone().unwrap());
                let tcp = TcpStream::from_std(std).unwrap();
                let client = Client {
                    number,
                    setup: setup.clone(),
                    home: home_here.clone(),
                    seen: Arc::clone(&seen_here),
                    stdin: HashMap::new(),
                };
                let (config, seen) = (Arc::clone(&config), Arc::clone(&seen_here));
                tokio::spawn(async move {
                    if let Ok(session) = russh::server::run_stream(config, tcp, client).await {
                        let _ = session.await;
                    }
                    seen.open.lock().unwrap().retain(|(client, _)| *client != number);
                });
            }
        });
        Self { address, home, seen, task, _dir: dir }
    }

    /// Cuts every connection that there is.
    pub(super) fn cut(&self) {
        for socket in self.seen.sockets.lock().unwrap().drain(..) {
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
    }

    pub(super) fn execs(&self) -> usize {
        self.seen.execs.load(Ordering::SeqCst)
    }

    pub(super) fn state(&self) -> PathBuf {
        self.home.join(".local/state/patchctl")
    }
}

/// One client of a server.
struct Client {
    number: usize,
    setup: Setup,
    home: PathBuf,
    seen: Arc<Seen>,
    stdin: HashMap<ChannelId, ChildStdin>,
}

impl Client {
    fn methods(&self) -> MethodSet {
        let mut methods = MethodSet::empty();
        if !self.setup.authorized.is_empty() || self.setup.user_authority.is_some() {
            methods.push(MethodKind::PublicKey);
        }
        if self.setup.prompts > 0 {
            methods.push(MethodKind::KeyboardInteractive);
        } else if self.setup.password.is_some() {
            methods.push(MethodKind::Password);
        }
        methods
    }

    fn no(&self) -> Auth {
        Auth::Reject { proceed_with_methods: Some(self.methods()), partial_success: false }
    }
}

impl Handler for Client {
    type Error = russh::Error;

    async fn auth_none(&mut self, _: &str) -> Result<Auth, russh::Error> {
        Ok(self.no())
    }

    async fn auth_password(&mut self, _: &str, password: &str) -> Result<Auth, russh::Error> {
        Ok(if self.setup.password.as_deref() == Some(password) { Auth::Accept } else { self.no() })
    }

    async fn auth_publickey_offered(
        &mut self,
        _: &str,
        offer: russh::server::PublicKeyOffer<'_>,
    ) -> Result<Auth, russh::Error> {
        // A certificate is offered as its key.
        let known = self.setup.user_authority.is_some()
            || self.setup.authorized.iter().any(|key| key.key_data() == offer.public_key.key_data());
        self.seen.offered.lock().unwrap().push(offer.algorithm.to_string());
        Ok(if known { Auth::Accept } else { self.no() })
    }

    async fn auth_publickey(&mut self, _: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        let known = self.setup.authorized.iter().any(|other| other.key_data() == key.public_key.key_data());
        Ok(if known { Auth::Accept } else { self.no() })
    }

    async fn auth_openssh_certificate(&mut self, _: &str, certificate: &Certificate) -> Result<Auth, russh::Error> {
        let signer = self.setup.user_authority.as_ref().map(PublicKey::key_data);
        Ok(if signer == Some(certificate.signature_key()) { Auth::Accept } else { self.no() })
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, russh::Error> {
        let Some(mut response) = response else {
            let prompts = (0..self.setup.prompts).map(|n| (format!("Question {n}: ").into(), false)).collect();
            return Ok(Auth::Partial { name: "".into(), instructions: "".into(), prompts });
        };
        let answer = response.next().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok(if answer == self.setup.password { Auth::Accept } else { self.no() })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: russh::server::ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        self.seen.open.lock().unwrap().insert((self.number, channel.id()));
        let open = self.seen.open_channels();
        self.seen.most_channels.fetch_max(open, Ordering::SeqCst);
        reply.accept().await;
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _: &mut Session) -> Result<(), russh::Error> {
        self.seen.closed(self.number, channel);
        Ok(())
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], _: &mut Session) -> Result<(), russh::Error> {
        if let Some(stdin) = self.stdin.get_mut(&channel) {
            let _ = stdin.write_all(data).await;
        }
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, _: &mut Session) -> Result<(), russh::Error> {
        self.stdin.remove(&channel);
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        self.seen.execs.fetch_add(1, Ordering::SeqCst);
        let handle = session.handle();
        if self.setup.conduct == Conduct::Refuses {
            session.channel_failure(channel)?;
            return Ok(());
        }
        session.channel_success(channel)?;
        match self.setup.conduct {
            Conduct::Silent => {}
            Conduct::Garbage => {
                let (seen, number) = (Arc::clone(&self.seen), self.number);
                tokio::spawn(async move {
                    let _ = handle.data(channel, vec![0xff; 10_000]).await;
                    let _ = handle.exit_status_request(channel, 255).await;
                    seen.closed(number, channel);
                    let _ = handle.close(channel).await;
                });
            }
            Conduct::Flood => {
                tokio::spawn(async move { while handle.data(channel, vec![b'x'; 16_384]).await.is_ok() {} });
            }
            _ => {
                let stdin = self.run(data, handle, channel);
                self.stdin.insert(channel, stdin);
            }
        }
        Ok(())
    }
}

impl Client {
    /// Runs a command as sshd would: with pipes, in the home folder, in a session of its own. It is not ended when the
    /// connection is.
    fn run(&self, command: &[u8], handle: Handle, channel: ChannelId) -> ChildStdin {
        let (setup, home) = (&self.setup, &self.home);
        let (seen, number) = (Arc::clone(&self.seen), self.number);
        let text = String::from_utf8(command.to_vec()).unwrap();
        let text = match setup.conduct {
            Conduct::Chatty => format!("echo 'Welcome to host!'; echo 'bind: warning' >&2; printf 'prompt> '; {text}"),
            Conduct::Thief => r#"read -r k n; head -c "$n" >/dev/null; echo "patchctl:$k"; echo "ask sudo: please";
                head -n 1 >"$HOME/loot"; sleep 1"#
                .to_owned(),
            Conduct::NoLogin => "echo 'This account is currently not available.'; exit 1".to_owned(),
            _ => text,
        };
        let mut child = Command::new("setsid")
            .args(["sh", "-c", &text])
            .env_clear()
            .env("PATH", &setup.path)
            .env("HOME", home)
            .current_dir(home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let with_status = setup.conduct != Conduct::NoStatus;
        tokio::spawn(async move {
            let pump_out = async {
                let mut buffer = vec![0; 16_384];
                while let Ok(n) = out.read(&mut buffer).await {
                    if n == 0 || handle.data(channel, buffer[..n].to_vec()).await.is_err() {
                        break;
                    }
                }
                drop(out);
            };
            let pump_err = async {
                let mut buffer = vec![0; 16_384];
                while let Ok(n) = err.read(&mut buffer).await {
                    if n == 0 || handle.extended_data(channel, 1, buffer[..n].to_vec()).await.is_err() {
                        break;
                    }
                }
                drop(err);
            };
            tokio::join!(pump_out, pump_err);
            let status = child.wait().await.unwrap();
            if with_status {
                let code = u32::try_from(status.code().unwrap_or(255)).unwrap();
                let _ = handle.exit_status_request(channel, code).await;
            }
            seen.closed(number, channel);
            let _ = handle.eof(channel).await;
            let _ = handle.close(channel).await;
        });
        stdin
    }
}
