//! What a host is asked, counted by its own sshd.

use std::os::unix::fs::MetadataExt as _;

use super::bench::Bench;
use super::host::spec;

#[test]
fn at_most_six_commands_before_the_patch_and_one_connection() {
    let Some(bench) = Bench::start(&[spec("uat-1")]) else { return };
    let uat = bench.host("uat-1");
    uat.sh("echo LogLevel VERBOSE >/etc/ssh/sshd_config.d/lab.conf; systemctl restart ssh.service");
    bench.plan("packages = [\"openssl\", \"libssl3\"]");
    let document = bench.json(0, &["run", "plan.toml", "--yes", "--approve", "all", "--reason", "fine"]);

    let log = uat.sh("journalctl -q -u ssh.service -o short-unix");
    let times = |what: &str| -> Vec<f64> {
        let lines = log.lines().filter(|line| line.contains(what));
        lines.map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect()
    };
    let run = document["run_id"].as_str().unwrap();
    let folder = uat.sh(&format!("ls -d /var/lib/patchctl/jobs/{run}-*-apply-*")).trim().to_owned();
    let began = uat.metadata(&format!("{folder}/begun"));
    let applied = began.mtime() as f64 + began.mtime_nsec() as f64 / 1e9;
    let sessions = times("Starting session: command");
    let before = sessions.iter().filter(|at| **at < applied).count();
    assert!((1..=6).contains(&before), "{before} commands before the apply, {} in all", sessions.len());
    assert_eq!(times("Accepted publickey").len(), 1, "{log}");
}
