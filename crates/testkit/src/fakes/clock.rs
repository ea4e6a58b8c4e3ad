//! A clock on the runtime's own time, which a test may pause, with a wall that it may move.

use std::sync::atomic::{AtomicI64, Ordering};

use antiphon_core::time::Instant;
use antiphon_engine::ports::clock::Clock;

/// Wall time when the clock begins, ms since 1970 UTC.
const WALL_MS: i64 = 1_700_000_000_000;
/// Boot time when it begins, ms.
const BOOT_MS: u64 = 1_000_000;

/// Boot time follows tokio's time: paused, it stands while anything runs and jumps to the next timer
/// when nothing does.
#[derive(Debug)]
pub struct VirtualClock {
    began: tokio::time::Instant,
    wall_offset_ms: AtomicI64,
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self {
            began: tokio::time::Instant::now(),
            wall_offset_ms: AtomicI64::new(0),
        }
    }
}

impl VirtualClock {
    /// Moves the wall clock by `by_ms`; boot time goes on as before.
    pub fn move_wall(&self, by_ms: i64) {
        self.wall_offset_ms.fetch_add(by_ms, Ordering::SeqCst);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Instant {
        let passed_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap();
        let offset_ms = self.wall_offset_ms.load(Ordering::SeqCst);
        Instant {
            wall_ms: WALL_MS
                .saturating_add(i64::try_from(passed_ms).unwrap())
                .saturating_add(offset_ms),
            boot_ms: BOOT_MS.saturating_add(passed_ms),
            boot_id: 7,
        }
    }
}
