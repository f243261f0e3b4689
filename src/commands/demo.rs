//! `demo`

use super::drive::Wishes;
use super::run::{checked, start};
use super::{CommandError, Context, Ended, Reach};
use crate::cli::{Contact, DemoArgs, Drive, OnGate, PolicyArgs};
use crate::core::ids::StageName;

pub(super) async fn demo(context: &Context<'_>, args: DemoArgs) -> Ended {
    if context.global.limit.is_some() || !context.global.inventory.is_empty() {
        return Err(CommandError::invalid("the demo has its own inventory", "leave -i and -l out"));
    }
    if let Some(host) = args.fail.as_ref().map(crate::core::ids::HostName::as_str)
        && !crate::commands::DEMO_HOSTS.contains(&host)
    {
        let hint = format!("it has {}", crate::commands::DEMO_HOSTS.join(", "));
        return Err(CommandError::invalid(format!("the demo has no host {host}"), hint));
    }
    let fleet = context.wiring.demo(args.fail.as_ref().map(crate::core::ids::HostName::as_str)).await?;
    let asks = context.wiring.is_interactive();
    if asks && !context.global.quiet {
        context.say(
            "Six SSH servers run in this process, on loopback: 2 UAT and 4 production\n\
             hosts, each with an application at release 2.4.0. The plan brings 2.4.1:\n\
             UAT first, then you decide.\n",
        );
    }
    let ended = on(context, fleet.as_ref(), &args, asks).await;
    fleet.stop().await;
    if matches!(ended, Ok(3 | 130 | 143)) {
        context.say("The demo's hosts are gone now. On a real fleet the run waits, and that command goes on with it.");
    }
    ended
}

async fn on(context: &Context<'_>, fleet: &dyn super::Fleet, args: &DemoArgs, asks: bool) -> Ended {
    // Policies are about the fleet of whoever tries this, and not about these hosts.
    let none = PolicyArgs { none: true, ..PolicyArgs::default() };
    let checked = checked(context, fleet.plan(), &Contact::default(), &none)?;
    let runs = context.wiring.runs(Some(&fleet.state_dir()))?;
    let by_itself = args.approve || (!asks && !args.reject);
    let mut drive = Drive { yes: args.reject || by_itself, ..Drive::default() };
    if args.reject {
        drive.non_interactive = true;
        drive.on_gate = Some(OnGate::Reject);
    } else if by_itself {
        drive.approve = vec![StageName::new("all").map_err(|e| CommandError::invalid(e.to_string(), ""))?];
        drive.reason = Some("the demo approves by itself where nobody is asked".into());
    }
    let reach = Reach {
        known_hosts: vec![fleet.known_hosts().to_owned()],
        non_interactive: drive.non_interactive,
        ..Reach::default()
    };
    start(context, runs.as_ref(), checked, Wishes { drive, reach, ..Wishes::default() }).await
}
