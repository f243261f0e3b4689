//! Windows and freezes on real hosts: what waits, where it waits, and what goes on when it opens.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use patchctl::adapters::clock::SystemClock;
use patchctl::ports::Clock as _;

use super::bench::{Bench, standing};
use super::host::{plain, spec};

fn now() -> Timestamp {
    SystemClock.now()
}

/// A moment so far from now, on the clocks of UTC.
fn clock(seconds: i64) -> String {
    let at = now() + SignedDuration::from_secs(seconds);
    at.to_zoned(TimeZone::UTC).strftime("%H:%M:%S").to_string()
}

fn window(start: &str, length: &str) -> String {
    format!("[[stage.window]]\nstart = \"{start}\"\nlength = \"{length}\"\n")
}

#[test]
fn a_freeze_is_waited_out_and_a_window_on_another_day_is_not() {
    let Some(bench) = Bench::start(&[plain("uat-1"), plain("prod-1")]) else { return };
    bench.plan("packages = [\"lab-plain\"]");
    let plan = bench.read("plan.toml");
    bench.write("plan.toml", &format!("{plan}\n{}", window(&clock(-7200), "1h")));
    let thaw = now() + SignedDuration::from_secs(25);
    let freeze = "[[freeze]]\nname = \"rehearsal\"\nfrom = \"2026-01-01T00:00:00Z\"\nstages = [\"uat\"]\n";
    bench.write("policy.toml", &format!("{freeze}to = \"{thaw}\"\n"));
    let flags = ["--yes", "--policy", "policy.toml", "--approve", "all", "--reason", "fine", "--wait", "5m"];

    let answer = bench.patchctl(&[&["run", "plan.toml", "--output", "json"], &flags[..]].concat()).ended(3);
    assert!(now() >= thaw, "nothing began in the freeze");
    let (document, said) = (answer.json(), answer.err);
    assert!(said.contains("freeze rehearsal until") && said.contains("waiting here until"), "{said}");
    assert_eq!(standing(&document, "uat-1"), "PATCH/SUCCESS patched");
    let waiting = &document["waiting"];
    assert_eq!((&waiting["kind"], &waiting["stage"]), (&"window".into(), &"prod".into()), "{waiting:#}");
    let opens: Timestamp = waiting["opens_at"].as_str().unwrap().parse().unwrap();
    let ahead = opens.duration_since(now());
    assert!(ahead > SignedDuration::from_hours(21) && ahead < SignedDuration::from_hours(22), "{ahead}");
    assert!(waiting["until"].as_str().unwrap() > waiting["opens_at"].as_str().unwrap());
    bench.host("prod-1").assert_untouched();

    // Cron comes by too early: nothing happens, and nothing is printed.
    let early = bench.patchctl(&["resume", "--due"]).ended(0);
    assert_eq!((early.out.as_str(), early.err.as_str()), ("", ""));
    let run = document["run_id"].as_str().unwrap();
    let status = bench.patchctl(&["status", run]);
    assert!(status.out.contains("begins no host now") && status.out.contains("(UTC)"), "{}", status.out);
    bench.json(4, &["cancel", run, "--reason", "not this week", "--yes"]);
    bench.host("prod-1").assert_untouched();
}

#[test]
fn a_run_that_paused_for_its_window_goes_on_from_cron() {
    let Some(bench) = Bench::start(&[plain("uat-1")]) else { return };
    bench.plan("packages = [\"lab-plain\"]");
    let plan = bench.read("plan.toml");
    let opens = now() + SignedDuration::from_secs(30);
    bench.write("plan.toml", &format!("{plan}\n{}", window(&clock(30), "1h")));
    let run = ["run", "plan.toml", "--yes", "--approve", "all", "--reason", "fine", "--wait", "1s"];
    let document = bench.json(3, &run);
    assert_eq!(document["waiting"]["kind"], "window", "{document:#}");
    bench.host("uat-1").assert_untouched();
    let left = now().duration_until(opens) + SignedDuration::from_secs(1);
    std::thread::sleep(Duration::try_from(left).unwrap_or_default());
    let done = bench.json(0, &["resume", "--due", "--approve", "all", "--reason", "fine"]);
    assert_eq!(done["runs"][0]["outcome"], "complete", "{done:#}");
    assert_eq!(bench.host("uat-1").version("lab-plain"), "2.0");
}

#[test]
fn what_never_opens_is_refused_before_the_run_exists() {
    let Some(bench) = Bench::start(&[plain("uat-1")]) else { return };
    bench.plan("packages = [\"lab-plain\"]");
    let freeze = "[[freeze]]\nname = \"forever\"\nfrom = \"2026-01-01T00:00:00Z\"\nto = \"2190-01-01T00:00:00Z\"\n";
    bench.write("policy.toml", freeze);
    let document = bench.json(7, &["run", "plan.toml", "--yes", "--policy", "policy.toml"]);
    assert!(document["errors"][0]["message"].as_str().unwrap().contains("freeze forever"), "{document:#}");
    assert_eq!(bench.json(0, &["runs"])["runs"].as_array().unwrap().len(), 0);
    bench.host("uat-1").assert_untouched();
}

#[test]
fn a_window_that_ends_while_a_host_is_patched_holds_the_next_one_back() {
    let fresh = |name| spec(name).repo("handmade").cached().install(&["lab-slow=1.0"]);
    let Some(bench) = Bench::start(&[fresh("uat-1"), fresh("uat-2")]) else { return };
    bench.host("uat-1").sh("echo 60 >/etc/lab-slow.seconds");
    bench.host("uat-2").sh("echo 0 >/etc/lab-slow.seconds");
    let ends = format!("parallel = 1\n{}", window(&clock(45 - 3600), "1h"));
    bench.plan_of("lab", "packages = [\"lab-slow\"]", &ends);
    let document = bench.json(3, &["run", "plan.toml", "--yes", "--approve", "all", "--reason", "fine"]);
    assert_eq!(document["waiting"]["kind"], "window", "{document:#}");
    assert_eq!(bench.host("uat-1").version("lab-slow"), "2.0", "what has begun is finished");
    bench.host("uat-2").assert_untouched();
    let run = document["run_id"].as_str().unwrap();
    let undone = bench.json(4, &["cancel", run, "--reason", "not on two nights", "--yes"]);
    assert_eq!(standing(&undone, "uat-1"), "ROLLBACK/SUCCESS restored", "the way back waits for nothing");
    assert_eq!(bench.host("uat-1").version("lab-slow"), "1.0");
}

/// When a window opens next whose day is one of which this shell expression is true (`u`: the weekday, 1 is Monday; `d`:
/// the day of the month; `left`: how many days of it are left after it), and which begins at that time: by date(1).
fn by_date(zone: &str, start: &str, day: &str) -> Timestamp {
    let script = format!(
        "for n in $(seq 0 70); do
            at=$(TZ={zone} date -d \"12:00 $n days\" +%F)
            u=$(date -d $at +%u) d=$(date -d $at +%-d)
            left=$(( $(date -d \"$(date -d $at +%Y-%m-01) 1 month -1 day\" +%-d) - d ))
            [ $(({day})) = 1 ] || continue
            opens=$(date -d \"TZ=\\\"{zone}\\\" $at {start}\" +%s)
            [ $opens -le $(date +%s) ] || {{ echo $opens; exit; }}
        done"
    );
    let output = std::process::Command::new("sh").args(["-c", &script]).env("LC_ALL", "C").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    Timestamp::from_second(text.trim().parse().unwrap()).unwrap()
}

#[test]
fn a_window_opens_on_its_days_on_the_clocks_of_its_zone() {
    let Some(bench) = Bench::start(&[plain("uat-1")]) else { return };
    // An hour ago there: today's is over.
    let zone = TimeZone::get("Asia/Kathmandu").unwrap();
    let start = (now() - SignedDuration::from_hours(1)).to_zoned(zone).strftime("%H:%M").to_string();
    let opens = |day: &str| by_date("Asia/Kathmandu", &start, day);
    // Of each two the one that differs today from what a window without these keys would be.
    for (name, without, keys) in [
        ("days", "1", [("days = [\"Sat\"]", "u == 6"), ("days = [\"Wed\"]", "u == 3")]),
        (
            "weeks",
            "u == 7",
            [
                ("days = [\"Sun\"]\nweeks = [2]", "u == 7 && d > 7 && d <= 14"),
                ("days = [\"Sun\"]\nweeks = [4, -1]", "u == 7 && ((d > 21 && d <= 28) || left < 7)"),
            ],
        ),
        (
            "patch-tuesday",
            "1",
            [
                ("after_patch_tuesday = \"4d\"", "u == 6 && d > 11 && d <= 18"),
                ("after_patch_tuesday = \"0d\"", "u == 2 && d > 7 && d <= 14"),
            ],
        ),
    ] {
        let tells = |(_, day): &&(&str, &str)| opens(day) != opens(without);
        let (keys, day) = keys.iter().find(tells).unwrap();
        let clock = format!("start = \"{start}\"\nlength = \"30m\"\nzone = \"Asia/Kathmandu\"");
        bench.plan_of(name, "packages = [\"lab-plain\"]", &format!("[[stage.window]]\n{keys}\n{clock}"));
        let document = bench.json(3, &["run", &format!("{name}.toml"), "--yes", "--wait", "1s"]);
        let waiting = &document["waiting"];
        assert_eq!(waiting["kind"], "window", "{document:#}");
        let at: Timestamp = waiting["opens_at"].as_str().unwrap().parse().unwrap();
        assert_eq!(at, opens(day), "{name}: {keys}");
    }
    bench.host("uat-1").assert_untouched();
}
