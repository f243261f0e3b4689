//! `policy test PLAN`: which rules apply, and why. No host is contacted.

use super::run::{Checked, judged};
use super::{Context, Ended};
use crate::cli::{Contact, PolicyTestArgs};
use crate::core::approval::Approval;
use crate::core::calendar::State;
use crate::core::document::{
    DOCUMENT_VERSION, DrillLine, EmergencyLine, ExceptedHost, ExceptionLine, GateLine, LimitLine, Outcome,
    PolicyDocument, PolicyOf, RuleLine, StagePolicy, Stamp, WindowLine,
};
use crate::core::drill::{DrillRule, Proof};
use crate::core::emergency::Declared;
use crate::core::ids::StageIx;
use crate::core::policy::{ApprovalRule, Stance, narrowed};
use crate::core::settings::{Settings, Stage};
use crate::input::policy::{Expired, LimitCheck, Verdict};

pub(super) fn test(context: &Context<'_>, args: &PolicyTestArgs) -> Ended {
    let checked = judged(context, &args.plan, &Contact::default(), &args.policy)?;
    let kept = context.wiring.kept_runs()?;
    let last = kept.and_then(|runs| super::drill::last_proof(runs.as_ref(), &checked.settings));
    let document = document(&checked, last, context.wiring.clock().now());
    context.print(&document, |look| crate::ui::policy::draw(look, &document))?;
    Ok(document.exit_code)
}

fn document(checked: &Checked, last: Option<Proof>, now: jiff::Timestamp) -> PolicyDocument {
    let settings = &checked.settings;
    let drill = settings.policy.drill.clone().map(|rule| DrillRule { last, ..rule });
    let undrilled = drill.as_ref().filter(|rule| !rule.is_met(now)).map(|rule| super::drill::refusal(settings, rule));
    let never = super::run::opens_some_time(settings, &Declared::default(), now).err();
    let errors: Vec<_> = checked
        .applied
        .refusals()
        .into_iter()
        .chain(never.into_iter().flat_map(|never| never.problems))
        .chain(undrilled)
        .collect();
    let outcome = if errors.is_empty() { Outcome::Complete } else { Outcome::Refused };
    let policy = &settings.policy;
    let held = policy.exceptions.iter().map(|exception| ExceptionLine {
        at: exception.at.clone(),
        what: exception.what(),
        until: Stamp(exception.until),
        ticket: exception.ticket.clone(),
        expired: false,
    });
    PolicyDocument {
        schema: DOCUMENT_VERSION,
        outcome,
        exit_code: outcome.exit_code(),
        plan: settings.plan.clone(),
        severity: settings.patch.severity,
        policies: policy.files.iter().map(|of| PolicyOf { file: of.name.clone(), digest: of.digest }).collect(),
        stages: (0..)
            .map(StageIx)
            .zip(&settings.stages)
            .map(|(ix, stage)| of_stage(settings, ix, stage, now))
            .collect(),
        limits: checked.applied.limits.iter().map(limit).collect(),
        exceptions: held.chain(checked.applied.expired.iter().map(expired)).collect(),
        checks: policy.checks.iter().map(|check| format!("{} ({})", check.name, check.at)).collect(),
        emergency: policy.emergency.as_ref().map(|way| EmergencyLine {
            at: way.at.clone(),
            by: way.by.clone(),
            quorum: way.quorum,
            passes: way.passes.clone(),
        }),
        drill: drill.map(|rule| drill_line(&rule, now)),
        errors,
    }
}

fn drill_line(rule: &DrillRule, now: jiff::Timestamp) -> DrillLine {
    DrillLine {
        at: rule.at.clone(),
        within: rule.within,
        met: rule.is_met(now),
        run_id: rule.last.as_ref().map(|last| last.run.clone()),
        ended_at: rule.last.as_ref().map(|last| Stamp(last.ended)),
        said: format!("{}: {}", rule.words(), rule.last_words()),
    }
}

fn of_stage(settings: &Settings, ix: StageIx, stage: &Stage, now: jiff::Timestamp) -> StagePolicy {
    let policy = &settings.policy;
    let stances: Vec<_> = policy.approvals.iter().map(|rule| (rule, rule.stance(stage, &settings.patch))).collect();
    let certain = stances.iter().filter(|(_, stance)| matches!(stance, Stance::Applies(_))).map(|(rule, _)| *rule);
    let gate = narrowed(stage.approval.as_ref(), certain);
    let narrowing = stances.into_iter().map(|(rule, stance)| approval_line(rule, stance));
    let opening = policy.auto_approve.iter().map(|rule| {
        let (applies, why) = words(rule.stance(stage, &settings.patch, gate.as_ref()));
        let demand = "opens the gate without a person".to_owned();
        RuleLine { rule: rule.name.clone(), kind: "auto_approve", at: rule.at.clone(), applies, why, demand }
    });
    let rules = narrowing.chain(opening).collect();
    let excepted = stage.hosts.iter().flat_map(|host| {
        let name = &settings.hosts[host.at()].name;
        let whole = policy.excepted(*host).into_iter();
        whole.chain(policy.held_back(*host)).map(|of| ExceptedHost { host: name.clone(), cause: of.cause() })
    });
    StagePolicy {
        name: stage.name.clone(),
        hosts: stage.hosts.len(),
        gate: gate.map(gate_line),
        rules,
        window: window(settings, ix, now),
        excepted: excepted.collect(),
    }
}

fn approval_line(rule: &ApprovalRule, stance: Stance) -> RuleLine {
    let (applies, why) = words(stance);
    RuleLine { rule: rule.name.clone(), kind: "approval", at: rule.at.clone(), applies, why, demand: rule.demand() }
}

fn words(stance: Stance) -> (&'static str, String) {
    match stance {
        Stance::Applies(why) => ("yes", why),
        Stance::Depends(on) => ("if", on),
        Stance::Not(why) => ("no", why),
    }
}

fn gate_line(gate: Approval) -> GateLine {
    let Approval { when, by, quorum, signed, four_eyes, .. } = gate;
    GateLine { when, by, quorum, signed, four_eyes }
}

fn window(settings: &Settings, ix: StageIx, now: jiff::Timestamp) -> Option<WindowLine> {
    let calendar = settings.calendar(ix);
    if calendar.is_empty() {
        return None;
    }
    Some(match calendar.state(now) {
        State::Open { last, .. } => WindowLine { open: true, until: last.map(Stamp), by: None },
        State::Shut { by, opens } => WindowLine { open: false, until: opens.map(Stamp), by: Some(by.to_string()) },
    })
}

fn limit(check: &LimitCheck) -> LimitLine {
    LimitLine {
        limit: check.key,
        at: check.at.clone(),
        stage: check.stage.clone(),
        allowed: check.allowed.clone(),
        wanted: check.wanted.clone(),
        wanted_at: check.wanted_at.clone(),
        verdict: match check.verdict {
            Verdict::Within => "within",
            Verdict::Lowered => "lowered",
            Verdict::Refused => "refused",
            Verdict::Depends => "if",
        },
    }
}

fn expired(old: &Expired) -> ExceptionLine {
    ExceptionLine {
        at: old.at.clone(),
        what: old.hosts.clone(),
        until: Stamp(old.until),
        ticket: old.ticket.clone(),
        expired: true,
    }
}
