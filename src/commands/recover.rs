//! `recover RUN -l HOST`

use super::drive::{self, Wishes};
use super::{CommandError, Context, Ended, Reach, letter};
use crate::cli::RecoverArgs;
use crate::core::event::Input;

pub(super) async fn recover(context: &Context<'_>, args: RecoverArgs) -> Ended {
    super::resume::keeps_its_change(&args.contact)?;
    let runs = context.runs()?;
    let run = runs.find(&args.run)?;
    let held = letter::hold(runs.as_ref(), &run)?.map_err(|by| {
        let hint = format!("wait until that process ends, or stop it with `patchctl pause {run}`");
        CommandError::refused(format!("another process drives run {run}: {by}"), hint)
    })?;
    let loaded = runs.load(&run)?;
    let named = crate::input::among(&loaded.frozen.settings.hosts, context.global.limit.as_deref())?;
    // A pattern may name many, of which few need it; where none does, the run says so of the first.
    let lost: Vec<_> = named.iter().copied().filter(|host| loaded.rollout.host(*host).may_recover()).collect();
    let hosts = if lost.is_empty() { named } else { lost };
    let reach = Reach { contact: args.contact, non_interactive: args.drive.non_interactive, ..Reach::default() };
    let first = Some(Input::Recover { by: context.wiring.person(), hosts });
    drive::drive(context, loaded, held, Wishes { drive: args.drive, reach, first, ..Wishes::default() }).await
}
