//! SSH signatures, made and checked as `ssh-keygen -Y sign` and `-Y verify` do.

mod sign;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use crate::ports::Secrets;
use crate::ports::signatures::{BadSignature, SignError, Signature, Signatures, Signer};

/// Signs with key files and the SSH agent.
pub struct SshSignatures {
    secrets: Arc<dyn Secrets>,
    agent: Option<PathBuf>,
}

impl SshSignatures {
    /// Passphrases come from these secrets; the agent listens at this socket.
    pub fn new(secrets: Arc<dyn Secrets>, agent: Option<PathBuf>) -> Self {
        Self { secrets, agent }
    }
}

#[async_trait]
impl Signatures for SshSignatures {
    async fn sign(&self, text: &str, namespace: &str, key: &Path) -> Result<String, SignError> {
        sign::sign(self.secrets.as_ref(), self.agent.as_deref(), text, namespace, key).await
    }

    fn verify(&self, signature: &Signature<'_>) -> Result<Signer, BadSignature> {
        verify::verify(signature)
    }
}
