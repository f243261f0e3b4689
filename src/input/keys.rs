//! Which keys there are, of which kind: the one source for the reader, its messages and the published schemas.

/// A table's keys.
#[derive(Debug)]
pub(crate) struct TableDef {
    /// As messages name it: `[patch]`.
    pub(crate) title: &'static str,
    pub(crate) doc: &'static str,
    /// Whether the table stands under a name that the user chose.
    pub(crate) named: bool,
    pub(crate) keys: &'static [Key],
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) doc: &'static str,
    pub(crate) state: State,
}

/// What a key may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Text,
    Bool,
    /// Only `false`: the key's table form says the rest.
    False,
    Int {
        min: i64,
        max: i64,
    },
    /// `"10m"`
    Duration,
    /// A number of hosts or `"10%"`, at least this.
    Amount {
        min: u32,
    },
    /// One of these; the second list is known and not built.
    Word(&'static [&'static str], &'static [&'static str]),
    /// A list of these.
    List(&'static Kind),
    /// A table with these keys.
    Table(&'static TableDef),
    /// A table of any keys with values of this kind.
    Map(&'static Kind),
    /// A value of any kind.
    Any,
    /// One of these kinds.
    Either(&'static [Kind]),
}

/// How a key stands in this version.
#[derive(Debug, Clone, Copy)]
pub(crate) enum State {
    Required,
    /// May be left out; the default, as TOML, for the schema.
    Optional(Option<&'static str>),
    /// Known and not built: refused.
    Later,
}

impl Key {
    pub(crate) const fn new(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, doc, state: State::Optional(None) }
    }

    pub(crate) const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, doc, state: State::Required }
    }

    /// A key with a default, written as TOML.
    pub(crate) const fn or(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Self {
        Self { name, kind, doc, state: State::Optional(Some(default)) }
    }

    pub(crate) const fn later(name: &'static str, doc: &'static str) -> Self {
        Self { name, kind: Kind::Any, doc, state: State::Later }
    }
}

impl Kind {
    /// What is expected, for a message: `a string`.
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Text => "a string".into(),
            Self::Bool => "`true` or `false`".into(),
            Self::False => "`false`".into(),
            Self::Int { min, max } if min == max => format!("{min}"),
            Self::Int { min, max } => format!("a whole number from {min} to {max}"),
            Self::Duration => "a duration like \"10m\"".into(),
            Self::Amount { .. } => "a number of hosts or a share like \"10%\"".into(),
            Self::Word(words, _) => super::nearest::alternatives(words.iter().copied()).replace('`', "\""),
            Self::List(Self::Text) => "a list of strings".into(),
            Self::List(Self::Table(_)) => "a list of tables".into(),
            Self::List(_) => "a list of such".into(),
            Self::Table(_) | Self::Map(_) => "a table".into(),
            Self::Any => "a value".into(),
            Self::Either(kinds) => kinds.iter().map(Self::expected).collect::<Vec<_>>().join(" or "),
        }
    }
}
