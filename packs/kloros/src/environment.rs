//! The configuration that winners are deployed to: lines of `KEY=VALUE`, comments and order kept.
//!
//! In: the file's text and settings. Out: the text with those settings and nothing else changed.

use std::collections::BTreeMap;

/// Bytes of the configuration.
pub const ENVIRONMENT_BYTES_MAX: u64 = 1024 * 1024;

/// The name under which a parameter is deployed: `learning_rate` becomes `KLR_LEARNING_RATE`.
#[must_use]
pub fn key_of(parameter: &str) -> String {
    format!("KLR_{}", parameter.to_ascii_uppercase())
}

/// `text` with every one of `settings` in it: where its key stands, its line is replaced (the last
/// one counts, as a shell reads it); else a line is added at the end.
#[must_use]
pub fn with_settings(text: &str, settings: &BTreeMap<String, String>) -> String {
    let mut out = String::with_capacity(text.len().saturating_add(64));
    let mut missing = settings.clone();
    for line in text.split_inclusive('\n') {
        let key = key_of_line(line);
        if let Some((key, value)) = key.and_then(|key| settings.get_key_value(key)) {
            missing.remove(key);
            out.push_str(key);
            out.push('=');
            out.push_str(value);
            out.push('\n');
        } else {
            out.push_str(line);
        }
    }
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    for (key, value) in &missing {
        out.push_str(key);
        out.push('=');
        out.push_str(value);
        out.push('\n');
    }
    out
}

/// What `text` sets `key` to.
#[must_use]
pub fn setting<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let line = text.lines().rfind(|line| key_of_line(line) == Some(key))?;
    line.split_once('=').map(|(_, value)| value.trim())
}

fn key_of_line(line: &str) -> Option<&str> {
    let (key, _) = line.split_once('=')?;
    let key = key.trim();
    Some(key.strip_prefix("export ").map_or(key, str::trim_start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let settings = BTreeMap::from([
            ("KLR_BATCH_SIZE".to_owned(), "32".to_owned()),
            ("KLR_LEARNING_RATE".to_owned(), "0.05".to_owned()),
        ]);
        let after = with_settings(text, &settings);
        assert_eq!(after, expect);
        assert_eq!(
            with_settings(&after, &settings),
            expect,
            "a second time changes nothing"
        );
        for (key, value) in &settings {
            assert_eq!(setting(&after, key), Some(value.as_str()));
        }
    }

    #[test]
    fn only_the_lines_of_the_settings_change() {
        check("", "KLR_BATCH_SIZE=32\nKLR_LEARNING_RATE=0.05\n");
        check(
            "# by hand\nKLR_VOICE='a=b'\nKLR_BATCH_SIZE = 8 # old\n\n#KLR_LEARNING_RATE=1\nLAST=1",
            "# by hand\nKLR_VOICE='a=b'\nKLR_BATCH_SIZE=32\n\n#KLR_LEARNING_RATE=1\nLAST=1\nKLR_LEARNING_RATE=0.05\n",
        );
        check(
            "export KLR_LEARNING_RATE=1\nKLR_BATCH_SIZE=1\nKLR_BATCH_SIZE=2\n",
            "KLR_LEARNING_RATE=0.05\nKLR_BATCH_SIZE=32\nKLR_BATCH_SIZE=32\n",
        );
    }
}
