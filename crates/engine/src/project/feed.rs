//! Records on their short way from the loop to the views: what was just committed need not be read
//! back and parsed.
//!
//! In: the records of each batch once it is durable, bounded in bytes. Out: nothing that must
//! arrive; what the feed has no room for is read from the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use antiphon_core::record::Record;
use tokio::sync::mpsc;

use crate::ports::views::Projected;

/// Batches that may wait.
const BATCHES_MAX: usize = 256;
/// Bytes of their records, as stored.
const BYTES_MAX: usize = 8 << 20;

/// The loop's end.
pub(crate) struct Feed {
    batches: mpsc::Sender<Portion>,
    waiting_bytes: Arc<AtomicUsize>,
}

/// The views' end.
pub(crate) struct FeedEnd {
    batches: mpsc::Receiver<Portion>,
    waiting_bytes: Arc<AtomicUsize>,
    /// Taken, but behind a gap that must be read from the log first.
    ahead: Option<Portion>,
}

/// The records of one batch.
struct Portion {
    records: Vec<Record>,
    bytes: usize,
}

/// A feed.
pub(crate) fn feed() -> (Feed, FeedEnd) {
    let (sender, receiver) = mpsc::channel(BATCHES_MAX);
    let waiting_bytes = Arc::new(AtomicUsize::new(0));
    let feed = Feed {
        batches: sender,
        waiting_bytes: waiting_bytes.clone(),
    };
    let end = FeedEnd {
        batches: receiver,
        waiting_bytes,
        ahead: None,
    };
    (feed, end)
}

impl Feed {
    /// Offers the records of a batch that is durable and took so many bytes.
    pub(crate) fn offer(&self, records: Vec<Record>, bytes: usize) {
        let waiting = self.waiting_bytes.load(Ordering::Relaxed);
        if records.is_empty() || waiting.saturating_add(bytes) > BYTES_MAX {
            return;
        }
        self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        if self.batches.try_send(Portion { records, bytes }).is_err() {
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

impl FeedEnd {
    /// All records that are here and follow one another from number `next` on; what is older is
    /// dropped, what lies behind a gap is kept for later.
    pub(super) fn take_from(&mut self, next: u64) -> Vec<Projected> {
        let mut taken = Vec::new();
        let mut next = next;
        while let Some(portion) = self.next_portion() {
            let first = portion.records.first().map_or(next, |record| record.seq);
            if first > next {
                self.ahead = Some(portion);
                break;
            }
            self.waiting_bytes
                .fetch_sub(portion.bytes, Ordering::Relaxed);
            let following = portion
                .records
                .into_iter()
                .filter(|record| record.seq >= next);
            taken.extend(following.map(Projected::from));
            next = taken.last().map_or(next, |last| last.seq.saturating_add(1));
        }
        taken
    }

    fn next_portion(&mut self) -> Option<Portion> {
        self.ahead.take().or_else(|| self.batches.try_recv().ok())
    }
}

#[cfg(test)]
mod tests {
    use antiphon_core::record::{Body, ClockJumped};

    use super::*;

    fn records(seqs: std::ops::Range<u64>) -> Vec<Record> {
        let record = |seq| Record {
            seq,
            time_ms: 0,
            elapsed_ms: 0,
            body: Body::ClockJumped(Box::new(ClockJumped { by_ms: 1 })),
        };
        seqs.map(record).collect()
    }

    fn taken(end: &mut FeedEnd, next: u64) -> Vec<u64> {
        end.take_from(next)
            .iter()
            .map(|record| record.seq)
            .collect()
    }

    #[test]
    fn what_follows_is_taken_at_once() {
        let (feed, mut end) = feed();
        feed.offer(records(3..5), 10);
        feed.offer(records(5..6), 10);
        assert_eq!(taken(&mut end, 3), [3, 4, 5]);
        assert_eq!(taken(&mut end, 6), [0; 0]);
    }

    #[test]
    fn what_lies_behind_a_gap_waits_until_the_gap_is_read() {
        let (feed, mut end) = feed();
        feed.offer(records(3..5), 10);
        assert_eq!(taken(&mut end, 1), [0; 0]);
        assert_eq!(taken(&mut end, 3), [3, 4]);
    }

    #[test]
    fn what_was_read_already_is_dropped() {
        let (feed, mut end) = feed();
        feed.offer(records(3..5), 10);
        feed.offer(records(5..8), 10);
        assert_eq!(taken(&mut end, 6), [6, 7]);
    }

    #[test]
    fn a_full_feed_leaves_records_to_the_log_and_has_room_again_when_they_are_taken() {
        let (feed, mut end) = feed();
        feed.offer(records(0..1), BYTES_MAX);
        feed.offer(records(1..2), 1);
        assert_eq!(taken(&mut end, 0), [0]);
        feed.offer(records(2..3), BYTES_MAX);
        assert_eq!(taken(&mut end, 2), [2]);
    }
}
