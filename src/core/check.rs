//! Checks of a plan: what is asked of a host, or about it, before and after its patch, and what the answer means.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::approval::When;
use super::findings::Check;
use super::ids::Digest;
use super::settings::seconds;
use super::template::Template;

/// How much of an answer is kept as it is, in bytes.
const KEPT: usize = 1024;

/// One `[[stage.check]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckSpec {
    /// Its name.
    pub name: String,
    /// What is asked.
    pub ask: Ask,
    /// Before the patch, after it, or both.
    pub when: When,
    /// Whether the answer after must equal the one before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub compare: bool,
    /// For how long it is tried again.
    #[serde(with = "seconds")]
    pub within: Duration,
    /// The deadline of one try.
    #[serde(with = "seconds")]
    pub timeout: Duration,
}

impl CheckSpec {
    /// Whether it is made before the patch.
    pub fn is_before(&self) -> bool {
        self.when.is_before()
    }

    /// Whether it is made after the patch.
    pub fn is_after(&self) -> bool {
        self.when.is_after()
    }

    /// Whether the host itself is asked, on the connection.
    pub fn is_on_host(&self) -> bool {
        matches!(self.ask, Ask::Run { .. } | Ask::Unit { .. })
    }

    /// The texts with values in them.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        let (one, two) = match &self.ask {
            Ask::Run { command, .. } | Ask::Local { command, .. } => (command, None),
            Ask::Http(http) => (&http.url, None),
            Ask::Tcp { address } => (address, None),
            Ask::Unit { unit } => (unit, None),
            Ask::Prometheus(query) => (&query.url, Some(&query.query)),
        };
        std::iter::once(one).chain(two)
    }
}

/// What a check asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Ask {
    /// A command on the host.
    Run {
        /// For `sh`.
        command: Template,
        /// Exit codes that mean that it could not tell.
        unsure: Vec<u8>,
    },
    /// A command on the machine that drives the run.
    Local {
        /// For `sh`.
        command: Template,
        /// Exit codes that mean that it could not tell.
        unsure: Vec<u8>,
    },
    /// A web page.
    Http(Http),
    /// Whether somebody listens.
    Tcp {
        /// `HOST:PORT`
        address: Template,
    },
    /// A systemd unit that must be active.
    Unit {
        /// Its name.
        unit: Template,
    },
    /// A query to a Prometheus server.
    Prometheus(Query),
}

/// What a web page must answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Its URL.
    pub url: Template,
    /// One of these.
    pub status: Vec<u16>,
    /// A text that the body must hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// A field of the body's JSON (`status.db`); with `equals`, what it must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<String>,
    /// What the field must be; none: it must be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<serde_json::Value>,
    /// How long the answer may take, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// A file with certificates of authorities that are trusted beside the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

/// A query and the bounds of its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// The server's URL.
    pub url: Template,
    /// In PromQL.
    pub query: Template,
    /// The least that every value may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<serde_json::Number>,
    /// The most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<serde_json::Number>,
    /// A file with certificates of authorities that are trusted beside the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

/// What became of one try of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What it means.
    pub verdict: Verdict,
    /// What it saw, for people.
    pub detail: String,
    /// What must be the same before and after.
    pub value: String,
}

/// What a check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Pass,
    /// It does not.
    Fail,
    /// It cannot be told: a person must look.
    Inconclusive,
}

impl Answer {
    /// An answer without anything to compare.
    pub fn new(verdict: Verdict, detail: impl Into<String>) -> Self {
        Self { verdict, detail: detail.into(), value: String::new() }
    }

    /// The answer with what is compared.
    pub fn comparing(self, value: impl Into<String>) -> Self {
        Self { value: value.into(), ..self }
    }

    /// The answer as evidence; `before` is what must be the same, where that is wanted.
    pub fn judged(self, spec: &CheckSpec, before: Option<&Check>) -> Check {
        let (mut verdict, mut detail, value) = (self.verdict, self.detail, excerpt(self.value));
        if let Some(before) = before.filter(|_| spec.compare && verdict == Verdict::Pass) {
            match &before.answer {
                None => {
                    verdict = Verdict::Inconclusive;
                    detail = format!("{detail}; there is no answer from before to compare it with");
                }
                Some(answer) if *answer != value => {
                    verdict = Verdict::Fail;
                    detail = format!("{detail}; it was {}, and is {}", shown(answer), shown(&value));
                }
                Some(_) => {}
            }
        }
        Check {
            name: spec.name.clone(),
            ok: verdict == Verdict::Pass,
            inconclusive: verdict == Verdict::Inconclusive,
            detail,
            // Only the first one is compared with.
            answer: (spec.compare && before.is_none() && self.verdict == Verdict::Pass).then_some(value),
        }
    }
}

/// What of an answer is kept: of a long one its beginning, and a digest of all of it.
fn excerpt(value: String) -> String {
    if value.len() <= KEPT {
        return value;
    }
    let begin: String = value.chars().take(KEPT / 4).collect();
    format!("{begin}… ({} bytes, {})", value.len(), Digest::of(value.as_bytes()))
}

/// A value as messages show it: one line, and not all of a page.
fn shown(value: &str) -> String {
    let line: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).take(60).collect();
    format!("\"{}\"", line.trim())
}

/// What a command's end means.
pub fn of_command(code: Option<i32>, output: &str, unsure: &[u8]) -> Answer {
    let last = output.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let last: String = last.chars().take(200).collect();
    let said = |what: String| if last.is_empty() { what } else { format!("{what}: {last}") };
    match code {
        Some(0) if last.is_empty() => Answer::new(Verdict::Pass, "ended well").comparing(output),
        Some(0) => Answer::new(Verdict::Pass, last).comparing(output),
        Some(code) if unsure.iter().any(|unsure| i32::from(*unsure) == code) => {
            Answer::new(Verdict::Inconclusive, said(format!("could not tell (exit code {code})")))
        }
        Some(code) => Answer::new(Verdict::Fail, said(format!("exit code {code}"))),
        None => Answer::new(Verdict::Fail, said("did not end in its time".into())),
    }
}

/// What a web page answered.
pub fn of_page(http: &Http, status: u16, body: &str, took: Duration) -> Answer {
    let ms = took.as_millis();
    let fail = |why: String| Answer::new(Verdict::Fail, why);
    if !http.status.contains(&status) {
        return fail(format!("{status} in {ms} ms"));
    }
    if let Some(limit) = http.latency_ms.filter(|limit| ms > u128::from(*limit)) {
        return fail(format!("{status} in {ms} ms, and may take {limit} ms"));
    }
    if let Some(text) = http.body.as_ref().filter(|text| !body.contains(text.as_str())) {
        return fail(format!("{status}, and its body has no {}", shown(text)));
    }
    let Some(path) = &http.json else {
        return Answer::new(Verdict::Pass, format!("{status} in {ms} ms")).comparing(body);
    };
    let json: Result<serde_json::Value, _> = serde_json::from_str(body);
    let Ok(json) = json else { return fail(format!("{status}, and its body is no JSON")) };
    let found = path.split('.').try_fold(&json, |at, key| match key.parse::<usize>() {
        Ok(ix) if at.is_array() => at.get(ix),
        _ => at.get(key),
    });
    let Some(found) = found else { return fail(format!("{status}, and its JSON has no `{path}`")) };
    let value = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
    match &http.equals {
        Some(wanted) if wanted != found && !same_number(wanted, found) => {
            fail(format!("{path} is {}, and should be {wanted}", shown(&value)))
        }
        _ => Answer::new(Verdict::Pass, format!("{path} is {} in {ms} ms", shown(&value))).comparing(value),
    }
}

/// `1` in TOML and `1.0` in JSON are the same.
fn same_number(a: &serde_json::Value, b: &serde_json::Value) -> bool {
    a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| a.total_cmp(&b).is_eq())
}

/// What a Prometheus server answered to an instant query (its HTTP API, `/api/v1/query`).
pub fn of_query(query: &Query, status: u16, body: &str) -> Answer {
    let unsure = |why: String| Answer::new(Verdict::Inconclusive, why);
    let json: Result<serde_json::Value, _> = serde_json::from_str(body);
    let Ok(json) = json else { return unsure(format!("answered {status}, and no JSON")) };
    if json["status"] != "success" {
        let why: String = json["error"].as_str().unwrap_or("it does not say why").chars().take(200).collect();
        return unsure(format!("the query was not answered ({status}): {why}"));
    }
    let result = &json["data"]["result"];
    let samples: Vec<&serde_json::Value> = match json["data"]["resultType"].as_str() {
        Some("scalar") => vec![&result[1]],
        Some("vector") => result.as_array().into_iter().flatten().map(|series| &series["value"][1]).collect(),
        _ => return unsure("the query's answer is no vector and no number".into()),
    };
    let values: Option<Vec<f64>> = samples.iter().map(|sample| sample.as_str()?.parse().ok()).collect();
    let Some(values) = values else { return unsure("the query's answer has a value that is no number".into()) };
    if values.is_empty() {
        return unsure("the query has no data".into());
    }
    if values.iter().any(|value| value.is_nan()) {
        return unsure("the query's answer is not a number (NaN)".into());
    }
    let shown = values.iter().take(5).map(f64::to_string).collect::<Vec<_>>().join(", ");
    let bound = |bound: &Option<serde_json::Number>| bound.as_ref().and_then(serde_json::Number::as_f64);
    let (min, max) = (bound(&query.min), bound(&query.max));
    if let Some(least) = min.filter(|min| values.iter().any(|value| value < min)) {
        return Answer::new(Verdict::Fail, format!("{shown}, and must be at least {least}"));
    }
    if let Some(most) = max.filter(|max| values.iter().any(|value| value > max)) {
        return Answer::new(Verdict::Fail, format!("{shown}, and must be at most {most}"));
    }
    Answer::new(Verdict::Pass, shown.clone()).comparing(shown)
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
