//! Globs as the shell and Ansible know them: `*`, `?`, `[abc]`, `[a-z]`, `[!a]`.

use regex::{Regex, RegexBuilder};

/// A glob, for a whole name.
#[derive(Debug, Clone)]
pub(crate) struct Glob(Regex);

impl Glob {
    /// The glob, or the rest of a sentence that says why it is none.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("is empty".into());
        }
        if text.len() > 256 {
            return Err("is too long".into());
        }
        if text.starts_with('-') {
            return Err("must not begin with `-`".into());
        }
        if !text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.+~:@\\*?[]!^".contains(c)) {
            return Err("has a character that no name and no glob has".into());
        }
        regex(text).map(Self)
    }

    pub(crate) fn is_match(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}

/// The glob as a regular expression for a whole name.
pub(super) fn regex(text: &str) -> Result<Regex, String> {
    let mut pattern = String::from("^");
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            // Several stars mean no more than one.
            '*' if pattern.ends_with(".*") => {}
            '*' => pattern.push_str(".*"),
            '?' => pattern.push('.'),
            '[' => {
                let after = rest.as_str();
                // A `]` that comes first stands for itself.
                let sign = usize::from(after.starts_with(['!', '^']));
                let skip = sign + usize::from(after[sign..].starts_with(']'));
                let end = after[skip..].find(']').map(|at| at + skip);
                let end = end.ok_or("has a `[` without a `]`")?;
                pattern.push_str(&class(&after[..end]));
                rest = after[end + 1..].chars();
            }
            c => pattern.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    pattern.push('$');
    build(&pattern).map_err(|_| "is not a glob".into())
}

/// Compiles, with a bound on what it may cost.
pub(super) fn build(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).size_limit(1 << 20).build()
}

fn class(inside: &str) -> String {
    let (not, inside) = match inside.strip_prefix(['!', '^']) {
        Some(rest) => ("^", rest),
        None => ("", inside),
    };
    let chars: Vec<char> = inside.chars().collect();
    let mut text = format!("[{not}");
    for (n, c) in chars.iter().enumerate() {
        if *c == '-' && n > 0 && n + 1 < chars.len() && chars[n - 1] != '-' && chars[n + 1] != '-' {
            text.push('-');
        } else {
            text.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
        }
    }
    text.push(']');
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn as_the_shell_has_them() {
        for (glob, name, fits) in [
            ("linux-image-*", "linux-image-6.1.0-40-amd64", true),
            ("linux-image-*", "linux-headers-6.1", false),
            ("*", "", true),
            ("we?", "web", true),
            ("we?", "we", false),
            ("web[0-9]", "web7", true),
            ("web[!0-9]", "web7", false),
            ("web[!0-9]", "weba", true),
            ("a[]]b", "a]b", true),
            ("a[-x]b", "a-b", true),
            ("a.b", "axb", false),
            ("lib+*", "lib++6", true),
            ("***", "abc", true),
        ] {
            assert_eq!(Glob::new(glob).unwrap().is_match(name), fits, "{glob} {name}");
        }
        for bad in ["", "-x", "a b", "$(x)", "a;b", "a[b", "[z-a]", "a\nb"] {
            assert!(Glob::new(bad).is_err(), "{bad:?}");
        }
    }

    /// What a glob of stars, question marks and plain characters means, by trying every way.
    fn fits(glob: &[u8], name: &[u8]) -> bool {
        match glob.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|taken| fits(rest, &name[taken..])),
            Some((b'?', rest)) => name.split_first().is_some_and(|(_, name)| fits(rest, name)),
            Some((c, rest)) => name.split_first().is_some_and(|(first, name)| first == c && fits(rest, name)),
        }
    }

    proptest! {
        #[test]
        fn stars_and_question_marks(glob in "[ab.+*?]{1,8}", name in "[ab.+]{0,8}") {
            prop_assert_eq!(Glob::new(&glob).unwrap().is_match(&name), fits(glob.as_bytes(), name.as_bytes()));
        }

        #[test]
        fn a_name_means_itself(name in "[a-z0-9][a-z0-9.+~_-]{0,12}", other in "[a-z0-9][a-z0-9.+~_-]{0,12}") {
            let glob = Glob::new(&name).unwrap();
            prop_assert!(glob.is_match(&name));
            prop_assert_eq!(glob.is_match(&other), name == other);
        }

        #[test]
        fn a_class_and_its_opposite(from in b'a'..=b'm', more in 0..13_u8, c in b'a'..=b'z') {
            let (first, last, name) = (char::from(from), char::from(from + more), char::from(c).to_string());
            let within = (from..=from + more).contains(&c);
            prop_assert_eq!(Glob::new(&format!("[{first}-{last}]")).unwrap().is_match(&name), within);
            prop_assert_eq!(Glob::new(&format!("[!{first}-{last}]")).unwrap().is_match(&name), !within);
        }

        #[test]
        fn any_text_is_answered(text in "[a-c\\[\\]!^*?&|~(){}.\\\\é-]{0,16}", name in "[a-c.-]{0,6}") {
            let Ok(glob) = Glob::new(&text) else { return Ok(()) };
            // Only whether it answers.
            let _ = glob.is_match(&name);
        }
    }
}
