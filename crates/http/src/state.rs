//! What every route is given, and the one way in which routes ask the views and the log.
//!
//! Queries block, so they run on the blocking pool; each first waits until the views have seen
//! every record that was durable when the request came, so that a client reads what it wrote.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use antiphon_core::policy::Policy;
use antiphon_engine::handle::Handle;
use antiphon_engine::ports::evidence::Evidence;
use antiphon_engine::ports::store::{LogReader, StoreError};
use antiphon_engine::ports::views::{ViewError, Views};
use antiphon_engine::read::{ReadError, Records};
use antiphon_engine::tiles::TilesError;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::custody::Custody;
use crate::problem::{Code, Problem};

/// The longest wait for the views to catch up.
const VIEWS_WAIT: Duration = Duration::from_secs(5);
/// Readers of the log that are kept open between requests.
const READERS_KEPT_MAX: usize = 4;

/// What every route is given.
#[derive(Clone)]
pub struct AppState {
    /// The engine.
    pub handle: Handle,
    /// Queries.
    pub views: Arc<dyn Views>,
    /// Every record below this is in the views; changes when they have seen more.
    pub views_mark: watch::Receiver<u64>,
    /// The log.
    pub log: Arc<LogPool>,
    /// Outputs too large for a record.
    pub evidence: Arc<dyn Evidence>,
    /// Who keeps the owner's secrets.
    pub custody: Arc<dyn Custody>,
    /// The policy in force.
    pub policy: watch::Receiver<Arc<Policy>>,
    /// Cancelled when the owner goes: streams end.
    pub closing: CancellationToken,
}

impl std::fmt::Debug for AppState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppState").finish_non_exhaustive()
    }
}

/// Opens another reader of the log.
type OpenLog = dyn Fn() -> Result<Box<dyn LogReader>, StoreError> + Send + Sync;

/// Readers of the log, opened when needed and kept for the next request.
pub struct LogPool {
    open: Box<OpenLog>,
    kept: Mutex<Vec<Records>>,
}

impl std::fmt::Debug for LogPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogPool").finish_non_exhaustive()
    }
}

impl LogPool {
    /// A pool that opens readers by `open`.
    pub fn new(
        open: impl Fn() -> Result<Box<dyn LogReader>, StoreError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            open: Box::new(open),
            kept: Mutex::new(Vec::new()),
        }
    }

    /// Lends a reader to `read`. Blocks.
    ///
    /// # Errors
    /// What `read` gives, or [`StoreError`] when no reader can be opened.
    pub fn lend<T, E: From<StoreError>>(
        &self,
        read: impl FnOnce(&mut Records) -> Result<T, E>,
    ) -> Result<T, E> {
        let kept = self.lock().pop();
        let mut records = match kept {
            Some(records) => records,
            None => Records::new((self.open)()?),
        };
        let result = read(&mut records)?;
        let mut kept = self.lock();
        if kept.len() < READERS_KEPT_MAX {
            kept.push(records);
        }
        Ok(result)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Records>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueryError {
    /// Nothing of that id.
    #[error("no {0} of this id is there")]
    NotFound(&'static str),
    /// The views failed.
    #[error(transparent)]
    Views(#[from] ViewError),
    /// The log failed.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// The tree of the log failed.
    #[error(transparent)]
    Tiles(#[from] TilesError),
    /// The evidence failed.
    #[error("the evidence {digest} cannot be read")]
    Evidence {
        /// Its hash.
        digest: antiphon_core::id::Digest,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
}

impl From<StoreError> for QueryError {
    fn from(error: StoreError) -> Self {
        QueryError::Log(ReadError::from(error))
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        match &error {
            QueryError::NotFound(_) => Code::EngineNotFound.problem(error.to_string()),
            QueryError::Views(error) => Code::ViewsUnreadable.caused_by(error),
            QueryError::Log(error) => Code::LogUnreadable.caused_by(error),
            QueryError::Tiles(error) => Code::LogUnreadable.caused_by(error),
            QueryError::Evidence { .. } => Code::EvidenceUnreadable.caused_by(&error),
        }
    }
}

/// What a query asks.
pub(crate) struct Sources<'a> {
    /// The views.
    pub(crate) views: &'a dyn Views,
    /// The log.
    pub(crate) records: &'a mut Records,
}

impl AppState {
    /// Runs `ask` on the blocking pool once the views have seen what is durable now.
    pub(crate) async fn query<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut Sources<'_>) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, Problem> {
        let durable = *self.handle.high_water().borrow();
        self.await_views(durable).await?;
        self.query_now(ask).await
    }

    /// Runs `ask` on the blocking pool, whatever the views have seen.
    pub(crate) async fn query_now<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut Sources<'_>) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, Problem> {
        let (views, log) = (Arc::clone(&self.views), Arc::clone(&self.log));
        let answer = tokio::task::spawn_blocking(move || {
            log.lend(|records| {
                ask(&mut Sources {
                    views: &*views,
                    records,
                })
            })
        });
        match answer.await {
            Ok(answer) => answer.map_err(Problem::from),
            Err(panicked) => Err(Code::ViewsUnreadable.caused_by(&panicked)),
        }
    }

    /// Waits until the views have seen every record below `mark`, at most [`VIEWS_WAIT`].
    pub(crate) async fn await_views(&self, mark: u64) -> Result<(), Problem> {
        let mut seen = self.views_mark.clone();
        let caught_up = tokio::time::timeout(VIEWS_WAIT, seen.wait_for(|seen| *seen >= mark));
        match caught_up.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_closed)) => Err(Code::EngineClosed.problem("the owner is shutting down")),
            Err(_elapsed) => {
                let seen = *self.views_mark.borrow();
                let detail = format!("the views have seen {seen} of {mark} records");
                Err(Code::ViewsBehind.problem(detail))
            }
        }
    }
}
