//! Steps over connections that may break: a reading step is begun anew, a job is asked about again.

use std::time::Duration;

use tokio::time::Instant;

use super::connect::Connection;
use super::exec::{Asking, Cut, Times, run};
use super::tries::{FIRST_TRIES, Tries, is_refusal};
use super::{SshTransport, never_begun};
use crate::adapters::job::exchange::{End, Exchange};
use crate::adapters::job::gathered::Gathered;
use crate::adapters::job::payload::{Becoming, Errand, Request};
use crate::adapters::job::refusal;
use crate::core::problem::{ErrorKind, Problem};
use crate::core::settings::Host;
use crate::ports::{Failure, Job, JobEnd, Listener, Output, Script};

/// What is asked of the host of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// To have run it.
    Job,
    /// To call off the dead man of its run.
    Confirm,
}

/// How one exchange ended, with what it takes to judge that.
pub(super) struct Outcome {
    pub(super) result: Result<(), Cut>,
    pub(super) end: Option<End>,
    pub(super) noise: String,
    began: bool,
}

impl SshTransport {
    /// A reading step; once more on a new connection where a kept one turns out to be dead.
    pub(super) async fn read_once_more(
        &self,
        host: &Host,
        script: &Script,
        listener: &dyn Listener,
    ) -> Result<Output, Failure> {
        loop {
            let (connection, new) = self.connection(host, Some(listener)).await.map_err(never_begun)?;
            let mut gathered = Gathered::default();
            let limit = script.timeout + self.patience.grace;
            let outcome = self.exchange(&connection, host, script, Errand::Read, &mut gathered, listener, limit).await;
            let outcome = outcome.map_err(never_begun)?;
            match outcome.result {
                Ok(()) => return finished(outcome, gathered, host, listener).map_err(never_begun),
                Err(Cut::Lost(_) | Cut::NotBegun(_)) if !new && connection.is_closed() => {}
                Err(cut) => {
                    if !matches!(cut, Cut::Secret(_)) {
                        self.forget(host, &connection).await;
                    }
                    return Err(never_begun(cut_short(cut, host, script)));
                }
            }
        }
    }

    /// A job, through every break of the connection, until its time is over.
    pub(super) async fn see_through(
        &self,
        host: &Host,
        job: &Job,
        ask: Ask,
        listener: &dyn Listener,
    ) -> Result<JobEnd, Failure> {
        let (mut tries, mut gathered) = (Tries::new(job, self.patience.grace), Gathered::default());
        let (mut may_have_begun, mut senseless) = (false, 0);
        loop {
            let failed = match self.ask(host, job, ask, &mut gathered, listener, &mut tries).await {
                Ok(outcome) => {
                    let before = may_have_begun;
                    // Confirming begins nothing.
                    may_have_begun |= outcome.began && ask == Ask::Job;
                    match outcome.result {
                        Ok(()) => match refused(&outcome, host) {
                            Some(failure) if is_refusal(&failure.problem) => failure.problem,
                            // Refused now says nothing of what began before; only a refused claim comes before any job.
                            Some(failure) => {
                                let may_have_begun =
                                    failure.may_have_begun || (before && failure.problem.kind != ErrorKind::Claimed);
                                return Err(Failure { may_have_begun, ..failure });
                            }
                            None => return job_end(outcome, gathered, host, listener),
                        },
                        Err(cut @ (Cut::Timeout { .. } | Cut::Secret(_))) => {
                            // A host that has the script and says nothing may run it all the same.
                            may_have_begun |= matches!(cut, Cut::Timeout { sent: true }) && ask == Ask::Job;
                            return Err(Failure { problem: cut_short(cut, host, &job.script), may_have_begun });
                        }
                        // It may have been an accident; a host that goes on like that will not come to its senses.
                        Err(cut @ Cut::Senseless(_)) => {
                            (may_have_begun, senseless) = (may_have_begun || ask == Ask::Job, senseless + 1);
                            let problem = cut_short(cut, host, &job.script);
                            if senseless >= FIRST_TRIES {
                                return Err(Failure { problem, may_have_begun });
                            }
                            problem
                        }
                        Err(cut @ (Cut::Lost(_) | Cut::NotBegun(_))) => {
                            // The host may have had all that it needs and lost us before its first word.
                            may_have_begun |= matches!(cut, Cut::Lost(_)) && ask == Ask::Job;
                            cut_short(cut, host, &job.script)
                        }
                    }
                }
                Err(problem) => problem,
            };
            let Some(wait) = tries.next(&failed, may_have_begun) else {
                let silent = may_have_begun && failed.kind == ErrorKind::Unreachable;
                let problem = if silent { overdue(&failed, host, &job.script) } else { failed };
                return Err(Failure { problem, may_have_begun });
            };
            listener.notice(&format!("{}; reconnecting in {} s", failed.message, wait.as_secs().max(1)));
            tokio::time::sleep(wait).await;
        }
    }

    /// Asks the host about the job once, starting it where it is absent, and follows it as long as the connection holds.
    async fn ask(
        &self,
        host: &Host,
        job: &Job,
        ask: Ask,
        gathered: &mut Gathered,
        listener: &dyn Listener,
        tries: &mut Tries,
    ) -> Result<Outcome, Problem> {
        let (connection, _) = self.connection(host, Some(listener)).await?;
        let (started, left) = (Instant::now(), tries.left());
        let errand = match ask {
            Ask::Job => Errand::Job(job, gathered.have()),
            Ask::Confirm => Errand::Confirm(job, gathered.have()),
        };
        let outcome = self.exchange(&connection, host, &job.script, errand, gathered, listener, left).await?;
        if outcome.began {
            tries.began(started, left);
        }
        if !matches!(outcome.result, Ok(()) | Err(Cut::Secret(_))) {
            self.forget(host, &connection).await;
        }
        Ok(outcome)
    }

    #[expect(clippy::too_many_arguments, reason = "three callers; a struct for it would only repeat the names")]
    pub(super) async fn exchange(
        &self,
        connection: &Connection,
        host: &Host,
        script: &Script,
        errand: Errand<'_>,
        gathered: &mut Gathered,
        listener: &dyn Listener,
        limit: Duration,
    ) -> Result<Outcome, Problem> {
        let becoming = *lock(&connection.becoming);
        let request =
            Request { script, escalate: host.escalate, becoming, state_dir: self.state_dir.as_deref(), errand };
        let key = ulid::Ulid::generate().to_string();
        let payload = request.bytes(&key).map_err(|bad| {
            Problem::new(ErrorKind::Internal, format!("the step cannot be sent: {bad}"))
                .on(&host.name)
                .during(script.name)
        })?;
        let kind = request.kind();
        let mut exchange = Exchange::new(&key, kind, gathered, listener);
        let asking = Asking { secrets: &*self.secrets, host };
        let times = Times { limit, silence: self.patience.silence, heartbeat: kind.is_job };
        let result = run(connection, payload, &mut exchange, &asking, times).await;
        if let Some(known) = exchange.becoming() {
            *lock(&connection.becoming) = known;
        } else if matches!(exchange.end(), Some(End::NoRoot { .. })) {
            // Rights may have changed since: look anew the next time.
            *lock(&connection.becoming) = Becoming::Probe;
        }
        Ok(Outcome { result, end: exchange.end().cloned(), noise: exchange.noise(), began: exchange.began() })
    }
}

fn lock(becoming: &std::sync::Mutex<Becoming>) -> std::sync::MutexGuard<'_, Becoming> {
    becoming.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn finished(outcome: Outcome, gathered: Gathered, host: &Host, listener: &dyn Listener) -> Result<Output, Problem> {
    match outcome.end {
        Some(End::Done { code, boot }) => Ok(gathered.output(Some(code), boot_id(&boot), listener)),
        Some(end) => Err(refusal::problem(&end, &outcome.noise, host).0),
        None => Err(lost("the host gave no result", host)),
    }
}

/// What the host's driver did not do, or could not.
fn refused(outcome: &Outcome, host: &Host) -> Option<Failure> {
    let end = outcome.end.as_ref().filter(|end| matches!(end, End::Refused { .. } | End::NoRoot { .. }))?;
    let (problem, may_have_begun) = refusal::problem(end, &outcome.noise, host);
    Some(Failure { problem, may_have_begun })
}

fn job_end(outcome: Outcome, gathered: Gathered, host: &Host, listener: &dyn Listener) -> Result<JobEnd, Failure> {
    let its_own = gathered.is_its_own();
    let (code, boot, died) = match outcome.end {
        Some(End::Done { code, boot }) => (Some(code), boot, None),
        Some(End::Died { why, boot }) => (None, boot, Some(why)),
        _ => return Err(Failure { problem: lost("the host gave no result", host), may_have_begun: outcome.began }),
    };
    let output = gathered.output(code, boot_id(&boot), listener);
    Ok(match died {
        _ if its_own => JobEnd::RestoredItself(output),
        None => JobEnd::Done(output),
        Some(why) => {
            let why = match why.as_str() {
                "rebooted" => "the host booted anew before the step had ended".to_owned(),
                "killed" => "what ran the step was killed before it had ended".to_owned(),
                other => format!("the step ended without a result ({other})"),
            };
            JobEnd::Died { why, output }
        }
    })
}

fn boot_id(text: &str) -> Option<String> {
    let fits = !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    (fits && text != "-").then(|| text.to_owned())
}

pub(super) fn cut_short(cut: Cut, host: &Host, script: &Script) -> Problem {
    match cut {
        Cut::Lost(why) | Cut::NotBegun(why) => lost(&why, host),
        Cut::Senseless(why) => Problem::new(ErrorKind::Unreachable, why).on(&host.name).during(script.name).hint(
            "what answers there does not run what patchctl sends: look at the host before anything else is done with it",
        ),
        Cut::Secret(problem) => problem,
        Cut::Timeout { .. } => {
            let message = format!("did not end within {} s", script.timeout.as_secs());
            Problem::new(ErrorKind::Timeout, message).on(&host.name).during(script.name)
        }
    }
}

pub(super) fn lost(why: &str, host: &Host) -> Problem {
    Problem::new(ErrorKind::Unreachable, why).on(&host.name).hint(format!("try `ssh {} true`", refusal::target(host)))
}

fn overdue(last: &Problem, host: &Host, script: &Script) -> Problem {
    let message = format!("was not heard to end within {} s; last: {}", script.timeout.as_secs(), last.message);
    Problem::new(ErrorKind::Timeout, message).on(&host.name).during(script.name)
}
