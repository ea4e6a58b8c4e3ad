//! Removes evidence that no record names any more, once bodies were pruned and the views know.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use antiphon_engine::fail;
use antiphon_engine::owner::Owner;
use antiphon_engine::ports::clock::Clock;
use antiphon_engine::ports::evidence::Evidence;
use antiphon_engine::ports::views::Views;
use antiphon_http::AppState;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// From one sweep to the next: pruning goes in small steps.
const REST: Duration = Duration::from_mins(10);
/// That rest, and the age at which evidence goes, while a fail-point is armed.
const ARMED: Duration = Duration::from_millis(200);

/// What sweeps evidence.
pub(super) struct Sweeper {
    age_ms: u64,
    evidence: Arc<dyn Evidence>,
    views: Arc<dyn Views>,
    clock: Arc<dyn Clock>,
    /// How far the views have forgotten what was pruned.
    forgotten: watch::Receiver<u64>,
}

impl Sweeper {
    /// Sweeps what is older than `age_ms` whenever the views of `owner` have forgotten more.
    pub(super) fn new(age_ms: u64, state: &AppState, clock: Arc<dyn Clock>, owner: &Owner) -> Self {
        Self {
            age_ms,
            evidence: state.evidence.clone(),
            views: state.views.clone(),
            clock,
            forgotten: owner.forgotten_mark(),
        }
    }

    /// Runs until `shutdown`.
    pub(super) async fn run(self, shutdown: CancellationToken) {
        let Self {
            age_ms,
            evidence,
            views,
            clock,
            mut forgotten,
        } = self;
        let armed_ms = u64::try_from(ARMED.as_millis()).unwrap_or(u64::MAX);
        let age_ms = fail::unless_armed(age_ms, armed_ms);
        let mut swept_to = 0;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                further = forgotten.wait_for(|mark| *mark > swept_to) => match further {
                    Ok(mark) => swept_to = *mark,
                    Err(_gone) => return,
                },
            }
            let now_ms = clock.now().wall_ms;
            let before_ms = now_ms.saturating_sub(i64::try_from(age_ms).unwrap_or(i64::MAX));
            let (evidence, views) = (evidence.clone(), views.clone());
            let sweep = tokio::task::spawn_blocking(move || {
                evidence.sweep(before_ms, &mut |digest| {
                    views.names_evidence(digest).map_err(io::Error::other)
                })
            });
            match sweep.await {
                Ok(Ok(removed)) => tracing::info!(removed, "evidence was swept"),
                Ok(Err(error)) => tracing::warn!(error = %error, "evidence was not swept"),
                Err(error) => tracing::error!(error = %error, "the sweep of evidence panicked"),
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(fail::unless_armed(REST, ARMED)) => {}
            }
        }
    }
}
