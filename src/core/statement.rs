//! What a person signs: the statement of a decision, one text in one form only.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::document::{Stamp, Verdict};
use super::event::GateKind;
use super::ids::{ChangeId, Digest, PlanName, RunId, StageName};
use super::settings::{Settings, stamp};
use super::stage::Gate;

/// The namespace of these signatures: `ssh-keygen -Y sign -n approval.patchctl`.
pub const NAMESPACE: &str = "approval.patchctl";

/// The version of the statement's format.
pub const STATEMENT_VERSION: u32 = 1;

/// No statement is longer: a reason has at most 2000 characters.
const LONGEST: usize = 64 << 10;

/// A decision as it is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionStatement {
    /// [`STATEMENT_VERSION`].
    pub schema: u32,
    /// The run.
    pub run: RunId,
    /// The change that it belongs to.
    pub change: ChangeId,
    /// The plan.
    pub plan: PlanName,
    /// The stage whose gate it is.
    pub stage: StageName,
    /// Which of the stage's gates.
    pub gate: GateKind,
    /// What is decided on.
    pub digest: Digest,
    /// Approved, rejected.
    pub decision: Verdict,
    /// Why.
    pub reason: String,
    /// After this moment it does not count any more.
    pub expires: Stamp,
}

/// Why a text is no statement, or not one about this gate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is something else.
    #[error("it is no statement of a decision: {0}")]
    Unreadable(String),
    /// Another patchctl wrote it.
    #[error("the statement has version {0}; this patchctl reads version {STATEMENT_VERSION}")]
    Version(u32),
    /// The same could be said in another text.
    #[error("the statement is not written as patchctl writes it: sign the exported file as it is, byte for byte")]
    Form,
    /// Nobody can say so.
    #[error("a person approves or rejects; the statement says otherwise")]
    Verdict,
    /// It gives no reason.
    #[error("the statement gives no reason")]
    NoReason,
    /// It is about something else.
    #[error("the statement is about {what} {said}, not {open}")]
    Other {
        /// The run, the stage, the gate, …
        what: &'static str,
        /// The statement's.
        said: String,
        /// The gate's.
        open: String,
    },
    /// The gate was opened anew, or is another.
    #[error("the statement is about the digest {said}, and the gate's is {open}: what is decided on has changed")]
    OtherDigest {
        /// The statement's.
        said: String,
        /// The gate's.
        open: String,
    },
    /// Its time is over.
    #[error("the statement expired at {0}: it must be signed anew")]
    Expired(String),
    /// It would count for longer than the gate allows.
    #[error("the statement would count until {said}; the gate's `valid` allows no longer than {latest}")]
    TooLong {
        /// The statement's.
        said: String,
        /// The last moment that the gate allows.
        latest: String,
    },
}

impl DecisionStatement {
    /// What a person who decides now has to sign.
    pub fn new(
        settings: &Settings,
        stage: &StageName,
        gate: &Gate,
        decision: Verdict,
        reason: &str,
        now: Timestamp,
    ) -> Self {
        Self {
            schema: STATEMENT_VERSION,
            run: settings.run.clone(),
            change: settings.change.clone(),
            plan: settings.plan.clone(),
            stage: stage.clone(),
            gate: gate.kind,
            digest: gate.digest,
            decision,
            reason: reason.to_owned(),
            expires: Stamp(latest(gate, now)),
        }
    }

    /// The text that is signed, with its line end. Equal statements have equal texts.
    pub fn text(&self) -> String {
        // Names, digests and words: it can always be written.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads the text again, in the one form in which it is written.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn parse(text: &str) -> Result<Self, Unfit> {
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }
        let unreadable = |error: serde_json::Error| Unfit::Unreadable(error.to_string());
        if text.len() > LONGEST {
            return Err(Unfit::Unreadable(format!("it is longer than {} KiB", LONGEST >> 10)));
        }
        let Version { schema } = serde_json::from_str(text).map_err(unreadable)?;
        if schema != STATEMENT_VERSION {
            return Err(Unfit::Version(schema));
        }
        let statement: Self = serde_json::from_str(text).map_err(unreadable)?;
        if statement.text() != text {
            return Err(Unfit::Form);
        }
        if !matches!(statement.decision, Verdict::Approved | Verdict::Rejected) {
            return Err(Unfit::Verdict);
        }
        if statement.reason.trim().is_empty() {
            return Err(Unfit::NoReason);
        }
        if statement.reason.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            return Err(Unfit::Unreadable("its reason has a control character in it".into()));
        }
        Ok(statement)
    }

    /// Whether it is a decision on this gate of this run, and counts now.
    ///
    /// # Errors
    /// Why not.
    pub fn fits(&self, settings: &Settings, stage: &StageName, gate: &Gate, now: Timestamp) -> Result<(), Unfit> {
        same("run", &self.run, &settings.run)?;
        same("change", &self.change, &settings.change)?;
        same("plan", &self.plan, &settings.plan)?;
        same("stage", &self.stage, stage)?;
        same("the gate", &word(self.gate), &word(gate.kind))?;
        if self.digest != gate.digest {
            let short = |digest: &Digest| digest.hex()[..12].to_owned();
            return Err(Unfit::OtherDigest { said: short(&self.digest), open: short(&gate.digest) });
        }
        if self.has_expired(now) {
            return Err(Unfit::Expired(stamp(self.expires.0)));
        }
        let latest = latest(gate, now);
        if self.expires.0 > latest {
            return Err(Unfit::TooLong { said: stamp(self.expires.0), latest: stamp(latest) });
        }
        Ok(())
    }

    /// Whether its time is over.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        now > self.expires.0
    }
}

/// The last moment for which an approval of now may wait to be used.
fn latest(gate: &Gate, now: Timestamp) -> Timestamp {
    let valid = SignedDuration::try_from(gate.rules.valid).unwrap_or(SignedDuration::MAX);
    now.checked_add(valid).unwrap_or(Timestamp::MAX)
}

fn word(kind: GateKind) -> String {
    serde_json::to_string(&kind).unwrap_or_default()
}

fn same<T: PartialEq + ToString>(what: &'static str, said: &T, open: &T) -> Result<(), Unfit> {
    if said == open {
        return Ok(());
    }
    Err(Unfit::Other { what, said: said.to_string(), open: open.to_string() })
}

#[cfg(test)]
mod tests {
    use super::super::approval::Approval;
    use super::*;

    const TEXT: &str = "{\n  \"schema\": 1,\n  \"run\": \"01JD0000000000000000000000\",\n  \"change\": \"CHG1\",\n  \
         \"plan\": \"p\",\n  \"stage\": \"uat\",\n  \"gate\": \"after\",\n  \"digest\": \
         \"sha256:0000000000000000000000000000000000000000000000000000000000000000\",\n  \"decision\": \"approved\",\n  \
         \"reason\": \"smoke \\\"tests\\\" fine\",\n  \"expires\": \"2026-11-29T01:00:00Z\"\n}\n";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_statement_has_one_text() {
        let statement = DecisionStatement::parse(TEXT).unwrap();
        assert_eq!(statement.text(), TEXT);
        assert_eq!((statement.decision, statement.reason.as_str()), (Verdict::Approved, "smoke \"tests\" fine"));
    }

    #[test]
    fn whatever_says_it_otherwise_is_refused() {
        let with = |from: &str, to: &str| {
            assert!(TEXT.contains(from), "{from}");
            DecisionStatement::parse(&TEXT.replacen(from, to, 1)).unwrap_err()
        };
        assert_eq!(with("}\n", "}"), Unfit::Form);
        assert_eq!(with("}\n", "}\n\n"), Unfit::Form);
        assert_eq!(with("  \"schema\"", "\"schema\""), Unfit::Form);
        assert_eq!(with("\"reason\": \"s", "\"reason\": \"\\u0073"), Unfit::Form);
        assert_eq!(with("01:00:00Z", "01:00:00.5Z"), Unfit::Form);
        assert_eq!(with("01:00:00Z", "02:00:00+01:00"), Unfit::Form);
        assert_eq!(with("\"schema\": 1", "\"schema\": 2"), Unfit::Version(2));
        assert_eq!(with("\"approved\"", "\"expired\""), Unfit::Verdict);
        assert_eq!(with("smoke \\\"tests\\\" fine", " "), Unfit::NoReason);
        assert!(matches!(with("\"approved\"", "\"maybe\""), Unfit::Unreadable(_)));
        assert!(matches!(with("smoke", "smo\\u001bke"), Unfit::Unreadable(_)));
        assert!(matches!(with("\"plan\"", "\"more\": 1,\n  \"plan\""), Unfit::Unreadable(_)));
        assert!(matches!(with("\"plan\": \"p\",\n  ", ""), Unfit::Unreadable(_)));
        assert!(matches!(DecisionStatement::parse("hello"), Err(Unfit::Unreadable(_))));
        assert!(matches!(DecisionStatement::parse(&" ".repeat(LONGEST + 1)), Err(Unfit::Unreadable(_))));
    }

    #[test]
    fn it_counts_at_its_own_gate_and_in_its_own_time_only() {
        let statement = DecisionStatement::parse(TEXT).unwrap();
        let settings = super::super::rollout::settings_for_tests();
        let settings = Settings {
            run: statement.run.clone(),
            change: statement.change.clone(),
            plan: statement.plan.clone(),
            ..settings
        };
        let gate = Gate::new(GateKind::After, Digest::ZERO, at("2026-11-22T01:00:00Z"), Approval::default());
        let uat = StageName::new("uat").unwrap();
        let fits = |settings: &Settings, stage: &str, gate: &Gate, now: &str| {
            statement.fits(settings, &StageName::new(stage).unwrap(), gate, at(now))
        };
        assert_eq!(fits(&settings, "uat", &gate, "2026-11-29T01:00:00Z"), Ok(()));
        assert!(matches!(fits(&settings, "uat", &gate, "2026-11-29T01:00:01Z"), Err(Unfit::Expired(_))));
        // Nobody gives an approval for longer than the gate allows.
        assert!(matches!(fits(&settings, "uat", &gate, "2026-11-22T00:59:59Z"), Err(Unfit::TooLong { .. })));
        let other = Settings { run: RunId::new("01JD0000000000000000000001").unwrap(), ..settings.clone() };
        assert!(matches!(fits(&other, "uat", &gate, "2026-11-29T01:00:00Z"), Err(Unfit::Other { what: "run", .. })));
        let now = "2026-11-29T01:00:00Z";
        assert!(matches!(fits(&settings, "prod", &gate, now), Err(Unfit::Other { what: "stage", .. })));
        let before = Gate { kind: GateKind::Before, ..gate.clone() };
        assert!(matches!(fits(&settings, "uat", &before, now), Err(Unfit::Other { what: "the gate", .. })));
        let changed = Gate { digest: Digest::of(b"x"), ..gate.clone() };
        assert!(matches!(fits(&settings, "uat", &changed, now), Err(Unfit::OtherDigest { .. })));
        let made = DecisionStatement::new(
            &settings,
            &uat,
            &gate,
            Verdict::Approved,
            "smoke \"tests\" fine",
            at("2026-11-22T01:00:00Z"),
        );
        assert_eq!(made, statement);
    }
}
