//! A run's claim, taken off a host that is given up.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use patchctl::core::ids::{JobId, RunId};
use patchctl::core::problem::ErrorKind;
use patchctl::ports::{Arm, DeadMan, Failure, Job, JobEnd, Privilege, Released, Transport};

use super::fixture::{Ear, Home, Person, host, job, script};
use super::server::Server;

const OURS: &str = "01JD0000000000000000000AAA";
const OTHER: &str = "01JD0000000000000000000BBB";

fn id(run: &str) -> RunId {
    RunId::new(run).unwrap()
}

/// A job of a run, under an ID as runs make them.
fn job_of(run: &str, step: &str, text: &str) -> Job {
    let mut job = job(&format!("{run}-h0-{step}-1"), text);
    job.claim.run = id(run);
    job
}

fn claim(server: &Server) -> PathBuf {
    server.state().join("claim")
}

async fn ended(home: &Home, server: &Server, job: &Job) {
    let end = home.transport(Person::default()).job(&host(server.address), job, &Ear::default()).await;
    assert!(matches!(end, Ok(JobEnd::Done(ref output)) if output.code == Some(0)), "{end:?}");
}

async fn release(home: &Home, server: &Server, run: &str) -> Result<Released, Failure> {
    let transport = home.transport(Person::default());
    transport.release(&host(server.address), &id(run), Privilege::User, &Ear::default()).await
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_is_cleared_once_and_only_the_runs_own() {
    let home = Home::new();
    let server = home.server(|_| ()).await;
    assert_eq!(release(&home, &server, OURS).await.unwrap(), Released::NoClaim, "nothing of ours was ever there");
    assert!(!server.state().exists(), "looking leaves nothing behind");

    ended(&home, &server, &job_of(OURS, "stash", "true")).await;
    match release(&home, &server, OTHER).await.unwrap() {
        Released::OtherRun(info) => assert_eq!((info.run.as_str(), info.owner.as_str()), (OURS, "me@here")),
        other => panic!("{other:?}"),
    }
    assert!(claim(&server).exists());

    assert_eq!(release(&home, &server, OURS).await.unwrap(), Released::Cleared);
    assert!(!claim(&server).exists());
    assert_eq!(release(&home, &server, OURS).await.unwrap(), Released::NoClaim);
    assert_eq!(names(&server.state()), ["jobs"], "nothing lies about");
    ended(&home, &server, &job_of(OTHER, "stash", "true")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_beneath_anothers_goes_and_leaves_that_alone() {
    let home = Home::new();
    let server = home.server(|_| ()).await;
    ended(&home, &server, &job_of(OURS, "stash", "true")).await;
    let mut forced = job_of(OTHER, "stash", "true");
    forced.claim.force = true;
    ended(&home, &server, &forced).await;
    assert!(matches!(release(&home, &server, OURS).await.unwrap(), Released::OtherRun(info) if info.run == OTHER));
    assert_eq!(names(&claim(&server)), ["info"], "what lay beneath is gone");
    assert_eq!(release(&home, &server, OTHER).await.unwrap(), Released::Cleared);
    assert!(!claim(&server).exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_cannot_be_read_is_cleared() {
    let home = Home::new();
    let server = home.server(|_| ()).await;
    ended(&home, &server, &job_of(OURS, "stash", "true")).await;
    std::fs::remove_file(claim(&server).join("info")).unwrap();
    let refused = job_of(OTHER, "stash", "true");
    let failure = home.transport(Person::default()).job(&host(server.address), &refused, &Ear::default()).await;
    let problem = failure.unwrap_err().problem;
    assert!(problem.hint.unwrap().contains("patchctl release"), "{}", problem.message);
    assert_eq!(release(&home, &server, OTHER).await.unwrap(), Released::Cleared);
    assert!(!claim(&server).exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_job_of_the_run_is_alive_its_claim_stays() {
    let home = Home::new();
    let server = home.server(|_| ()).await;
    let transport = Arc::new(home.transport(Person::default()));
    let ear = Arc::new(Ear::default());
    let slow = job_of(OURS, "apply", "echo began; while [ ! -e \"$HOME/go\" ]; do sleep 0.1; done");
    let (there, listener) = (host(server.address), Arc::clone(&ear));
    let task = tokio::spawn(async move { transport.job(&there, &slow, &*listener).await });
    ear.wait_for("began").await;

    let problem = release(&home, &server, OURS).await.unwrap_err().problem;
    assert_eq!(problem.kind, ErrorKind::Refused);
    assert!(problem.message.contains(&format!("{OURS}-h0-apply-1")), "{}", problem.message);
    assert!(claim(&server).exists());
    // It is nothing to another run's claims.
    assert!(matches!(release(&home, &server, OTHER).await.unwrap(), Released::OtherRun(_)));

    std::fs::write(server.home.join("go"), "").unwrap();
    assert!(matches!(task.await.unwrap(), Ok(JobEnd::Done(_))));
    assert_eq!(release(&home, &server, OURS).await.unwrap(), Released::Cleared);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_had_not_begun_never_does() {
    let home = Home::new();
    let server = home.server(|_| ()).await;
    ended(&home, &server, &job_of(OURS, "stash", "true")).await;
    // A driver that died between sending the job and starting it.
    let mut apply = job_of(OURS, "apply", "echo ran >\"$HOME/ran\"");
    let jobs = server.state().join("jobs");
    let (done, waiting) = (jobs.join(format!("{OURS}-h0-stash-1")), jobs.join(format!("{OURS}-h0-apply-1")));
    assert!(std::process::Command::new("cp").arg("-a").args([&done, &waiting]).status().unwrap().success());
    std::fs::remove_dir_all(waiting.join("begun")).unwrap();
    std::fs::remove_file(waiting.join("rc")).unwrap();

    assert_eq!(release(&home, &server, OURS).await.unwrap(), Released::Cleared);
    let there = host(server.address);
    let failure = home.transport(Person::default()).job(&there, &apply, &Ear::default()).await.unwrap_err();
    assert!(failure.problem.message.contains("could not be started"), "{}", failure.problem.message);
    assert!(!server.home.join("ran").exists());
    // A new try of the same step is another job.
    apply.id = JobId::new(format!("{OURS}-h0-apply-2")).unwrap();
    ended(&home, &server, &apply).await;
    assert!(server.home.join("ran").exists());
}

/// A job that arms a dead man: it waits so long, and then does this.
fn armed(seconds: u64, back: &str) -> Job {
    let mut job = job_of(OURS, "apply", "true");
    let id = JobId::new(format!("{OURS}-h0-deadman-1")).unwrap();
    job.dead_man = DeadMan::Arm(Box::new(Arm { id, script: script(back), wait: Duration::from_secs(seconds) }));
    job
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_dead_man_goes_too() {
    let home = Home::new();
    let server = home.server(|_| ()).await;
    ended(&home, &server, &armed(2, "echo ran >\"$HOME/ran\"")).await;
    let dead = server.state().join("deadman").join(OURS);
    assert!(dead.exists());
    assert_eq!(release(&home, &server, OURS).await.unwrap(), Released::Cleared);
    assert!(!dead.exists() && !claim(&server).exists());
    // Its watch ends by itself, and nothing goes back.
    let watches = || {
        let found = std::process::Command::new("pgrep").arg("-f").arg(dead.join("watch")).output().unwrap();
        !found.stdout.is_empty()
    };
    for _ in 0..100 {
        if !watches() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(!watches(), "the watch goes on");
    assert!(!server.home.join("ran").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_goes_back_by_itself_is_not_disturbed() {
    let home = Home::new();
    let server = home.server(|_| ()).await;
    let back = "echo ran >\"$HOME/ran\"; while [ ! -e \"$HOME/go\" ]; do sleep 0.1; done";
    ended(&home, &server, &armed(1, back)).await;
    for _ in 0..200 {
        if server.home.join("ran").exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(server.home.join("ran").exists(), "it does not go back");
    let problem = release(&home, &server, OURS).await.unwrap_err().problem;
    assert!(problem.message.contains("deadman"), "{}", problem.message);
    assert!(claim(&server).exists());
    std::fs::write(server.home.join("go"), "").unwrap();
    let rc = server.state().join(format!("jobs/{OURS}-h0-deadman-1/rc"));
    for _ in 0..100 {
        if rc.exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(release(&home, &server, OURS).await.unwrap(), Released::Cleared);
    assert!(!server.state().join("deadman").join(OURS).exists());
}
