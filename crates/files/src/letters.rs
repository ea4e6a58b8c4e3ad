//! Dead letters as the seeds write them: `failed_signals.jsonl`.
//!
//! In: the text of the export. Out: the letters themselves, which the log keeps whole; writing the
//! file, which is the effector's. Source: `spec/facts.md` B5, whose three dialects are one enum
//! here: a signal as an object, as the string of its raw payload, or the path of an intent.

use antiphon_core::name::{SignalName, SourceName};
use antiphon_core::signal::Facts;
use antiphon_core::time::rfc3339;
use serde::Serialize;

/// Where the export stands below the root.
pub const FAILED_SIGNALS: &str = "failed_signals.jsonl";

/// One dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Who could not process it: `intent:FILE`, `input:NAME`, `rule:NAME`, `task:NAME`.
    pub subject: String,
    /// What is wrong, for people.
    pub error: String,
    /// When it was parked, ms since 1970 UTC.
    pub timestamp_ms: i64,
    /// What it holds.
    pub payload: LetterPayload,
}

/// What a dead letter holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LetterPayload {
    /// A signal.
    Signal {
        /// Its name.
        name: SignalName,
        /// Who emitted it.
        source: SourceName,
        /// When it happened, ms since 1970 UTC.
        timestamp_ms: i64,
        /// What it says.
        facts: Facts,
    },
    /// Raw payload that is no signal, as text.
    Text(String),
    /// A dropped intent: the path of its file.
    IntentFile(String),
}

/// The export: a line for each letter, in the order given.
///
/// # Errors
/// When a letter has no JSON form; none of this type has such.
pub fn failed_signals(letters: &[Letter]) -> serde_json::Result<String> {
    let mut text = Vec::new();
    for letter in letters {
        serde_json::to_writer(&mut text, &Line::of(letter))?;
        text.push(b'\n');
    }
    String::from_utf8(text).map_err(serde::ser::Error::custom)
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<SignalDialect<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    intent_file: Option<&'a str>,
    error: &'a str,
    timestamp: String,
    daemon: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum SignalDialect<'a> {
    Object {
        signal: &'a str,
        timestamp: String,
        source: &'a str,
        facts: &'a Facts,
    },
    Raw(&'a str),
}

impl<'a> Line<'a> {
    fn of(letter: &'a Letter) -> Self {
        let (signal, intent_file) = match &letter.payload {
            LetterPayload::Signal {
                name,
                source,
                timestamp_ms,
                facts,
            } => {
                let signal = SignalDialect::Object {
                    signal: name.as_str(),
                    timestamp: iso(*timestamp_ms),
                    source: source.as_str(),
                    facts,
                };
                (Some(signal), None)
            }
            LetterPayload::Text(raw) => (Some(SignalDialect::Raw(raw)), None),
            LetterPayload::IntentFile(path) => (None, Some(path.as_str())),
        };
        Self {
            signal,
            intent_file,
            error: &letter.error,
            timestamp: iso(letter.timestamp_ms),
            daemon: &letter.subject,
        }
    }
}

/// As the seeds write time: with `+00:00` where RFC 3339 allows `Z`.
fn iso(time_ms: i64) -> String {
    let text = rfc3339(time_ms);
    match text.strip_suffix('Z') {
        Some(bare) => format!("{bare}+00:00"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(payload: LetterPayload, expect: &str) {
        let letter = Letter {
            subject: "task dream".into(),
            error: "exit \"3\"".into(),
            timestamp_ms: 1_500,
            payload,
        };
        let text = failed_signals(std::slice::from_ref(&letter)).unwrap();
        assert_eq!(text, format!("{expect}\n"));
        assert_eq!(
            failed_signals(&[letter.clone(), letter])
                .unwrap()
                .lines()
                .count(),
            2
        );
    }

    #[test]
    fn the_three_dialects_are_those_of_the_seeds() {
        check(
            LetterPayload::Signal {
                name: SignalName::new("Q_DREAM_TRIGGER").unwrap(),
                source: SourceName::new("policy").unwrap(),
                timestamp_ms: 0,
                facts: Facts::parse(br#"{"topic":null}"#).unwrap(),
            },
            concat!(
                r#"{"signal":{"signal":"Q_DREAM_TRIGGER","timestamp":"1970-01-01T00:00:00.000+00:00","#,
                r#""source":"policy","facts":{"topic":null}},"error":"exit \"3\"","#,
                r#""timestamp":"1970-01-01T00:00:01.500+00:00","daemon":"task dream"}"#
            ),
        );
        check(
            LetterPayload::Text("{\"half\n".into()),
            concat!(
                r#"{"signal":"{\"half\n","error":"exit \"3\"","#,
                r#""timestamp":"1970-01-01T00:00:01.500+00:00","daemon":"task dream"}"#
            ),
        );
        check(
            LetterPayload::IntentFile("intents/rejected/a.json".into()),
            concat!(
                r#"{"intent_file":"intents/rejected/a.json","error":"exit \"3\"","#,
                r#""timestamp":"1970-01-01T00:00:01.500+00:00","daemon":"task dream"}"#
            ),
        );
    }

    #[test]
    fn no_letters_are_an_empty_file() {
        assert_eq!(failed_signals(&[]).unwrap(), "");
    }
}
