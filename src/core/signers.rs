//! Whose signatures count: the grammar of allowed_signers files, as `ssh-keygen` reads them. What the keys themselves
//! are worth is for whoever verifies.

use std::ops::Range;

use jiff::civil;

/// One line: who signs with which key, and when that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignerLine {
    /// Its number, counted from 1.
    pub number: usize,
    /// Patterns of names, with commas between them.
    pub principals: String,
    /// The key signs certificates; the signatures are made with the keys that it certifies.
    pub cert_authority: bool,
    /// Patterns of the namespaces in which it counts; none: any.
    pub namespaces: Option<String>,
    /// It counts from then on.
    pub valid_after: Option<Moment>,
    /// It counts until then.
    pub valid_before: Option<Moment>,
    /// The key: its type and its base64.
    pub key: String,
    /// Where the key stands in the text.
    pub key_at: Range<usize>,
}

/// A moment as these files write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Date and time.
    pub at: civil::DateTime,
    /// Whether it is UTC; else it is the time of the machine that looks.
    pub utc: bool,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where in the text.
    pub span: Range<usize>,
    /// What is wrong, a lowercase fragment.
    pub message: String,
    /// What would be right.
    pub hint: &'static str,
}

/// What a line is.
const FORM: &str = "a line is `PRINCIPALS [OPTIONS] KEYTYPE BASE64`";

/// Key types whose signatures can be checked. Without `-cert-`: a certificate's authority is listed, not the certificate.
const KEY_TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// Reads a whole file.
///
/// # Errors
/// Every line that cannot be read: none of the file is used then.
pub fn parse(text: &str) -> Result<Vec<SignerLine>, Vec<Mistake>> {
    let (mut lines, mut mistakes) = (Vec::new(), Vec::new());
    let mut start = 0;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let inside = line.trim_end_matches(['\n', '\r']);
        match read_line(number, inside, start) {
            Ok(read) => lines.extend(read),
            Err(mistake) => mistakes.push(mistake),
        }
        start += line.len();
    }
    if mistakes.is_empty() { Ok(lines) } else { Err(mistakes) }
}

/// Reads a line that begins at this byte of its file; none where it says nothing.
fn read_line(number: usize, line: &str, start: usize) -> Result<Option<SignerLine>, Mistake> {
    let mut rest = Rest { line, at: 0, start };
    rest.skip_spaces();
    if rest.left().is_empty() || rest.left().starts_with('#') {
        return Ok(None);
    }
    let principals = rest.principals()?;
    let mut read = SignerLine {
        number,
        principals,
        cert_authority: false,
        namespaces: None,
        valid_after: None,
        valid_before: None,
        key: String::new(),
        key_at: 0..0,
    };
    if !rest.is_at_key() && !rest.left().is_empty() {
        rest.options(&mut read)?;
        rest.skip_spaces();
    }
    (read.key, read.key_at) = rest.key()?;
    Ok(Some(read))
}

/// What is left of a line.
struct Rest<'a> {
    line: &'a str,
    at: usize,
    start: usize,
}

impl<'a> Rest<'a> {
    fn left(&self) -> &'a str {
        self.line.get(self.at..).unwrap_or_default()
    }

    fn skip_spaces(&mut self) {
        let left = self.left();
        self.at += left.len() - left.trim_start_matches([' ', '\t']).len();
    }

    /// A mistake in the next so many bytes.
    fn mistake(&self, len: usize, message: impl Into<String>, hint: &'static str) -> Mistake {
        let from = self.start + self.at;
        Mistake { span: from..from + len.min(self.left().len()), message: message.into(), hint }
    }

    fn word(&self) -> &'a str {
        self.left().split([' ', '\t']).next().unwrap_or_default()
    }

    /// The first field; in quotes it may have spaces in it.
    fn principals(&mut self) -> Result<String, Mistake> {
        let word = self.left();
        let end = word.find([' ', '\t', '"']).unwrap_or(word.len());
        let mut principals = word[..end].to_owned();
        let mut taken = end;
        if word[end..].starts_with('"') {
            let inside = &word[end + 1..];
            let Some(close) = inside.find('"') else {
                return Err(self.mistake(word.len(), "the quotes around the principals are not closed", FORM));
            };
            principals.push_str(&inside[..close]);
            taken = end + 1 + close + 1;
        }
        if principals.is_empty() || principals.split(',').any(|one| one.trim_start_matches('!').is_empty()) {
            return Err(self.mistake(taken, "a principal is empty", FORM));
        }
        if taken == word.len() {
            return Err(self.mistake(taken, "the line has principals and no key", FORM));
        }
        self.at += taken;
        self.skip_spaces();
        Ok(principals)
    }

    fn is_at_key(&self) -> bool {
        let word = self.word();
        KEY_TYPES.contains(&word) || word == "ssh-dss" || word.contains("-cert-v0")
    }

    fn options(&mut self, into: &mut SignerLine) -> Result<(), Mistake> {
        loop {
            self.option(into)?;
            match self.left().chars().next() {
                None | Some(' ' | '\t') => break,
                Some(',') => self.at += 1,
                Some(_) => return Err(self.unknown()),
            }
            if matches!(self.left().chars().next(), None | Some(' ' | '\t')) {
                return Err(self.mistake(1, "an option is missing behind the comma", FORM));
            }
        }
        if let (Some(after), Some(before)) = (into.valid_after, into.valid_before)
            && after.utc == before.utc
            && before.at <= after.at
        {
            return Err(self.mistake(1, "`valid-before` is not later than `valid-after`", "the key would never count"));
        }
        Ok(())
    }

    fn option(&mut self, into: &mut SignerLine) -> Result<(), Mistake> {
        if self.takes("cert-authority") {
            into.cert_authority = true;
        } else if self.takes("namespaces=") {
            let once = into.namespaces.is_none();
            let value = self.quoted("namespaces", once)?;
            into.namespaces = Some(value);
        } else if self.takes("valid-after=") {
            into.valid_after = Some(self.moment("valid-after", into.valid_after.is_none())?);
        } else if self.takes("valid-before=") {
            into.valid_before = Some(self.moment("valid-before", into.valid_before.is_none())?);
        } else {
            return Err(self.unknown());
        }
        Ok(())
    }

    /// Takes this word, in small letters or capitals, if it comes next.
    fn takes(&mut self, word: &str) -> bool {
        let found = self.left().get(..word.len()).is_some_and(|next| next.eq_ignore_ascii_case(word));
        if found {
            self.at += word.len();
        }
        found
    }

    fn unknown(&self) -> Mistake {
        let word = self.word();
        let name = word.split([',', '=', '"']).next().unwrap_or_default();
        let hint = "known options: cert-authority, namespaces=\"…\", valid-after=\"…\", valid-before=\"…\"; key types: \
                    ssh-ed25519, ecdsa-sha2-nistp256, -384 and -521, ssh-rsa, and their sk- forms";
        self.mistake(name.len().max(1), format!("`{name}` is neither an option nor a type of key"), hint)
    }

    fn quoted(&mut self, name: &str, once: bool) -> Result<String, Mistake> {
        if !once {
            return Err(self.mistake(1, format!("`{name}` stands twice"), "give it once, its values with commas"));
        }
        let Some(inside) = self.left().strip_prefix('"') else {
            return Err(self.mistake(1, format!("the value of `{name}` is not in quotes"), "write NAME=\"VALUE\""));
        };
        let (mut value, mut escaped) = (String::new(), false);
        for (at, c) in inside.char_indices() {
            match c {
                '"' if !escaped => {
                    self.at += 1 + at + 1;
                    return Ok(value);
                }
                // Only a quote can be escaped: any other backslash means itself.
                '\\' if !escaped && inside[at + 1..].starts_with('"') => {
                    escaped = true;
                    continue;
                }
                other => value.push(other),
            }
            escaped = false;
        }
        Err(self.mistake(inside.len() + 1, format!("the quotes of `{name}` are not closed"), "write NAME=\"VALUE\""))
    }

    fn moment(&mut self, name: &str, once: bool) -> Result<Moment, Mistake> {
        let from = self.at;
        let value = self.quoted(name, once)?;
        Moment::parse(&value).ok_or_else(|| {
            let here = Rest { at: from, ..*self };
            let hint = "write YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, with Z behind it for UTC";
            here.mistake(value.len() + 2, format!("`{name}` has no time that there is"), hint)
        })
    }

    fn key(&mut self) -> Result<(String, Range<usize>), Mistake> {
        let kind = self.word();
        if kind.is_empty() {
            return Err(self.mistake(0, "the line has no key", FORM));
        }
        if kind == "ssh-dss" {
            return Err(self.mistake(kind.len(), "DSA keys are not safe", "use a key of another type"));
        }
        if kind.contains("-cert-v0") {
            let hint = "list the key of its authority, with the option cert-authority";
            return Err(self.mistake(kind.len(), "this is a certificate", hint));
        }
        if !KEY_TYPES.contains(&kind) {
            return Err(self.unknown());
        }
        let from = self.at;
        let mut rest = Rest { at: self.at + kind.len(), ..*self };
        rest.skip_spaces();
        let base64 = rest.word();
        let at = self.start + from..self.start + rest.at + base64.len();
        if base64.is_empty() {
            return Err(self.mistake(kind.len(), "the key's base64 is missing", FORM));
        }
        Ok((format!("{kind} {base64}"), at))
    }
}

impl Moment {
    /// Reads `YYYYMMDD[Z]`, `YYYYMMDDHHMM[Z]` or `YYYYMMDDHHMMSS[Z]`.
    fn parse(text: &str) -> Option<Self> {
        let end = |end: &str| {
            let cut = text.len().checked_sub(end.len())?;
            text.get(cut..).filter(|tail| tail.eq_ignore_ascii_case(end)).and(text.get(..cut))
        };
        let (digits, utc) = end("Z").or_else(|| end("UTC")).map_or((text, false), |digits| (digits, true));
        if !digits.bytes().all(|b| b.is_ascii_digit()) || ![8, 12, 14].contains(&digits.len()) {
            return None;
        }
        let part = |from: usize, to: usize| digits.get(from..to).map_or(Some(0), |digits| digits.parse::<i8>().ok());
        let year = digits.get(..4)?.parse().ok()?;
        let date = civil::Date::new(year, part(4, 6)?, part(6, 8)?).ok()?;
        let time = civil::Time::new(part(8, 10)?, part(10, 12)?, part(12, 14)?, 0).ok()?;
        Some(Self { at: date.to_datetime(time), utc })
    }
}

/// Whether the name fits a list of patterns: one of them fits, and none that begins with `!` does.
pub fn fits(name: &str, patterns: &str) -> bool {
    let mut fits = false;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(not) if matches(name, not) => return false,
            Some(_) => {}
            None => fits |= matches(name, pattern),
        }
    }
    fits
}

/// Whether the name fits one pattern: `*` is any text, `?` any character.
fn matches(name: &str, pattern: &str) -> bool {
    let (name, pattern) = (name.as_bytes(), pattern.as_bytes());
    let (mut n, mut p) = (0, 0);
    // Where the last star stands, and what of the name it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == name[n] => (n, p) = (n + 1, p + 1),
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (n, p) = (taken + 1, at + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

impl SignerLine {
    /// The names that its principals spell out: patterns name nobody.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let is_name = |pattern: &&str| !pattern.starts_with('!') && !pattern.contains(['*', '?']);
        self.principals.split(',').filter(is_name).filter(|name| fits(name, &self.principals))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA";

    fn one(line: &str) -> SignerLine {
        parse(line).unwrap().remove(0)
    }

    fn wrong(line: &str) -> String {
        let mistake = parse(line).unwrap_err().remove(0);
        format!("{} @{:?}", mistake.message, mistake.span)
    }

    #[test]
    fn lines_are_read_as_ssh_keygen_reads_them() {
        let text = format!("# people\n\n  \t# more\n alice@example.com,bob \t{KEY} a comment\r\n*@x,!eve@x {KEY}");
        let lines = parse(&text).unwrap();
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[0].number, lines[0].principals.as_str()), (4, "alice@example.com,bob"));
        assert_eq!(lines[0].key, KEY);
        assert_eq!(&text[lines[0].key_at.clone()], KEY);
        assert_eq!(lines[0].names().collect::<Vec<_>>(), ["alice@example.com", "bob"]);
        assert_eq!((lines[1].number, lines[1].names().count()), (5, 0));
        assert_eq!(one(&format!("\"alice smith\" {KEY}")).principals, "alice smith");
        assert_eq!(one(&format!("a,!a {KEY}")).names().count(), 0);
    }

    #[test]
    fn options_are_read() {
        let line = one(&format!(
            "a CERT-Authority,namespaces=\"file,approval.*\",valid-after=\"20260101Z\",Valid-Before=\"202612312359\" {KEY}"
        ));
        assert!(line.cert_authority);
        assert_eq!(line.namespaces.as_deref(), Some("file,approval.*"));
        let date = civil::date;
        assert_eq!(line.valid_after, Some(Moment { at: date(2026, 1, 1).at(0, 0, 0, 0), utc: true }));
        assert_eq!(line.valid_before, Some(Moment { at: date(2026, 12, 31).at(23, 59, 0, 0), utc: false }));
        let seconds = one(&format!("a valid-before=\"20261231235958utc\" {KEY}")).valid_before.unwrap();
        assert_eq!((seconds.at, seconds.utc), (date(2026, 12, 31).at(23, 59, 58, 0), true));
        assert_eq!(one(&format!("a namespaces=\"x \\\"y\\\" z\" {KEY}")).namespaces.unwrap(), "x \"y\" z");
    }

    #[test]
    fn bad_lines_are_named_with_their_place() {
        for (line, expected) in [
            ("a", "the line has principals and no key @0..1"),
            ("a ", "the line has no key @2..2"),
            ("\"a ssh-ed25519 AAAA", "the quotes around the principals are not closed @0..19"),
            ("a,,b ssh-ed25519 AAAA", "a principal is empty @0..4"),
            ("a ssh-ed25519", "the key's base64 is missing @2..13"),
            ("a ssh-dss AAAA", "DSA keys are not safe @2..9"),
            ("a ssh-ed25519-cert-v01@openssh.com AAAA", "this is a certificate @2..34"),
            ("a ssh-foo AAAA", "`ssh-foo` is neither an option nor a type of key @2..9"),
            ("a namespaces=file ssh-ed25519 AAAA", "the value of `namespaces` is not in quotes @13..14"),
            ("a namespaces=\"file ssh-ed25519 AAAA", "the quotes of `namespaces` are not closed @13..35"),
            ("a namespaces=\"a\",namespaces=\"b\" ssh-ed25519 AAAA", "`namespaces` stands twice @28..29"),
            ("a valid-after=\"2026\" ssh-ed25519 AAAA", "`valid-after` has no time that there is @14..20"),
            ("a valid-after=\"20260231\" ssh-ed25519 AAAA", "`valid-after` has no time that there is @14..24"),
            (
                "a valid-after=\"20260102Z\",valid-before=\"20260101Z\" ssh-ed25519 AAAA",
                "`valid-before` is not later than `valid-after` @50..51",
            ),
            ("a cert-authority, ssh-ed25519 AAAA", "an option is missing behind the comma @17..18"),
            ("a cert-authorityx ssh-ed25519 AAAA", "`x` is neither an option nor a type of key @16..17"),
            ("a cert-authority", "the line has no key @16..16"),
            (
                "a no-touch-required ssh-ed25519 AAAA",
                "`no-touch-required` is neither an option nor a type of key @2..19",
            ),
        ] {
            assert_eq!(wrong(line), expected, "{line}");
        }
        let both = parse("a x y\nb ssh-ed25519 AAAA\nc z\n").unwrap_err();
        assert_eq!(both.iter().map(|mistake| mistake.span.start).collect::<Vec<_>>(), [2, 27]);
    }

    #[test]
    fn patterns_fit_as_those_of_ssh() {
        for (name, patterns, expected) in [
            ("alice", "alice", true),
            ("alice", "Alice", false),
            ("alice", "al*", true),
            ("alice", "*ce,bob", true),
            ("alice", "a?ice", true),
            ("alice", "a??ice", false),
            ("alice@x.com", "*@x.com", true),
            ("alice@x.com.evil", "*@x.com", false),
            ("eve@x", "*@x,!eve@x", false),
            ("eve@x", "!eve@x,*@x", false),
            ("bob@x", "!eve@x", false),
            ("aaa", "*a*a*a*a", false),
            ("", "*", true),
        ] {
            assert_eq!(fits(name, patterns), expected, "{name:?} and {patterns:?}");
        }
    }
}
