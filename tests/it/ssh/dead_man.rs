//! The host undoes a change by itself unless a new connection confirms it: exactly one of the two, whatever happens.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use patchctl::core::ids::JobId;
use patchctl::core::problem::ErrorKind;
use patchctl::ports::{Arm, DeadMan, Failure, Job, JobEnd, Output, Transport};

use super::fixture::{Ear, Home, Person, host, job, script};
use super::server::Server;

/// A host that is changed by writing a file, and goes back by taking it away.
struct World {
    home: Home,
    server: Server,
}

impl World {
    async fn new() -> Self {
        let home = Home::new();
        let server = home.server(|_| ()).await;
        Self { home, server }
    }

    async fn ask(&self, job: &Job) -> Result<JobEnd, Failure> {
        self.home.transport(Person::default()).job(&host(self.server.address), job, &Ear::default()).await
    }

    async fn confirm(&self, job: &Job) -> Result<JobEnd, Failure> {
        self.home.transport(Person::default()).confirm(&host(self.server.address), job, &Ear::default()).await
    }

    fn path(&self, name: &str) -> PathBuf {
        self.server.home.join(name)
    }

    fn dead_man(&self) -> PathBuf {
        self.server.state().join("deadman/01JD0000000000000000000AAA")
    }

    /// The process that watches.
    fn watch(&self) -> Process {
        let seen = std::fs::read_to_string(self.dead_man().join("seen")).unwrap();
        Process::new(seen.split_whitespace().nth(1).unwrap())
    }

    fn runner(&self, job: &str) -> String {
        let pid = std::fs::read_to_string(self.server.state().join("jobs").join(job).join("begun/pid")).unwrap();
        pid.split(' ').next().unwrap().to_owned()
    }

    fn is_changed(&self) -> bool {
        self.path("changed").exists()
    }

    fn went_back(&self) -> usize {
        std::fs::read_to_string(self.path("back")).map_or(0, |text| text.lines().count())
    }
}

/// A process on the host.
struct Process(String, String);

impl Process {
    fn new(pid: &str) -> Self {
        Self(pid.to_owned(), Self::start(pid).expect("it runs"))
    }

    fn start(pid: &str) -> Option<String> {
        let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
        (fields[0] != "Z").then(|| fields[19].to_owned())
    }

    fn is_gone(&self) -> bool {
        Self::start(&self.0).as_ref() != Some(&self.1)
    }

    async fn ended(&self) {
        until("the process ends", || self.is_gone()).await;
    }
}

fn kill(pid: &str) {
    assert!(Command::new("/bin/kill").args(["-KILL", "--", pid]).status().unwrap().success());
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

const BACK: &str = "echo going back; rm -f \"$HOME/changed\"; echo x >>\"$HOME/back\"; printf 'phase\\tback\\n' >&3; \
                    echo proof >\"$OUT/proof\"";

fn armed(id: &str, number: u32, wait: u64, text: &str, back: &str) -> Job {
    let mut job = job(id, text);
    let id = JobId::new(format!("R-h0-deadman-{number}")).unwrap();
    job.dead_man = DeadMan::Arm(Box::new(Arm { id, script: script(back), wait: Duration::from_secs(wait) }));
    job
}

fn change(wait: u64) -> Job {
    armed("R-h0-apply-1", 1, wait, "echo new >\"$HOME/changed\"", BACK)
}

fn settle() -> Job {
    job("R-h0-settle-1", "echo x >\"$HOME/settled\"")
}

fn rollback() -> Job {
    let mut job = job("R-h0-rollback-1", BACK);
    job.dead_man = DeadMan::Disarm;
    job
}

fn done(end: Result<JobEnd, Failure>) -> Output {
    match end {
        Ok(JobEnd::Done(output)) => output,
        other => panic!("{other:?}"),
    }
}

fn by_itself(end: Result<JobEnd, Failure>) -> Output {
    match end {
        Ok(JobEnd::RestoredItself(output)) => output,
        other => panic!("{other:?}"),
    }
}

fn refused(end: Result<JobEnd, Failure>, kind: ErrorKind) -> Failure {
    let failure = end.unwrap_err();
    assert_eq!(failure.problem.kind, kind, "{failure:?}");
    assert!(!failure.may_have_begun);
    failure
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_confirmed_over_a_new_connection_stays() {
    let world = World::new().await;
    let transport = world.home.transport(Person::default());
    let there = host(world.server.address);
    done(transport.job(&there, &change(3), &Ear::default()).await);
    let watch = world.watch();
    let before = world.server.seen.connections.load(Ordering::SeqCst);
    done(transport.confirm(&there, &change(3), &Ear::default()).await);
    assert_eq!(world.server.seen.connections.load(Ordering::SeqCst), before + 1, "the kept connection proves nothing");
    assert!(!world.dead_man().exists());
    watch.ended().await;
    assert!(world.is_changed() && world.went_back() == 0);
    done(world.confirm(&change(3)).await);
    done(world.ask(&settle()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_confirms_is_undone_and_later_jobs_say_so() {
    let world = World::new().await;
    done(world.ask(&change(1)).await);
    let watch = world.watch();
    watch.ended().await;
    assert!(!world.is_changed());
    for _ in 0..2 {
        let output = by_itself(world.ask(&settle()).await);
        assert_eq!((output.log.as_slice(), output.records.as_slice()), (&b"going back\n"[..], &b"phase\tback\n"[..]));
        assert_eq!((output.code, output.files["proof"].as_slice()), (Some(0), &b"proof\n"[..]));
        assert!(output.boot_id.is_some());
        by_itself(world.confirm(&change(1)).await);
        by_itself(world.ask(&rollback()).await);
    }
    assert!(!world.path("settled").exists());
    assert_eq!(world.went_back(), 1);
    // The job that it was armed for is read as any.
    assert_eq!(done(world.ask(&change(1)).await).code, Some(0));
    let mut spent = rollback();
    spent.dead_man = DeadMan::Spent;
    done(world.ask(&spent).await);
    let mut forget = job("R-h0-forget-1", "true");
    (forget.dead_man, forget.claim.release) = (DeadMan::Spent, true);
    assert_eq!(done(world.ask(&forget).await).claim, None);
    assert!(!world.dead_man().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn confirming_at_the_deadline_leaves_exactly_one_of_the_two() {
    let races = (0..10).map(|n| async move {
        let world = World::new().await;
        done(world.ask(&change(1)).await);
        let watch = world.watch();
        tokio::time::sleep(Duration::from_millis(700 + 200 * n)).await;
        let end = world.confirm(&change(1)).await.unwrap();
        watch.ended().await;
        match end {
            JobEnd::Done(_) => assert_eq!((world.is_changed(), world.went_back()), (true, 0)),
            JobEnd::RestoredItself(output) => {
                assert_eq!((world.is_changed(), world.went_back(), output.code), (false, 1, Some(0)));
            }
            other @ JobEnd::Died { .. } => panic!("{other:?}"),
        }
    });
    let races: Vec<_> = races.map(tokio::spawn).collect();
    for race in races {
        race.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_does_not_run_while_a_job_does() {
    let world = World::new().await;
    let slow = "echo new >\"$HOME/changed\"; sleep 4; [ -e \"$HOME/changed\" ]";
    assert_eq!(done(world.ask(&armed("R-h0-apply-1", 1, 1, slow, BACK)).await).code, Some(0));
    let mut settle = settle();
    settle.script.text = Arc::from("sleep 4; [ -e \"$HOME/changed\" ]");
    assert_eq!(done(world.ask(&settle).await).code, Some(0));
    assert_eq!(world.went_back(), 0);
    until("it goes back", || world.went_back() == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn going_back_on_our_word_takes_the_decision_from_it() {
    let world = World::new().await;
    done(world.ask(&change(2)).await);
    let watch = world.watch();
    assert_eq!(done(world.ask(&rollback()).await).log, b"going back\n");
    watch.ended().await;
    assert_eq!(world.went_back(), 1);
    assert!(!world.server.state().join("jobs/R-h0-deadman-1").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_back_that_is_killed_begins_anew_without_the_watch() {
    let world = World::new().await;
    let back = "echo try; if mkdir \"$HOME/first\" 2>/dev/null; then sleep 300; fi; rm \"$HOME/changed\"; echo x >>\"$HOME/back\"";
    done(world.ask(&armed("R-h0-apply-1", 1, 1, "echo new >\"$HOME/changed\"", back)).await);
    let watch = world.watch();
    until("it goes back", || world.path("first").exists()).await;
    kill(&watch.0);
    watch.ended().await;
    kill(&format!("-{}", world.runner("R-h0-deadman-1")));
    // Nobody is there but we: confirming finds it half way, and sees it through.
    let output = by_itself(world.confirm(&change(1)).await);
    assert_eq!((output.log.as_slice(), output.code), (&b"try\n"[..], Some(0)));
    assert_eq!((world.is_changed(), world.went_back()), (false, 1));
    assert!(world.server.state().join("jobs/R-h0-deadman-1-2/rc").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_back_that_dies_every_time_is_given_up_with_what_it_said() {
    let world = World::new().await;
    let back = "echo try; printf 'phase\\tx\\n' >&3; kill -9 $PPID; kill -9 $$";
    done(world.ask(&armed("R-h0-apply-1", 1, 1, "echo new >\"$HOME/changed\"", back)).await);
    world.watch().ended().await;
    let output = by_itself(world.ask(&settle()).await);
    assert_eq!((output.log.as_slice(), output.records.as_slice()), (&b"try\n"[..], &b"phase\tx\n"[..]));
    assert_eq!(output.code, None);
    assert!(world.server.state().join("jobs/R-h0-deadman-1-4").exists());
    assert!(!world.server.state().join("jobs/R-h0-deadman-1-5").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_connection_goes_on_with_what_the_host_does_by_itself() {
    let world = World::new().await;
    let back = "i=0; while [ $i -lt 30 ]; do echo line $i; i=$((i+1)); sleep 0.1; done";
    done(world.ask(&armed("R-h0-apply-1", 1, 1, "true", back)).await);
    until("it decides", || world.dead_man().join("decided").exists()).await;
    let (transport, ear) = (world.home.transport(Person::default()), Arc::new(Ear::default()));
    let (there, listener) = (host(world.server.address), Arc::clone(&ear));
    let task = tokio::spawn(async move { transport.confirm(&there, &change(1), &*listener).await });
    ear.wait_for("line 3").await;
    world.server.cut();
    by_itself(task.await.unwrap());
    let lines: Vec<String> = (0..30).map(|n| format!("line {n}")).collect();
    assert_eq!(*ear.lines.lock().unwrap(), lines, "nothing is missing and nothing comes twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_change_is_watched_anew() {
    let world = World::new().await;
    done(world.ask(&change(3)).await);
    done(world.confirm(&change(3)).await);
    let again = armed("R-h0-reboot-1", 2, 1, "echo more >\"$HOME/more\"", "rm \"$HOME/more\"; echo x >>\"$HOME/back\"");
    done(world.ask(&again).await);
    until("it goes back", || world.went_back() == 1).await;
    assert!(world.is_changed() && !world.path("more").exists());
    by_itself(world.confirm(&again).await);
    // A run that begins anew after that knows what came of it.
    world.watch_is_over().await;
    done(world.ask(&armed("R-h0-apply-2", 3, 60, "true", BACK)).await);
    done(world.confirm(&change(1)).await);
}

impl World {
    async fn watch_is_over(&self) {
        let jobs = self.server.state().join("jobs");
        until("the way back has ended", || jobs.join("R-h0-deadman-2/rc").exists()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_cannot_be_armed_is_not_changed() {
    let world = World::new().await;
    std::fs::create_dir_all(world.server.state()).unwrap();
    // The driver makes its folders for nobody else, and takes no others.
    std::os::unix::fs::symlink(world.path("elsewhere"), world.server.state().join("deadman")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(world.server.state(), mode).unwrap();
    refused(world.ask(&change(1)).await, ErrorKind::Refused);
    assert!(!world.is_changed());
    std::fs::remove_file(world.server.state().join("deadman")).unwrap();
    done(world.ask(&change(60)).await);
    done(world.confirm(&change(60)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_process_of_the_same_run_is_refused() {
    let world = World::new().await;
    let with = |mut job: Job, epoch| {
        job.claim.epoch = epoch;
        job
    };
    done(world.ask(&with(change(60), 2)).await);
    for end in [
        world.ask(&with(settle(), 1)).await,
        world.ask(&with(change(60), 1)).await,
        world.confirm(&with(change(60), 1)).await,
    ] {
        let failure = refused(end, ErrorKind::Claimed);
        assert!(failure.problem.message.contains("knows of 1 times"), "{}", failure.problem.message);
        assert!(failure.problem.message.contains("the host has seen 2"), "{}", failure.problem.message);
        assert!(failure.problem.hint.unwrap().contains("patchctl release 01JD"));
    }
    // Also asking raises it.
    let claim = done(world.ask(&with(change(60), 5)).await).claim.unwrap();
    assert_eq!((claim.epoch, claim.owner.as_str(), claim.change.as_str()), (5, "me@here", "CHG1"));
    refused(world.ask(&with(settle(), 4)).await, ErrorKind::Claimed);
    done(world.confirm(&with(change(60), 5)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_only_asked_about_never_begins() {
    let world = World::new().await;
    let mut asked = settle();
    asked.ask_only = true;
    let failure = refused(world.ask(&asked).await, ErrorKind::Refused);
    assert_eq!(failure.problem.message, "the job never began there");
    assert!(!world.server.state().join("claim").exists(), "asking takes no claim");
    let mut apply = change(60);
    apply.ask_only = true;
    refused(world.ask(&apply).await, ErrorKind::Refused);
    assert!(!world.dead_man().exists() && !world.is_changed());
    done(world.ask(&settle()).await);
    done(world.ask(&asked).await);
}
