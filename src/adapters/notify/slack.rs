//! Slack's form: blocks, with everything that a host may have said inside a code block, where nothing is markup.

use serde_json::{Value, json};

use crate::core::notify::Message;

/// A block's text may have 3,000 characters, a header's 150.
const LONGEST: usize = 2800;
const TITLE: usize = 148;

pub(super) fn body(message: &Message) -> Value {
    let title = json!({ "type": "plain_text", "text": cut(&message.title, TITLE), "emoji": false });
    let mut blocks = vec![json!({ "type": "header", "text": title }), section(&code(&message.text.join("\n")))];
    for (what, line) in message.commands() {
        blocks.push(section(&format!("{what}:\n{}", code(line))));
    }
    json!({ "text": escaped(&message.title), "blocks": blocks, "unfurl_links": false, "unfurl_media": false })
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } })
}

/// A code block that its text cannot leave.
fn code(text: &str) -> String {
    format!("```{}```", cut(text, LONGEST))
}

/// The text escaped, and cut to so many characters.
fn cut(text: &str, most: usize) -> String {
    let (mut out, mut length) = (String::new(), 0);
    for c in text.chars() {
        let next = escaped(c.encode_utf8(&mut [0; 4]));
        length += next.chars().count();
        if length >= most {
            out.push('…');
            break;
        }
        out.push_str(&next);
    }
    out
}

/// `<!channel>` and `<@user>` are words of Slack's own, and a backtick ends a code block.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('`', "'")
}
