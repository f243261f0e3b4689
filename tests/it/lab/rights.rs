//! Logging in, and becoming root.

use super::bench::{Bench, first_error, standing};
use super::host::{Host, spec};

const RUN: [&str; 6] = ["run", "plan.toml", "--yes", "--approve", "all", "--reason=fine"];

fn one_host() -> Option<Bench> {
    Bench::start(&[spec("uat-1").repo("handmade").install(&["lab-plain=1.0", "lab-held=1.0"])])
}

/// The secret is in no file that we or the host keep.
#[track_caller]
fn assert_kept_nowhere(bench: &Bench, host: &Host) {
    let mut places = vec![bench.path("state")];
    while let Some(place) = places.pop() {
        if place.is_dir() {
            places.extend(std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let text = String::from_utf8_lossy(&std::fs::read(&place).unwrap()).into_owned();
            assert!(!text.contains(&host.password), "{}", place.display());
        }
    }
    let find = format!("grep -rlF -e {} /var/lib/patchctl /var/log /tmp /run /home || true", host.password);
    assert_eq!(host.sh(&find).trim(), "");
}

#[test]
fn ordinary_users_become_root_with_sudo() {
    let Some(bench) = one_host() else { return };
    let uat = bench.host("uat-1");
    bench.write("password", &format!("{}\n", uat.password));

    bench.plan("packages = [\"lab-plain\"]");
    bench.defaults("user = \"ops\"\nbecome = \"sudo\"");
    assert_eq!(standing(&bench.json(0, &RUN), "uat-1"), "PATCH/SUCCESS patched");
    assert_eq!(uat.version("lab-plain"), "2.0");
    assert_eq!(uat.sh("stat -c %U:%a /var/lib/patchctl").trim(), "root:700");

    bench.plan("packages = [\"lab-held\"]");
    bench.defaults("user = \"opspw\"\nbecome = \"sudo\"\nbecome_password_command = \"cat password\"");
    assert_eq!(standing(&bench.json(0, &RUN), "uat-1"), "PATCH/SUCCESS patched");
    assert_eq!(uat.version("lab-held"), "2.0");
    assert_kept_nowhere(&bench, uat);
}

#[test]
fn the_password_for_sudo_is_asked_for_at_the_terminal() {
    let Some(bench) = one_host() else { return };
    let uat = bench.host("uat-1");
    bench.plan("packages = [\"lab-plain\"]");
    bench.defaults("user = \"opspw\"\nbecome = \"sudo\"");
    let mut terminal = bench.terminal(&["run", "plan.toml", "-K", "--yes", "--approve", "all", "--reason", "fine"]);
    terminal.secret("assword for becoming root", &uat.password);
    let answer = terminal.end().ended(0);
    assert!(!answer.err.contains(&uat.password), "it was echoed");
    assert_eq!(uat.version("lab-plain"), "2.0");
    assert_kept_nowhere(&bench, uat);
}

#[test]
fn who_cannot_become_root_changes_nothing() {
    let Some(bench) = one_host() else { return };
    let uat = bench.host("uat-1");
    bench.write("password", &uat.password);
    bench.write("wrong", "not-the-password\n");
    bench.plan("packages = [\"lab-plain\"]");
    for (user, more, words) in [
        ("nosudo", "become = \"sudo\"\nbecome_password_command = \"cat password\"", "sudo"),
        ("nosudo", "become = \"none\"", "root"),
        ("opspw", "become = \"sudo\"", "password"),
        ("opspw", "become = \"sudo\"\nbecome_password_command = \"cat wrong\"", "password"),
    ] {
        bench.defaults(&format!("user = \"{user}\"\n{more}"));
        let document = bench.json(7, &RUN);
        let error = first_error(&document);
        assert_eq!((&error["kind"], &error["host"]), (&"become".into(), &"uat-1".into()), "{user}, {more}");
        assert!(error["message"].as_str().unwrap().contains(words), "{error:#}");
        assert!(error["hint"].is_string(), "{error:#}");
        uat.assert_untouched();
    }
}

#[test]
fn passwords_log_in_where_there_is_no_key() {
    let Some(bench) = one_host() else { return };
    let uat = bench.host("uat-1");
    bench.write("password", &format!("{}\n", uat.password));
    bench.plan("packages = [\"lab-plain\"]");
    bench.inventory(
        "user = \"opspw\"\nbecome = \"sudo\"\npassword_command = \"cat password\"\nbecome_password_command = \"cat password\"",
    );
    assert_eq!(standing(&bench.json(0, &RUN), "uat-1"), "PATCH/SUCCESS patched");

    bench.inventory("user = \"opspw\"\nbecome = \"sudo\"");
    let document = bench.json(7, &["inventory", "ping"]);
    assert_eq!(first_error(&document)["kind"], "auth");
    let mut terminal = bench.terminal(&["inventory", "ping", "--ask-pass", "--output", "json"]);
    terminal.secret("SSH password", &uat.password);
    let answer = terminal.end().ended(0);
    assert_eq!(answer.json()["hosts"][0]["user"], "opspw");
    assert_kept_nowhere(&bench, uat);
}
