use proptest::prelude::*;

use super::{html, markdown};
use crate::core::untrusted::Untrusted;

fn unescaped_html(text: &str) -> String {
    let pairs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// Whether this character stands there as itself: behind an odd number of backslashes.
fn is_escaped(text: &str, at: usize) -> bool {
    text[..at].bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1
}

#[test]
fn what_hosts_and_people_wrote_means_itself() {
    let text = "<script>alert(1)</script> & \"x\" 'y' \u{1b}[31m\u{202e}";
    let shown = html::escape(text);
    assert_eq!(shown, "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;x&quot; &#39;y&#39; \\u{1b}[31m\\u{202e}");
    let text = "1. [x](http://evil.example) | <b>*bold*</b> www.evil.example a@b";
    let shown = markdown::escape(text);
    assert_eq!(shown, "1\\. \\[x\\]\\(http\\://evil.example\\) \\| \\<b\\>\\*bold\\*\\</b\\> www\\.evil.example a\\@b");
    assert_eq!(markdown::escape("3.0.20-1~deb12u2"), "3\\.0.20-1\\~deb12u2");
}

proptest! {
    #[test]
    fn html_has_no_mark_of_anybodys(text in any::<String>()) {
        let shown = html::escape(&text);
        prop_assert!(!shown.contains(['<', '>', '"', '\'']));
        prop_assert!(!shown.chars().any(char::is_control));
        prop_assert_eq!(unescaped_html(&shown), Untrusted::new(&text).to_string());
    }

    #[test]
    fn markdown_has_no_mark_of_anybodys(text in prop_oneof![any::<String>(), "[-\\\\`*_<>|#\\[\\]()!&@:/.w0-9 \\n]{0,40}"]) {
        let shown = markdown::escape(&text);
        prop_assert!(!shown.chars().any(char::is_control));
        for (at, c) in shown.char_indices() {
            let makes_a_link = c == ':' && shown[at + 1..].starts_with('/');
            let marks = makes_a_link || "`*_{}[]()<>#+!|~&$^=@".contains(c);
            prop_assert!(!marks || is_escaped(&shown, at), "{c} in {shown}");
        }
    }
}
