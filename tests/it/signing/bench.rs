//! Keys in a folder, and `ssh-keygen` to use them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use patchctl::adapters::clock::SystemClock;
use patchctl::adapters::signing::SshSignatures;
use patchctl::core::problem::Problem;
use patchctl::core::settings::Host;
use patchctl::ports::signatures::{BadSignature, SignError, Signature, Signatures, Signer};
use patchctl::ports::{Clock as _, Secret, Secrets};

pub(super) const NAMESPACE: &str = "approval.patchctl";
pub(super) const TEXT: &str = "{\"decision\": \"approved\"}\n";

/// A person who knows these passphrases, one for each time of asking.
#[derive(Default)]
struct Person(Mutex<Vec<&'static str>>);

#[async_trait]
impl Secrets for Person {
    async fn password(&self, _: &Host) -> Result<Option<Secret>, Problem> {
        panic!("nobody needs a password to sign")
    }
    async fn become_password(&self, _: &Host) -> Result<Option<Secret>, Problem> {
        panic!("nobody needs to become root to sign")
    }
    async fn passphrase(&self, _: &Path, _: bool) -> Result<Option<Secret>, Problem> {
        let mut known = self.0.lock().unwrap();
        Ok((!known.is_empty()).then(|| Secret::new(known.remove(0).to_owned())))
    }
}

/// A folder with keys.
pub(super) struct Keys {
    folder: tempfile::TempDir,
}

impl Keys {
    /// A folder with an ed25519 key for each name.
    pub(super) fn of(names: &[&str]) -> Self {
        let keys = Self { folder: tempfile::tempdir().unwrap() };
        for name in names {
            keys.make(name, &["-t", "ed25519"]);
        }
        keys
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a key.
    pub(super) fn make(&self, name: &str, kind: &[&str]) {
        let file = self.path(name);
        keygen(&[&["-q", "-N", "", "-C", name, "-f", file.to_str().unwrap()], kind].concat());
    }

    /// The public half: its type and base64.
    pub(super) fn public(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap();
        text.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// A file of allowed signers in which `{alice}` is alice's public half.
    pub(super) fn signers(&self, template: &str) -> String {
        let mut text = template.to_owned();
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if let Some(name) = name.strip_suffix(".pub").filter(|name| !name.ends_with("-cert")) {
                text = text.replace(&format!("{{{name}}}"), &self.public(name));
            }
        }
        text
    }

    /// `SHA256:…`, as ssh-keygen says it.
    pub(super) fn fingerprint(&self, name: &str) -> String {
        let listed = keygen(&["-lf", self.path(&format!("{name}.pub")).to_str().unwrap()]);
        listed.split(' ').nth(1).unwrap().to_owned()
    }

    /// Our signature over [`TEXT`].
    pub(super) async fn sign(&self, key: &str) -> Result<String, SignError> {
        self.sign_with(key, &[], None).await
    }

    /// The same, with a person who knows passphrases, and an agent.
    pub(super) async fn sign_with(
        &self,
        key: &str,
        passphrases: &[&'static str],
        agent: Option<&Path>,
    ) -> Result<String, SignError> {
        let person = Arc::new(Person(Mutex::new(passphrases.to_vec())));
        SshSignatures::new(person, agent.map(Path::to_owned)).sign(TEXT, NAMESPACE, &self.path(key)).await
    }

    /// ssh-keygen's signature over a text.
    pub(super) fn sign_there(&self, key: &str, namespace: &str, text: &str, more: &[&str]) -> String {
        let file = self.path("text");
        std::fs::write(&file, text).unwrap();
        let _ = std::fs::remove_file(self.path("text.sig"));
        let key = self.path(key);
        let options = ["-q", "-Y", "sign", "-n", namespace, "-f", key.to_str().unwrap()];
        keygen(&[&options, more, &[file.to_str().unwrap()]].concat());
        std::fs::read_to_string(self.path("text.sig")).unwrap()
    }

    /// Whether ssh-keygen verifies it for this principal, at this time.
    pub(super) fn verified_there(&self, given: &Signature<'_>, principal: &str) -> bool {
        self.ask_there("verify", given, &["-n", given.namespace, "-I", principal]).is_some()
    }

    /// Whose ssh-keygen says that it is.
    pub(super) fn found_there(&self, given: &Signature<'_>) -> Option<Vec<String>> {
        Some(self.ask_there("find-principals", given, &[])?.lines().map(str::to_owned).collect())
    }

    fn ask_there(&self, what: &str, given: &Signature<'_>, more: &[&str]) -> Option<String> {
        let (text, signature, signers) = (self.path("asked"), self.path("asked.sig"), self.path("asked.signers"));
        std::fs::write(&text, given.text).unwrap();
        std::fs::write(&signature, given.armored).unwrap();
        std::fs::write(&signers, given.signers).unwrap();
        let at = format!("verify-time={}", given.at.strftime("%Y%m%d%H%M%SZ"));
        let mut command = Command::new("ssh-keygen");
        command.args(["-Y", what, "-O", &at, "-f"]).arg(&signers).arg("-s").arg(&signature).args(more);
        command.stdin(std::fs::File::open(&text).unwrap()).stderr(Stdio::null());
        let output = command.output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }
}

pub(super) fn keygen(arguments: &[&str]) -> String {
    let output = Command::new("ssh-keygen").args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// This signature over [`TEXT`], now.
pub(super) fn given<'a>(armored: &'a str, signers: &'a str) -> Signature<'a> {
    Signature { text: TEXT, armored, namespace: NAMESPACE, signers, at: SystemClock.now() }
}

/// What we say of it.
pub(super) fn verify(given: &Signature<'_>) -> Result<Signer, BadSignature> {
    SshSignatures::new(Arc::new(Person::default()), None).verify(given)
}
