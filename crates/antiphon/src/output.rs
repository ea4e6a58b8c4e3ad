//! What a command says: tables for people, JSON for programs, nothing but what was asked.
//!
//! Invariants: results go to standard output, everything else to standard error; no control
//! character of foreign text reaches a terminal; colours only on a terminal and never under
//! `NO_COLOR`.

pub(crate) mod chain;
pub(crate) mod table;
pub(crate) mod tone;

use std::io::{IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::failure::Failure;
use table::Table;
use tone::Tone;

/// The form of what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Tables and sentences
    Table,
    /// One document, or one a line
    Json,
}

/// Where and how results are printed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    format: Format,
    is_quiet: bool,
    is_colored: bool,
}

impl Output {
    /// Prints in `format`; `is_quiet` leaves out what was not asked for.
    pub(crate) fn new(format: Format, is_quiet: bool) -> Self {
        let is_colored = std::io::stdout().is_terminal() && tone::is_wanted();
        Self {
            format,
            is_quiet,
            is_colored,
        }
    }

    /// Whether programs read it.
    pub(crate) fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Whether only what was asked for is said.
    pub(crate) fn is_quiet(self) -> bool {
        self.is_quiet
    }

    /// A bar over records, on a terminal of people who did not ask for quiet.
    pub(crate) fn progress(self) -> ProgressBar {
        if self.is_json() || self.is_quiet || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(0);
        match ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} records, {eta}") {
            Ok(style) => bar.with_style(style),
            Err(_unknown_key) => bar,
        }
    }

    /// `text` in this tone, where colours are shown.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        if self.is_colored {
            tone.paint(text)
        } else {
            text.to_owned()
        }
    }

    /// Prints `text` and a line break.
    ///
    /// # Errors
    /// [`Failure::Output`], also when whoever read it has gone.
    #[expect(clippy::unused_self, reason = "whatever prints is asked of an output")]
    pub(crate) fn line(self, text: &str) -> Result<(), Failure> {
        writeln!(std::io::stdout().lock(), "{text}").map_err(Failure::Output)
    }

    /// Prints `text` as it is.
    ///
    /// # Errors
    /// As [`Output::line`].
    #[expect(clippy::unused_self, reason = "whatever prints is asked of an output")]
    pub(crate) fn raw(self, text: &str) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .map_err(Failure::Output)
    }

    /// Says to people what was not asked for.
    ///
    /// # Errors
    /// As [`Output::line`].
    pub(crate) fn note(self, text: &str) -> Result<(), Failure> {
        if self.is_quiet || self.is_json() {
            Ok(())
        } else {
            self.line(text)
        }
    }

    /// Prints `value` as JSON on one line.
    ///
    /// # Errors
    /// As [`Output::line`].
    pub(crate) fn json<T: Serialize>(self, value: &T) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(|source| Failure::Bug {
            what: "a result has no JSON form".to_owned(),
            source: Some(Box::new(source)),
        })?;
        self.line(&text)
    }

    /// Prints `value` as JSON on one line for programs, or what `tell` makes of it for people.
    ///
    /// # Errors
    /// As [`Output::line`].
    pub(crate) fn one<T: Serialize>(
        self,
        value: &T,
        tell: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        if self.is_json() {
            self.json(value)
        } else {
            self.line(&tell(value))
        }
    }

    /// Prints `values` as JSON, one a line, or as a table; says `nothing` when there are none.
    ///
    /// # Errors
    /// As [`Output::line`].
    pub(crate) fn list<T: Serialize>(
        self,
        values: &[T],
        nothing: &str,
        table: impl FnOnce(&[T]) -> Table,
    ) -> Result<(), Failure> {
        if self.is_json() {
            return values.iter().try_for_each(|value| self.json(value));
        }
        if values.is_empty() {
            return self.note(nothing);
        }
        self.raw(&table(values).render(self.is_colored))
    }
}

/// `text` with control, invisible and direction-changing characters written out.
pub(crate) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        let is_hidden = matches!(c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if c.is_control() || is_hidden {
            clean.extend(c.escape_unicode());
        } else {
            clean.push(c);
        }
    }
    clean
}

/// The first `length_max` characters of `text`, cleaned, with `…` for the rest.
pub(crate) fn clip(text: &str, length_max: usize) -> String {
    let clean = clean(text);
    if clean.chars().count() <= length_max {
        return clean;
    }
    let mut clipped: String = clean.chars().take(length_max.saturating_sub(1)).collect();
    clipped.push('…');
    clipped
}

/// `duration_ms` for people: `512 ms`, `1.2 s`, `3 min 20 s`, `2 h 5 min`.
pub(crate) fn duration(duration_ms: u64) -> String {
    let seconds = duration_ms / 1_000;
    match duration_ms {
        0..1_000 => format!("{duration_ms} ms"),
        1_000..60_000 => format!("{seconds}.{} s", duration_ms % 1_000 / 100),
        60_000..3_600_000 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
    }
}

/// `count` things, in the plural when they are not one.
pub(crate) fn count(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a6_foreign_text_cannot_move_the_cursor_or_turn_the_line_around() {
        let check = |text: &str, expect: &str| assert_eq!(clean(text), expect);
        check("plain, ä and 漢字", "plain, ä and 漢字");
        check("\u{1b}[2Jgone", "\\u{1b}[2Jgone");
        check("a\nb\tc\r", "a\\u{a}b\\u{9}c\\u{d}");
        check("abc\u{202e}txt.exe", "abc\\u{202e}txt.exe");
        check("\u{9b}31m", "\\u{9b}31m");
    }

    #[test]
    fn long_text_is_clipped_by_characters() {
        assert_eq!(clip("äöü", 3), "äöü");
        assert_eq!(clip("äöüß", 3), "äö…");
    }

    #[test]
    fn durations_have_the_unit_that_people_would_use() {
        let check = |duration_ms: u64, expect: &str| assert_eq!(duration(duration_ms), expect);
        check(0, "0 ms");
        check(999, "999 ms");
        check(1_250, "1.2 s");
        check(200_000, "3 min 20 s");
        check(7_500_000, "2 h 5 min");
    }
}
