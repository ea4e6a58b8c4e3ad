//! The executor of an owner that only takes signals: it starts nothing and has nothing to stop.

use antiphon_core::report::{Fate, NotStarted, StopCause};
use antiphon_engine::ports::executor::{Answer, Executor, ExecutorEvent, Launch};
use tokio::sync::mpsc;

/// Starts nothing. Leases of an owner that was lost stay as they are, for the next one with hands.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoHands;

impl NoHands {
    /// A receiver that never receives and never ends.
    pub(super) fn events() -> mpsc::Receiver<ExecutorEvent> {
        let (sender, receiver) = mpsc::channel(1);
        // The sender must outlive every receiver, or the engine takes the executor for lost.
        std::mem::forget(sender);
        receiver
    }
}

impl Executor for NoHands {
    fn launch(&self, _launch: Launch) -> Answer<'_, Result<(), NotStarted>> {
        Box::pin(std::future::ready(Err(NotStarted::Gate)))
    }

    fn stop(&self, _token: u64, _cause: StopCause) {}

    fn forget(&self, _token: u64) {}

    fn kill_all(&self) {}

    fn recover(&self, _tokens: &[u64]) -> Answer<'_, Vec<(u64, Fate)>> {
        Box::pin(std::future::ready(Vec::new()))
    }
}
