//! One GET.

use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ureq::http::Uri;
use ureq::tls::RootCerts;

use crate::adapters::tls::{self, is_loopback, is_tls_fault};
use crate::ports::control::Page;

/// What is read of a body.
const LONGEST: u64 = 1024 * 1024;

/// Asks for the page. Dropping the future lets the request run out by itself.
pub(super) async fn page(url: &str, ca: Option<&Path>, timeout: Duration) -> Result<Page, String> {
    let (url, ca) = (url.to_owned(), ca.map(PathBuf::from));
    let asked = tokio::task::spawn_blocking(move || get(&url, ca.as_deref(), timeout)).await;
    asked.unwrap_or_else(|_| Err("the request was broken off".into()))
}

fn get(url: &str, ca: Option<&Path>, timeout: Duration) -> Result<Page, String> {
    let uri: Uri = url.parse().map_err(|_| format!("{url} is no URL"))?;
    let secure = uri.scheme_str().is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
    let roots = if secure { tls::roots(ca)? } else { RootCerts::new_with_certs(&[]) };
    let mut config = ureq::Agent::config_builder()
        .tls_config(tls::config(roots))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .timeout_global(Some(timeout))
        .max_response_header_size(64 * 1024)
        .user_agent(concat!("patchctl/", env!("CARGO_PKG_VERSION")));
    if uri.host().is_some_and(is_loopback) {
        config = config.proxy(None);
    }
    let began = Instant::now();
    let server = uri.authority().map(ToString::to_string).unwrap_or_default();
    let asked = config.build().new_agent().get(uri).call();
    let mut answer = asked.map_err(|error| format!("{server}: {}", failed(&error, timeout)))?;
    let mut body = Vec::new();
    let read = answer.body_mut().as_reader().take(LONGEST).read_to_end(&mut body);
    read.map_err(|error| format!("{server}: its answer broke off: {}", broken(&error)))?;
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Page { status: answer.status().as_u16(), body, took: began.elapsed() })
}

/// What went wrong.
fn failed(error: &ureq::Error, timeout: Duration) -> String {
    use ureq::Error;
    match error {
        Error::Rustls(why) => format!("no safe connection: {why}"),
        Error::Io(why) if is_tls_fault(why) => format!("no safe connection: {why}"),
        Error::Io(why) => broken(why),
        Error::Timeout(_) => format!("no answer within {} s", timeout.as_secs()),
        Error::HostNotFound => "there is no address for this name".into(),
        Error::ConnectionFailed => "it cannot be connected to".into(),
        Error::Protocol(_) | Error::LargeResponseHeader(..) | Error::Http(_) => {
            "it did not answer as a web server does".into()
        }
        other => format!("the request failed: {other}"),
    }
}

/// Why a connection ended. What the TLS library says of an early end is a link into its manual.
fn broken(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::UnexpectedEof => "the server ended the connection too early".into(),
        _ => error.to_string(),
    }
}
