//! The forms of messages: nothing that a host said is markup in any of them.

use crate::core::document::{Outcome, Stamp, Summary};
use crate::core::ids::{ChangeId, Digest, PlanName, RunId, StageName};
use crate::core::notify::{Decide, MESSAGE_VERSION, Message};
use crate::ports::Secret;

use super::{email, slack, teams, webhook};

/// What a hostile host might have a package called.
const BAIT: &str = "<!channel> ```*bold* [x](http://evil.example) & \u{e9}";

pub(super) fn message(title: &str, text: &[&str]) -> Message {
    let at = Stamp("2026-11-26T10:00:00Z".parse().unwrap());
    Message {
        schema: MESSAGE_VERSION,
        id: "01JD0000000000000000000000-1".into(),
        event: "gate",
        sent_at: at,
        at,
        run_id: RunId::new("01JD0000000000000000000000").unwrap(),
        change_id: ChangeId::new("CHG1").unwrap(),
        plan: PlanName::new("openssl").unwrap(),
        stage: Some(StageName::new("uat").unwrap()),
        title: title.into(),
        text: text.iter().map(|line| (*line).to_owned()).collect(),
        decide: Some(Decide {
            digest: Digest::ZERO,
            approve: "patchctl approve RUN --digest 000000000000 --reason TEXT --resume".into(),
            reject: "patchctl reject RUN --reason TEXT --resume".into(),
        }),
        more: "patchctl status RUN".into(),
        outcome: Outcome::Paused,
        summary: Summary::default(),
    }
}

#[test]
fn slack_sees_no_mention_and_no_end_of_a_code_block() {
    let body = slack::body(&message(BAIT, &[BAIT])).to_string();
    assert!(!body.contains("<!") && body.contains("&lt;!channel&gt;"), "{body}");
    let blocks = slack::body(&message("t", &[BAIT]));
    let text = blocks["blocks"][1]["text"]["text"].as_str().unwrap();
    assert!(text.starts_with("```") && text.ends_with("```"), "{text}");
    assert!(!text[3..text.len() - 3].contains('`'), "{text}");
    let all = blocks["blocks"].as_array().unwrap();
    assert!(all.iter().any(|block| block["text"]["text"].as_str().unwrap().contains("patchctl approve RUN")));
}

#[test]
fn slack_takes_what_is_long() {
    let long = "x".repeat(20_000);
    let body = slack::body(&message(&long, &[&long]));
    for block in body["blocks"].as_array().unwrap() {
        let most = if block["type"] == "header" { 150 } else { 3000 };
        assert!(block["text"]["text"].as_str().unwrap().chars().count() <= most);
    }
}

#[test]
fn teams_gets_text_runs_only() {
    let body = teams::body(&message(BAIT, &[BAIT]));
    let blocks = body["attachments"][0]["content"]["body"].as_array().unwrap();
    for block in blocks {
        assert_eq!((&block["type"], &block["inlines"][0]["type"]), (&"RichTextBlock".into(), &"TextRun".into()));
    }
    assert_eq!(blocks[1]["inlines"][0]["text"], BAIT);
}

#[test]
fn a_mail_has_the_headers_that_it_was_given() {
    let title = "gate\r\nBcc: everybody@example.com";
    let mail =
        email::mail(&message(title, &[BAIT, ".", "From nobody"]), &["a@example.com".into()], Some("b@example.com"));
    let (head, body) = mail.split_once("\n\n").unwrap();
    assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
    assert!(head.contains("Subject: =?utf-8?B?") && head.contains("To: a@example.com"), "{head}");
    assert!(head.lines().all(|line| line.len() <= 78 && line.is_ascii()), "{head}");
    assert!(body.lines().all(|line| line.len() <= 76 && line != "."), "{body}");
    let text: String = body.lines().collect();
    let text = data_encoding::BASE64.decode(text.as_bytes()).unwrap();
    assert!(String::from_utf8(text).unwrap().contains(BAIT));
}

#[test]
fn a_body_is_signed_as_everybody_does_it() {
    // RFC 4231, test case 2.
    let signature = webhook::signature(&Secret::new("Jefe".into()), b"what do ya want for nothing?");
    assert_eq!(signature, "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}
