//! Looking at a host: the plan's checks, and how the host is beside its packages. Nothing is changed by it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{Ended, Task, Worked};
use crate::core::check::{Answer, Ask, CheckSpec, Verdict, of_command, of_page, of_query};
use crate::core::event::Step;
use crate::core::findings::{Check, Fate, StepReport, StepResult};
use crate::core::health::{Health, HealthRule};
use crate::core::problem::{ErrorKind, Problem};
use crate::core::template::{Dialect, Scope, Template};
use crate::playbook::{self, Looked};
use crate::ports::control::LocalCommand;
use crate::ports::{Failure, Listener as _, Privilege, Script};

/// How long we wait between two looks.
const PAUSE: Duration = Duration::from_secs(2);
/// What the whole of a script on the host may take beside its checks.
const LOOK: Duration = Duration::from_secs(60);
/// The script on the host sends no more than this of an answer.
const ANSWER: usize = 1500;

/// What has been found so far.
struct Found<'a> {
    specs: Vec<&'a CheckSpec>,
    checks: BTreeMap<usize, Check>,
    health: Option<Health>,
    compared: Vec<Check>,
    /// How it is now is kept, to be compared with.
    keeps_health: bool,
}

impl Found<'_> {
    fn report(&self) -> StepReport {
        let checks = self.checks.values().cloned().chain(self.compared.iter().cloned()).collect();
        StepReport {
            checks,
            health: self.health.clone().filter(|_| self.keeps_health).map(Box::new),
            ..StepReport::default()
        }
    }
}

impl Task {
    /// Before the patch what is found is only kept, but for the plan's checks; after it, what is worse fails the host.
    pub(super) async fn checks(&self) -> Worked {
        let after = self.step == Step::Check;
        let wanted = |check: &&CheckSpec| if after { check.is_after() } else { check.is_before() };
        let specs = self.stage().checks.iter().filter(wanted).collect();
        let mut found =
            Found { specs, checks: BTreeMap::new(), health: None, compared: Vec::new(), keeps_health: !after };
        let began = Instant::now();
        loop {
            let due = self.due(&found, began.elapsed());
            let (due, health) = match due {
                Some(due) => due,
                None => return Worked::Ended(Box::new(self.judged(&found))),
            };
            let silent = match self.round(&mut found, &due, health).await {
                Ok(()) => None,
                Err(failure) if self.is_barred(&failure) => return Worked::Barred(failure.problem),
                Err(failure) => Some(failure),
            };
            if let Some(failure) = silent {
                // What was seen before is long ago: it is looked at once more.
                found.health = None;
                found.compared.clear();
                found.checks.retain(|_, check| check.ok);
                // Before the change a few tries are enough, and the transport has made them.
                if !after || began.elapsed() > self.stage().timeout {
                    return Worked::Ended(Box::new(self.no_end(failure)));
                }
                self.listener().notice(&format!("{}; looking again in {} s", failure.problem.message, PAUSE.as_secs()));
            } else if self.due(&found, began.elapsed()).is_none() {
                continue;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Which checks are to be made now, and whether the host is to be looked at; none: nothing is left.
    fn due(&self, found: &Found<'_>, passed: Duration) -> Option<(Vec<usize>, bool)> {
        let again = |within: Duration, ok: bool| !ok && passed < within;
        let checks: Vec<usize> = (0..found.specs.len())
            .filter(|ix| found.checks.get(ix).is_none_or(|check| again(found.specs[*ix].within, check.ok)))
            .collect();
        let looks = self.stage().health != HealthRule::Off;
        let well = found.compared.iter().all(|check| check.ok);
        let health = looks && (found.health.is_none() || again(self.stage().health_within, well));
        (!checks.is_empty() || health).then_some((checks, health))
    }

    async fn round(&self, found: &mut Found<'_>, due: &[usize], health: bool) -> Result<(), Failure> {
        let outside = due.iter().filter(|ix| !found.specs[**ix].is_on_host());
        let outside = join_all(outside.map(|ix| async { (*ix, self.ask(found.specs[*ix]).await) }));
        let on_host: Vec<usize> = due.iter().copied().filter(|ix| found.specs[*ix].is_on_host()).collect();
        let (answers, looked) = if on_host.is_empty() && !health {
            (outside.await, None)
        } else {
            let (answers, looked) = tokio::join!(outside, self.look_at_host(&found.specs, &on_host, health));
            (answers, Some(looked?))
        };
        let mut all: Vec<(usize, Answer)> = answers;
        if let Some(looked) = looked {
            all.extend(on_host.iter().map(|ix| (*ix, answered(found.specs[*ix], &looked, *ix))));
            if health {
                found.compared = self.compared(&looked.health);
                found.health = Some(looked.health);
            }
        }
        for (ix, answer) in all {
            let spec = found.specs[ix];
            let before = self.before.as_deref().filter(|_| self.step == Step::Check);
            let none =
                Check { name: String::new(), ok: false, detail: String::new(), inconclusive: true, answer: None };
            let earlier =
                before.map(|report| report.checks.iter().find(|check| check.name == spec.name).unwrap_or(&none));
            let earlier = earlier.or((self.step == Step::Check).then_some(&none));
            found.checks.insert(ix, answer.judged(spec, earlier));
        }
        Ok(())
    }

    /// What is worse than before, where there is a before.
    fn compared(&self, now: &Health) -> Vec<Check> {
        let before =
            self.before.as_deref().filter(|_| self.step == Step::Check).and_then(|report| report.health.as_deref());
        before.map(|before| now.compared(before, &self.stage().health_exclude)).unwrap_or_default()
    }

    fn judged(&self, found: &Found<'_>) -> Ended {
        let report = found.report();
        let after = self.step == Step::Check;
        let fails = |check: &&Check| !(check.ok || (after && check.inconclusive));
        let mut bad: Vec<&Check> = found.checks.values().filter(fails).collect();
        if self.stage().health == HealthRule::Fail {
            bad.extend(found.compared.iter().filter(|check| !check.ok));
        }
        let Some(first) = bad.first() else { return Ended::with(StepResult::Done(Box::new(report)), Vec::new()) };
        let others = if bad.len() > 1 { format!(" (and {} more checks)", bad.len() - 1) } else { String::new() };
        let (what, hint, fate) = match (after, first.inconclusive) {
            (true, _) => {
                ("does not hold", "the host goes back; look at what the check asks before the next try", Fate::Changed)
            }
            (false, true) => (
                "is inconclusive",
                "nothing was changed on it; `patchctl resume RUN --failed` asks again, once somebody has looked",
                Fate::Unchanged,
            ),
            (false, false) => (
                "does not hold before the patch",
                "nothing was changed on it; mend the host, then `patchctl resume RUN --failed`",
                Fate::Unchanged,
            ),
        };
        let message = format!("check {} {what}: {}{others}", first.name, first.detail);
        let hint = hint.replace("RUN", self.context.settings.run.as_str());
        Ended::failed(Problem::new(ErrorKind::Check, message).hint(hint), fate, report, Vec::new())
    }

    pub(super) fn scope(&self) -> Scope<'_> {
        let settings = &self.context.settings;
        Scope {
            host: Some(self.settings()),
            stage: &self.stage().name,
            wave: self.wave,
            run: &settings.run,
            change: &settings.change,
        }
    }

    fn filled(&self, template: &Template, dialect: Dialect) -> String {
        template.filled_for(dialect, &self.scope())
    }

    /// Asks from here.
    async fn ask(&self, spec: &CheckSpec) -> Answer {
        let fail = |why: String| Answer::new(Verdict::Fail, why);
        let control = &self.context.control;
        match &spec.ask {
            Ask::Local { command, unsure } => {
                let (text, env) = command.shell(&self.scope(), "");
                match control.run(&LocalCommand { text, env, timeout: spec.timeout }).await {
                    Ok(end) => {
                        let said = if end.out.is_empty() { &end.err } else { &end.out };
                        of_command(end.code, &printable(said), unsure)
                    }
                    Err(why) => fail(why),
                }
            }
            Ask::Http(http) => {
                let url = self.filled(&http.url, Dialect::Url);
                match control.page(&url, http.ca.as_deref(), spec.timeout).await {
                    Ok(page) => of_page(http, page.status, &page.body, page.took),
                    Err(why) => fail(why),
                }
            }
            Ask::Tcp { address } => match control.connect(&self.filled(address, Dialect::Plain), spec.timeout).await {
                Ok(took) => Answer::new(Verdict::Pass, format!("connected in {} ms", took.as_millis())),
                Err(why) => fail(why),
            },
            Ask::Prometheus(query) => {
                let encoded = crate::core::template::percent_encoded(&self.filled(&query.query, Dialect::Query));
                let base = self.filled(&query.url, Dialect::Url);
                let url = format!("{}/api/v1/query?query={encoded}", base.trim_end_matches('/'));
                match control.page(&url, query.ca.as_deref(), spec.timeout).await {
                    Ok(page) => of_query(query, page.status, &page.body),
                    Err(why) => Answer::new(Verdict::Inconclusive, why),
                }
            }
            // Those the host is asked.
            Ask::Run { .. } | Ask::Unit { .. } => fail("it is asked on the host".into()),
        }
    }

    async fn look_at_host(&self, specs: &[&CheckSpec], due: &[usize], health: bool) -> Result<Looked, Failure> {
        let mut env: BTreeMap<String, String> = [("HEALTH".to_owned(), u8::from(health).to_string())].into();
        let (mut files, mut list, mut limit) = (BTreeMap::new(), String::new(), LOOK);
        for ix in due {
            let spec = specs[*ix];
            let file = format!("check_{}", letters(*ix));
            let (kind, text) = match &spec.ask {
                Ask::Run { command, .. } => {
                    let (text, own) = command.shell(&self.scope(), &format!("C{ix}_"));
                    env.extend(own);
                    ("run", text)
                }
                Ask::Unit { unit } => ("unit", self.filled(unit, Dialect::Plain)),
                _ => continue,
            };
            let _ = writeln!(list, "{ix}\t{file}\t{kind}\t{}", spec.timeout.as_secs().max(1));
            files.insert(file, text);
            limit += spec.timeout;
        }
        if !list.is_empty() {
            files.insert("checks".into(), list);
        }
        let rights = self.playbook().map_or(Privilege::Root, |playbook| self.privilege(playbook));
        let script =
            Script { name: self.step.as_str(), text: playbook::probe(), env, files, privilege: rights, timeout: limit };
        let output = self.context.transport.read(self.settings(), &script, &self.listener()).await?;
        let unreadable = |why: String| Failure {
            problem: Problem::new(ErrorKind::Internal, why).hint("nothing was guessed from it; look at the host"),
            may_have_begun: false,
        };
        let looked = playbook::parse_look(&output.records)
            .map_err(|error| unreadable(format!("what the host reported cannot be used: {error}")))?;
        if !looked.whole {
            let log = printable(&output.log);
            let last = log.lines().last().unwrap_or("it did not say why");
            return Err(unreadable(format!("the look at the host did not come to its end: {last}")));
        }
        Ok(looked)
    }
}

/// What the host answered to one of the checks.
fn answered(spec: &CheckSpec, looked: &Looked, ix: usize) -> Answer {
    let Some(answer) = looked.answers.get(&ix) else {
        return Answer::new(Verdict::Fail, "the host did not answer this check");
    };
    // Of a long answer the checksum tells what cannot be seen.
    let whole = if answer.text.len() < ANSWER { String::new() } else { format!(" (checksum {})", answer.sum) };
    match &spec.ask {
        Ask::Run { unsure, .. } => {
            let judged = of_command(answer.code, &answer.text, unsure);
            let value = format!("{}{whole}", judged.value);
            judged.comparing(value)
        }
        _ => {
            let verdict = if answer.code == Some(0) { Verdict::Pass } else { Verdict::Fail };
            Answer::new(verdict, answer.text.trim()).comparing(answer.text.trim())
        }
    }
}

/// Names of files have letters alone.
fn letters(mut number: usize) -> String {
    let mut text = String::new();
    loop {
        // Below 26.
        text.push(char::from(b'a' + u8::try_from(number % 26).unwrap_or(0)));
        number /= 26;
        if number == 0 {
            return text;
        }
    }
}

/// What a command printed, as text.
pub(super) fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control() || *c == '\n').collect()
}
