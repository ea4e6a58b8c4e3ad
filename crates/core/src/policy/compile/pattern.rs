//! Which types of intent a mapping takes.

/// A text in which `*` stands for any run of characters, the empty one included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// What stands between the stars, in order.
    parts: Box<[Box<str>]>,
}

impl Pattern {
    /// The pattern `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self {
            parts: text.split('*').map(Box::from).collect(),
        }
    }

    /// Whether `text` is of this pattern. Linear in both: each part is taken where it first
    /// stands, and what follows a star never needs to go back.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let [first, between @ .., last] = &*self.parts else {
            return self.parts.iter().all(|only| **only == *text);
        };
        let Some(mut rest) = text
            .strip_prefix(&**first)
            .and_then(|rest| rest.strip_suffix(&**last))
        else {
            return false;
        };
        between.iter().all(|part| match rest.split_once(&**part) {
            Some((_, after)) => {
                rest = after;
                true
            }
            None => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        let check = |pattern: &str, text: &str, expected: bool| {
            assert_eq!(
                Pattern::new(pattern).matches(text),
                expected,
                "{pattern} {text}"
            );
        };
        check("discover.module", "discover.module", true);
        check("discover.module", "discover.modules", false);
        check("discover.module", "discover-module", false);
        check("curiosity_*", "curiosity_explore", true);
        check("curiosity_*", "curiosity_", true);
        check("curiosity_*", "curiosity", false);
        check("*", "", true);
        check("*.stall", "queue.stall", true);
        check("*.stall", "queue.stalled", false);
        check("a*b*c", "a-b-b-c", true);
        check("a*b*c", "a-c-b", false);
        check("a*a", "a", false);
        check("a**c", "ac", true);
        check("*é*", "caféine", true);
        let long = "a".repeat(100_000);
        check(&"*a".repeat(40), &long, true);
        check(&format!("{}b", "*a".repeat(40)), &long, false);
    }
}
