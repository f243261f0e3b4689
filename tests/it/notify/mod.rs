//! Messages over HTTPS, to a real server that checks what it gets, fails, is slow, and sends elsewhere.

pub(crate) mod server;

use std::path::PathBuf;
use std::time::Duration;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use patchctl::adapters::notify::Messenger;
use patchctl::core::document::{Outcome, Stamp, Summary};
use patchctl::core::ids::{ChangeId, PlanName, RunId};
use patchctl::core::notify::{Channel, MESSAGE_VERSION, Message, Notify, SecretSource, Topic, UrlSource};
use patchctl::ports::{Again, Notifier as _, SendError};
use sha2::Sha256;

use self::server::{Does, Server};

const KEY: &str = "canary-of-the-hmac-key";
const PATH: &str = "/hooks/canary-of-the-path?token=canary-of-the-query";

fn message() -> Message {
    let at = Stamp("2026-11-26T10:00:00Z".parse().unwrap());
    Message {
        schema: MESSAGE_VERSION,
        id: "01JD0000000000000000000000-7".into(),
        event: "finished",
        sent_at: at,
        at,
        run_id: RunId::new("01JD0000000000000000000000").unwrap(),
        change_id: ChangeId::new("CHG1").unwrap(),
        plan: PlanName::new("openssl").unwrap(),
        stage: None,
        title: "openssl: complete".into(),
        text: vec!["2 hosts patched".into()],
        decide: None,
        more: "patchctl status 01JD0000000000000000000000".into(),
        outcome: Outcome::Complete,
        summary: Summary::default(),
    }
}

fn webhook(url: String, key: Option<PathBuf>, ca: Option<PathBuf>) -> Notify {
    let (url, key) = (UrlSource::Plain(url), key.map(SecretSource::File));
    Notify { name: "hook".into(), on: Topic::ALL.to_vec(), to: Channel::Webhook { url, key, ca } }
}

fn send(to: &Notify) -> Result<(), SendError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(Messenger::new(std::slice::from_ref(to)).send(to, &message()))
}

/// The error, which repeats nothing that is secret.
#[track_caller]
fn refused(to: &Notify, said: &str) -> SendError {
    let error = send(to).unwrap_err();
    assert!(error.text.contains(said), "{said:?} is not in {error:?}");
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    error
}

#[test]
fn what_arrives_is_signed_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let key = folder.path().join("key");
    std::fs::write(&key, format!("{KEY}\n")).unwrap();
    let to = webhook(server.url(PATH), Some(key.clone()), Some(server.ca.clone()));
    send(&to).unwrap();
    send(&to).unwrap();
    let got = server.wait_for(2);
    assert_eq!(got[0].path, PATH);
    assert_eq!(got[0].header("Content-Type"), Some("application/json"));
    assert_eq!(got[0].header("X-Patchctl-Event"), Some("finished"));
    // Sent again it is known by its ID.
    assert!(got.iter().all(|got| got.header("X-Patchctl-Delivery") == Some("01JD0000000000000000000000-7")));
    assert_eq!(
        (&got[0].json()["run_id"], &got[0].json()["title"]),
        (&"01JD0000000000000000000000".into(), &"openssl: complete".into())
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
    mac.update(&got[0].body);
    let signature = got[0].header("X-Patchctl-Signature").unwrap().strip_prefix("sha256=").unwrap();
    mac.verify_slice(&HEXLOWER.decode(signature.as_bytes()).unwrap()).unwrap();
}

#[test]
fn failures_say_whether_another_try_helps() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let to = webhook(server.url(PATH), None, Some(server.ca.clone()));
    let place = format!("127.0.0.1:{} answered", server.port);
    for (status, more, again) in [
        (500, "", Again::After(None)),
        (503, "Retry-After: 7\r\n", Again::After(Some(Duration::from_secs(7)))),
        (429, "Retry-After: soon\r\n", Again::After(None)),
        (404, "", Again::Elsewhere),
        (400, "", Again::Never),
    ] {
        server.next([Does::Answers(status, more)]);
        assert_eq!(refused(&to, &place).again, again, "{status}");
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (server, other) = (Server::start(here.path()), Server::start(there.path()));
    let location: &'static str = Box::leak(format!("Location: {}\r\n", other.url("/")).into_boxed_str());
    let to = webhook(server.url(PATH), None, Some(server.ca.clone()));
    for status in [301, 302, 307, 308] {
        server.next([Does::Answers(status, location)]);
        refused(&to, "redirects are not followed");
    }
    assert!(other.got().is_empty(), "{:?}", other.got());
}

#[test]
fn nothing_is_sent_to_a_server_that_is_not_trusted() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::start(here.path());
    let other = Server::start(there.path());
    for ca in [None, Some(other.ca.clone())] {
        assert_eq!(refused(&webhook(server.url(PATH), None, ca), "no safe connection").again, Again::Elsewhere);
    }
    // Trusted, and not who it should be.
    let wrong_name = server.url(PATH).replace("127.0.0.1", "127.0.0.2");
    refused(&webhook(wrong_name, None, Some(server.ca.clone())), "127.0.0.2");
    assert!(server.got().is_empty(), "{:?}", server.got());
    refused(&webhook("http://192.0.2.1/canary".into(), None, None), "must be https");
}

#[test]
fn a_server_that_says_nothing_is_given_up_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    server.next([Does::Sleeps(Duration::from_secs(40))]);
    let to = webhook(server.url(PATH), None, Some(server.ca.clone()));
    assert_eq!(refused(&to, "did not answer within 10 s").again, Again::After(None));
    let nobody = webhook("https://127.0.0.1:1/canary".into(), None, None);
    assert_eq!(refused(&nobody, "127.0.0.1:1").again, Again::After(None));
}

#[test]
fn commands_get_the_message_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let run = format!("cat >{}; env >>{0}", out.display());
    let to = Notify { name: "command".into(), on: Topic::ALL.to_vec(), to: Channel::Command { run } };
    send(&to).unwrap();
    let text = std::fs::read_to_string(&out).unwrap();
    assert!(text.starts_with("{\"schema\":1,") && text.contains("PATH="), "{text}");
    let fails = Notify { to: Channel::Command { run: "exit 3".into() }, ..to };
    refused(&fails, "exit status: 3");
}
