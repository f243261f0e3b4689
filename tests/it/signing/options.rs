//! Every option of allowed_signers files, and the rest of their grammar: we and `ssh-keygen` say the same.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use patchctl::ports::signatures::{BadSignature, Signature};

use super::bench::{Keys, given, verify};

/// Whether we count it, which `ssh-keygen` must, too.
#[track_caller]
fn agreed(keys: &Keys, signature: &Signature<'_>, principal: &str) -> bool {
    let ours = verify(signature);
    let theirs = keys.verified_there(signature, principal);
    assert_eq!(ours.is_ok(), theirs, "{}: ours {ours:?}", signature.signers);
    ours.is_ok_and(|signer| signer.principal == principal)
}

#[tokio::test]
async fn lines_and_options() {
    let keys = Keys::of(&["alice", "bob"]);
    let signed = keys.sign("alice").await.unwrap();
    for (line, counts) in [
        ("alice {alice}", true),
        ("alice {bob}", false),
        ("bob {bob}\nalice {alice}", true),
        ("# alice {alice}", false),
        ("\n   # a comment\n \t alice \t {alice} \t a comment\n\n", true),
        ("alice,bob {alice}", true),
        ("alice,*@example.com {alice}", true),
        ("\"alice\" {alice}", true),
        // Namespaces.
        ("alice namespaces=\"approval.patchctl\" {alice}", true),
        ("alice namespaces=\"file\" {alice}", false),
        ("alice namespaces=\"file,git,approval.*\" {alice}", true),
        ("alice namespaces=\"*,!approval.patchctl\" {alice}", false),
        ("alice namespaces=\"approval?patchctl\" {alice}", true),
        ("alice NameSpaces=\"approval.patchctl\" {alice}", true),
        ("alice namespaces=\"file\" {alice}\nalice namespaces=\"approval.patchctl\" {alice}", true),
        // Times.
        ("alice valid-after=\"20200101\" {alice}", true),
        ("alice valid-after=\"20200101Z\" {alice}", true),
        ("alice valid-after=\"202001011200\" {alice}", true),
        ("alice valid-after=\"202001011200Z\" {alice}", true),
        ("alice valid-after=\"20200101120059\" {alice}", true),
        ("alice valid-after=\"20200101120059Z\" {alice}", true),
        ("alice valid-after=\"20990101\" {alice}", false),
        ("alice valid-after=\"20990101120059Z\" {alice}", false),
        ("alice valid-before=\"20990101\" {alice}", true),
        ("alice valid-before=\"209901011200Z\" {alice}", true),
        ("alice valid-before=\"20200101\" {alice}", false),
        ("alice valid-before=\"20200101120059Z\" {alice}", false),
        ("alice valid-after=\"20200101\",valid-before=\"20990101Z\" {alice}", true),
        ("alice Valid-After=\"20200101\",VALID-BEFORE=\"20210101\",namespaces=\"approval.patchctl\" {alice}", false),
        // An authority signs certificates and nothing else.
        ("alice cert-authority {alice}", false),
        ("alice cert-authority {bob}\nalice {alice}", true),
        // Lines that are wrong.
        ("alice", false),
        ("alice ssh-ed25519", false),
        ("alice ssh-ed25519 AAAA", false),
        ("alice namespaces=approval.patchctl {alice}", false),
        ("alice namespaces=\"approval.patchctl {alice}", false),
        ("alice namespaces=\"a\",namespaces=\"approval.patchctl\" {alice}", false),
        ("alice valid-after=20200101 {alice}", false),
        ("alice valid-after=\"2020\" {alice}", false),
        ("alice valid-before=\"tomorrow\" {alice}", false),
        ("alice valid-after=\"20210101Z\",valid-before=\"20200101Z\" {alice}", false),
        ("alice no-such-option {alice}", false),
        ("alice no-such-option=\"x\" {alice}", false),
        ("alice valid-after=\"20200101\", {alice}", false),
        ("alice valid-after=\"20200101\" namespaces=\"approval.patchctl\" {alice}", false),
    ] {
        let signers = keys.signers(line);
        assert_eq!(agreed(&keys, &given(&signed, &signers), "alice"), counts, "{line}");
    }
}

#[tokio::test]
async fn the_moment_itself_counts_on_both_sides() {
    let keys = Keys::of(&["alice"]);
    let signed = keys.sign("alice").await.unwrap();
    let noon: Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
    let local = noon.to_zoned(TimeZone::system()).strftime("%Y%m%d%H%M%S").to_string();
    for (option, first, last) in [
        ("valid-after=\"20260601120000Z\"", Some(0), None),
        ("valid-before=\"20260601120000Z\"", None, Some(0)),
        ("valid-after=\"20260601Z\"", Some(-12 * 3600), None),
        (&format!("valid-after=\"{local}\""), Some(0), None),
        (&format!("valid-before=\"{local}\""), None, Some(0)),
    ] {
        let signers = keys.signers(&format!("alice {option} {{alice}}\n"));
        let edge = first.or(last).unwrap();
        for seconds in [edge - 1, edge, edge + 1] {
            let at = noon.checked_add(SignedDuration::from_secs(seconds)).unwrap();
            let counts = first.is_none_or(|first| seconds >= first) && last.is_none_or(|last| seconds <= last);
            let signature = Signature { at, ..given(&signed, &signers) };
            assert_eq!(agreed(&keys, &signature, "alice"), counts, "{option} at {seconds}");
        }
    }
}

#[tokio::test]
async fn a_pattern_is_not_a_person() {
    let keys = Keys::of(&["alice"]);
    let signed = keys.sign("alice").await.unwrap();
    for line in ["* {alice}", "*@example.com {alice}", "a?ice {alice}", "alice,!alice {alice}"] {
        let signers = keys.signers(line);
        let error = verify(&given(&signed, &signers)).unwrap_err();
        assert!(matches!(&error, BadSignature::NotNow { why, line: 1, .. } if why.contains("name nobody")), "{error}");
    }
    // Nobody else's name counts there either.
    let signers = keys.signers("alice {alice}");
    assert!(!keys.verified_there(&given(&signed, &signers), "bob"));
}

#[tokio::test]
async fn why_a_key_does_not_count_is_said_with_its_line() {
    let keys = Keys::of(&["alice"]);
    let signed = keys.sign("alice").await.unwrap();
    for (line, said) in [
        ("# us\nalice namespaces=\"file\" {alice}", "it is not for the namespace \"approval.patchctl\" (line 2"),
        ("alice valid-after=\"20990101\" {alice}", "it is not valid yet (line 1"),
        ("alice valid-before=\"20200101\" {alice}", "it has expired (line 1"),
        ("# us\nalice oops {alice}", "the allowed signers, line 2: `oops` is neither"),
    ] {
        let error = verify(&given(&signed, &keys.signers(line))).unwrap_err().to_string();
        assert!(error.contains(said), "{line}: {error}");
    }
}
