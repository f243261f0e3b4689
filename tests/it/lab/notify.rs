//! Messages of real runs: what can be pasted from them, that they survive the process, and that none holds up a run.

use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use super::bench::{Bench, stage};
use super::host::{plain, wait_until};
use crate::notify::server::{Does, Got, Server};

const PLAIN: &str = "packages = [\"lab-plain\"]";
const CANARY: &str = "canary-of-the-webhook";

/// A bench whose plan tells a server of its own, through a URL that is a secret.
fn told() -> Option<(Bench, Server)> {
    let bench = Bench::start(&[plain("uat-1")])?;
    std::fs::create_dir_all(bench.path("tls")).unwrap();
    let server = Server::start(&bench.path("tls"));
    bench.plan(PLAIN);
    bench.write("url", &format!("{}\n", server.url(&format!("/{CANARY}"))));
    bench.write("key", "canary-of-the-key\n");
    let hook =
        "[[notify]]\nname = \"hook\"\nwebhook = { url_file = \"url\", secret_file = \"key\", ca = \"tls/ca.pem\" }\n";
    bench.write("plan.toml", &format!("{}{hook}", bench.read("plan.toml")));
    Some((bench, server))
}

fn events(got: &[Got]) -> Vec<String> {
    got.iter().map(|got| got.header("X-Patchctl-Event").unwrap().to_owned()).collect()
}

fn notified(bench: &Bench) -> Vec<Value> {
    bench.journal().into_iter().filter(|record| record["event"] == "notified").collect()
}

#[test]
fn what_a_gate_says_can_be_pasted() {
    let Some((bench, server)) = told() else { return };
    bench.json(3, &["run", "plan.toml", "--yes"]);
    let gate = server.wait_for(1)[0].json();
    let text = gate["text"].to_string();
    assert!(text.contains("lab-plain") && text.contains("1 host"), "{gate:#}");
    // It is pasted as it stands, with a reason.
    let line = gate["decide"]["approve"].as_str().unwrap().replacen("TEXT", "'from the message'", 1);
    let binary = env!("CARGO_BIN_EXE_patchctl");
    let line = line.replacen("patchctl", binary, 1);
    let mut shell = bench.command(&[]);
    shell = {
        let mut sh = std::process::Command::new("sh");
        sh.args(["-c", &line]).current_dir(bench.path(""));
        sh.env_clear().envs(shell.get_envs().filter_map(|(name, value)| Some((name, value?))));
        sh
    };
    let output = shell.stdin(std::process::Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    let got = server.wait_for(2);
    assert_eq!(events(&got), ["gate", "finished"]);
    assert_eq!(got[1].json()["outcome"], "complete");
    let status = bench.json(0, &["status", "last"]);
    assert_eq!(stage(&status, "uat")["decision"]["by"][0]["reason"], "from the message");
    let all = notified(&bench);
    assert_eq!(all.len(), 2, "{all:#?}");
    assert!(all.iter().all(|record| record["outcome"] == "sent" && record["channel"] == "hook"), "{all:#?}");
    // Where it went is nowhere in what is kept.
    let kept = std::process::Command::new("grep").args(["-rl", "canary"]).arg(bench.path("state")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&kept.stdout), "");
}

#[test]
fn a_rejection_tells_of_the_rollback() {
    let Some((bench, server)) = told() else { return };
    // The hook's secrets come from commands this time, and others are told of a part of it.
    let plan = bench.read("plan.toml").replace("url_file = \"url\"", "url_command = \"cat url\"");
    let plan = plan.replace("secret_file = \"key\"", "secret_command = \"cat key\"");
    let mail =
        "to = [\"ops@example.com\", \"cab@example.com\"], from = \"patch@example.com\", command = \"cat >>mail\"";
    let others = format!(
        "[[notify]]\non = [\"finished\"]\nemail = {{ {mail} }}\n\
         [[notify]]\non = [\"gate\", \"rollback\"]\ncommand = {{ run = \"cat >>told; echo >>told\" }}\n"
    );
    bench.write("plan.toml", &format!("{plan}{others}"));
    bench.json(3, &["run", "plan.toml", "--yes"]);
    assert!(!bench.path("mail").exists(), "it is not finished");
    bench.json(4, &["reject", "last", "--reason", "latency doubled", "--resume"]);
    let got = server.wait_for(3);
    assert_eq!(events(&got), ["gate", "rollback", "finished"]);
    assert!(got[1].json()["text"].to_string().contains("latency doubled"), "{:#}", got[1].json());
    let mut mac = Hmac::<Sha256>::new_from_slice(b"canary-of-the-key").unwrap();
    mac.update(&got[1].body);
    let signature = got[1].header("X-Patchctl-Signature").unwrap().strip_prefix("sha256=").unwrap();
    mac.verify_slice(&HEXLOWER.decode(signature.as_bytes()).unwrap()).unwrap();

    let mail = bench.read("mail");
    for line in ["From: patch@example.com", "To: ops@example.com,", " cab@example.com", "X-Patchctl-Event: finished"] {
        assert_eq!(mail.lines().filter(|found| *found == line).count(), 1, "{line}: {mail}");
    }
    let told: Vec<Value> = bench.read("told").lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let told: Vec<&Value> = told.iter().map(|message| &message["event"]).collect();
    assert_eq!(told, ["gate", "rollback"]);
}

#[test]
fn a_message_survives_its_process_and_is_tried_again() {
    let Some((bench, server)) = told() else { return };
    // The first try meets silence, and the process is killed meanwhile.
    server.next([Does::Sleeps(Duration::from_secs(60))]);
    let mut run = bench.spawn("run", &["run", "plan.toml", "--yes", "--output", "json"]);
    wait_until("the gate's message is under way", 60, || !server.got().is_empty());
    bench.signal(&run, rustix::process::Signal::KILL);
    run.wait().unwrap();
    assert!(notified(&bench).is_empty());
    // The next process sends it, past a server that is not well yet.
    server.next([Does::Answers(503, ""), Does::Answers(500, "")]);
    bench.json(3, &["resume", "last"]);
    let got = server.wait_for(4);
    let ids: Vec<_> = got.iter().map(|got| got.header("X-Patchctl-Delivery").unwrap()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let all = notified(&bench);
    assert_eq!((all.len(), &all[0]["outcome"], &all[0]["tries"]), (1, &"sent".into(), &3.into()), "{all:#?}");
}

#[test]
fn nobody_who_listens_holds_up_no_run() {
    let Some((bench, server)) = told() else { return };
    let silent = "[[notify]]\nname = \"silent\"\nwebhook = { url = \"https://127.0.0.1:1/\" }\n";
    bench.write("plan.toml", &format!("{}{silent}", bench.read("plan.toml")));
    server.next([Does::Sleeps(Duration::from_secs(60)), Does::Sleeps(Duration::from_secs(60))]);
    let began = Instant::now();
    let answer =
        bench.patchctl(&["run", "plan.toml", "--yes", "--approve", "all", "--reason", "fine", "--output", "json"]);
    let answer = answer.ended(0);
    assert_eq!(answer.json()["outcome"], "complete");
    assert!(!answer.err.contains("canary") && !answer.out.contains("canary"), "{}", answer.err);
    assert!(began.elapsed() < Duration::from_secs(55), "{:?}", began.elapsed());
    let before = notified(&bench).len();
    // What is still to be sent is due, and is sent by whoever comes next.
    bench.patchctl(&["resume", "--due"]).ended(0);
    assert!(notified(&bench).len() > before, "{:#?}", notified(&bench));
}
