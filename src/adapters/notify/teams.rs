//! Teams's form: an Adaptive Card in a message, as a workflow "when a webhook request is received" takes it. Text runs
//! have no markup, so nothing that a host said is taken for a link or a mention.

use serde_json::{Value, json};

use crate::core::notify::Message;

pub(super) fn body(message: &Message) -> Value {
    let mut blocks = vec![run(&message.title, json!({ "weight": "Bolder", "size": "Medium" }), "Default")];
    blocks.extend(message.text.iter().map(|line| run(line, json!({}), "None")));
    for (what, line) in message.commands() {
        blocks.push(run(what, json!({ "weight": "Bolder" }), "Medium"));
        blocks.push(run(line, json!({ "fontType": "Monospace" }), "None"));
    }
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": { "width": "Full" },
        "body": blocks,
    });
    let attachment =
        json!({ "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card });
    json!({ "type": "message", "attachments": [attachment] })
}

/// A line of plain text.
fn run(text: &str, look: Value, spacing: &str) -> Value {
    let mut run = json!({ "type": "TextRun", "text": text });
    if let (Some(run), Some(look)) = (run.as_object_mut(), look.as_object()) {
        run.extend(look.clone());
    }
    json!({ "type": "RichTextBlock", "spacing": spacing, "inlines": [run] })
}
