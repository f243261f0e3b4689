//! Which servers are trusted: what requests over HTTPS share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// Where systems keep the certificates that they trust: Debian, Red Hat, SUSE, Alpine.
const ROOTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// TLS that trusts these.
pub(super) fn config(roots: RootCerts) -> TlsConfig {
    TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(roots)
        .build()
}

/// The system's certificates, and those of the plan's file.
///
/// # Errors
/// When the file has none, or there are none at all, in words.
pub(super) fn roots(ca: Option<&Path>) -> Result<RootCerts, String> {
    let system = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from).into_iter().chain(ROOTS.map(PathBuf::from));
    let mut certificates = system.filter_map(|path| std::fs::read(path).ok()).map(|pem| read(&pem)).next();
    if let Some(path) = ca {
        let pem = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let own = read(&pem);
        if own.is_empty() {
            return Err(format!("{}: there is no certificate (PEM) in it", path.display()));
        }
        certificates.get_or_insert_default().extend(own);
    }
    let certificates = certificates.filter(|list| !list.is_empty());
    let none = "this machine has no certificates of authorities (install ca-certificates)";
    Ok(RootCerts::from(certificates.ok_or(none)?))
}

fn read(pem: &[u8]) -> Vec<Certificate<'static>> {
    let item = |item| if let Ok(PemItem::Certificate(certificate)) = item { Some(certificate) } else { None };
    parse_pem(pem).filter_map(item).collect()
}

/// rustls's own errors arrive wrapped.
pub(super) fn is_tls_fault(error: &std::io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.downcast_ref::<rustls::Error>().is_some())
}

/// Whether the host of a URL is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}
