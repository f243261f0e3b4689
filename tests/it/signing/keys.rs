//! Every kind of key, from files and from the agent, both ways.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use patchctl::ports::signatures::{BadSignature, SignError, Signature};
use russh::keys::signature::Signer as _;
use russh::keys::ssh_key::public::{KeyData, SkEd25519};
use russh::keys::ssh_key::{LineEnding, Signature as Bytes, SshSig};
use russh::keys::{Algorithm, HashAlg, PrivateKey, PublicKey};
use sha2::{Digest as _, Sha256};

use super::bench::{Keys, NAMESPACE, TEXT, given, keygen, verify};

const KINDS: [(&str, &[&str]); 5] = [
    ("ed25519", &["-t", "ed25519"]),
    ("p256", &["-t", "ecdsa", "-b", "256"]),
    ("p384", &["-t", "ecdsa", "-b", "384"]),
    ("p521", &["-t", "ecdsa", "-b", "521"]),
    ("rsa", &["-t", "rsa", "-b", "2048"]),
];

#[tokio::test]
async fn both_count_what_the_other_signed() {
    let keys = Keys::of(&[]);
    for (kind, arguments) in KINDS {
        keys.make(kind, arguments);
        let signers = keys.signers(&format!("# people\nalice@example.com,alice {{{kind}}} a comment\n"));
        let ours = keys.sign(kind).await.unwrap();
        let theirs = keys.sign_there(kind, NAMESPACE, TEXT, &[]);
        let sha256 = keys.sign_there(kind, NAMESPACE, TEXT, &["-O", "hashalg=sha256"]);
        for (armored, whose) in [(&ours, "ours"), (&theirs, "theirs"), (&sha256, "theirs with SHA-256")] {
            let signature = given(armored, &signers);
            assert!(keys.verified_there(&signature, "alice@example.com"), "{kind}, {whose}");
            assert_eq!(keys.found_there(&signature).unwrap(), ["alice@example.com", "alice"], "{kind}, {whose}");
            let signer = verify(&signature).unwrap();
            assert_eq!((signer.principal.as_str(), signer.key), ("alice@example.com", keys.fingerprint(kind)));
        }
        // As text ours looks as theirs does: 70 columns, one line end.
        assert!(ours.lines().all(|line| line.len() <= 70) && ours.ends_with("-----END SSH SIGNATURE-----\n"), "{ours}");
        // The public half names the key as well as the private one.
        let by_public = keys.sign(&format!("{kind}.pub")).await.unwrap();
        assert!(keys.verified_there(&given(&by_public, &signers), "alice"), "{kind}");
    }
}

#[tokio::test]
async fn what_was_changed_or_made_for_something_else_counts_nowhere() {
    let keys = Keys::of(&["alice", "mallory"]);
    let signers = keys.signers("alice {alice}\n");
    let good = keys.sign("alice").await.unwrap();
    let altered = Signature { text: "{\"decision\": \"rejected\"}\n", ..given(&good, &signers) };
    let shorter = Signature { text: TEXT.trim_end(), ..given(&good, &signers) };
    for changed in [altered, shorter] {
        assert!(!keys.verified_there(&changed, "alice"));
        assert!(matches!(verify(&changed), Err(BadSignature::Altered { .. })));
    }
    let file = keys.sign_there("alice", "file", TEXT, &[]);
    assert!(!keys.verified_there(&given(&file, &signers), "alice"));
    let error = verify(&given(&file, &signers)).unwrap_err();
    assert_eq!(error, BadSignature::Namespace { found: "file".into(), wanted: NAMESPACE.into() });

    let mallory = keys.sign("mallory").await.unwrap();
    assert!(!keys.verified_there(&given(&mallory, &signers), "alice"));
    let error = verify(&given(&mallory, &signers)).unwrap_err();
    assert_eq!(error, BadSignature::Unknown { key: keys.fingerprint("mallory") });
    // Her signature under alice's name: the key in it is exchanged.
    let (hers, alices) = (SshSig::from_pem(&mallory).unwrap(), SshSig::from_pem(&good).unwrap());
    let forged = SshSig::new(alices.public_key().clone(), NAMESPACE, hers.hash_alg(), hers.signature().clone());
    let forged = forged.unwrap().to_pem(LineEnding::LF).unwrap();
    assert!(!keys.verified_there(&given(&forged, &signers), "alice"));
    assert!(matches!(verify(&given(&forged, &signers)), Err(BadSignature::Altered { .. })));

    let cut: String = good.lines().filter(|line| !line.contains("END")).collect();
    for nonsense in ["", "hello", &cut, "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"] {
        assert!(!keys.verified_there(&given(nonsense, &signers), "alice"), "{nonsense}");
        assert!(matches!(verify(&given(nonsense, &signers)), Err(BadSignature::Malformed(_))), "{nonsense}");
    }
}

#[tokio::test]
async fn rsa_with_sha1_counts_nowhere() {
    let keys = Keys::of(&[]);
    keys.make("rsa", &["-t", "rsa", "-b", "2048"]);
    let signers = keys.signers("alice {rsa}\n");
    let private = PrivateKey::read_openssh_file(keys.path("rsa")).unwrap();
    let data = SshSig::signed_data(NAMESPACE, HashAlg::Sha512, TEXT.as_bytes()).unwrap();
    let bytes: Bytes = (private.key_data().rsa().unwrap(), None).try_sign(&data).unwrap();
    let old = SshSig::new(private.public_key().key_data().clone(), NAMESPACE, HashAlg::Sha512, bytes).unwrap();
    let old = old.to_pem(LineEnding::LF).unwrap();
    assert!(!keys.verified_there(&given(&old, &signers), "alice"));
    assert!(matches!(verify(&given(&old, &signers)), Err(BadSignature::Kind(_))));
}

#[tokio::test]
async fn a_security_key_counts_where_somebody_touched_it() {
    let keys = Keys::of(&["soft"]);
    let private = PrivateKey::read_openssh_file(keys.path("soft")).unwrap();
    // What such a key does, in software: it signs its application, flags and counter with the text.
    let public = SkEd25519::new(*private.public_key().key_data().ed25519().unwrap(), "ssh:");
    let listed = PublicKey::from(KeyData::from(public.clone())).to_openssh().unwrap();
    let signers = format!("alice {listed}\n");
    let armored = |flags: u8| {
        let data = SshSig::signed_data(NAMESPACE, HashAlg::Sha512, TEXT.as_bytes()).unwrap();
        let trailer = [flags, 0, 0, 0, 7];
        let inner = [Sha256::digest(b"ssh:").as_slice(), &trailer, Sha256::digest(&data).as_slice()].concat();
        let bytes: Bytes = private.try_sign(&inner).unwrap();
        let bytes = Bytes::new(Algorithm::SkEd25519, [bytes.as_bytes(), &trailer].concat()).unwrap();
        SshSig::new(public.clone().into(), NAMESPACE, HashAlg::Sha512, bytes).unwrap().to_pem(LineEnding::LF).unwrap()
    };
    let touched = armored(1);
    assert!(keys.verified_there(&given(&touched, &signers), "alice"));
    assert_eq!(verify(&given(&touched, &signers)).unwrap().principal, "alice");
    assert!(matches!(verify(&given(&armored(0), &signers)), Err(BadSignature::Kind(_))));
}

#[tokio::test]
async fn an_encrypted_key_asks_for_its_passphrase() {
    let keys = Keys::of(&["alice"]);
    let signers = keys.signers("alice {alice}\n");
    keygen(&["-q", "-p", "-P", "", "-N", "open sesame", "-f", keys.path("alice").to_str().unwrap()]);
    let signed = keys.sign_with("alice", &["wrong", "open sesame"], None).await.unwrap();
    assert!(keys.verified_there(&given(&signed, &signers), "alice"));
    let wrong = keys.sign_with("alice", &["a", "b", "c", "open sesame"], None).await.unwrap_err();
    assert!(wrong.to_string().contains("the passphrase is wrong"), "{wrong}");
    let none = keys.sign_with("alice", &[], None).await.unwrap_err();
    assert_eq!(none, SignError::NoPassphrase(keys.path("alice")));
}

#[tokio::test]
async fn keys_that_cannot_sign_say_why() {
    use std::os::unix::fs::PermissionsExt as _;
    let keys = Keys::of(&["alice", "gone"]);
    let said = |error: SignError| error.to_string();
    assert!(said(keys.sign("nothing").await.unwrap_err()).contains("there is no such key file"));
    std::fs::write(keys.path("text"), "hello").unwrap();
    std::fs::set_permissions(keys.path("text"), std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(said(keys.sign("text").await.unwrap_err()).contains("no private key"));
    std::fs::set_permissions(keys.path("alice"), std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(said(keys.sign("alice").await.unwrap_err()).contains("chmod 600"));
    std::fs::remove_file(keys.path("gone")).unwrap();
    let error = keys.sign("gone.pub").await.unwrap_err();
    assert!(said(error).contains("SSH_AUTH_SOCK is not set"));
}

/// An agent for as long as this lives.
struct Agent(Child, std::path::PathBuf);

impl Agent {
    async fn start(keys: &Keys) -> Self {
        let socket = keys.path("agent");
        let agent = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
        for _ in 0..100 {
            if socket.exists() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self(agent, socket)
    }

    fn add(&self, keys: &Keys, name: &str) {
        let added = Command::new("ssh-add").env("SSH_AUTH_SOCK", &self.1).arg("-q").arg(keys.path(name)).status();
        assert!(added.unwrap().success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_agent_signs_with_keys_whose_files_are_gone() {
    let keys = Keys::of(&["authority", "certified", "elsewhere"]);
    keys.make("rsa", &["-t", "rsa", "-b", "2048"]);
    keys.make("p256", &["-t", "ecdsa"]);
    let authority = keys.path("authority");
    let public = keys.path("certified.pub");
    keygen(&["-q", "-s", authority.to_str().unwrap(), "-I", "id", "-n", "carol", public.to_str().unwrap()]);
    let agent = Agent::start(&keys).await;
    for name in ["certified", "rsa", "p256"] {
        agent.add(&keys, name);
        std::fs::remove_file(keys.path(name)).unwrap();
    }
    let socket = Some(agent.1.as_path());
    for (file, line, name) in [
        ("rsa.pub", "alice {rsa}", "alice"),
        ("p256.pub", "bob {p256}", "bob"),
        ("certified.pub", "dave {certified}", "dave"),
        ("certified-cert.pub", "* cert-authority {authority}", "carol"),
    ] {
        let signers = keys.signers(line);
        let signed = keys.sign_with(file, &[], socket).await.unwrap();
        assert!(keys.verified_there(&given(&signed, &signers), name), "{file}");
        assert_eq!(verify(&given(&signed, &signers)).unwrap().principal, name, "{file}");
    }
    // The agent does not have this one: its file does.
    let signers = keys.signers("erin {elsewhere}");
    let signed = keys.sign_with("elsewhere.pub", &[], socket).await.unwrap();
    assert!(keys.verified_there(&given(&signed, &signers), "erin"));
    std::fs::remove_file(keys.path("elsewhere")).unwrap();
    let error = keys.sign_with("elsewhere.pub", &[], socket).await.unwrap_err();
    assert!(error.to_string().contains("it does not have the key"), "{error}");
}
