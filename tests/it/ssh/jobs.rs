//! Jobs: once, whatever happens to the connection.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use patchctl::adapters::ssh::Patience;
use patchctl::core::ids::RunId;
use patchctl::core::problem::ErrorKind;
use patchctl::ports::{Job, JobEnd, Output, Transport};

use super::fixture::{Ear, Home, Person, host, job};
use super::server::{Conduct, Server};

fn done(end: Result<JobEnd, patchctl::ports::Failure>) -> Output {
    match end {
        Ok(JobEnd::Done(output)) => output,
        other => panic!("{other:?}"),
    }
}

fn count(path: &Path) -> usize {
    std::fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_one_exec_runs_once_and_can_be_read_again() {
    let home = Home::new();
    let server = home.server(|_| ()).await;
    let job = job(
        "R-web-apply-1",
        "echo ran >>\"$HOME/count\"; echo log; printf 'phase\\tx\\n' >&3; printf f >\"$OUT/evidence\"; exit 2",
    );
    for execs in 1..3 {
        let ear = Ear::default();
        let output = done(home.transport(Person::default()).job(&host(server.address), &job, &ear).await);
        assert_eq!(output.code, Some(2));
        assert_eq!((output.log.as_slice(), output.records.as_slice()), (&b"log\n"[..], &b"phase\tx\n"[..]));
        assert_eq!(output.files["evidence"], b"f");
        assert_eq!(output.claim.unwrap().owner, "me@here");
        assert_eq!(*ear.records.lock().unwrap(), ["phase\tx"]);
        assert_eq!(server.execs(), execs);
    }
    assert_eq!(count(&server.home.join("count")), 1);
}

/// Follows a job that counts to 30, cutting the connection on the way.
async fn counted(home: &Home, server: &Server, job: Job) -> (Output, Arc<Ear>) {
    let transport = Arc::new(home.transport(Person::default()));
    let ear = Arc::new(Ear::default());
    let (there, listener) = (host(server.address), Arc::clone(&ear));
    let task = tokio::spawn(async move { transport.job(&there, &job, &*listener).await });
    ear.wait_for("line 3").await;
    server.cut();
    (done(task.await.unwrap()), ear)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_does_not_touch_the_job() {
    let home = Home::new();
    let server = home.server(|_| ()).await;
    let text = "echo ran >>\"$HOME/count\"; i=0; while [ $i -lt 30 ]; do echo line $i; printf 'phase\\t%s\\n' $i >&3; i=$((i+1)); sleep 0.1; done";
    let (output, ear) = counted(&home, &server, job("R-web-apply-2", text)).await;
    let lines: Vec<String> = (0..30).map(|n| format!("line {n}")).collect();
    assert_eq!(*ear.lines.lock().unwrap(), lines, "nothing is missing and nothing comes twice");
    assert_eq!(output.records.split(|b| *b == b'\n').count(), 31);
    assert_eq!(output.code, Some(0));
    assert_eq!(count(&server.home.join("count")), 1);
    assert!(ear.notices.lock().unwrap().iter().any(|notice| notice.contains("reconnecting in")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_controllers_and_a_dead_one_start_a_job_once() {
    let home = Home::new();
    let server = home.server(|_| ()).await;
    let job = Arc::new(job("R-web-apply-3", "echo ran >>\"$HOME/count\"; sleep 1; echo end"));
    // The first asks and dies.
    let (there, first) = (host(server.address), Arc::clone(&job));
    let transport = home.transport(Person::default());
    let _ = tokio::time::timeout(Duration::from_millis(300), async {
        transport.job(&there, &first, &Ear::default()).await
    })
    .await;
    drop(transport);
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let (transport, there, job) = (home.transport(Person::default()), host(server.address), Arc::clone(&job));
            tokio::spawn(async move { transport.job(&there, &job, &Ear::default()).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(done(task.await.unwrap()).log, b"end\n");
    }
    assert_eq!(count(&server.home.join("count")), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_takes_too_long_is_left_alone() {
    let home = Home::new();
    let server = home.server(|_| ()).await;
    let mut job = job("R-web-apply-4", "sleep 18; echo end >\"$HOME/end\"");
    job.script.timeout = Duration::from_secs(1);
    let transport = home.transport(Person::default());
    let failure = transport.job(&host(server.address), &job, &Ear::default()).await.unwrap_err();
    assert_eq!(failure.problem.kind, ErrorKind::Timeout);
    assert!(failure.may_have_begun);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(server.home.join("end").exists(), "nothing may signal a job");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_takes_a_job_and_stays_silent_may_have_begun_it() {
    let home = Home::new();
    let server = home.server(|setup| setup.conduct = Conduct::Silent).await;
    let mut job = job("R-web-apply-8", "true");
    job.script.timeout = Duration::from_secs(1);
    let patience = Patience { grace: Duration::ZERO, ..Patience::default() };
    let transport = home.transport(Person::default()).with_patience(patience);
    let failure = transport.job(&host(server.address), &job, &Ear::default()).await.unwrap_err();
    assert_eq!(failure.problem.kind, ErrorKind::Timeout);
    assert!(failure.may_have_begun, "it has the whole script");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_runs_host_is_refused_by_name() {
    let home = Home::new();
    let server = home.server(|_| ()).await;
    let transport = home.transport(Person::default());
    done(transport.job(&host(server.address), &job("R-web-apply-5", "true"), &Ear::default()).await);
    let mut other = job("S-web-apply-1", "echo ran >\"$HOME/other\"");
    other.claim.run = RunId::new("01JD0000000000000000000BBB").unwrap();
    let failure = transport.job(&host(server.address), &other, &Ear::default()).await.unwrap_err();
    assert_eq!(failure.problem.kind, ErrorKind::Claimed);
    assert!(!failure.may_have_begun);
    assert!(
        failure.problem.message.contains("run 01JD0000000000000000000AAA (change CHG1) of me@here"),
        "{}",
        failure.problem.message
    );
    let hint = failure.problem.hint.unwrap();
    assert!(hint.contains("patchctl status 01JD") && hint.contains("patchctl release 01JD"), "{hint}");
    assert!(!server.home.join("other").exists());
    other.claim.force = true;
    done(transport.job(&host(server.address), &other, &Ear::default()).await);
    assert!(server.home.join("other").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_gone_from_the_start_began_nothing() {
    let home = Home::new();
    let server = home.server(|_| ()).await;
    let there = host(server.address);
    drop(server);
    let failure = home
        .transport(Person::default())
        .job(&there, &job("R-web-apply-6", "true"), &Ear::default())
        .await
        .unwrap_err();
    assert_eq!(failure.problem.kind, ErrorKind::Unreachable);
    assert!(!failure.may_have_begun);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_killed_on_its_host_is_reported_dead_with_what_it_said() {
    let home = Home::new();
    let server = home.server(|_| ()).await;
    let transport = Arc::new(home.transport(Person::default()));
    let ear = Arc::new(Ear::default());
    let (there, listener) = (host(server.address), Arc::clone(&ear));
    let task = tokio::spawn(async move {
        transport
            .job(&there, &job("R-web-apply-7", "echo began; printf 'phase\\tx\\n' >&3; sleep 60"), &*listener)
            .await
    });
    ear.wait_for("began").await;
    let pid = std::fs::read_to_string(server.state().join("jobs/R-web-apply-7/begun/pid")).unwrap();
    let group = format!("-{}", pid.split(' ').next().unwrap());
    assert!(std::process::Command::new("/bin/kill").args(["-KILL", "--", &group]).status().unwrap().success());
    let Ok(JobEnd::Died { why, output }) = task.await.unwrap() else { panic!("not dead") };
    assert!(why.contains("was killed"), "{why}");
    assert_eq!(
        (output.log.as_slice(), output.records.as_slice(), output.code),
        (&b"began\n"[..], &b"phase\tx\n"[..], None)
    );
}
