//! The protocol against real shells on this machine, without a connection.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::COMMAND;
use super::exchange::{End, Exchange};
use super::gathered::Gathered;
use super::payload::{BadScript, Becoming, Errand, Have, Request};
use crate::core::ids::{ChangeId, JobId, RunId};
use crate::core::settings::Escalate;
use crate::ports::{Claim, DeadMan, Job, Listener, Output, Privilege, Script};

pub(super) struct Deaf;

impl Listener for Deaf {
    fn line(&self, _: &str) {}
    fn notice(&self, _: &str) {}
}

/// A host: a home folder and a shell.
pub(super) struct Place {
    dir: tempfile::TempDir,
    path: String,
}

/// One place with dash, one with BusyBox, as far as they are here.
pub(super) fn places() -> Vec<Place> {
    let mut all = Vec::new();
    for shell in ["dash", "busybox"] {
        let program =
            [format!("/usr/bin/{shell}"), format!("/bin/{shell}")].into_iter().find(|p| Path::new(p).exists());
        let Some(program) = program else { continue };
        let dir = tempfile::tempdir().unwrap();
        let tools = dir.path().join("tools");
        std::fs::create_dir(&tools).unwrap();
        std::fs::create_dir(dir.path().join("tmp")).unwrap();
        let names: &[&str] = if shell == "busybox" {
            &[
                "sh", "mktemp", "sed", "head", "tail", "wc", "mv", "mkdir", "rm", "cp", "ls", "cat", "sleep", "setsid",
                "date", "sync", "id", "ln", "cut", "touch",
            ]
        } else {
            &["sh"]
        };
        for name in names {
            symlink(&program, tools.join(name)).unwrap();
        }
        let path = format!("{}:/usr/bin:/bin", tools.display());
        all.push(Place { dir, path });
    }
    assert!(!all.is_empty(), "neither dash nor BusyBox is here");
    all
}

impl Place {
    pub(super) fn state(&self) -> PathBuf {
        self.dir.path().join(".local/state/patchctl")
    }

    pub(super) fn command(&self) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", COMMAND]).env_clear().env("PATH", &self.path).env("HOME", self.dir.path());
        command.env("TMPDIR", self.dir.path().join("tmp"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(super) fn run(&self, script: &Script, job: Option<&Job>) -> (Option<End>, Output) {
        let mut gathered = Gathered::default();
        let end = self.go_on(script, job, &mut gathered);
        let code = match &end {
            Some(End::Done { code, .. }) => Some(*code),
            _ => None,
        };
        (end, gathered.output(code, None, &Deaf))
    }

    fn go_on(&self, script: &Script, job: Option<&Job>, gathered: &mut Gathered) -> Option<End> {
        let have = gathered.have();
        let request = Request {
            script,
            escalate: Escalate::None,
            becoming: Becoming::Probe,
            state_dir: None,
            errand: job.map_or(Errand::Read, |job| Errand::Job(job, have)),
        };
        let mut child = self.command().spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&request.bytes("KEY").unwrap()).unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let reader = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            stderr.read_to_end(&mut bytes).unwrap();
            bytes
        });
        let mut stdout = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
        child.wait().unwrap();
        let stderr = reader.join().unwrap();
        let mut exchange = Exchange::new("KEY", request.kind(), gathered, &Deaf);
        for piece in stdout.chunks(7) {
            exchange.stdout(piece).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&stdout)));
        }
        for piece in stderr.chunks(7) {
            exchange.stderr(piece).unwrap();
        }
        exchange.finish();
        assert_eq!(exchange.noise(), "", "noise on standard error");
        exchange.end().cloned()
    }

    pub(super) fn leftovers(&self) -> Vec<String> {
        let names = |dir: PathBuf| {
            std::fs::read_dir(dir).into_iter().flatten().map(|e| e.unwrap().file_name().into_string().unwrap())
        };
        let mut all: Vec<String> = names(self.dir.path().join("tmp")).collect();
        all.extend(names(self.state()).filter(|name| name.starts_with('.')));
        all.extend(names(self.state().join("jobs")).filter(|name| name.starts_with('.')));
        all
    }
}

pub(super) fn script(text: &str) -> Script {
    Script {
        name: "test",
        text: Arc::from(text),
        env: BTreeMap::new(),
        files: BTreeMap::new(),
        privilege: Privilege::User,
        timeout: Duration::from_secs(20),
    }
}

pub(super) fn job(id: &str, run: char, text: &str) -> Job {
    Job {
        id: JobId::new(id).unwrap(),
        nonce: "0123456789abcdef".to_owned(),
        claim: Claim {
            run: RunId::new(format!("01JD0000000000000000000{run}{run}{run}")).unwrap(),
            owner: "me@here".to_owned(),
            change: ChangeId::new("CHG1").unwrap(),
            epoch: 1,
            force: false,
            release: false,
            witness: None,
        },
        patience: None,
        ask_only: false,
        dead_man: DeadMan::Heed,
        script: script(text),
    }
}

pub(super) fn done(end: Option<&End>) -> i32 {
    match end {
        Some(End::Done { code, .. }) => *code,
        other => panic!("not done: {other:?}"),
    }
}

/// Why it died; the boot that the host is in now comes with it.
fn died(end: Option<&End>) -> &str {
    match end {
        Some(End::Died { why, boot }) => {
            let now = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or("-".to_owned());
            assert_eq!(boot, now.trim());
            why
        }
        other => panic!("not dead: {other:?}"),
    }
}

#[test]
fn a_reading_step_gets_its_parameters_as_they_are_and_leaves_nothing() {
    let hostile = r#"a'b"c$(touch HACKED)`touch HACKED`;\n $HOME * # \"#;
    for place in places() {
        let mut step = script(
            "printf '%s|' \"$VAR_X\" >&3; cat \"$IN/packages\" >&3; [ -e \"$IN/empty\" ] && echo yes >&3\n\
             echo log; echo err >&2; umask >&2; echo \"$CLAIMED_BY\"; printf no-line-end; exit 7",
        );
        step.env.insert("VAR_X".to_owned(), hostile.to_owned());
        step.files.insert("packages".to_owned(), format!("{hostile}\n=end\n|x\n=in.y\n# patchctl: end of the step"));
        step.files.insert("empty".to_owned(), String::new());
        let (end, output) = place.run(&step, None);
        assert_eq!(done(end.as_ref()), 7);
        let records = String::from_utf8(output.records).unwrap();
        assert_eq!(records, format!("{hostile}|{hostile}\n=end\n|x\n=in.y\n# patchctl: end of the step\nyes\n"));
        assert_eq!(String::from_utf8(output.log).unwrap(), "log\nerr\n0022\n\nno-line-end");
        assert_eq!(place.leftovers(), Vec::<String>::new());
        assert!(!place.state().exists(), "reading must not make the state folder");
    }
}

#[test]
fn a_step_sees_no_environment_but_its_own() {
    for place in places() {
        let (_, output) = place.run(&script("env | sed 's/=.*//' | sort | tr '\\n' ' ' >&3"), None);
        assert_eq!(String::from_utf8(output.records).unwrap(), "CLAIMED_BY HOME IN LC_ALL OUT PATH PWD RECORDS STATE ");
    }
}

#[test]
fn a_job_runs_once_and_can_be_asked_again() {
    for place in places() {
        let mut job = job(
            "R-h-apply-1",
            'A',
            "echo begun; echo x >>\"$STATE/count\"; printf 'phase\\tx\\n' >&3; echo file >\"$OUT/f.txt\"; exit 3",
        );
        job.script.env.insert("STAGE".to_owned(), "it's".to_owned());
        for _ in 0..3 {
            let (end, output) = place.run(&job.script, Some(&job));
            assert_eq!(done(end.as_ref()), 3);
            assert_eq!(output.log, b"begun\n");
            assert_eq!(output.records, b"phase\tx\n");
            assert_eq!(output.files["f.txt"], b"file\n");
            assert_eq!(output.claim.unwrap().run, job.claim.run.as_str());
        }
        assert_eq!(std::fs::read_to_string(place.state().join("count")).unwrap(), "x\n");
        assert_eq!(place.leftovers(), Vec::<String>::new());
        let mode = |path: &str| std::fs::metadata(place.state().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(""), mode("jobs"), mode("jobs/R-h-apply-1")), (0o700, 0o700, 0o700));
    }
}

#[test]
fn many_starts_at_once_run_once() {
    for place in places() {
        let job = job("R-h-apply-2", 'A', "echo x >>\"$STATE/count\"; sleep 0.3");
        std::thread::scope(|scope| {
            for _ in 0..24 {
                scope.spawn(|| assert_eq!(done(place.run(&job.script, Some(&job)).0.as_ref()), 0));
            }
        });
        assert_eq!(std::fs::read_to_string(place.state().join("count")).unwrap(), "x\n");
        assert_eq!(place.leftovers(), Vec::<String>::new());
    }
}

#[test]
fn the_log_is_followed_and_goes_on_from_where_it_stood() {
    for place in places() {
        let job = job("R-h-apply-3", 'A', "i=0; while [ $i -lt 20 ]; do echo line $i; i=$((i+1)); sleep 0.02; done");
        // The first exchange is cut while the job runs.
        let mut child = place.command().spawn().unwrap();
        let request = Request {
            script: &job.script,
            escalate: Escalate::None,
            becoming: Becoming::Probe,
            state_dir: None,
            errand: Errand::Job(&job, Have::default()),
        };
        child.stdin.take().unwrap().write_all(&request.bytes("KEY").unwrap()).unwrap();
        let mut gathered = Gathered::default();
        let mut stdout = child.stdout.take().unwrap();
        let mut exchange = Exchange::new("KEY", request.kind(), &mut gathered, &Deaf);
        let mut buffer = [0; 64];
        loop {
            let n = stdout.read(&mut buffer).unwrap();
            assert_ne!(n, 0, "ended early");
            exchange.stdout(&buffer[..n]).unwrap();
            if exchange.gathered_log() > 30 {
                break;
            }
        }
        drop(stdout);
        drop(child);
        let end = place.go_on(&job.script, Some(&job), &mut gathered);
        assert_eq!(done(end.as_ref()), 0);
        let expected: String = (0..20).map(|i| format!("line {i}\n")).collect();
        assert_eq!(String::from_utf8(gathered.output(None, None, &Deaf).log).unwrap(), expected);
    }
}

#[test]
fn a_killed_job_is_dead_and_never_starts_again() {
    for place in places() {
        let job = job("R-h-apply-4", 'A', "echo x >>\"$STATE/count\"; echo $PPID >\"$STATE/runner\"; exec sleep 300");
        std::thread::scope(|scope| {
            let follower = scope.spawn(|| place.run(&job.script, Some(&job)));
            let begun = place.state().join("jobs/R-h-apply-4/begun/pid");
            let runner = wait_for(&begun);
            let pid: i32 = runner.split(' ').next().unwrap().parse().unwrap();
            wait_for(&place.state().join("runner"));
            kill(-pid);
            let (end, _) = follower.join().unwrap();
            assert_eq!(died(end.as_ref()), "killed");
        });
        assert!(matches!(place.run(&job.script, Some(&job)).0, Some(End::Died { .. })));
        assert_eq!(std::fs::read_to_string(place.state().join("count")).unwrap(), "x\n");
    }
}

#[test]
fn while_something_of_a_job_still_runs_it_is_not_dead() {
    for place in places() {
        let job = job("R-h-apply-5", 'A', "sleep 1.5; echo late >>\"$STATE/late\"");
        std::thread::scope(|scope| {
            let follower = scope.spawn(|| place.run(&job.script, Some(&job)));
            let runner = wait_for(&place.state().join("jobs/R-h-apply-5/begun/pid"));
            let pid: i32 = runner.split(' ').next().unwrap().parse().unwrap();
            std::thread::sleep(Duration::from_millis(300));
            kill(pid);
            let (end, _) = follower.join().unwrap();
            assert_eq!(died(end.as_ref()), "killed");
            assert!(place.state().join("late").exists(), "called dead while its script still ran");
        });
    }
}

#[test]
fn after_a_reboot_a_job_without_result_is_dead() {
    for place in places() {
        let job = job("R-h-apply-6", 'A', "echo once");
        place.run(&job.script, Some(&job));
        let folder = place.state().join("jobs/R-h-apply-6");
        std::fs::remove_file(folder.join("rc")).unwrap();
        std::fs::write(folder.join("begun/pid"), "1 1 1 another-boot\n").unwrap();
        let (end, output) = place.run(&job.script, Some(&job));
        assert_eq!(died(end.as_ref()), "rebooted");
        assert_eq!(output.log, b"once\n");
    }
}

#[test]
fn another_runs_claim_is_respected_forced_and_given_back() {
    for place in places() {
        let (first, mut second) = (job("A-h-apply-1", 'A', "echo a"), job("B-h-apply-1", 'B', "echo b >\"$STATE/b\""));
        place.run(&first.script, Some(&first));
        let (end, _) = place.run(&second.script, Some(&second));
        let Some(End::Refused { word, about }) = end else { panic!("{end:?}") };
        assert_eq!(word, "claimed");
        assert!(about.starts_with("01JD0000000000000000000AAA\tme@here\t20"), "{about}");
        assert!(about.ends_with("\tCHG1\t1"), "{about}");
        assert!(!place.state().join("jobs/B-h-apply-1").exists() && !place.state().join("b").exists());

        let reading = place.run(&script("echo \"$CLAIMED_BY\" >&3"), None).1;
        assert_eq!(reading.records, b"01JD0000000000000000000AAA\n");

        second.claim.force = true;
        second.claim.release = true;
        let (end, output) = place.run(&second.script, Some(&second));
        assert_eq!(done(end.as_ref()), 0);
        assert_eq!(output.claim.unwrap().run, "01JD0000000000000000000AAA", "the first run's claim is back");

        let mut last = job("A-h-forget-1", 'A', "exit 1");
        last.claim.release = true;
        assert_eq!(
            place.run(&last.script, Some(&last)).1.claim.unwrap().run,
            "01JD0000000000000000000AAA",
            "it failed"
        );
        let mut last = job("A-h-forget-2", 'A', "exit 0");
        last.claim.release = true;
        assert_eq!(place.run(&last.script, Some(&last)).1.claim, None);
        assert!(!place.state().join("claim").exists());
        assert_eq!(place.leftovers(), Vec::<String>::new());
    }
}

#[test]
fn planted_folders_and_links_are_refused() {
    for place in places() {
        let job = job("R-h-apply-7", 'A', "echo x >\"$STATE/ran\"");
        let jobs = place.state().join("jobs");
        std::fs::create_dir_all(&jobs).unwrap();
        std::fs::set_permissions(place.state(), std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::set_permissions(&jobs, std::fs::Permissions::from_mode(0o700)).unwrap();
        let refused = |place: &Place| match place.run(&job.script, Some(&job)).0 {
            Some(End::Refused { word, .. }) => word,
            other => panic!("{other:?}"),
        };
        let folder = jobs.join("R-h-apply-7");
        symlink(place.dir.path(), &folder).unwrap();
        assert_eq!(refused(&place), "foreign");
        std::fs::remove_file(&folder).unwrap();
        place.run(&job.script, Some(&job));
        std::fs::remove_file(place.state().join("ran")).unwrap();
        std::fs::write(folder.join("nonce"), "of somebody else\n").unwrap();
        assert_eq!(refused(&place), "foreign");
        std::fs::set_permissions(&jobs, std::fs::Permissions::from_mode(0o770)).unwrap();
        assert_eq!(refused(&place), "state");
        assert!(!place.state().join("ran").exists());
    }
}

#[test]
fn a_payload_that_is_cut_runs_nothing() {
    for place in places() {
        let job = job("R-h-apply-8", 'A', "echo x >\"$STATE/ran\"");
        let request = Request {
            script: &job.script,
            escalate: Escalate::None,
            becoming: Becoming::Probe,
            state_dir: None,
            errand: Errand::Job(&job, Have::default()),
        };
        let bytes = request.bytes("KEY").unwrap();
        for cut in [3, 20, bytes.len() / 2, bytes.len() - 1] {
            let mut child = place.command().spawn().unwrap();
            child.stdin.take().unwrap().write_all(&bytes[..cut]).unwrap();
            assert!(!child.wait_with_output().unwrap().status.success());
        }
        assert!(!place.state().exists());
        assert_eq!(place.leftovers(), Vec::<String>::new());
    }
}

#[test]
fn a_reading_step_that_cannot_become_root_says_so() {
    let place = places().remove(0);
    let mut step = script("id");
    step.privilege = Privilege::Root;
    let end = place.run(&step, None).0;
    if rustix::process::geteuid().is_root() {
        assert_eq!(done(end.as_ref()), 0);
    } else {
        assert_eq!(end, Some(End::Refused { word: "noroot".to_owned(), about: String::new() }));
    }
}

#[test]
fn what_cannot_be_sent_is_refused_before() {
    let refused = |change: &dyn Fn(&mut Script)| {
        let mut step = script("true");
        change(&mut step);
        let request = Request {
            script: &step,
            escalate: Escalate::None,
            becoming: Becoming::Probe,
            state_dir: None,
            errand: Errand::Read,
        };
        request.bytes("KEY").unwrap_err()
    };
    for name in ["", "a", "A-B", "PATH", "IN", "LD_PRELOAD", "A B", "1A", "A=B", "Ä"] {
        let error = refused(&|s| _ = s.env.insert(name.to_owned(), String::new()));
        assert_eq!(error, BadScript::VariableName(name.to_owned()));
    }
    for value in ["a\nb", "a\0b"] {
        assert!(matches!(
            refused(&|s| _ = s.env.insert("A".to_owned(), value.to_owned())),
            BadScript::VariableValue(_)
        ));
    }
    for name in ["", "../x", "A", "a.b", "a b", "a/b"] {
        assert!(matches!(refused(&|s| _ = s.files.insert(name.to_owned(), String::new())), BadScript::FileName(_)));
    }
    let request = Request {
        script: &script(""),
        escalate: Escalate::None,
        becoming: Becoming::Probe,
        state_dir: Some(Path::new("relative")),
        errand: Errand::Read,
    };
    assert!(matches!(request.bytes("KEY"), Err(BadScript::StateDir(_))));
}

pub(super) fn wait_for(path: &Path) -> String {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        match std::fs::read_to_string(path) {
            Ok(text) if !text.is_empty() => return text,
            _ if Instant::now() > until => panic!("{} did not come", path.display()),
            _ => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Kills a process, or with a negative number its group.
pub(super) fn kill(pid: i32) {
    assert!(Command::new("/bin/kill").args(["-KILL", "--", &pid.to_string()]).status().unwrap().success());
}
