//! An HTTPS server on this machine that keeps what it gets and answers as it is told.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What it does with one request.
#[derive(Debug, Clone)]
pub(crate) enum Does {
    /// Answers with this status and these header lines.
    Answers(u16, &'static str),
    /// Takes the request and says nothing for so long.
    Sleeps(Duration),
}

/// A request that it got.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// The server; its threads live as long as the process.
pub(crate) struct Server {
    pub(crate) port: u16,
    /// The authority that its certificate is from.
    pub(crate) ca: PathBuf,
    got: Arc<Mutex<Vec<Got>>>,
    answers: Arc<Mutex<VecDeque<Does>>>,
}

impl Server {
    /// Serves https://127.0.0.1:PORT, its certificates in this folder.
    pub(crate) fn start(folder: &Path) -> Self {
        let (ca, certificate, key) = certificates(folder);
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
        let port = listener.local_addr().unwrap().port();
        let (got, answers) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(VecDeque::new())));
        let server = Self { port, ca, got: Arc::clone(&got), answers: Arc::clone(&answers) };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, got, answers) = (Arc::clone(&config), Arc::clone(&got), Arc::clone(&answers));
                std::thread::spawn(move || serve(stream, config, &got, &answers));
            }
        });
        server
    }

    /// What it does with the next requests; afterwards it answers 200.
    pub(crate) fn next(&self, does: impl IntoIterator<Item = Does>) {
        self.answers.lock().unwrap().extend(does);
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// What it has got once there are so many.
    #[track_caller]
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Got> {
        let until = Instant::now() + Duration::from_secs(60);
        while self.got().len() < count {
            assert!(Instant::now() < until, "{count} requests were to come: {:#?}", self.got());
            std::thread::sleep(Duration::from_millis(20));
        }
        self.got()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port)
    }
}

/// One request; none where the other side does not trust us, or sends nonsense.
fn serve(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    got: &Mutex<Vec<Got>>,
    answers: &Mutex<VecDeque<Does>>,
) -> Option<()> {
    let mut tls = BufReader::new(StreamOwned::new(ServerConnection::new(config).ok()?, stream));
    let mut line = || {
        let mut text = String::new();
        tls.read_line(&mut text).ok().map(|_| text.trim_end().to_owned())
    };
    let path = line()?.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        let text = line()?;
        let Some((name, value)) = text.split_once(": ") else { break };
        headers.push((name.to_owned(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.map_or(Some(0), |(_, length)| length.parse().ok())?;
    let mut body = vec![0; length];
    tls.read_exact(&mut body).ok()?;
    got.lock().unwrap().push(Got { path, headers, body });
    let does = answers.lock().unwrap().pop_front().unwrap_or(Does::Answers(200, ""));
    match does {
        Does::Answers(status, more) => {
            let answer = format!("HTTP/1.1 {status} x\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n");
            tls.get_mut().write_all(answer.as_bytes()).ok()?;
            tls.get_mut().flush().ok()?;
            tls.get_mut().conn.send_close_notify();
            tls.get_mut().flush().ok()
        }
        Does::Sleeps(time) => {
            std::thread::sleep(time);
            Some(())
        }
    }
}

/// An authority, and a certificate of its for this machine.
fn certificates(folder: &Path) -> (PathBuf, CertificateDer<'static>, PrivateKeyDer<'static>) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "authority of a test");
    let key = KeyPair::generate().unwrap();
    let path = folder.join("ca.pem");
    std::fs::write(&path, authority.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(authority, key);
    let own = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".into(), "localhost".into()]).unwrap();
    let certificate = certificate.signed_by(&own, &issuer).unwrap();
    (path, certificate.der().clone(), PrivateKeyDer::Pkcs8(own.serialize_der().into()))
}
