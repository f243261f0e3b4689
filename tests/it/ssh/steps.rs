//! Steps that read: what they get, what they give, and hosts that misbehave while they run.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use patchctl::core::problem::ErrorKind;
use patchctl::core::settings::Escalate;
use patchctl::ports::{Privilege, Transport};

use super::fixture::{Ear, Home, Person, host, script};
use super::server::{Conduct, Server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_is_one_exec_and_its_streams_are_kept_apart() {
    let home = Home::new();
    for conduct in [Conduct::Honest, Conduct::Chatty, Conduct::NoStatus] {
        let server = home.server(|setup| setup.conduct = conduct).await;
        let transport = home.transport(Person::default());
        let ear = Ear::default();
        let mut step =
            script("echo out; echo err >&2; printf 'fact\\t%s\\n' \"$VAR_X\" >&3; cat \"$IN/packages\" >&3; exit 4");
        step.env.insert("VAR_X".to_owned(), "'; touch HACKED; $(id) `id` \\ \u{202e}".to_owned());
        step.files.insert("packages".to_owned(), "a\t1\n".to_owned());
        let output = transport.read(&host(server.address), &step, &ear).await.unwrap();
        assert_eq!(output.code, Some(4));
        assert_eq!(String::from_utf8(output.records).unwrap(), "fact\t'; touch HACKED; $(id) `id` \\ \u{202e}\na\t1\n");
        assert_eq!(output.log, b"out\nerr\n");
        assert_eq!(*ear.lines.lock().unwrap(), ["out", "err"]);
        assert_eq!(output.boot_id.is_some(), Path::new("/proc/sys/kernel/random/boot_id").exists());
        assert_eq!(server.execs(), 1);
        assert!(!server.home.join("HACKED").exists());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_heard_while_the_step_runs() {
    let home = Home::new();
    let server = home.server(|_| ()).await;
    let transport = Arc::new(home.transport(Person::default()));
    let ear = Arc::new(Ear::default());
    let (there, other_ear) = (host(server.address), Arc::clone(&ear));
    let file = server.home.join("go");
    let step = script(&format!("echo first; while [ ! -e {} ]; do sleep 0.05; done; echo second", file.display()));
    let task = tokio::spawn(async move { transport.read(&there, &step, &*other_ear).await });
    ear.wait_for("first").await;
    std::fs::write(&file, "").unwrap();
    assert_eq!(task.await.unwrap().unwrap().log, b"first\nsecond\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn huge_output_is_bounded() {
    let home = Home::new();
    let server = home.server(|_| ()).await;
    let transport = home.transport(Person::default());
    let ear = Ear::default();
    let step = script("head -c 30000000 /dev/zero | tr '\\0' x; echo; echo the end");
    let output = transport.read(&host(server.address), &step, &ear).await.unwrap();
    assert_eq!(output.log.len() as u64 + output.log_dropped, 30_000_009);
    assert!(output.log.len() <= 256 * 1024 && output.log.ends_with(b"the end\n"));
    assert!(ear.lines.lock().unwrap().iter().all(|line| line.len() <= 4096));
    let step = script("head -c 20000000 /dev/zero | tr '\\0' x >&3");
    let failure = transport.read(&host(server.address), &step, &ear).await.unwrap_err();
    assert!(failure.problem.message.contains("MiB of records"), "{}", failure.problem.message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_floods_and_silence_end_in_time_and_close_their_sessions() {
    let home = Home::new();
    for (conduct, kind) in [
        (Conduct::Garbage, ErrorKind::Unreachable),
        (Conduct::Flood, ErrorKind::Unreachable),
        (Conduct::Silent, ErrorKind::Timeout),
    ] {
        let server = home.server(|setup| setup.conduct = conduct).await;
        let transport = home.transport(Person::default());
        let mut step = script("true");
        step.timeout = Duration::ZERO;
        let begun = Instant::now();
        let step_limit = Duration::from_secs(25);
        let ended =
            tokio::time::timeout(step_limit, transport.read(&host(server.address), &step, &Ear::default())).await;
        let failure = ended.expect("it hangs").unwrap_err();
        assert_eq!(failure.problem.kind, kind, "{conduct:?}: {}", failure.problem.message);
        assert!(begun.elapsed() < step_limit);
        all_closed(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_steps_at_once_stay_below_the_hosts_limit_and_are_all_closed() {
    let home = Home::new();
    let server = home.server(|_| ()).await;
    let transport = Arc::new(home.transport(Person::default()));
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let (transport, there) = (Arc::clone(&transport), host(server.address));
            tokio::spawn(
                async move { transport.read(&there, &script(&format!("echo {n} >&3")), &Ear::default()).await },
            )
        })
        .collect();
    for (n, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.unwrap().unwrap().records, format!("{n}\n").as_bytes());
    }
    let most = server.seen.most_channels.load(Ordering::SeqCst);
    assert!(most <= 5, "{most} sessions at a time; MaxSessions is 10 by default");
    assert_eq!(server.seen.connections.load(Ordering::SeqCst), 1);
    all_closed(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_is_given_up_closes_its_session() {
    let home = Home::new();
    let server = home.server(|_| ()).await;
    let transport = home.transport(Person::default());
    let (there, step, ear) = (host(server.address), script("sleep 5"), Ear::default());
    let given_up = tokio::time::timeout(Duration::from_millis(700), transport.read(&there, &step, &ear)).await;
    assert!(given_up.is_err());
    all_closed(&server).await;
    transport.read(&there, &script("true"), &ear).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_connection_that_died_is_made_again() {
    let home = Home::new();
    let server = home.server(|_| ()).await;
    let transport = home.transport(Person::default());
    let there = host(server.address);
    transport.read(&there, &script("true"), &Ear::default()).await.unwrap();
    server.cut();
    transport.read(&there, &script("true"), &Ear::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_keeps_the_session_open_does_not_hold_us() {
    let home = Home::new();
    let server = home.server(|_| ()).await;
    let transport = home.transport(Person::default());
    let begun = Instant::now();
    let step = script("sleep 30 & echo $! >\"$HOME/daemon\"; echo done >&3");
    let output = transport.read(&host(server.address), &step, &Ear::default()).await.unwrap();
    assert_eq!(output.records, b"done\n");
    assert!(begun.elapsed() < Duration::from_secs(10));
    let pid = std::fs::read_to_string(server.home.join("daemon")).unwrap();
    std::process::Command::new("/bin/kill").arg(pid.trim()).status().unwrap();
}

/// A host on which `id` and `sudo` behave as told: `sudo` wants the password "secret" unless there is a file `free`.
fn pretend(tools: &Path) {
    std::fs::create_dir_all(tools).unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(tools.join(name), text).unwrap();
        std::fs::set_permissions(tools.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    write("id", "#!/bin/sh\n[ -n \"$PRETEND_ROOT\" ] && echo 0 || echo 1000\n");
    write(
        "sudo",
        r#"#!/bin/sh
echo "$*" >>"$HOME/sudo.log"
case $1 in
-n)
    if [ -e "$HOME/tty" ]; then echo "sudo: sorry, you must have a tty to run sudo" >&2; exit 1; fi
    [ -e "$HOME/free" ] || { echo "sudo: a password is required" >&2; exit 1; }
    shift; [ "$1" != -- ] || shift ;;
-k)
    shift 5
    IFS= read -r password
    if [ "$password" != secret ]; then
        echo "Sorry, try again." >&2; echo "sudo: no password was provided" >&2; echo "sudo: 1 incorrect password attempt" >&2
        exit 1
    fi
    [ ! -e "$HOME/norights" ] || { echo "me is not in the sudoers file." >&2; exit 1; } ;;
esac
PRETEND_ROOT=1 exec "$@"
"#,
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn becoming_root_with_sudo() {
    let home = Home::new();
    let tools = home.path("tools");
    pretend(&tools);
    let server = home.server(|setup| setup.path = format!("{}:/usr/bin:/bin", tools.display())).await;
    let mut there = host(server.address);
    there.escalate = Escalate::Sudo;
    let mut step = script("echo ran >&3; echo log");
    step.privilege = Privilege::Root;
    let ear = Ear::default();
    let with = |password: Option<&str>| {
        home.transport(Person { become_password: password.map(str::to_owned), ..Person::default() })
    };
    let state = home.path("state");

    let right = with(Some("secret")).with_state_dir(state.clone());
    for _ in 0..2 {
        let output = right.read(&there, &step, &ear).await.unwrap();
        assert_eq!((output.records.as_slice(), output.log.as_slice()), (&b"ran\n"[..], &b"log\n"[..]));
    }
    let log = std::fs::read_to_string(server.home.join("sudo.log")).unwrap();
    assert_eq!(log.lines().filter(|line| *line == "-n true").count(), 1, "the probe is made once: {log}");
    assert!(!log.contains("secret"), "the password is an argument");

    for (file, password, expected) in [
        (None, None, "wants me's password, and none is given"),
        (None, Some("wrong"), "did not accept me's password"),
        (Some("norights"), Some("secret"), "may not use sudo"),
        (Some("tty"), Some("secret"), "requiretty"),
    ] {
        if let Some(file) = file {
            std::fs::write(server.home.join(file), "").unwrap();
        }
        let failure = with(password).read(&there, &step, &ear).await.unwrap_err();
        assert_eq!(failure.problem.kind, ErrorKind::Become);
        assert!(failure.problem.message.contains(expected), "{}", failure.problem.message);
        let _ = std::fs::remove_file(server.home.join("norights"));
    }
    std::fs::remove_file(server.home.join("tty")).unwrap();
    std::fs::write(server.home.join("free"), "").unwrap();
    with(None).read(&there, &step, &ear).await.unwrap();

    there.escalate = Escalate::None;
    let no_way = with(None).read(&there, &step, &ear).await.unwrap_err().problem;
    assert_eq!(no_way.kind, ErrorKind::Become);
    assert!(no_way.message.contains("me is not root there"), "{}", no_way.message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_goes_only_where_it_is_needed() {
    let home = Home::new();
    let server = home.server(|setup| setup.conduct = Conduct::Thief).await;
    let person = Arc::new(Person { become_password: Some("secret".to_owned()), ..Person::default() });
    let transport = home.transport_asking(&person);
    let mut there = host(server.address);
    for (escalate, privilege) in [(Escalate::Sudo, Privilege::User), (Escalate::None, Privilege::Root)] {
        there.escalate = escalate;
        let mut step = script("true");
        step.privilege = privilege;
        let failure = transport.read(&there, &step, &Ear::default()).await.unwrap_err();
        assert!(failure.problem.message.contains("asks for a password"), "{}", failure.problem.message);
    }
    assert_eq!(person.asked.load(Ordering::SeqCst), 0);
    assert_eq!(std::fs::read_to_string(server.home.join("loot")).unwrap_or_default(), "");
}

async fn all_closed(server: &Server) {
    for _ in 0..500 {
        if server.seen.open_channels() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} sessions are still open", server.seen.open_channels());
}
