//! A mail as RFC 5322 has it. Addresses were checked when the plan was read; everything else is encoded, so that nothing
//! in a message can begin a header or end the mail.

use data_encoding::BASE64;
use jiff::fmt::rfc2822;

use crate::core::notify::Message;

/// The most characters in a line of the body.
const WIDTH: usize = 76;

pub(super) fn mail(message: &Message, to: &[String], from: Option<&str>) -> String {
    let mut headers = Vec::new();
    headers.extend(from.map(|from| format!("From: {from}")));
    // One address a line, folded: a line has at most 998 characters.
    headers.push(format!("To: {}", to.join(",\n ")));
    headers.push(format!("Subject: {}", subject(&format!("[patchctl] {}", message.title))));
    headers.extend(
        rfc2822::to_string(&message.sent_at.0.to_zoned(jiff::tz::TimeZone::UTC)).map(|at| format!("Date: {at}")),
    );
    headers.push(format!("Message-ID: <{}@patchctl.invalid>", message.id));
    headers.push("MIME-Version: 1.0".to_owned());
    headers.push("Content-Type: text/plain; charset=utf-8".to_owned());
    headers.push("Content-Transfer-Encoding: base64".to_owned());
    headers.push("Auto-Submitted: auto-generated".to_owned());
    headers.push(format!("X-Patchctl-Event: {}", message.event));
    format!("{}\n\n{}\n", headers.join("\n"), wrapped(&BASE64.encode(message.plain().as_bytes())))
}

/// Plain where it is plain, else in encoded words, folded: with the header's name no line is over 76 characters (RFC 2047, 2).
fn subject(text: &str) -> String {
    if text.len() <= 150 && text.bytes().all(|b| (0x20..0x7f).contains(&b)) && !text.contains("=?") {
        return text.to_owned();
    }
    let mut words = vec![String::new()];
    for c in text.chars() {
        let full = |word: &String| word.len() + c.len_utf8() > 36;
        if words.last().is_some_and(full) {
            words.push(String::new());
        }
        words.last_mut().into_iter().for_each(|word| word.push(c));
    }
    let words: Vec<String> =
        words.iter().map(|word| format!("=?utf-8?B?{}?=", BASE64.encode(word.as_bytes()))).collect();
    words.join("\n ")
}

fn wrapped(text: &str) -> String {
    let lines: Vec<String> =
        text.as_bytes().chunks(WIDTH).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    lines.join("\n")
}
