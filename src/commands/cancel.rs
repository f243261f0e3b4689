//! `cancel RUN`

use super::drive::{self, Wishes};
use super::letter::{self, Granted};
use super::pause::unfinished;
use super::{CommandError, Context, Ended, Question, Reach};
use crate::cli::CancelArgs;
use crate::core::document::Outcome;
use crate::core::event::Input;
use crate::core::rollout::Refusal;
use crate::ports::Wish;
use crate::ports::state::Loaded;

pub(super) async fn cancel(context: &Context<'_>, args: CancelArgs) -> Ended {
    context.refuse_limit("a run is cancelled as a whole")?;
    super::resume::keeps_its_change(&args.contact)?;
    let runs = context.runs()?;
    let run = runs.find(&args.run)?;
    let loaded = runs.load(&run)?;
    unfinished(&loaded, "cancel")?;
    if let Some((by, reason, _)) = loaded.rollout.cancelled() {
        let refusal = Refusal::Cancelled { by: by.name.clone(), reason: reason.to_owned() };
        let hint = format!("`patchctl resume {run}` goes on with that");
        return Err(CommandError::invalid(refusal.to_string(), hint));
    }
    let Some(reason) = ask(context, &args, &loaded).await? else {
        context.say("nothing was cancelled; the run is as before");
        return Ok(Outcome::Paused.exit_code());
    };
    let by = context.wiring.person();
    let wish = Wish::Cancel { by: by.clone(), reason: reason.clone() };
    match letter::ask(runs.as_ref(), &run, &wish).await? {
        Granted::There(who) => {
            let next = format!("patchctl status {run}");
            let document = serde_json::json!({
                "schema": 1, "run_id": run, "asked": "cancel", "driver": who, "recorded": true, "next": next,
                "errors": [],
            });
            context.print(&document, |_| {
                format!("run {run} is cancelled: {who} begins nothing more, and takes back what is not approved (if it is stopping, the next `patchctl resume` does); `{next}` shows it\n")
            })?;
            Ok(0)
        }
        Granted::Here(held) => {
            let loaded = runs.load(&run)?;
            unfinished(&loaded, "cancel")?;
            let reach = Reach { contact: args.contact, ..Reach::default() };
            let first = Some(Input::Cancel { by, reason });
            drive::drive(context, loaded, held, Wishes { reach, first, confirmed: true, ..Wishes::default() }).await
        }
    }
}

/// The reason, once it is sure; none: it is not meant.
async fn ask(context: &Context<'_>, args: &CancelArgs, loaded: &Loaded) -> Result<Option<String>, CommandError> {
    if args.yes || !context.wiring.is_interactive() {
        let missing = |what: &str, hint| Err(CommandError::invalid(format!("cancel needs {what}"), hint));
        return match &args.reason {
            _ if !args.yes => missing("--yes where nobody can be asked", "add --yes, and --reason TEXT"),
            None => missing("a reason", "add --reason TEXT; it goes into the record"),
            Some(reason) => Ok(Some(reason.clone())),
        };
    }
    let about = crate::ui::control::cancelling(&context.err_look, &loaded.rollout);
    let front = context.wiring.front(false);
    let sure = Question::Sure { about, question: "Cancel this run?".into() };
    if context.wiring.question(&front, sure).await.is_none() {
        return Ok(None);
    }
    let mut reason = args.reason.clone();
    while reason.is_none() {
        let line = Question::Line { prompt: "Reason".into(), default: String::new() };
        let Some(given) = context.wiring.question(&front, line).await else { return Ok(None) };
        reason = Some(given.trim().to_owned()).filter(|given| !given.is_empty());
    }
    Ok(reason)
}
