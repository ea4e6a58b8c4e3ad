//! What every suite needs: a temporary root ([`site`]), an owner of it ([`owner`]), a client of its
//! own ([`http`]), tools of the system ([`tools`]), and waiting for a condition with a deadline.

pub(crate) mod http;
pub(crate) mod owner;
pub(crate) mod recovery;
pub(crate) mod site;
pub(crate) mod tools;

use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) use owner::Owner;
pub(crate) use site::Site;

/// How long anything that must happen may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Asks `done` again and again until it gives something; a test fails when it never does.
///
/// For conditions of another process that offers no descriptor to wait on.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let Ok(value) = try_until(|| done().ok_or(())) else {
        panic!("{what}: not within {PATIENCE:?}");
    };
    value
}

/// As [`until`], with why it was not so when it was asked last.
pub(crate) fn try_until<T, E>(mut done: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    let began = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        match done() {
            Err(_not_yet) if began.elapsed() < PATIENCE => {}
            ended => return ended,
        }
        std::thread::park_timeout(pause);
        pause = (pause * 2).min(Duration::from_millis(25));
    }
}

/// The lines of a file that a task may not have made yet.
pub(crate) fn lines_of(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}
