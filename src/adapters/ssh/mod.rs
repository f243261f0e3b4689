//! Reaches hosts over SSH: one connection a host, kept; strict host keys; steps as `adapters::job` has them.

mod auth;
mod budget;
mod client;
mod connect;
mod exec;
mod follow;
mod hostkey;
mod keys;
mod known_hosts;
pub(crate) mod known_line;
mod release;
mod stream;
mod tries;

use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use self::auth::Login;
use self::budget::Budget;
use self::connect::{Connection, connect};
use self::follow::Ask;
use self::hostkey::{Judge, Pin};
use self::keys::KeyFiles;
use self::known_hosts::{Known, KnownHosts, Names};
use crate::core::ids::{HostName, RunId};
use crate::core::problem::{ErrorKind, Problem};
use crate::core::settings::Host;
use crate::ports::{
    Answer, Failure, Job, JobEnd, Listener, Output, Privilege, Released, Script, Secrets, SshOptions, Transport,
};

/// From the first packet to a ready session, where nothing else is said.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Key files that are tried where none is named.
const USUAL_KEYS: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// [`Transport`] over SSH.
pub struct SshTransport {
    options: SshOptions,
    secrets: Arc<dyn Secrets>,
    home: Option<PathBuf>,
    state_dir: Option<PathBuf>,
    patience: Patience,
    local_user: Option<String>,
    known_hosts: Arc<KnownHosts>,
    key_files: KeyFiles,
    hosts: Mutex<HashMap<HostName, Arc<Slot>>>,
}

/// How long a host may take, beside a step's own time.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// To give a sign of life where one is due: a driver gives one every ten seconds, and its first word at once.
    pub silence: Duration,
    /// To begin and end a step.
    pub grace: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { silence: Duration::from_secs(90), grace: Duration::from_secs(15) }
    }
}

/// What is kept about one host.
#[derive(Default)]
struct Slot {
    connection: tokio::sync::Mutex<Option<Arc<Connection>>>,
    pin: Pin,
}

impl SshTransport {
    /// With `~` as `$HOME` says.
    pub fn new(options: SshOptions, secrets: Arc<dyn Secrets>) -> Self {
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        Self::with_home(options, secrets, home)
    }

    /// With this folder as `~`.
    pub fn with_home(options: SshOptions, secrets: Arc<dyn Secrets>, home: Option<PathBuf>) -> Self {
        let mut files = options.known_hosts.clone();
        if files.is_empty() {
            let own =
                home.iter().flat_map(|home| ["known_hosts", "known_hosts2"].map(|name| home.join(".ssh").join(name)));
            files.extend(own);
            files.extend(["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"].map(PathBuf::from));
        }
        let user = |name| std::env::var(name).ok().filter(|user| !user.is_empty());
        let local_user = user("USER").or_else(|| user("LOGNAME"));
        let local_user = local_user.or_else(|| rustix::process::geteuid().is_root().then(|| "root".to_owned()));
        let known_hosts = Arc::new(KnownHosts::new(files));
        let (key_files, hosts) = (KeyFiles::default(), Mutex::default());
        let (state_dir, patience) = (None, Patience::default());
        Self { options, secrets, home, state_dir, patience, local_user, known_hosts, key_files, hosts }
    }

    /// With another folder on the hosts than `/var/lib/patchctl` and `~/.local/state/patchctl`: for tests.
    #[must_use]
    pub fn with_state_dir(mut self, dir: PathBuf) -> Self {
        self.state_dir = Some(dir);
        self
    }

    /// With another patience: for tests.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// The host with its user filled in.
    fn resolved(&self, host: &Host) -> Result<Host, Problem> {
        let mut host = host.clone();
        host.user = self.options.user.clone().or(host.user).or_else(|| self.local_user.clone());
        if host.user.is_none() {
            return Err(Problem::new(ErrorKind::Invalid, "no user to log in as")
                .on(&host.name)
                .hint("set `user` in the inventory, or give --user"));
        }
        Ok(host)
    }

    fn slot(&self, host: &Host) -> Arc<Slot> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(hosts.entry(host.name.clone()).or_default())
    }

    /// The host's connection, made if there is none (then the second value is true).
    async fn connection(
        &self,
        host: &Host,
        listener: Option<&dyn Listener>,
    ) -> Result<(Arc<Connection>, bool), Problem> {
        let slot = self.slot(host);
        let mut kept = slot.connection.lock().await;
        if let Some(connection) = kept.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok((Arc::clone(connection), false));
        }
        *kept = None;
        let connection = Arc::new(self.connect(host, &slot, listener).await?);
        *kept = Some(Arc::clone(&connection));
        Ok((connection, true))
    }

    async fn connect(&self, host: &Host, slot: &Slot, listener: Option<&dyn Listener>) -> Result<Connection, Problem> {
        let names = Names::new(&host.address, host.port, host.name.as_str());
        let known = self.known(&names).await.map_err(|why| {
            Problem::new(ErrorKind::HostKey, why)
                .on(&host.name)
                .hint("host keys cannot be checked until that file can be read")
        })?;
        let judge = Judge {
            host: host.clone(),
            names,
            known,
            files: Arc::clone(&self.known_hosts),
            accept_new: self.options.accept_new,
            pin: Arc::clone(&slot.pin),
        };
        let (paths, named) = self.key_paths(host);
        let login = Login {
            host,
            user: host.user.as_deref().unwrap_or_default(),
            secrets: &*self.secrets,
            files: &self.key_files,
            paths,
            named,
            agent: self.options.agent.clone(),
            offer_agent: host.private_keys.is_empty(),
            budget: &Budget::new(self.options.connect_timeout.unwrap_or(CONNECT_TIMEOUT)),
        };
        let (connection, accepted) = Box::pin(connect(judge, &login)).await?;
        if let (Some(file), Some(listener)) = (&accepted.added_to, listener) {
            listener.notice(&format!("new host key {} added to {file}", accepted.fingerprint));
        }
        Ok(connection)
    }

    /// Hashed names in a long file take a while: not on a thread that serves connections.
    async fn known(&self, names: &Names) -> Result<Known, String> {
        let (files, names) = (Arc::clone(&self.known_hosts), names.clone());
        match tokio::task::spawn_blocking(move || files.of(&names)).await {
            Ok(known) => known.map_err(|error| describe(&error)),
            Err(error) => Err(error.to_string()),
        }
    }

    /// No longer uses this connection for the host: it does not do what it should.
    async fn forget(&self, host: &Host, connection: &Arc<Connection>) {
        let slot = self.slot(host);
        let mut kept = slot.connection.lock().await;
        if kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, connection)) {
            *kept = None;
        }
    }

    /// The key files to try, and whether anybody named them.
    fn key_paths(&self, host: &Host) -> (Vec<PathBuf>, bool) {
        let named = self.options.private_keys.iter().chain(&host.private_keys);
        let named: Vec<PathBuf> = named.map(|path| self.expand(path)).collect();
        if !host.private_keys.is_empty() {
            return (named, true);
        }
        let usual = self.home.iter().flat_map(|home| USUAL_KEYS.map(|name| home.join(".ssh").join(name)));
        let is_named = !named.is_empty();
        (named.into_iter().chain(usual).collect(), is_named)
    }

    fn expand(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => path.to_path_buf(),
        }
    }
}

#[async_trait]
impl Transport for SshTransport {
    async fn ping(&self, host: &Host) -> Result<Answer, Failure> {
        let host = self.resolved(host).map_err(never_begun)?;
        let (connection, _) = self.connection(&host, None).await.map_err(never_begun)?;
        Ok(connection.answer.clone())
    }

    async fn read(&self, host: &Host, script: &Script, listener: &dyn Listener) -> Result<Output, Failure> {
        let host = self.resolved(host).map_err(never_begun)?;
        Box::pin(self.read_once_more(&host, script, listener)).await
    }

    async fn job(&self, host: &Host, job: &Job, listener: &dyn Listener) -> Result<JobEnd, Failure> {
        let host = self.resolved(host).map_err(never_begun)?;
        Box::pin(self.see_through(&host, job, Ask::Job, listener)).await
    }

    async fn confirm(&self, host: &Host, job: &Job, listener: &dyn Listener) -> Result<JobEnd, Failure> {
        // The kept connection proves nothing: it was made before the change.
        self.close(host).await;
        let host = self.resolved(host).map_err(never_begun)?;
        Box::pin(self.see_through(&host, job, Ask::Confirm, listener)).await
    }

    async fn release(
        &self,
        host: &Host,
        run: &RunId,
        privilege: Privilege,
        listener: &dyn Listener,
    ) -> Result<Released, Failure> {
        let host = self.resolved(host).map_err(never_begun)?;
        Box::pin(self.let_go(&host, run, privilege, listener)).await.map_err(never_begun)
    }

    async fn close(&self, host: &Host) {
        let slot = self.slot(host);
        let Some(connection) = slot.connection.lock().await.take() else { return };
        let goodbye = connection.handle.disconnect(russh::Disconnect::ByApplication, "done", "");
        let _ = tokio::time::timeout(Duration::from_secs(1), goodbye).await;
    }
}

fn never_begun(problem: Problem) -> Failure {
    Failure { problem, may_have_begun: false }
}

/// An error with its causes, as one line.
fn describe(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
