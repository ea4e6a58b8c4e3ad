//! The views follow the log: one reader behind the high-water mark builds them.

pub(crate) mod feed;

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::error::EngineError;
use crate::fail;
use crate::ports::store::LogReader;
use crate::ports::views::{Projected, ViewBuilder};
use crate::read;
use feed::FeedEnd;

/// Bytes of records that one transaction of the views holds.
const PROJECT_BYTES: usize = 8 << 20;
/// Commits that come within this time of one another are projected together, ms.
const GATHER_MS: u64 = 4;

/// Builds views from the log until it is told to stop.
pub struct Projector {
    log: Box<dyn LogReader>,
    feed: FeedEnd,
    views: Box<dyn ViewBuilder>,
    mark: watch::Sender<u64>,
    /// How far the log is pruned.
    pruned: watch::Receiver<u64>,
    /// How far the views have forgotten what was pruned.
    forgotten: watch::Sender<u64>,
    observer: Observer,
    /// Records below this were there before this owner and are not shown to the observer.
    observed_from: u64,
}

/// Where a projector has records from.
pub(crate) struct Source {
    pub(crate) log: Box<dyn LogReader>,
    /// What the loop has just written.
    pub(crate) feed: FeedEnd,
    /// How far the log is pruned.
    pub(crate) pruned: watch::Receiver<u64>,
}

/// Sees records once they are durable, in order.
pub type Observer = Box<dyn FnMut(&[Projected]) + Send>;

impl std::fmt::Debug for Projector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Projector").finish_non_exhaustive()
    }
}

impl Projector {
    /// Puts what `source` has into `views`, and shows `observer` the records from `observed_from`
    /// on.
    #[must_use]
    pub(crate) fn new(
        source: Source,
        views: Box<dyn ViewBuilder>,
        observer: Observer,
        observed_from: u64,
    ) -> Self {
        let Source { log, feed, pruned } = source;
        Self {
            log,
            feed,
            views,
            mark: watch::Sender::new(0),
            pruned,
            forgotten: watch::Sender::new(0),
            observer,
            observed_from,
        }
    }

    /// Every record below this is in the views.
    #[must_use]
    pub fn mark(&self) -> watch::Receiver<u64> {
        self.mark.subscribe()
    }

    /// What was said by bodies that are pruned is forgotten below this.
    #[must_use]
    pub fn forgotten(&self) -> watch::Receiver<u64> {
        self.forgotten.subscribe()
    }

    /// Follows `high_water` until `shutdown`; what is durable by then is projected first.
    ///
    /// # Errors
    /// [`EngineError`] when the log or the views fail.
    pub async fn run(
        mut self,
        mut high_water: watch::Receiver<u64>,
        shutdown: CancellationToken,
    ) -> Result<(), EngineError> {
        let mut is_gone = false;
        loop {
            let is_last = is_gone || shutdown.is_cancelled();
            let target = *high_water.borrow_and_update();
            let pruned_to = *self.pruned.borrow_and_update();
            let work = move || {
                self.catch_up(target)?;
                self.forget(pruned_to).map(|()| self)
            };
            let done = tokio::task::spawn_blocking(work).await;
            self = done.map_err(|error| EngineError::Bug(error.to_string()))??;
            if is_last {
                return Ok(());
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                Ok(()) = self.pruned.changed() => {}
                changed = high_water.changed() => match changed {
                    Ok(()) => tokio::time::sleep(Duration::from_millis(GATHER_MS)).await,
                    // Once more, for what was pruned last.
                    Err(_gone) => is_gone = true,
                },
            }
        }
    }

    /// Projects every record below `target`.
    ///
    /// # Errors
    /// As [`Projector::run`].
    pub fn catch_up(&mut self, target: u64) -> Result<(), EngineError> {
        loop {
            let next = self.views.complete_to()?;
            self.mark.send_replace(next);
            if next >= target {
                return Ok(());
            }
            let records = self.records_from(next)?;
            if records.is_empty() {
                return Ok(());
            }
            fail::step("views.read")?;
            self.views.project(&records)?;
            let known = records.partition_point(|record| record.seq < self.observed_from);
            (self.observer)(records.get(known..).unwrap_or_default());
        }
    }

    /// The records from number `next` on, as many as one transaction holds.
    fn records_from(&mut self, next: u64) -> Result<Vec<Projected>, EngineError> {
        let near = self.feed.take_from(next);
        if !near.is_empty() {
            return Ok(near);
        }
        let mut records = Vec::new();
        for turn in &self.log.turns_from(next, PROJECT_BYTES)? {
            for (seq, stored) in (turn.first_seq..).zip(turn.records()?) {
                if seq >= next {
                    records.push(read::decode(seq, &stored)?);
                }
            }
        }
        Ok(records)
    }

    /// Forgets what bodies below `pruned_to` said.
    fn forget(&mut self, pruned_to: u64) -> Result<(), EngineError> {
        if *self.forgotten.borrow() == pruned_to {
            return Ok(());
        }
        while !self.views.forget(pruned_to)? {}
        self.forgotten.send_replace(pruned_to);
        Ok(())
    }
}
