//! Which directory is the data root: `--root`, the environment, or `.antiphon` here.

use std::ffi::OsString;
use std::path::PathBuf;

/// The root when nothing else is said.
const DEFAULT: &str = ".antiphon";

/// The data root: `named`, else `$ANTIPHON_ROOT`, else `$STATE_DIRECTORY`, else `.antiphon`.
pub(crate) fn resolve(named: Option<PathBuf>) -> PathBuf {
    choose(
        named,
        std::env::var_os("ANTIPHON_ROOT"),
        std::env::var_os("STATE_DIRECTORY"),
    )
}

/// `$STATE_DIRECTORY` is systemd's and may hold several paths, separated by colons; the first
/// counts.
fn choose(named: Option<PathBuf>, ours: Option<OsString>, state: Option<OsString>) -> PathBuf {
    let set = |value: Option<OsString>| value.filter(|value| !value.is_empty());
    let first = |value: OsString| {
        std::env::split_paths(&value)
            .next()
            .filter(|path| !path.as_os_str().is_empty())
    };
    named
        .or_else(|| set(ours).map(PathBuf::from))
        .or_else(|| set(state).and_then(first))
        .unwrap_or_else(|| PathBuf::from(DEFAULT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_counts() {
        let check = |named: Option<&str>, ours: Option<&str>, state: Option<&str>, expect: &str| {
            let chosen = choose(
                named.map(PathBuf::from),
                ours.map(Into::into),
                state.map(Into::into),
            );
            assert_eq!(chosen, PathBuf::from(expect));
        };
        check(Some("a"), Some("b"), Some("c"), "a");
        check(None, Some("b"), Some("c"), "b");
        check(None, Some(""), Some("c:d"), "c");
        check(None, None, Some(""), ".antiphon");
        check(None, None, None, ".antiphon");
    }
}
