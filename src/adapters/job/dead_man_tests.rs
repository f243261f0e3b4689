//! The dead man's scripts against real shells on this machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::exchange::End;
use super::payload::{Becoming, Errand, Have, Request};
use super::tests::{Place, done, job, kill, places, script, wait_for};
use super::{RUN, WATCH};
use crate::core::ids::JobId;
use crate::core::settings::Escalate;
use crate::ports::{Arm, DeadMan, Job};

const RUN_A: &str = "01JD0000000000000000000AAA";

fn armed(id: &str, wait: u64, text: &str) -> Job {
    let mut job = job(id, 'A', text);
    let back = script("cat \"$IN/words\"; echo \"$VAR_X\"; echo back >>\"$STATE/back\"; printf 'phase\\tb\\n' >&3");
    let mut arm = Arm { id: JobId::new("A-h0-deadman-1").unwrap(), script: back, wait: Duration::from_secs(wait) };
    arm.script.files.insert("words".to_owned(), "of its own\n=in.words\n".to_owned());
    arm.script.env.insert("VAR_X".to_owned(), "it's $(x)".to_owned());
    job.dead_man = DeadMan::Arm(Box::new(arm));
    job
}

fn dead_man(place: &Place) -> PathBuf {
    place.state().join("deadman").join(RUN_A)
}

/// The shell of this place with these lines behind what the driver and the watch share.
fn shell(place: &Place, text: &str) -> Command {
    let shared = WATCH.split("\n# patchctl's dead man:").next().unwrap();
    let state = place.state();
    let mut command = place.command();
    let text = format!(
        "{shared}\nstate='{state}' run={RUN_A} nonce=0123456789abcdef home=/ uid=1 boot=b dead='{dead}' back=A-h0-deadman-1\n{text}",
        state = state.display(),
        dead = dead_man(place).display(),
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &text]).env_clear().envs(command.get_envs().filter_map(|(k, v)| Some((k, v?))));
    command.stdin(Stdio::null());
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    shell
}

#[test]
fn an_armed_host_goes_back_and_a_later_job_does_not_begin() {
    for place in places() {
        let change = armed("A-h0-apply-1", 1, "echo new >\"$STATE/new\"");
        assert_eq!(done(place.run(&change.script, Some(&change)).0.as_ref()), 0);
        wait_for(&place.state().join("jobs/A-h0-deadman-1/rc"));
        let settle = job("A-h0-settle-1", 'A', "echo x >\"$STATE/settled\"");
        let (end, output) = place.run(&settle.script, Some(&settle));
        assert_eq!(done(end.as_ref()), 0);
        assert_eq!(output.log, b"of its own\n=in.words\nit's $(x)\n");
        assert_eq!(output.records, b"phase\tb\n");
        assert!(!place.state().join("settled").exists());
        assert_eq!(std::fs::read_to_string(place.state().join("back")).unwrap(), "back\n");
        assert_eq!(place.leftovers(), Vec::<String>::new());
    }
}

#[test]
fn whoever_decides_first_has_decided() {
    for place in places() {
        let dead = dead_man(&place);
        for _ in 0..20 {
            std::fs::create_dir_all(&dead).unwrap();
            for word in ["confirmed", "disarmed", "restored"] {
                std::fs::write(dead.join(format!("say.{word}")), format!("{word}\n")).unwrap();
            }
            let children: Vec<_> = ["confirmed", "disarmed", "restored", "restored"]
                .map(|word| {
                    (word, shell(&place, &format!("decide {word} && echo \"$who\"; echo \"$who\"")).spawn().unwrap())
                })
                .into_iter()
                .collect();
            let said: Vec<_> = children
                .into_iter()
                .map(|(word, child)| (word, String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()))
                .collect();
            let decided = std::fs::read_to_string(dead.join("decided")).unwrap();
            for (word, text) in said {
                let lines: Vec<_> = text.lines().collect();
                let expected: &[&str] = if word == decided.trim() { &[word, word] } else { &[decided.trim()] };
                assert_eq!(lines, expected, "{word}, and it was {decided}");
            }
            std::fs::remove_dir_all(&dead).unwrap();
        }
    }
}

#[test]
fn what_had_not_begun_when_the_host_decided_does_not_begin() {
    for place in places() {
        let change = armed("A-h0-apply-1", 600, "true");
        done(place.run(&change.script, Some(&change)).0.as_ref());
        let dead = dead_man(&place);
        for (decision, mode, begins) in [
            (None, "heed", true),
            (None, "armed", true),
            (Some("restored"), "heed", false),
            (Some("restored"), "armed", false),
            (Some("restored"), "job", true),
            (Some("confirmed"), "heed", true),
            (Some("confirmed"), "armed", false),
        ] {
            let folder = place.state().join("jobs/B");
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::create_dir_all(folder.join("in")).unwrap();
            std::fs::write(folder.join("script"), "echo ran").unwrap();
            for (name, text) in [("env", ""), ("log", ""), ("records", ""), ("run", RUN)] {
                std::fs::write(folder.join(name), text).unwrap();
            }
            let _ = std::fs::remove_file(dead.join("decided"));
            if let Some(word) = decision {
                std::fs::hard_link(dead.join(format!("say.{word}")), dead.join("decided")).unwrap();
            }
            let run = format!("sh \"$state/jobs/B/run\" \"$state/jobs/B\" \"$state\" / {RUN_A} {mode}");
            assert!(shell(&place, &run).status().unwrap().success());
            assert_eq!(folder.join("rc").exists(), begins, "{decision:?} {mode}");
            assert_eq!(folder.join("begun/never").exists(), !begins, "{decision:?} {mode}");
        }
        kill(wait_for(&dead.join("seen")).split_whitespace().nth(1).unwrap().parse().unwrap());
    }
}

#[test]
fn the_host_waits_with_going_back_for_what_has_begun() {
    for place in places() {
        let change = armed("A-h0-apply-1", 600, "true");
        let slow =
            job("A-h0-settle-1", 'A', "echo x >\"$STATE/slow\"; while [ -e \"$STATE/slow\" ]; do sleep 0.1; done");
        done(place.run(&change.script, Some(&change)).0.as_ref());
        std::thread::scope(|scope| {
            let follower = scope.spawn(|| place.run(&slow.script, Some(&slow)));
            wait_for(&place.state().join("slow"));
            let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or("-".to_owned());
            let text = "about; decide restored; go_back && echo \"waits, in ${way:-nothing}\"";
            let output = shell(&place, &format!("boot={}; {text}", boot.trim())).output().unwrap();
            std::fs::remove_file(place.state().join("slow")).unwrap();
            assert_eq!(done(follower.join().unwrap().0.as_ref()), 0);
            assert_eq!(String::from_utf8(output.stdout).unwrap(), "waits, in nothing\n");
        });
        // The watch finds that decided, and nothing in the way any more.
        wait_for(&place.state().join("jobs/A-h0-deadman-1/rc"));
    }
}

#[test]
fn a_job_with_a_dead_man_that_is_gone_again_does_nothing() {
    for place in places() {
        let mut change = armed("A-h0-apply-1", 600, "echo x >\"$STATE/ran\"");
        // Somebody is asked only, and nobody ever begins it after that.
        let other = job("A-h0-other-1", 'A', "true");
        place.run(&other.script, Some(&other));
        let folder = place.state().join("jobs/A-h0-apply-1");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        std::fs::write(folder.join("script"), "# patchctl: end of the step\n").unwrap();
        std::fs::write(folder.join("nonce"), "0123456789abcdef\n").unwrap();
        change.ask_only = true;
        let absent = Some(End::Refused { word: "absent".to_owned(), about: String::new() });
        assert_eq!(place.run(&change.script, Some(&change)).0, absent);
        change.ask_only = false;
        let refused = Some(End::Refused { word: "start".to_owned(), about: String::new() });
        assert_eq!(place.run(&change.script, Some(&change)).0, refused);
        assert!(!place.state().join("ran").exists() && !dead_man(&place).exists());
    }
}

#[test]
fn a_wait_is_at_least_a_second_and_only_whole_ones_travel() {
    let mut change = armed("A-h0-apply-1", 0, "true");
    let text = |job: &Job| {
        let request = Request {
            script: &job.script,
            escalate: Escalate::None,
            becoming: Becoming::Probe,
            state_dir: None,
            errand: Errand::Job(job, Have { log: 1, records: 2, of: Some("X-2".to_owned()) }),
        };
        String::from_utf8(request.bytes("KEY").unwrap()).unwrap()
    };
    let whole = text(&change);
    for line in ["|rule=arm\n", "|arm=A-h0-deadman-1\n", "|delay=1\n", "|of=X-2\n", "=watch\n", "=back.in.words\n"] {
        assert!(whole.contains(line), "{line:?}");
    }
    change.dead_man = DeadMan::Disarm;
    let plain = text(&change);
    assert!(plain.contains("|rule=disarm\n") && !plain.contains("=watch\n") && !plain.contains("=back."));
    assert!(Path::new("/proc/uptime").exists(), "what the watch counts by");
}
