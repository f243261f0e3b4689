//! The demo's fleet, driven by a plain SSH client.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use patchctl::demo::{Demo, DemoError, DemoOptions, FleetHost, LOGIN};
use russh::client::{self, Handle};
use russh::keys::{Algorithm, PrivateKey, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate, load_secret_key};
use russh::{Channel, ChannelMsg};

struct Client {
    host_key: PublicKey,
}

impl client::Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(key.public_key().key_data() == self.host_key.key_data())
    }
}

struct Ended {
    out: Vec<u8>,
    err: Vec<u8>,
    code: Option<u32>,
    signal: Option<russh::Sig>,
}

impl Ended {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).trim_end().to_owned()
    }
}

async fn start(fail: &[&str]) -> Demo {
    let fail = fail.iter().map(ToString::to_string).collect();
    Demo::start(&DemoOptions { fail, ..DemoOptions::default() }).await.unwrap()
}

fn host<'a>(demo: &'a Demo, name: &str) -> &'a FleetHost {
    demo.hosts().iter().find(|host| host.name.as_str() == name).unwrap()
}

async fn dial(host: &FleetHost) -> Handle<Client> {
    let config = Arc::new(client::Config { nodelay: true, ..client::Config::default() });
    client::connect(config, ("127.0.0.1", host.port), Client { host_key: host.key.clone() }).await.unwrap()
}

async fn login(demo: &Demo, name: &str) -> Handle<Client> {
    let mut handle = dial(host(demo, name)).await;
    let key = Arc::new(load_secret_key(demo.client_key(), None).unwrap());
    let answer = handle.authenticate_publickey(LOGIN, PrivateKeyWithHashAlg::new(key, None)).await.unwrap();
    assert!(answer.success());
    handle
}

async fn begin(handle: &Handle<Client>, command: &str) -> Channel<client::Msg> {
    let channel = handle.channel_open_session().await.unwrap();
    channel.exec(true, command).await.unwrap();
    channel
}

async fn drain(mut channel: Channel<client::Msg>) -> Ended {
    let mut ended = Ended { out: vec![], err: vec![], code: None, signal: None };
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => ended.out.extend_from_slice(&data),
            ChannelMsg::ExtendedData { data, ext: 1 } => ended.err.extend_from_slice(&data),
            ChannelMsg::ExitStatus { exit_status } => ended.code = Some(exit_status),
            ChannelMsg::ExitSignal { signal_name, .. } => ended.signal = Some(signal_name),
            ChannelMsg::Failure => panic!("the request was refused"),
            _ => {}
        }
    }
    ended
}

async fn exec(handle: &Handle<Client>, command: &str, input: &[u8]) -> Ended {
    let channel = begin(handle, command).await;
    channel.data(input).await.unwrap();
    channel.eof().await.unwrap();
    drain(channel).await
}

#[tokio::test]
async fn a_command_has_its_streams_its_code_and_a_clean_environment() {
    let demo = start(&[]).await;
    let ssh = login(&demo, "uat-01").await;

    let ended = exec(&ssh, "tr a-z A-Z; echo no >&2; exit 7", b"yes").await;
    assert_eq!((ended.out.as_slice(), ended.err.as_slice(), ended.code), (&b"YES"[..], &b"no\n"[..], Some(7)));
    let ended = exec(&ssh, "kill -TERM $$", b"").await;
    assert!(matches!(ended.signal, Some(russh::Sig::TERM)) && ended.code.is_none());

    let home = host(&demo, "uat-01").home.to_str().unwrap().to_owned();
    let ended = exec(&ssh, "pwd; env | sort | cut -d= -f1 | tr '\\n' ' '; echo \"$HOME\"", b"").await;
    assert_eq!(ended.text(), format!("{home}\nHOME LOGNAME PATH PWD SHELL USER {home}"));
    let ended = exec(&ssh, "apps/shop/current/bin/shop --version; apps/shop/current/bin/check", b"").await;
    assert_eq!(ended.text(), "shop 2.4.0\nshop 2.4.0: it adds up");
    demo.stop().await;
}

#[tokio::test]
async fn twenty_commands_at_a_time_on_each_of_two_hosts() {
    let demo = start(&[]).await;
    let hosts = [login(&demo, "prod-01").await, login(&demo, "prod-02").await];
    let began = Instant::now();
    let runs = (0..40).map(|n| {
        let ssh = &hosts[n % 2];
        async move { exec(ssh, &format!("sleep 0.2; cat; echo {n}"), b"x").await.text() }
    });
    let texts = futures_util::future::join_all(runs).await;
    for (n, text) in texts.iter().enumerate() {
        assert_eq!(*text, format!("x{n}"));
    }
    assert!(began.elapsed() < Duration::from_secs(5), "they ran one after the other: {:?}", began.elapsed());
    demo.stop().await;
}

#[tokio::test]
async fn a_detached_job_outlives_its_channel_and_its_connection() {
    let demo = start(&[]).await;
    let ssh = login(&demo, "uat-02").await;
    let job = "setsid sh -c 'sleep 0.6; echo done >job' </dev/null >/dev/null 2>&1 & echo started";
    assert_eq!(exec(&ssh, job, b"").await.text(), "started");
    // One that still talks on the channel goes on too when the channel is closed under it.
    let mut channel = begin(&ssh, "echo first; sleep 0.6; echo second >talked; echo third").await;
    while !matches!(channel.wait().await, Some(ChannelMsg::Data { .. })) {}
    channel.close().await.unwrap();
    ssh.disconnect(russh::Disconnect::ByApplication, "", "en").await.unwrap();
    drop(ssh);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let home = &host(&demo, "uat-02").home;
    assert_eq!(std::fs::read_to_string(home.join("job")).unwrap(), "done\n");
    assert_eq!(std::fs::read_to_string(home.join("talked")).unwrap(), "second\n");
    demo.stop().await;
}

#[tokio::test]
async fn much_data_both_ways() {
    let demo = start(&[]).await;
    let ssh = login(&demo, "prod-03").await;
    let input: Vec<u8> = (0..20_000_000_u32).map(|n| (n % 251) as u8).collect();
    let (mut read, write) = begin(&ssh, "cat").await.split();
    let send = async {
        write.data(&input[..]).await.unwrap();
        write.eof().await.unwrap();
    };
    let receive = async {
        let mut out = Vec::new();
        while let Some(message) = read.wait().await {
            if let ChannelMsg::Data { data } = message {
                out.extend_from_slice(&data);
            }
        }
        out
    };
    let ((), out) = tokio::join!(send, receive);
    assert!(out == input, "{} of {} bytes came back", out.len(), input.len());

    // Input that nobody reads is no reason to hang.
    let ended = exec(&ssh, "exit 3", &input[..1_000_000]).await;
    assert_eq!(ended.code, Some(3));
    let ended = exec(&ssh, "head -c 5000000 /dev/zero; head -c 5000000 /dev/zero >&2", b"").await;
    assert_eq!((ended.out.len(), ended.err.len(), ended.code), (5_000_000, 5_000_000, Some(0)));
    demo.stop().await;
}

#[tokio::test]
async fn a_slow_reader_makes_the_command_wait() {
    let demo = start(&[]).await;
    let ssh = login(&demo, "prod-04").await;
    let command = "head -c 30000000 /dev/zero | { i=0; while dd bs=1000000 count=1 iflag=fullblock 2>/dev/null; do \
                   i=$((i + 1)); echo $i >progress; [ $i -lt 30 ] || break; done; }";
    let channel = begin(&ssh, command).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    let sent: u32 =
        std::fs::read_to_string(host(&demo, "prod-04").home.join("progress")).unwrap().trim().parse().unwrap();
    assert!(sent < 15, "{sent} MB went out to a client that does not read");
    assert_eq!(drain(channel).await.out.len(), 30_000_000);
    demo.stop().await;
}

#[tokio::test]
async fn only_the_demos_own_key_and_login_get_in() {
    let demo = start(&[]).await;
    let own = Arc::new(load_secret_key(demo.client_key(), None).unwrap());
    let other = Arc::new(PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).unwrap());
    for (user, key) in [(LOGIN, &other), ("root", &own)] {
        let mut ssh = dial(host(&demo, "uat-01")).await;
        let key = PrivateKeyWithHashAlg::new(Arc::clone(key), None);
        assert!(!ssh.authenticate_publickey(user, key).await.unwrap().success(), "{user} got in");
    }
    let mut ssh = dial(host(&demo, "uat-01")).await;
    assert!(!ssh.authenticate_none(LOGIN).await.unwrap().success());
    assert!(!ssh.authenticate_password(LOGIN, "").await.unwrap().success());
    demo.stop().await;
}

#[tokio::test]
async fn no_shell_and_no_subsystem() {
    let demo = start(&[]).await;
    let ssh = login(&demo, "uat-01").await;
    let mut channel = ssh.channel_open_session().await.unwrap();
    channel.request_subsystem(true, "sftp").await.unwrap();
    assert!(matches!(channel.wait().await, Some(ChannelMsg::Failure)));
    channel.request_shell(true).await.unwrap();
    assert!(matches!(channel.wait().await, Some(ChannelMsg::Failure)));
    demo.stop().await;
}

#[tokio::test]
async fn what_it_writes_fits_together_and_goes_away() {
    let demo = start(&["prod-02"]).await;
    let plan: toml::Table = std::fs::read_to_string(demo.plan_path()).unwrap().parse().unwrap();
    assert_eq!(plan["inventory"].as_str(), demo.inventory_path().file_name().and_then(|name| name.to_str()));
    let releases = Path::new(plan["patch"]["vars"]["source"].as_str().unwrap());
    for file in ["shop-2.4.0.tar.gz", "shop-2.4.1.tar.gz", "SHA256SUMS"] {
        assert!(releases.join(file).is_file(), "{file}");
    }
    let inventory: toml::Table = std::fs::read_to_string(demo.inventory_path()).unwrap().parse().unwrap();
    assert_eq!(inventory["defaults"]["private_key"].as_str(), demo.client_key().to_str());
    let known = std::fs::read_to_string(demo.known_hosts()).unwrap();
    for host in demo.hosts() {
        let port = inventory["hosts"][host.name.as_str()]["port"].as_integer().unwrap();
        assert_eq!(port, i64::from(host.port));
        assert!(known.contains(&format!("[127.0.0.1]:{port} ssh-ed25519 ")));
        let marked = host.home.join(".shop-orders-are-locked").exists();
        assert_eq!(marked, host.name.as_str() == "prod-02");
    }
    let path = demo.path().to_owned();
    let port = demo.hosts()[0].port;
    let ssh = login(&demo, "uat-01").await;
    drop(demo);
    assert!(!path.exists());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(ssh.is_closed(), "an open connection outlived the demo");
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err());
}

#[tokio::test]
async fn openssh_gets_along_with_it() {
    let demo = start(&[]).await;
    let run = async |arguments: &[&str]| {
        let mut ssh = tokio::process::Command::new("ssh");
        ssh.arg("-F").arg(demo.path().join("ssh_config")).args(arguments).stdin(std::process::Stdio::null());
        ssh.output().await
    };
    let Ok(done) = run(&["prod-01", "readlink apps/shop/current; echo oops >&2; exit 9"]).await else {
        eprintln!("skipped: no ssh here");
        return;
    };
    assert_eq!(String::from_utf8_lossy(&done.stdout), "releases/2.4.0\n");
    assert_eq!(String::from_utf8_lossy(&done.stderr), "oops\n");
    assert_eq!(done.status.code(), Some(9));
    demo.stop().await;
}

#[tokio::test]
async fn a_host_that_the_demo_does_not_have() {
    let options = DemoOptions { fail: vec!["web-01".to_owned()], ..DemoOptions::default() };
    let error = Demo::start(&options).await.unwrap_err();
    assert!(matches!(error, DemoError::UnknownHost(_)));
    assert_eq!(
        error.to_string(),
        "the demo has no host \"web-01\"; it has uat-01, uat-02, prod-01, prod-02, prod-03, prod-04"
    );
}

/// A step's script as it reaches a host: prelude, library, steps, the line that runs them.
fn playbook_script(steps: &[&str]) -> Option<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks");
    let mut script = std::fs::read_to_string(folder.join("prelude.sh")).ok()?;
    for part in std::iter::once("lib").chain(steps.iter().copied()) {
        script.push_str(&std::fs::read_to_string(folder.join(format!("release/{part}.sh"))).unwrap());
    }
    script.push_str(&format!("run_steps {}\n", steps.join(" ")));
    Some(script)
}

/// Runs steps over SSH with the variables of the demo's plan; gives back their records.
async fn playbook_steps(ssh: &Handle<Client>, releases: &str, steps: &[&str]) -> Option<Ended> {
    let script = playbook_script(steps)?;
    let command = format!(
        "cat >script; IN=$HOME/in OUT=$HOME/out STASH=$HOME/stash RUN=R1 VAR_SOURCE='{releases}' VAR_ROOT=apps \
         VAR_CHECK=bin/check sh script </dev/null"
    );
    Some(exec(ssh, &command, script.as_bytes()).await)
}

#[tokio::test]
async fn the_release_playbook_patches_its_hosts_and_takes_it_back_where_the_check_fails() {
    let demo = start(&["prod-03"]).await;
    let releases = demo.path().join("releases").to_str().unwrap().to_owned();
    for (name, fails) in [("uat-01", false), ("prod-03", true)] {
        let ssh = login(&demo, name).await;
        let prepare = "mkdir in out; printf 'shop\\t2.4.1\\n' >in/packages";
        assert_eq!(exec(&ssh, prepare, b"").await.code, Some(0));
        let run = async |steps: &[&str]| playbook_steps(&ssh, &releases, steps).await;
        let Some(planned) = run(&["detect", "refresh", "inspect", "resolve", "preflight"]).await else {
            eprintln!("skipped: no prelude here");
            return;
        };
        assert_eq!(planned.code, Some(0), "{}", planned.text());
        assert!(planned.text().contains(&format!("op\tupgrade\tshop\tall\t2.4.0\t2.4.1\t{releases}\t0\n")));
        exec(&ssh, "printf 'upgrade\\tshop\\tall\\t2.4.0\\t2.4.1\\n' >in/transaction", b"").await;
        for job in [&["baseline", "stash"][..], &["apply"]] {
            let done = run(job).await.unwrap();
            assert_eq!(done.code, Some(0), "{}", done.text());
        }
        let verified = run(&["verify"]).await.unwrap();
        assert_eq!(verified.code, Some(u32::from(fails)), "{}", verified.text());
        let refused = "problem\tcheck\tshop 2.4.1: bin/check ended with 1: shop 2.4.1: the orders of release 2.4.0 cannot be \
                       opened\t\n";
        assert_eq!(verified.text().contains(refused), fails, "{}", verified.text());
        let version = "apps/shop/current/bin/shop --version";
        assert_eq!(exec(&ssh, version, b"").await.text(), "shop 2.4.1");
        let back = run(&["rollback"]).await.unwrap();
        assert_eq!(back.code, Some(0), "{}", back.text());
        let compared = run(&["compare"]).await.unwrap();
        assert!(compared.code == Some(0) && !compared.text().contains("diff\t"), "{}", compared.text());
        assert_eq!(exec(&ssh, version, b"").await.text(), "shop 2.4.0");
    }
    demo.stop().await;
}
