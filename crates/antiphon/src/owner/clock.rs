//! The system's clocks.

use antiphon_core::time::Instant;
use antiphon_engine::ports::clock::Clock;
use rustix::time::{ClockId, clock_gettime};

/// The wall clock, `CLOCK_BOOTTIME` and the machine's boot id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemClock {
    boot_id: u128,
}

impl SystemClock {
    /// Reads the boot id once; a kernel that has none is taken for one boot.
    pub(crate) fn new() -> Self {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
        Self {
            boot_id: u128::from_str_radix(&digits, 16).unwrap_or_default(),
        }
    }

    /// ms since 1970 UTC.
    pub(crate) fn wall_ms() -> i64 {
        let now = clock_gettime(ClockId::Realtime);
        now.tv_sec
            .saturating_mul(1_000)
            .saturating_add(now.tv_nsec / 1_000_000)
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        let boot = clock_gettime(ClockId::Boottime);
        let boot_ms = boot
            .tv_sec
            .saturating_mul(1_000)
            .saturating_add(boot.tv_nsec / 1_000_000);
        Instant {
            wall_ms: Self::wall_ms(),
            boot_ms: u64::try_from(boot_ms).unwrap_or_default(),
            boot_id: self.boot_id,
        }
    }
}
