//! `new [PLAN]`: the wizard, and its form for scripts.

use std::path::{Path, PathBuf};

use super::{CommandError, Context, Ended, Front, Question};
use crate::cli::{Drive, NewArgs, RunArgs};
use crate::core::ids::PlanName;
use crate::input::inventory::Inventory;

/// What the wizard collects.
struct Answers {
    inventory: PathBuf,
    uat: String,
    prod: String,
    patch: Patch,
    gates: bool,
}

enum Patch {
    Packages(Vec<String>),
    Security,
    All,
    Approved(String),
}

pub(super) async fn new(context: &Context<'_>, args: NewArgs) -> Ended {
    let path = args.plan.clone().unwrap_or_else(|| PathBuf::from("plan.toml"));
    if path.exists() {
        let message = format!("{}: is there already", path.display());
        return Err(CommandError::invalid(message, "name another file, or move this one away"));
    }
    if let (Some(uat), Some(prod)) = (&args.uat, &args.prod) {
        let answers = Answers {
            inventory: inventory_path(context)?,
            uat: uat.clone(),
            prod: prod.clone(),
            patch: Patch::Packages(args.package_list()),
            gates: true,
        };
        write(context, &path, &answers)?;
        let document = serde_json::json!({"schema": 1, "plan": path, "errors": []});
        let text = format!("{} is written; `patchctl run {0}` runs it\n", path.display());
        context.print(&document, |_| text)?;
        return Ok(0);
    }
    if !context.wiring.is_interactive() {
        let hint = "without one, give --uat PATTERN --prod PATTERN --packages LIST";
        return Err(CommandError::invalid("the wizard asks at a terminal", hint));
    }
    let front = context.wiring.front(false);
    let Some(answers) = asked(context, &front, &args).await? else {
        context.say("nothing was written");
        return Ok(0);
    };
    write(context, &path, &answers)?;
    context.say(&format!("{} is written.", path.display()));
    let now = choice(
        context,
        &front,
        "Run it now?",
        &[
            ("no", "look at it first; `patchctl run` asks again before it changes anything"),
            ("yes", "resolve the hosts of the first stage, show the transactions, ask once more"),
        ],
    );
    if now.await.as_deref() != Some("yes") {
        context.say(&format!("Next: patchctl plan {0}, then patchctl run {0}", path.display()));
        return Ok(0);
    }
    let run = RunArgs::of(path, args.policy, Drive::default(), args.contact);
    super::run::run(context, run).await
}

fn inventory_path(context: &Context<'_>) -> Result<PathBuf, CommandError> {
    match context.global.inventory.first() {
        Some(path) => Ok(path.clone()),
        None if Path::new("inventory.toml").exists() => Ok(PathBuf::from("inventory.toml")),
        None => Err(CommandError::invalid("no inventory", "name one with -i, or write ./inventory.toml first")),
    }
}

async fn line(context: &Context<'_>, front: &Front, prompt: &str, default: &str) -> Option<String> {
    let question = Question::Line { prompt: prompt.into(), default: default.into() };
    context.wiring.question(front, question).await
}

async fn choice(context: &Context<'_>, front: &Front, prompt: &str, choices: &[(&str, &str)]) -> Option<String> {
    let choices = choices.iter().map(|(word, about)| ((*word).into(), (*about).into())).collect();
    context.wiring.question(front, Question::Choice { prompt: prompt.into(), choices }).await
}

/// The conversation; none when the person leaves it.
async fn asked(context: &Context<'_>, front: &Front, args: &NewArgs) -> Result<Option<Answers>, CommandError> {
    let usual = context.global.inventory.first().map_or("inventory.toml".into(), |path| path.display().to_string());
    let (inventory, loaded) = loop {
        let Some(path) = line(context, front, "Inventory", &usual).await else { return Ok(None) };
        match Inventory::load(&[&path]) {
            Ok(loaded) => break (PathBuf::from(path), loaded),
            Err(errors) => context.say(&errors.to_string()),
        }
    };
    let Some(uat) = pattern(context, front, &loaded, "Hosts to patch first (a group or pattern)", "uat").await else {
        return Ok(None);
    };
    let Some(prod) = pattern(context, front, &loaded, "Hosts to patch after your approval", "prod").await else {
        return Ok(None);
    };
    let Some(patch) = what(context, front, &loaded, &uat, args).await? else { return Ok(None) };
    let gates = choice(
        context,
        front,
        "Who decides?",
        &[
            ("both", "a person approves the first stage, and the last one too"),
            ("first", "a person approves the first stage; the last one is kept when it went well"),
        ],
    );
    let Some(gates) = gates.await else { return Ok(None) };
    Ok(Some(Answers { inventory, uat, prod, patch, gates: gates == "both" }))
}

async fn pattern(
    context: &Context<'_>,
    front: &Front,
    inventory: &Inventory,
    prompt: &str,
    default: &str,
) -> Option<String> {
    loop {
        let given = line(context, front, prompt, default).await?;
        match inventory.select("the pattern", Some(&given)) {
            Ok(hosts) => {
                context.say(&format!("  {}: {}", counted(hosts.len()), some(&hosts)));
                return Some(given);
            }
            Err(errors) => context.say(&errors.to_string()),
        }
    }
}

fn counted(hosts: usize) -> String {
    if hosts == 1 { "1 host".to_owned() } else { format!("{hosts} hosts") }
}

fn some(hosts: &[&crate::core::ids::HostName]) -> String {
    let shown: Vec<&str> = hosts.iter().take(5).map(|host| host.as_str()).collect();
    let more = if hosts.len() > 5 { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

async fn what(
    context: &Context<'_>,
    front: &Front,
    inventory: &Inventory,
    uat: &str,
    args: &NewArgs,
) -> Result<Option<Patch>, CommandError> {
    let picked = choice(
        context,
        front,
        "What to patch?",
        &[
            ("offered", "ask the first hosts what they could be patched with, and choose"),
            ("packages", "packages that you name"),
            ("security", "every pending security update"),
            ("all", "every pending update"),
            ("approved", "a file with an approved list"),
        ],
    );
    match picked.await.as_deref() {
        None => Ok(None),
        Some("security") => Ok(Some(Patch::Security)),
        Some("all") => Ok(Some(Patch::All)),
        Some("approved") => Ok(line(context, front, "The approved list", "approved.txt").await.map(Patch::Approved)),
        Some("offered") => offered(context, front, inventory, uat, args).await,
        Some(_) => {
            let names = line(context, front, "Packages (a, b=1.2)", "openssl libssl3").await;
            Ok(names.map(|names| {
                let words = names.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
                Patch::Packages(words.map(str::to_owned).collect())
            }))
        }
    }
}

/// What the first stage's hosts could be patched with, to choose from.
async fn offered(
    context: &Context<'_>,
    front: &Front,
    inventory: &Inventory,
    uat: &str,
    args: &NewArgs,
) -> Result<Option<Patch>, CommandError> {
    let text = "schema = 1\nname = \"offered\"\n[patch]\nselect = \"all\"\n[[stage]]\nname = \"uat\"\n";
    let text = format!("{text}hosts = {}\n", quoted(uat));
    let plan = crate::input::plan::parse(Path::new("offered.toml"), &text)?;
    let settings = super::run::put_together(context, &plan, inventory, &args.contact)?;
    let (playbooks, _) = super::drive::playbooks(None)?;
    let reach = super::Reach { contact: args.contact.clone(), ..super::Reach::default() };
    let rollout = super::drive::ask_only(context, super::plan::all_at_once(settings), playbooks, &reach, true).await?;
    let mut offers = std::collections::BTreeMap::<String, usize>::new();
    for host in &rollout.settings().stages[0].hosts {
        for op in rollout.ops(*host) {
            if let (Some(from), Some(to)) = (&op.from, &op.to) {
                let security = if op.security { "  security" } else { "" };
                *offers.entry(format!("{}  {from} → {to}{security}", op.name)).or_default() += 1;
            }
        }
        if let Some(problem) = &rollout.host(*host).problem {
            context.say(&problem.to_string());
        }
    }
    if offers.is_empty() {
        context.say("These hosts have nothing to be patched with.");
        return Ok(None);
    }
    let choices = offers.keys().cloned().collect();
    let prompt = "Which (space marks, enter ends)".to_owned();
    let chosen = context.wiring.question(front, Question::Several { prompt, choices }).await;
    let names = chosen.unwrap_or_default();
    let names: Vec<String> =
        names.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
    Ok((!names.is_empty()).then_some(Patch::Packages(names)))
}

fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string().trim().to_owned()
}

/// Writes the plan, after reading it back as `run` will.
fn write(context: &Context<'_>, path: &Path, answers: &Answers) -> Result<(), CommandError> {
    let text = plan_text(path, answers);
    let plan = crate::input::plan::parse(path, &text)?;
    let inventory = Inventory::load(&[&answers.inventory])?;
    super::run::put_together(context, &plan, &inventory, &crate::cli::Contact::default())?;
    std::fs::write(path, text).map_err(|error| {
        CommandError::invalid(format!("{}: cannot be written: {error}", path.display()), "name another file")
    })
}

fn plan_text(path: &Path, answers: &Answers) -> String {
    let stem = path.file_stem().map_or("plan".into(), |stem| stem.to_string_lossy().into_owned());
    let name = PlanName::new(stem).map_or_else(|_| "plan".to_owned(), |name| name.to_string());
    // The plan names its inventory relative to itself.
    let folder = path.parent().unwrap_or(Path::new(""));
    let inventory = answers.inventory.strip_prefix(folder).unwrap_or(&answers.inventory);
    let inventory = if inventory.is_relative() && folder.components().next().is_some() && inventory == answers.inventory
    {
        std::path::absolute(inventory).unwrap_or_else(|_| inventory.to_owned())
    } else {
        inventory.to_owned()
    };
    let patch = match &answers.patch {
        Patch::Packages(list) => {
            let lines: String = list.iter().map(|package| format!("  {},\n", quoted(package))).collect();
            format!("packages = [\n{lines}]\n")
        }
        Patch::Security => "select = \"security\"\n".into(),
        Patch::All => "select = \"all\"\n".into(),
        Patch::Approved(file) => format!("select = \"all\"\napproved = {}\n", quoted(file)),
    };
    let last = if answers.gates { "" } else { "approval = false\n" };
    format!(
        "schema = 1\nname = {}\ninventory = {}\n\n[patch]\n{patch}\n[[stage]]\nname = \"uat\"\nhosts = {}\n\n\
         [[stage]]\nname = \"prod\"\nhosts = {}\n{last}",
        quoted(&name),
        quoted(&inventory.display().to_string()),
        quoted(&answers.uat),
        quoted(&answers.prod),
    )
}
