//! The ready plans of playbooks/plans on real hosts, beside the real programs that they talk to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::bench::{Bench, standing};
use super::host::{Host, Spec, needs, plain, spec, wait_until};

const APPROVED: [&str; 5] = ["--yes", "--approve", "all", "--reason", "fine"];

/// The ready plan of this name, as the test's plan.toml.
fn ready(bench: &Bench, name: &str) -> String {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks/plans").join(name);
    let text = std::fs::read_to_string(from).unwrap();
    bench.write("plan.toml", &text);
    text
}

/// A load balancer on this machine, ended with the test.
struct Balancer {
    child: Child,
    port: u16,
    socket: PathBuf,
}

impl Balancer {
    /// Before these servers: names and addresses.
    fn start(bench: &Bench, servers: &[(&str, &str)]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let socket = bench.path("admin.sock");
        let lines: String =
            servers.iter().map(|(name, address)| format!("  server {name} {address}:80 check inter 200ms\n")).collect();
        // Nothing is tried again: a request that meets a server which is away has failed.
        let text = format!(
            "global\n  stats socket {} level admin\ndefaults\n  mode http\n  retries 0\n  timeout connect 2s\n  \
             timeout client 60s\n  timeout server 60s\nfrontend in\n  bind 127.0.0.1:{port}\n  default_backend web\n\
             backend web\n  http-response set-header X-Server %s\n{lines}",
            socket.display()
        );
        bench.write("haproxy.cfg", &text);
        let log = std::fs::File::create(bench.path("haproxy.log")).unwrap();
        let mut command = Command::new("haproxy");
        command.args(["-db", "-f"]).arg(bench.path("haproxy.cfg")).stdin(Stdio::null());
        let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let balancer = Self { child, port, socket };
        wait_until("haproxy answers", 10, || UnixStream::connect(&balancer.socket).is_ok());
        for (name, _) in servers {
            wait_until("the servers are up", 10, || balancer.status(name) == "UP");
        }
        balancer
    }

    /// What it says of one of its servers.
    fn status(&self, server: &str) -> String {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        stream.write_all(b"show stat\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let line = text.lines().find(|line| line.starts_with(&format!("web,{server},"))).unwrap();
        line.split(',').nth(17).unwrap().to_owned()
    }

    /// Asks for a page; the server that answered, and the stream behind the header. An error: no good answer.
    fn ask(port: u16, path: &str) -> Result<(String, BufReader<TcpStream>), String> {
        let error = |error: std::io::Error| error.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(error)?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).map_err(error)?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).map_err(error)?;
        let mut reader = BufReader::new(stream);
        let (mut first, mut server) = (String::new(), String::new());
        reader.read_line(&mut first).map_err(error)?;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).map_err(error)?;
            match line.trim_end() {
                "" => break,
                line => server = line.strip_prefix("x-server: ").map_or(server, str::to_owned),
            }
        }
        if first.starts_with("HTTP/1.1 200") { Ok((server, reader)) } else { Err(first) }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that asks all the time; what failed, and how often each server answered.
struct Client {
    ends: Arc<AtomicBool>,
    thread: JoinHandle<(Vec<String>, std::collections::BTreeMap<String, u32>)>,
}

impl Client {
    fn start(port: u16) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ends);
        let thread = std::thread::spawn(move || {
            let (mut failed, mut answered) = (Vec::new(), std::collections::BTreeMap::new());
            while !end.load(Ordering::Relaxed) {
                let whole = Balancer::ask(port, "/").and_then(|(server, mut body)| {
                    let read = body.read_to_end(&mut Vec::new()).map_err(|error| error.to_string())?;
                    if read > 0 { Ok(server) } else { Err("an empty page".to_owned()) }
                });
                match whole {
                    Ok(server) => *answered.entry(server).or_default() += 1,
                    Err(why) => failed.push(why),
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            (failed, answered)
        });
        Self { ends, thread }
    }

    fn end(self) -> (Vec<String>, std::collections::BTreeMap<String, u32>) {
        self.ends.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

#[test]
fn behind_haproxy_no_request_fails_and_downloads_are_waited_for() {
    const BIG: usize = 30_000_000;
    if !needs(&["haproxy", "socat"]) {
        return;
    }
    let Some(bench) = Bench::start(&[spec("uat-1"), spec("prod-1"), spec("prod-2")]) else { return };
    ready(&bench, "haproxy-drain.toml");
    let lb = format!("UNIX-CONNECT:{}", bench.path("admin.sock").display());
    bench.defaults(&format!("user = \"root\"\nvars = {{ lb = \"{lb}\", lb_backend = \"web\" }}"));
    for host in &bench.hosts {
        host.sh(&format!("head -c {BIG} /dev/zero >/var/www/html/big"));
    }
    let servers = ["prod-1", "prod-2"].map(|name| (name, bench.host(name).address.as_str()));
    let balancer = Balancer::start(&bench, &servers);
    let client = Client::start(balancer.port);

    // Somebody downloads from the canary, slowly.
    let mut download = loop {
        let (server, reader) = Balancer::ask(balancer.port, "/big").unwrap();
        if server == "prod-1" {
            break reader;
        }
    };
    let run = bench.spawn("run", &[&["run", "plan.toml"], &APPROVED[..], &["--output", "json"]].concat());
    wait_until("the canary is drained", 120, || balancer.status("prod-1") == "DRAIN");
    std::thread::sleep(Duration::from_secs(3));
    bench.host("prod-1").assert_untouched();
    let mut rest = Vec::new();
    download.read_to_end(&mut rest).unwrap();
    assert_eq!(rest.len(), BIG, "the download was cut");

    let code = { run }.wait().unwrap().code();
    let (failed, answered) = client.end();
    assert_eq!(code, Some(0), "{}", bench.read("run.err"));
    let document: serde_json::Value = serde_json::from_str(&bench.read("run.out")).unwrap();
    for name in ["prod-1", "prod-2"] {
        assert_eq!(standing(&document, name), "PATCH/SUCCESS patched");
        assert_eq!(balancer.status(name), "UP");
        assert!(answered[name] > 10, "{answered:?}");
        let restarted = &super::bench::host(&document, name)["services"]["restarted"];
        assert!(restarted.as_array().unwrap().contains(&"nginx.service".into()), "{restarted}");
    }
    assert!(failed.is_empty(), "{} requests failed: {:?}", failed.len(), &failed[..failed.len().min(5)]);

    // The last server that is up is never taken out.
    let mut admin = UnixStream::connect(&balancer.socket).unwrap();
    admin.write_all(b"set server web/prod-2 state maint\n").unwrap();
    wait_until("prod-2 is out", 10, || balancer.status("prod-2") == "MAINT");
    let back = ["rollback", "last", "--stage", "prod", "--limit", "prod-1", "--reason", "x", "--yes"];
    let answer = bench.patchctl(&back).ended(7);
    assert!(answer.err.contains("no other server of web is up"), "{}", answer.err);
    assert_eq!(balancer.status("prod-1"), "UP");
}

fn database(name: &'static str) -> Spec {
    spec(name).repo("postgresql").install(&["postgresql-15"])
}

/// What the database answers.
fn sql(host: &Host, query: &str) -> String {
    host.sh(&format!("cd /; runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d app -c \"{query}\""))
        .trim()
        .to_owned()
}

#[test]
fn postgresql_goes_up_and_back_with_its_rows() {
    let Some(bench) = Bench::start(&[database("uat-1"), spec("prod-1").repo("postgresql")]) else { return };
    ready(&bench, "postgresql-minor.toml");
    let (uat, prod) = (bench.host("uat-1"), bench.host("prod-1"));
    let (old, new) = (uat.version("postgresql-15"), uat.candidate("postgresql-15"));
    assert_ne!(old, new);
    let upstream = |version: &str| version.split('-').next().unwrap().to_owned();
    uat.sh("cd /; runuser -u postgres -- createdb app");
    sql(uat, "CREATE TABLE orders AS SELECT id, md5(id::text) AS what FROM generate_series(1, 5000) id");
    let all = "SELECT count(*), md5(string_agg(what, ',' ORDER BY id)) FROM orders";
    let runs = |host: &Host| sql(host, "SHOW server_version").split(' ').next().unwrap().to_owned();

    // Rejected: the old server, and every row, those too that came meanwhile.
    let document = bench.json(3, &["run", "plan.toml", "--limit", "uat-1", "--yes"]);
    assert_eq!((runs(uat), uat.version("libpq5")), (upstream(&new), new.clone()));
    sql(uat, "INSERT INTO orders VALUES (5001, 'came later')");
    let rows = sql(uat, all);
    let (id, digest) = (document["run_id"].as_str().unwrap(), document["waiting"]["digest"].as_str().unwrap());
    let document = bench.json(4, &["reject", id, "--digest", &digest[..20], "--reason", "no", "--resume"]);
    assert_eq!(standing(&document, "uat-1"), "ROLLBACK/SUCCESS restored", "{document:#}");
    assert_eq!((runs(uat), uat.version("postgresql-15")), (upstream(&old), old.clone()));
    assert_eq!(sql(uat, all), rows);

    let document = bench.json(0, &[&["run", "plan.toml"], &APPROVED[..]].concat());
    assert_eq!(standing(&document, "uat-1"), "PATCH/SUCCESS patched");
    for package in ["postgresql-15", "postgresql-client-15", "libpq5"] {
        assert_eq!(uat.version(package), new);
    }
    assert_eq!((runs(uat), sql(uat, all)), (upstream(&new), rows));
    let checks = super::bench::host(&document, "uat-1")["checks"].as_array().unwrap();
    for name in ["cluster", "answers", "version", "rows"] {
        assert!(checks.iter().any(|c| c["name"] == name && c["when"] == "after" && c["ok"] == true), "{checks:#?}");
    }
    // It has no database.
    assert_eq!(standing(&document, "prod-1"), "NONE/SUCCESS current");
    prod.assert_untouched();
}

/// A program of this name, first on the path: it writes its arguments down, one call a line, and then does this.
fn fake(bench: &Bench, name: &str, then: &str) -> std::ffi::OsString {
    use std::os::unix::fs::PermissionsExt as _;
    let log = bench.path(&format!("{name}.log"));
    bench.write(&format!("bin/{name}"), &format!("#!/bin/sh\necho \"$*\" >>{}\n{then}\n", log.display()));
    std::fs::set_permissions(bench.path(&format!("bin/{name}")), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut path = bench.path("bin").into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    path
}

/// Runs the plan to its end, with this path.
fn run_with(bench: &Bench, path: &std::ffi::OsStr, code: i32) {
    let args = [&["run", "plan.toml"], &APPROVED[..]].concat();
    let output = bench.command(&args).env("PATH", path).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn kubernetes_nodes_are_drained_and_uncordoned() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("prod-1"), plain("prod-2")]) else { return };
    let text = ready(&bench, "kubernetes.toml").replace("select = \"security\"", "packages = [\"lab-plain\"]");
    bench.write("plan.toml", &text.replace("soak = \"5m\"", "soak = \"1s\""));
    for host in &bench.hosts {
        host.sh("printf '[Service]\\nExecStart=sleep infinity\\n' >/etc/systemd/system/kubelet.service
             systemctl daemon-reload; systemctl start kubelet");
    }
    // One node has a pod that cannot be evicted.
    let path = fake(
        &bench,
        "kubectl",
        "case \"$*\" in get*) echo True ;; drain*prod-2*) echo 'cannot evict pod db-0' >&2; exit 1 ;; esac",
    );
    run_with(&bench, &path, 8);
    let ready = "-o jsonpath={.status.conditions[?(@.type==\"Ready\")].status}";
    let log = bench.read("kubectl.log");
    let of = |name: &str| -> Vec<String> {
        let mut calls: Vec<_> = log.lines().filter(|line| line.contains(name)).map(str::to_owned).collect();
        calls.dedup();
        calls
    };
    for name in ["uat-1", "prod-1"] {
        let get = format!("get node {name} {ready}");
        let whole = [
            format!("cordon {name}"),
            format!("drain {name} --ignore-daemonsets --delete-emptydir-data --timeout=9m"),
            get.clone(),
            format!("wait --for=condition=Ready node/{name} --timeout=5m"),
            format!("uncordon {name}"),
        ];
        let calls = of(name);
        // While it is watched it is asked again.
        assert_eq!(calls[..5], whole, "{log}");
        assert!(calls[5..].iter().all(|call| *call == get), "{log}");
        assert_eq!(bench.host(name).version("lab-plain"), "2.0");
    }
    let last = of("prod-2");
    assert_eq!(last.first().map(String::as_str), Some("cordon prod-2"));
    assert_eq!(last.last().map(String::as_str), Some("uncordon prod-2"), "it is in service again");
    bench.host("prod-2").assert_untouched();
}

#[test]
fn a_silence_lasts_as_long_as_its_stage() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("prod-1")]) else { return };
    let text = ready(&bench, "alertmanager-silence.toml");
    bench.write("plan.toml", &text.replace("\"openssl\", \"libssl3\"", "\"lab-plain\""));
    let path = fake(&bench, "amtool", "case $2 in add) echo \"silence-$$\" ;; esac");
    run_with(&bench, &path, 0);
    let log = bench.read("amtool.log");
    let url = "--alertmanager.url=http://alertmanager.example.com:9093";
    let calls: Vec<_> = log.lines().collect();
    for (ix, stage) in ["uat", "prod"].into_iter().enumerate() {
        let add = calls[2 * ix];
        assert!(add.starts_with(&format!("silence add {url} --author=patchctl --duration=2h --comment=PC-")), "{log}");
        assert!(add.ends_with(&format!(" environment={stage}")), "{log}");
        assert!(calls[2 * ix + 1].starts_with(&format!("silence expire {url} silence-")), "{log}");
    }
    assert_eq!(calls.len(), 4);
    assert_eq!(std::fs::read_dir(bench.path(".local/state/patchctl-silences")).unwrap().count(), 0);
}
