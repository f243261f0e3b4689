//! What answers mean.

use super::*;
use crate::core::template::Dialect;

fn template(text: &str) -> Template {
    Template::parse(text, Dialect::Plain).unwrap()
}

fn http() -> Http {
    Http {
        url: template("http://x/"),
        status: vec![200],
        body: None,
        json: None,
        equals: None,
        latency_ms: None,
        ca: None,
    }
}

#[test]
fn a_page_must_be_what_is_asked_for() {
    let ms = Duration::from_millis(12);
    let verdict = |http: &Http, body: &str| of_page(http, 200, body, ms);
    assert_eq!(of_page(&http(), 503, "", ms), Answer::new(Verdict::Fail, "503 in 12 ms"));
    assert_eq!(verdict(&http(), "fine"), Answer::new(Verdict::Pass, "200 in 12 ms").comparing("fine"));
    let slow = Http { latency_ms: Some(10), ..http() };
    assert_eq!(verdict(&slow, "").detail, "200 in 12 ms, and may take 10 ms");
    let text = Http { body: Some("ok".into()), ..http() };
    assert_eq!((verdict(&text, "all ok").verdict, verdict(&text, "bad").verdict), (Verdict::Pass, Verdict::Fail));
    let field = |equals: serde_json::Value| Http { json: Some("db.0.up".into()), equals: Some(equals), ..http() };
    let body = r#"{"db":[{"up":1.0}]}"#;
    assert_eq!(verdict(&field(1.into()), body).verdict, Verdict::Pass);
    assert_eq!(verdict(&field(true.into()), body).detail, "db.0.up is \"1.0\", and should be true");
    assert_eq!(verdict(&field(1.into()), "[]").detail, "200, and its JSON has no `db.0.up`");
    assert_eq!(verdict(&field(1.into()), "<html>").detail, "200, and its body is no JSON");
}

#[test]
fn a_query_without_an_answer_is_neither_good_nor_bad() {
    let query = |min: Option<f64>, max: Option<f64>| Query {
        url: template("http://x"),
        query: template("up"),
        min: min.and_then(serde_json::Number::from_f64),
        max: max.and_then(serde_json::Number::from_f64),
        ca: None,
    };
    let vector =
        |values: &str| format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{values}]}}}}"#);
    let one = |value: &str| vector(&format!(r#"{{"metric":{{}},"value":[1,"{value}"]}}"#));
    let verdict = |min, max, body: &str| of_query(&query(min, max), 200, body).verdict;
    assert_eq!(verdict(Some(0.99), None, &one("0.995")), Verdict::Pass);
    assert_eq!(verdict(Some(0.99), None, &one("0.5")), Verdict::Fail);
    assert_eq!(verdict(None, Some(10.0), &one("11")), Verdict::Fail);
    assert_eq!(verdict(None, Some(10.0), &one("+Inf")), Verdict::Fail);
    assert_eq!(verdict(Some(0.0), Some(1.0), &one("NaN")), Verdict::Inconclusive);
    assert_eq!(verdict(Some(0.0), None, &vector("")), Verdict::Inconclusive);
    assert_eq!(verdict(Some(0.0), None, "<html>"), Verdict::Inconclusive);
    let error = r#"{"status":"error","error":"parse error"}"#;
    assert_eq!(of_query(&query(None, None), 400, error).detail, "the query was not answered (400): parse error");
    let scalar = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"3"]}}"#;
    assert_eq!(verdict(Some(3.0), Some(3.0), scalar), Verdict::Pass);
}

#[test]
fn the_answer_after_must_be_the_one_before() {
    let spec = CheckSpec {
        name: "rows".into(),
        ask: Ask::Run { command: template("count"), unsure: vec![75] },
        when: When::Both,
        compare: true,
        within: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
    };
    let before = of_command(Some(0), "12\n", &[75]).judged(&spec, None);
    assert_eq!((before.ok, before.answer.as_deref()), (true, Some("12\n")));
    let same = of_command(Some(0), "12\n", &[75]).judged(&spec, Some(&before));
    assert!(same.ok);
    let other = of_command(Some(0), "11\n", &[75]).judged(&spec, Some(&before));
    assert_eq!((other.ok, other.detail.as_str()), (false, "11; it was \"12\", and is \"11\""));
    let unsure = of_command(Some(75), "no route", &[75]).judged(&spec, None);
    assert!(!unsure.ok && unsure.inconclusive);
    let later = of_command(Some(0), "11\n", &[75]).judged(&spec, Some(&unsure));
    assert!(!later.ok && later.inconclusive, "nothing to compare with: {later:?}");
    assert_eq!(of_command(None, "", &[]).detail, "did not end in its time");
}
