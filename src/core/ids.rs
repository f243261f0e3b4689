//! Names and identities. Every one is checked when it is made, so that nothing unchecked reaches a host, a path or a
//! terminal.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Why a name was not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value:?} {why}")]
pub struct BadName {
    what: &'static str,
    value: String,
    why: &'static str,
}

impl BadName {
    pub(crate) fn new(what: &'static str, value: &str, why: &'static str) -> Self {
        let value = value.chars().take(80).collect();
        Self { what, value, why }
    }

    /// The rule that was broken, as the rest of a sentence that begins with the name.
    pub fn why(&self) -> &'static str {
        self.why
    }
}

/// A string type that is checked when it is made and when it is read back.
macro_rules! checked_name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// # Errors
            /// When the text breaks the type's grammar; the error says which rule.
            pub fn new(text: impl Into<String>) -> Result<Self, $crate::core::ids::BadName> {
                let text: String = text.into();
                let check: fn(&str) -> Result<(), &'static str> = $check;
                match check(&text) {
                    Ok(()) => Ok(Self(text)),
                    Err(why) => Err($crate::core::ids::BadName::new($what, &text, why)),
                }
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::core::ids::BadName;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}
pub(crate) use checked_name;

fn word(text: &str, max: usize, also: &[char]) -> Result<(), &'static str> {
    let Some(first) = text.chars().next() else {
        return Err("is empty");
    };
    if !first.is_ascii_alphanumeric() && first != '_' {
        return Err("must begin with a letter, a digit or an underscore");
    }
    if text.len() > max {
        return Err("is too long");
    }
    if text.contains("..") {
        return Err("must not contain `..`");
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || also.contains(&c);
    if !text.chars().all(fits) {
        return Err("has a character that is not allowed in it");
    }
    Ok(())
}

checked_name!(
    /// A run's identity: a ULID, so run IDs sort by the time they were made.
    RunId,
    "the run ID",
    |text| match text.parse::<ulid::Ulid>() {
        Ok(_) if text.len() == 26 => Ok(()),
        _ => Err("is not a run ID (26 letters and digits)"),
    }
);

impl RunId {
    /// When it was made, which is when its run began.
    pub fn made_at(&self) -> Option<jiff::Timestamp> {
        let made = self.as_str().parse::<ulid::Ulid>().ok()?.timestamp_ms();
        jiff::Timestamp::from_millisecond(i64::try_from(made).ok()?).ok()
    }
}

checked_name!(
    /// The change that a run belongs to, as the ticket system names it.
    ChangeId,
    "the change ID",
    |text| word(text, 64, &['-', '_', '.', ':', '#', '/'])
);

checked_name!(
    /// The plan's name: one word, since it stands in file names and commands.
    PlanName,
    "the plan name",
    |text| word(text, 64, &['-', '_', '.'])
);

checked_name!(
    /// A stage's name.
    StageName,
    "the stage name",
    |text| word(text, 32, &['-', '_', '.'])
);

checked_name!(
    /// A host as the inventory names it: a DNS name, an address or an alias.
    HostName,
    "the host name",
    |text| word(text.trim_start_matches("::"), 253, &['-', '_', '.', ':'])
);

checked_name!(
    /// A group of the inventory.
    GroupName,
    "the group name",
    |text| word(text, 128, &['-', '_', '.'])
);

checked_name!(
    /// A playbook's name.
    PlaybookName,
    "the playbook name",
    |text| word(text, 32, &['-', '_'])
);

checked_name!(
    /// One job on one host: `RUN-HOST-PHASE-TRY`. It names a folder on the host and is never used for another job.
    JobId,
    "the job ID",
    |text| word(text, 96, &['-'])
);

/// Where a host stands in [`Settings::hosts`](crate::core::settings::Settings::hosts): cheap to copy and to store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostIx(pub u32);

/// Where a stage stands in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StageIx(pub u16);

impl HostIx {
    /// The place in the list.
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

impl StageIx {
    /// The place in the list.
    pub fn at(self) -> usize {
        usize::from(self.0)
    }
}

/// A SHA-256, written `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of a value's JSON, which for our types is one text only (maps are sorted, floats are not used).
    ///
    /// # Errors
    /// When the value cannot be written as JSON.
    pub fn of_json(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self::of(&serde_json::to_vec(value)?))
    }

    /// All zeros: the head of an empty journal.
    pub const ZERO: Self = Self([0; 32]);

    /// The 64 digits without `sha256:`.
    pub fn hex(&self) -> String {
        use fmt::Write as _;
        self.0.iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Whether `prefix` (with or without `sha256:`, at least 8 digits) names this digest.
    pub fn matches(&self, prefix: &str) -> bool {
        let digits = prefix.strip_prefix("sha256:").unwrap_or(prefix);
        digits.len() >= 8 && self.hex().starts_with(&digits.to_ascii_lowercase())
    }
}

/// A digest of bytes that are never all in memory.
#[derive(Debug, Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Takes the next bytes.
    pub fn take(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all that was taken.
    pub fn end(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", &self.hex()[..12])
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        let bad = || BadName::new("the digest", &text, "is not `sha256:` and 64 hexadecimal digits");
        let digits = text.strip_prefix("sha256:").ok_or_else(bad)?;
        // As it is written, and no other way: `from_str_radix` would take capitals and signs too.
        if digits.len() != 64 || !digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err(bad());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_names_are_refused() {
        for bad in ["", "-oProxyCommand=x", "a b", "a;b", "$(x)", "`x`", "a\nb", "../x", "a/../b", "a..b", "ä"] {
            assert!(HostName::new(bad).is_err(), "{bad:?} was accepted");
            assert!(StageName::new(bad).is_err(), "{bad:?} was accepted");
            assert!(PlanName::new(bad).is_err(), "{bad:?} was accepted");
        }
        for good in ["web-01.example.com", "10.0.0.1", "::1", "fe80::1", "_x"] {
            assert!(HostName::new(good).is_ok(), "{good:?} was refused");
        }
    }

    #[test]
    fn a_digest_reads_back_and_matches_its_prefix() {
        let digest = Digest::of(b"x");
        assert_eq!(Digest::try_from(digest.to_string()), Ok(digest));
        assert!(digest.matches(&digest.hex()[..8]));
        assert!(!digest.matches(&digest.hex()[..7]), "too short to name one");
        assert!(Digest::try_from("sha256:é".repeat(20)).is_err());
        assert!(Digest::try_from(format!("sha256:{}", "+f".repeat(32))).is_err());
        assert!(Digest::try_from(digest.to_string().to_uppercase().replace("SHA", "sha")).is_err());
    }

    /// A name's type: what it is called, what it may have beside letters and digits (in front: underscores only), its
    /// longest text, and what becomes of a text.
    type Grammar = (&'static str, &'static str, usize, fn(&str) -> Option<String>);

    const NAMES: [Grammar; 6] = [
        ("change", ".:#/-_", 64, |text| ChangeId::new(text).ok().map(String::from)),
        ("plan", ".-_", 64, |text| PlanName::new(text).ok().map(String::from)),
        ("stage", ".-_", 32, |text| StageName::new(text).ok().map(String::from)),
        ("host", ".:-_", 253, |text| HostName::new(text).ok().map(String::from)),
        ("group", ".-_", 128, |text| GroupName::new(text).ok().map(String::from)),
        ("playbook", "-_", 32, |text| PlaybookName::new(text).ok().map(String::from)),
    ];

    proptest! {
        #[test]
        fn names_are_what_their_grammar_says_and_nothing_else(
            text in prop_oneof![
                3 => "[a-zA-Z0-9_.:#/-]{0,40}", 1 => "[0-7][0-9A-HJKMNP-TV-Z]{25}", 1 => ":{0,4}[a-f0-9:]{0,9}",
                1 => "[a-z]{30,34}", 1 => "\\PC{0,6}", 1 => any::<String>(),
            ]
        ) {
            for (what, also, longest, make) in NAMES {
                let mut bare = text.as_str();
                // `::1` is a host.
                while let Some(rest) = bare.strip_prefix("::").filter(|_| what == "host") {
                    bare = rest;
                }
                let fits = bare.starts_with(|c: char| c == '_' || c.is_ascii_alphanumeric())
                    && bare.chars().all(|c| also.contains(c) || c.is_ascii_alphanumeric())
                    && bare.len() <= longest
                    && !bare.contains("..");
                prop_assert_eq!(make(&text), fits.then(|| text.clone()), "the {} name {:?}", what, text);
            }
            let run = text.len() == 26 && text.starts_with(|c| ('0'..='7').contains(&c))
                && text.chars().all(|c| c.is_ascii_alphanumeric() && !"ILOUilou".contains(c));
            prop_assert_eq!(RunId::new(text.as_str()).is_ok(), run, "the run {:?}", text);
        }

        #[test]
        fn a_name_reads_back_and_a_bad_one_does_not(text in "[a-z.-]{1,12}") {
            let json = serde_json::to_string(&text).unwrap();
            let read: Option<StageName> = serde_json::from_str(&json).ok();
            prop_assert_eq!(&read, &StageName::new(text.as_str()).ok());
            prop_assert!(read.is_none_or(|name| serde_json::to_string(&name).unwrap() == json));
        }

        #[test]
        fn a_digest_has_one_text(bytes: [u8; 32], at in 7..71_usize, other in "[0-9a-fA-F+ g-]") {
            let digest = Digest(bytes);
            let text = digest.to_string();
            prop_assert_eq!(Digest::try_from(text.clone()), Ok(digest));
            let mut altered = text.clone();
            altered.replace_range(at..=at, &other);
            if let Ok(read) = Digest::try_from(altered.clone()) {
                prop_assert_eq!(read.to_string(), altered);
            }
            prop_assert!(digest.matches(&text[..at.max(15)]) && digest.matches(&digest.hex()[..at.clamp(8, 64)]));
        }
    }
}
