//! Host keys, logging in, hosts that do not answer as they should.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use patchctl::core::problem::{ErrorKind, Problem};
use patchctl::ports::Transport;
use russh::keys::{Algorithm, HashAlg};
use tokio::io::AsyncWriteExt;

use super::fixture::{Home, Person, host};
use super::server::{Conduct, Server, new_key, write_key};

async fn ping(home: &Home, server: &Server, person: Person) -> Result<patchctl::ports::Answer, Problem> {
    home.transport(person).ping(&host(server.address)).await.map_err(|failure| {
        assert!(!failure.may_have_begun);
        failure.problem
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_in_the_usual_place_logs_in_and_the_connection_is_kept() {
    let home = Home::new();
    let server = home.server(|_| ()).await;
    let transport = home.transport(Person::default());
    let host = host(server.address);
    let answer = transport.ping(&host).await.unwrap();
    assert!(answer.host_key.starts_with("SHA256:"));
    assert_eq!(answer.user, "me");
    transport.ping(&host).await.unwrap();
    assert_eq!(server.seen.connections.load(Ordering::SeqCst), 1);
    transport.close(&host).await;
    transport.ping(&host).await.unwrap();
    assert_eq!(server.seen.connections.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_key_file_logs_in() {
    let curve = |curve| Algorithm::Ecdsa { curve };
    let kinds = [
        ("id_ecdsa", curve(russh::keys::EcdsaCurve::NistP256)),
        ("k384", curve(russh::keys::EcdsaCurve::NistP384)),
        ("id_rsa", Algorithm::Rsa { hash: Some(HashAlg::Sha512) }),
    ];
    for (name, algorithm) in kinds {
        let mut home = Home::new();
        std::fs::remove_file(home.path(".ssh/id_ed25519")).unwrap();
        let file = home.path(".ssh").join(name);
        if name == "id_rsa" {
            keygen(&["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", file.to_str().unwrap()]);
            home.key = russh::keys::load_secret_key(&file, None).unwrap();
        } else {
            home.key = new_key(algorithm);
            write_key(&file, &home.key);
        }
        let server = home.server(|_| ()).await;
        let mut there = host(server.address);
        if name == "k384" {
            there.private_keys = vec!["~/.ssh/k384".into()];
        }
        home.transport(Person::default()).ping(&there).await.unwrap_or_else(|e| panic!("{name}: {e:?}"));
        if name == "id_rsa" {
            assert_eq!(server.seen.offered.lock().unwrap()[..], ["rsa-sha2-512"], "never SHA-1");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encrypted_key_is_asked_for_once_and_only_where_it_is_wanted() {
    let home = Home::new();
    let file = home.path(".ssh/id_ed25519");
    keygen(&["-q", "-p", "-P", "", "-N", "open sesame", "-f", file.to_str().unwrap()]);
    let server = home.server(|_| ()).await;
    let stranger = home.server(|setup| setup.authorized = vec![new_key(Algorithm::Ed25519).public_key().clone()]).await;
    let person = Arc::new(Person { passphrase: Some("open sesame".to_owned()), ..Person::default() });
    let transport = home.transport_asking(&person);
    assert_eq!(transport.ping(&host(stranger.address)).await.unwrap_err().problem.kind, ErrorKind::Auth);
    assert_eq!(person.asked.load(Ordering::SeqCst), 0, "asked although the host does not know the key");
    for _ in 0..2 {
        let mut there = host(server.address);
        there.name = patchctl::core::ids::HostName::new("web-2").unwrap();
        transport.ping(&there).await.unwrap();
        transport.close(&there).await;
    }
    assert_eq!(person.asked.load(Ordering::SeqCst), 1);

    let wrong = ping(&home, &server, Person { passphrase: Some("wrong".to_owned()), ..Person::default() }).await;
    let wrong = wrong.unwrap_err();
    assert_eq!(wrong.kind, ErrorKind::Auth);
    assert!(wrong.message.contains("passphrase") && wrong.message.contains("is wrong"), "{}", wrong.message);
    let none = ping(&home, &server, Person::default()).await.unwrap_err();
    assert!(none.message.contains("is encrypted"), "{}", none.message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_agents_keys_log_in() {
    let mut home = Home::new();
    let socket = home.path("agent");
    let file = home.path(".ssh/id_ed25519");
    let Ok(mut agent) =
        Command::new("ssh-agent").args(["-D", "-a"]).arg(&socket).stdout(std::process::Stdio::null()).spawn()
    else {
        eprintln!("SKIPPED: ssh-agent is not here");
        return;
    };
    while !socket.exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let added = Command::new("ssh-add").arg("-q").arg(&file).env("SSH_AUTH_SOCK", &socket).status().unwrap();
    assert!(added.success());
    std::fs::remove_file(&file).unwrap();
    let server = home.server(|_| ()).await;
    let without = ping(&home, &server, Person::default()).await.unwrap_err();
    assert_eq!(without.kind, ErrorKind::Auth);
    home.options.agent = Some(socket);
    let with = ping(&home, &server, Person::default()).await;
    agent.kill().unwrap();
    agent.wait().unwrap();
    with.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_and_single_prompts() {
    let home = Home::new();
    for prompts in [0, 1] {
        let server = home
            .server(|setup| {
                setup.authorized = Vec::new();
                setup.password = Some("secret".to_owned());
                setup.prompts = prompts;
            })
            .await;
        let with = |password: &str| Person { password: Some(password.to_owned()), ..Person::default() };
        ping(&home, &server, with("secret")).await.unwrap();
        let wrong = ping(&home, &server, with("wrong")).await.unwrap_err();
        assert_eq!(wrong.kind, ErrorKind::Auth);
        assert!(!format!("{wrong:?}").contains("wrong\""), "the password is in the message");
        let none = ping(&home, &server, Person::default()).await.unwrap_err();
        assert!(none.message.contains("no password was given"), "{}", none.message);
        assert!(none.hint.unwrap().contains("-k"));
    }
    let server = home
        .server(|setup| {
            setup.authorized = Vec::new();
            setup.password = Some("secret".to_owned());
            setup.prompts = 2;
        })
        .await;
    let person = Person { password: Some("secret".to_owned()), ..Person::default() };
    let two = ping(&home, &server, person).await.unwrap_err();
    assert!(two.message.contains("asks for more than a password"), "{}", two.message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_host_keys_are_refused_and_can_be_added() {
    let mut home = Home::new();
    let server = home.server(|_| ()).await;
    home.forget_hosts();
    let unknown = ping(&home, &server, Person::default()).await.unwrap_err();
    assert_eq!(unknown.kind, ErrorKind::HostKey);
    assert!(unknown.message.contains("not known yet") && unknown.message.contains("SHA256:"), "{}", unknown.message);
    assert!(unknown.hint.unwrap().contains("patchctl inventory ping --accept-new-host-keys web-1"));

    std::fs::remove_file(home.path(".ssh/id_ed25519")).unwrap();
    let folder = home.path("fresh/.ssh");
    home.options.known_hosts = vec![folder.join("known_hosts")];
    home.options.private_keys = vec![home.path("key")];
    write_key(&home.path("key"), &home.key);
    home.options.accept_new = true;
    ping(&home, &server, Person::default()).await.unwrap();
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(folder.clone()), mode(folder.join("known_hosts"))), (0o700, 0o600));
    let text = std::fs::read_to_string(folder.join("known_hosts")).unwrap();
    assert!(text.starts_with(&format!("[127.0.0.1]:{} ssh-ed25519 AAAA", server.address.port())), "{text}");
    home.options.accept_new = false;
    ping(&home, &server, Person::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_revoked_and_unreadable() {
    let mut home = Home::new();
    let server = home.server(|_| ()).await;
    let (port, right) = (server.address.port(), std::fs::read_to_string(home.path(".ssh/known_hosts")).unwrap());
    let other = new_key(Algorithm::Ed25519).public_key().to_openssh().unwrap();

    std::fs::write(home.path(".ssh/known_hosts"), format!("# a comment\n[127.0.0.1]:{port} {other}\n")).unwrap();
    home.options.accept_new = true;
    let changed = ping(&home, &server, Person::default()).await.unwrap_err();
    assert_eq!(changed.kind, ErrorKind::HostKey);
    assert!(changed.message.contains("known_hosts:2"), "{}", changed.message);
    assert!(changed.hint.unwrap().contains("ssh-keygen -R"));

    let ecdsa =
        new_key(Algorithm::Ecdsa { curve: russh::keys::EcdsaCurve::NistP256 }).public_key().to_openssh().unwrap();
    std::fs::write(home.path(".ssh/known_hosts"), format!("[127.0.0.1]:{port} {ecdsa}\n")).unwrap();
    let downgrade = ping(&home, &server, Person::default()).await.unwrap_err();
    assert!(downgrade.message.contains("shows only an ssh-ed25519"), "{}", downgrade.message);

    std::fs::write(home.path(".ssh/known_hosts"), format!("{right}@revoked * {}", right.split_once(' ').unwrap().1))
        .unwrap();
    let revoked = ping(&home, &server, Person::default()).await.unwrap_err();
    assert!(revoked.message.contains("revoked by"), "{}", revoked.message);

    home.options.known_hosts = vec![home.path(".ssh")];
    let unreadable = ping(&home, &server, Person::default()).await.unwrap_err();
    assert_eq!(unreadable.kind, ErrorKind::HostKey);
    assert!(unreadable.message.contains("cannot read"), "{}", unreadable.message);
    assert_eq!(server.execs(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_key_must_not_change_while_we_run() {
    let home = Home::new();
    let (first, second) = (home.server(|_| ()).await, home.server(|_| ()).await);
    let transport = home.transport(Person::default());
    let mut there = host(first.address);
    transport.ping(&there).await.unwrap();
    transport.close(&there).await;
    there.port = second.address.port();
    let changed = transport.ping(&there).await.unwrap_err().problem;
    assert!(changed.message.contains("changed while we worked on it"), "{}", changed.message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_known_kind_of_host_key_is_asked_for_first() {
    let home = Home::new();
    let ecdsa = new_key(Algorithm::Ecdsa { curve: russh::keys::EcdsaCurve::NistP384 });
    // Only the first, the ECDSA key, gets into known_hosts.
    let server = home.server(|setup| setup.host_keys = vec![ecdsa, new_key(Algorithm::Ed25519)]).await;
    ping(&home, &server, Person::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_of_users() {
    let home = Home::new();
    let authority = home.path("ca");
    write_key(&authority, &new_key(Algorithm::Ed25519));
    let public = home.path(".ssh/id_ed25519.pub");
    std::fs::write(&public, home.key.public_key().to_openssh().unwrap()).unwrap();
    keygen(&["-q", "-s", authority.to_str().unwrap(), "-I", "me", "-n", "me", public.to_str().unwrap()]);
    let signer = russh::keys::load_secret_key(&authority, None).unwrap().public_key().clone();
    let server = home
        .server(|setup| {
            setup.authorized = Vec::new();
            setup.user_authority = Some(signer);
        })
        .await;
    ping(&home, &server, Person::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_of_hosts() {
    let home = Home::new();
    let authority = home.path("ca");
    write_key(&authority, &new_key(Algorithm::Ed25519));
    let signer = russh::keys::load_secret_key(&authority, None).unwrap().public_key().to_openssh().unwrap();
    let stranger = new_key(Algorithm::Ed25519).public_key().to_openssh().unwrap();
    for (principal, trusted, options, expected) in [
        ("127.0.0.1", &signer, &["-h"][..], None),
        ("other.example", &signer, &["-h"][..], Some("is for other names")),
        ("127.0.0.1", &stranger, &["-h"][..], Some("not signed by an authority")),
        ("127.0.0.1", &signer, &["-h", "-V", "20200101:20200102"][..], Some("has expired")),
        ("127.0.0.1", &signer, &[][..], Some("is not for a host")),
    ] {
        let host_key = new_key(Algorithm::Ed25519);
        let public = home.path("host.pub");
        std::fs::write(&public, host_key.public_key().to_openssh().unwrap()).unwrap();
        let mut arguments = vec!["-q", "-s", authority.to_str().unwrap(), "-I", "a host", "-n", principal];
        arguments.extend(options);
        arguments.push(public.to_str().unwrap());
        keygen(&arguments);
        let certificate = russh::keys::load_openssh_certificate(home.path("host-cert.pub")).unwrap();
        let server = home
            .server(|setup| {
                setup.host_keys = vec![host_key];
                setup.host_certificates = vec![certificate];
            })
            .await;
        home.forget_hosts();
        home.know(&format!("@cert-authority [127.0.0.1]:* {trusted}"));
        match (ping(&home, &server, Person::default()).await, expected) {
            (Ok(_), None) => {}
            (Err(problem), Some(expected)) => {
                assert_eq!(problem.kind, ErrorKind::HostKey);
                assert!(problem.message.contains(expected), "{}", problem.message);
            }
            (result, _) => panic!("{principal} {options:?}: {result:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_that_do_not_answer() {
    let mut home = Home::new();
    home.options.connect_timeout = Some(Duration::from_secs(1));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let transport = home.transport(Person::default());
    let refused = transport.ping(&host(closed)).await.unwrap_err().problem;
    assert_eq!(refused.kind, ErrorKind::Unreachable);
    assert!(refused.hint.unwrap().contains("nothing listens there"));

    let mut nowhere = host(closed);
    nowhere.address = "no-such-host.invalid".to_owned();
    let nowhere = transport.ping(&nowhere).await.unwrap_err().problem;
    assert!(nowhere.message.contains("no-such-host.invalid"), "{}", nowhere.message);

    for (words, expected) in [
        (&b""[..], "did not speak SSH within 1 s"),
        (b"SSH-2.0-Banner_only\r\n", "did not speak SSH within 1 s"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP/1.1 400"),
        (b"Exceeded MaxStartups\r\n", "MaxStartups"),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let close = !words.is_empty() && !words.starts_with(b"SSH");
        let server = tokio::spawn(async move {
            let (mut tcp, _) = listener.accept().await.unwrap();
            tcp.write_all(words).await.unwrap();
            if !close {
                // Whoever gives up must also close the connection.
                let mut buffer = vec![0; 4096];
                while tokio::io::AsyncReadExt::read(&mut tcp, &mut buffer).await.is_ok_and(|n| n > 0) {}
            }
        });
        let begun = Instant::now();
        let problem = transport.ping(&host(address)).await.unwrap_err().problem;
        assert_eq!(problem.kind, ErrorKind::Unreachable);
        assert!(problem.message.contains(expected), "{}", problem.message);
        assert!(begun.elapsed() < Duration::from_secs(4));
        tokio::time::timeout(Duration::from_secs(5), server).await.expect("the connection leaked").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn login_shells_that_do_not_run_commands() {
    let home = Home::new();
    for (conduct, expected) in
        [(Conduct::Refuses, "refuses to run commands"), (Conduct::NoLogin, "This account is currently not available.")]
    {
        let server = home.server(|setup| setup.conduct = conduct).await;
        let transport = home.transport(Person::default());
        let failure = transport
            .read(&host(server.address), &super::fixture::script("true"), &super::fixture::Ear::default())
            .await
            .unwrap_err();
        assert!(failure.problem.message.contains(expected), "{}", failure.problem.message);
    }
}

fn keygen(arguments: &[&str]) {
    assert!(Command::new("ssh-keygen").args(arguments).status().unwrap().success());
}
