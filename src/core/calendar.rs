//! When a stage's hosts may be changed: windows, in which they may, and freezes, in which they may not.
//!
//! A window's start is a time on the wall of its zone, so it moves with summer time; its length is time that really
//! passes, so a night of change makes it no longer and no shorter. A start that the wall's clock skips comes as much later
//! as it skips (02:30 becomes 03:30 where 02:00 to 03:00 is left out); one that comes twice is the first of the two.
//! Windows that follow one another without a gap are open as if they were one.

#[cfg(test)]
mod nights;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Span, Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use super::approval::Who;
use super::ids::StageName;
use super::settings::seconds;

/// How far ahead is looked for the next opening: what does not open within these days never does.
pub const DAYS_AHEAD: i64 = 400;
/// The longest window: what lasts longer is no window.
pub const LONGEST_WINDOW: Duration = Duration::from_secs(14 * 86_400);

/// The zones that patchctl brings with it: the same on every machine.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A time zone by its name (`Europe/Berlin`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(TimeZone);

impl Zone {
    /// Universal time.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The zone with this name.
    ///
    /// # Errors
    /// A sentence without its subject, where there is none.
    pub fn named(name: &str) -> Result<Self, String> {
        match ZONES.get(name) {
            Ok(zone) if !zone.is_unknown() && zone.iana_name().is_some() => Ok(Self(zone)),
            _ => Err(format!("is no time zone that is known: \"{name}\"")),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// A moment as the zone's clocks show it, with the weekday: `Sat 2026-11-28 22:00`.
    pub fn show(&self, at: Timestamp) -> String {
        let local = self.0.to_datetime(at);
        let seconds = if local.second() == 0 { "" } else { ":%S" };
        local.strftime(&format!("%a %Y-%m-%d %H:%M{seconds}")).to_string()
    }

    fn date(&self, at: Timestamp) -> Date {
        self.0.to_datetime(at).date()
    }
}

impl TryFrom<String> for Zone {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::named(&name).map_err(|why| format!("`zone` {why}"))
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name().to_owned()
    }
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day(#[serde(with = "day")] Weekday);

impl Day {
    const NAMES: [(&str, &str, Weekday); 7] = [
        ("Mon", "Monday", Weekday::Monday),
        ("Tue", "Tuesday", Weekday::Tuesday),
        ("Wed", "Wednesday", Weekday::Wednesday),
        ("Thu", "Thursday", Weekday::Thursday),
        ("Fri", "Friday", Weekday::Friday),
        ("Sat", "Saturday", Weekday::Saturday),
        ("Sun", "Sunday", Weekday::Sunday),
    ];

    /// The day that is written so: `Sat`, `Saturday`, in any case.
    ///
    /// # Errors
    /// A sentence without its subject.
    pub fn named(text: &str) -> Result<Self, String> {
        let same = |word: &str| word.eq_ignore_ascii_case(text);
        let found = Self::NAMES.into_iter().find(|(short, long, _)| same(short) || same(long));
        found.map(|(_, _, day)| Self(day)).ok_or_else(|| format!("cannot have \"{text}\""))
    }

    /// `Sat`
    pub fn name(self) -> &'static str {
        Self::NAMES.into_iter().find(|(_, _, day)| *day == self.0).map_or("Mon", |(short, ..)| short)
    }
}

mod day {
    use jiff::civil::Weekday;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Day;

    pub(super) fn serialize<S: Serializer>(day: &Weekday, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(Day(*day).name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Weekday, D::Error> {
        let text = String::deserialize(from)?;
        Day::named(&text).map(|day| day.0).map_err(D::Error::custom)
    }
}

/// When a stage may begin hosts, again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The days on which it starts; empty: every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Day>,
    /// The first, second, … such weekday of a month; -1: the last one. Empty: every one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weeks: Vec<i8>,
    /// So many days after Microsoft's patch day, a month's second Tuesday.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_patch_tuesday: Option<u8>,
    /// When it starts, on the zone's clocks.
    pub start: Time,
    /// How long it is open, in time that passes.
    #[serde(with = "seconds")]
    pub length: Duration,
    /// In which zone it starts.
    pub zone: Zone,
    /// No host begins later than this before its end.
    #[serde(with = "seconds", default)]
    pub cutoff: Duration,
}

/// One time that a window is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Opening {
    from: Timestamp,
    /// From here on no host begins.
    last: Timestamp,
    end: Timestamp,
}

impl Opening {
    fn last(&self) -> Timestamp {
        self.last
    }

    fn end(&self) -> Timestamp {
        self.end
    }
}

impl Window {
    /// Whether it starts on this day.
    fn starts_on(&self, date: Date) -> bool {
        let week = (date.day() - 1) / 7 + 1;
        let is_last = date.day() + 7 > date.days_in_month();
        let fits = |wanted: &i8| *wanted == week || (*wanted == -1 && is_last);
        (self.days.is_empty() || self.days.iter().any(|day| day.0 == date.weekday()))
            && (self.weeks.is_empty() || self.weeks.iter().any(fits))
            && self.after_patch_tuesday.is_none_or(|days| is_after_patch_tuesday(date, days))
    }

    /// How it is open when it starts on this day; none: at the end of time.
    fn opening(&self, date: Date) -> Option<Opening> {
        let from = self.zone.0.to_ambiguous_timestamp(date.to_datetime(self.start)).compatible().ok()?;
        let end = from.checked_add(signed(self.length)).ok()?;
        Some(Opening { from, last: end.checked_sub(signed(self.cutoff)).ok()?, end })
    }

    /// How it is open from the day before `at` could still be in it, up to so many days later, in order.
    fn openings(&self, at: Timestamp, days: i64) -> impl Iterator<Item = Opening> {
        let back = i64::try_from(self.length.as_secs() / 86_400).unwrap_or(0) + 2;
        let first = self.zone.date(at).checked_sub(back.days()).ok();
        let day = move |n: i64| first.and_then(|first| first.checked_add(Span::new().days(n)).ok());
        (0..=back + days).map_while(day).filter(|date| self.starts_on(*date)).filter_map(|date| self.opening(date))
    }

    /// Until when it is open at this moment, by what ends an opening; none: it is not. Of several the one that lasts longest.
    fn until(&self, at: Timestamp, ends: fn(&Opening) -> Timestamp) -> Option<Timestamp> {
        self.openings(at, 1).filter(|open| open.from <= at).map(|open| ends(&open)).filter(|end| at < *end).max()
    }

    /// When it opens next, after this moment.
    fn next_after(&self, at: Timestamp) -> Option<Timestamp> {
        self.openings(at, DAYS_AHEAD).find(|open| open.from > at && open.from < open.last).map(|open| open.from)
    }
}

/// `Sat 22:00 for 6h (Europe/Berlin)`
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days: Vec<&str> = self.days.iter().map(|day| day.name()).collect();
        let weeks: Vec<&str> = self.weeks.iter().map(|week| ordinal(*week)).collect();
        let days = if days.is_empty() { "every day".to_owned() } else { days.join(", ") };
        match (weeks.as_slice(), self.after_patch_tuesday) {
            ([], None) => write!(f, "{days}")?,
            ([], Some(0)) => f.write_str("patch Tuesday")?,
            ([], Some(1)) => f.write_str("1 day after patch Tuesday")?,
            ([], Some(n)) => write!(f, "{n} days after patch Tuesday")?,
            (weeks, _) if self.days.is_empty() => write!(f, "{days} of the {} week of the month", weeks.join(" and "))?,
            (weeks, _) => write!(f, "{} {days} of the month", weeks.join(" and "))?,
        }
        let start = self.start.strftime(if self.start.second() == 0 { "%H:%M" } else { "%H:%M:%S" });
        write!(f, " {start} for {} ({})", spoken(self.length), self.zone.name())?;
        if self.cutoff > Duration::ZERO {
            write!(f, ", no new host in the last {}", spoken(self.cutoff))?;
        }
        Ok(())
    }
}

fn ordinal(week: i8) -> &'static str {
    match week {
        1 => "1st",
        2 => "2nd",
        3 => "3rd",
        4 => "4th",
        5 => "5th",
        _ => "last",
    }
}

/// `1h30m`
fn spoken(length: Duration) -> String {
    let mut rest = length.as_secs();
    let mut text = String::new();
    for (size, unit) in [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")] {
        if rest >= size {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    text
}

/// The weekday that is so many days after a Tuesday.
pub fn day_after_patch_tuesday(days: u8) -> Day {
    Day(Weekday::Tuesday.wrapping_add(i64::from(days)))
}

fn is_after_patch_tuesday(date: Date, days: u8) -> bool {
    let Ok(tuesday) = date.checked_sub(i64::from(days).days()) else { return false };
    tuesday.weekday() == Weekday::Tuesday && (8..=14).contains(&tuesday.day())
}

fn signed(length: Duration) -> SignedDuration {
    SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX)
}

/// A time in which nothing begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    /// What people call it.
    pub name: String,
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
    /// Globs (`*`, `?`) on the names of the stages that it is for; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<String>,
    /// Who may go ahead in it all the same; empty: nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub override_by: Vec<Who>,
}

impl Freeze {
    /// Whether it is for this stage.
    pub fn is_for(&self, stage: &StageName) -> bool {
        self.stages.is_empty() || self.stages.iter().any(|glob| is_match(glob, stage.as_str()))
    }

    fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }
}

/// Whether a glob of `*` and `?` is for the whole of a name.
pub fn is_match(glob: &str, name: &str) -> bool {
    let (glob, name): (Vec<char>, Vec<char>) = (glob.chars().collect(), name.chars().collect());
    let (mut g, mut n) = (0, 0);
    // Where to go on when what follows the last star does not fit: it takes one more character.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match glob.get(g) {
            Some('*') => {
                star = Some((g, n));
                g += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => (g, n) = (g + 1, n + 1),
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (g, n) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    glob[g..].iter().all(|c| *c == '*')
}

/// The windows and freezes of one stage.
#[derive(Debug, Clone)]
pub struct Calendar<'a> {
    windows: &'a [Vec<Window>],
    freezes: Vec<&'a Freeze>,
}

/// Whether hosts that have not begun may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State<'a> {
    /// They may.
    Open {
        /// From here on they may not; none: nothing ends it, as far as one can see.
        last: Option<Timestamp>,
        /// When the window ends in which they are; none: nothing ends it, as far as one can see.
        end: Option<Timestamp>,
    },
    /// They may not.
    Shut {
        /// What is in the way now.
        by: Barrier<'a>,
        /// When they may; none: never, as far as one can see.
        opens: Option<Timestamp>,
    },
}

/// What keeps hosts from beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barrier<'a> {
    /// A freeze.
    Freeze(&'a Freeze),
    /// None of these is open.
    Windows(&'a [Window]),
}

impl State<'_> {
    /// Whether they may.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }

    /// Whether they never may, as far as one can see.
    pub fn is_never(&self) -> bool {
        matches!(self, Self::Shut { opens: None, .. })
    }
}

/// `freeze christmas until …`, or the windows.
impl fmt::Display for Barrier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Freeze(freeze) => write!(f, "freeze {} until {}", freeze.name, super::settings::stamp(freeze.to)),
            Self::Windows(windows) => {
                let all: Vec<String> = windows.iter().map(ToString::to_string).collect();
                write!(f, "window {}", all.join(", or "))
            }
        }
    }
}

impl<'a> Calendar<'a> {
    /// What holds for this stage: one of each list of windows must be open, and no freeze may hold.
    pub fn new(stage: &StageName, windows: &'a [Vec<Window>], freezes: &'a [Freeze]) -> Self {
        Self { windows, freezes: freezes.iter().filter(|freeze| freeze.is_for(stage)).collect() }
    }

    /// The same without its windows, and without these freezes.
    #[must_use]
    pub fn passing(mut self, windows: bool, passed: impl Fn(&Freeze) -> bool) -> Self {
        if windows {
            self.windows = &[];
        }
        self.freezes.retain(|freeze| !passed(freeze));
        self
    }

    /// Whether nothing ever stands in the way.
    pub fn is_empty(&self) -> bool {
        self.windows.iter().all(Vec::is_empty) && self.freezes.is_empty()
    }

    /// Its lists of windows, of which one each must be open.
    pub fn windows(&self) -> impl Iterator<Item = &'a [Window]> {
        self.windows.iter().filter(|list| !list.is_empty()).map(Vec::as_slice)
    }

    /// Its freezes that are not over.
    pub fn freezes(&self, now: Timestamp) -> impl Iterator<Item = &'a Freeze> {
        self.freezes.iter().copied().filter(move |freeze| now < freeze.to)
    }

    /// Whether hosts may begin at this moment: cheap enough to be asked before each.
    pub fn is_open(&self, at: Timestamp) -> bool {
        self.barrier(at).is_none()
    }

    /// Whether what has begun may go on to its first change: the last part of a window is for that.
    pub fn is_on(&self, at: Timestamp) -> bool {
        let on = |list: &[Window]| list.iter().any(|window| window.until(at, Opening::end).is_some());
        !self.freezes.iter().any(|freeze| freeze.holds(at)) && self.windows().all(on)
    }

    fn barrier(&self, at: Timestamp) -> Option<Barrier<'a>> {
        let freeze = self.freezes.iter().find(|freeze| freeze.holds(at)).map(|freeze| Barrier::Freeze(freeze));
        let shut = |list: &&[Window]| list.iter().all(|window| window.until(at, Opening::last).is_none());
        freeze.or_else(|| self.windows().find(shut).map(Barrier::Windows))
    }

    /// Whether hosts may begin at this moment, until when, and when they may next.
    pub fn state(&self, at: Timestamp) -> State<'a> {
        match self.barrier(at) {
            Some(by) => State::Shut { by, opens: self.opens_after(at) },
            None => State::Open { last: self.shuts_after(at, Opening::last), end: self.shuts_after(at, Opening::end) },
        }
    }

    /// The first moment after this one at which it is not open any more, by what ends an opening: an opening that follows
    /// without a gap goes on with it. None: nothing ends it within the days that are looked at.
    fn shuts_after(&self, at: Timestamp, ends: fn(&Opening) -> Timestamp) -> Option<Timestamp> {
        let horizon = at.checked_add(SignedDuration::from_hours(DAYS_AHEAD * 24)).ok()?;
        let mut moment = at;
        while moment <= horizon {
            if self.freezes.iter().any(|freeze| freeze.holds(moment)) {
                return Some(moment);
            }
            let mut next = self.freezes.iter().map(|freeze| freeze.from).filter(|from| *from > moment).min();
            for list in self.windows() {
                let Some(end) = list.iter().filter_map(|window| window.until(moment, ends)).max() else {
                    return Some(moment);
                };
                next = next.map_or(Some(end), |next| Some(next.min(end)));
            }
            moment = next?;
        }
        None
    }

    /// The first moment after this one at which hosts may begin; none within the days that are looked at.
    fn opens_after(&self, at: Timestamp) -> Option<Timestamp> {
        let horizon = at.checked_add(SignedDuration::from_hours(DAYS_AHEAD * 24)).ok()?;
        let mut moment = at;
        // Each round moves on to the next moment at which what was in the way is gone.
        while let Some(barrier) = self.barrier(moment) {
            moment = match barrier {
                Barrier::Freeze(freeze) => freeze.to,
                Barrier::Windows(list) => list.iter().filter_map(|window| window.next_after(moment)).min()?,
            };
            if moment > horizon {
                return None;
            }
        }
        Some(moment)
    }
}
