//! The registry of capabilities, `capabilities.yaml`, as text that is never rewritten.
//!
//! In: the bytes of the file. Out: its top-level entries, and the same bytes with one entry added
//! at the end. Nothing that stands there is parsed and written again, so every comment, order and
//! quotation mark survives (defect 43). Only what the pack reads is understood: names at the left
//! margin and their plain `key: value` lines; the rest of YAML is carried, not read.

use std::collections::BTreeMap;

/// Bytes of a registry.
pub const CAPABILITIES_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The registry's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities(String);

/// A top-level entry: its name and its plain fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its fields one level down that are plain scalars, unquoted.
    pub fields: BTreeMap<String, String>,
}

/// What is added for a module that was found.
#[derive(Clone, Copy, Debug)]
pub struct Discovered<'a> {
    /// The entry's name.
    pub name: &'a str,
    /// The module, dotted: `src.audio`.
    pub module: &'a str,
    /// One line about it.
    pub description: &'a str,
    /// When, RFC 3339.
    pub at: &'a str,
    /// Python files in it.
    pub python_files: usize,
}

impl Capabilities {
    /// Takes `bytes` as a registry.
    ///
    /// # Errors
    /// Why an entry cannot be appended to them: no UTF-8, or something else than one block mapping.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, String> {
        let text = String::from_utf8(bytes).map_err(|error| error.to_string())?;
        for (index, line) in text.lines().enumerate() {
            let number = index.saturating_add(1);
            let is_prologue = |line: &str| is_blank(line) || line.starts_with('%');
            let is_start = line == "---" && text.lines().take(index).all(is_prologue);
            if is_blank(line) || line.starts_with([' ', '\t']) || is_start || line.starts_with('%')
            {
                continue;
            }
            if name_of(line).is_none() {
                return Err(format!("line {number} is no entry of a block mapping"));
            }
        }
        Ok(Self(text))
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The top-level entries, in the order of the file.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        // How far the fields of the entry at hand are indented, once the first was seen.
        let mut margin = None;
        for line in self.0.lines().filter(|line| !is_blank(line)) {
            let indent = line
                .len()
                .saturating_sub(line.trim_start_matches(' ').len());
            if indent == 0 {
                margin = None;
                if let Some(name) = name_of(line) {
                    entries.push(Entry {
                        name,
                        fields: BTreeMap::new(),
                    });
                }
            } else if *margin.get_or_insert(indent) == indent
                && let Some(entry) = entries.last_mut()
                && let Some((key, value)) = line.trim().split_once(": ")
            {
                entry.fields.insert(key.trim().to_owned(), scalar(value));
            }
        }
        entries
    }

    /// The entry of this name.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<Entry> {
        self.entries().into_iter().find(|entry| entry.name == name)
    }

    /// This text and, after it, an entry for `found`.
    #[must_use]
    pub fn with(&self, found: &Discovered<'_>) -> String {
        let end = if self.0.is_empty() || self.0.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        // A JSON string is a double-quoted YAML scalar: whatever stands in it stays in it.
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        format!(
            "{before}{end}\n# Discovered by static analysis at {at}.\n# Added by the capability integrator; edit freely.\n{name}:\n  module: {module}\n  enabled: true\n  description: {description}\n  auto_discovered: true\n  discovered_at: {quoted_at}\n  py_files: {files}\n",
            before = self.0,
            at = found.at,
            name = found.name,
            module = found.module,
            description = quoted(found.description),
            quoted_at = quoted(found.at),
            files = found.python_files,
        )
    }
}

/// Whether `name` can stand unquoted as an entry and as a Python module.
#[must_use]
pub fn is_module_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= 64
        && bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        // YAML reads these as something else than a text.
        && !["y", "n", "yes", "no", "on", "off", "true", "false", "null"]
            .contains(&name.to_ascii_lowercase().as_str())
}

fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

fn name_of(line: &str) -> Option<String> {
    let at = line
        .find(": ")
        .or_else(|| line.trim_end().strip_suffix(':').map(str::len))?;
    let name = line.get(..at)?.trim();
    if name.starts_with(['-', '[', '{', '?', '!', '&', '*', '|', '>', '@', '`']) {
        return None;
    }
    Some(scalar(name))
}

fn scalar(text: &str) -> String {
    let text = text.trim();
    if text.starts_with('"')
        && let Ok(plain) = serde_json::from_str(text)
    {
        return plain;
    }
    if let Some(inner) = text
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''))
    {
        return inner.replace("''", "'");
    }
    text.split(" #")
        .next()
        .unwrap_or(text)
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# The registry.\n\ncore:   # by hand\n  module: src.core\n  enabled: true\n  guards:\n    - cpu: low\n\"odd name\":\n    module: 'it''s'   \nbackends:\n  - name: a\n";

    const FOUND: Discovered<'static> = Discovered {
        name: "audio",
        module: "src.audio",
        description: "Says \"hi\": #1",
        at: "2026-11-20T15:36:52.001Z",
        python_files: 3,
    };

    #[test]
    fn e43_an_entry_is_added_and_every_byte_before_it_stays() {
        let before = Capabilities::parse(TEXT.as_bytes().to_vec()).unwrap();
        let after = before.with(&FOUND);
        assert!(after.starts_with(TEXT));
        let entry = Capabilities::parse(after.into_bytes())
            .unwrap()
            .entry("audio")
            .unwrap();
        let field = |name: &str| entry.fields[name].clone();
        assert_eq!(field("module"), "src.audio");
        assert_eq!(field("description"), "Says \"hi\": #1");
        assert_eq!(field("auto_discovered"), "true");
        assert_eq!(field("discovered_at"), FOUND.at);
        assert_eq!(field("py_files"), "3");
        assert_eq!(entry.fields.len(), 6);
    }

    #[test]
    fn entries_are_read_with_their_plain_fields_only() {
        let entries = Capabilities::parse(TEXT.as_bytes().to_vec())
            .unwrap()
            .entries();
        let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["core", "odd name", "backends"]);
        assert_eq!(entries[0].fields["module"], "src.core");
        assert!(!entries[0].fields.contains_key("- cpu"));
        assert_eq!(entries[1].fields["module"], "it's");
    }

    #[test]
    fn a_text_that_cannot_take_an_entry_is_refused() {
        let check = |text: &str, is_ok: bool| {
            assert_eq!(Capabilities::parse(text.into()).is_ok(), is_ok, "{text:?}");
        };
        check("", true);
        check("# only this\n", true);
        check("%YAML 1.2\n---\na: 1\n", true);
        check("a:\n  b: 1", true);
        check("{}\n", false);
        check("- a\n", false);
        check("a: 1\n---\nb: 2\n", false);
        check("a: 1\n...\n", false);
        assert!(Capabilities::parse(vec![0xff]).is_err());
    }

    #[test]
    fn a_module_name_is_an_identifier_that_yaml_takes_for_a_text() {
        for good in ["audio", "_x9", "Memory_2"] {
            assert!(is_module_name(good), "{good}");
        }
        for bad in [
            "", "9x", "a-b", "a.b", "a b", "a:\nb", "yes", "Null", "é", "../x",
        ] {
            assert!(!is_module_name(bad), "{bad}");
        }
    }
}
