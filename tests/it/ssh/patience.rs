//! Hosts that do not answer, or do not let us in any more, while something is under way there.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use patchctl::core::problem::ErrorKind;
use patchctl::ports::{JobEnd, Transport};
use russh::keys::Algorithm;
use tokio::net::{TcpListener, TcpStream};

use super::fixture::{Ear, Home, Person, host, job};
use super::server::{Server, new_key};

/// A way to a server that can be closed, and led elsewhere.
struct Way {
    address: SocketAddr,
    /// Where it leads; none: whoever comes is sent away.
    to: Arc<Mutex<Option<SocketAddr>>>,
    sent_away: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Way {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Way {
    async fn new(to: Option<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (to, sent_away) = (Arc::new(Mutex::new(to)), Arc::new(AtomicUsize::new(0)));
        let (there, counted) = (Arc::clone(&to), Arc::clone(&sent_away));
        let task = tokio::spawn(async move {
            loop {
                let (mut ours, _) = listener.accept().await.unwrap();
                let target = *there.lock().unwrap();
                let Some(target) = target else {
                    counted.fetch_add(1, Ordering::SeqCst);
                    continue;
                };
                let mut theirs = TcpStream::connect(target).await.unwrap();
                tokio::spawn(async move { tokio::io::copy_bidirectional(&mut ours, &mut theirs).await });
            }
        });
        Self { address, to, sent_away, task }
    }

    fn lead(&self, to: Option<SocketAddr>) {
        *self.to.lock().unwrap() = to;
    }

    async fn until_sent_away(&self, times: usize) {
        let end = Instant::now() + Duration::from_secs(30);
        while self.sent_away.load(Ordering::SeqCst) < times {
            assert!(Instant::now() < end, "not tried {times} times");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// A server and the way to it, known by its key.
async fn behind_a_way(home: &Home) -> (Server, Way, russh::keys::PrivateKey) {
    let host_key = new_key(Algorithm::Ed25519);
    let server = home.server(|setup| setup.host_keys = vec![host_key.clone()]).await;
    let way = Way::new(Some(server.address)).await;
    home.know(&format!("[127.0.0.1]:{} {}", way.address.port(), host_key.public_key().to_openssh().unwrap()));
    (server, way, host_key)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_is_waited_for_as_long_as_there_is_patience() {
    let home = Home::new();
    let (server, way, _) = behind_a_way(&home).await;
    way.lead(None);
    let there = host(way.address);
    let mut job = job("R-web-settle-1", "echo ran >>\"$HOME/count\"; sleep 2");
    // Its own time is short, and runs from when it is there.
    job.script.timeout = Duration::from_secs(1);
    job.patience = Some(Duration::from_secs(60));
    let ear = Arc::new(Ear::default());
    let (transport, listener) = (home.transport(Person::default()), Arc::clone(&ear));
    let task = tokio::spawn(async move { transport.job(&there, &job, &*listener).await });
    way.until_sent_away(4).await;
    way.lead(Some(server.address));
    assert!(matches!(task.await.unwrap(), Ok(JobEnd::Done(_))));
    assert_eq!(std::fs::read_to_string(server.home.join("count")).unwrap(), "ran\n");
    let notices = ear.notices.lock().unwrap().iter().filter(|text| text.contains("reconnecting in")).count();
    assert!(notices >= 4, "each wait is told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patience_that_is_over_says_what_stood_in_the_way() {
    let home = Home::new();
    let (_server, way, _) = behind_a_way(&home).await;
    way.lead(None);
    let there = host(way.address);
    let mut job = job("R-web-settle-2", "true");
    job.patience = Some(Duration::from_secs(2));
    for confirm in [false, true] {
        let transport = home.transport(Person::default());
        let end = match confirm {
            false => transport.job(&there, &job, &Ear::default()).await,
            true => transport.confirm(&there, &job, &Ear::default()).await,
        };
        let failure = end.unwrap_err();
        assert_eq!((failure.problem.kind, failure.may_have_begun), (ErrorKind::Unreachable, false), "{failure:?}");
    }
    job.patience = None;
    let before = way.sent_away.load(Ordering::SeqCst);
    home.transport(Person::default()).job(&there, &job, &Ear::default()).await.unwrap_err();
    assert_eq!(way.sent_away.load(Ordering::SeqCst) - before, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_does_not_let_us_in_any_more_is_asked_three_times_and_said_to_be_that() {
    let home = Home::new();
    let (server, way, host_key) = behind_a_way(&home).await;
    let closed = home
        .server(|setup| {
            setup.host_keys = vec![host_key];
            setup.authorized = vec![new_key(Algorithm::Ed25519).public_key().clone()];
        })
        .await;
    let there = host(way.address);
    let job = job("R-web-apply-1", "echo began; while [ ! -e \"$HOME/go\" ]; do sleep 0.1; done");
    let ear = Arc::new(Ear::default());
    let (transport, listener, asked) = (home.transport(Person::default()), Arc::clone(&ear), job.clone());
    let task = tokio::spawn(async move { transport.job(&there, &asked, &*listener).await });
    ear.wait_for("began").await;
    way.lead(Some(closed.address));
    server.cut();
    let failure = task.await.unwrap().unwrap_err();
    assert_eq!((failure.problem.kind, failure.may_have_begun), (ErrorKind::Auth, true), "{failure:?}");
    assert_eq!(closed.seen.connections.load(Ordering::SeqCst), 3);
    // Let in again, it is found where it was; a short refusal on the way does not matter where there is patience.
    let mut job = job;
    job.patience = Some(Duration::from_secs(60));
    let (transport, there) = (home.transport(Person::default()), host(way.address));
    let task = tokio::spawn(async move { transport.job(&there, &job, &Ear::default()).await });
    while closed.seen.connections.load(Ordering::SeqCst) < 7 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    way.lead(Some(server.address));
    std::fs::write(server.home.join("go"), "").unwrap();
    let Ok(JobEnd::Done(output)) = task.await.unwrap() else { panic!("not done") };
    assert_eq!(output.log, b"began\n");
}
