//! Secrets stay where they were put: each is a canary, and is then looked for wherever it could have gone.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::bench::{Bench, standing};
use super::host::{Host, spec, wait_until};
use crate::notify::server::{Does, Server};

/// What this test's secrets have in common, and nothing else has, other tests' secrets neither.
fn mark() -> String {
    format!("canary-{}-", std::process::id())
}

fn canary(name: &str) -> String {
    mark() + name
}

/// Looks at every process again and again, those of the lab's hosts included: their arguments and environments.
struct Watch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<(u64, BTreeSet<String>)>>,
}

impl Watch {
    /// `given`: the one process that was given secrets in its environment, and may have them there.
    fn start(given: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let stop = Arc::clone(&stop);
            move || {
                let (mut looks, mut found) = (0, BTreeSet::new());
                while !stop.load(Ordering::Relaxed) {
                    look(given, &mut found);
                    looks += 1;
                    std::thread::sleep(Duration::from_millis(5));
                }
                (looks, found)
            }
        });
        Self { stop, thread: Some(thread) }
    }

    /// Ends it: nothing was found, in many looks.
    #[track_caller]
    fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let (looks, found) = self.thread.take().unwrap().join().unwrap();
        assert_eq!(found, BTreeSet::new());
        assert!(looks > 20, "{looks} looks only");
    }
}

fn look(given: u32, found: &mut BTreeSet<String>) {
    let mark = mark();
    for entry in std::fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        for what in ["cmdline", "environ"] {
            if what == "environ" && pid == given {
                continue;
            }
            let bytes = std::fs::read(entry.path().join(what)).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            if text.contains(&mark) {
                found.insert(format!("{what}: {}", text.replace('\0', " ")));
            }
        }
    }
}

/// No file of the host has one, nor its system's log.
#[track_caller]
fn assert_not_on(host: &Host) {
    // The pattern is in a file: what looks for it has it in its own arguments else.
    host.write("/root/.pattern", &format!("{}\n", mark()));
    let found = host.sh(
        "grep -rlF -D skip -f /root/.pattern /etc /home /opt /srv /tmp /run /usr/local /var /dev/shm 2>/dev/null || true
        if journalctl --no-pager 2>/dev/null | grep -qF -f /root/.pattern; then echo the journal; fi
        rm /root/.pattern",
    );
    assert_eq!(found, "");
}

/// Nothing that patchctl keeps has one, nor anything else in this folder but the files in which they were given.
#[track_caller]
fn assert_not_kept(bench: &Bench, planted: &[&str]) {
    let list = Command::new("grep").args(["-rlF", &mark()]).arg(bench.path("")).output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    let home = bench.path("");
    let names: Vec<&str> = list.lines().map(|line| line.strip_prefix(home.to_str().unwrap()).unwrap()).collect();
    let odd: Vec<&&str> = names.iter().filter(|name| !planted.contains(&name.trim_start_matches('/'))).collect();
    assert!(odd.is_empty(), "{odd:?}");
    assert!(!names.is_empty(), "the search finds what is there");
}

/// Whatever was said of the run says none.
#[track_caller]
fn assert_not_said(bench: &Bench) {
    for args in [
        &["status", "last"][..],
        &["status", "last", "--output", "json"],
        &["report", "last", "--output", "json"],
        &["runs", "--output", "json"],
        &["check", "plan.toml", "-vv"],
        &["resume", "--due"],
    ] {
        let answer = bench.patchctl(args);
        assert!(
            !answer.out.contains(&mark()) && !answer.err.contains(&mark()),
            "{args:?}: {}{}",
            answer.out,
            answer.err
        );
    }
}

/// A host whose account `opspw` has a canary for its password, and a server that is told of its runs.
fn planted() -> Option<(Bench, Server)> {
    let bench = Bench::start(&[spec("uat-1").repo("handmade").install(&["lab-slow=1.0", "lab-plain=1.0"])])?;
    let uat = bench.host("uat-1");
    uat.write("/root/password", &format!("opspw:{}\n", canary("password")));
    uat.sh("chpasswd </root/password; rm /root/password; echo 4 >/etc/lab-slow.seconds");
    std::fs::create_dir_all(bench.path("tls")).unwrap();
    let server = Server::start(&bench.path("tls"));
    Some((bench, server))
}

fn half_way(host: &Host) {
    wait_until("the change is under way", 90, || {
        host.read("/var/log/dpkg.log").contains("half-configured lab-slow:all 2.0")
    });
}

#[test]
fn what_a_person_types_goes_nowhere() {
    let Some((bench, server)) = planted() else { return };
    let uat = bench.host("uat-1");
    // An encrypted key of our own logs in, and nothing else does.
    std::fs::copy(&uat.private_key, bench.path("key")).unwrap();
    let mut encrypt = Command::new("ssh-keygen");
    encrypt
        .args(["-q", "-p", "-P", "", "-N", &canary("passphrase"), "-f"])
        .arg(bench.path("key"))
        .stdout(Stdio::null());
    assert!(encrypt.status().unwrap().success());
    bench.inventory(&format!(
        "user = \"opspw\"\nbecome = \"sudo\"\nprivate_key = {:?}",
        bench.path("key").display().to_string()
    ));
    bench.write("url", &format!("{}\n", server.url(&format!("/{}", canary("url")))));
    bench.write("hmac", &format!("{}\n", canary("hmac")));
    bench.plan("packages = [\"lab-slow\"]");
    let hook =
        "[[notify]]\nname = \"hook\"\nwebhook = { url_file = \"url\", secret_file = \"hmac\", ca = \"tls/ca.pem\" }\n";
    bench.write("plan.toml", &format!("{}{hook}", bench.read("plan.toml")));

    let watch = Watch::start(0);
    let mut terminal = bench.terminal(&["run", "plan.toml", "-K", "--yes", "-vv"]);
    terminal.secret("assphrase", &canary("passphrase"));
    terminal.secret("assword for becoming root", &canary("password"));
    half_way(uat);
    assert_not_on(uat);
    terminal.gate();
    assert_not_on(uat);
    terminal.interrupt();
    let answer = terminal.end().ended(3);
    assert!(!answer.err.contains(&mark()) && !answer.out.contains(&mark()), "{}", answer.err);
    watch.end();

    // What is told to others is told by name and address only.
    let got = server.wait_for(1);
    assert!(got.iter().all(|got| !String::from_utf8_lossy(&got.body).contains(&mark())));
    assert!(got.iter().all(|got| got.headers.iter().all(|(_, value)| !value.contains(&mark()))));
    assert_not_said(&bench);
    assert_not_kept(&bench, &["url", "hmac"]);
    assert_not_on(uat);
}

#[test]
fn what_commands_and_variables_give_goes_nowhere() {
    let Some((bench, server)) = planted() else { return };
    let uat = bench.host("uat-1");
    // Who becomes root there says root's password, which is another than the login's.
    uat.write("/root/password", &format!("root:{}\n", canary("become")));
    uat.sh("chpasswd </root/password; rm /root/password; echo 'Defaults:opspw targetpw' >/etc/sudoers.d/zz-targetpw");
    bench.write("password", &format!("{}\n", canary("password")));
    bench.write("become", &format!("{}\n", canary("become")));
    bench.inventory(
        "user = \"opspw\"\nbecome = \"sudo\"\n\
         password_command = \"env >env.login; cat password\"\nbecome_password_command = \"env >env.become; cat become\"",
    );
    bench.plan("packages = [\"lab-slow\"]");
    let hooks = "[[notify]]\nname = \"hook\"\nwebhook = { url_env = \"HOOK_URL\", secret_env = \"HOOK_KEY\", ca = \"tls/ca.pem\" }\n\
                 [[notify]]\nname = \"script\"\ncommand = { run = \"env >env.script; cat >message\" }\n";
    bench.write("plan.toml", &format!("{}{hooks}", bench.read("plan.toml")));
    // Every way in which a message can fail says why, and not where to.
    server.next([Does::Answers(500, ""), Does::Answers(302, "https://127.0.0.1:1/"), Does::Answers(403, "")]);

    let file = |name: &str| std::fs::File::create(bench.path(name)).unwrap();
    let mut command = bench.command(&["run", "plan.toml", "--yes", "-vv", "--output", "jsonl"]);
    command.env("HOOK_URL", server.url(&format!("/{}", canary("url")))).env("HOOK_KEY", canary("hmac"));
    let mut run = command.stdin(Stdio::null()).stdout(file("run.out")).stderr(file("run.err")).spawn().unwrap();
    let watch = Watch::start(run.id());
    half_way(uat);
    assert_not_on(uat);
    assert_eq!(run.wait().unwrap().code(), Some(3), "{}", bench.read("run.err"));
    assert!(bench.read("message").contains("lab-slow"), "{}", bench.read("message"));
    assert!(bench.read("env.login").contains("HOME=") && bench.read("env.become").contains("HOME="));
    watch.end();
    assert!(!server.got().is_empty());
    assert_not_said(&bench);
    assert_not_kept(&bench, &["password", "become"]);
    assert_not_on(uat);
}

#[test]
fn what_is_refused_is_not_repeated() {
    let Some((bench, _server)) = planted() else { return };
    let uat = bench.host("uat-1");
    bench.write("password", &format!("{}\n", canary("password")));
    bench.write("wrong", &format!("{}\n", canary("wrong")));
    bench.write("url", &format!("http://hook.example/{}\n", canary("url")));
    bench.plan("packages = [\"lab-plain\"]");
    let hook = "[[notify]]\nname = \"hook\"\nslack = { url_file = \"url\" }\n";
    bench.write("plan.toml", &format!("{}{hook}", bench.read("plan.toml")));
    let run = ["run", "plan.toml", "--yes", "-vv", "--approve", "all", "--reason", "fine", "--output", "json"];
    for (login, root, code) in [("wrong", "password", 7), ("password", "wrong", 7), ("password", "password", 0)] {
        bench.inventory(&format!(
            "user = \"opspw\"\nbecome = \"sudo\"\n\
             password_command = \"cat {login}\"\nbecome_password_command = \"cat {root}\""
        ));
        let watch = Watch::start(0);
        let answer = bench.patchctl(&run).ended(code);
        watch.end();
        assert!(!answer.out.contains(&mark()) && !answer.err.contains(&mark()), "{}{}", answer.out, answer.err);
        if code == 0 {
            assert_eq!(standing(&answer.json(), "uat-1"), "PATCH/SUCCESS patched");
        }
    }
    assert_not_kept(&bench, &["password", "wrong", "url"]);
    assert_not_on(uat);
}
