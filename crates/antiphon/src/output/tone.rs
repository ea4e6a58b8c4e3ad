//! Colours by meaning.

/// What a colour says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// To be looked at.
    Warn,
    /// A name to find again.
    Name,
    /// Beside the point.
    Faint,
    /// No colour.
    Plain,
}

impl Tone {
    /// The tone of the state of a run or an attempt.
    pub(crate) fn of_state(state: &str) -> Self {
        match state {
            "succeeded" => Tone::Good,
            "failed" | "timed_out" | "unknown" => Tone::Bad,
            "stopping" | "cancelled" | "returned" => Tone::Warn,
            "leased" => Tone::Name,
            _ => Tone::Plain,
        }
    }

    /// `text` between the terminal's codes of this tone.
    pub(crate) fn paint(self, text: &str) -> String {
        let code = match self {
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Warn => "33",
            Tone::Name => "36",
            Tone::Faint => "2",
            Tone::Plain => return text.to_owned(),
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Whether the environment lets a terminal have colours. Source: no-color.org.
pub(crate) fn is_wanted() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
