//! Takes a run's claim off a host.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::SshTransport;
use super::exec::Cut;
use super::follow::{Outcome, cut_short, lost};
use crate::adapters::job::exchange::End;
use crate::adapters::job::gathered::Gathered;
use crate::adapters::job::payload::Errand;
use crate::adapters::job::refusal;
use crate::core::ids::RunId;
use crate::core::problem::Problem;
use crate::core::settings::Host;
use crate::ports::{Listener, Privilege, Released, Script};

/// It only looks and removes; more than this is a host that hangs.
const TIMEOUT: Duration = Duration::from_secs(60);

impl SshTransport {
    /// Once more on a new connection where a kept one turns out to be dead: clearing twice is clearing.
    pub(super) async fn let_go(
        &self,
        host: &Host,
        run: &RunId,
        privilege: Privilege,
        listener: &dyn Listener,
    ) -> Result<Released, Problem> {
        let script = Script {
            name: "release",
            text: Arc::from(""),
            env: BTreeMap::new(),
            files: BTreeMap::new(),
            privilege,
            timeout: TIMEOUT,
        };
        loop {
            let (connection, new) = self.connection(host, Some(listener)).await?;
            let mut gathered = Gathered::default();
            let errand = Errand::Release(run);
            let outcome = self.exchange(&connection, host, &script, errand, &mut gathered, listener, TIMEOUT).await?;
            match outcome.result {
                Ok(()) => return released(&outcome, gathered, host, listener),
                Err(Cut::Lost(_) | Cut::NotBegun(_)) if !new && connection.is_closed() => {}
                Err(cut) => return Err(cut_short(cut, host, &script)),
            }
        }
    }
}

/// What the driver's exit code says.
fn released(outcome: &Outcome, gathered: Gathered, host: &Host, listener: &dyn Listener) -> Result<Released, Problem> {
    let claim = gathered.output(None, None, listener).claim;
    match (&outcome.end, claim) {
        (Some(End::Done { code: 0, .. }), _) => Ok(Released::Cleared),
        (Some(End::Done { code: 1, .. }), _) => Ok(Released::NoClaim),
        (Some(End::Done { .. }), Some(claim)) => Ok(Released::OtherRun(claim)),
        (Some(end @ (End::Refused { .. } | End::NoRoot { .. })), _) => {
            Err(refusal::problem(end, &outcome.noise, host).0)
        }
        _ => Err(lost("the host gave no result", host)),
    }
}
