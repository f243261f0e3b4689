//! Whose a decision is. Nothing of a signed one counts before its signature was checked, whoever brings it.

use jiff::Timestamp;

use crate::core::approval::{Decision, Signed};
use crate::core::document::{How, Verdict};
use crate::core::ids::StageIx;
use crate::core::preapproval::{self, Preapproval};
use crate::core::rollout::Rollout;
use crate::core::settings::{Person, Settings, stamp};
use crate::core::statement::{DecisionStatement, NAMESPACE, Unfit};
use crate::ports::People;
use crate::ports::signatures::{BadSignature, Signature, Signatures, Signer};

/// Where the name of who signed comes from.
const SOURCE: &str = "signature";

/// Why a signed decision is not taken.
#[derive(Debug, thiserror::Error)]
pub enum NotSigned {
    /// It is called signed, and is not.
    #[error("the decision says that it is signed, and has no signature")]
    Missing,
    /// Nobody's signature counts in this run.
    #[error(
        "no signature can be checked: the run began without allowed signers (`allowed_signers` in the plan, or \
         /etc/patchctl/allowed_signers)"
    )]
    NoSigners,
    /// What was signed is not about this gate.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The run has no such stage, or its gate has not opened.
    #[error("the statement is about stage {0}, where no gate has opened")]
    NoGate(String),
    /// The decision says one thing, and its statement another.
    #[error("the decision is called {said}, and {signed} is what was signed")]
    OtherVerdict {
        /// The decision's.
        said: &'static str,
        /// The statement's.
        signed: &'static str,
    },
    /// It is a permission beforehand, and comes as a decision.
    #[error("a pre-approval is given to `run` or `resume`, with --preapproval: it is no decision on one gate")]
    Beforehand,
    /// It permits too much.
    #[error("the pre-approval counts until {0}: nobody gives one for more than 366 days")]
    TooLong(String),
    /// The signature does not count.
    #[error(transparent)]
    Bad(#[from] BadSignature),
}

/// The decision with the groups that its person is in, of those that gates of this run name.
pub fn standing(rollout: &Rollout, people: &dyn People, decision: Decision) -> Decision {
    Decision { groups: people.groups_of(&decision.by.name, &rollout.groups_of_gates()), ..decision }
}

/// The decision as its signature makes it: who, what and why come from what was signed, and from nowhere else. With it
/// the stage that it is about; none, and the decision as it was, where nobody signed it.
///
/// # Errors
/// Why the signature does not count at the stage's gate now.
pub fn checked(
    signatures: &dyn Signatures,
    rollout: &Rollout,
    decision: Decision,
    now: Timestamp,
) -> Result<(Option<StageIx>, Decision), NotSigned> {
    let Some(signed) = decision.signed.clone() else {
        let claims = decision.how == How::Signature || decision.by.source == SOURCE;
        // Whatever it says of itself: it came from another process.
        return if claims { Err(NotSigned::Missing) } else { Ok((None, Decision { how: How::Command, ..decision })) };
    };
    if signed.preapproval.is_some() {
        return Err(NotSigned::Beforehand);
    }
    let settings = rollout.settings();
    let statement = DecisionStatement::parse(&signed.statement)?;
    let signers = settings.signers.as_deref().ok_or(NotSigned::NoSigners)?;
    let signature =
        Signature { text: &signed.statement, armored: &signed.signature, namespace: NAMESPACE, signers, at: now };
    let signer = signatures.verify(&signature)?;
    let no_gate = || NotSigned::NoGate(statement.stage.to_string());
    let stage = settings.stage(&statement.stage).ok_or_else(no_gate)?;
    let gate = rollout.stages()[stage.at()].gate.as_ref().ok_or_else(no_gate)?;
    statement.fits(settings, &statement.stage, gate, now)?;
    if statement.decision != decision.verdict {
        let (said, signed) = (decision.verdict.as_str(), statement.decision.as_str());
        return Err(NotSigned::OtherVerdict { said, signed });
    }
    let checked = Decision {
        verdict: statement.decision,
        by: Person { name: signer.principal.clone(), source: SOURCE.into() },
        reason: statement.reason,
        how: How::Signature,
        signed: Some(Box::new(Signed { principal: signer.principal, key: signer.key, ..*signed })),
        ..decision
    };
    Ok((Some(stage), checked))
}

/// A decision that somebody signed and that is still to be [`checked`]: what it says of itself counts for nothing.
pub fn unchecked(statement: &DecisionStatement, signature: String, brought_by: Person) -> Decision {
    let nobody = Person { name: String::new(), source: SOURCE.into() };
    let signed = Signed {
        principal: String::new(),
        key: String::new(),
        statement: statement.text(),
        signature,
        brought_by,
        preapproval: None,
    };
    Decision {
        signed: Some(Box::new(signed)),
        ..Decision::new(statement.decision, nobody, statement.reason.clone(), How::Signature)
    }
}

/// Whose pre-approval it is, if it counts in a run with these settings now. Whether it covers anything is for the gates.
///
/// # Errors
/// Why it does not count.
pub fn preapproved_by(
    signatures: &dyn Signatures,
    settings: &Settings,
    (text, armored): (&str, &str),
    now: Timestamp,
) -> Result<Signer, NotSigned> {
    let signers = settings.signers.as_deref().ok_or(NotSigned::NoSigners)?;
    let signature = Signature { text, armored, namespace: preapproval::NAMESPACE, signers, at: now };
    Ok(signatures.verify(&signature)?)
}

/// A permission that never ends is nobody's any more.
///
/// # Errors
/// When it would count for longer than anybody may give one.
pub fn not_too_long(scope: &Preapproval, now: Timestamp) -> Result<(), NotSigned> {
    if scope.until.0.duration_since(now) > preapproval::LONGEST {
        return Err(NotSigned::TooLong(stamp(scope.until.0)));
    }
    Ok(())
}

/// The one decision that a pre-approval is, of whoever signed it.
///
/// # Errors
/// Why it does not count.
pub fn preapproved(
    signatures: &dyn Signatures,
    settings: &Settings,
    scope: &Preapproval,
    (text, armored): (&str, &str),
    brought_by: Person,
    now: Timestamp,
) -> Result<Decision, NotSigned> {
    let signer = preapproved_by(signatures, settings, (text, armored), now)?;
    not_too_long(scope, now)?;
    let by = Person { name: signer.principal.clone(), source: SOURCE.into() };
    let signed = Signed {
        principal: signer.principal,
        key: signer.key,
        statement: text.to_owned(),
        signature: armored.to_owned(),
        brought_by,
        preapproval: Some(Box::new(scope.clone())),
    };
    Ok(Decision {
        signed: Some(Box::new(signed)),
        ..Decision::new(Verdict::Approved, by, scope.words(), How::Signature)
    })
}
