//! `inventory list` and `inventory ping`

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::StreamExt as _;

use super::{CommandError, Context, Ended, Reach};
use crate::cli::{Contact, InventoryCommand, InventoryPingArgs};
use crate::core::document::Outcome;
use crate::core::settings::Host;
use crate::input::inventory::Inventory;
use crate::ui::lists::{PingAnswer, Pinged};

/// Hosts that are asked at a time, unless `--forks` says otherwise.
const AT_A_TIME: usize = 20;

pub(super) async fn inventory(context: &Context<'_>, command: InventoryCommand) -> Ended {
    match command {
        InventoryCommand::List(args) => list(context, args.pattern.as_deref()),
        InventoryCommand::Ping(args) => ping(context, args).await,
        InventoryCommand::Graph(_) => {
            Err(CommandError::invalid("`inventory graph` is not built yet", "use `inventory list`"))
        }
    }
}

/// The inventory where no flag names one: the configuration's, else the one that lies here.
fn default_inventory(context: &Context<'_>) -> Vec<PathBuf> {
    let usual = PathBuf::from("inventory.toml");
    let mut default = context.global.default_inventory.clone();
    if default.is_empty() && usual.exists() {
        default.push(usual);
    }
    default
}

/// Whether there is any inventory to go by.
pub(super) fn is_there(context: &Context<'_>) -> bool {
    !context.global.inventory.is_empty() || !default_inventory(context).is_empty()
}

fn loaded(context: &Context<'_>) -> Result<Inventory, CommandError> {
    Ok(crate::input::inventory_for(None, &context.global.inventory, &default_inventory(context))?)
}

pub(super) fn hosts(
    context: &Context<'_>,
    pattern: Option<&str>,
    contact: &Contact,
) -> Result<Vec<Host>, CommandError> {
    let limit = context.global.limit.as_deref();
    Ok(crate::input::hosts(&loaded(context)?, pattern, limit, &contact.connect_as())?)
}

fn list(context: &Context<'_>, pattern: Option<&str>) -> Ended {
    let chosen = hosts(context, pattern, &Contact::default())?;
    let document = loaded(context)?.list(pattern.or(context.global.limit.as_deref()))?;
    let shown: Vec<&Host> = chosen.iter().collect();
    context.print(&document, |look| crate::ui::lists::inventory(look, &shown))?;
    Ok(0)
}

async fn ping(context: &Context<'_>, args: InventoryPingArgs) -> Ended {
    let chosen = hosts(context, args.pattern.as_deref(), &args.contact)?;
    let front = context.wiring.front(false);
    let at_a_time = args.contact.forks.map_or(AT_A_TIME, |forks| forks as usize);
    let reach = Reach { contact: args.contact, accept_new_host_keys: args.accept_new_host_keys, ..Reach::default() };
    let transport = context.wiring.transport(&reach, &front);
    let answers = futures_util::stream::iter(chosen.into_iter().map(|host| {
        let transport = Arc::clone(&transport);
        async move {
            let answer = transport.ping(&host).await;
            transport.close(&host).await;
            let answer = answer
                .map(|answer| PingAnswer { user: answer.user, host_key: answer.host_key, took: answer.took })
                .map_err(|failure| failure.problem);
            Pinged { host: host.name, answer }
        }
    }));
    // In the inventory's order, whoever answers first.
    let pinged: Vec<Pinged> = answers.buffered(at_a_time.max(1)).collect().await;
    front.display.show(&crate::core::view::View::RunDone);
    let all = pinged.iter().all(|one| one.answer.is_ok());
    let outcome = if all { Outcome::Complete } else { Outcome::Refused };
    let document = serde_json::json!({
        "schema": 1,
        "outcome": outcome,
        "exit_code": outcome.exit_code(),
        "hosts": pinged.iter().map(|one| match &one.answer {
            Ok(answer) => serde_json::json!({
                "host": one.host, "ok": true, "user": answer.user, "host_key": answer.host_key,
                "duration_ms": u64::try_from(answer.took.as_millis()).unwrap_or(u64::MAX), "error": null,
            }),
            Err(problem) => serde_json::json!({
                "host": one.host, "ok": false, "user": null, "host_key": null, "duration_ms": null, "error": problem,
            }),
        }).collect::<Vec<_>>(),
        "errors": pinged.iter().filter_map(|one| one.answer.as_ref().err()).collect::<Vec<_>>(),
    });
    context.print(&document, |look| crate::ui::lists::ping(look, &pinged))?;
    Ok(outcome.exit_code())
}
