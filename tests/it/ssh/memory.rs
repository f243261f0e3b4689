//! What a connection that is kept costs.

use std::sync::Arc;

use patchctl::core::ids::HostName;
use patchctl::ports::Transport;

use super::fixture::{Ear, Home, Person, host, script};

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Both ends live in this process: the bound holds for them together, so for ours all the more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: run it alone, with --ignored --nocapture"]
async fn two_hundred_connections_cost_less_than_300_kb_each() {
    let home = Home::new();
    let server = home.server(|_| ()).await;
    let transport = Arc::new(home.transport(Person::default()));
    let mut before = 0;
    for n in 0..220 {
        let mut there = host(server.address);
        there.name = HostName::new(format!("web-{n}")).unwrap();
        transport.ping(&there).await.unwrap();
        transport.read(&there, &script("echo x >&3"), &Ear::default()).await.unwrap();
        if n == 19 {
            before = resident_kib();
        }
    }
    let each = (resident_kib() - before) / 200;
    println!("{each} KiB for each further host, the server's end of the connection included");
    assert!(each < 300);
}
