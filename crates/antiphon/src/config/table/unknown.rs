//! A key that is not known, and the one that was meant.

use std::collections::BTreeSet;

use toml::Spanned;

use super::SourceFile;
use crate::config::error::ConfigError;
use crate::config::key::Key;

/// That `key`, which stands in the section `within`, is none of `keys`.
pub(super) fn unknown(
    file: &SourceFile,
    within: &str,
    keys: &'static [Key],
    key: &Spanned<std::borrow::Cow<'_, str>>,
) -> ConfigError {
    let text = key.get_ref();
    let known: BTreeSet<&'static str> = keys.iter().map(|key| key.name).collect();
    let near = text.chars().count() / 3 + 1;
    let nearest = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(text, name), *name))
        .filter(|(distance, _)| *distance <= near)
        .min();
    ConfigError::UnknownKey {
        at: file.location(key.span().start),
        key: text.chars().take(100).collect(),
        within: within.to_owned(),
        nearest: nearest.map(|(_, name)| name),
        known: known.into_iter().collect(),
    }
}
