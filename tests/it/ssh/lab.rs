//! Against real hosts of the lab: OpenSSH, systemd, sudo, reboots. Run with `--ignored`; needs root, and the lab set up.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use patchctl::core::ids::HostName;
use patchctl::core::problem::ErrorKind;
use patchctl::core::settings::{Escalate, Host};
use patchctl::ports::{JobEnd, Privilege, Transport};

use super::fixture::{Ear, Home, Person, host, job, script};

/// A host of the lab; stopped with this value.
struct Real {
    name: String,
    facts: BTreeMap<String, String>,
    host_keys: Vec<String>,
}

impl Drop for Real {
    fn drop(&mut self) {
        lab(&["stop", &self.name]);
    }
}

fn lab(arguments: &[&str]) -> Option<String> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/host");
    let program = std::env::var_os("PATCHCTL_LAB_HOST").map_or(own, PathBuf::from);
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

impl Real {
    fn boot(name: &str) -> Option<Self> {
        let Some(text) = lab(&["boot", name, "--for", &std::process::id().to_string()]) else {
            eprintln!("LAB TESTS SKIPPED: no host boots here");
            return None;
        };
        let pairs = || text.lines().filter_map(|line| line.split_once('='));
        let host_keys = pairs().filter(|(key, _)| *key == "host_key").map(|(_, value)| value.to_owned()).collect();
        let facts = pairs().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Some(Self { name: name.to_owned(), facts, host_keys })
    }

    fn known_to(&self, home: &mut Home) {
        for key in &self.host_keys {
            home.know(&format!("{} {key}", self.facts["address"]));
        }
        home.options.private_keys = vec![self.facts["private_key"].clone().into()];
    }

    fn as_user(&self, user: &str) -> Host {
        let mut there = host("127.0.0.1:22".parse().unwrap());
        there.name = HostName::new(self.name.as_str()).unwrap();
        there.address = self.facts["address"].clone();
        there.user = Some(user.to_owned());
        there.escalate = Escalate::Sudo;
        there
    }

    fn password(&self) -> String {
        std::fs::read_to_string(&self.facts["password_file"]).unwrap().trim().to_owned()
    }

    fn exec(&self, command: &str) -> String {
        lab(&["exec", &self.name, "sh", "-c", command]).unwrap_or_else(|| panic!("{command}"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the lab"]
async fn every_way_to_become_root() {
    let mut home = Home::new();
    let Some(real) = Real::boot("ssh-become") else { return };
    real.known_to(&mut home);
    let password = real.password();
    let mut step = script("id -u >&3; id -un; umask; echo $HOME; echo $STATE");
    step.privilege = Privilege::Root;
    for (user, password, expected) in [
        ("root", None, None),
        ("ops", None, None),
        ("opspw", Some(password.as_str()), None),
        ("opspw", None, Some("none is given")),
        ("opspw", Some("wrong"), Some("did not accept opspw's password")),
        ("nosudo", Some(password.as_str()), Some("may not use sudo there")),
    ] {
        let person = Person { become_password: password.map(str::to_owned), ..Person::default() };
        let transport = home.transport(person);
        let there = real.as_user(user);
        let result = transport.read(&there, &step, &Ear::default()).await;
        match (result, expected) {
            (Ok(output), None) => {
                assert_eq!(output.records, b"0\n", "{user}");
                assert_eq!(String::from_utf8_lossy(&output.log), "root\n0022\n/root\n/var/lib/patchctl\n", "{user}");
                assert!(output.boot_id.is_some());
                let job = as_root(job(&format!("R-{user}-apply-1"), "id -u >&3; echo $$; sleep 0.2"));
                let end = transport.job(&there, &job, &Ear::default()).await.unwrap();
                let JobEnd::Done(output) = end else { panic!("{user}: {end:?}") };
                assert_eq!((output.records.as_slice(), output.code), (&b"0\n"[..], Some(0)));
            }
            (Err(failure), Some(expected)) => {
                assert_eq!(failure.problem.kind, ErrorKind::Become, "{user}");
                assert!(failure.problem.message.contains(expected), "{user}: {}", failure.problem.message);
            }
            other => panic!("{user}: {other:?}"),
        }
    }
    let mut there = real.as_user("ops");
    there.escalate = Escalate::None;
    let failure = home.transport(Person::default()).read(&there, &step, &Ear::default()).await.unwrap_err();
    assert_eq!(failure.problem.kind, ErrorKind::Become);
    // The login password of a user without a key, and what is left behind.
    home.options.private_keys.clear();
    std::fs::remove_file(home.path(".ssh/id_ed25519")).unwrap();
    let person = Person { password: Some(password), ..Person::default() };
    home.transport(person).ping(&real.as_user("nosudo")).await.unwrap();
    assert_eq!(real.exec("ls -A /tmp /var/tmp | grep patchctl || echo clean").trim(), "clean");
    assert_eq!(real.exec("stat -c %a:%U /var/lib/patchctl /var/lib/patchctl/jobs").trim(), "700:root\n700:root");
}

fn as_root(mut job: patchctl::ports::Job) -> patchctl::ports::Job {
    job.script.privilege = Privilege::Root;
    job
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the lab"]
async fn a_job_survives_what_happens_to_its_connection() {
    let mut home = Home::new();
    let Some(real) = Real::boot("ssh-survive") else { return };
    real.known_to(&mut home);
    let transport = Arc::new(home.transport(Person::default()));
    let ear = Arc::new(Ear::default());
    let text = "cat /proc/self/cgroup; i=0; while [ $i -lt 40 ]; do echo line $i; i=$((i+1)); sleep 0.2; done; echo ran >>/root/count";
    let (there, listener) = (real.as_user("ops"), Arc::clone(&ear));
    let task = {
        let transport = Arc::clone(&transport);
        tokio::spawn(async move { transport.job(&there, &as_root(job("R-survive-apply-1", text)), &*listener).await })
    };
    ear.wait_for("line 3").await;
    // Every process of the login goes, with what it started.
    real.exec("pkill -KILL -u ops; systemctl restart ssh");
    ear.wait_for("line 15").await;
    lab(&["net", &real.name, "down"]).unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    lab(&["net", &real.name, "up"]).unwrap();
    let JobEnd::Done(output) = task.await.unwrap().unwrap() else { panic!("not done") };
    let log = String::from_utf8(output.log).unwrap();
    assert!(log.contains("patchctl-R-survive-apply-1.service"), "it is a service of its own: {log}");
    let lines: String = (0..40).map(|n| format!("line {n}\n")).collect();
    assert!(log.ends_with(&lines), "{log}");
    assert_eq!(real.exec("cat /root/count").trim(), "ran");
    println!("{:?}", ear.notices.lock().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the lab"]
async fn a_host_that_reboots_under_a_job_reports_it_dead() {
    let mut home = Home::new();
    let Some(real) = Real::boot("ssh-reboot") else { return };
    real.known_to(&mut home);
    let transport = home.transport(Person::default());
    let ear = Arc::new(Ear::default());
    let (there, listener) = (real.as_user("root"), Arc::clone(&ear));
    let task = tokio::spawn(async move {
        let job = as_root(job("R-reboot-apply-1", "echo began; sleep 300"));
        transport.job(&there, &job, &*listener).await
    });
    ear.wait_for("began").await;
    let name = real.name.clone();
    // A shutdown would wait for the job; a power cut does not.
    let power_cut = move || lab(&["off", &name]).and(lab(&["on", &name]));
    tokio::task::spawn_blocking(power_cut).await.unwrap().unwrap();
    let end = tokio::time::timeout(Duration::from_secs(120), task).await.unwrap().unwrap().unwrap();
    let JobEnd::Died { why, output } = end else { panic!("{end:?}") };
    assert!(why.contains("booted anew"), "{why}");
    assert_eq!(output.log, b"began\n");
    println!("{:?}", ear.notices.lock().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the lab, and two minutes"]
async fn long_silence_is_not_taken_for_death() {
    let mut home = Home::new();
    let Some(real) = Real::boot("ssh-silent") else { return };
    real.known_to(&mut home);
    let transport = home.transport(Person::default());
    let (there, ear) = (real.as_user("ops"), Ear::default());
    let mut step = script("sleep 80; echo end >&3");
    step.privilege = Privilege::Root;
    step.timeout = Duration::from_secs(100);
    let mut quiet = as_root(job("R-silent-apply-1", "sleep 110; echo end >&3"));
    quiet.script.timeout = Duration::from_secs(130);
    let (read, ended) = tokio::join!(transport.read(&there, &step, &ear), transport.job(&there, &quiet, &ear));
    assert_eq!(read.unwrap().records, b"end\n");
    assert!(matches!(ended, Ok(JobEnd::Done(output)) if output.records == b"end\n"));
    assert_eq!(*ear.notices.lock().unwrap(), Vec::<String>::new());
}

/// What a host costs over a real sshd.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the lab"]
async fn the_time_that_steps_take() {
    let mut home = Home::new();
    let Some(real) = Real::boot("ssh-time") else { return };
    real.known_to(&mut home);
    for user in ["root", "ops"] {
        let transport = home.transport(Person::default());
        let there = real.as_user(user);
        let clock = std::time::Instant::now();
        transport.ping(&there).await.unwrap();
        let connected = clock.elapsed();
        let text: String = "# a line as long as those of a real script are, more or less\n".repeat(1000);
        let mut step = script(&format!("{text}echo x >&3"));
        step.privilege = Privilege::Root;
        let mut times = vec![];
        for _ in 0..5 {
            let clock = std::time::Instant::now();
            transport.read(&there, &step, &Ear::default()).await.unwrap();
            times.push(clock.elapsed().as_millis());
        }
        let clock = std::time::Instant::now();
        transport.job(&there, &as_root(job(&format!("R-{user}-time-1"), "true")), &Ear::default()).await.unwrap();
        println!("{user}: connect {connected:?}, reads {times:?} ms, a job {:?}", clock.elapsed());
    }
}
