//! Text that is committed beside the tests and compared; `UPDATE_GOLDENS=1` writes it anew.
#![allow(
    clippy::disallowed_methods,
    reason = "tests, unlike the crate, read their expectations from files"
)]

use std::path::Path;

/// Compares `text` with the committed file `path` below `tests/`.
pub(crate) fn check(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(path);
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&file, text).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    let line = committed
        .lines()
        .zip(text.lines())
        .take_while(|(a, b)| a == b)
        .count();
    assert!(
        committed == text,
        "{path} differs from line {}: {:?} is committed, now it is {:?}; \
         UPDATE_GOLDENS=1 writes it anew",
        line + 1,
        committed.lines().nth(line),
        text.lines().nth(line),
    );
}
