//! Silence, wherever a host can fall silent. Each kind ends within the limit that it has, says what happened, and leaves
//! no connection and no task behind.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use patchctl::adapters::ssh::{Patience, SshTransport};
use patchctl::core::problem::ErrorKind;
use patchctl::ports::{Failure, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::fixture::{Ear, Home, Person, host, job, script};
use super::server::{Hostile, Mute, Play, Setup, play};
use super::wire::{half_a_reply, key_exchange};

const SECOND: Duration = Duration::from_secs(1);
/// Every limit together, on a machine that does other things too.
const SOON: Duration = Duration::from_secs(30);

/// A home whose connections must be there within a second.
fn hasty() -> Home {
    let mut home = Home::new();
    home.options.connect_timeout = Some(SECOND);
    home
}

/// A client that waits for a second where a sign of life is due.
fn impatient(home: &Home) -> SshTransport {
    home.transport(Person::default()).with_patience(Patience { silence: SECOND, grace: 5 * SECOND })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Step,
    Job,
}

/// How a step or a job fails on this server; nothing of it remains.
async fn failure(kind: Kind, home: &Home, server: &Hostile) -> Failure {
    heard(kind, home, server).await.0
}

/// The same, with what was told on the way.
async fn heard(kind: Kind, home: &Home, server: &Hostile) -> (Failure, String) {
    let ear = Ear::default();
    let transport = impatient(home);
    let there = host(server.address);
    let begun = Instant::now();
    let failure = match kind {
        Kind::Step => {
            let mut step = script("true");
            step.timeout = Duration::ZERO;
            transport.read(&there, &step, &ear).await.unwrap_err()
        }
        Kind::Job => {
            let mut job = job("R-web-apply-1", "true");
            job.script.timeout = Duration::ZERO;
            transport.job(&there, &job, &ear).await.unwrap_err()
        }
    };
    assert!(begun.elapsed() < SOON, "took {:?}", begun.elapsed());
    assert_eq!(failure.problem.host.as_ref().unwrap().as_str(), "web-1");
    drop(transport);
    server.left().await;
    let notices = ear.notices.lock().unwrap().join("\n");
    (failure, notices)
}

async fn plays(kind: Kind, act: Play) -> (Failure, String) {
    let home = Home::new();
    let server = Hostile::start(&home, Setup::new(act)).await;
    heard(kind, &home, &server).await
}

/// A server that sends this and then waits for the other side to go.
async fn says(words: Vec<u8>, and_then: Vec<u8>) -> Hostile {
    Hostile::raw(move |mut tcp| {
        let (words, and_then) = (words.clone(), and_then.clone());
        async move {
            let mut buffer = vec![0; 8192];
            tcp.write_all(&words).await.unwrap();
            // The client's banner and proposal, at least.
            let _ = tcp.read(&mut buffer).await;
            let _ = tcp.write_all(&and_then).await;
            while tcp.read(&mut buffer).await.is_ok_and(|n| n > 0) {}
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_there_are_keys() {
    let banner = || b"SSH-2.0-hostile\r\n".to_vec();
    let stages = [
        ("after the connect", Vec::new(), Vec::new()),
        ("in the banner", b"SSH-2.0-hos".to_vec(), Vec::new()),
        ("after the banner", banner(), Vec::new()),
        ("after the proposal", key_exchange(true), Vec::new()),
        ("after the proposal, not strict", key_exchange(false), Vec::new()),
        ("in the reply", key_exchange(true), half_a_reply()),
    ];
    let both = stages.into_iter().flat_map(|stage| [(Kind::Step, stage.clone()), (Kind::Job, stage)]);
    let all = both.map(|(kind, (stage, words, and_then))| async move {
        let server = says(words, and_then).await;
        let failure = failure(kind, &hasty(), &server).await;
        assert!(!failure.may_have_begun, "{stage}");
        let message = failure.problem.message;
        assert!(message.contains("did not speak SSH within 1 s"), "{stage}: {message}");
    });
    join_all(all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_login_and_where_a_session_is_opened() {
    let stages =
        [(Mute::Login, "did not finish the login within 1 s"), (Mute::Open, "it does not open a session within")];
    for (mute, expected) in stages {
        for kind in [Kind::Step, Kind::Job] {
            let home = if mute == Mute::Login { hasty() } else { Home::new() };
            let server = Hostile::start(&home, Setup::mute(mute)).await;
            let failure = failure(kind, &home, &server).await;
            assert!(!failure.may_have_begun, "{mute:?}");
            assert!(failure.problem.message.contains(expected), "{mute:?}: {}", failure.problem);
            assert_eq!(server.execs(), 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_command_is_run() {
    for mute in [Mute::Exec, Mute::Never] {
        for kind in [Kind::Step, Kind::Job] {
            let home = Home::new();
            let server = Hostile::start(&home, Setup { mute, ..Setup::new(play(|_| std::future::pending())) }).await;
            let (failure, notices) = heard(kind, &home, &server).await;
            assert_eq!(failure.may_have_begun, kind == Kind::Job, "it has all that it needs to begin");
            // A job is asked about again until its time is over.
            let told = if kind == Kind::Job { notices } else { failure.problem.message };
            let expected = "the host took our command and did not start it: nothing came for 1 s";
            assert!(told.contains(expected), "{mute:?} {kind:?}: {told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_host_that_does_not_take_the_script() {
    for kind in [Kind::Step, Kind::Job] {
        let home = Home::new();
        let server = Hostile::start(&home, Setup { window: 0, ..Setup::new(play(|_| async {})) }).await;
        let failure = failure(kind, &home, &server).await;
        assert_eq!(failure.problem.kind, ErrorKind::Timeout, "{}", failure.problem);
        assert!(failure.problem.message.contains("did not end within 0 s"), "{}", failure.problem);
        assert!(!failure.may_have_begun, "it has nothing to begin with");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_greeting_and_in_the_middle_of_a_frame() {
    let all = ["", "d r AT 1000\nabc", "d ", "en"].map(|part| async move {
        let act = play(move |wire| async move {
            wire.greet().await;
            wire.out(part.replace("AT", &wire.records().to_string())).await;
            std::future::pending::<()>().await;
        });
        // A step that reads may be silent for as long as it has time; a job shows that it is there.
        let (step, _) = plays(Kind::Step, act.clone()).await;
        assert_eq!(step.problem.kind, ErrorKind::Timeout, "{part:?}");
        assert_eq!(step.problem.step.as_deref(), Some("test"));
        assert!(step.problem.message.contains("did not end within 0 s"), "{part:?}: {}", step.problem);
        let (job, notices) = plays(Kind::Job, act).await;
        assert!(job.may_have_begun);
        assert_eq!(job.problem.kind, ErrorKind::Timeout, "{part:?}");
        assert!(notices.contains("the host went silent: nothing came for 1 s"), "{part:?}: {notices}");
    });
    join_all(all).await;
}

/// Cancelled tasks of the SSH library's have leaked before, with their sockets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_task_is_left_behind() {
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = metrics.num_alive_tasks();
    for words in [Vec::new(), b"SSH-2.0-hostile\r\n".to_vec(), key_exchange(true)] {
        let server = says(words, Vec::new()).await;
        failure(Kind::Step, &hasty(), &server).await;
    }
    for mute in [Mute::Login, Mute::Open, Mute::Exec] {
        let home = if mute == Mute::Login { hasty() } else { Home::new() };
        let server = Hostile::start(&home, Setup::mute(mute)).await;
        failure(Kind::Step, &home, &server).await;
    }
    for _ in 0..500 {
        if metrics.num_alive_tasks() <= before {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} tasks were left behind", metrics.num_alive_tasks() - before);
}
