//! Text that came from a host, a file or the network, made safe to show.

use std::fmt;

/// Borrowed text whose `Display` escapes what could steer a terminal or reorder a line: control characters (C0, DEL,
/// C1) and bidirectional overrides. Line ends are escaped too; split into lines first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Untrusted<'a>(&'a str);

impl<'a> Untrusted<'a> {
    /// Wraps the text; nothing is copied.
    pub fn new(text: &'a str) -> Self {
        Self(text)
    }
}

/// Whether showing this character could do more than show it.
fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

impl fmt::Display for Untrusted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for c in self.0.chars() {
            match c {
                '\t' => f.write_char(' ')?,
                c if is_dangerous(c) => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_gets_through() {
        let text = "a\x1b[2J\u{202E}b\u{9b}c\x07\r\n\u{feff}ü✓";
        let shown = Untrusted::new(text).to_string();
        assert_eq!(shown, "a\\u{1b}[2J\\u{202e}b\\u{9b}c\\u{7}\\u{d}\\u{a}\\u{feff}ü✓");
    }

    /// Unicode's `Bidi_Control`, and what parts lines.
    const STEERING: &str = "\u{61c}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\
                            \u{2066}\u{2067}\u{2068}\u{2069}";

    fn text() -> impl Strategy<Value = String> {
        let steering = prop::sample::select(STEERING.chars().collect::<Vec<_>>()).prop_map(String::from);
        let part = prop_oneof![any::<String>(), steering, "[\0-\x1f\x7f-\u{9f}]"];
        prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn what_is_shown_steers_nothing(text in text()) {
            let shown = Untrusted::new(&text).to_string();
            prop_assert!(!shown.contains(|c: char| c.is_control() || STEERING.contains(c)), "{:?}", shown);
            prop_assert_eq!(Untrusted::new(&shown).to_string(), shown.clone(), "what is safe is left as it is");
            let harmless = |c: &char| !c.is_control() && !STEERING.contains(*c) && !is_dangerous(*c);
            let kept: String = text.chars().filter(harmless).collect();
            let mut shown = shown.chars();
            prop_assert!(kept.chars().all(|c| shown.any(|s| s == c)), "what is harmless is shown");
        }
    }
}
