//! Output without end, in every form it can have.

use std::time::{Duration, Instant};

use patchctl::core::problem::{ErrorKind, Problem};
use patchctl::ports::{JobEnd, Transport};
use tokio::io::AsyncWriteExt;

use super::super::fixture::{Ear, Home, Person, host, job, script};
use super::memory::Memory;
use super::server::{Hostile, Play, Setup, Wire, play};
use super::wire::{ignored, key_exchange};

/// Nothing of this may take longer on a machine that does other things too.
const SOON: Duration = Duration::from_secs(100);

/// Sends this again and again, for as long as it is taken.
async fn for_ever(wire: &Wire, to_stderr: bool, bytes: &[u8]) {
    loop {
        for piece in bytes.chunks(32_000) {
            let taken = if to_stderr { wire.err(piece).await } else { wire.out(piece).await };
            if !taken {
                return;
            }
        }
    }
}

/// What becomes of a step that reads, of a job, or of both, on a host that plays like this.
async fn ends_with(kinds: &[&str], expected: &str, play: Play) {
    for kind in kinds {
        let home = Home::new();
        let server = Hostile::start(&home, Setup::new(play.clone())).await;
        let transport = home.transport(Person::default());
        let there = host(server.address);
        transport.ping(&there).await.unwrap();
        let (memory, begun) = (Memory::watch(), Instant::now());
        let (problem, may_have_begun) = match *kind {
            "step" => {
                let failure = transport.read(&there, &script("true"), &Ear::default()).await.unwrap_err();
                (failure.problem, failure.may_have_begun)
            }
            _ => {
                let job = job("R-web-apply-1", "true");
                let failure = transport.job(&there, &job, &Ear::default()).await.unwrap_err();
                (failure.problem, failure.may_have_begun)
            }
        };
        memory.assert_bounded(kind);
        assert!(begun.elapsed() < SOON, "{kind}: {:?}", begun.elapsed());
        assert_named(&problem, expected);
        assert_eq!(may_have_begun, *kind == "job", "{kind}");
        assert_eq!(server.execs(), if *kind == "job" { 3 } else { 1 }, "{kind}");
        server.left().await;
    }
}

#[track_caller]
fn assert_named(problem: &Problem, expected: &str) {
    assert_eq!(problem.kind, ErrorKind::Unreachable, "{problem}");
    assert!(problem.message.contains(expected), "{problem}");
    assert_eq!((problem.host.as_ref().unwrap().as_str(), problem.step.as_deref()), ("web-1", Some("test")));
    assert!(problem.hint.as_ref().unwrap().contains("look at the host"), "{problem:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_output_that_is_no_frame() {
    let noise = play(|wire| async move { for_ever(&wire, false, &[b'x'; 32_000]).await });
    ends_with(&["step", "job"], "more than 1 MiB before its first word", noise).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_line_among_the_frames() {
    let line = play(|wire| async move {
        wire.greet().await;
        for_ever(&wire, false, &[b'x'; 32_000]).await;
    });
    ends_with(&["step", "job"], "a line without an end", line).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_frames() {
    let beats = play(|wire| async move {
        wire.greet().await;
        for_ever(&wire, false, &b"beat\n".repeat(6_000)).await;
    });
    ends_with(&["step"], "more lines than our driver would in a day", beats).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_records_and_files() {
    let records = play(|wire| async move {
        wire.greet().await;
        wire.out(format!("d r {} 60000000\n", wire.records())).await;
        for_ever(&wire, false, &[b'x'; 32_000]).await;
    });
    ends_with(&["step", "job"], "more than 16 MiB of records", records).await;
    let files = play(|wire| async move {
        wire.greet().await;
        for n in 0.. {
            if !wire.out(format!("f 5 file-{n}\nhello")).await {
                break;
            }
        }
    });
    ends_with(&["job"], "of records or files", files).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_standard_error() {
    let line = "x".repeat(79) + "\n";
    let errors = play(move |wire| {
        let lines = line.repeat(400);
        async move {
            wire.greet().await;
            for_ever(&wire, true, lines.as_bytes()).await;
        }
    });
    ends_with(&["step"], "more than 256 MiB of log", errors.clone()).await;
    ends_with(&["job"], "more than 64 MiB of errors that are no step's", errors).await;
}

/// 1 GB; with `PATCHCTL_LONG=1` the whole 10 GB, which take two minutes without optimisation.
fn much() -> u64 {
    let is_long = std::env::var_os("PATCHCTL_LONG").is_some_and(|long| long == "1");
    if is_long { 10_000_000_000 } else { 1_000_000_000 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_gigabytes_of_log_leave_their_end_and_the_result() {
    let home = Home::new();
    let log = play(|wire| async move {
        wire.greet().await;
        let lines = ("x".repeat(99) + "\n").repeat(10_000);
        let mut at = 0;
        while at < much() {
            wire.out(format!("d l {at} {}\n", lines.len())).await;
            for piece in lines.as_bytes().chunks(32_000) {
                wire.out(piece).await;
            }
            at += lines.len() as u64;
        }
        wire.out(format!("d l {at} 8\nthe end\n")).await;
        wire.end(3).await;
        wire.close().await;
    });
    let server = Hostile::start(&home, Setup::new(log)).await;
    let transport = home.transport(Person::default());
    transport.ping(&host(server.address)).await.unwrap();
    let (memory, begun, ear) = (Memory::watch(), Instant::now(), Ear::default());
    let mut job = job("R-web-apply-1", "true");
    job.script.timeout = Duration::from_secs(600);
    let end = transport.job(&host(server.address), &job, &ear).await;
    println!("{} bytes took {:?}", much(), begun.elapsed());
    memory.assert_bounded("log");
    let Ok(JobEnd::Done(output)) = end else { panic!("{end:?}") };
    assert_eq!(output.code, Some(3));
    assert_eq!(output.log.len() as u64 + output.log_dropped, much() + 8);
    assert!(output.log.len() <= 256 * 1024 && output.log.ends_with(b"x\nthe end\n"));
    assert!(ear.lines.lock().unwrap().len() <= 20_000);
    assert_eq!(server.execs(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_notice_without_end_is_given_once() {
    let home = Home::new();
    let notices = play(|wire| async move {
        wire.greet().await;
        wire.out("state orphaned\nmuch\n".repeat(1000)).await;
        wire.end(0).await;
    });
    let server = Hostile::start(&home, Setup::new(notices)).await;
    let ear = Ear::default();
    let transport = home.transport(Person::default());
    transport.job(&host(server.address), &job("R-web-apply-1", "true"), &ear).await.unwrap();
    assert_eq!(ear.notices.lock().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_that_a_host_opens_to_us_end_its_connection() {
    let channels = play(|wire| async move {
        wire.greet().await;
        while wire.handle.channel_open_forwarded_tcpip("here", 22, "there", 22).await.is_ok() {}
    });
    ends_with(&["step", "job"], "wants to open a channel to us", channels).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_packets_before_the_login() {
    let server = Hostile::raw(|mut tcp| async move {
        tcp.write_all(&key_exchange(false)).await.unwrap();
        let packets = ignored(30_000).repeat(4);
        while tcp.write_all(&packets).await.is_ok() {}
    })
    .await;
    let home = Home::new();
    let (memory, begun) = (Memory::watch(), Instant::now());
    let problem = home.transport(Person::default()).ping(&host(server.address)).await.unwrap_err().problem;
    memory.assert_bounded("before the login");
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_eq!(problem.kind, ErrorKind::Unreachable);
    assert!(problem.message.contains("more than 1 MiB before the login"), "{problem}");
    server.left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_text_instead_of_a_banner() {
    for text in [&b"Welcome to the machine\r\n"[..], &[b'x'; 30_000]] {
        let server = Hostile::raw(move |mut tcp| async move { while tcp.write_all(text).await.is_ok() {} }).await;
        let home = Home::new();
        let (memory, begun) = (Memory::watch(), Instant::now());
        let problem = home.transport(Person::default()).ping(&host(server.address)).await.unwrap_err().problem;
        memory.assert_bounded("banner");
        assert!(begun.elapsed() < Duration::from_secs(30));
        assert!(problem.message.contains("does not speak SSH"), "{problem}");
        server.left().await;
    }
}
