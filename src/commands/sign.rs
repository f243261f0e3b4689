//! Signed decisions: `--sign KEY`, `--export FILE` and `--import FILE`.
//!
//! An exported FILE is exactly what is signed, so that `ssh-keygen -Y sign` makes FILE.sig from it. Beside it lie the
//! evidence for people and the gate's own text, whose SHA-256 is the digest that the statement names.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::decide::{only_gate, reason};
use super::{CommandError, Context, Ended, Question, with_causes};
use crate::cli::DecideArgs;
use crate::core::approval::Decision;
use crate::core::document::{Outcome, Verdict};
use crate::core::ids::{Digest, StageIx, StageName};
use crate::core::report;
use crate::core::settings::stamp;
use crate::core::stage::Gate;
use crate::core::statement::{DecisionStatement, NAMESPACE};
use crate::core::untrusted::Untrusted;
use crate::engine;
use crate::ports::state::Loaded;
use crate::ui::style::Look;

/// No statement or signature is longer; a gate's text may be.
pub(super) const SHORT: u64 = 64 << 10;
const LONG: u64 = 64 << 20;

/// Signs a decision on the gate that waits.
pub(super) async fn decision(
    context: &Context<'_>,
    args: &DecideArgs,
    loaded: &Loaded,
    stage: Option<StageIx>,
    verdict: Verdict,
    reason: &str,
    key: &Path,
) -> Result<Decision, CommandError> {
    let (name, gate, _) = gate(args, loaded, stage)?;
    let now = context.wiring.clock().now();
    let statement = DecisionStatement::new(&loaded.frozen.settings, name, gate, verdict, reason, now);
    if loaded.frozen.settings.signers.is_none() {
        return Err(engine::NotSigned::NoSigners.into());
    }
    let signatures = context.wiring.signatures(&context.wiring.front(false));
    let signature = signatures.sign(&statement.text(), NAMESPACE, key).await?;
    let signed = engine::unchecked(&statement, signature, context.wiring.person());
    let (_, decision) = engine::checked(&*signatures, &loaded.rollout, signed, context.wiring.clock().now())?;
    Ok(decision)
}

/// The decision in an exported file, as signed beside it.
pub(super) fn imported(
    context: &Context<'_>,
    args: &DecideArgs,
    loaded: &Loaded,
    verb: Verdict,
    file: &Path,
) -> Result<Decision, CommandError> {
    let statement = statement(file, verb)?;
    if let Some(stage) = args.stage.as_ref().filter(|stage| **stage != statement.stage) {
        let message = format!("{}: it is about stage {}, not {stage}", file.display(), statement.stage);
        return Err(CommandError::invalid(message, "leave --stage out: the file says it"));
    }
    let beside = beside(file, ".sig");
    let signature = text(&beside, SHORT).map_err(|mut error| {
        let hint = format!("`ssh-keygen -Y sign -n {NAMESPACE} -f KEY {}` makes it", file.display());
        error.problems.iter_mut().for_each(|problem| problem.hint = Some(hint.clone()));
        error
    })?;
    let signed = engine::unchecked(&statement, signature, context.wiring.person());
    let signatures = context.wiring.signatures(&context.wiring.front(true));
    let (_, decision) = engine::checked(&*signatures, &loaded.rollout, signed, context.wiring.clock().now())?;
    Ok(decision)
}

/// Writes what somebody elsewhere is to sign.
pub(super) async fn export(
    context: &Context<'_>,
    args: &DecideArgs,
    loaded: &Loaded,
    stage: Option<StageIx>,
    verb: Verdict,
    file: &Path,
) -> Ended {
    let (name, gate, ix) = gate(args, loaded, stage)?;
    let Some(reason) = reason(context, args).await? else {
        context.say("nothing was written");
        return Ok(Outcome::Paused.exit_code());
    };
    let now = context.wiring.clock().now();
    let statement = DecisionStatement::new(&loaded.frozen.settings, name, gate, verb, &reason, now);
    let mut files = vec![(file.to_owned(), "what is signed, byte for byte")];
    write(file, statement.text().as_bytes())?;
    if let Some(question) = report::question(&loaded.rollout, ix) {
        let plain = Look::plain(None);
        let shown = format!(
            "{}\n{}",
            crate::ui::evidence::overview(&plain, &question),
            crate::ui::evidence::details(&plain, &question)
        );
        let path = beside(file, ".evidence.txt");
        write(&path, shown.as_bytes())?;
        files.push((path, "the evidence, to be read"));
    }
    if let Some(text) = gate_text(loaded, ix, gate) {
        let path = beside(file, ".gate.json");
        write(&path, &text)?;
        files.push((path, "the same for machines: its SHA-256 is the digest"));
    }
    let run = &statement.run;
    let verb = if verb == Verdict::Approved { "approve" } else { "reject" };
    let document = serde_json::json!({
        "schema": 1, "run_id": run, "stage": statement.stage, "verdict": statement.decision, "recorded": false,
        "digest": statement.digest, "expires": statement.expires,
        "files": files.iter().map(|(path, _)| path.display().to_string()).collect::<Vec<_>>(), "errors": [],
    });
    let shown = file.display();
    context.print(&document, |_| {
        let list: String = files.iter().map(|(path, what)| format!("  {}  {what}\n", path.display())).collect();
        format!(
            "nothing is decided yet: written for somebody to sign before {}\n{list}\
             sign    ssh-keygen -Y sign -n {NAMESPACE} -f KEY {shown}\n\
             or      patchctl {verb} {shown} --sign KEY\n\
             record  patchctl {verb} {run} --import {shown}    here, with {shown}.sig beside it\n",
            stamp(statement.expires.0)
        )
    })?;
    Ok(0)
}

/// Signs an exported file: needs no access to the run.
pub(super) async fn file(context: &Context<'_>, args: &DecideArgs, key: &Path, verb: Verdict) -> Ended {
    let file = Path::new(&args.run);
    for (given, name) in
        [(args.reason.is_some(), "--reason"), (args.stage.is_some(), "--stage"), (args.resume, "--resume")]
    {
        if given {
            let message = format!("{name} has no place here: {} says all that is signed", file.display());
            return Err(CommandError::invalid(message, "leave it out"));
        }
    }
    let statement = statement(file, verb)?;
    check_digest(args, &statement.digest)?;
    if statement.has_expired(context.wiring.clock().now()) {
        let message = format!("{}: it expired at {}", file.display(), stamp(statement.expires.0));
        return Err(CommandError::invalid(message, "have it exported again"));
    }
    let proof = gate_file(file, &statement.digest)?;
    let front = context.wiring.front(false);
    if context.wiring.is_interactive() && !args.yes {
        let question = Question::Sure { about: about(file, &statement, proof), question: "Sign this?".into() };
        if context.wiring.question(&front, question).await.is_none() {
            context.say("nothing was signed");
            return Ok(Outcome::Paused.exit_code());
        }
    }
    let signed = beside(file, ".sig");
    let signature = context.wiring.signatures(&front).sign(&statement.text(), NAMESPACE, key).await?;
    write(&signed, signature.as_bytes())?;
    let verb = if verb == Verdict::Approved { "approve" } else { "reject" };
    let document = serde_json::json!({
        "schema": 1, "run_id": statement.run, "stage": statement.stage, "verdict": statement.decision,
        "recorded": false, "digest": statement.digest, "expires": statement.expires,
        "files": [signed.display().to_string()], "errors": [],
    });
    context.print(&document, |_| {
        format!(
            "signed: {}; on the run's machine, with both files: patchctl {verb} {} --import {}\n",
            signed.display(),
            statement.run,
            file.display()
        )
    })?;
    Ok(0)
}

/// What a person sees before signing a file.
fn about(file: &Path, statement: &DecisionStatement, proof: bool) -> String {
    let said: String = statement.text().lines().map(|line| format!("{}\n", Untrusted::new(line))).collect();
    let evidence = std::fs::read_to_string(beside(file, ".evidence.txt")).unwrap_or_default();
    let evidence: String = evidence.lines().map(|line| format!("{}\n", Untrusted::new(line))).collect();
    let proof = if proof {
        format!("{}.gate.json has the digest that is signed", file.display())
    } else {
        "the gate's own text is not here: the digest cannot be checked on this machine".into()
    };
    format!("{evidence}{said}{proof}\n")
}

/// The gate that waits for the decision.
fn gate<'a>(
    args: &DecideArgs,
    loaded: &'a Loaded,
    stage: Option<StageIx>,
) -> Result<(&'a StageName, &'a Gate, StageIx), CommandError> {
    let run = &loaded.frozen.settings.run;
    let hint = || format!("`patchctl status {run}` shows what waits; name the stage with --stage where several do");
    let ix = stage.or_else(|| only_gate(loaded));
    let found = ix.and_then(|ix| Some((ix, loaded.rollout.stages()[ix.at()].open_gate()?)));
    let (ix, gate) = found.ok_or_else(|| CommandError::invalid("there is not one open gate to decide", hint()))?;
    check_digest(args, &gate.digest)?;
    Ok((&loaded.frozen.settings.stages[ix.at()].name, gate, ix))
}

fn check_digest(args: &DecideArgs, digest: &Digest) -> Result<(), CommandError> {
    match &args.digest {
        Some(given) if !digest.matches(given) => {
            let message = format!("the digest is {digest}, not {given}");
            Err(CommandError::invalid(message, "what is decided on has changed, or is something else"))
        }
        _ => Ok(()),
    }
}

/// The text whose SHA-256 is the gate's digest, where it can still be made.
fn gate_text(loaded: &Loaded, ix: StageIx, gate: &Gate) -> Option<Vec<u8>> {
    let text = serde_json::to_vec(&loaded.rollout.statement(ix, gate.kind, *loaded.opened.get(&ix)?)).ok()?;
    (Digest::of(&text) == gate.digest).then_some(text)
}

/// Whether the gate's text lies beside the statement; it must have the digest then.
fn gate_file(file: &Path, digest: &Digest) -> Result<bool, CommandError> {
    let path = beside(file, ".gate.json");
    if !path.exists() {
        return Ok(false);
    }
    if Digest::of(text(&path, LONG)?.as_bytes()) != *digest {
        let message = format!("{}: it does not have the digest that {} names", path.display(), file.display());
        return Err(CommandError::invalid(message, "one of them was changed: do not sign"));
    }
    Ok(true)
}

/// Reads a statement that says what the verb says.
fn statement(file: &Path, verb: Verdict) -> Result<DecisionStatement, CommandError> {
    let read = DecisionStatement::parse(&text(file, SHORT)?).map_err(|error| {
        let hint = "FILE is what `patchctl approve RUN --export FILE` wrote";
        CommandError::invalid(format!("{}: {}", file.display(), with_causes(&error)), hint)
    })?;
    if read.decision != verb {
        let (message, other) = match read.decision {
            Verdict::Approved => ("it approves", "approve"),
            _ => ("it rejects", "reject"),
        };
        let message = format!("{}: {message}", file.display());
        return Err(CommandError::invalid(message, format!("`patchctl {other}` is the command for it")));
    }
    Ok(read)
}

pub(super) fn text(path: &Path, longest: u64) -> Result<String, CommandError> {
    let fail = |why: String| CommandError::invalid(format!("{}: {why}", path.display()), "is it the right file?");
    let mut text = String::new();
    let file = File::open(path).map_err(|error| fail(format!("cannot be read: {error}")))?;
    file.take(longest + 1).read_to_string(&mut text).map_err(|error| fail(format!("cannot be read: {error}")))?;
    if text.len() as u64 > longest {
        return Err(fail(format!("is larger than {} KiB", longest >> 10)));
    }
    Ok(text)
}

/// Writes a new file; one that is there is not touched.
fn write(path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    let written = OpenOptions::new().write(true).create_new(true).open(path).and_then(|mut file| file.write_all(bytes));
    written.map_err(|error| {
        let message = format!("{}: cannot be written: {error}", path.display());
        CommandError::invalid(message, "name another file, or move that one away")
    })
}

pub(super) fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    name.into()
}
