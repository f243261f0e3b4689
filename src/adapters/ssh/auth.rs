//! Logging in: keys from files and the agent, a password, a single prompt; in the order in which `ssh` tries them.

use std::path::PathBuf;
use std::sync::Arc;

use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::{AgentClient, AgentStream};
use russh::keys::{Algorithm, HashAlg, PublicKey};
use russh::{MethodKind, MethodSet};

use super::budget::Budget;
use super::client::{Client, short};
use super::keys::{KeyError, KeyFile, KeyFiles};
use crate::core::problem::{ErrorKind, Problem};
use crate::core::settings::Host;
use crate::ports::Secrets;

type Agent = AgentClient<Box<dyn AgentStream + Send + Unpin>>;

/// How often a host may say "that was right, and now something else".
const FACTORS: usize = 4;

/// What it takes to log in.
pub(crate) struct Login<'a> {
    pub(crate) host: &'a Host,
    pub(crate) user: &'a str,
    pub(crate) secrets: &'a dyn Secrets,
    pub(crate) files: &'a KeyFiles,
    /// Key files to try, in order.
    pub(crate) paths: Vec<PathBuf>,
    /// Whether somebody named these files: then a missing one is worth a word.
    pub(crate) named: bool,
    /// The agent's socket; its keys are offered, where `offer_agent`, beside those of the files.
    pub(crate) agent: Option<PathBuf>,
    pub(crate) offer_agent: bool,
    pub(crate) budget: &'a Budget,
}

/// Why logging in came to an end.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The host did not want us; the text says what was tried.
    No(Problem),
    /// The connection ended.
    Gone,
    /// Not in time.
    OutOfTime,
}

/// How one try ended.
enum Try {
    In,
    Next,
    Restart,
}

/// One login under way.
struct Attempt<'a, 'h> {
    login: &'a Login<'a>,
    handle: &'h mut Handle<Client>,
    methods: MethodSet,
    tried: Vec<String>,
    notes: Vec<String>,
    password_sent: bool,
}

/// Logs in.
///
/// # Errors
/// When the host does not accept us.
pub(crate) async fn log_in(login: &Login<'_>, handle: &mut Handle<Client>) -> Result<(), Refused> {
    let mut attempt =
        Attempt { login, handle, methods: MethodSet::empty(), tried: vec![], notes: vec![], password_sent: false };
    let first = attempt.handle.authenticate_none(login.user);
    let first = login.budget.within(first).await.map_err(|_| Refused::OutOfTime)?;
    match attempt.judge(first)? {
        Try::In => return Ok(()),
        Try::Next | Try::Restart => {}
    }
    for _ in 0..FACTORS {
        match attempt.round().await? {
            Try::In => return Ok(()),
            Try::Next => break,
            Try::Restart => {}
        }
    }
    Err(Refused::No(attempt.problem()))
}

impl Attempt<'_, '_> {
    async fn round(&mut self) -> Result<Try, Refused> {
        if self.methods.contains(&MethodKind::PublicKey) {
            match self.keys().await? {
                Try::Next => {}
                done => return Ok(done),
            }
        }
        if self.methods.contains(&MethodKind::Password) && !self.password_sent {
            match self.password().await? {
                Try::Next => {}
                done => return Ok(done),
            }
        }
        if self.methods.contains(&MethodKind::KeyboardInteractive) && !self.password_sent {
            return self.prompt().await;
        }
        Ok(Try::Next)
    }

    async fn keys(&mut self) -> Result<Try, Refused> {
        let mut agent = self.agent().await;
        let mut held = match &mut agent {
            Some(agent) => agent.request_identities().await.unwrap_or_default(),
            None => Vec::new(),
        };
        for path in &self.login.paths {
            let file = match self.login.files.get(path) {
                Ok(file) => file,
                Err(KeyError::Missing(_)) if !self.login.named => continue,
                Err(error) => {
                    self.notes.push(error.to_string());
                    continue;
                }
            };
            match self.file(&file, agent.as_mut(), &mut held).await? {
                Try::Next => {}
                done => return Ok(done),
            }
        }
        if self.login.offer_agent
            && let Some(agent) = &mut agent
        {
            for identity in &held {
                match self.held(agent, identity).await? {
                    Try::Next => {}
                    done => return Ok(done),
                }
            }
        }
        Ok(Try::Next)
    }

    async fn agent(&mut self) -> Option<Agent> {
        let socket = self.login.agent.as_ref()?;
        match AgentClient::connect_uds(socket).await {
            Ok(agent) => Some(agent.dynamic()),
            Err(error) => {
                self.notes.push(format!("the agent at {} does not answer: {error}", socket.display()));
                None
            }
        }
    }

    /// Offers a key file; where the agent holds the same key, the agent signs and no passphrase is needed.
    async fn file(
        &mut self,
        file: &Arc<KeyFile>,
        agent: Option<&mut Agent>,
        held: &mut Vec<AgentIdentity>,
    ) -> Result<Try, Refused> {
        let login = self.login;
        let secrets = Asked { secrets: login.secrets, budget: login.budget };
        let public = match file.public(&secrets).await {
            Ok(public) => public,
            Err(error) => {
                self.notes.push(error.to_string());
                return Ok(Try::Next);
            }
        };
        let same = |other: &AgentIdentity| matches!(other, AgentIdentity::PublicKey { key, .. } if key.key_data() == public.key_data());
        if let (Some(at), Some(agent)) = (held.iter().position(same), agent) {
            let identity = held.remove(at);
            return self.held(agent, &identity).await;
        }
        let Some(hash) = self.hash(&public).await? else { return Ok(Try::Next) };
        self.tried.push(file.shown());
        let mut signer = FileSigner { file, secrets };
        if let Some(certificate) = file.certificate() {
            let result = self.handle.authenticate_certificate_with(login.user, certificate.clone(), hash, &mut signer);
            let result = login.budget.within(result).await.map_err(|_| Refused::OutOfTime)?;
            match self.signed(result)? {
                Try::Next => {}
                done => return Ok(done),
            }
        }
        let result = self.handle.authenticate_publickey_with(login.user, public, hash, &mut signer);
        let result = login.budget.within(result).await.map_err(|_| Refused::OutOfTime)?;
        self.signed(result)
    }

    async fn held(&mut self, agent: &mut Agent, identity: &AgentIdentity) -> Result<Try, Refused> {
        let key = identity.public_key().into_owned();
        let Some(hash) = self.hash(&key).await? else { return Ok(Try::Next) };
        let name = if identity.comment().is_empty() {
            super::hostkey::fingerprint(&key)
        } else {
            identity.comment().to_owned()
        };
        self.tried.push(format!("{name} (agent)"));
        let (user, budget) = (self.login.user, self.login.budget);
        // The agent may ask its person before it signs.
        let result = match identity {
            AgentIdentity::PublicKey { .. } => {
                budget.asking(self.handle.authenticate_publickey_with(user, key, hash, agent)).await
            }
            AgentIdentity::Certificate { certificate, .. } => {
                let certificate = certificate.clone();
                budget.asking(self.handle.authenticate_certificate_with(user, certificate, hash, agent)).await
            }
        };
        match result {
            Ok(result) => self.judge(Ok(result)),
            Err(error) => {
                self.notes.push(format!("the agent did not sign with {name}: {error}"));
                Ok(Try::Next)
            }
        }
    }

    /// The hash for an RSA key (never SHA-1), none for others; nothing where the host takes SHA-1 alone.
    async fn hash(&mut self, key: &PublicKey) -> Result<Option<Option<HashAlg>>, Refused> {
        if !matches!(key.algorithm(), Algorithm::Rsa { .. }) {
            return Ok(Some(None));
        }
        let best = self.login.budget.within(self.handle.best_supported_rsa_hash()).await;
        match best.map_err(|_| Refused::OutOfTime)? {
            Ok(Some(Some(hash))) => Ok(Some(Some(hash))),
            Ok(None) => Ok(Some(Some(HashAlg::Sha512))),
            Ok(Some(None)) => {
                self.notes.push("the host takes RSA keys with SHA-1 only, which is not safe".to_owned());
                Ok(None)
            }
            Err(_) => Err(Refused::Gone),
        }
    }

    async fn password(&mut self) -> Result<Try, Refused> {
        let Some(password) = self.ask_password().await? else { return Ok(Try::Next) };
        self.tried.push("password".to_owned());
        let result = self.handle.authenticate_password(self.login.user, password);
        let result = self.login.budget.within(result).await.map_err(|_| Refused::OutOfTime)?;
        self.judge(result)
    }

    async fn ask_password(&mut self) -> Result<Option<String>, Refused> {
        self.password_sent = true;
        let login = self.login;
        match login.budget.asking(login.secrets.password(login.host)).await {
            Ok(Some(secret)) => Ok(Some(secret.expose().to_owned())),
            Ok(None) => {
                self.notes.push("no password was given".to_owned());
                Ok(None)
            }
            Err(problem) => Err(Refused::No(problem.on(&login.host.name))),
        }
    }

    /// keyboard-interactive: one hidden prompt gets the password, anything else is more than we can answer.
    async fn prompt(&mut self) -> Result<Try, Refused> {
        let budget = self.login.budget;
        let Some(password) = self.ask_password().await? else { return Ok(Try::Next) };
        let begin = self.handle.authenticate_keyboard_interactive_start(self.login.user, None);
        let mut reply = budget.within(begin).await.map_err(|_| Refused::OutOfTime)?.map_err(|_| Refused::Gone)?;
        self.tried.push("keyboard-interactive".to_owned());
        let mut answered = false;
        for _ in 0..8 {
            let answers = match reply {
                KeyboardInteractiveAuthResponse::Success => return Ok(Try::In),
                KeyboardInteractiveAuthResponse::Failure { remaining_methods, partial_success } => {
                    return self.judge(Ok(AuthResult::Failure { remaining_methods, partial_success }));
                }
                KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => match &prompts[..] {
                    [] => Vec::new(),
                    [one] if !one.echo && !answered => {
                        answered = true;
                        vec![password.clone()]
                    }
                    other => {
                        let prompts: Vec<_> = other.iter().map(|prompt| prompt.prompt.trim()).collect();
                        self.notes.push(format!("it asks for more than a password: {}", short(&prompts.join(" / "))));
                        return Ok(Try::Next);
                    }
                },
            };
            let answer = self.handle.authenticate_keyboard_interactive_respond(answers);
            reply = budget.within(answer).await.map_err(|_| Refused::OutOfTime)?.map_err(|_| Refused::Gone)?;
        }
        Ok(Try::Next)
    }

    fn signed(&mut self, result: Result<AuthResult, SignError>) -> Result<Try, Refused> {
        match result {
            Ok(result) => self.judge(Ok(result)),
            Err(SignError::Send(_)) => Err(Refused::Gone),
            Err(SignError::Key(error)) => {
                self.notes.push(error.to_string());
                Ok(Try::Next)
            }
        }
    }

    fn judge(&mut self, result: Result<AuthResult, russh::Error>) -> Result<Try, Refused> {
        match result {
            Ok(AuthResult::Success) => Ok(Try::In),
            // What russh makes of a connection that ended.
            Ok(AuthResult::Failure { ref remaining_methods, .. }) if remaining_methods.is_empty() => Err(Refused::Gone),
            Ok(AuthResult::Failure { remaining_methods, partial_success }) => {
                self.methods = remaining_methods;
                if partial_success {
                    self.password_sent = false;
                }
                Ok(if partial_success { Try::Restart } else { Try::Next })
            }
            Err(_) => Err(Refused::Gone),
        }
    }

    fn problem(self) -> Problem {
        let offers: Vec<&str> = self.methods.iter().map(<&str>::from).collect();
        let tried = if self.tried.is_empty() {
            "nothing to try".to_owned()
        } else {
            format!("tried {}", self.tried.join(", "))
        };
        let notes: String = self.notes.iter().map(|note| format!("; {note}")).collect();
        let message = format!("did not let {} in: {tried}; it takes {}{notes}", self.login.user, offers.join(", "));
        let password =
            self.methods.contains(&MethodKind::Password) || self.methods.contains(&MethodKind::KeyboardInteractive);
        let or_password = if password { ", or give the password with -k" } else { "" };
        Problem::new(ErrorKind::Auth, message).on(&self.login.host.name).hint(format!(
            "is the user right (-u)? name the key with --private-key, or add it to the agent (`ssh-add`){or_password}; \
             `ssh -v {}` shows the same from ssh's side",
            crate::adapters::job::refusal::target(self.login.host)
        ))
    }
}

/// Asks for secrets outside the time limit.
struct Asked<'a> {
    secrets: &'a dyn Secrets,
    budget: &'a Budget,
}

#[async_trait::async_trait]
impl Secrets for Asked<'_> {
    async fn password(&self, host: &Host) -> Result<Option<crate::ports::Secret>, Problem> {
        self.budget.asking(self.secrets.password(host)).await
    }
    async fn become_password(&self, host: &Host) -> Result<Option<crate::ports::Secret>, Problem> {
        self.budget.asking(self.secrets.become_password(host)).await
    }
    async fn passphrase(&self, file: &std::path::Path, wrong: bool) -> Result<Option<crate::ports::Secret>, Problem> {
        self.budget.asking(self.secrets.passphrase(file, wrong)).await
    }
}

/// Signs with a key file, once the host has said that it would accept the key.
struct FileSigner<'a> {
    file: &'a KeyFile,
    secrets: Asked<'a>,
}

#[derive(Debug, thiserror::Error)]
enum SignError {
    #[error(transparent)]
    Send(#[from] russh::SendError),
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl russh::Signer for FileSigner<'_> {
    type Error = SignError;

    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        hash: Option<HashAlg>,
        text: Vec<u8>,
    ) -> Result<Vec<u8>, SignError> {
        Ok(self.file.sign(&self.secrets, hash, text).await?)
    }
}
