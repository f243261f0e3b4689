//! One line of a known_hosts file.

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// What a line's key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marker {
    /// The host's.
    None,
    /// One that must not be used.
    Revoked,
    /// One that signs hosts' certificates.
    Authority,
}

/// One line.
#[derive(Debug)]
pub(crate) struct Line {
    /// Counted from 1.
    pub(crate) number: usize,
    /// What its key is.
    pub(crate) marker: Marker,
    /// Whom it is about.
    pub(crate) names: LineNames,
    /// The key's type.
    pub(crate) kind: String,
    /// The key; none where it cannot be read.
    pub(crate) blob: Option<Vec<u8>>,
}

impl Line {
    /// Reads a line; none where it is empty, a comment, or nothing that OpenSSH would use either.
    pub(crate) fn parse(number: usize, text: &str) -> Option<Self> {
        let mut words = text.split([' ', '\t']).filter(|word| !word.is_empty());
        let mut first = words.next().filter(|word| !word.starts_with('#'))?;
        let mut marker = Marker::None;
        if first.starts_with('@') {
            marker = match first {
                "@revoked" => Marker::Revoked,
                "@cert-authority" => Marker::Authority,
                _ => return None,
            };
            first = words.next()?;
        }
        let (names, kind) = (LineNames::parse(first)?, words.next()?.to_owned());
        let blob = words.next().and_then(|word| BASE64.decode(word.trim_end().as_bytes()).ok());
        let line = Self { number, marker, names, kind, blob };
        (line.blob.is_some() || marker == Marker::Revoked).then_some(line)
    }
}

/// Whom a line is about.
#[derive(Debug)]
pub(crate) enum LineNames {
    /// One name, hashed with its own salt.
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
    /// Patterns; a negated one that matches takes the whole line away.
    Patterns(Vec<Pattern>),
}

/// One pattern.
#[derive(Debug)]
pub(crate) struct Pattern {
    negated: bool,
    text: String,
}

impl LineNames {
    fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix("|1|") {
            let (salt, hash) = rest.split_once('|')?;
            let decode = |part: &str| BASE64.decode(part.as_bytes()).ok();
            return Some(Self::Hashed { salt: decode(salt)?, hash: decode(hash)? });
        }
        let pattern = |part: &str| {
            let (negated, part) = part.strip_prefix('!').map_or((false, part), |part| (true, part));
            Pattern { negated, text: part.to_lowercase() }
        };
        Some(Self::Patterns(text.split(',').filter(|part| !part.is_empty()).map(pattern).collect()))
    }

    /// Whether this name, which is in small letters, is meant.
    pub(crate) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Hashed { salt, hash } => {
                let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(salt) else { return false };
                mac.update(name.as_bytes());
                mac.verify_slice(hash).is_ok()
            }
            Self::Patterns(patterns) => {
                let hits = || patterns.iter().filter(|pattern| wildcard(&pattern.text, name));
                hits().next().is_some() && !hits().any(|pattern| pattern.negated)
            }
        }
    }
}

/// `*` stands for any text, `?` for one character. Linear in both texts but for one step back at the last star.
fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                p = at + 1;
                t = taken + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_as_openssh_has_them() {
        let table = [
            ("*", "a", true),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("web-??", "web-01", true),
            ("web-??", "web-1", false),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXbX", false),
            ("[*]:2222", "[h]:2222", true),
            ("", "a", false),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(wildcard(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_negated_pattern_takes_the_line_away() {
        let names = LineNames::parse("*.Example.com,!bad.example.com").unwrap();
        assert!(names.matches("good.example.com"));
        assert!(!names.matches("bad.example.com"));
        assert!(!LineNames::parse("!bad.example.com").unwrap().matches("other"));
    }

    #[test]
    fn lines_with_tabs_comments_and_garbage() {
        assert!(Line::parse(1, "").is_none());
        assert!(Line::parse(1, "  # comment").is_none());
        assert!(Line::parse(1, "@unknown h ssh-ed25519 AAAA").is_none());
        assert!(Line::parse(1, "h ssh-ed25519 !!!!").is_none());
        let line = Line::parse(7, "\t@revoked\t h1,h2 \t ssh-ed25519\t\tAAAA  a comment\r").unwrap();
        assert_eq!((line.number, line.marker, line.kind.as_str()), (7, Marker::Revoked, "ssh-ed25519"));
        assert_eq!(line.blob.as_deref(), Some(&[0, 0, 0][..]));
        assert!(Line::parse(1, "@revoked h ssh-ed25519 !!!!").is_some_and(|line| line.blob.is_none()));
    }
}
