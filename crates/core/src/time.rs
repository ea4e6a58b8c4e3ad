//! The three times of an input and the one that the machine runs on.
//!
//! Wall time is for calendars and people; boot time (`CLOCK_BOOTTIME`) is for durations; `elapsed`
//! is the log's own count of milliseconds, advanced by boot time and, across boots, by a clamped
//! difference of the wall clock. Source: the log's order is `seq`, durations run on `elapsed`.

use serde::{Deserialize, Serialize};

use crate::limits::ACROSS_BOOTS_MS_MAX;

/// What the clocks said when an input was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instant {
    /// Wall clock, ms since 1970 UTC.
    pub wall_ms: i64,
    /// `CLOCK_BOOTTIME`, ms since the machine booted, sleep included.
    pub boot_ms: u64,
    /// The machine's boot id, so that two boots are never compared.
    pub boot_id: u128,
}

/// Where the log stands in time; a part of the state.
///
/// An owner's start records its boot (`owner.started`); from then on elapsed time is the base of
/// that record plus the boot time since, so every envelope needs only `elapsed` and `time`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogTime {
    /// The boot of the present owner.
    pub boot: Boot,
    /// Boot time when the present owner started, ms.
    pub boot_base_ms: u64,
    /// Elapsed time when the present owner started, ms.
    pub elapsed_base_ms: u64,
    /// Elapsed time of the last record, ms since the log began.
    pub elapsed_ms: u64,
    /// Wall time of the last record, ms since 1970 UTC.
    pub wall_ms: i64,
}

/// A machine's boot id, written as 32 hexadecimal digits (I-JSON holds no 128-bit integer).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Boot(pub u128);

impl From<Boot> for String {
    fn from(boot: Boot) -> Self {
        format!("{:032x}", boot.0)
    }
}

impl TryFrom<String> for Boot {
    type Error = std::num::ParseIntError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        u128::from_str_radix(&text, 16).map(Boot)
    }
}

impl LogTime {
    /// The log's time for an owner that starts at `now`: elapsed time goes on by boot time within
    /// one boot, and by the wall clock, clamped, across boots.
    #[must_use]
    pub fn restarted(&self, now: Instant) -> LogTime {
        let away_ms = if self.boot.0 == now.boot_id {
            let since_base = now.boot_ms.saturating_sub(self.boot_base_ms);
            self.elapsed_base_ms
                .saturating_add(since_base)
                .saturating_sub(self.elapsed_ms)
        } else {
            let wall_moved = now.wall_ms.saturating_sub(self.wall_ms);
            u64::try_from(wall_moved)
                .unwrap_or(0)
                .min(ACROSS_BOOTS_MS_MAX)
        };
        let elapsed_ms = self.elapsed_ms.saturating_add(away_ms);
        LogTime {
            boot: Boot(now.boot_id),
            boot_base_ms: now.boot_ms,
            elapsed_base_ms: elapsed_ms,
            elapsed_ms,
            wall_ms: now.wall_ms,
        }
    }

    /// Elapsed time at `now`, never before that of the last record.
    #[must_use]
    pub fn elapsed_at(&self, now: Instant) -> u64 {
        let since_base = now.boot_ms.saturating_sub(self.boot_base_ms);
        self.elapsed_base_ms
            .saturating_add(since_base)
            .max(self.elapsed_ms)
    }

    /// By how much the wall clock moved against elapsed time from the last record to the moment at
    /// which they stand at `wall_ms` and `elapsed_ms`, ms (positive: forward).
    #[must_use]
    pub fn wall_jump_ms(&self, wall_ms: i64, elapsed_ms: u64) -> i64 {
        let elapsed = elapsed_ms.saturating_sub(self.elapsed_ms);
        let wall_moved = wall_ms.saturating_sub(self.wall_ms);
        wall_moved.saturating_sub(i64::try_from(elapsed).unwrap_or(i64::MAX))
    }
}

/// `wall_ms` as RFC 3339 in UTC with milliseconds, such as `2026-11-20T15:36:52.001Z`.
/// Times outside the years -9999 to 9999 are clamped.
#[must_use]
pub fn rfc3339(wall_ms: i64) -> String {
    let clamped = jiff::Timestamp::from_millisecond(wall_ms).unwrap_or(if wall_ms < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    });
    format!("{clamped:.3}")
}

/// Milliseconds since 1970 of an RFC 3339 text, or `None` when it is not one.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>()
        .ok()
        .map(jiff::Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(wall_ms: i64, boot_ms: u64, boot_id: u128) -> Instant {
        Instant {
            wall_ms,
            boot_ms,
            boot_id,
        }
    }

    #[test]
    fn elapsed_follows_boot_time_whatever_the_wall_clock_does() {
        let start = LogTime::default().restarted(at(1_000_000, 500, 9));
        let back = at(1_000_000 - 259_200_000, 1_500, 9);
        assert_eq!(start.elapsed_at(back), start.elapsed_ms + 1_000);
        assert_eq!(
            start.wall_jump_ms(back.wall_ms, start.elapsed_at(back)),
            -259_201_000
        );
    }

    #[test]
    fn an_owner_that_restarts_within_a_boot_counts_the_time_it_was_away() {
        let start = LogTime::default().restarted(at(1_000_000, 500, 9));
        let next = start.restarted(at(0, 2_500, 9));
        assert_eq!(next.elapsed_ms, start.elapsed_ms + 2_000);
    }

    #[test]
    fn across_boots_elapsed_follows_a_clamped_wall_clock() {
        let start = LogTime::default().restarted(at(1_000_000, 500, 9));
        let next = start.restarted(at(1_060_000, 10, 10));
        assert_eq!(next.elapsed_ms, start.elapsed_ms + 60_000);
        let back = next.restarted(at(0, 10, 11));
        assert_eq!(back.elapsed_ms, next.elapsed_ms);
        let far = next.restarted(at(i64::MAX, 10, 12));
        assert_eq!(far.elapsed_ms, next.elapsed_ms + ACROSS_BOOTS_MS_MAX);
    }

    #[test]
    fn times_are_written_and_read_as_rfc_3339() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(parse_rfc3339("1970-01-01T00:00:01.5Z"), Some(1_500));
        assert_eq!(parse_rfc3339("yesterday"), None);
    }
}
