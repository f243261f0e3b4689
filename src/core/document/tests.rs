//! The documents against the text of their public promise.

use super::*;

const EXAMPLE: &str = r#"{"schema":1,"run_id":"01JD0000000000000000000000","kind":"run","change_id":"CHG0041337","plan":"openssl-2026-11","plan_digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000","outcome":"complete","exit_code":0,"started_at":"2026-11-22T01:00:00Z","finished_at":"2026-11-22T01:01:33Z","duration_ms":93211,"summary":{"hosts":1,"patched":1,"current":0,"rolled_back":0,"failed":0,"unreachable":0,"skipped":0,"unknown":0},"waiting":null,"stages":[{"name":"uat","state":"SUCCESS","state_reason":"approved","decision":{"verdict":"approved","digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000","by":[{"name":"it-admin","at":"2026-11-22T01:00:59Z","reason":"smoke tests fine","how":"prompt","key":null}]},"hosts":[{"host":"uat-web-01.example.com","address":"10.0.1.11","wave":1,"action_performed":"PATCH","action_state":"SUCCESS","state_reason":"patched","action_cause":"smoke tests fine","packages":[{"name":"openssl","arch":"amd64","before":"3.0.20-1~deb12u2","after":"3.0.22-1~deb12u2"}],"rollback":null,"services":{"restarted":["nginx.service"],"stale":[]},"reboot":{"needed":false,"done":false},"checks":[{"name":"health","when":"after","ok":true,"detail":"200 in 12 ms"}],"error":null,"duration_ms":41200}]}],"errors":[],"audit_head":"sha256:0000000000000000000000000000000000000000000000000000000000000000"}"#;

#[test]
fn the_result_document_is_the_promised_one() {
    let document: ResultDocument = serde_json::from_str(EXAMPLE).unwrap();
    assert_eq!(serde_json::to_string(&document).unwrap(), EXAMPLE);
    assert_eq!(Summary::of(&document.stages), document.summary);
}

#[test]
fn a_restored_package_says_what_was_tried() {
    for text in [
        r#"{"name":"a","arch":"all","before":"1","tried":"2","after":"1"}"#,
        r#"{"name":"a","arch":"all","before":"1","tried":null,"after":"1"}"#,
        r#"{"name":"a","arch":"all","before":null,"tried":"2","after":null}"#,
        r#"{"name":"a","arch":"all","before":"1","after":"2"}"#,
    ] {
        let change: PackageChange = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&change).unwrap(), text);
    }
    let rollback = RollbackResult { exact: true, differences: Vec::new(), by_itself: false };
    assert_eq!(serde_json::to_string(&rollback).unwrap(), r#"{"exact":true,"differences":[],"self":false}"#);
}

#[test]
fn a_wait_names_every_field() {
    let text = r#"{"kind":"approval","stage":"uat","have":1,"need":2,"opens_at":null,"until":"2026-11-29T01:00:00Z","digest":null,"command":"patchctl approve last"}"#;
    let waiting: Waiting = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&waiting).unwrap(), text);
}

#[test]
fn the_plan_document_is_the_promised_one() {
    let text = r#"{"schema":1,"digest":null,"stages":[{"name":"uat","waves":[["h1"],["h2","h3"]],"hosts":[{"host":"h1","transaction":[{"op":"upgrade","name":"a","arch":"all","from":"1","to":"2","origin":"o","security":true}],"rollback":{"guaranteed":true,"missing":[]},"reboot":"not needed","problems":[]}]}]}"#;
    let plan: PlanDocument = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&plan).unwrap(), text);
}

#[test]
fn a_run_that_never_was_has_errors_and_no_stages() {
    let problem = crate::core::problem::Problem::new(crate::core::problem::ErrorKind::Invalid, "no such file");
    let document = ResultDocument::of_errors(DocumentKind::Run, Outcome::Invalid, vec![problem]);
    let value = serde_json::to_value(&document).unwrap();
    assert_eq!(value["exit_code"], 2);
    assert_eq!(value["run_id"], serde_json::Value::Null);
    assert_eq!(value["errors"][0]["kind"], "invalid");
}

#[test]
fn every_word_is_the_one_that_is_written() {
    fn same<T: serde::Serialize + std::fmt::Display>(all: &[T]) {
        for word in all {
            assert_eq!(serde_json::to_string(word).unwrap(), format!("\"{word}\""));
        }
    }
    same(ActionPerformed::ALL);
    same(ActionState::ALL);
    same(StageState::ALL);
    same(StateReason::ALL);
    same(StageReason::ALL);
}

#[test]
fn the_schema_of_outcomes_has_each_word_once() {
    let schema = serde_json::to_string(&schemars::schema_for!(ResultDocument)).unwrap();
    assert_eq!(schema.matches("\"interrupted\"").count(), 1, "{schema}");
    assert!(serde_json::to_string(&schemars::schema_for!(PlanDocument)).unwrap().contains("\"origin\""));
    assert!(serde_json::to_string(&schemars::schema_for!(RunsDocument)).unwrap().contains("\"run_id\""));
}
