//! One table of a configuration file, read by the keys that it may have.
//!
//! In: a parsed table with its places, and its [`Key`]s. Out: what the values become
//! ([`super::sections`]). A `Table` that exists has no unknown key and every key that must be there.

mod json;
mod number;
mod unknown;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use antiphon_core::name::NameError;
use antiphon_core::signal::Facts;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Location};
use super::key::{Absent, Key, Kind};
use super::value;
use json::as_json;
use unknown::unknown;

/// A configuration file as read.
#[derive(Clone, Debug)]
pub(crate) struct SourceFile {
    /// Where it is, as messages name it.
    pub(crate) path: Arc<Path>,
    /// What it holds.
    pub(crate) text: String,
}

impl SourceFile {
    pub(crate) fn location(&self, offset: usize) -> Location {
        Location::of(&self.path, &self.text, offset)
    }
}

/// Where everything is that a policy error may name.
pub(crate) type Places = BTreeMap<String, Location>;

/// A table whose keys are known.
#[derive(Clone, Debug)]
pub(crate) struct Table<'a> {
    file: &'a SourceFile,
    within: String,
    start: usize,
    keys: &'static [Key],
    entries: Option<&'a DeTable<'a>>,
}

type Entry<'a> = &'a Spanned<DeValue<'a>>;

/// Reads one key of a table: `None` when it is left out and has no default.
pub(crate) type Get<'t, T> = fn(&Table<'t>, &'static str) -> Result<Option<T>, ConfigError>;

impl<'a> Table<'a> {
    /// Takes `entries`, which start at byte `start` of `file`, as a table of `keys`.
    ///
    /// # Errors
    /// [`ConfigError::UnknownKey`], or [`ConfigError::BadValue`] for a key that must be there.
    pub(crate) fn new(
        file: &'a SourceFile,
        within: &str,
        start: usize,
        keys: &'static [Key],
        entries: &'a DeTable<'a>,
    ) -> Result<Self, ConfigError> {
        for key in entries.keys() {
            if !keys
                .iter()
                .any(|known| known.name == key.get_ref().as_ref())
            {
                return Err(unknown(file, within, keys, key));
            }
        }
        let table = Self {
            file,
            within: within.to_owned(),
            start,
            keys,
            entries: Some(entries),
        };
        for key in keys {
            if key.absent == Absent::Refused && !table.has(key.name) {
                return Err(table.missing(key.name));
            }
        }
        Ok(table)
    }

    /// A table of `keys` with nothing in it.
    pub(crate) fn empty(file: &'a SourceFile, keys: &'static [Key]) -> Self {
        Self {
            file,
            within: String::new(),
            start: 0,
            keys,
            entries: None,
        }
    }

    /// Whether `name` is written there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entry(name).is_some()
    }

    /// The value of a key that must be there or has a default.
    ///
    /// # Errors
    /// [`ConfigError::BadValue`].
    pub(crate) fn must<T>(&self, name: &'static str, get: Get<'a, T>) -> Result<T, ConfigError> {
        get(self, name)?.ok_or_else(|| self.missing(name))
    }

    /// Where the value of `name` stands, or else the table.
    pub(crate) fn place(&self, name: &str) -> Location {
        self.file.location(
            self.entry(name)
                .map_or(self.start, |entry| entry.span().start),
        )
    }

    /// That the value of `name` is wrong: `message` follows the key.
    pub(crate) fn bad(&self, name: &str, message: impl Into<String>) -> ConfigError {
        let message = message.into();
        ConfigError::BadValue {
            at: self.place(name),
            key: name.to_owned(),
            message,
        }
    }

    fn missing(&self, name: &str) -> ConfigError {
        self.bad(name, format!("is missing in {}", self.within))
    }

    fn entry(&self, name: &str) -> Option<Entry<'a>> {
        let entries = self.entries?;
        entries
            .iter()
            .find(|(key, _)| key.get_ref() == name)
            .map(|(_, value)| value)
    }

    fn default(&self, name: &str) -> Option<&'static str> {
        let key = self.keys.iter().find(|key| key.name == name);
        debug_assert!(key.is_some(), "{name} is no key of {}", self.within);
        match key?.absent {
            Absent::Default(text) => Some(text),
            Absent::Refused | Absent::Unset => None,
        }
    }

    /// The text of `name`, or its default.
    pub(crate) fn text(&self, name: &'static str) -> Result<Option<String>, ConfigError> {
        match self.entry(name) {
            Some(entry) => Ok(Some(self.as_text(name, entry.get_ref())?.to_owned())),
            None => Ok(self.default(name).map(str::to_owned)),
        }
    }

    fn as_text(&self, name: &str, value: &'a DeValue<'a>) -> Result<&'a str, ConfigError> {
        let message = match (value, self.kind(name)) {
            (DeValue::String(text), _) => return Ok(text),
            (DeValue::Integer(number), Some(Kind::Duration)) => {
                format!("needs a unit, such as \"{number}s\"")
            }
            (DeValue::Integer(number), Some(Kind::Size)) => {
                format!("needs a unit, such as \"{number}MiB\"")
            }
            (other, _) => format!("must be a text, not {}", what(other)),
        };
        Err(self.bad(name, message))
    }

    fn kind(&self, name: &str) -> Option<Kind> {
        self.keys
            .iter()
            .find(|key| key.name == name)
            .map(|key| key.kind)
    }

    /// The name at `name`.
    pub(crate) fn name<N>(&self, name: &'static str) -> Result<Option<N>, ConfigError>
    where
        N: TryFrom<String, Error = NameError>,
    {
        self.text(name)?
            .map(|text| self.as_name(name, text))
            .transpose()
    }

    fn as_name<N>(&self, name: &str, text: String) -> Result<N, ConfigError>
    where
        N: TryFrom<String, Error = NameError>,
    {
        N::try_from(text).map_err(|error| self.bad(name, format!("is wrong: {error}")))
    }

    /// The duration at `name`, ms.
    pub(crate) fn duration_ms(&self, name: &'static str) -> Result<Option<u64>, ConfigError> {
        let text = self.text(name)?;
        text.map(|text| value::duration_ms(&text).map_err(|why| self.bad(name, why)))
            .transpose()
    }

    /// The size at `name`, bytes.
    pub(crate) fn size_bytes(&self, name: &'static str) -> Result<Option<u64>, ConfigError> {
        let text = self.text(name)?;
        text.map(|text| value::size_bytes(&text).map_err(|why| self.bad(name, why)))
            .transpose()
    }

    /// `true` or `false` at `name`.
    pub(crate) fn boolean(&self, name: &'static str) -> Result<Option<bool>, ConfigError> {
        match self.entry(name).map(Spanned::get_ref) {
            Some(DeValue::Boolean(value)) => Ok(Some(*value)),
            Some(other) => {
                Err(self.bad(name, format!("must be true or false, not {}", what(other))))
            }
            None => Ok(self.default(name).map(|text| text == "true")),
        }
    }

    /// The word at `name`, one of the choices of its kind.
    pub(crate) fn choice(&self, name: &'static str) -> Result<Option<&'static str>, ConfigError> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let Some(Kind::Choice(words)) = self.kind(name) else {
            return Ok(None);
        };
        let word = words.iter().find(|word| **word == text);
        word.map(|word| Some(*word))
            .ok_or_else(|| self.bad(name, format!("must be one of {}", words.join(", "))))
    }

    /// The list of texts at `name`.
    pub(crate) fn text_list(&self, name: &'static str) -> Result<Option<Vec<String>>, ConfigError> {
        let Some(entry) = self.entry(name) else {
            return Ok(None);
        };
        let DeValue::Array(items) = entry.get_ref() else {
            return Err(self.bad(
                name,
                "must be a list of texts, such as [\"python3\", \"a.py\"]",
            ));
        };
        items
            .iter()
            .map(|item| match item.get_ref() {
                DeValue::String(text) => Ok(text.clone().into_owned()),
                other => Err(self.bad(name, format!("must hold texts only, not {}", what(other)))),
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// One name or a list of names at `name`.
    pub(crate) fn names<N>(&self, name: &'static str) -> Result<Option<Vec<N>>, ConfigError>
    where
        N: TryFrom<String, Error = NameError>,
    {
        let texts = match self.entry(name).map(Spanned::get_ref) {
            Some(DeValue::String(text)) => Some(vec![text.clone().into_owned()]),
            _ => self.text_list(name)?,
        };
        let Some(texts) = texts else { return Ok(None) };
        texts
            .into_iter()
            .map(|text| self.as_name(name, text))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// The table of texts at `name`.
    pub(crate) fn text_map(
        &self,
        name: &'static str,
    ) -> Result<Option<BTreeMap<String, String>>, ConfigError> {
        let Some(entry) = self.entry(name) else {
            return Ok(None);
        };
        let DeValue::Table(entries) = entry.get_ref() else {
            return Err(self.bad(name, "must be a table of texts"));
        };
        entries
            .iter()
            .map(|(key, value)| match value.get_ref() {
                DeValue::String(text) => Ok((key.get_ref().to_string(), text.to_string())),
                other => Err(self.bad(name, format!("must hold texts only, not {}", what(other)))),
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// The table at `name`, as it is.
    pub(crate) fn free(&self, name: &'static str) -> Result<Option<Facts>, ConfigError> {
        let Some(entry) = self.entry(name) else {
            return Ok(None);
        };
        let json = as_json(entry.get_ref()).map_err(|why| self.bad(name, why))?;
        Facts::parse(json.to_string().as_bytes())
            .map(Some)
            .map_err(|error| self.bad(name, format!("is wrong: {error}")))
    }

    /// The table at `name`, with its own keys.
    pub(crate) fn table(&self, name: &'static str) -> Result<Option<Table<'a>>, ConfigError> {
        let Some(entry) = self.entry(name) else {
            return Ok(None);
        };
        let (DeValue::Table(entries), Some(Kind::Table(keys))) = (entry.get_ref(), self.kind(name))
        else {
            return Err(self.bad(
                name,
                format!("must be a table, not {}", what(entry.get_ref())),
            ));
        };
        let within = format!("[{name}]");
        Table::new(self.file, &within, entry.span().start, keys, entries).map(Some)
    }

    /// The tables at `name`, in order.
    pub(crate) fn tables(&self, name: &'static str) -> Result<Vec<Table<'a>>, ConfigError> {
        let Some(entry) = self.entry(name) else {
            return Ok(Vec::new());
        };
        let (DeValue::Array(items), Some(Kind::Tables(keys))) = (entry.get_ref(), self.kind(name))
        else {
            return Err(self.bad(
                name,
                format!("must be an array of tables: write [[{name}]]"),
            ));
        };
        let within = format!("[[{name}]]");
        let take = |item: &'a Spanned<DeValue<'a>>| match item.get_ref() {
            DeValue::Table(entries) => {
                Table::new(self.file, &within, item.span().start, keys, entries)
            }
            other => Err(self.bad(name, format!("must hold tables only, not {}", what(other)))),
        };
        items.iter().map(take).collect()
    }

    /// The text at `name`, if one is written there.
    pub(crate) fn written(&self, name: &str) -> Option<&'a str> {
        self.entry(name).and_then(|entry| entry.get_ref().as_str())
    }

    /// Remembers under `path` where this table and each of its values stand.
    pub(crate) fn note_places(&self, path: &str, places: &mut Places) {
        places.insert(path.to_owned(), self.file.location(self.start));
        note_places(self.file, path, self.entries, places);
    }
}

fn note_places(file: &SourceFile, path: &str, entries: Option<&DeTable<'_>>, places: &mut Places) {
    for (key, value) in entries.into_iter().flat_map(DeTable::iter) {
        let path = format!("{path}.{}", key.get_ref());
        places.insert(path.clone(), file.location(value.span().start));
        if let DeValue::Table(inner) = value.get_ref() {
            note_places(file, &path, Some(inner), places);
        }
    }
}

fn what(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
