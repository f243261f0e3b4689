//! Keys that an authority certifies.

use jiff::Timestamp;
use patchctl::ports::signatures::Signature;

use super::bench::{Keys, given, keygen, verify};

/// Certifies a key; the certificate is in `NAME-cert.pub`.
fn certify(keys: &Keys, authority: &str, name: &str, more: &[&str]) {
    let (authority, public) = (keys.path(authority), keys.path(&format!("{name}.pub")));
    let options = ["-q", "-s", authority.to_str().unwrap(), "-I", "an-id"];
    keygen(&[&options, more, &[public.to_str().unwrap()]].concat());
}

fn fleet() -> Keys {
    let keys = Keys::of(&["alice", "other"]);
    keys.make("authority", &["-t", "ed25519"]);
    keys
}

#[tokio::test]
async fn a_certified_key_signs_under_the_names_in_its_certificate() {
    let keys = fleet();
    certify(&keys, "authority", "alice", &["-n", "alice@example.com,root"]);
    let ours = keys.sign("alice-cert.pub").await.unwrap();
    let theirs = keys.sign_there("alice-cert.pub", "approval.patchctl", super::bench::TEXT, &[]);
    for armored in [&ours, &theirs] {
        let signers = keys.signers("*@example.com cert-authority,namespaces=\"approval.*\" {authority}\n");
        let signature = given(armored, &signers);
        assert!(keys.verified_there(&signature, "alice@example.com"));
        let signer = verify(&signature).unwrap();
        // Her own key, so that another certificate for it makes no second person of her.
        assert_eq!((signer.principal.as_str(), signer.key), ("alice@example.com", keys.fingerprint("alice")));
        let all = keys.signers("* cert-authority {authority}\n");
        let found = keys.found_there(&given(armored, &all)).unwrap();
        assert_eq!(found.first(), Some(&verify(&given(armored, &all)).unwrap().principal));
    }
    // Without the certificate the authority says nothing of the key.
    let bare = keys.sign("alice").await.unwrap();
    let signers = keys.signers("* cert-authority {authority}\n");
    assert!(verify(&given(&bare, &signers)).is_err() && !keys.verified_there(&given(&bare, &signers), "root"));
    // And with it the bare key's line does not count: both as ssh-keygen has it.
    let signers = keys.signers("alice@example.com {alice}\n");
    assert!(verify(&given(&ours, &signers)).is_err());
    assert!(!keys.verified_there(&given(&ours, &signers), "alice@example.com"));
}

#[tokio::test]
async fn what_no_authority_says_of_a_person_now_counts_nowhere() {
    let keys = fleet();
    let yes = "*@example.com cert-authority {authority}";
    for (arguments, signers, said) in [
        (&["-n", "alice@example.com"][..], "*@example.org cert-authority {authority}", "no name in it fits"),
        (&["-n", "alice@example.com"], "*@example.com,!alice@* cert-authority {authority}", "no name in it fits"),
        (&["-n", "alice@example.com"], "*@example.com cert-authority {other}", "not among the allowed signers"),
        (&["-n", "alice@example.com"], "*@example.com {authority}", "not among the allowed signers"),
        (&["-n", "alice@example.com", "-V", "20200101:20200102"], yes, "its certificate has expired"),
        (&["-n", "alice@example.com", "-V", "20980101:20990101"], yes, "its certificate is not valid yet"),
        (&["-h", "-n", "alice@example.com"], yes, "its certificate is a host's"),
        (
            &["-n", "alice@example.com"],
            "*@example.com cert-authority,valid-before=\"20200101\" {authority}",
            "it has expired",
        ),
        (
            &["-n", "alice@example.com"],
            "*@example.com cert-authority,namespaces=\"file\" {authority}",
            "it is not for the namespace",
        ),
    ] {
        certify(&keys, "authority", "alice", arguments);
        let signed = keys.sign("alice-cert.pub").await.unwrap();
        let signers = keys.signers(signers);
        let error = verify(&given(&signed, &signers)).unwrap_err().to_string();
        assert!(error.contains(said), "{arguments:?} {signers}: {error}");
        assert!(!keys.verified_there(&given(&signed, &signers), "alice@example.com"), "{arguments:?} {signers}");
    }
}

#[tokio::test]
async fn where_a_certificate_proves_no_person_we_are_stricter_than_ssh_keygen() {
    let keys = fleet();
    let signers = keys.signers("* cert-authority {authority}");
    for (arguments, said) in [
        (&[][..], "its certificate names nobody"),
        (&["-n", "alice", "-O", "force-command=true"], "the critical option force-command"),
    ] {
        certify(&keys, "authority", "alice", arguments);
        let signed = keys.sign("alice-cert.pub").await.unwrap();
        let error = verify(&given(&signed, &signers)).unwrap_err().to_string();
        assert!(error.contains(said), "{arguments:?}: {error}");
    }
}

#[tokio::test]
async fn a_certificate_counts_for_its_time_alone() {
    let keys = fleet();
    let signers = keys.signers("* cert-authority {authority}");
    certify(&keys, "authority", "alice", &["-n", "alice", "-V", "20260601000000Z:20260602000000Z"]);
    let signed = keys.sign("alice-cert.pub").await.unwrap();
    for (at, counts) in [
        ("2026-05-31T23:59:59Z", false),
        ("2026-06-01T00:00:00Z", true),
        ("2026-06-01T23:59:59Z", true),
        ("2026-06-02T00:00:00Z", false),
    ] {
        let at: Timestamp = at.parse().unwrap();
        let signature = Signature { at, ..given(&signed, &signers) };
        assert_eq!(verify(&signature).is_ok(), counts, "{at}");
        assert_eq!(keys.verified_there(&signature, "alice"), counts, "{at}");
    }
}

#[tokio::test]
async fn a_forged_certificate_is_one() {
    use russh::keys::ssh_key::{LineEnding, SshSig};
    let keys = fleet();
    certify(&keys, "other", "alice", &["-n", "alice"]);
    let signed = keys.sign("alice-cert.pub").await.unwrap();
    // The same certificate, with the right authority's name in it: its bytes are exchanged, its signature is not.
    let signature = SshSig::from_pem(&signed).unwrap();
    let bytes = signature.public_key().certificate().unwrap().to_bytes().unwrap();
    let raw = |name: &str| {
        let key = russh::keys::PublicKey::from_openssh(&keys.public(name)).unwrap();
        key.key_data().ed25519().unwrap().0
    };
    let (from, to) = (raw("other"), raw("authority"));
    let at = bytes.windows(32).position(|window| window == from).unwrap();
    let forged = [&bytes[..at], &to, &bytes[at + 32..]].concat();
    let forged = russh::keys::Certificate::from_bytes(&forged).unwrap();
    let forged = SshSig::new(forged.into(), "approval.patchctl", signature.hash_alg(), signature.signature().clone());
    let forged = forged.unwrap().to_pem(LineEnding::LF).unwrap();
    let signers = keys.signers("* cert-authority {authority}");
    let error = verify(&given(&forged, &signers)).unwrap_err().to_string();
    assert!(error.contains("its certificate is forged"), "{error}");
    assert!(!keys.verified_there(&given(&forged, &signers), "alice"));
}
