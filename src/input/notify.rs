//! The plan's `[[notify]]`: who is told of what. Secrets are named by where they come from, and never stand in the plan.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use super::keys::{Key, Kind, TableDef};
use super::nearest::{alternatives, did_you_mean};
use super::plan::{ALL, absolute, beside, existing};
use super::source::Sink;
use super::table::{At, Table};
use crate::core::notify::{Channel, Notify, SecretSource, Topic, UrlSource};

const TOPICS: Kind = Kind::Word(&["gate", "finished", "failed", "rollback"], &[]);
const SENDMAIL: &str = "/usr/sbin/sendmail -t";

pub(crate) static NOTIFY: TableDef = TableDef {
    title: "[[notify]]",
    doc: "Who is told of what: one of slack, teams, webhook, email, command.",
    named: false,
    keys: &[
        Key::new("name", Kind::Text, "What warnings and the journal call it; default: its kind."),
        Key::new("on", Kind::List(&TOPICS), "What it is told of; default: all."),
        Key::new("slack", Kind::Table(&URL_ONLY), "A Slack channel, through an incoming webhook."),
        Key::new("teams", Kind::Table(&URL_ONLY), "A Teams channel, through a workflow that takes Adaptive Cards."),
        Key::new("webhook", Kind::Table(&WEBHOOK), "Any HTTPS endpoint; gets JSON, signed where there is a key."),
        Key::new("email", Kind::Table(&EMAIL), "A mail, handed to a command."),
        Key::new("command", Kind::Table(&COMMAND), "A command; gets JSON on its standard input."),
    ],
};

pub(crate) static URL_ONLY: TableDef = TableDef {
    title: "slack or teams",
    doc: "Where the webhook's URL comes from: it is a secret.",
    named: false,
    keys: &[
        Key::new("url_env", Kind::Text, "The variable of patchctl's environment that holds the URL."),
        Key::new("url_file", Kind::Text, "The file whose first line is the URL."),
        Key::new("url_command", Kind::Text, "The command whose first line of output is the URL."),
    ],
};

pub(crate) static WEBHOOK: TableDef = TableDef {
    title: "webhook",
    doc: "An HTTPS endpoint.",
    named: false,
    keys: &[
        Key::new("url", Kind::Text, "The URL, where it is no secret: https, or http to this machine."),
        Key::new("url_env", Kind::Text, "The variable of patchctl's environment that holds the URL."),
        Key::new("url_file", Kind::Text, "The file whose first line is the URL."),
        Key::new("url_command", Kind::Text, "The command whose first line of output is the URL."),
        Key::new("secret_env", Kind::Text, "The variable that holds the key that signs the body (HMAC-SHA256)."),
        Key::new("secret_file", Kind::Text, "The file whose first line is that key."),
        Key::new("secret_command", Kind::Text, "The command whose first line of output is that key."),
        Key::new("ca", Kind::Text, "A file of certificates (PEM) that are trusted beside the system's."),
    ],
};

pub(crate) static EMAIL: TableDef = TableDef {
    title: "email",
    doc: "A mail.",
    named: false,
    keys: &[
        Key::required("to", Kind::List(&Kind::Text), "The addresses that get it."),
        Key::new("from", Kind::Text, "The address that it comes from; default: what the command sets."),
        Key::or("command", Kind::Text, "\"/usr/sbin/sendmail -t\"", "Gets the whole mail on its standard input."),
    ],
};

pub(crate) static COMMAND: TableDef = TableDef {
    title: "command",
    doc: "A command.",
    named: false,
    keys: &[Key::required("run", Kind::Text, "What `sh -c` runs; gets the message as JSON on its standard input.")],
};

const CHANNELS: [&str; 5] = ["slack", "teams", "webhook", "email", "command"];

/// Reads the plan's `[[notify]]`; two of one name are told apart by a number.
pub(crate) fn read_all(tables: Vec<Table<'_>>, plan: &Path) -> Vec<Notify> {
    let mut names = BTreeSet::new();
    let mut all = Vec::new();
    for table in tables {
        let sink = table.sink;
        let Some((given, mut notify)) = read(table, plan) else { continue };
        if let Some(at) = given.filter(|_| names.contains(&notify.name)) {
            sink.error(&at, format!("there are two [[notify]] with the name `{}`", notify.name));
            continue;
        }
        let kind = notify.name.clone();
        for number in 2.. {
            if names.insert(notify.name.clone()) {
                break;
            }
            notify.name = format!("{kind}-{number}");
        }
        all.push(notify);
    }
    all
}

/// One of them, and where its name stands, if it has one of its own.
fn read(table: Table<'_>, plan: &Path) -> Option<(Option<Range<usize>>, Notify)> {
    let name = table.checked("name", check_name);
    let on = read_topics(&table);
    let slack = table.table("slack", &URL_ONLY).map(|table| read_url_only(table, plan));
    let teams = table.table("teams", &URL_ONLY).map(|table| read_url_only(table, plan));
    let webhook = table.table("webhook", &WEBHOOK).map(|table| read_webhook(table, plan));
    let email = table.table("email", &EMAIL).map(read_email);
    let command = table.table("command", &COMMAND).map(read_command);
    let there: Vec<&str> = CHANNELS.into_iter().filter(|name| table.meant(name)).collect();
    match there.as_slice() {
        [] => {
            let hint = format!("add one of {}", alternatives(CHANNELS));
            table.sink.error_hint(&table.span, "[[notify]] says nobody to tell", hint);
        }
        [_] => {}
        [first, second, ..] => {
            let message = format!("[[notify]] has `{first}` and `{second}`");
            table.sink.error_hint(&table.span, message, "write a [[notify]] for each");
        }
    }
    table.finish(&ALL);
    let slack = slack.map(|url| url.map(|url| Channel::Slack { url }));
    let teams = teams.map(|url| url.map(|url| Channel::Teams { url }));
    let to = slack.or(teams).or(webhook).or(email).or(command)??;
    let kind = to.kind().to_owned();
    let (at, name) = name.map_or((None, kind), |name| (Some(name.span), name.value));
    Some((at, Notify { name, on, to }))
}

/// A word: it stands in warnings and in the journal.
fn check_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let word = !text.is_empty() && text.len() <= 64 && text.chars().all(fits);
    if word { Ok(text.to_owned()) } else { Err("`name` must be one word of letters, digits, `-`, `_` and `.`".into()) }
}

fn read_topics(table: &Table<'_>) -> Vec<Topic> {
    let Some(list) = table.texts("on") else { return Topic::ALL.to_vec() };
    if list.value.is_empty() {
        table.sink.error_hint(&list.span, "`on` is empty: nothing would be told", "leave it out for everything");
    }
    let mut topics = Vec::new();
    for text in &list.value {
        let topic = match text.value.as_str() {
            "gate" => Topic::Gate,
            "finished" => Topic::Finished,
            "failed" => Topic::Failed,
            "rollback" => Topic::Rollback,
            other => {
                let words = ["gate", "finished", "failed", "rollback"];
                let near = did_you_mean(other, words);
                let hint = near.unwrap_or_else(|| format!("allowed: {}", alternatives(words)));
                table.sink.error_hint(&text.span, format!("`on` cannot have \"{other}\""), hint);
                continue;
            }
        };
        if !topics.contains(&topic) {
            topics.push(topic);
        }
    }
    topics.sort_unstable();
    topics
}

fn read_url_only(table: Table<'_>, plan: &Path) -> Option<SecretSource> {
    let sources = read_sources(&table, ["url_env", "url_file", "url_command"], plan);
    let mut known = table;
    known.elsewhere_known(&["url"], "a webhook's URL is a secret: use url_env, url_file or url_command");
    let missing = sources.is_empty() && !any_meant(&known, &["url_env", "url_file", "url_command", "url"]);
    if missing {
        let hint = "add `url_env`, `url_file` or `url_command`";
        known.sink.error_hint(&known.span, "it is not said where the URL comes from", hint);
    }
    let source = one_of(known.sink, sources, "the URL");
    known.finish(&ALL);
    source
}

fn read_webhook(table: Table<'_>, plan: &Path) -> Option<Channel> {
    let plain = table.checked("url", check_url);
    let urls = read_sources(&table, ["url_env", "url_file", "url_command"], plan);
    let keys = read_sources(&table, ["secret_env", "secret_file", "secret_command"], plan);
    let ca = table.checked("ca", |text| existing(plan, text)).map(|ca| ca.value);
    if plain.is_none() && urls.is_empty() && !any_meant(&table, &["url", "url_env", "url_file", "url_command"]) {
        let hint = "add `url`, or where it is a secret `url_env`, `url_file` or `url_command`";
        table.sink.error_hint(&table.span, "`webhook` has no URL", hint);
    }
    if let (Some(_), Some(also)) = (&plain, urls.first()) {
        table.sink.error(&also.span, "the URL stands here twice: `url` is there, too");
    }
    let (url, key) = (one_of(table.sink, urls, "the URL"), one_of(table.sink, keys, "the key"));
    table.finish(&ALL);
    let url = plain.map(|url| UrlSource::Plain(url.value)).or(url.map(UrlSource::From))?;
    Some(Channel::Webhook { url, key, ca })
}

fn read_email(table: Table<'_>) -> Option<Channel> {
    let sink = table.sink;
    let to = table.texts("to");
    if let Some(list) = to.as_ref().filter(|list| list.value.is_empty()) {
        sink.error(&list.span, "`to` is empty: name at least one address");
    }
    let to = to.map(|list| list.value).unwrap_or_default();
    let address = |at: At<String>| match check_address(&at.value) {
        Ok(address) => Some(address),
        Err(why) => {
            sink.error(&at.span, why);
            None
        }
    };
    let to: Vec<String> = to.into_iter().filter_map(address).collect();
    let from = table.checked("from", check_address).map(|from| from.value);
    let command = table.checked("command", check_command);
    table.finish(&ALL);
    let command = command.map_or_else(|| SENDMAIL.to_owned(), |command| command.value);
    Some(Channel::Email { to, from, command })
}

fn read_command(table: Table<'_>) -> Option<Channel> {
    let run = table.checked("run", check_command);
    table.finish(&ALL);
    Some(Channel::Command { run: run?.value })
}

fn any_meant(table: &Table<'_>, names: &[&str]) -> bool {
    names.iter().any(|name| table.meant(name))
}

/// Where a secret is said to come from: a variable, a file, a command.
fn read_sources(table: &Table<'_>, [env, file, command]: [&'static str; 3], plan: &Path) -> Vec<At<SecretSource>> {
    let env = table.checked(env, check_variable).map(|at| At::new(SecretSource::Env(at.value), at.span));
    let file = table.checked(file, |text| beside(plan, text));
    let file = file.map(|at| At::new(SecretSource::File(absolute(&at.value)), at.span));
    let command = table.checked(command, check_command).map(|at| At::new(SecretSource::Command(at.value), at.span));
    env.into_iter().chain(file).chain(command).collect()
}

fn one_of(sink: &Sink, sources: Vec<At<SecretSource>>, what: &str) -> Option<SecretSource> {
    if let Some(second) = sources.get(1) {
        sink.error_hint(&second.span, format!("it is said twice where {what} comes from"), "keep one of them");
    }
    sources.into_iter().next().map(|at| at.value)
}

fn check_variable(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let word = text.chars().all(fits) && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    // The text is not repeated: somebody may have put the secret itself here.
    let why = "this must be the name of a variable (letters, digits, `_`), not its value";
    if word { Ok(text.to_owned()) } else { Err(why.into()) }
}

fn check_command(text: &str) -> Result<String, String> {
    match text {
        _ if text.trim().is_empty() => Err("the command is empty".into()),
        _ if text.contains('\0') => Err("the command has a NUL in it".into()),
        _ => Ok(text.to_owned()),
    }
}

/// What stands in a mail's headers: nothing that could begin another one, or an option of the command.
fn check_address(text: &str) -> Result<String, String> {
    let local = |c: char| c.is_ascii_alphanumeric() || "._%+=/'-".contains(c);
    let (user, domain) = text.split_once('@').unwrap_or((text, "here"));
    let domain_fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let good = !user.is_empty() && !domain.is_empty() && user.chars().all(local) && domain.chars().all(domain_fits);
    if good && !text.starts_with('-') && text.len() <= 254 {
        return Ok(text.to_owned());
    }
    let shown: String = text.chars().take(80).collect();
    Err(format!("{shown:?} is no mail address (the bare form `ops@example.com`, without a name)"))
}

/// A URL in the plan. Its text is in no message: whoever puts a secret here should not see it in logs, too.
fn check_url(text: &str) -> Result<String, String> {
    let bad = |why: &str| Err(format!("`url` {why}"));
    if text.chars().any(|c| c.is_control() || c.is_whitespace() || !c.is_ascii()) {
        return bad("has a character that cannot stand in a URL");
    }
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    if host.is_empty() {
        return bad("is not a URL like `https://host/path`");
    }
    match scheme.to_ascii_lowercase().as_str() {
        "https" => Ok(text.to_owned()),
        "http" if is_loopback(host) => Ok(text.to_owned()),
        "http" => bad("must be https: http is for this machine (127.0.0.1, [::1], localhost) only"),
        _ => bad("must begin with https://"),
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let address = bare.parse::<std::net::IpAddr>();
    bare.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}
