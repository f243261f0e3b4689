//! Stages of many shapes, and windows that they fit or do not.

use jiff::civil::Time;
use proptest::prelude::*;

use super::*;
use crate::core::calendar::{Freeze, Window, Zone};

const MINUTE: u64 = 60_000;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn prod() -> StageName {
    StageName::new("prod").unwrap()
}

fn took(minutes: u64) -> Took {
    Took { worked_ms: minutes * MINUTE, booting_ms: 0 }
}

/// A run in which hosts of this stage took so many minutes each.
fn run(stage: &str, minutes: &[u64]) -> Earlier {
    Earlier(vec![(StageName::new(stage).unwrap(), minutes.iter().copied().map(took).collect())])
}

fn load(waves: &[usize], parallel: usize) -> Load {
    let waves = waves.iter().map(|hosts| Wave { hosts: *hosts, reboots: 0 }).collect();
    Load { waves, parallel, reboot_parallel: 1, after_wave: Duration::ZERO }
}

fn window(start: &str, minutes: u64, cutoff: u64) -> Window {
    Window {
        days: Vec::new(),
        weeks: Vec::new(),
        after_patch_tuesday: None,
        start: Time::strptime("%H:%M", start).unwrap(),
        length: Duration::from_millis(minutes * MINUTE),
        zone: Zone::UTC,
        cutoff: Duration::from_millis(cutoff * MINUTE),
    }
}

/// The forecast at noon, with these windows.
fn at_noon(load: &Load, earlier: &[Earlier], windows: &[Window]) -> Forecast {
    let windows = [windows.to_vec()];
    let calendar = Calendar::new(&prod(), &windows, &[]);
    forecast(load, &prod(), earlier, &calendar, at("2026-11-28T12:00:00Z")).unwrap()
}

fn minutes(load: &Load, earlier: &[Earlier]) -> u64 {
    at_noon(load, earlier, &[]).takes_ms.unwrap() / MINUTE
}

#[test]
fn waves_pass_one_after_the_other() {
    let earlier = [run("prod", &[5])];
    for (waves, parallel, takes) in [
        (&[1][..], 10, 5),
        (&[10], 10, 5),
        (&[11], 10, 10),
        (&[1, 10, 10], 10, 15),
        (&[1, 19, 20], 10, 25),
        (&[3], 1, 15),
        // A wave in which nobody has anything to do takes no time.
        (&[1, 0, 2], 10, 10),
        (&[2], 0, 10),
    ] {
        assert_eq!(minutes(&load(waves, parallel), &earlier), takes, "{waves:?} by {parallel}");
    }
    let soaked = Load { after_wave: Duration::from_secs(600), ..load(&[1, 0, 1, 1], 10) };
    assert_eq!(minutes(&soaked, &earlier), 3 * (5 + 10), "the last wave is watched, too");
    let free = Calendar::new(&prod(), &[], &[]);
    assert_eq!(forecast(&load(&[0, 0], 1), &prod(), &earlier, &free, Timestamp::UNIX_EPOCH), None);
}

#[test]
fn nine_of_ten_hosts_take_no_longer() {
    assert_eq!(slowest(Vec::new()), None);
    assert_eq!(slowest(vec![7]), Some(7));
    assert_eq!(slowest(vec![9, 1]), Some(9));
    assert_eq!(slowest((1..=10).rev().collect()), Some(9));
    assert_eq!(slowest((1..=100).collect()), Some(90));
}

#[test]
fn the_newest_runs_of_the_stage_count_else_those_of_the_plan() {
    let (one, uat) = (load(&[1], 1), run("uat", &[2, 2]));
    let few = at_noon(&one, &[uat.clone(), run("prod", &[4]), uat.clone()], &[]);
    assert_eq!((few.by, few.runs, few.per_host_ms), (Some(ForecastBy::Stage), 1, Some(4 * MINUTE)));
    let other = at_noon(&one, &[uat.clone(), uat], &[]);
    assert_eq!((other.by, other.runs, other.per_host_ms), (Some(ForecastBy::Plan), 2, Some(2 * MINUTE)));
    // The sixth is too old.
    let many: Vec<Earlier> = [1, 1, 2, 1, 1, 90].map(|minutes| run("prod", &[minutes])).into();
    let newest = at_noon(&one, &many, &[]);
    assert_eq!((newest.runs, newest.per_host_ms), (RUNS, Some(2 * MINUTE)));
}

#[test]
fn without_earlier_runs_nothing_is_known_but_when_it_may_begin() {
    let unknown = at_noon(&load(&[1, 2], 1), &[], &[window("22:00", 360, 60)]);
    assert_eq!((unknown.fits, unknown.runs, unknown.by, unknown.per_host_ms), (None, 0, None, None));
    assert_eq!((unknown.takes_ms, unknown.ends_at), (None, None));
    assert_eq!(unknown.begins_at, Some(Stamp(at("2026-11-28T22:00:00Z"))));
    assert_eq!(unknown.why.as_deref(), Some("no earlier run says how long hosts take"));
}

#[test]
fn a_stage_fits_its_window_or_says_why_not() {
    let earlier = [run("prod", &[60])];
    let (six, cut) = (&[window("22:00", 360, 0)][..], &[window("22:00", 360, 120)][..]);
    let two_nights = "2026-11-29T22:00:00Z";
    for (hosts, windows, ends, why) in [
        (6, six, "2026-11-29T04:00:00Z", None),
        (4, cut, "2026-11-29T02:00:00Z", None),
        // The last one begins in time: before the cutoff, and ends with the window.
        (6, &[window("22:00", 360, 59)], "2026-11-29T04:00:00Z", None),
        // One hour more, and the last one begins the next night.
        (7, six, "2026-11-29T23:00:00Z", Some("1 of 7 hosts would not begin in time")),
        (5, cut, "2026-11-29T23:00:00Z", Some("1 of 5 hosts would not begin in time")),
        (9, cut, "2026-11-30T23:00:00Z", Some("5 of 9 hosts would not begin in time")),
        // It begins, and is not done at the end.
        (
            6,
            &[window("22:00", 350, 0)],
            "2026-11-29T04:00:00Z",
            Some("its last hosts would be worked on after the end"),
        ),
        // Two windows that adjoin are one.
        (7, &[window("22:00", 360, 0), window("04:00", 60, 0)], "2026-11-29T05:00:00Z", None),
    ] {
        let found = at_noon(&load(&[hosts], 1), &earlier, windows);
        assert_eq!((found.ends_at, found.why.as_deref()), (Some(Stamp(at(ends))), why), "{hosts} {windows:?}");
        assert_eq!(found.fits, Some(why.is_none()));
        assert_eq!(found.begins_at, Some(Stamp(at("2026-11-28T22:00:00Z"))));
        // Waiting for a window is no work.
        assert_eq!(found.takes_ms, Some(hosts as u64 * 60 * MINUTE));
    }
    let cut = at_noon(&load(&[1], 1), &earlier, cut);
    assert_eq!(cut.none_after, Some(Stamp(at("2026-11-29T02:00:00Z"))));
    assert_eq!(cut.until, Some(Stamp(at("2026-11-29T04:00:00Z"))));
    // The first host that is late takes all that follow with it, also where the window is open again by then.
    let late = at_noon(&load(&[4, 4, 4], 4), &earlier, &[window("22:00", 61, 0)]);
    assert_eq!(late.why.as_deref(), Some("4 of 12 hosts would not begin in time"));
    assert_eq!(late.ends_at, Some(Stamp(at(two_nights) + SignedDuration::from_mins(60))));
}

#[test]
fn without_a_window_it_begins_at_once_and_fits() {
    let free = at_noon(&load(&[2], 1), &[run("prod", &[10])], &[]);
    assert_eq!(
        (free.begins_at, free.ends_at),
        (Some(Stamp(at("2026-11-28T12:00:00Z"))), Some(Stamp(at("2026-11-28T12:20:00Z"))))
    );
    assert_eq!((free.fits, free.none_after, free.until, free.why), (Some(true), None, None, None));
}

#[test]
fn a_freeze_stands_in_the_way_as_well() {
    let freeze = |from: &str, to: &str| Freeze {
        name: "f".into(),
        from: at(from),
        to: at(to),
        stages: Vec::new(),
        override_by: Vec::new(),
    };
    let (now, earlier, two) = (at("2026-11-28T12:00:00Z"), [run("prod", &[60])], load(&[2], 1));
    let soon = [freeze("2026-11-28T12:30:00Z", "2026-12-01T00:00:00Z")];
    let cut = forecast(&two, &prod(), &earlier, &Calendar::new(&prod(), &[], &soon), now).unwrap();
    assert_eq!((cut.fits, cut.ends_at), (Some(false), Some(Stamp(at("2026-12-01T01:00:00Z")))));
    let for_good = [freeze("2026-01-01T00:00:00Z", "2040-01-01T00:00:00Z")];
    let never = forecast(&two, &prod(), &earlier, &Calendar::new(&prod(), &[], &for_good), now).unwrap();
    assert_eq!((never.fits, never.begins_at, never.ends_at), (Some(false), None, None));
    assert_eq!(never.why.as_deref(), Some("no host may begin, and as far as can be seen none ever may"));
    // It begins, and what is left never may.
    let then = [freeze("2026-11-28T12:30:00Z", "2040-01-01T00:00:00Z")];
    let stuck = forecast(&two, &prod(), &earlier, &Calendar::new(&prod(), &[], &then), now).unwrap();
    assert_eq!((stuck.fits, stuck.ends_at), (Some(false), None));
    assert_eq!(stuck.why.as_deref(), Some("1 of 2 hosts would not begin in time"));
}

#[test]
fn hosts_that_boot_wait_for_their_turn() {
    let booted = Took { worked_ms: 3 * MINUTE, booting_ms: 2 * MINUTE };
    let earlier = [Earlier(vec![(prod(), vec![booted])])];
    let boots = |hosts, reboots, parallel, reboot_parallel| Load {
        waves: vec![Wave { hosts, reboots }],
        reboot_parallel,
        ..load(&[], parallel)
    };
    for (hosts, reboots, parallel, at_a_time, takes) in [
        // Where nobody boots, earlier reboots do not count.
        (10, 0, 10, 1, 1),
        (10, 10, 10, 10, 3),
        (10, 10, 10, 1, 21),
        (10, 10, 1, 1, 30),
        (10, 5, 10, 1, 11),
        (20, 20, 10, 5, 9),
    ] {
        let found = minutes(&boots(hosts, reboots, parallel, at_a_time), &earlier);
        assert_eq!(found, takes, "{reboots} of {hosts}, {at_a_time} at a time");
    }
    // Nobody has booted yet, so nothing is known of it.
    assert_eq!(minutes(&boots(4, 4, 4, 1), &[run("prod", &[1])]), 1);
}

#[test]
fn absurd_numbers_are_no_panic() {
    let earlier = [Earlier(vec![(prod(), vec![Took { worked_ms: u64::MAX, booting_ms: 1 }])])];
    let all = Load {
        waves: vec![Wave { hosts: 3, reboots: 3 }; 2],
        after_wave: Duration::MAX,
        reboot_parallel: 0,
        ..load(&[], 0)
    };
    let found = at_noon(&all, &earlier, &[window("22:00", 360, 0)]);
    assert_eq!((found.fits, found.ends_at), (Some(false), None));
}

proptest! {
    /// More to do never ends sooner; what fits begins and ends in the window in which it begins.
    #[test]
    fn more_is_never_sooner(
        waves in prop::collection::vec(0_usize..30, 1..5), parallel in 1_usize..20, each in 1_u64..90,
        length in 30_u64..1440, cutoff in 0_u64..30, more in 0_usize..30,
    ) {
        let (earlier, windows) = ([run("prod", &[each])], [window("22:00", length, cutoff)]);
        prop_assume!(waves.iter().sum::<usize>() > 0);
        let some = at_noon(&load(&waves, parallel), &earlier, &windows);
        let larger: Vec<usize> = waves.iter().map(|hosts| hosts + more).collect();
        let all = at_noon(&load(&larger, parallel), &earlier, &windows);
        prop_assert!(all.ends_at >= some.ends_at && all.takes_ms >= some.takes_ms);
        prop_assert!(all.fits == Some(false) || some.fits == Some(true));
        let spent = some.ends_at.unwrap().0.duration_since(some.begins_at.unwrap().0);
        let takes = SignedDuration::from_millis(some.takes_ms.unwrap() as i64);
        prop_assert!(spent >= takes);
        if some.fits == Some(true) {
            prop_assert!(spent == takes && some.ends_at <= some.until);
        }
    }
}
