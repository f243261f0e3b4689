//! Signing: by the SSH agent where it has the key, else with the key's file.

use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::signature::Signer as _;
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::ssh_key::{LineEnding, Signature, SshSig};
use russh::keys::{Algorithm, Certificate, HashAlg, PrivateKey, PublicKey, decode_secret_key};
use zeroize::Zeroizing;

use crate::ports::Secrets;
use crate::ports::signatures::SignError;

/// How often a passphrase may be given, as with `ssh`.
const TRIES: usize = 3;

/// What ssh-keygen uses.
const HASH: HashAlg = HashAlg::Sha512;

/// The armored signature over the text.
pub(super) async fn sign(
    secrets: &dyn Secrets,
    agent: Option<&Path>,
    text: &str,
    namespace: &str,
    file: &Path,
) -> Result<String, SignError> {
    let broken = |error: russh::keys::ssh_key::Error| bad(file, error.to_string());
    let key = Key::find(file)?;
    let signed = SshSig::signed_data(namespace, HASH, text.as_bytes()).map_err(broken)?;
    let (public, signature) = key.sign(secrets, agent, &signed).await?;
    // With a certificate the signature names it, and not the bare key.
    let public = match key.certificate {
        Some(certificate) if *certificate.public_key() == public => certificate.into(),
        Some(_) => return Err(bad(file, "the certificate is another key's")),
        None => public,
    };
    let signature = SshSig::new(public, namespace, HASH, signature).map_err(broken)?;
    let armored = signature.to_pem(LineEnding::LF).map_err(broken)?;
    Ok(if armored.ends_with('\n') { armored } else { armored + "\n" })
}

fn bad(file: &Path, why: impl Into<String>) -> SignError {
    SignError::Key { file: file.to_owned(), why: why.into() }
}

/// A key as it was named.
struct Key<'a> {
    /// The file that was named.
    named: &'a Path,
    /// Where the private half should be.
    private: PathBuf,
    /// The public half, where it can be read without a passphrase.
    public: Option<KeyData>,
    certificate: Option<Certificate>,
}

impl<'a> Key<'a> {
    /// Finds the halves of the key that this file names, as ssh-keygen does.
    fn find(named: &'a Path) -> Result<Self, SignError> {
        let shown = named.as_os_str().to_string_lossy();
        let private = ["-cert.pub", ".pub"].iter().find_map(|end| shown.strip_suffix(end)).map(PathBuf::from);
        let Some(private) = private else {
            let text = read(named)?;
            let beside = || {
                let mut path = named.as_os_str().to_owned();
                path.push(".pub");
                std::fs::read_to_string(path).ok().and_then(|text| PublicKey::from_openssh(text.trim()).ok())
            };
            let own = PrivateKey::from_openssh(text.as_bytes()).ok().map(|key| key.public_key().clone());
            let public = own.or_else(beside).map(|key| key.key_data().clone());
            return Ok(Self { named, private: named.to_owned(), public, certificate: None });
        };
        let text = read(named)?;
        let line = text.trim();
        if shown.ends_with("-cert.pub") {
            let certificate = Certificate::from_openssh(line).map_err(|error| bad(named, error.to_string()))?;
            let public = Some(certificate.public_key().clone());
            return Ok(Self { named, private, public, certificate: Some(certificate) });
        }
        let public = PublicKey::from_openssh(line).map_err(|error| bad(named, error.to_string()))?;
        Ok(Self { named, private, public: Some(public.key_data().clone()), certificate: None })
    }

    async fn sign(
        &self,
        secrets: &dyn Secrets,
        agent: Option<&Path>,
        data: &[u8],
    ) -> Result<(KeyData, Signature), SignError> {
        let mut said = "there is none: SSH_AUTH_SOCK is not set".to_owned();
        if let (Some(socket), Some(public)) = (agent, &self.public) {
            match self.by_agent(socket, public, data).await? {
                Ok(signature) => return Ok((public.clone(), signature)),
                Err(why) => said = why,
            }
        }
        if !self.private.exists() && self.private != self.named {
            return Err(SignError::NoPrivateHalf { file: self.named.to_owned(), agent: said });
        }
        let key = self.open(secrets).await?;
        let signature = match key.key_data() {
            KeypairData::Rsa(rsa) => (rsa, Some(HASH)).try_sign(data),
            other => other.try_sign(data),
        };
        let signature = signature.map_err(|error| {
            let hint = "security keys sign through the SSH agent (`ssh-add`)";
            bad(&self.private, format!("it cannot sign: {error}; {hint}"))
        })?;
        Ok((key.public_key().key_data().clone(), signature))
    }

    /// The agent's signature, where it has the key; else why not.
    async fn by_agent(
        &self,
        socket: &Path,
        public: &KeyData,
        data: &[u8],
    ) -> Result<Result<Signature, String>, SignError> {
        let gone = |error: russh::keys::Error| format!("it does not answer at {}: {error}", socket.display());
        let mut client = match AgentClient::connect_uds(socket).await {
            Ok(client) => client,
            Err(error) => return Ok(Err(gone(error))),
        };
        let held = match client.request_identities().await {
            Ok(held) => held,
            Err(error) => return Ok(Err(gone(error))),
        };
        let same = |identity: &&AgentIdentity| identity.public_key().key_data() == public;
        let Some(identity) = held.iter().find(same) else { return Ok(Err("it does not have the key".into())) };
        let hash = matches!(public.algorithm(), Algorithm::Rsa { .. }).then_some(HASH);
        let refused = |why: String| SignError::Agent { file: self.named.to_owned(), why };
        let answer = client.sign_request(identity, hash, data.to_vec()).await;
        let answer = answer.map_err(|error| refused(error.to_string()))?;
        // The data again, then the signature behind its length.
        let signature = answer.get(data.len() + 4..).unwrap_or_default();
        Signature::try_from(signature).map(Ok).map_err(|error| refused(error.to_string()))
    }

    /// The private half; where it is encrypted, its passphrase is asked for.
    async fn open(&self, secrets: &dyn Secrets) -> Result<PrivateKey, SignError> {
        let file = &self.private;
        let meta = std::fs::metadata(file).map_err(|error| bad(file, why_unreadable(&error)))?;
        if meta.permissions().mode() & 0o077 != 0 && meta.uid() == rustix::process::geteuid().as_raw() {
            return Err(bad(file, "others may read the private key (chmod 600)"));
        }
        let text = Zeroizing::new(read(file)?);
        if let Ok(key) = decode_secret_key(&text, None) {
            return Ok(key);
        }
        let encrypted = match PrivateKey::from_openssh(text.as_bytes()) {
            Ok(key) => key.is_encrypted(),
            Err(_) => text.contains("ENCRYPTED"),
        };
        if !encrypted {
            return Err(bad(file, "this is no private key that can be read"));
        }
        for tried in 0..TRIES {
            let Ok(Some(passphrase)) = secrets.passphrase(file, tried > 0).await else {
                return Err(SignError::NoPassphrase(file.clone()));
            };
            // bcrypt takes its time: not on a thread that serves others.
            let text = text.clone();
            let opened = tokio::task::spawn_blocking(move || decode_secret_key(&text, Some(passphrase.expose()))).await;
            if let Ok(Ok(key)) = opened {
                return Ok(key);
            }
        }
        Err(bad(file, "the passphrase is wrong"))
    }
}

fn read(file: &Path) -> Result<String, SignError> {
    std::fs::read_to_string(file).map_err(|error| bad(file, why_unreadable(&error)))
}

fn why_unreadable(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "there is no such key file".into(),
        ErrorKind::PermissionDenied => "the key cannot be read: permission denied".into(),
        ErrorKind::InvalidData => "this is no key: it is not text".into(),
        _ => format!("the key cannot be read: {error}"),
    }
}
