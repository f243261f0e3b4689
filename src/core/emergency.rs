//! Emergencies: who may declare one, what it passes, and who looked at it afterwards.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::approval::{Approval, When, Who, same_person};
use super::calendar::{Calendar, Freeze};
use super::ids::StageIx;
use super::policy::{Emergency, Passes};
use super::settings::{Person, Settings};

/// How long afterwards somebody must have looked at it, where no policy says so.
pub const REVIEW_WITHIN: Duration = Duration::from_secs(72 * 3600);

/// Somebody said that a run is an emergency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declaration {
    /// Who.
    pub by: Person,
    /// The groups that the person was in, of those that the rules name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Why.
    pub reason: String,
}

impl Declaration {
    /// Whether it is by one of these.
    pub fn is_by(&self, list: &[Who]) -> bool {
        list.iter().any(|who| who.is(&self.by.name, &self.groups))
    }

    /// Why it counts for nothing in a run with these settings; none: it does.
    pub fn objection(&self, settings: &Settings, now: Timestamp) -> Option<String> {
        let freezes = || settings.freezes.iter().filter(|freeze| now < freeze.to);
        let rule = settings.policy.emergency.as_ref();
        if rule.is_some_and(|rule| self.is_by(&rule.by)) || freezes().any(|freeze| self.is_by(&freeze.override_by)) {
            return None;
        }
        let name = &self.by.name;
        let may: Vec<String> = rule.iter().flat_map(|rule| &rule.by).map(ToString::to_string).collect();
        if rule.is_some() {
            return Some(format!("{name} may not declare an emergency: {} may", may.join(" or ")));
        }
        Some(format!("no policy has an [emergency], and no freeze lets {name} go ahead"))
    }
}

/// The groups that the rules about emergencies name.
pub fn groups(settings: &Settings) -> Vec<&str> {
    let freezes = settings.freezes.iter().flat_map(|freeze| &freeze.override_by);
    let all = settings.policy.emergency.iter().flat_map(|rule| &rule.by).chain(freezes);
    let mut groups: Vec<&str> = all.filter_map(Who::group).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// Somebody looked at an emergency afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Who.
    pub by: Person,
    /// What that person says to it.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// What was declared in a run, and what became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declared {
    /// The declarations, in order.
    pub all: Vec<(Declaration, Timestamp)>,
    /// So many of them are over: the run ended after them, and was taken up again.
    over: usize,
    /// So many of them somebody has looked at.
    reviewed: usize,
    /// Who looked at them last.
    review: Option<Review>,
}

impl Declared {
    /// One declaration alone.
    pub fn only(declaration: Declaration, at: Timestamp) -> Self {
        Self { all: vec![(declaration, at)], ..Self::default() }
    }

    /// The declarations that hold.
    fn holding(&self) -> &[(Declaration, Timestamp)] {
        self.all.get(self.over..).unwrap_or_default()
    }

    /// Whether nothing holds that was declared.
    pub fn is_nothing(&self) -> bool {
        self.holding().is_empty()
    }

    /// Whether this person has declared it.
    pub fn has(&self, name: &str) -> bool {
        self.holding().iter().any(|(declared, _)| same_person(&declared.by.name, name))
    }

    /// How many of those who may have declared it, and how many must.
    pub fn tally(&self, rule: &Emergency) -> (u32, u32) {
        let counts = self.holding().iter().filter(|(declared, _)| declared.is_by(&rule.by)).count();
        (u32::try_from(counts).unwrap_or(u32::MAX), rule.quorum.max(1))
    }

    /// The policy's rule, once so many people have declared it that it holds.
    pub fn rule<'a>(&self, settings: &'a Settings) -> Option<&'a Emergency> {
        let rule = settings.policy.emergency.as_ref()?;
        let (have, need) = self.tally(rule);
        (have >= need).then_some(rule)
    }

    /// Whether windows are passed.
    fn passes_windows(&self, settings: &Settings) -> bool {
        self.rule(settings).is_some_and(|rule| rule.passes.contains(&Passes::Window))
    }

    /// Whether this freeze is passed.
    fn passes_freeze(&self, settings: &Settings, freeze: &Freeze) -> bool {
        self.rule(settings).is_some_and(|rule| rule.passes.contains(&Passes::Freeze))
            || self.holding().iter().any(|(declared, _)| declared.is_by(&freeze.override_by))
    }

    /// Windows and freezes of a stage, without those that are passed.
    pub fn calendar<'a>(&self, settings: &'a Settings, ix: StageIx) -> Calendar<'a> {
        let calendar = settings.calendar(ix);
        if self.is_nothing() {
            return calendar;
        }
        calendar.passing(self.passes_windows(settings), |freeze| self.passes_freeze(settings, freeze))
    }

    /// The run is taken up again after its end: whoever wants it to be an emergency again says so anew.
    pub(super) fn end(&mut self) {
        self.over = self.all.len();
    }

    /// Somebody looked at all of it.
    pub(super) fn reviewed_by(&mut self, review: Review) {
        (self.reviewed, self.review) = (self.all.len(), Some(review));
    }

    /// Who looked at all of it; none: nobody did, or something was declared since.
    pub fn review(&self) -> Option<&Review> {
        self.review.as_ref().filter(|_| self.reviewed == self.all.len())
    }

    /// Whoever declared what nobody has looked at does not look at it.
    pub fn is_own(&self, name: &str) -> bool {
        self.all.iter().skip(self.reviewed).any(|(declared, _)| same_person(&declared.by.name, name))
    }

    /// Until when somebody must have looked at it, where the run ended then.
    pub fn review_by(settings: &Settings, ended: Timestamp) -> Option<Timestamp> {
        let rule = settings.policy.emergency.as_ref();
        ended.checked_add(rule.map_or(REVIEW_WITHIN, |rule| Duration::from_secs(rule.review_within))).ok()
    }
}

impl Emergency {
    /// A gate's rules, shortened: whoever may declare an emergency may decide, too, whoever started it also; no more people
    /// must than must declare it; and of several gates the one at the stage's end is left. A signature stays one.
    pub fn shortened(&self, rules: Approval) -> Approval {
        let when = if rules.when == When::Both { When::After } else { rules.when };
        let quorum = rules.quorum.min(self.quorum).max(1);
        let with_ours = |list: Vec<Who>| list.iter().chain(&self.by).cloned().collect::<Vec<_>>();
        let by = rules.by.into_iter().map(with_ours).collect();
        Approval { when, by, quorum, each_wave: false, four_eyes: false, ..rules }
    }
}
