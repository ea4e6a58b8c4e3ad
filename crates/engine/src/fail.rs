//! Fail-points: named steps at which a build for tests can be killed, made to fail, or held up.
//!
//! In: [`step`], called where something has just become, or is about to become, durable; `arm`,
//! called once by the binary. Only with `--cfg antiphon_failpoints`: in every other build a step is
//! `Ok(())` and leaves no code. Which steps there are, and what tests each: `xtask/src/crash/steps.rs`.

/// A step was made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the step {0} was made to fail")]
pub struct Failed(&'static str);

impl From<Failed> for std::io::Error {
    fn from(failed: Failed) -> Self {
        Self::other(failed)
    }
}

/// The step `name` is reached.
///
/// # Errors
/// [`Failed`] when a fail-point says so; never in a build without them.
#[cfg(not(antiphon_failpoints))]
#[inline]
pub fn step(_name: &'static str) -> Result<(), Failed> {
    Ok(())
}

/// A size of this program: the `usual` one, or `sooner` while a fail-point is armed, so that a step
/// which comes rarely is met soon.
#[cfg(not(antiphon_failpoints))]
#[inline]
pub fn unless_armed<T>(usual: T, _sooner: T) -> T {
    usual
}

#[cfg(antiphon_failpoints)]
pub use armed::{arm, step, unless_armed};

#[cfg(antiphon_failpoints)]
mod armed {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{OnceLock, mpsc};
    use std::time::Duration;

    use super::Failed;

    /// How long a step is held up.
    const DELAY: Duration = Duration::from_millis(30);

    static ARMED: OnceLock<FailPoint> = OnceLock::new();

    struct FailPoint {
        name: String,
        action: String,
        at_hit: u32,
        hits: AtomicU32,
    }

    /// Arms the fail-point `NAME=kill|error|delay@HIT`, the first hit being 1; the first call counts.
    ///
    /// # Errors
    /// The text, when it names no fail-point.
    pub fn arm(text: &str) -> Result<(), String> {
        let parsed = text.split_once('=').and_then(|(name, rest)| {
            let (action, at_hit) = rest.split_once('@')?;
            Some(FailPoint {
                name: name.to_owned(),
                action: action.to_owned(),
                at_hit: at_hit.parse().ok()?,
                hits: AtomicU32::new(0),
            })
        });
        let point = parsed
            .filter(|point| ["kill", "error", "delay"].contains(&point.action.as_str()))
            .ok_or_else(|| text.to_owned())?;
        ARMED.get_or_init(|| point);
        Ok(())
    }

    /// The `usual` size, or `sooner` while a fail-point is armed.
    pub fn unless_armed<T>(usual: T, sooner: T) -> T {
        if ARMED.get().is_some() { sooner } else { usual }
    }

    /// The step `name` is reached.
    ///
    /// # Errors
    /// [`Failed`] when the armed fail-point says so.
    pub fn step(name: &'static str) -> Result<(), Failed> {
        let Some(point) = ARMED.get().filter(|point| point.name == name) else {
            return Ok(());
        };
        let hits_before = point.hits.fetch_add(1, Ordering::SeqCst);
        if hits_before.checked_add(1) != Some(point.at_hit) {
            return Ok(());
        }
        tracing::warn!(step = name, action = point.action, "fail-point reached");
        match point.action.as_str() {
            "kill" => std::process::abort(),
            "error" => Err(Failed(name)),
            _delay => {
                let (_held, nothing) = mpsc::channel::<()>();
                // An Err says that the time is over.
                nothing.recv_timeout(DELAY).ok();
                Ok(())
            }
        }
    }
}
