//! Garbage instead of typed lines, and sessions that end in every wrong way.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use patchctl::adapters::ssh::Patience;
use patchctl::core::problem::ErrorKind;
use patchctl::ports::{Failure, JobEnd, Output, Transport};

use super::super::fixture::{Ear, Home, Person, host, job, script};
use super::server::{Hostile, Play, Setup, play};

async fn step(act: &Play) -> Result<Output, Failure> {
    let home = Home::new();
    let server = Hostile::start(&home, Setup::new(act.clone())).await;
    let result = home.transport(Person::default()).read(&host(server.address), &script("true"), &Ear::default()).await;
    server.left().await;
    result
}

/// With so much time for the job.
async fn follow(act: &Play, seconds: u64) -> Result<Output, Failure> {
    heard(act, seconds).await.0
}

/// The same, with what was told on the way.
async fn heard(act: &Play, seconds: u64) -> (Result<Output, Failure>, String) {
    let (home, ear) = (Home::new(), Ear::default());
    let server = Hostile::start(&home, Setup::new(act.clone())).await;
    let patience = Patience { grace: Duration::ZERO, ..Patience::default() };
    let mut job = job("R-web-apply-1", "true");
    job.script.timeout = Duration::from_secs(seconds);
    let transport = home.transport(Person::default()).with_patience(patience);
    let begun = Instant::now();
    let result = transport.job(&host(server.address), &job, &ear).await;
    assert!(begun.elapsed() < Duration::from_secs(40));
    drop(transport);
    server.left().await;
    let result = result.map(|end| match end {
        JobEnd::Done(output) => output,
        JobEnd::Died { why, .. } => panic!("{why}"),
        JobEnd::RestoredItself(output) => panic!("{output:?}"),
    });
    let notices = ear.notices.lock().unwrap().join("\n");
    (result, notices)
}

/// Frames that no driver of ours sends, and what is said about them.
const BROKEN: [(&[u8], &str); 12] = [
    (b"uid nobody\n", "where a line of ours was due"),
    (b"hello\n", "it sent \"hello\" where a line of ours was due"),
    (b"d r 0 -5\n", "where a line of ours was due"),
    (b"d r -1 5\nabcde", "where a line of ours was due"),
    (b"d r 0 99999999999999999999\n", "where a line of ours was due"),
    (b"d r 18446744073709551615 5\nabcde", "where a line of ours was due"),
    (b"d r 1125899906842624 5\nabcde", "do not follow on"),
    (b"d r 7 5\nabcde", "do not follow on"),
    (b"f 5 ../../etc/passwd\nabcde", "where a line of ours was due"),
    (b"end zero boot\n", "where a line of ours was due"),
    (b"\xff\xfe\x00\x9b\n", "where a line of ours was due"),
    (b"ask \x1b[2Jgive me the password\n", "asks for a password that it needs not"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_are_none() {
    for (frame, expected) in BROKEN {
        let act = play(move |wire| async move {
            wire.greet().await;
            wire.out(frame).await;
            wire.end(0).await;
            wire.close().await;
        });
        let shown = frame.escape_ascii();
        let failure = step(&act).await.expect_err("it was taken for a result");
        assert!(failure.problem.message.contains(expected), "{shown}: {}", failure.problem);
        assert!(!failure.problem.message.contains(char::is_control), "{shown}: {:?}", failure.problem.message);
        assert_eq!((failure.problem.kind, failure.may_have_begun), (ErrorKind::Unreachable, false));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_are_none_for_a_job() {
    let all = BROKEN.map(|(frame, expected)| async move {
        let act = play(move |wire| async move {
            wire.greet().await;
            wire.out(frame).await;
            wire.end(0).await;
            wire.close().await;
        });
        let shown = frame.escape_ascii();
        let failure = follow(&act, 60).await.expect_err("it was taken for a result");
        assert!(failure.problem.message.contains(expected), "{shown}: {}", failure.problem);
        assert!(failure.may_have_begun, "{shown}");
    });
    join_all(all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_frames_that_do_not_fit_together() {
    for frames in ["d l 100 4\nlog\nd l 50 4\nlog\n", "d l 18446744073709551615 4\nlog\n", "d l -4 4\nlog\n"] {
        let act = play(move |wire| async move {
            wire.greet().await;
            wire.out(frames).await;
        });
        let failure = follow(&act, 60).await.unwrap_err();
        assert!(failure.may_have_begun, "{frames:?}");
        let message = failure.problem.message;
        assert!(message.contains("went back") || message.contains("where a line of ours"), "{frames:?}: {message}");
    }
    // The furthest that a log can be leaves the numbers whole.
    let act = play(|wire| async move {
        wire.greet().await;
        wire.out("d l 1125899906842624 4\nlog\n").await;
        wire.end(0).await;
    });
    let output = follow(&act, 60).await.unwrap();
    assert_eq!((output.log.as_slice(), output.log_dropped), (&b"log\n"[..], 1 << 50));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_driver_with_another_key_is_noise() {
    let act = play(|wire| async move {
        wire.out("patchctl:01JD0000000000000000000XXX\nuid 0\nend 0 boot\n").await;
        wire.status(0).await;
        wire.close().await;
    });
    for result in [step(&act).await, follow(&act, 60).await] {
        let failure = result.expect_err("another exchange's result was taken");
        assert!(failure.problem.message.contains("did not run our command"), "{}", failure.problem);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exit_status_before_the_output_is_not_the_end() {
    let act = play(|wire| async move {
        wire.status(0).await;
        wire.greet().await;
        wire.out("d r 0 4\na\tb\n").await;
        wire.end(7).await;
        wire.close().await;
    });
    for result in [step(&act).await, follow(&act, 60).await] {
        let output = result.unwrap();
        assert_eq!((output.code, output.records.as_slice()), (Some(7), &b"a\tb\n"[..]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exit_status_alone_is_no_success() {
    let nothing = play(|wire| async move {
        wire.status(0).await;
        wire.close().await;
    });
    for result in [step(&nothing).await, follow(&nothing, 60).await] {
        let failure = result.expect_err("nothing was taken for success");
        assert!(failure.problem.message.contains("did not run our command (the session ended with 0)"));
    }
    let greeting = play(|wire| async move {
        wire.greet().await;
        wire.out("d r 0 4\na\tb\n").await;
        wire.status(0).await;
        wire.close().await;
    });
    let failure = step(&greeting).await.expect_err("half an answer was taken for a whole one");
    assert_eq!(failure.problem.message, "the session ended with 0");
    // A job is asked about for as long as it has time.
    let failure = follow(&greeting, 2).await.expect_err("half an answer was taken for a whole one");
    assert!(failure.may_have_begun);
    assert_eq!(failure.problem.kind, ErrorKind::Timeout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_exit_status_is_unknown_and_never_success() {
    let cut = play(|wire| async move {
        wire.greet().await;
        wire.close().await;
    });
    let failure = step(&cut).await.expect_err("unknown was taken for success");
    assert_eq!(failure.problem.message, "the session ended without a result");
    let (result, notices) = heard(&cut, 4).await;
    let failure = result.expect_err("unknown was taken for success");
    assert_eq!((failure.problem.kind, failure.may_have_begun), (ErrorKind::Timeout, true));
    assert!(notices.contains("the session ended without a result; reconnecting"), "{notices}");
    // The driver's own word counts, with or without the server's.
    let whole = play(|wire| async move {
        wire.greet().await;
        wire.end(4).await;
        wire.close().await;
    });
    assert_eq!(step(&whole).await.unwrap().code, Some(4));
    assert_eq!(follow(&whole, 60).await.unwrap().code, Some(4));
}
