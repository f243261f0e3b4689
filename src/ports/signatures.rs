//! Signatures over decisions.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use jiff::Timestamp;

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The name that the allowed signers give the key: the first of its line, or of the certificate, that fits.
    pub principal: String,
    /// The fingerprint of the key, `SHA256:…`; a certified key's own, not its authority's.
    pub key: String,
}

/// What is to be verified.
#[derive(Debug, Clone, Copy)]
pub struct Signature<'a> {
    /// The text, byte for byte.
    pub text: &'a str,
    /// The signature, armored as `ssh-keygen -Y sign` writes it.
    pub armored: &'a str,
    /// The namespace that it must have been made in.
    pub namespace: &'a str,
    /// The text of an allowed_signers file.
    pub signers: &'a str,
    /// When it must count.
    pub at: Timestamp,
}

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// It is something else.
    #[error("this is no SSH signature: {0}")]
    Malformed(String),
    /// It was made for something else.
    #[error("the signature was made in the namespace {found:?}, not {wanted:?} (`ssh-keygen -Y sign -n {wanted}`)")]
    Namespace {
        /// The signature's.
        found: String,
        /// The one that counts.
        wanted: String,
    },
    /// The text was changed after it was signed, or another was signed.
    #[error("the signature of key {key} does not fit the text: one of them was changed")]
    Altered {
        /// The key that is said to have signed.
        key: String,
    },
    /// Its kind is not safe, or not known.
    #[error("a signature of this kind does not count: {0}")]
    Kind(String),
    /// The list of signers cannot be read.
    #[error("the allowed signers, line {line}: {why}")]
    Signers {
        /// Which line.
        line: usize,
        /// What is wrong there.
        why: String,
    },
    /// Nobody's.
    #[error("the key {key} is not among the allowed signers")]
    Unknown {
        /// The key that signed.
        key: String,
    },
    /// Somebody's, and not for this.
    #[error("the key {key} does not count: {why} (line {line} of the allowed signers)")]
    NotNow {
        /// The key that signed.
        key: String,
        /// Why it does not count.
        why: String,
        /// The last line that has the key.
        line: usize,
    },
}

/// Why nothing was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The key cannot be read.
    #[error("{}: {why}", file.display())]
    Key {
        /// Its file.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// It is encrypted, and nobody gave its passphrase.
    #[error("{}: the key is encrypted, and its passphrase was not given", .0.display())]
    NoPassphrase(PathBuf),
    /// There is only its public half, and no agent has the other.
    #[error("{}: the private half is neither beside it nor in the SSH agent ({agent})", file.display())]
    NoPrivateHalf {
        /// Its public half.
        file: PathBuf,
        /// What the agent said.
        agent: String,
    },
    /// The agent has the key, and did not sign.
    #[error("{}: the SSH agent has the key and did not sign: {why}", file.display())]
    Agent {
        /// The key's file.
        file: PathBuf,
        /// What it said.
        why: String,
    },
}

/// Makes and checks signatures (SSHSIG, the format of `ssh-keygen -Y`).
#[async_trait]
pub trait Signatures: Send + Sync {
    /// Signs the text with this key: a private key's file, or the file of a public key or certificate whose private half
    /// is beside it or in the SSH agent. The signature, armored.
    ///
    /// # Errors
    /// When the key cannot be used.
    async fn sign(&self, text: &str, namespace: &str, key: &Path) -> Result<String, SignError>;

    /// Whose signature it is, if it counts.
    ///
    /// # Errors
    /// Why it does not.
    fn verify(&self, signature: &Signature<'_>) -> Result<Signer, BadSignature>;
}
