//! How fast the inbox goes when it must not go as fast as it can.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

const BACKOFF_MIN: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// A bucket that fills with time, up to a second's worth: one token lets one malformed file through.
#[derive(Debug)]
pub(super) struct Bucket {
    /// In which time it gains a token.
    interval: Duration,
    /// It holds a token for each interval since then.
    empty_since: Instant,
}

impl Bucket {
    /// A full one that gains so many tokens in a second.
    pub(super) fn full(per_second: NonZeroU32, now: Instant) -> Self {
        let interval = Duration::from_secs(1) / per_second.get();
        Self {
            interval,
            empty_since: a_second_before(now),
        }
    }

    /// Takes a token, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        if self.next_at() > now {
            return false;
        }
        self.empty_since = self.empty_since.max(a_second_before(now)) + self.interval;
        true
    }

    /// When there is a token.
    pub(super) fn next_at(&self) -> Instant {
        self.empty_since + self.interval
    }
}

fn a_second_before(now: Instant) -> Instant {
    now.checked_sub(Duration::from_secs(1)).unwrap_or(now)
}

/// How long to leave a full machine alone: twice as long each time, up to 5 s.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { next: BACKOFF_MIN }
    }

    pub(super) fn next(&mut self) -> Duration {
        let this = self.next;
        self.next = this.saturating_mul(2).min(BACKOFF_MAX);
        this
    }

    pub(super) fn reset(&mut self) {
        self.next = BACKOFF_MIN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_a_second_worth_at_once_and_then_one_each_interval() {
        let start = Instant::now();
        let mut bucket = Bucket::full(NonZeroU32::new(10).unwrap(), start);
        let at_once = (0..100).filter(|_| bucket.take(start)).count();
        assert_eq!(at_once, 10);
        assert_eq!(bucket.next_at(), start + Duration::from_millis(100));
        let within_a_second = (0..1_000)
            .filter(|ms| bucket.take(start + Duration::from_millis(*ms)))
            .count();
        assert_eq!(within_a_second, 9);
        let much_later = start + Duration::from_hours(1);
        let after_a_rest = (0..100).filter(|_| bucket.take(much_later)).count();
        assert_eq!(after_a_rest, 10);
    }

    #[test]
    fn a_backoff_doubles_to_its_limit_and_begins_anew_after_success() {
        let mut backoff = Backoff::new();
        let waits: Vec<_> = (0..7).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
        backoff.reset();
        assert_eq!(backoff.next().as_millis(), 250);
    }
}
