//! One POST over HTTPS.

use std::path::PathBuf;
use std::time::Duration;

use ureq::http::Uri;
use ureq::tls::RootCerts;

use crate::adapters::tls::{self, is_loopback, is_tls_fault};
use crate::ports::{Again, Secret, SendError};

/// From looking up the name to the answer's head.
const TIME: Duration = Duration::from_secs(10);

/// A request.
pub(super) struct Request {
    url: Secret,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    ca: Option<PathBuf>,
}

impl Request {
    pub(super) fn new(url: Secret, body: Vec<u8>) -> Self {
        Self { url, headers: Vec::new(), body, ca: None }
    }

    pub(super) fn trusting(self, ca: Option<PathBuf>) -> Self {
        Self { ca, ..self }
    }

    pub(super) fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }
}

/// Sends it. Dropping the future lets the request run out by itself.
pub(super) async fn post(request: Request) -> Result<(), SendError> {
    let sent = tokio::task::spawn_blocking(move || send(&request)).await;
    sent.unwrap_or_else(|_| Err(SendError::soon("the request was broken off")))
}

fn send(request: &Request) -> Result<(), SendError> {
    let bad = || SendError::missing("its URL is not a URL like https://host/path");
    let uri: Uri = request.url.expose().parse().map_err(|_| bad())?;
    let (scheme, host) = uri.scheme_str().zip(uri.host()).ok_or_else(bad)?;
    let place = uri.port_u16().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let secure = scheme.eq_ignore_ascii_case("https");
    let local = is_loopback(host);
    let plain = scheme.eq_ignore_ascii_case("http") && local;
    if !(secure || plain) {
        return Err(SendError::missing(format!("{place}: its URL must be https")));
    }
    let roots = || tls::roots(request.ca.as_deref()).map_err(SendError::missing);
    let tls = tls::config(if secure { roots()? } else { RootCerts::new_with_certs(&[]) });
    let mut config = ureq::Agent::config_builder()
        .tls_config(tls)
        .https_only(secure)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .timeout_global(Some(TIME))
        .max_response_header_size(64 * 1024)
        .user_agent(concat!("patchctl/", env!("CARGO_PKG_VERSION")));
    if local {
        config = config.proxy(None);
    }
    let agent = config.build().new_agent();
    let mut post = agent.post(uri).header("Content-Type", "application/json");
    for (name, value) in &request.headers {
        post = post.header(*name, value);
    }
    match post.send(request.body.as_slice()) {
        // What it says beside the status nobody needs, and it may repeat what was sent.
        Ok(answer) => judge(&place, answer.status().as_u16(), answer.headers().get("Retry-After")),
        Err(error) => Err(failed(&place, &error)),
    }
}

/// What a status means.
fn judge(place: &str, status: u16, retry_after: Option<&ureq::http::HeaderValue>) -> Result<(), SendError> {
    let answered = format!("{place} answered {status}");
    match status {
        200..=299 => Ok(()),
        300..=399 => Err(SendError::missing(format!("{answered}: redirects are not followed"))),
        408 | 425 | 429 | 500..=599 => {
            let seconds = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
            Err(SendError { text: answered, again: Again::After(seconds.map(Duration::from_secs)) })
        }
        401 | 403 | 404 | 407 => Err(SendError::missing(format!("{answered}: look at its URL"))),
        _ => Err(SendError::never(answered)),
    }
}

/// What went wrong, without what the error says of the URL.
fn failed(place: &str, error: &ureq::Error) -> SendError {
    use ureq::Error;
    match error {
        Error::Rustls(why) => SendError::missing(format!("{place}: no safe connection: {why}")),
        Error::Io(why) if is_tls_fault(why) => SendError::missing(format!("{place}: no safe connection: {why}")),
        Error::Io(why) => SendError::soon(format!("{place}: {why}")),
        Error::Timeout(_) => SendError::soon(format!("{place} did not answer within {} s", TIME.as_secs())),
        Error::HostNotFound => SendError::soon(format!("{place}: there is no address for this name")),
        Error::ConnectionFailed => SendError::soon(format!("{place}: it cannot be connected to")),
        Error::ConnectProxyFailed(_) | Error::InvalidProxyUrl => {
            SendError::soon(format!("{place}: the proxy does not let us through"))
        }
        Error::Protocol(_) | Error::LargeResponseHeader(..) | Error::Http(_) => {
            SendError::soon(format!("{place} did not answer as a web server does"))
        }
        _ => SendError::soon(format!("{place}: the request failed")),
    }
}
