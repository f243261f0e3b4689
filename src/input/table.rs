//! Reads TOML tables by their definitions, keeping places and going on after mistakes.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::de::value::{Error as WordError, StrDeserializer};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::amount;
use super::keys::{Key, Kind, State, TableDef};
use super::nearest::{alternatives, did_you_mean, nearest};
use super::source::Sink;
use crate::core::duration::parse_duration;
use crate::core::settings::Amount;

/// A value with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) span: Range<usize>,
}

impl<T> At<T> {
    pub(crate) fn new(value: T, span: Range<usize>) -> Self {
        Self { value, span }
    }
}

/// A value of the document.
pub(crate) type Value<'a> = Spanned<DeValue<'a>>;

/// A table that is being read. Every key is asked for once by name; `finish` reports the rest.
pub(crate) struct Table<'a> {
    pub(crate) sink: &'a Sink,
    /// Where it begins: its header, or the table itself.
    pub(crate) span: Range<usize>,
    def: &'static TableDef,
    entries: &'a DeTable<'a>,
    asked: RefCell<BTreeSet<&'static str>>,
    /// Words that are known and cannot stand here, and why.
    misplaced: (&'static [&'static str], &'static str),
}

/// Parses the text; its syntax errors go to the sink, and then there is nothing more to read.
pub(crate) fn parse<'a>(sink: &Sink, text: &'a str) -> Option<Spanned<DeTable<'a>>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Some(table);
    }
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        sink.error(&span, error.message().lines().collect::<Vec<_>>().join("; "));
    }
    None
}

/// A table's entries in the order of the file.
pub(crate) fn in_order<'a>(table: &'a DeTable<'a>) -> Vec<(At<&'a str>, &'a Value<'a>)> {
    let mut entries: Vec<_> =
        table.iter().map(|(key, value)| (At::new(key.get_ref().as_ref(), key.span()), value)).collect();
    entries.sort_by_key(|(key, _)| key.span.start);
    entries
}

impl<'a> Table<'a> {
    pub(crate) fn new(sink: &'a Sink, def: &'static TableDef, entries: &'a DeTable<'a>, span: Range<usize>) -> Self {
        Self { sink, span, def, entries, asked: RefCell::default(), misplaced: (&[], "") }
    }

    /// Names words that are known and cannot stand in this table, and says why.
    pub(crate) fn elsewhere_known(&mut self, words: &'static [&'static str], why: &'static str) {
        self.misplaced = (words, why);
    }

    fn key(&self, name: &'static str) -> Option<&'static Key> {
        let key = self.def.keys.iter().find(|key| key.name == name);
        debug_assert!(key.is_some(), "`{name}` is read and not declared in {}", self.def.title);
        self.asked.borrow_mut().insert(name);
        key
    }

    /// The key's value, whatever it is; a missing required one is reported.
    pub(crate) fn raw(&self, name: &'static str) -> Option<(&'a Value<'a>, &'static Key)> {
        let key = self.key(name)?;
        let value = self.entries.get(name);
        if value.is_none() && matches!(key.state, State::Required) && !self.meant(name) {
            let hint = match key.kind {
                Kind::Table(def) => format!("add {}", def.title),
                Kind::List(Kind::Table(def)) => format!("add {}", def.title),
                _ => format!("add `{name}`, {}", key.kind.expected()),
            };
            self.sink.error_hint(&self.span, format!("{} has no `{name}`", self.title()), hint);
        }
        value.map(|value| (value, key))
    }

    /// Whether the key is there, or one that is not known and could be meant for it (which `finish` reports).
    pub(crate) fn meant(&self, name: &str) -> bool {
        let known = || self.def.keys.iter().map(|key| key.name);
        let misspelt = |key: &str| !known().any(|k| k == key) && nearest(key, known()) == Some(name);
        self.entries.keys().any(|key| key.get_ref() == name || misspelt(key.get_ref()))
    }

    fn title(&self) -> &'static str {
        self.def.title
    }

    /// Says that the value is not of the key's kind.
    fn wrong(&self, key: &Key, value: &Value<'_>) {
        let found = found(value);
        self.sink.error(&value.span(), format!("`{}` must be {}, not {found}", key.name, key.kind.expected()));
    }

    /// Where those of these keys stand that are there.
    pub(crate) fn stated(&self, names: &[&'static str]) -> BTreeMap<&'static str, Range<usize>> {
        names.iter().filter_map(|name| Some((*name, self.raw(name)?.0.span()))).collect()
    }

    /// A string.
    pub(crate) fn text(&self, name: &'static str) -> Option<At<String>> {
        let (value, key) = self.raw(name)?;
        match value.get_ref().as_str() {
            Some(text) => Some(At::new(text.to_owned(), value.span())),
            None => {
                self.wrong(key, value);
                None
            }
        }
    }

    /// A string made into something checked; the error names the key.
    pub(crate) fn checked<T, E: std::fmt::Display>(
        &self,
        name: &'static str,
        make: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<At<T>> {
        let text = self.text(name)?;
        match make(&text.value) {
            Ok(value) => Some(At::new(value, text.span)),
            Err(error) => {
                self.sink.error(&text.span, error.to_string());
                None
            }
        }
    }

    /// `true` or `false`.
    pub(crate) fn bool(&self, name: &'static str) -> Option<bool> {
        let (value, key) = self.raw(name)?;
        let found = value.get_ref().as_bool();
        if found.is_none() {
            self.wrong(key, value);
        }
        found
    }

    /// A whole number within the key's bounds.
    pub(crate) fn int(&self, name: &'static str) -> Option<i64> {
        let (value, key) = self.raw(name)?;
        let Kind::Int { min, max } = key.kind else { return None };
        match integer(value) {
            Some(number) if (min..=max).contains(&number) => Some(number),
            Some(number) => {
                let message = format!("`{name}` must be {}, not {number}", key.kind.expected());
                self.sink.error(&value.span(), message);
                None
            }
            None => {
                self.wrong(key, value);
                None
            }
        }
    }

    /// One of the key's words, as the type that has these words.
    pub(crate) fn word<T: DeserializeOwned>(&self, name: &'static str) -> Option<T> {
        let (value, key) = self.raw(name)?;
        let Kind::Word(words, later) = key.kind else { return None };
        let Some(word) = value.get_ref().as_str() else {
            self.wrong(key, value);
            return None;
        };
        if later.contains(&word) {
            let hint = format!("use {}", key.kind.expected());
            let message = format!("`{name} = \"{word}\"` is not built yet in this version");
            self.sink.error_hint(&value.span(), message, hint);
            return None;
        }
        if !words.contains(&word) {
            let mut hint = format!("allowed: {}", key.kind.expected());
            if let Some(near) = nearest(word, words.iter().copied()) {
                hint = format!("did you mean \"{near}\"? {hint}");
            }
            self.sink.error_hint(&value.span(), format!("`{name}` cannot be \"{word}\""), hint);
            return None;
        }
        let read: Result<T, WordError> = T::deserialize(StrDeserializer::new(word));
        debug_assert!(read.is_ok(), "the type of `{name}` does not know {word:?}");
        read.ok()
    }

    /// A duration like `10m`, not zero.
    pub(crate) fn duration(&self, name: &'static str) -> Option<Duration> {
        let (value, key) = self.raw(name)?;
        let Some(text) = value.get_ref().as_str() else {
            self.wrong(key, value);
            return None;
        };
        match parse_duration(text) {
            Ok(Duration::ZERO) => {
                self.sink.error(&value.span(), format!("`{name}` must be longer than nothing"));
                None
            }
            Ok(duration) => Some(duration),
            Err(why) => {
                self.sink.error(&value.span(), format!("`{name}` {why}"));
                None
            }
        }
    }

    /// A number of hosts or a share of them.
    pub(crate) fn amount(&self, name: &'static str) -> Option<Amount> {
        let (value, key) = self.raw(name)?;
        let Kind::Amount { min } = key.kind else { return None };
        self.amount_of(key, value, min)
    }

    fn amount_of(&self, key: &Key, value: &Value<'_>, min: u32) -> Option<Amount> {
        let read = match (integer(value), value.get_ref().as_str()) {
            (Some(number), _) => amount::count(number, min),
            (None, Some(text)) => amount::parse_amount(text, min),
            (None, None) => {
                self.wrong(key, value);
                return None;
            }
        };
        read.map_err(|why| self.sink.error(&value.span(), format!("`{}`: {why}", key.name))).ok()
    }

    /// One amount, or a list of them that is not empty.
    pub(crate) fn amounts(&self, name: &'static str) -> Option<Vec<Amount>> {
        let (value, key) = self.raw(name)?;
        let Some(list) = value.get_ref().as_array() else {
            return self.amount_of(key, value, 1).map(|one| vec![one]);
        };
        if list.is_empty() {
            self.sink.error_hint(&value.span(), format!("`{name}` is empty"), "leave it out for one wave");
            return None;
        }
        let each = Key::new(key.name, Kind::Amount { min: 1 }, "");
        Some(list.iter().filter_map(|item| self.amount_of(&each, item, 1)).collect())
    }

    /// A list of strings; what is not a string is reported and left out.
    pub(crate) fn texts(&self, name: &'static str) -> Option<At<Vec<At<String>>>> {
        let (value, key) = self.raw(name)?;
        match value.get_ref().as_array() {
            Some(_) => Some(At::new(self.strings(key.name, value), value.span())),
            None => {
                self.wrong(key, value);
                None
            }
        }
    }

    /// The strings of a list that `name` holds.
    pub(crate) fn strings(&self, name: &str, value: &Value<'_>) -> Vec<At<String>> {
        let Some(list) = value.get_ref().as_array() else {
            let message = format!("`{name}` must be a list of strings, not {}", found(value));
            self.sink.error(&value.span(), message);
            return Vec::new();
        };
        let mut texts = Vec::with_capacity(list.len());
        for item in list.iter() {
            match item.get_ref().as_str() {
                Some(text) => texts.push(At::new(text.to_owned(), item.span())),
                None => {
                    let message = format!("each of `{name}` must be a string, not {}", found(item));
                    self.sink.error(&item.span(), message);
                }
            }
        }
        texts
    }

    /// The table that the key holds.
    pub(crate) fn table(&self, name: &'static str, def: &'static TableDef) -> Option<Table<'a>> {
        let (value, key) = self.raw(name)?;
        let table = self.entries_of(key, value)?;
        Some(Table::new(self.sink, def, table, value.span()))
    }

    /// The tables that the key holds as a list.
    pub(crate) fn tables(&self, name: &'static str, def: &'static TableDef) -> Vec<Table<'a>> {
        let Some((value, key)) = self.raw(name) else { return Vec::new() };
        let Some(list) = value.get_ref().as_array() else {
            let message = format!("`{name}` must be a list of tables, not {}", found(value));
            self.sink.error_hint(&value.span(), message, format!("write {}", def.title));
            return Vec::new();
        };
        if list.is_empty() {
            self.sink.error_hint(&value.span(), format!("`{name}` is empty"), format!("add {}", def.title));
        }
        let read = |item: &'a Value<'a>| {
            self.entries_of(key, item).map(|table| Table::new(self.sink, def, table, item.span()))
        };
        list.iter().filter_map(read).collect()
    }

    /// The entries of a table of any keys, in the order of the file.
    pub(crate) fn map(&self, name: &'static str) -> Vec<(At<&'a str>, &'a Value<'a>)> {
        let Some((value, key)) = self.raw(name) else { return Vec::new() };
        self.entries_of(key, value).map(in_order).unwrap_or_default()
    }

    fn entries_of(&self, key: &Key, value: &'a Value<'a>) -> Option<&'a DeTable<'a>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            let message = format!("`{}` must be a table, not {}", key.name, found(value));
            self.sink.error(&value.span(), message);
        }
        table
    }

    /// Reports every key that is not known, or not built and asked for.
    pub(crate) fn finish(self, elsewhere: &[&'static TableDef]) {
        for (name, value) in in_order(self.entries) {
            match self.def.keys.iter().find(|key| key.name == name.value) {
                Some(Key { state: State::Later, .. }) => {
                    let message = format!("`{}` is not built yet in this version", name.value);
                    self.sink.error_hint(&name.span, message, "leave it out");
                }
                Some(key) => debug_assert!(
                    self.asked.borrow().contains(key.name),
                    "`{}` of {} is declared and not read",
                    key.name,
                    self.def.title
                ),
                None => self.unknown(&name, value, elsewhere),
            }
        }
    }

    fn unknown(&self, name: &At<&str>, value: &Value<'_>, elsewhere: &[&'static TableDef]) {
        if self.misplaced.0.contains(&name.value) {
            let message = format!("`{}` cannot stand in {}", name.value, self.title());
            self.sink.error_hint(&name.span, message, self.misplaced.1);
            return;
        }
        let here = || self.def.keys.iter().map(|key| key.name);
        let there = elsewhere.iter().find(|def| def.keys.iter().any(|key| key.name == name.value));
        let hint = match there {
            _ if self.def.named && value.get_ref().is_table() => Some("a name with dots in it must be quoted".into()),
            Some(def) => Some(format!("it belongs in {}", def.title)),
            None => did_you_mean(name.value, here()),
        };
        let message = format!("unknown key `{}` in {}", name.value, self.title());
        match hint {
            Some(hint) => self.sink.error_hint(&name.span, message, hint),
            None => {
                let built = self.def.keys.iter().filter(|key| !matches!(key.state, State::Later));
                let hint = format!("known: {}", alternatives(built.map(|key| key.name)).replace(" or ", ", "));
                self.sink.error_hint(&name.span, message, hint);
            }
        }
    }
}

/// A whole number, if it is one that fits.
pub(crate) fn integer(value: &Value<'_>) -> Option<i64> {
    let number = value.get_ref().as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// What kind of value it is, with its article.
pub(crate) fn found(value: &Value<'_>) -> &'static str {
    match value.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "`true` or `false`",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
