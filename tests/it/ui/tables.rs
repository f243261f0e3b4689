//! What is printed, to the letter, at the two usual widths and without limits.

use patchctl::core::document::{HostResult, Outcome, ResultDocument, RunsDocument};
use patchctl::core::evidence::GateKind;
use patchctl::ui::style::Look;
use patchctl::ui::{control, drift, evidence, lists, plan, problems, result};

use super::samples;

/// Compares with `snapshots/NAME.snap`; `INSTA_UPDATE=always` writes it anew.
fn golden(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// No line is wider than it may be, but for commands, which stay whole so that they can be copied.
fn fits(text: &str, width: usize) {
    for line in text.lines().filter(|line| !line.contains("    patchctl ")) {
        assert!(line.chars().count() <= width, "{} columns: {line}", line.chars().count());
        assert!(!line.contains(char::is_control), "{line:?}");
        assert_eq!(line.trim_end(), line);
    }
}

fn at_both_widths(name: &str, draw: impl Fn(&Look) -> String) {
    for width in [80, 120] {
        let text = draw(&Look::plain(Some(width)));
        fits(&text, width);
        golden(&format!("{name}_{width}"), &text);
    }
}

#[test]
fn results() {
    type Make = fn() -> ResultDocument;
    let all: [(&str, Make); 6] = [
        ("complete", samples::complete),
        ("paused", samples::paused),
        ("shut", samples::shut),
        ("rejected", samples::rejected),
        ("degraded", samples::degraded),
        ("stopped", samples::stopped),
    ];
    for (name, document) in all {
        at_both_widths(name, |look| result::result(look, &document()));
    }
}

#[test]
fn three_hundred_hosts_with_one_error_are_one_problem() {
    let document = samples::many();
    for width in [80, 120] {
        let text = result::result(&Look::plain(Some(width)), &document);
        fits(&text, width);
        let problems = text.split("Problems\n").nth(1).unwrap();
        assert_eq!(problems.matches('✗').count(), 1, "{problems}");
        assert!(problems.contains("296 hosts"), "{problems}");
        assert!(problems.lines().count() < 12, "{problems}");
    }
}

#[test]
fn a_file_has_one_line_a_host_and_whole_names() {
    let text = result::result(&Look::plain(None), &samples::many());
    assert_eq!(text.lines().filter(|line| line.starts_with("prod ")).count(), 300);
    assert!(text.contains("prod   web-300.fra1.example.com  ROLLBACK"));
}

#[test]
fn hosts_that_are_given_up() {
    at_both_widths("given_up", |look| control::given_up(look, &samples::given_up()));
    let names = ["web-01.fra1.example.com", "web-02.fra1.example.com"];
    at_both_widths("clearing", |look| control::clearing(look, &samples::run(), names.into_iter()));
}

#[test]
fn a_command_names_few_hosts_and_no_more() {
    let mut document = samples::degraded();
    let lost = document.stages[0].hosts[1].clone();
    for number in 4..8 {
        document.stages[0].hosts.push(HostResult { host: samples::host(&format!("uat-0{number}")), ..lost.clone() });
    }
    let text = result::result(&Look::plain(Some(80)), &document);
    assert!(text.contains(&format!("patchctl recover {} -l HOST\n", samples::RUN)), "{text}");
    // While a process drives the run, nobody else may.
    document.outcome = Outcome::Running;
    let text = result::result(&Look::plain(Some(80)), &document);
    assert!(!text.contains("patchctl recover"), "{text}");
}

#[test]
fn the_gate() {
    at_both_widths("gate", |look| evidence::overview(look, &samples::small_gate()));
    at_both_widths("gate_large", |look| evidence::overview(look, &samples::large_gate()));
    golden("gate_details", &evidence::details(&Look::plain(Some(80)), &samples::small_gate()));
    let mut before = samples::small_gate();
    before.kind = GateKind::Before;
    before.takes_back = 0;
    golden("gate_before", &evidence::overview(&Look::plain(Some(80)), &before));
}

#[test]
fn lists_and_plans() {
    at_both_widths("plan", |look| plan::plan(look, &samples::plan()));
    at_both_widths("beginning", |look| plan::beginning(look, &samples::beginning()));
    at_both_widths("runs", |look| lists::runs(look, &samples::runs()));
    at_both_widths("ping", |look| lists::ping(look, &samples::pinged()));
    at_both_widths("drift", |look| drift::drift(look, &samples::drift()));
    let hosts = samples::inventory();
    at_both_widths("inventory", |look| lists::inventory(look, &hosts.iter().collect::<Vec<_>>()));
    assert_eq!(lists::runs(&Look::plain(None), &RunsDocument { schema: 1, runs: Vec::new() }), "no runs yet\n");
}

#[test]
fn errors_alone() {
    let own = samples::degraded();
    let all: Vec<_> = own.stages[0].hosts.iter().filter_map(|host| host.error.clone()).collect();
    golden("errors", &problems::errors(&Look::plain(Some(80)), &all));
}

#[test]
fn without_unicode_there_is_only_ascii() {
    for document in [samples::complete(), samples::degraded(), samples::paused()] {
        let text = result::result(&Look::plain(Some(80)).ascii(), &document);
        assert!(text.is_ascii(), "{text}");
    }
    let text = evidence::details(&Look::plain(Some(80)).ascii(), &samples::large_gate());
    assert!(text.is_ascii());
    assert!(plan::plan(&Look::plain(Some(80)).ascii(), &samples::plan()).is_ascii());
}
