//! Texts of a plan with values in them: `http://{{ host.address }}/health`.
//!
//! A value in a shell command never becomes part of the command's text: the command gets it as a variable, quoted. In a
//! URL it is percent-encoded.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ids::{ChangeId, RunId, StageName};
use super::settings::Host;

/// A text with values in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(Field),
}

/// What a template may name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    Name,
    Address,
    Port,
    User,
    Groups,
    Var(String),
    Stage,
    Wave,
    Run,
    Change,
}

/// The names without `host.vars.NAME`, for messages.
const NAMES: [(&str, Field); 9] = [
    ("host.name", Field::Name),
    ("host.address", Field::Address),
    ("host.port", Field::Port),
    ("host.user", Field::User),
    ("host.groups", Field::Groups),
    ("stage", Field::Stage),
    ("wave", Field::Wave),
    ("run.id", Field::Run),
    ("run.change", Field::Change),
];

/// In what a template's values are put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// A command for `sh`.
    Shell,
    /// A URL.
    Url,
    /// A query in PromQL: values stand in its strings.
    Query,
    /// Text that nobody interprets, such as `HOST:PORT`.
    Plain,
}

/// Why a text is no template; a sentence and a hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub hint: String,
}

/// What the values are of.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The host; none: the text is about a whole stage.
    pub host: Option<&'a Host>,
    /// The stage.
    pub stage: &'a StageName,
    /// The host's wave, from 1; 0: before the first.
    pub wave: u32,
    /// The run.
    pub run: &'a RunId,
    /// The change that it belongs to.
    pub change: &'a ChangeId,
}

impl Template {
    /// Reads a text for this use.
    ///
    /// # Errors
    /// When braces do not match, a name is unknown, or a value stands where it cannot be quoted.
    pub fn parse(text: &str, dialect: Dialect) -> Result<Self, TemplateError> {
        let template = Self::split(text)?;
        if dialect == Dialect::Shell {
            template.check_quotes()?;
        }
        Ok(template)
    }

    fn split(text: &str) -> Result<Self, TemplateError> {
        let error = |message: String, hint: &str| TemplateError { message, hint: hint.to_owned() };
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("{{") {
            let (before, after) = rest.split_at(at);
            let Some(end) = after.find("}}") else {
                return Err(error("`{{` without its `}}`".into(), "write {{ host.name }}"));
            };
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Value(name(after[2..end].trim())?));
            rest = &after[end + 2..];
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self { text: text.to_owned(), parts })
    }

    /// Within quotes of the command's own a value cannot be quoted.
    fn check_quotes(&self) -> Result<(), TemplateError> {
        if self.text.contains("<<") && self.names().next().is_some() {
            return Err(TemplateError {
                message: "a value cannot stand in a command that has a here-document".into(),
                hint: "put the command into a script, and give it the value as an argument".into(),
            });
        }
        let (mut quote, mut escaped, mut last) = (Quote::None, false, ' ');
        for part in &self.parts {
            let text = match part {
                Part::Text(text) => text,
                Part::Value(_) if matches!(quote, Quote::None | Quote::Comment) && !escaped => {
                    last = 'x';
                    continue;
                }
                Part::Value(_) => {
                    return Err(TemplateError {
                        message: "a value stands inside quotes, or behind a backslash".into(),
                        hint: "take the quotes away: the value is quoted by itself, whatever is in it".into(),
                    });
                }
            };
            for c in text.chars() {
                (quote, escaped) = match (quote, c) {
                    (Quote::Comment, '\n') => (Quote::None, false),
                    (Quote::Comment, _) => (Quote::Comment, false),
                    (Quote::None, '#') if !escaped && (last.is_whitespace() || last == ';') => (Quote::Comment, false),
                    (Quote::Single, '\'') => (Quote::None, false),
                    (Quote::Single, _) => (Quote::Single, false),
                    (_, _) if escaped => (quote, false),
                    (_, '\\') => (quote, true),
                    (Quote::None, '\'') => (Quote::Single, false),
                    (Quote::None, '"') => (Quote::Double, false),
                    (Quote::Double, '"') => (Quote::None, false),
                    _ => (quote, false),
                };
                last = c;
            }
        }
        Ok(())
    }

    /// The text as the plan has it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it names the host: then it cannot be about a whole stage.
    pub fn names_host(&self) -> bool {
        self.names().any(|name| !matches!(name, Field::Stage | Field::Wave | Field::Run | Field::Change))
    }

    fn names(&self) -> impl Iterator<Item = &Field> {
        self.parts.iter().filter_map(|part| if let Part::Value(name) = part { Some(name) } else { None })
    }

    /// Why it cannot be used for this host, if so: a variable that it does not have, or one that is no line of text.
    pub fn lacks(&self, host: &Host) -> Option<String> {
        self.names().find_map(|name| {
            let Field::Var(var) = name else { return None };
            match host.vars.get(var) {
                None => Some(format!("the host `{}` has no variable `{var}`", host.name)),
                Some(value) if word(value).is_none() => {
                    Some(format!("the variable `{var}` of the host `{}` is no line of text", host.name))
                }
                Some(_) => None,
            }
        })
    }

    /// The command for `sh`, and the variables that it gets: `PATCHCTL_`, the prefix, and a number.
    pub fn shell(&self, scope: &Scope<'_>, prefix: &str) -> (String, BTreeMap<String, String>) {
        let mut env = BTreeMap::new();
        let command = self.filled(|name| {
            let variable = format!("PATCHCTL_{prefix}{}", env.len() + 1);
            let quoted = format!("\"${{{variable}}}\"");
            env.insert(variable, value(name, scope));
            quoted
        });
        (command, env)
    }

    /// The text for one of the other uses.
    pub fn filled_for(&self, dialect: Dialect, scope: &Scope<'_>) -> String {
        self.filled(|name| {
            let value = value(name, scope);
            match dialect {
                Dialect::Url if value.parse::<::core::net::Ipv6Addr>().is_ok() => format!("[{value}]"),
                Dialect::Url => percent_encoded(&value),
                Dialect::Query => value.replace('\\', "\\\\").replace('"', "\\\"").replace('\'', "\\'"),
                Dialect::Plain if value.parse::<::core::net::Ipv6Addr>().is_ok() => format!("[{value}]"),
                Dialect::Plain | Dialect::Shell => value,
            }
        })
    }

    fn filled(&self, mut put: impl FnMut(&Field) -> String) -> String {
        let mut text = String::with_capacity(self.text.len());
        for part in &self.parts {
            match part {
                Part::Text(own) => text.push_str(own),
                Part::Value(name) => text.push_str(&put(name)),
            }
        }
        text
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quote {
    None,
    Single,
    Double,
    /// Up to the end of its line.
    Comment,
}

fn name(text: &str) -> Result<Field, TemplateError> {
    if let Some((_, name)) = NAMES.iter().find(|(word, _)| *word == text) {
        return Ok(name.clone());
    }
    let is_word =
        |var: &str| !var.is_empty() && var.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    match text.strip_prefix("host.vars.") {
        Some(var) if is_word(var) => Ok(Field::Var(var.to_owned())),
        _ => {
            let known: Vec<&str> = NAMES.iter().map(|(word, _)| *word).collect();
            Err(TemplateError {
                message: format!("there is no value `{text}`"),
                hint: format!("known: {}, host.vars.NAME", known.join(", ")),
            })
        }
    }
}

fn value(name: &Field, scope: &Scope<'_>) -> String {
    let host = |of: fn(&Host) -> String| scope.host.map(of).unwrap_or_default();
    match name {
        Field::Name => host(|host| host.name.to_string()),
        Field::Address => host(|host| host.address.clone()),
        Field::Port => host(|host| host.port.to_string()),
        Field::User => host(|host| host.user.clone().unwrap_or_default()),
        Field::Groups => {
            host(|host| host.groups.iter().map(crate::core::ids::GroupName::as_str).collect::<Vec<_>>().join(","))
        }
        Field::Var(var) => scope.host.and_then(|host| word(host.vars.get(var)?)).unwrap_or_default(),
        Field::Stage => scope.stage.to_string(),
        Field::Wave => scope.wave.to_string(),
        Field::Run => scope.run.to_string(),
        Field::Change => scope.change.to_string(),
    }
}

/// A variable's value as one line of text; none: it is none.
fn word(value: &serde_json::Value) -> Option<String> {
    let text = match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Number(number) => number.to_string(),
        serde_json::Value::Bool(flag) => flag.to_string(),
        _ => return None,
    };
    (!text.chars().any(char::is_control)).then_some(text)
}

/// Everything but RFC 3986's unreserved characters.
pub fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::split(&text).map_err(|error| serde::de::Error::custom(error.message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(address: &str) -> Host {
        let any = crate::core::rollout::settings_for_tests().hosts.remove(0);
        Host {
            name: crate::core::ids::HostName::new("web-1").unwrap(),
            address: address.into(),
            vars: [
                ("site", serde_json::json!("a b; rm -rf / '$(x)'")),
                ("port", serde_json::json!(8080)),
                ("list", serde_json::json!([1])),
                ("lines", serde_json::json!("a\nb")),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
            ..any
        }
    }

    fn with<T>(host: &Host, use_it: impl FnOnce(&Scope<'_>) -> T) -> T {
        let (stage, change) = (StageName::new("prod").unwrap(), ChangeId::new("CHG1").unwrap());
        let run = RunId::new("01JD0000000000000000000000").unwrap();
        use_it(&Scope { host: Some(host), stage: &stage, wave: 2, run: &run, change: &change })
    }

    #[test]
    fn a_value_never_becomes_part_of_a_command() {
        let template = Template::parse("drain {{ host.vars.site }} --wave={{wave}}", Dialect::Shell).unwrap();
        let (command, env) = with(&host("10.0.0.1"), |scope| template.shell(scope, ""));
        assert_eq!(command, "drain \"${PATCHCTL_1}\" --wave=\"${PATCHCTL_2}\"");
        assert_eq!(env["PATCHCTL_1"], "a b; rm -rf / '$(x)'");
        assert_eq!(env["PATCHCTL_2"], "2");
    }

    #[test]
    fn a_value_in_a_url_is_encoded() {
        let url = |text: &str, address: &str| {
            let template = Template::parse(text, Dialect::Url).unwrap();
            with(&host(address), |scope| template.filled_for(Dialect::Url, scope))
        };
        let text = "http://{{ host.address }}:{{ host.vars.port }}/?q={{ host.vars.site }}";
        assert_eq!(url(text, "10.0.0.1"), "http://10.0.0.1:8080/?q=a%20b%3B%20rm%20-rf%20%2F%20%27%24%28x%29%27");
        assert_eq!(url("http://{{ host.address }}/", "fe80::1"), "http://[fe80::1]/");
    }

    #[test]
    fn a_value_inside_quotes_is_refused() {
        for text in ["echo '{{ stage }}'", "echo \"a {{ stage }}\"", "echo \\{{ stage }}", "echo 'it''s {{ stage }}'"] {
            assert!(Template::parse(text, Dialect::Shell).is_err(), "{text}");
        }
        for text in
            ["echo 'a' {{ stage }}", "echo \"a\\\"\" {{ stage }} 'b'", "echo \\' {{ stage }}", "a\\\\{{ stage }}"]
        {
            assert!(Template::parse(text, Dialect::Shell).is_ok(), "{text}");
        }
        for text in ["# it's a 5\" disk\necho \"{{ stage }}\"", "cat <<END\n{{ stage }}\nEND\n"] {
            assert!(Template::parse(text, Dialect::Shell).is_err(), "{text}");
        }
        for text in ["# it's {{ stage }}\necho {{ stage }}", "echo a#'b' {{ stage }}", "cat <<END\nx\nEND\n"] {
            assert!(Template::parse(text, Dialect::Shell).is_ok(), "{text}");
        }
        assert!(Template::parse("http://x/'{{ stage }}'", Dialect::Url).is_ok());
    }

    #[test]
    fn what_is_unknown_or_missing_is_said() {
        let error = |text: &str| Template::parse(text, Dialect::Plain).unwrap_err().message;
        assert_eq!(error("{{ host.nam }}"), "there is no value `host.nam`");
        assert_eq!(error("a {{ host.name"), "`{{` without its `}}`");
        let lacks = |text: &str| Template::parse(text, Dialect::Plain).unwrap().lacks(&host("x"));
        assert_eq!(lacks("{{ host.vars.port }}"), None);
        assert_eq!(lacks("{{ host.vars.rack }}").unwrap(), "the host `web-1` has no variable `rack`");
        assert_eq!(
            lacks("{{ host.vars.list }}").unwrap(),
            "the variable `list` of the host `web-1` is no line of text"
        );
        assert!(lacks("{{ host.vars.lines }}").is_some());
    }
}
