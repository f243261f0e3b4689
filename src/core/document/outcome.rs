//! How a run ended, and the one exit code that follows.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a run ended, or stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every selected host has the patch, in effect, and keeps it, or needed nothing.
    Complete,
    /// patchctl itself failed; hosts are as the journal says.
    Error,
    /// The command line, plan, inventory, policy or playbook is invalid; no host was contacted.
    Invalid,
    /// Unfinished: it waits for an approval, a window, a soak or a person.
    Paused,
    /// A person (or a gate's time limit) said no; every host that the decision covers is back as it was.
    Rejected,
    /// A patch or a check failed; every host concerned is back as it was.
    Failed,
    /// At least one host is not in a known good state: a person must act.
    Degraded,
    /// Nothing was changed on any host.
    Refused,
    /// Kept where patched; some hosts were not patched and not touched.
    Partial,
    /// Stopped at a safe point by SIGINT, or crashed; `resume` goes on.
    Interrupted,
    /// Stopped at a safe point by SIGTERM. Documents say `interrupted`; the exit code tells the two apart.
    #[serde(rename = "interrupted", skip_deserializing)]
    #[schemars(skip)]
    Terminated,
    /// A process is driving it now.
    Running,
}

impl Outcome {
    /// Which outcome wins where several apply, the first one first.
    const PRECEDENCE: [Self; 12] = [
        Self::Error,
        Self::Invalid,
        Self::Degraded,
        Self::Interrupted,
        Self::Terminated,
        Self::Running,
        Self::Paused,
        Self::Rejected,
        Self::Failed,
        Self::Partial,
        Self::Refused,
        Self::Complete,
    ];

    /// The process's exit code. A live run has that of an unfinished one.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::Error => 1,
            Self::Invalid => 2,
            Self::Paused | Self::Running => 3,
            Self::Rejected => 4,
            Self::Failed => 5,
            Self::Degraded => 6,
            Self::Refused => 7,
            Self::Partial => 8,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// The word in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Error => "error",
            Self::Invalid => "invalid",
            Self::Paused => "paused",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Degraded => "degraded",
            Self::Refused => "refused",
            Self::Partial => "partial",
            Self::Interrupted | Self::Terminated => "interrupted",
            Self::Running => "running",
        }
    }

    /// The outcome of a whole to whose parts all of these apply: the first in the order 1, 6, 130/143, 3, 4, 5, 8, 7,
    /// 0. Nothing applies: complete.
    pub fn of_all(outcomes: impl IntoIterator<Item = Self>) -> Self {
        outcomes.into_iter().min_by_key(|outcome| outcome.rank()).unwrap_or(Self::Complete)
    }

    fn rank(self) -> usize {
        Self::PRECEDENCE.iter().position(|&outcome| outcome == self).unwrap_or(Self::PRECEDENCE.len())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_in_the_documented_order_wins() {
        let order = [1, 6, 130, 143, 3, 4, 5, 8, 7, 0];
        let by_code =
            |code: u8| Outcome::PRECEDENCE.into_iter().find(|o| o.exit_code() == code && *o != Outcome::Running);
        for (at, &code) in order.iter().enumerate() {
            let later = order[at..].iter().rev().filter_map(|&code| by_code(code));
            assert_eq!(Outcome::of_all(later).exit_code(), code);
        }
        assert_eq!(Outcome::of_all([]), Outcome::Complete);
    }

    #[test]
    fn every_outcome_has_a_rank_and_its_word_reads_back() {
        for outcome in Outcome::PRECEDENCE {
            let word = serde_json::to_string(&outcome).unwrap();
            assert_eq!(word, format!("\"{outcome}\""));
            let back: Outcome = serde_json::from_str(&word).unwrap();
            assert_eq!(back.as_str(), outcome.as_str());
            assert!(outcome.rank() < Outcome::PRECEDENCE.len());
        }
    }

    proptest! {
        /// In whatever order hosts end, and however they are grouped, the whole ends the same.
        #[test]
        fn a_whole_is_one_of_its_parts_whatever_their_order(
            list in prop::collection::vec(prop::sample::select(Outcome::PRECEDENCE.to_vec()), 1..20),
            shift: prop::sample::Index,
        ) {
            let all = Outcome::of_all(list.iter().copied());
            prop_assert!(list.contains(&all));
            prop_assert!(list.iter().all(|outcome| all.rank() <= outcome.rank()));
            let at = shift.index(list.len());
            let (front, back) = list.split_at(at);
            prop_assert_eq!(Outcome::of_all(back.iter().chain(front).rev().copied()), all);
            let parts = [front, back].map(|part| Outcome::of_all(part.iter().copied()));
            prop_assert_eq!(Outcome::of_all(parts), all);
        }
    }
}
