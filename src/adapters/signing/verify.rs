//! Is it a signature over this text, by a key that the allowed signers name, at a time when that counts?

use jiff::Timestamp;
use jiff::tz::TimeZone;
use russh::keys::signature::Verifier as _;
use russh::keys::ssh_key::SshSig;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey};

use crate::core::signers::{self, Moment, SignerLine};
use crate::core::untrusted::Untrusted;
use crate::ports::signatures::{BadSignature, Signature, Signer};

/// No signature is longer.
const LONGEST: usize = 64 << 10;

/// The bit of a security key's signature that says that somebody touched it.
const TOUCHED: u8 = 1;

pub(super) fn verify(given: &Signature<'_>) -> Result<Signer, BadSignature> {
    if given.armored.len() > LONGEST {
        return Err(BadSignature::Malformed(format!("it is longer than {} KiB", LONGEST >> 10)));
    }
    let signature = SshSig::from_pem(given.armored.trim_start().as_bytes())
        .map_err(|error| BadSignature::Malformed(error.to_string()))?;
    if signature.namespace() != given.namespace {
        let found = Untrusted::new(signature.namespace()).to_string();
        return Err(BadSignature::Namespace { found, wanted: given.namespace.to_owned() });
    }
    let key = signing_key(&signature);
    let shown = key.fingerprint(HashAlg::Sha256).to_string();
    is_over(&signature, key, given, &shown)?;
    let lines = signers::parse(given.signers).map_err(|mistakes| unreadable(given.signers, &mistakes))?;
    let mut why_not = BadSignature::Unknown { key: shown.clone() };
    for line in &lines {
        let asked = Asked { given, line, signature: &signature, key };
        match asked.principal() {
            Ok(Some(principal)) => return Ok(Signer { principal, key: shown }),
            Ok(None) => {}
            Err(why) => why_not = BadSignature::NotNow { key: shown.clone(), why, line: line.number },
        }
    }
    Err(why_not)
}

/// The key that signed: a certificate's own.
fn signing_key(signature: &SshSig) -> &KeyData {
    match signature.public_key() {
        KeyData::Certificate(certificate) => certificate.public_key(),
        key => key,
    }
}

/// Whether the key has signed the text, in a way that is safe.
fn is_over(signature: &SshSig, key: &KeyData, given: &Signature<'_>, shown: &str) -> Result<(), BadSignature> {
    let bytes = signature.signature();
    if matches!(bytes.algorithm(), Algorithm::Rsa { hash: None } | Algorithm::Dsa) {
        return Err(BadSignature::Kind(format!("{} uses SHA-1", bytes.algorithm())));
    }
    let malformed = |error: russh::keys::ssh_key::Error| BadSignature::Malformed(error.to_string());
    let signed =
        SshSig::signed_data(given.namespace, signature.hash_alg(), given.text.as_bytes()).map_err(malformed)?;
    key.verify(&signed, bytes).map_err(|_| BadSignature::Altered { key: shown.to_owned() })?;
    if matches!(key, KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_)) {
        // Behind the signature itself: a byte of flags, four of a counter.
        let flags = bytes.as_bytes().len().checked_sub(5).and_then(|at| bytes.as_bytes().get(at));
        if flags.is_none_or(|flags| flags & TOUCHED == 0) {
            return Err(BadSignature::Kind("nobody touched the security key".into()));
        }
    }
    Ok(())
}

fn unreadable(text: &str, mistakes: &[signers::Mistake]) -> BadSignature {
    let Some(first) = mistakes.first() else { return BadSignature::Signers { line: 1, why: String::new() } };
    let line = text.get(..first.span.start).unwrap_or(text).matches('\n').count() + 1;
    BadSignature::Signers { line, why: first.message.clone() }
}

/// A line, asked about a signature.
struct Asked<'a> {
    given: &'a Signature<'a>,
    line: &'a SignerLine,
    signature: &'a SshSig,
    key: &'a KeyData,
}

impl Asked<'_> {
    /// Whose signature the line makes it; none: the line is about another key; an error: about this one, and it does
    /// not count.
    fn principal(&self) -> Result<Option<String>, String> {
        let listed = PublicKey::from_openssh(&self.line.key).map_err(|error| format!("the key is broken: {error}"))?;
        let listed = listed.key_data();
        let certificate = match self.signature.public_key() {
            KeyData::Certificate(certificate) => Some(certificate.as_ref()),
            _ => None,
        };
        // As ssh-keygen: a certificate counts by its authority alone, and an authority signs nothing but certificates.
        let candidates = match (self.line.cert_authority, certificate) {
            (false, None) if listed == self.key => self.line.names().map(str::to_owned).collect::<Vec<_>>(),
            (true, Some(certificate)) if listed == certificate.signature_key() => {
                self.certified(certificate, listed)?
            }
            _ => return Ok(None),
        };
        self.permitted()?;
        match candidates.into_iter().next() {
            Some(name) => Ok(Some(Untrusted::new(&name).to_string())),
            None if certificate.is_some() => Err(format!("no name in it fits {:?}", self.line.principals)),
            None => Err(format!("the principals {:?} name nobody: a pattern is not a person", self.line.principals)),
        }
    }

    /// The names in the certificate that fit the line.
    fn certified(&self, certificate: &Certificate, authority: &KeyData) -> Result<Vec<String>, String> {
        if matches!(certificate.signature().algorithm(), Algorithm::Rsa { hash: None } | Algorithm::Dsa) {
            return Err("its certificate is signed with SHA-1".into());
        }
        if certificate.cert_type() != CertType::User {
            return Err("its certificate is a host's".into());
        }
        let now = u64::try_from(self.given.at.as_second()).unwrap_or_default();
        if now < certificate.valid_after() {
            return Err("its certificate is not valid yet".into());
        }
        if now >= certificate.valid_before() {
            return Err("its certificate has expired".into());
        }
        certificate
            .validate_at(now, [&authority.fingerprint(HashAlg::Sha256)])
            .map_err(|_| "its certificate is forged: the authority did not sign it".to_owned())?;
        // What limits a certificate to a command or an address, or is not known here, makes it no proof of a person.
        if let Some((name, _)) = certificate.critical_options().iter().next() {
            return Err(format!("its certificate has the critical option {}", Untrusted::new(name)));
        }
        if certificate.valid_principals().is_empty() {
            return Err("its certificate names nobody".into());
        }
        let fits = |name: &&String| signers::fits(name, &self.line.principals);
        Ok(certificate.valid_principals().iter().filter(fits).cloned().collect())
    }

    /// Whether the line's options let the key count for this, and now.
    fn permitted(&self) -> Result<(), String> {
        let line = self.line;
        if let Some(namespaces) = &line.namespaces
            && !signers::fits(self.given.namespace, namespaces)
        {
            return Err(format!("it is not for the namespace {:?}", self.given.namespace));
        }
        let at = self.given.at;
        if line.valid_after.is_some_and(|after| moment(after).is_none_or(|after| seconds(at) < seconds(after))) {
            return Err("it is not valid yet".into());
        }
        if line.valid_before.is_some_and(|before| moment(before).is_none_or(|before| seconds(at) > seconds(before))) {
            return Err("it has expired".into());
        }
        Ok(())
    }
}

fn seconds(at: Timestamp) -> i64 {
    at.as_second()
}

/// When it is; none: at no time that can be told, so the key does not count.
fn moment(moment: Moment) -> Option<Timestamp> {
    let zone = if moment.utc { TimeZone::UTC } else { TimeZone::system() };
    moment.at.to_zoned(zone).ok().map(|zoned| zoned.timestamp())
}
