//! How long to wait before the next attempt: exponential backoff with seeded jitter.
//!
//! The jitter is drawn from the id of the run and the number of the attempt, so that replay and
//! every backend see the same wait, and a thousand runs that failed together do not return together.

use crate::id::{Digest, Id};
use crate::task::Retry;

/// The wait before attempt `next` (2 is the first retry), ms: between half of the backoff and the
/// whole of it, never above the policy's longest wait.
#[must_use]
pub fn wait_ms(policy: &Retry, run: &Id, next: u32) -> u64 {
    let mut wait = policy.backoff_ms.min(policy.wait_ms_max);
    for _ in 2..next {
        let grown = wait.saturating_mul(u64::from(policy.factor_permille));
        wait = grown
            .checked_div(1_000)
            .unwrap_or(0)
            .min(policy.wait_ms_max);
        if wait == policy.wait_ms_max {
            break;
        }
    }
    let half = wait.checked_div(2).unwrap_or(0);
    let spread = wait.saturating_sub(half).saturating_add(1);
    half.saturating_add(draw(run, next).checked_rem(spread).unwrap_or(0))
}

fn draw(run: &Id, next: u32) -> u64 {
    let mut seed = run.as_bytes().to_vec();
    seed.extend_from_slice(&next.to_be_bytes());
    Digest::of(&seed)
        .0
        .iter()
        .take(8)
        .fold(0, |value, byte| (value << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(next: u32, low: u64, high: u64) {
        let policy = Retry {
            backoff_ms: 1_000,
            factor_permille: 2_000,
            limit: 9,
            wait_ms_max: 5_000,
        };
        for seed in 0..200_u8 {
            let wait = wait_ms(&policy, &Id::from_bytes([seed; 16]), next);
            assert!((low..=high).contains(&wait), "attempt {next}: {wait}");
        }
    }

    #[test]
    fn the_wait_doubles_up_to_its_limit_and_never_leaves_the_upper_half() {
        check(2, 500, 1_000);
        check(3, 1_000, 2_000);
        check(4, 2_000, 4_000);
        check(5, 2_500, 5_000);
        check(90, 2_500, 5_000);
    }

    #[test]
    fn the_wait_is_a_function_of_the_run_and_the_attempt() {
        let policy = Retry {
            backoff_ms: 60_000,
            factor_permille: 1_500,
            limit: 3,
            wait_ms_max: 600_000,
        };
        let waits: std::collections::BTreeSet<u64> = (0..50)
            .map(|seed| wait_ms(&policy, &Id::from_bytes([seed; 16]), 2))
            .collect();
        assert!(waits.len() > 40, "jitter spreads: {}", waits.len());
        let run = Id::from_bytes([3; 16]);
        assert_eq!(wait_ms(&policy, &run, 3), wait_ms(&policy, &run, 3));
    }
}
