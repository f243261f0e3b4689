//! What the tests share: a person with secrets, somebody who listens, a client's home folder, hosts and scripts.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use patchctl::adapters::ssh::SshTransport;
use patchctl::core::ids::{ChangeId, HostName, JobId, RunId};
use patchctl::core::problem::Problem;
use patchctl::core::settings::{Escalate, Host};
use patchctl::ports::{Claim, DeadMan, Job, Listener, Privilege, Script, Secret, Secrets, SshOptions};
use russh::keys::{Algorithm, PrivateKey};

use super::server::{Server, Setup, new_key, write_key};

/// Knows these secrets, and counts how often it was asked.
#[derive(Default)]
pub(super) struct Person {
    pub(super) password: Option<String>,
    pub(super) become_password: Option<String>,
    pub(super) passphrase: Option<String>,
    pub(super) asked: AtomicUsize,
}

impl Person {
    fn give(&self, secret: Option<&String>) -> Option<Secret> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        secret.map(|text| Secret::new(text.clone()))
    }
}

#[async_trait]
impl Secrets for Person {
    async fn password(&self, _: &Host) -> Result<Option<Secret>, Problem> {
        Ok(self.give(self.password.as_ref()))
    }
    async fn become_password(&self, _: &Host) -> Result<Option<Secret>, Problem> {
        Ok(self.give(self.become_password.as_ref()))
    }
    async fn passphrase(&self, _: &Path, _: bool) -> Result<Option<Secret>, Problem> {
        Ok(self.give(self.passphrase.as_ref()))
    }
}

/// Keeps what it hears.
#[derive(Default)]
pub(super) struct Ear {
    pub(super) lines: Mutex<Vec<String>>,
    pub(super) records: Mutex<Vec<String>>,
    pub(super) notices: Mutex<Vec<String>>,
}

impl Listener for Ear {
    fn line(&self, text: &str) {
        self.lines.lock().unwrap().push(text.to_owned());
    }
    fn record(&self, text: &str) {
        self.records.lock().unwrap().push(text.to_owned());
    }
    fn notice(&self, text: &str) {
        self.notices.lock().unwrap().push(text.to_owned());
    }
}

impl Ear {
    /// Waits until a line of the log is heard.
    pub(super) async fn wait_for(&self, line: &str) {
        for _ in 0..1000 {
            if self.lines.lock().unwrap().iter().any(|heard| heard == line) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never heard {line:?}; notices: {:?}", self.notices.lock().unwrap());
    }
}

/// The client's side: its home folder with one key that servers of [`Home::setup`] accept.
pub(super) struct Home {
    pub(super) dir: tempfile::TempDir,
    pub(super) key: PrivateKey,
    pub(super) options: SshOptions,
}

impl Home {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = new_key(Algorithm::Ed25519);
        write_key(&dir.path().join(".ssh/id_ed25519"), &key);
        let options = SshOptions { known_hosts: vec![dir.path().join(".ssh/known_hosts")], ..SshOptions::default() };
        Self { dir, key, options }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A server that accepts the key.
    pub(super) async fn server(&self, change: impl FnOnce(&mut Setup)) -> Server {
        let mut setup = Setup::new(super::server::Conduct::Honest);
        setup.authorized = vec![self.key.public_key().clone()];
        change(&mut setup);
        let host_key = setup.host_keys[0].public_key().clone();
        let server = Server::start(setup).await;
        self.know(&format!("[127.0.0.1]:{} {}", server.address.port(), host_key.to_openssh().unwrap()));
        server
    }

    /// Adds a line to known_hosts.
    pub(super) fn know(&self, line: &str) {
        let file = self.path(".ssh/known_hosts");
        let old = std::fs::read_to_string(&file).unwrap_or_default();
        std::fs::write(&file, format!("{old}{line}\n")).unwrap();
    }

    pub(super) fn forget_hosts(&self) {
        let _ = std::fs::remove_file(self.path(".ssh/known_hosts"));
    }

    pub(super) fn transport(&self, person: Person) -> SshTransport {
        self.transport_asking(&Arc::new(person))
    }

    pub(super) fn transport_asking(&self, person: &Arc<Person>) -> SshTransport {
        let secrets: Arc<dyn Secrets> = Arc::clone(person) as Arc<dyn Secrets>;
        SshTransport::with_home(self.options.clone(), secrets, Some(self.dir.path().to_path_buf()))
    }
}

pub(super) fn host(address: SocketAddr) -> Host {
    Host {
        name: HostName::new("web-1").unwrap(),
        address: address.ip().to_string(),
        port: address.port(),
        user: Some("me".to_owned()),
        private_keys: Vec::new(),
        escalate: Escalate::None,
        password_command: None,
        become_password_command: None,
        playbook: None,
        groups: Vec::new(),
        vars: BTreeMap::new(),
    }
}

pub(super) fn script(text: &str) -> Script {
    Script {
        name: "test",
        text: Arc::from(text),
        env: BTreeMap::new(),
        files: BTreeMap::new(),
        privilege: Privilege::User,
        timeout: Duration::from_secs(60),
    }
}

pub(super) fn job(id: &str, text: &str) -> Job {
    Job {
        id: JobId::new(id).unwrap(),
        nonce: "0123456789abcdef".to_owned(),
        claim: Claim {
            run: RunId::new("01JD0000000000000000000AAA").unwrap(),
            owner: "me@here".to_owned(),
            change: ChangeId::new("CHG1").unwrap(),
            epoch: 1,
            force: false,
            release: false,
            witness: None,
        },
        patience: None,
        ask_only: false,
        dead_man: DeadMan::Heed,
        script: script(text),
    }
}
