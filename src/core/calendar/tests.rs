//! Windows and freezes on nights of change, north and south, and what must hold of every calendar.

use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn window(days: &[&str], start: &str, hours: u64, zone: &str) -> Window {
    Window {
        days: days.iter().map(|day| Day::named(day).unwrap()).collect(),
        weeks: Vec::new(),
        after_patch_tuesday: None,
        start: Time::strptime("%H:%M", start).unwrap(),
        length: Duration::from_secs(hours * 3600),
        zone: Zone::named(zone).unwrap(),
        cutoff: Duration::ZERO,
    }
}

fn calendar<'a>(windows: &'a [Vec<Window>], freezes: &'a [Freeze]) -> Calendar<'a> {
    Calendar::new(&StageName::new("prod").unwrap(), windows, freezes)
}

fn opens(window: Window, from: &str) -> (Timestamp, Timestamp) {
    let windows = [vec![window]];
    let calendar = calendar(&windows, &[]);
    let opens = match calendar.state(at(from)) {
        State::Shut { opens, .. } => opens.unwrap(),
        State::Open { .. } => at(from),
    };
    let State::Open { end: Some(end), .. } = calendar.state(opens) else { panic!("open then") };
    (opens, end)
}

#[test]
fn nights_of_change_move_the_start_and_leave_the_length() {
    for (zone, start, from, opens_at) in [
        // An ordinary day, for comparison.
        ("Europe/Berlin", "22:00", "2026-06-06T12:00:00Z", "2026-06-06T20:00:00Z"),
        // Spring: 02:00 becomes 03:00; 02:30 is not there, and comes as 03:30.
        ("Europe/Berlin", "22:00", "2026-03-28T12:00:00Z", "2026-03-28T21:00:00Z"),
        ("Europe/Berlin", "02:30", "2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z"),
        // Autumn: 02:30 comes twice, and the first is meant.
        ("Europe/Berlin", "02:30", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
        ("America/New_York", "02:30", "2026-03-07T18:00:00Z", "2026-03-08T07:30:00Z"),
        ("America/New_York", "01:30", "2026-10-31T18:00:00Z", "2026-11-01T05:30:00Z"),
        ("Australia/Sydney", "02:30", "2026-10-03T12:00:00Z", "2026-10-03T16:30:00Z"),
        ("Australia/Sydney", "02:30", "2026-04-04T10:00:00Z", "2026-04-04T15:30:00Z"),
        // Half an hour: 02:15 comes as 02:45 in October, and twice in April.
        ("Australia/Lord_Howe", "02:15", "2026-10-03T12:00:00Z", "2026-10-03T15:45:00Z"),
        ("Australia/Lord_Howe", "01:45", "2026-04-04T12:00:00Z", "2026-04-04T14:45:00Z"),
    ] {
        let (opens, end) = opens(window(&[], start, 6, zone), from);
        assert_eq!(opens, at(opens_at), "{zone} {start}");
        assert_eq!(end.duration_since(opens), SignedDuration::from_hours(6), "{zone} {start}");
    }
}

#[test]
fn days_weeks_and_patch_tuesday() {
    let second = Window { weeks: vec![2], ..window(&["Sat"], "22:00", 6, "UTC") };
    assert_eq!(opens(second, "2026-11-15T12:00:00Z").0, at("2026-12-12T22:00:00Z"));
    let last = Window { weeks: vec![-1], ..window(&["Sun"], "03:00", 1, "UTC") };
    assert_eq!(opens(last, "2026-11-01T04:00:00Z").0, at("2026-11-29T03:00:00Z"));
    // November's patch Tuesday is the 10th, December's the 8th.
    let after = Window { after_patch_tuesday: Some(4), ..window(&[], "22:00", 6, "UTC") };
    assert_eq!(opens(after.clone(), "2026-11-02T00:00:00Z").0, at("2026-11-14T22:00:00Z"));
    assert_eq!(opens(after, "2026-11-15T12:00:00Z").0, at("2026-12-12T22:00:00Z"));
    // From one month into the next.
    let late = Window { after_patch_tuesday: Some(25), ..window(&[], "22:00", 6, "UTC") };
    assert_eq!(opens(late, "2026-11-02T00:00:00Z").0, at("2026-11-07T22:00:00Z"));
    assert_eq!(day_after_patch_tuesday(4).name(), "Sat");
}

#[test]
fn no_host_begins_after_the_cutoff() {
    let windows = [vec![Window { cutoff: Duration::from_secs(3600), ..window(&["Sat"], "22:00", 6, "Europe/Berlin") }]];
    let calendar = calendar(&windows, &[]);
    let (open, last, end) = (at("2026-11-28T21:00:00Z"), at("2026-11-29T02:00:00Z"), at("2026-11-29T03:00:00Z"));
    assert_eq!(calendar.state(open), State::Open { last: Some(last), end: Some(end) });
    assert!(!calendar.is_open(at("2026-11-28T20:59:59Z")) && calendar.is_open(at("2026-11-29T01:59:59Z")));
    let State::Shut { by: Barrier::Windows(_), opens } = calendar.state(last) else { panic!("shut") };
    assert_eq!(opens, Some(at("2026-12-05T21:00:00Z")));
    assert_eq!(windows[0][0].to_string(), "Sat 22:00 for 6h (Europe/Berlin), no new host in the last 1h");
    assert_eq!(windows[0][0].zone.show(open), "Sat 2026-11-28 22:00");
}

fn freeze(name: &str, from: &str, to: &str, stages: &[&str]) -> Freeze {
    Freeze {
        name: name.into(),
        from: at(from),
        to: at(to),
        stages: stages.iter().map(ToString::to_string).collect(),
        override_by: Vec::new(),
    }
}

#[test]
fn one_of_each_list_and_no_freeze() {
    let plan = vec![window(&["Sat"], "20:00", 4, "UTC"), window(&["Sun"], "20:00", 4, "UTC")];
    let policy = vec![window(&["Sun"], "22:00", 4, "UTC")];
    let windows = [plan, policy];
    let frozen = [
        freeze("christmas", "2026-12-20T00:00:00Z", "2027-01-03T22:30:00Z", &["pr*"]),
        freeze("uat only", "2026-11-01T00:00:00Z", "2027-12-01T00:00:00Z", &["uat"]),
    ];
    let both = calendar(&windows, &frozen);
    let State::Shut { opens, .. } = both.state(at("2026-11-28T21:00:00Z")) else { panic!("only one is open") };
    assert_eq!(opens, Some(at("2026-11-29T22:00:00Z")));
    let State::Shut { by: Barrier::Freeze(by), opens } = both.state(at("2026-12-20T23:00:00Z")) else {
        panic!("frozen")
    };
    assert_eq!((by.name.as_str(), opens), ("christmas", Some(at("2027-01-03T22:30:00Z"))));
    let State::Open { last, end } = both.state(at("2026-11-29T22:30:00Z")) else { panic!("open") };
    assert_eq!((last, end), (Some(at("2026-11-30T00:00:00Z")), Some(at("2026-11-30T00:00:00Z"))));
    // Windows that never meet, and a freeze without an end in sight.
    let apart = [vec![window(&["Sat"], "20:00", 1, "UTC")], vec![window(&["Mon"], "20:00", 1, "UTC")]];
    assert!(calendar(&apart, &[]).state(at("2026-11-28T20:30:00Z")).is_never());
    let long = [freeze("for good", "2026-01-01T00:00:00Z", "2036-01-01T00:00:00Z", &[])];
    assert!(calendar(&[], &long).state(at("2026-11-28T20:30:00Z")).is_never());
    assert!(calendar(&[], &[]).is_empty());
    // An open window ends where a freeze begins.
    let soon = [freeze("soon", "2026-11-29T23:00:00Z", "2026-11-30T00:00:00Z", &[])];
    let State::Open { last, .. } = calendar(&windows, &soon).state(at("2026-11-29T22:30:00Z")) else { panic!("open") };
    assert_eq!(last, Some(at("2026-11-29T23:00:00Z")));
}

#[test]
fn globs_of_stages() {
    for (glob, name, fits) in [
        ("prod", "prod", true),
        ("prod", "prod-eu", false),
        ("prod*", "prod-eu", true),
        ("*-eu", "prod-eu", true),
        ("p?od*eu", "prod-web-eu", true),
        ("*", "x", true),
        ("a*b*c", "a-b-b-x", false),
    ] {
        assert_eq!(is_match(glob, name), fits, "{glob} {name}");
    }
}

#[test]
fn what_is_frozen_reads_back() {
    let window = Window { weeks: vec![-1], ..window(&["Sat"], "22:00", 6, "europe/berlin") };
    let text = serde_json::to_string(&window).unwrap();
    assert!(text.contains("\"zone\":\"Europe/Berlin\"") && text.contains("\"days\":[\"Sat\"]"), "{text}");
    assert_eq!(serde_json::from_str::<Window>(&text).unwrap(), window);
    assert!(serde_json::from_str::<Window>(&text.replace("Europe/Berlin", "Europe/Nowhere")).is_err());
    for none in ["Mars/Olympus", "", "Etc/Unknown", "../etc/passwd"] {
        assert!(Zone::named(none).is_err(), "{none}");
    }
}

fn any_window() -> impl Strategy<Value = Window> {
    let zones =
        ["UTC", "Europe/Berlin", "America/New_York", "Australia/Sydney", "Australia/Lord_Howe", "Asia/Kathmandu"];
    let days = prop::sample::subsequence(vec!["Mon", "Tue", "Sat", "Sun"], 0..3);
    let weeks = prop::sample::subsequence(vec![1_i8, 2, 4, -1], 0..2);
    (days, weeks, 0_i8..24, 0_i8..60, 600_u64..200_000, 0_u64..100, prop::sample::select(zones.to_vec())).prop_map(
        |(days, weeks, hour, minute, length, share, zone)| Window {
            weeks,
            start: Time::constant(hour, minute, 0, 0),
            length: Duration::from_secs(length),
            cutoff: Duration::from_secs(length * share / 100),
            ..window(&days, "00:00", 1, zone)
        },
    )
}

fn any_freeze() -> impl Strategy<Value = Freeze> {
    (1_780_000_000_i64..1_830_000_000, 1_i64..3_000_000).prop_map(|(from, length)| Freeze {
        from: Timestamp::from_second(from).unwrap(),
        to: Timestamp::from_second(from + length).unwrap(),
        ..freeze("f", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", &[])
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// What opens is open then, and not a second before; what is open stays so until its last moment, and no longer.
    #[test]
    fn the_state_is_true(
        windows in prop::collection::vec(prop::collection::vec(any_window(), 1..3), 0..3),
        freezes in prop::collection::vec(any_freeze(), 0..3),
        now in 1_780_000_000_i64..1_830_000_000, share in 0_i64..1000,
    ) {
        let now = Timestamp::from_second(now).unwrap();
        let calendar = calendar(&windows, &freezes);
        let state = calendar.state(now);
        prop_assert_eq!(state.is_open(), calendar.is_open(now));
        let second = SignedDuration::from_secs(1);
        match state {
            State::Shut { opens: Some(opens), .. } => {
                prop_assert!(opens > now && calendar.is_open(opens));
                prop_assert!(!calendar.is_open(opens - second));
                // And at no moment between.
                let between = now + SignedDuration::from_secs(opens.duration_since(now).as_secs() * share / 1000);
                prop_assert!(between == opens || !calendar.is_open(between));
            }
            State::Shut { opens: None, .. } => {
                let later = now + SignedDuration::from_hours(DAYS_AHEAD * 24 * share / 1000);
                prop_assert!(!calendar.is_open(later));
            }
            State::Open { last: Some(last), end } => {
                prop_assert!(last > now && end.is_none_or(|end| end >= last) && calendar.is_open(last - second));
                prop_assert!(!calendar.is_open(last));
                let between = now + SignedDuration::from_secs((last.duration_since(now).as_secs() - 1).max(0) * share / 1000);
                prop_assert!(calendar.is_open(between));
            }
            // Daily windows longer than a day, or none.
            State::Open { last: None, .. } => {
                let later = now + SignedDuration::from_hours(DAYS_AHEAD * 24 * share / 1000);
                prop_assert!(calendar.is_open(later));
            }
        }
    }
}
