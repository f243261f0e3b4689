//! What a gate asks for, and what a decision at it is: who may decide, how many must, and which decisions count.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::document::{How, Verdict};
use super::preapproval::Preapproval;
use super::settings::{Person, seconds};
use super::statement::DecisionStatement;

/// A gate's rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// At the stage's beginning, its end, or both.
    pub when: When,
    /// How long it may stay undecided.
    #[serde(with = "seconds")]
    pub wait: Duration,
    /// What happens then.
    pub on_timeout: OnTimeout,
    /// How long an approval may wait to be used.
    #[serde(with = "seconds")]
    pub valid: Duration,
    /// Who may decide: somebody who is in each of these lists. None: anybody who may use the state folder. (One list is
    /// the plan's, others are rules of a policy: each of them narrows.)
    #[serde(default)]
    pub by: Vec<Vec<Who>>,
    /// How many people must approve; at least one.
    #[serde(default = "one")]
    pub quorum: u32,
    /// Whether there is a gate after each wave, too.
    #[serde(default)]
    pub each_wave: bool,
    /// Whether only signed decisions count: over the gate's digest, or over a scope that covers all that the gate is
    /// about (a pre-approval).
    #[serde(default)]
    pub signed: bool,
    /// Whether who asked for the run may not approve it.
    #[serde(default)]
    pub four_eyes: bool,
}

fn one() -> u32 {
    1
}

impl Default for Approval {
    fn default() -> Self {
        const DAY: u64 = 24 * 3600;
        Self {
            when: When::After,
            wait: Duration::from_secs(7 * DAY),
            on_timeout: OnTimeout::Wait,
            valid: Duration::from_secs(7 * DAY),
            by: Vec::new(),
            quorum: 1,
            each_wave: false,
            signed: false,
            four_eyes: false,
        }
    }
}

/// Before something, after it, or both: where a stage's gates stand, and when a check is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// Before the first change.
    Before,
    /// After the last.
    After,
    /// Both.
    Both,
}

impl When {
    /// Where what both want stands.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        if self == other { self } else { Self::Both }
    }

    /// Whether there is one before the first change.
    pub fn is_before(self) -> bool {
        self != Self::After
    }

    /// Whether there is one after the last.
    pub fn is_after(self) -> bool {
        self != Self::Before
    }
}

/// What happens at a gate that nobody decided in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnTimeout {
    /// It stays waiting.
    Wait,
    /// It rejects.
    Reject,
}

/// Who may decide: `alice`, or everybody in the operating system's group `cab`, written `group:cab`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Who {
    /// A person, by the login name or by the principal of a signature.
    Person(String),
    /// Everybody in a group.
    Group(String),
}

impl Who {
    /// Reads `alice` or `group:cab`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, is_group) = match text.strip_prefix("group:") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let fits = |c: char| c.is_alphanumeric() || "._-@+$\\".contains(c);
        if name.is_empty() || name.starts_with('-') || name.len() > 128 || !name.chars().all(fits) {
            return Err(format!("{text:?} is neither a person's name nor `group:NAME`"));
        }
        Ok(if is_group { Self::Group(name.to_owned()) } else { Self::Person(name.to_owned()) })
    }

    /// Whether it is this person, in these groups.
    pub fn is(&self, name: &str, groups: &[String]) -> bool {
        match self {
            Self::Person(listed) => listed == name,
            Self::Group(listed) => groups.contains(listed),
        }
    }

    /// The name of the group, where it is one.
    pub fn group(&self) -> Option<&str> {
        match self {
            Self::Group(name) => Some(name),
            Self::Person(_) => None,
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(name) => f.write_str(name),
            Self::Group(name) => write!(f, "group:{name}"),
        }
    }
}

impl TryFrom<String> for Who {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Who> for String {
    fn from(who: Who) -> Self {
        who.to_string()
    }
}

/// One decision at a gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Approve, reject.
    pub verdict: Verdict,
    /// Who.
    pub by: Person,
    /// Why.
    pub reason: String,
    /// Through what.
    pub how: How,
    /// The groups that the person was in when the decision was recorded, of those that gates of this run name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The signature, where it is signed. It was checked when the decision was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Box<Signed>>,
}

impl Decision {
    /// A decision that nobody signed, by a person of whose groups nothing is known.
    pub fn new(verdict: Verdict, by: Person, reason: impl Into<String>, how: How) -> Self {
        Self { verdict, by, reason: reason.into(), how, groups: Vec::new(), signed: None }
    }
}

/// A checked signature over a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// Whose key it is, as the allowed signers say; also the name of who decided.
    pub principal: String,
    /// The fingerprint of the key that signed, `SHA256:…`.
    pub key: String,
    /// The text that was signed, byte for byte.
    pub statement: String,
    /// The signature over it, armored as `ssh-keygen -Y sign` writes it.
    pub signature: String,
    /// Who brought it.
    pub brought_by: Person,
    /// What the statement permits, where it is a pre-approval and not a decision on one gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preapproval: Option<Box<Preapproval>>,
}

impl Decision {
    /// Whether the time is over that its signer gave it.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        if let Some(scope) = self.preapproval() {
            return scope.has_expired(now);
        }
        let signed = self.signed.as_ref().and_then(|signed| DecisionStatement::parse(&signed.statement).ok());
        signed.is_some_and(|statement| statement.has_expired(now))
    }

    /// What it permits, where it was given beforehand.
    pub fn preapproval(&self) -> Option<&Preapproval> {
        self.signed.as_ref().and_then(|signed| signed.preapproval.as_deref())
    }
}

/// Why a decision does not count at a gate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotCounted {
    /// The gate's rules name others.
    #[error("{name} may not decide here: {allowed} may")]
    NotListed {
        /// Who it was.
        name: String,
        /// Who may.
        allowed: String,
    },
    /// Whoever asked for the run does not approve it.
    #[error("{0} started this run, and the gate wants four eyes: somebody else must approve it")]
    OwnRun(String),
    /// It was given beforehand, and the gate is about more.
    #[error("the pre-approval {id} does not cover it: {what}")]
    NotCovered {
        /// The pre-approval.
        id: String,
        /// What it does not cover.
        what: String,
    },
    /// The gate counts signed decisions only.
    #[error("only a signed decision counts here: `approve --sign KEY`, or `reject --sign KEY`")]
    Unsigned,
    /// A flag speaks for nobody in particular.
    #[error("--approve is one decision by whoever started the process: it cannot satisfy {0}")]
    Flag(&'static str),
    /// One decision a person.
    #[error("{0} has approved already: others must, too")]
    Twice(String),
    /// A policy asks for a check that did not hold, or was not made.
    #[error("{0}")]
    Unchecked(String),
    /// It was given beforehand, and of a check it cannot be told whether it holds.
    #[error("a check is inconclusive, and a person must look: {0}")]
    Inconclusive(String),
    /// One decision a key.
    #[error("the key {0} has approved already: others must, too")]
    SameKey(String),
}

impl Approval {
    /// Why this decision does not count beside the earlier ones of the same gate; none: it does.
    pub fn objection<'a>(
        &self,
        decision: &Decision,
        requester: &Person,
        earlier: impl IntoIterator<Item = &'a Decision>,
    ) -> Option<NotCounted> {
        let name = &decision.by.name;
        let approves = decision.verdict == Verdict::Approved;
        if decision.how == How::Flag && approves {
            let beyond = [(self.signed, "signed"), (self.four_eyes, "four_eyes"), (self.quorum > 1, "a quorum")];
            if let Some((_, what)) = beyond.into_iter().find(|(wanted, _)| *wanted) {
                return Some(NotCounted::Flag(what));
            }
        }
        if self.signed && decision.signed.is_none() {
            return Some(NotCounted::Unsigned);
        }
        if !self.by.iter().all(|list| list.iter().any(|who| who.is(name, &decision.groups))) {
            return Some(NotCounted::NotListed { name: name.clone(), allowed: self.allowed() });
        }
        if !approves {
            return None;
        }
        if self.four_eyes && same_person(name, &requester.name) {
            return Some(NotCounted::OwnRun(requester.name.clone()));
        }
        for other in earlier {
            if same_person(&other.by.name, name) {
                return Some(NotCounted::Twice(name.clone()));
            }
            let key = |decision: &Decision| decision.signed.as_ref().map(|signed| signed.key.clone());
            if let Some(key) = key(decision).filter(|ours| key(other).as_ref() == Some(ours)) {
                return Some(NotCounted::SameKey(key));
            }
        }
        None
    }

    /// Who may decide, for people.
    pub fn allowed(&self) -> String {
        let list = |list: &Vec<Who>| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
        match self.by.as_slice() {
            [] => "anybody who may use the state folder".into(),
            lists => lists.iter().map(list).collect::<Vec<_>>().join(", who is also "),
        }
    }

    /// Who may decide and how, for people.
    pub fn words(&self, requester: &str) -> String {
        let mut words = self.allowed();
        if self.four_eyes {
            words.push_str(&format!("; not {requester}, who started the run"));
        }
        if self.signed {
            words.push_str("; signed decisions only");
        }
        words
    }

    /// The groups that its lists name.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.by.iter().flatten().filter_map(Who::group)
    }

    /// Whether one unsigned decision of anybody is enough.
    pub fn is_simple(&self) -> bool {
        self.by.is_empty() && self.quorum <= 1 && !self.signed && !self.four_eyes
    }

    /// These rules, narrowed by others: whatever either forbids is forbidden.
    pub fn narrow(&mut self, by: Option<Vec<Who>>, quorum: Option<u32>, signed: bool, four_eyes: bool) {
        self.by.extend(by.filter(|list| !self.by.contains(list)));
        self.quorum = self.quorum.max(quorum.unwrap_or(1));
        self.signed |= signed;
        self.four_eyes |= four_eyes;
    }
}

/// Whether two names are one person's: `alice`, and the principal `alice@example.com` of her key.
pub fn same_person(a: &str, b: &str) -> bool {
    let login = |name: &str| name.split('@').next().unwrap_or_default().to_owned();
    a == b || (login(a) == login(b) && (a.contains('@') != b.contains('@')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(name: &str, verdict: Verdict) -> Decision {
        let by = Person { name: name.into(), source: "login".into() };
        Decision::new(verdict, by, "fine", How::Command)
    }

    fn signed(name: &str, key: &str) -> Decision {
        let by = Person { name: name.into(), source: "signature".into() };
        let signed = Signed {
            principal: name.into(),
            key: key.into(),
            statement: String::new(),
            signature: String::new(),
            brought_by: by.clone(),
            preapproval: None,
        };
        Decision { by, how: How::Signature, signed: Some(Box::new(signed)), ..decision(name, Verdict::Approved) }
    }

    fn who(list: &[&str]) -> Vec<Who> {
        list.iter().map(|text| Who::parse(text).unwrap()).collect()
    }

    fn requester() -> Person {
        Person { name: "alice".into(), source: "login".into() }
    }

    #[test]
    fn only_people_who_are_in_every_list_may_decide() {
        let rules = Approval { by: vec![who(&["bob", "group:cab"]), who(&["carol", "bob"])], ..Approval::default() };
        let objection = |decision: &Decision| rules.objection(decision, &requester(), []);
        assert_eq!(objection(&decision("bob", Verdict::Approved)), None);
        assert!(matches!(objection(&decision("carol", Verdict::Approved)), Some(NotCounted::NotListed { .. })));
        assert!(matches!(objection(&decision("carol", Verdict::Rejected)), Some(NotCounted::NotListed { .. })));
        let in_cab = Decision { groups: vec!["cab".into()], ..decision("carol", Verdict::Approved) };
        assert_eq!(objection(&in_cab), None);
    }

    #[test]
    fn four_eyes_keep_the_requester_from_approving_and_not_from_rejecting() {
        let rules = Approval { four_eyes: true, ..Approval::default() };
        let objection = |decision: &Decision| rules.objection(decision, &requester(), []);
        assert_eq!(objection(&decision("alice", Verdict::Approved)), Some(NotCounted::OwnRun("alice".into())));
        assert_eq!(objection(&decision("alice", Verdict::Rejected)), None);
        assert_eq!(objection(&signed("alice@example.com", "k")), Some(NotCounted::OwnRun("alice".into())));
        assert_eq!(objection(&decision("bob", Verdict::Approved)), None);
    }

    #[test]
    fn a_quorum_is_distinct_people_with_distinct_keys() {
        let rules = Approval { quorum: 3, ..Approval::default() };
        let first = signed("bob@example.com", "SHA256:a");
        let objection = |decision: &Decision| rules.objection(decision, &requester(), [&first]);
        assert_eq!(
            objection(&signed("bob@example.com", "SHA256:b")),
            Some(NotCounted::Twice("bob@example.com".into()))
        );
        assert_eq!(objection(&decision("bob", Verdict::Approved)), Some(NotCounted::Twice("bob".into())));
        assert_eq!(objection(&signed("carol@example.com", "SHA256:a")), Some(NotCounted::SameKey("SHA256:a".into())));
        assert_eq!(objection(&signed("bob@example.org", "SHA256:b")), None, "another organisation's bob");
        let flag = Decision { how: How::Flag, ..decision("carol", Verdict::Approved) };
        assert_eq!(objection(&flag), Some(NotCounted::Flag("a quorum")));
    }

    #[test]
    fn names_that_are_no_names_are_refused() {
        for bad in ["", "group:", "a b", "-x", "a\nb", "group:-x", "a,b"] {
            assert!(Who::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["alice", "group:cab", "alice@example.com", "CORP\\alice"] {
            assert_eq!(Who::parse(good).map(|who| who.to_string()), Ok(good.to_owned()));
        }
    }
}
