//! Key files: read once for all hosts, decrypted when a host first wants a signature.

use std::collections::HashMap;
use std::io::ErrorKind as IoKind;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use russh::keys::signature::Signer as _;
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::ssh_key::{Signature, private};
use russh::keys::{Certificate, HashAlg, PrivateKey, PublicKey, decode_secret_key};

use crate::ports::{Secret, Secrets};

/// How often a passphrase may be given, as with `ssh`.
const TRIES: usize = 3;

/// Why a key could not be used. Never a reason to stop: the next one is tried.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("{0} is not there")]
    Missing(String),
    #[error("{0} cannot be read: {1}")]
    Unreadable(String, String),
    #[error("{0} may be read by others (chmod 600)")]
    Open(String),
    #[error("{0} is not a private key that can be read")]
    Malformed(String),
    #[error("{0} is encrypted and its passphrase is not known")]
    NoPassphrase(String),
    #[error("the passphrase for {0} is wrong")]
    WrongPassphrase(String),
    #[error("{0} cannot sign: {1}")]
    Sign(String, String),
}

/// A key file.
pub(crate) struct KeyFile {
    path: PathBuf,
    text: zeroize::Zeroizing<String>,
    public: Option<PublicKey>,
    certificate: Option<Certificate>,
    opened: tokio::sync::Mutex<Option<Result<Arc<PrivateKey>, KeyError>>>,
}

impl KeyFile {
    fn read(path: &Path) -> Result<Self, KeyError> {
        let shown = path.display().to_string();
        let unreadable = |error: std::io::Error| match error.kind() {
            IoKind::NotFound => KeyError::Missing(shown.clone()),
            _ => KeyError::Unreadable(shown.clone(), error.to_string()),
        };
        let meta = std::fs::metadata(path).map_err(unreadable)?;
        if meta.permissions().mode() & 0o077 != 0 && meta.uid() == rustix::process::geteuid().as_raw() {
            return Err(KeyError::Open(shown));
        }
        let text = zeroize::Zeroizing::new(std::fs::read_to_string(path).map_err(unreadable)?);
        let beside = |end: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(end);
            std::fs::read_to_string(name).ok()
        };
        let certificate = beside("-cert.pub").and_then(|text| Certificate::from_openssh(text.trim()).ok());
        // The public half stands in the file itself, readable, where it has OpenSSH's own format.
        let own = PrivateKey::from_openssh(text.as_bytes());
        let opened = match &own {
            Ok(key) if !key.is_encrypted() => Some(Ok(Arc::new(key.clone()))),
            _ => decode_secret_key(&text, None).ok().map(|key| Ok(Arc::new(key))),
        };
        let public = match (&own, &opened) {
            (Ok(key), _) => Some(key.public_key().clone()),
            (_, Some(Ok(key))) => Some(key.public_key().clone()),
            _ => beside(".pub").and_then(|text| PublicKey::from_openssh(text.trim()).ok()),
        };
        if opened.is_none() && own.is_err() && !text.contains("ENCRYPTED") {
            return Err(KeyError::Malformed(shown));
        }
        Ok(Self { path: path.to_path_buf(), text, public, certificate, opened: tokio::sync::Mutex::new(opened) })
    }

    /// Its path, for messages.
    pub(crate) fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// Its certificate.
    pub(crate) fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// Its public half; for an encrypted file that does not tell it, the passphrase is asked for.
    pub(crate) async fn public(&self, secrets: &dyn Secrets) -> Result<PublicKey, KeyError> {
        match &self.public {
            Some(key) => Ok(key.clone()),
            None => self.open(secrets).await.map(|key| key.public_key().clone()),
        }
    }

    /// Its private half. Asks once, whoever else waits for it.
    async fn open(&self, secrets: &dyn Secrets) -> Result<Arc<PrivateKey>, KeyError> {
        let mut opened = self.opened.lock().await;
        if let Some(result) = &*opened {
            return result.clone();
        }
        let mut result = self.try_to_open(secrets, false).await;
        for _ in 1..TRIES {
            if !matches!(result, Err(KeyError::WrongPassphrase(_))) {
                break;
            }
            result = match self.try_to_open(secrets, true).await {
                // It is still known what was wrong before.
                Err(KeyError::NoPassphrase(_)) => break,
                other => other,
            };
        }
        *opened = Some(result.clone());
        result
    }

    async fn try_to_open(&self, secrets: &dyn Secrets, again: bool) -> Result<Arc<PrivateKey>, KeyError> {
        match secrets.passphrase(&self.path, again).await {
            Ok(Some(passphrase)) => self.decrypt(passphrase).await,
            Ok(None) | Err(_) => Err(KeyError::NoPassphrase(self.shown())),
        }
    }

    async fn decrypt(&self, passphrase: Secret) -> Result<Arc<PrivateKey>, KeyError> {
        // bcrypt takes its time: not on a thread that serves connections.
        let text = self.text.clone();
        let key = tokio::task::spawn_blocking(move || decode_secret_key(&text, Some(passphrase.expose()))).await;
        match key {
            Ok(Ok(key)) => Ok(Arc::new(key)),
            _ => Err(KeyError::WrongPassphrase(self.shown())),
        }
    }

    /// Signs as an SSH agent would: the signature with its length behind the text.
    pub(crate) async fn sign(
        &self,
        secrets: &dyn Secrets,
        hash: Option<HashAlg>,
        mut text: Vec<u8>,
    ) -> Result<Vec<u8>, KeyError> {
        let key = self.open(secrets).await?;
        let fail = |why: String| KeyError::Sign(self.shown(), why);
        let signature = signature(key.key_data(), hash, &text).map_err(|e| fail(e.to_string()))?;
        let bytes = Vec::<u8>::try_from(signature).map_err(|e| fail(e.to_string()))?;
        let length = u32::try_from(bytes.len()).map_err(|e| fail(e.to_string()))?;
        text.extend_from_slice(&length.to_be_bytes());
        text.extend_from_slice(&bytes);
        Ok(text)
    }
}

fn signature(
    key: &private::KeypairData,
    hash: Option<HashAlg>,
    text: &[u8],
) -> Result<Signature, russh::keys::signature::Error> {
    match key {
        KeypairData::Rsa(rsa) => (rsa, Some(hash.unwrap_or(HashAlg::Sha512))).try_sign(text),
        other => other.try_sign(text),
    }
}

/// Every key file that was asked for so far.
#[derive(Default)]
pub(crate) struct KeyFiles {
    read: Mutex<HashMap<PathBuf, Result<Arc<KeyFile>, KeyError>>>,
}

impl KeyFiles {
    /// The key in this file.
    pub(crate) fn get(&self, path: &Path) -> Result<Arc<KeyFile>, KeyError> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = read.entry(path.to_path_buf());
        entry.or_insert_with(|| KeyFile::read(path).map(Arc::new)).clone()
    }
}
