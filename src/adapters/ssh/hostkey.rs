//! Whether a host is who it should be: the decision over the key it shows.

use std::sync::{Arc, Mutex, PoisonError};

use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Certificate, HashAlg, PublicKey, PublicKeyOrCertificate};

use super::client::short;
use super::known_hosts::{Known, KnownHosts, Names, Verdict};
use crate::core::problem::{ErrorKind, Problem};
use crate::core::settings::Host;

/// The key that a host showed first; it must not change while we run.
pub(crate) type Pin = Arc<Mutex<Option<Vec<u8>>>>;

/// Decides over one host's key.
pub(crate) struct Judge {
    pub(crate) host: Host,
    pub(crate) names: Names,
    pub(crate) known: Known,
    pub(crate) files: Arc<KnownHosts>,
    pub(crate) accept_new: bool,
    pub(crate) pin: Pin,
}

/// A key that was accepted.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    /// `SHA256:…`
    pub(crate) fingerprint: String,
    /// Where it was added, if it was unknown.
    pub(crate) added_to: Option<String>,
}

impl Judge {
    /// The decision.
    ///
    /// # Errors
    /// Why the host must not be talked to.
    pub(crate) fn decide(&self, shown: &PublicKeyOrCertificate) -> Result<Accepted, Problem> {
        let (key, added_to) = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => (key.clone(), self.plain(key)?),
            PublicKeyOrCertificate::Certificate(certificate) => (self.certified(certificate)?, None),
        };
        self.same_as_before(&key)?;
        Ok(Accepted { fingerprint: fingerprint(&key), added_to })
    }

    fn plain(&self, key: &PublicKey) -> Result<Option<String>, Problem> {
        match self.known.judge(key) {
            Verdict::Trusted => Ok(None),
            Verdict::Unknown if self.accept_new => match self.files.add(&self.names, key) {
                Ok(file) => Ok(Some(file.display().to_string())),
                Err(error) => Err(self.problem(super::describe(&error))),
            },
            Verdict::Unknown => Err(self.unknown(key)),
            Verdict::Changed(entry) => {
                let message = if entry.kind == key.algorithm().as_str() {
                    format!(
                        "its host key is not the one in {}; it shows {} now: either the host was installed anew, or \
                         somebody is in between",
                        entry.place,
                        fingerprint(key)
                    )
                } else {
                    format!(
                        "it shows only an {} host key ({}), and {} holds an {} one",
                        key.algorithm().as_str(),
                        fingerprint(key),
                        entry.place,
                        entry.kind
                    )
                };
                Err(self.problem(message).hint(format!(
                    "compare with the host's console (`ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub`); if the new key is \
                     right: `ssh-keygen -R '{}' -f {}`, then `patchctl inventory ping --accept-new-host-keys {}`",
                    self.names.main,
                    entry.place.file.display(),
                    self.host.name
                )))
            }
            Verdict::Revoked(place) => Err(self.revoked(key, place)),
        }
    }

    fn unknown(&self, key: &PublicKey) -> Problem {
        let more = if self.known.authorities().next().is_some() {
            " (a @cert-authority line names it, but it showed no certificate)"
        } else {
            ""
        };
        self.problem(format!("its host key is not known yet: {} {}{more}", key.algorithm().as_str(), fingerprint(key)))
            .hint(format!(
                "if that is the host's key: `patchctl inventory ping --accept-new-host-keys {}`",
                self.host.name
            ))
    }

    fn revoked(&self, key: &PublicKey, place: &super::known_hosts::Place) -> Problem {
        self.problem(format!("its host key {} is revoked by {place}", fingerprint(key)))
            .hint("whoever shows a revoked key may not be the host: ask whoever revoked it")
    }

    /// A certificate: signed by an authority for this host, for this name, for now.
    fn certified(&self, certificate: &Certificate) -> Result<PublicKey, Problem> {
        let key = PublicKey::from(certificate.public_key().clone());
        let signer = PublicKey::from(certificate.signature_key().clone());
        for key in [&key, &signer] {
            if let Verdict::Revoked(place) = self.known.judge(key) {
                return Err(self.revoked(key, place));
            }
        }
        let trusted: Vec<_> = self.known.authorities().map(|key| key.fingerprint(HashAlg::Sha256)).collect();
        let named = |principal: &String| principal.to_lowercase() == self.names.bare;
        let fault = if certificate.cert_type() != CertType::Host {
            "is not for a host"
        } else if !certificate.critical_options().is_empty() {
            "has options that are not understood"
        } else if !certificate.valid_principals().iter().any(named) {
            "is for other names"
        } else if certificate.validate(&trusted).is_err() {
            "has expired, or is not signed by an authority in known_hosts"
        } else {
            return Ok(key);
        };
        Err(self
            .problem(format!("its host certificate ({}) {fault}", short(certificate.key_id())))
            .hint("see `ssh-keygen -Lf` for the certificate on the host, and the @cert-authority line in known_hosts"))
    }

    fn same_as_before(&self, key: &PublicKey) -> Result<(), Problem> {
        let blob = key.to_bytes().map_err(|_| self.problem("its host key cannot be read"))?;
        let mut pin = self.pin.lock().unwrap_or_else(PoisonError::into_inner);
        match &*pin {
            Some(before) if *before != blob => Err(self
                .problem(format!("its host key changed while we worked on it; it shows {} now", fingerprint(key)))
                .hint("this is not the machine that we began with, or somebody is in between: look before you go on")),
            Some(_) => Ok(()),
            None => {
                *pin = Some(blob);
                Ok(())
            }
        }
    }

    fn problem(&self, message: impl Into<String>) -> Problem {
        Problem::new(ErrorKind::HostKey, message).on(&self.host.name)
    }
}

/// As `ssh-keygen -l` writes it.
pub(crate) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}
