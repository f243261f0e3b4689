//! The program itself, on a fleet of one good host and many hostile ones.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use patchctl::demo::{Demo, DemoOptions, FleetHost, LOGIN};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::fixture::Home;
use super::server::{Hostile, Play, Setup, play};
use super::wire::{half_a_reply, key_exchange};

/// What the program may take with all of these hosts at once; measured: 63 MiB, 29 without the host that sends as many
/// records as it can.
const MOST_MIB: u64 = 96;

/// What steers a terminal: the title, the screen, an 8-bit CSI, a line written over, a text turned around.
const STEERS: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\rall is well\u{202e}\u{2066}\u{7f}\u{8}";

/// A server for each kind of hostility, and what is to be said about it.
async fn hostile(home: &Home) -> Vec<(&'static str, Hostile, &'static str)> {
    let ssh = async |act: Play| Hostile::start(home, Setup { banner: Some(STEERS), ..Setup::new(act) }).await;
    let endless = |greets: bool| {
        play(move |wire| async move {
            if greets {
                wire.greet().await;
            }
            while wire.out(vec![b'x'; 30_000]).await {}
        })
    };
    let says = |records: String, log: String| {
        play(move |wire| {
            let (records, log) = (records.clone(), log.clone());
            async move {
                wire.status(0).await;
                wire.greet().await;
                wire.err(log).await;
                wire.out(format!("claim \nd r 0 {}\n", records.len())).await;
                for piece in records.as_bytes().chunks(32_000) {
                    wire.out(piece).await;
                }
                wire.end(0).await;
                wire.close().await;
            }
        })
    };
    let text = play(|wire| async move {
        wire.out(format!("{STEERS}\n")).await;
        wire.status(0).await;
        wire.close().await;
    });
    let frame = play(|wire| async move {
        wire.greet().await;
        wire.out(format!("{STEERS}\n")).await;
    });
    let cut = play(|wire| async move {
        wire.greet().await;
        wire.close().await;
    });
    let channels = play(|wire| async move {
        wire.greet().await;
        while wire.handle.channel_open_session().await.is_ok() {}
    });
    let goodbye = play(|wire| async move {
        let _ = wire.handle.disconnect(russh::Disconnect::ByApplication, STEERS.to_owned(), String::new()).await;
    });
    let kex = Hostile::raw(|mut tcp| async move {
        let _ = tcp.write_all(&[key_exchange(true), half_a_reply()].concat()).await;
        while tcp.read(&mut [0; 4096]).await.is_ok_and(|n| n > 0) {}
    });
    let no_ssh = Hostile::raw(|mut tcp| async move { while tcp.write_all(STEERS.as_bytes()).await.is_ok() {} });
    let grammar = play(|wire| async move {
        let fits = wire.has("run_steps detect");
        let records = if fits { "step\tdetect\nfits\tyes\t\nend\tok\n".to_owned() } else { format!("{STEERS}\n") };
        wire.greet().await;
        wire.out(format!("d r 0 {}\n{records}", records.len())).await;
        wire.end(0).await;
    });
    let misfit = format!("step\tdetect\nfits\tno\t{STEERS}\nend\tok\n");
    let log = format!("{STEERS}\n").repeat(3);
    let notes = format!("note\t{}\n", "x".repeat(155)).repeat(99_000);
    let much = format!("step\tdetect\n{notes}fits\tno\tit is full\nend\tok\n");
    vec![
        ("noise", ssh(endless(false)).await, "more than 1 MiB before its first word"),
        ("line", ssh(endless(true)).await, "a line without an end"),
        ("text", ssh(text).await, "did not run our command (the session ended with 0); it said: "),
        ("frame", ssh(frame).await, "where a line of ours was due"),
        ("cut", ssh(cut).await, "the session ended without a result"),
        ("channels", ssh(channels).await, "wants to open a channel to us"),
        ("goodbye", ssh(goodbye).await, "the host hung up: "),
        ("kex", kex.await, "did not speak SSH within 15 s"),
        ("no-ssh", no_ssh.await, "does not speak SSH"),
        ("grammar", ssh(grammar).await, "what the host reported cannot be used"),
        ("misfit", ssh(says(misfit, log)).await, "no playbook fits this host"),
        ("much", ssh(says(much, String::new())).await, "no playbook fits this host (release: it is full)"),
    ]
}

/// Honest until it is to change something.
async fn late(home: &Home, host: &FleetHost) -> Hostile {
    let there = host.home.clone();
    let act = play(move |wire| {
        let there = there.clone();
        async move {
            if wire.has("-apply-") {
                while wire.out(vec![b'x'; 30_000]).await {}
            } else {
                wire.honestly(&there).await;
            }
        }
    });
    Hostile::start(home, Setup::new(act)).await
}

/// Plan, inventory and known_hosts for these hosts, by name and port.
fn write(home: &Home, demo: &Demo, hosts: &[(&str, u16)]) {
    let names: Vec<&str> = hosts.iter().map(|(name, _)| *name).collect();
    let key = demo.client_key().display();
    let mut inventory = format!(
        "[defaults]\nuser = \"{LOGIN}\"\nbecome = \"none\"\nprivate_key = \"{key}\"\n[groups.uat]\nhosts = {names:?}\n"
    );
    for (name, port) in hosts {
        inventory.push_str(&format!("[hosts.{name}]\naddress = \"127.0.0.1\"\nport = {port}\n"));
    }
    std::fs::write(home.path("inventory.toml"), inventory).unwrap();
    let source = demo.path().join("releases");
    let plan = format!(
        "schema = 1\nname = \"shop\"\ninventory = \"inventory.toml\"\n[patch]\nplaybook = \"release\"\n\
         packages = [\"shop=2.4.1\"]\n[patch.vars]\nsource = {source:?}\nroot = \"apps\"\ncheck = \"bin/check\"\n\
         [[stage]]\nname = \"uat\"\nhosts = \"uat\"\nparallel = 20\nmax_failed = \"100%\"\nmax_unreachable = \"100%\"\n"
    );
    std::fs::write(home.path("plan.toml"), plan).unwrap();
    home.know(&std::fs::read_to_string(demo.known_hosts()).unwrap());
}

/// How the program ended.
struct Answer {
    code: Option<i32>,
    out: String,
    err: String,
    /// The most memory that it had.
    mib: u64,
}

async fn patchctl(home: &Home, args: &[&str]) -> Answer {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_patchctl"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.args(args).env_clear().env("PATH", path).env("HOME", home.dir.path()).env("LANG", "C.UTF-8");
    command.env("PATCHCTL_STATE_DIR", home.path("state")).current_dir(home.dir.path());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let child = command.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id().unwrap());
    let mut ended = std::pin::pin!(child.wait_with_output());
    let mut mib = 0;
    loop {
        tokio::select! {
            output = &mut ended => {
                let output = output.unwrap();
                let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
                return Answer { code: output.status.code(), out: text(output.stdout), err: text(output.stderr), mib };
            }
            () = tokio::time::sleep(Duration::from_millis(20)) => mib = mib.max(peak_mib(Path::new(&status))),
        }
    }
}

fn peak_mib(status: &Path) -> u64 {
    let text = std::fs::read_to_string(status).unwrap_or_default();
    let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.map_or(0, |peak| peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap().div_ceil(1024))
}

#[track_caller]
fn assert_harmless(what: &str, text: &str) {
    let steers = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if let Some(line) = text.lines().find(|line| line.contains(steers)) {
        panic!("{what}: {line:?}");
    }
}

#[track_caller]
fn of<'a>(document: &'a Value, name: &str) -> &'a Value {
    let hosts = document["stages"][0]["hosts"].as_array().unwrap();
    hosts.iter().find(|host| host["host"] == name).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_hosts_are_named_each_and_do_no_harm_to_the_others() {
    let home = Home::new();
    let demo = Demo::start(&DemoOptions::default()).await.unwrap();
    let (good, other) = (&demo.hosts()[0], &demo.hosts()[1]);
    let hostile = hostile(&home).await;
    let late = late(&home, other).await;
    let mut hosts = vec![("good", good.port), ("late", late.address.port())];
    hosts.extend(hostile.iter().map(|(name, server, _)| (*name, server.address.port())));
    write(&home, &demo, &hosts);

    let begun = Instant::now();
    let args = ["run", "plan.toml", "--yes", "-v", "--approve", "all", "--reason", "a test", "--output", "json"];
    let run = patchctl(&home, &args).await;
    println!("took {:?}, {} MiB, exit {:?}\n{}", begun.elapsed(), run.mib, run.code, run.err);
    assert!(begun.elapsed() < Duration::from_secs(90));
    assert!(run.mib < MOST_MIB, "{} MiB", run.mib);
    assert_harmless("progress", &run.err);
    assert_harmless("the document", &run.out);
    let document: Value = serde_json::from_str(&run.out).unwrap();

    assert_eq!(of(&document, "good")["action_state"], "SUCCESS", "{document:#}");
    assert_eq!(std::fs::read_link(good.home.join("apps/shop/current")).unwrap(), Path::new("releases/2.4.1"));
    for (name, _, expected) in &hostile {
        let host = of(&document, name);
        let said = host["error"]["message"].as_str().unwrap_or_default();
        assert!(said.contains(expected), "{name}: {host:#}");
        assert_eq!((&host["error"]["host"], &host["action_performed"]), (&Value::from(*name), &Value::from("NONE")));
    }
    let late = of(&document, "late");
    assert_eq!(late["action_state"], "UNKNOWN", "{late:#}");
    // A host that may have begun to change is not in a known state.
    assert_eq!((run.code, &document["outcome"]), (Some(6), &Value::from("degraded")));

    let ping = ["inventory", "ping", "uat:!kex", "-i", "inventory.toml"];
    for args in [&["report", "last"][..], &["status", "last", "-v"], &ping] {
        let shown = patchctl(&home, args).await;
        assert_harmless(args[0], &shown.out);
        assert_harmless(args[0], &shown.err);
        assert!(shown.out.contains("does not speak SSH"), "{}: {}{}", args[0], shown.out, shown.err);
    }
    demo.stop().await;
}
