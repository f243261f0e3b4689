//! What policies make of a plan: each stage with its rules, and what became of the limits.

use super::problems;
use super::style::{Look, Tone};
use super::text;
use crate::core::approval::{When, Who};
use crate::core::document::{GateLine, LimitLine, PolicyDocument, RuleLine, StagePolicy, WindowLine};
use crate::core::policy::Passes;

const LABEL: usize = 10;

/// The document of `policy test` as text.
pub fn draw(look: &Look, document: &PolicyDocument) -> String {
    let mut out = String::new();
    let severity = document.severity.map_or("not declared (counts as critical)", |severity| severity.as_str());
    out.push_str(&format!("{}  severity {severity}\n", look.paint(Tone::Strong, document.plan.as_str())));
    match document.policies.as_slice() {
        [] => out.push_str("no policy beside the plan's own rules\n"),
        files => {
            let names: Vec<String> = files.iter().map(|of| text::one_line(&of.file)).collect();
            out.push_str(&format!("under {}\n", names.join(", ")));
        }
    }
    for stage in &document.stages {
        out.push('\n');
        draw_stage(&mut out, look, stage, &document.limits);
    }
    let plan_wide: Vec<&LimitLine> = document.limits.iter().filter(|limit| limit.stage.is_none()).collect();
    let own = !document.exceptions.is_empty() || document.emergency.is_some() || !document.checks.is_empty();
    if !plan_wide.is_empty() || own {
        out.push_str(&format!("\n{}\n", look.paint(Tone::Strong, "the plan")));
    }
    plan_wide.into_iter().for_each(|limit| draw_limit(&mut out, look, limit));
    for exception in &document.exceptions {
        let until = look.time(exception.until.0);
        let (tone, words) = if exception.expired { (Tone::Warn, "over since") } else { (Tone::Plain, "until") };
        let said = format!("{} {words} {until}, {} ({})", exception.what, exception.ticket, exception.at);
        field(&mut out, look, "exception", tone, &said);
    }
    if !document.checks.is_empty() {
        let said = format!("must have held before a gate is approved: {}", document.checks.join(", "));
        field(&mut out, look, "checks", Tone::Plain, &said);
    }
    if let Some(way) = &document.emergency {
        let passes = way.passes.iter().map(|what| match what {
            Passes::Window => "windows",
            Passes::Freeze => "freezes",
        });
        let passes = passes.collect::<Vec<_>>().join(" and ");
        let said = format!("by {}, quorum {}, passes {passes} ({})", people(&way.by), way.quorum, way.at);
        field(&mut out, look, "emergency", Tone::Plain, &said);
    }
    if let Some(drill) = &document.drill {
        let tone = if drill.met { Tone::Plain } else { Tone::Bad };
        field(&mut out, look, "drill", tone, &format!("{} ({})", drill.said, drill.at));
    }
    let refused: Vec<_> = document.errors.iter().collect();
    if !refused.is_empty() {
        out.push('\n');
        out.push_str(&problems::draw(look, &refused));
    }
    out
}

fn draw_stage(out: &mut String, look: &Look, stage: &StagePolicy, limits: &[LimitLine]) {
    let name = look.paint(Tone::Strong, stage.name.as_str());
    out.push_str(&format!("{name}  {}\n", text::count(stage.hosts, "host")));
    field(out, look, "gate", Tone::Plain, &stage.gate.as_ref().map_or_else(|| "none".into(), gate));
    for rule in &stage.rules {
        draw_rule(out, look, rule);
    }
    let own = limits.iter().filter(|limit| limit.stage.as_deref() == Some(stage.name.as_str()));
    own.for_each(|limit| draw_limit(out, look, limit));
    if let Some(window) = &stage.window {
        let (tone, said) = now(look, window);
        field(out, look, "now", tone, &said);
    }
    for host in &stage.excepted {
        field(out, look, "excepted", Tone::Warn, &format!("{}: {}", host.host, host.cause));
    }
}

fn draw_rule(out: &mut String, look: &Look, rule: &RuleLine) {
    let name = format!("{} ({})", rule.rule, rule.at);
    let (label, tone, said) = match rule.applies {
        "yes" => ("applies", Tone::Plain, format!("{name}: {}, since {}", rule.demand, rule.why)),
        "if" => ("if", Tone::Plain, format!("{name}: {}, if {}", rule.demand, rule.why)),
        _ => ("not", Tone::Dim, format!("{name}: {}", rule.why)),
    };
    field(out, look, label, tone, &said);
}

fn draw_limit(out: &mut String, look: &Look, limit: &LimitLine) {
    let (tone, what) = match limit.verdict {
        "refused" => (Tone::Bad, "refused"),
        "lowered" => (Tone::Warn, "lowered to it"),
        "if" => (Tone::Plain, "a host whose way back is approximate is refused"),
        _ => (Tone::Dim, "within it"),
    };
    let wanted = match &limit.wanted_at {
        Some(at) => format!("the plan wants {} ({at})", limit.wanted),
        None => format!("the plan has {}", limit.wanted),
    };
    let said = format!("{} {} ({}); {wanted}: {what}", limit.limit, limit.allowed, limit.at);
    field(out, look, "limit", tone, &said);
}

fn gate(gate: &GateLine) -> String {
    let mut all = vec![
        match gate.when {
            When::Before => "before the stage",
            When::After => "after the stage",
            When::Both => "before and after the stage",
        }
        .to_owned(),
    ];
    match gate.by.as_slice() {
        [] => all.push("by anybody who may use the state folder".into()),
        lists => {
            let lists: Vec<String> = lists.iter().map(|list| people(list)).collect();
            all.push(format!("by {}", lists.join(", who is also ")));
        }
    }
    all.extend((gate.quorum > 1).then(|| format!("quorum {}", gate.quorum)));
    all.extend(gate.signed.then(|| "signed".to_owned()));
    all.extend(gate.four_eyes.then(|| "four eyes".to_owned()));
    all.join(", ")
}

fn people(list: &[Who]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}

fn now(look: &Look, window: &WindowLine) -> (Tone, String) {
    match (window.open, &window.until) {
        (true, None) => (Tone::Plain, "open".into()),
        (true, Some(until)) => (Tone::Plain, format!("open until {}", look.time(until.0))),
        (false, until) => {
            let by = window.by.as_deref().unwrap_or("a rule");
            let opens = until.as_ref().map_or("never".to_owned(), |at| look.time(at.0));
            (Tone::Warn, format!("shut by {by}, opens {opens}"))
        }
    }
}

fn field(out: &mut String, look: &Look, label: &str, tone: Tone, said: &str) {
    let room = look.width().map_or(usize::MAX, |width| width.saturating_sub(2 + LABEL).max(20));
    for (at, line) in text::wrap(&text::one_line(said), room).into_iter().enumerate() {
        let label = look.paint(Tone::Dim, text::pad(if at == 0 { label } else { "" }, LABEL));
        out.push_str(&format!("  {label}{}\n", look.paint(tone, line)));
    }
}
