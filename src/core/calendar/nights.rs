//! Windows on nights of change, against an oracle that knows no time zone's rules: it looks at the wall's clock once a
//! minute, and counts a month's days one by one.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::DateTime;
use proptest::prelude::*;

use super::*;

const ZONES: [&str; 10] = [
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "America/St_Johns",
    "Africa/Casablanca",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Pacific/Chatham",
    "UTC",
];
const MINUTE: SignedDuration = SignedDuration::from_secs(60);
const HALF: i64 = 4 * 1440;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

fn window(zone: &str, start: &str, length: u64) -> Window {
    Window {
        days: Vec::new(),
        weeks: Vec::new(),
        after_patch_tuesday: None,
        start: Time::strptime("%H:%M", start).unwrap(),
        length: minutes(length),
        zone: Zone::named(zone).unwrap(),
        cutoff: Duration::ZERO,
    }
}

fn on(days: &[&str], window: Window) -> Window {
    Window { days: days.iter().map(|day| Day::named(day).unwrap()).collect(), ..window }
}

fn calendar(windows: &[Vec<Window>]) -> Calendar<'_> {
    Calendar::new(&StageName::new("prod").unwrap(), windows, &[])
}

/// Whether a window starts on a day, by counting the days of its month.
fn naive_starts_on(window: &Window, date: Date) -> bool {
    let month: Vec<Date> =
        date.first_of_month().series(1.day()).take_while(|day| day.month() == date.month()).collect();
    let same: Vec<&Date> = month.iter().filter(|day| day.weekday() == date.weekday()).collect();
    let place = same.iter().position(|day| **day == date).unwrap() + 1;
    let week = window.weeks.iter().any(|week| match week {
        -1 => place == same.len(),
        week => place == usize::try_from(*week).unwrap(),
    });
    let patched = window.after_patch_tuesday.is_none_or(|days| {
        let mut day = date;
        for _ in 0..days {
            day = day.yesterday().unwrap();
        }
        let tuesdays = day.first_of_month().series(1.day()).filter(|day| day.weekday() == Weekday::Tuesday);
        tuesdays.take(2).last() == Some(day)
    });
    (window.days.is_empty() || window.days.iter().any(|day| day.0 == date.weekday()))
        && (window.weeks.is_empty() || week)
        && patched
}

/// What the wall's clock shows at each minute, from this moment on.
struct Wall {
    first: Timestamp,
    shows: Vec<DateTime>,
}

impl Wall {
    fn around(zone: &Zone, middle: Timestamp) -> Self {
        let first = Timestamp::from_second(middle.as_second().div_euclid(60) * 60).unwrap() - MINUTE * HALF as i32;
        let shows = (0..2 * HALF).map(|n| zone.0.to_datetime(first + MINUTE * n as i32)).collect();
        Self { first, shows }
    }

    fn moment(&self, minute: i64) -> Timestamp {
        self.first + MINUTE * i32::try_from(minute).unwrap()
    }

    /// The first minute at which it shows this. Where it skips it: what a clock shows it that was not put forward.
    fn reaches(&self, wanted: DateTime) -> Option<i64> {
        let past = self.shows.iter().position(|shown| *shown >= wanted)?;
        let missing = match self.shows[past] == wanted {
            true => 0,
            false => wanted.duration_since(*self.shows[..past].last()?).as_mins() - 1,
        };
        i64::try_from(past).ok().map(|past| past + missing)
    }

    /// The minutes at which hosts may begin, and those at which what has begun may go on.
    fn open(&self, window: &Window) -> (BTreeSet<i64>, BTreeSet<i64>) {
        let dates: BTreeSet<Date> = self.shows.iter().map(|shown| shown.date()).collect();
        let (mut begin, mut go_on) = (BTreeSet::new(), BTreeSet::new());
        for date in dates.into_iter().filter(|date| naive_starts_on(window, *date)) {
            let Some(from) = self.reaches(date.to_datetime(window.start)) else { continue };
            let (length, cutoff) = (window.length.as_secs() / 60, window.cutoff.as_secs() / 60);
            begin.extend((0..length - cutoff).map(|n| from + n as i64));
            go_on.extend((0..length).map(|n| from + n as i64));
        }
        (begin, go_on)
    }
}

/// Moments at which something is special: the zone's changes of some years, and the turn of a month or year.
fn special(zone: &str) -> Vec<Timestamp> {
    let zone = Zone::named(zone).unwrap();
    let changes = zone.0.following(at("2024-01-01T00:00:00Z")).take(20).map(|change| change.timestamp());
    let turns = ["2024-03-01T00:00:00Z", "2027-01-01T00:00:00Z", "2028-02-29T12:00:00Z", "2026-11-01T00:00:00Z"];
    changes.chain(turns.map(at)).collect()
}

/// The times at which hosts may begin, as somebody sees them who always waits for what he was told.
fn walked(calendar: &Calendar<'_>, from: Timestamp, to: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    let (mut all, mut now) = (Vec::new(), from);
    while now < to {
        now = match calendar.state(now) {
            State::Open { last, .. } => {
                let last = last.unwrap_or(to);
                all.push((now, last));
                last
            }
            State::Shut { opens, .. } => opens.unwrap_or(to),
        };
    }
    all
}

#[test]
fn a_window_begins_by_the_wall_and_lasts_by_the_clock() {
    for (zone, start, length, after, opens, end) in [
        // Spring in Berlin: 02:00 is 03:00. Over the change it lasts as long as ever, so it ends later by the wall.
        ("Europe/Berlin", "22:00", 360, "2026-03-28T12:00:00Z", "Sat 2026-03-28 22:00", "Sun 2026-03-29 05:00"),
        ("Europe/Berlin", "01:59", 2, "2026-03-28T12:00:00Z", "Sun 2026-03-29 01:59", "Sun 2026-03-29 03:01"),
        ("Europe/Berlin", "02:00", 60, "2026-03-28T12:00:00Z", "Sun 2026-03-29 03:00", "Sun 2026-03-29 04:00"),
        ("Europe/Berlin", "02:59", 60, "2026-03-28T12:00:00Z", "Sun 2026-03-29 03:59", "Sun 2026-03-29 04:59"),
        ("Europe/Berlin", "03:00", 60, "2026-03-28T12:00:00Z", "Sun 2026-03-29 03:00", "Sun 2026-03-29 04:00"),
        // Autumn: 03:00 is 02:00 again. It ends earlier by the wall; what begins in the hour that comes twice, once.
        ("Europe/Berlin", "22:00", 360, "2026-10-24T12:00:00Z", "Sat 2026-10-24 22:00", "Sun 2026-10-25 03:00"),
        ("Europe/Berlin", "02:00", 30, "2026-10-24T12:00:00Z", "Sun 2026-10-25 02:00", "Sun 2026-10-25 02:30"),
        ("Europe/Berlin", "02:30", 60, "2026-10-24T12:00:00Z", "Sun 2026-10-25 02:30", "Sun 2026-10-25 02:30"),
        ("Europe/Berlin", "03:00", 60, "2026-10-24T12:00:00Z", "Sun 2026-10-25 03:00", "Sun 2026-10-25 04:00"),
        ("America/New_York", "02:15", 60, "2026-03-07T12:00:00Z", "Sun 2026-03-08 03:15", "Sun 2026-03-08 04:15"),
        ("America/New_York", "01:30", 90, "2026-10-31T12:00:00Z", "Sun 2026-11-01 01:30", "Sun 2026-11-01 02:00"),
        // South: the year turned round.
        ("Australia/Sydney", "02:30", 60, "2026-10-03T02:00:00Z", "Sun 2026-10-04 03:30", "Sun 2026-10-04 04:30"),
        ("Australia/Sydney", "23:00", 300, "2026-04-04T02:00:00Z", "Sat 2026-04-04 23:00", "Sun 2026-04-05 03:00"),
        // Santiago changes at midnight: 00:30 is skipped, and 23:30 comes twice, on the day before.
        ("America/Santiago", "00:30", 60, "2026-09-05T12:00:00Z", "Sun 2026-09-06 01:30", "Sun 2026-09-06 02:30"),
        ("America/Santiago", "23:30", 60, "2026-04-04T12:00:00Z", "Sat 2026-04-04 23:30", "Sat 2026-04-04 23:30"),
        ("America/Santiago", "00:00", 60, "2026-04-04T12:00:00Z", "Sun 2026-04-05 00:00", "Sun 2026-04-05 01:00"),
        // Casablanca leaves its summer time for Ramadan.
        ("Africa/Casablanca", "02:30", 60, "2026-02-14T12:00:00Z", "Sun 2026-02-15 02:30", "Sun 2026-02-15 02:30"),
        ("Africa/Casablanca", "02:30", 60, "2026-03-21T12:00:00Z", "Sun 2026-03-22 03:30", "Sun 2026-03-22 04:30"),
        // Lord Howe moves by half an hour.
        ("Australia/Lord_Howe", "02:15", 60, "2026-10-03T12:00:00Z", "Sun 2026-10-04 02:45", "Sun 2026-10-04 03:45"),
        ("Australia/Lord_Howe", "01:45", 60, "2026-04-04T12:00:00Z", "Sun 2026-04-05 01:45", "Sun 2026-04-05 02:15"),
        ("Asia/Kolkata", "02:30", 60, "2026-03-28T12:00:00Z", "Sun 2026-03-29 02:30", "Sun 2026-03-29 03:30"),
    ] {
        let windows = [vec![window(zone, start, length)]];
        let (calendar, zone) = (calendar(&windows), &windows[0][0].zone);
        let opening = calendar.opens_after(at(after)).unwrap();
        let State::Open { last: Some(last), end: Some(ends) } = calendar.state(opening) else { panic!("{start}") };
        assert_eq!((zone.show(opening).as_str(), zone.show(ends).as_str()), (opens, end), "{} {start}", zone.name());
        assert_eq!(ends.duration_since(opening), MINUTE * i32::try_from(length).unwrap());
        assert_eq!(last, ends);
        assert!(!calendar.is_open(opening - MINUTE) && calendar.is_open(opening) && !calendar.is_open(ends));
    }
}

#[test]
fn the_hour_that_comes_twice_opens_once() {
    let windows = [vec![on(&["Sun"], window("Europe/Berlin", "02:30", 30))]];
    let calendar = calendar(&windows);
    let first = at("2026-10-25T00:30:00Z");
    assert_eq!(
        calendar.state(at("2026-10-24T00:00:00Z")),
        State::Shut { by: Barrier::Windows(&windows[0]), opens: Some(first) }
    );
    // Its 02:30 comes again an hour later.
    assert!(calendar.is_open(first) && !calendar.is_open(at("2026-10-25T01:30:00Z")));
    assert_eq!(calendar.opens_after(first + MINUTE * 30), Some(at("2026-11-01T01:30:00Z")));
}

#[test]
fn a_cutoff_counts_back_from_the_end_that_passes() {
    let cut = Window { cutoff: minutes(60), ..on(&["Sat"], window("Europe/Berlin", "22:00", 360)) };
    for (night, last, end) in [
        ("2026-03-28T21:00:00Z", "Sun 2026-03-29 04:00", "Sun 2026-03-29 05:00"),
        ("2026-10-24T20:00:00Z", "Sun 2026-10-25 02:00", "Sun 2026-10-25 03:00"),
    ] {
        let windows = [vec![cut.clone()]];
        let calendar = calendar(&windows);
        let State::Open { last: Some(cuts), end: Some(ends) } = calendar.state(at(night)) else { panic!("open") };
        let zone = &cut.zone;
        assert_eq!((zone.show(cuts).as_str(), zone.show(ends).as_str()), (last, end));
        assert_eq!(ends.duration_since(cuts), MINUTE * 60);
        assert!(calendar.is_open(cuts - MINUTE) && !calendar.is_open(cuts) && calendar.is_on(cuts));
        assert!(calendar.is_on(ends - MINUTE) && !calendar.is_on(ends));
    }
}

#[test]
fn windows_that_adjoin_are_one() {
    let (sat, sun) = (on(&["Sat"], window("UTC", "22:00", 120)), on(&["Sun"], window("UTC", "00:00", 240)));
    let (night, end) = (at("2026-11-28T23:00:00Z"), at("2026-11-29T04:00:00Z"));
    let one_list = [vec![sat.clone(), sun.clone()]];
    assert_eq!(calendar(&one_list).state(night), State::Open { last: Some(end), end: Some(end) });
    // A cutoff lies between them: no host begins in it, and what has begun goes on.
    let cut = [vec![Window { cutoff: minutes(30), ..sat.clone() }, sun]];
    let last = at("2026-11-28T23:30:00Z");
    assert_eq!(calendar(&cut).state(night), State::Open { last: Some(last), end: Some(end) });
    // Of two lists both must be open.
    let two_lists = [one_list[0].clone(), vec![on(&["Sat"], window("UTC", "21:00", 240))]];
    let end = at("2026-11-29T01:00:00Z");
    assert_eq!(calendar(&two_lists).state(night), State::Open { last: Some(end), end: Some(end) });
    // A freeze ends them all.
    let frozen = Freeze {
        name: "f".into(),
        from: at("2026-11-29T00:00:00Z"),
        to: at("2026-11-30T00:00:00Z"),
        stages: Vec::new(),
        override_by: Vec::new(),
    };
    let frozen = [frozen];
    let both = Calendar::new(&StageName::new("prod").unwrap(), &one_list, &frozen);
    let from = Some(frozen[0].from);
    assert_eq!(both.state(night), State::Open { last: from, end: from });
}

#[test]
fn a_day_long_window_leaves_out_the_hour_that_a_long_day_has_more() {
    let windows = [vec![window("Europe/Berlin", "00:00", 1440)]];
    let calendar = calendar(&windows);
    // From one autumn to the next: the day of spring is shorter than its window.
    let opens = at("2025-10-26T23:00:00Z");
    let shuts = at("2026-10-25T22:00:00Z");
    assert_eq!(calendar.state(opens), State::Open { last: Some(shuts), end: Some(shuts) });
    assert_eq!(calendar.opens_after(shuts), Some(at("2026-10-25T23:00:00Z")));
    // What never shuts within sight, nothing ends.
    let windows = [vec![window("Asia/Kolkata", "00:00", 1440)]];
    assert_eq!(self::calendar(&windows).state(opens), State::Open { last: None, end: None });
}

/// The dates on which a window opens from 2024 to 2032, by its own count.
fn opening_dates(window: Window) -> Vec<Date> {
    let windows = [vec![window]];
    let (calendar, zone) = (calendar(&windows), &windows[0][0].zone);
    let (from, to) = (at("2024-01-01T12:00:00Z"), at("2032-01-01T12:00:00Z"));
    walked(&calendar, from, to).into_iter().map(|(opens, _)| zone.date(opens)).collect()
}

#[test]
fn weeks_and_patch_tuesdays_over_months_and_years() {
    let days = || Date::constant(2024, 1, 3).series(1.day()).take_while(|day| day.year() < 2032);
    let weeks = [vec![], vec![1], vec![5], vec![-1], vec![2, 4], vec![4, -1]].map(|weeks| (weeks, None));
    let offsets = [0, 4, 11, 17, 18, 20, 25, 27].map(|days| (Vec::new(), Some(days)));
    for zone in ["UTC", "America/Santiago", "Pacific/Chatham"] {
        for (weeks, after_patch_tuesday) in weeks.iter().chain(&offsets) {
            let days_of = if after_patch_tuesday.is_none() { &["Mon", "Sun"][..] } else { &[] };
            let base = on(days_of, window(zone, "03:10", 60));
            let window = Window { weeks: weeks.clone(), after_patch_tuesday: *after_patch_tuesday, ..base };
            let wanted: Vec<Date> = days().filter(|day| naive_starts_on(&window, *day)).collect();
            let mut found = opening_dates(window);
            found.retain(|day| *day >= Date::constant(2024, 1, 3) && day.year() < 2032);
            assert_eq!(found, wanted, "{zone} {weeks:?} {after_patch_tuesday:?}");
        }
    }
    // December's patch Tuesday of 2026 is the 8th: 25 days later is another year.
    let late = Window { after_patch_tuesday: Some(25), ..window("Europe/Berlin", "22:00", 60) };
    assert!(opening_dates(late).contains(&Date::constant(2027, 1, 2)));
    // February's of 2028 is the 8th: three weeks later is the leap day.
    let leap = Window { after_patch_tuesday: Some(21), ..window("Europe/Berlin", "22:00", 60) };
    assert!(opening_dates(leap).contains(&Date::constant(2028, 2, 29)));
}

#[test]
fn openings_come_in_order_whatever_the_clocks_do() {
    for zone in ZONES {
        for start in ["00:00", "00:30", "01:45", "02:00", "02:15", "02:45", "03:00", "23:30"] {
            let window = window(zone, start, 60);
            let mut now = at("2024-01-01T00:00:00Z");
            for _ in 0..1500 {
                let next = window.next_after(now).unwrap();
                let gap = next.duration_since(now);
                assert!(gap > SignedDuration::ZERO && gap <= SignedDuration::from_hours(26), "{zone} {start} {next}");
                now = next;
            }
        }
    }
}

fn any_window() -> impl Strategy<Value = Window> {
    let days = prop::sample::subsequence(vec!["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], 0..6);
    // Most starts are where clocks change.
    let start = prop_oneof![(0_i8..4, 0_i8..60), (22_i8..24, 0_i8..60), (0_i8..24, 0_i8..60)];
    let rule = prop_oneof![
        3 => Just((Vec::new(), None)),
        1 => prop::sample::subsequence(vec![1_i8, 2, 3, 4, 5, -1], 1..4).prop_map(|weeks| (weeks, None)),
        1 => (0_u8..28).prop_map(|days| (Vec::new(), Some(days))),
    ];
    let length = prop_oneof![3 => 1_u64..600, 1 => 600_u64..2880, 1 => Just(1440)];
    (days, start, rule, length, 0_u64..100).prop_map(|(days, (hour, minute), (weeks, patch), length, share)| Window {
        start: Time::constant(hour, minute, 0, 0),
        after_patch_tuesday: patch,
        cutoff: if share < 50 { Duration::ZERO } else { minutes(length * share / 100) },
        weeks,
        ..on(if patch.is_some() { &[] } else { &days }, window("UTC", "00:00", length))
    })
}

/// A zone, a moment near one of its changes, and lists of windows in it.
fn any_night() -> impl Strategy<Value = (Timestamp, Vec<Vec<Window>>)> {
    let windows = prop::collection::vec(prop::collection::vec(any_window(), 1..4), 1..3);
    let zone = prop::sample::select(ZONES.to_vec());
    (zone, any::<prop::sample::Index>(), -1000_i64..1000, windows).prop_map(|(zone, which, off, mut windows)| {
        let special = special(zone);
        for window in windows.iter_mut().flatten() {
            window.zone = Zone::named(zone).unwrap();
        }
        (special[which.index(special.len())] + MINUTE * i32::try_from(off).unwrap(), windows)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Each minute is open or shut as the wall's clock says, and each change between the two is foreseen.
    #[test]
    fn the_wall_says_the_same((middle, windows) in any_night()) {
        let wall = Wall::around(&windows[0][0].zone, middle);
        let calendar = calendar(&windows);
        let each: Vec<Vec<(BTreeSet<i64>, BTreeSet<i64>)>> =
            windows.iter().map(|list| list.iter().map(|window| wall.open(window)).collect()).collect();
        let begin = |n: i64| each.iter().all(|list| list.iter().any(|(begin, _)| begin.contains(&n)));
        let go_on = |n: i64| each.iter().all(|list| list.iter().any(|(_, go_on)| go_on.contains(&n)));
        // What began before the first minute is not on the wall: the longest window is two days.
        let (first, past) = (3 * 1440, 2 * HALF - 1440);
        let mut edges = BTreeMap::new();
        for n in first..past {
            let is_edge = begin(n) != begin(n - 1) || go_on(n) != go_on(n - 1);
            if is_edge || n % 13 == 0 {
                prop_assert_eq!(calendar.is_open(wall.moment(n)), begin(n), "{}", wall.shows[n as usize]);
                prop_assert_eq!(calendar.is_on(wall.moment(n)), go_on(n), "{}", wall.shows[n as usize]);
            }
            if is_edge {
                let before = wall.moment(n) - SignedDuration::from_nanos(1);
                prop_assert_eq!(calendar.is_open(before), begin(n - 1));
            }
            if begin(n) != begin(n - 1) {
                edges.insert(wall.moment(n), begin(n));
            }
        }
        let walked = walked(&calendar, wall.moment(first), wall.moment(past));
        for (opens, shuts) in &walked {
            prop_assert!(opens < shuts);
            prop_assert!(*opens == wall.moment(first) || edges.remove(opens) == Some(true), "opens {}", opens);
            prop_assert!(*shuts >= wall.moment(past) || edges.remove(shuts) == Some(false), "shuts {}", shuts);
        }
        // None was left out, and openings come in order.
        edges.remove(&wall.moment(first));
        prop_assert!(edges.is_empty(), "{:?}", edges);
        prop_assert!(walked.windows(2).all(|pair| pair[0].1 < pair[1].0), "{:?}", walked);
    }
}
