//! The hands of an owner: the executor with its service, or none.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use antiphon_engine::error::EngineError;
use antiphon_engine::ports::evidence::Evidence;
use antiphon_engine::ports::executor::{Executor, ExecutorEvent};
use antiphon_executor::ProcessExecutor;
use antiphon_spawner::SpawnerHandle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::assembly::OwnerError;
use super::no_hands::NoHands;

/// How long the spawner may take to end once nothing runs.
const SERVICE_END: Duration = Duration::from_secs(5);

/// What runs work, and what it leaves.
pub(super) struct Hands {
    pub(super) executor: Arc<dyn Executor>,
    pub(super) events: mpsc::Receiver<ExecutorEvent>,
    pub(super) evidence: Arc<dyn Evidence>,
    pub(super) service: Option<Serving>,
}

/// The executor's service, and the executor that ends it.
pub(super) struct Serving {
    executor: Arc<ProcessExecutor>,
    task: JoinHandle<Result<(), antiphon_executor::Error>>,
}

impl Serving {
    /// Waits until the service ends of its own accord, which is a loss.
    async fn lost(&mut self) -> OwnerError {
        match (&mut self.task).await {
            Ok(Ok(())) => EngineError::ExecutorLost("its service ended".to_owned()).into(),
            Ok(Err(error)) => error.into(),
            Err(panicked) => EngineError::Bug(panicked.to_string()).into(),
        }
    }

    /// Ends the service, so that the spawner has let go of the root when this returns.
    pub(super) async fn close(self) {
        self.executor.close().await;
        match tokio::time::timeout(SERVICE_END, self.task).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(error = %error, "the spawner ended badly"),
            Ok(Err(error)) => tracing::error!(error = %error, "the executor panicked"),
            Err(_elapsed) => tracing::warn!("the spawner still kills processes"),
        }
    }
}

impl Hands {
    /// The executor, its service already running: recovery waits for what it hears. Without a spawner
    /// it starts nothing.
    pub(super) fn of(
        root: &Path,
        executable: PathBuf,
        spawner: Option<SpawnerHandle>,
    ) -> Result<Self, OwnerError> {
        let options = antiphon_executor::Options {
            root: root.to_path_buf(),
            executable,
        };
        let Some(spawner) = spawner else {
            return Ok(Hands {
                executor: Arc::new(NoHands),
                events: NoHands::events(),
                evidence: Arc::new(antiphon_executor::open_evidence(root)?),
                service: None,
            });
        };
        let (executor, service, events) = ProcessExecutor::new(options, spawner)?;
        let evidence = Arc::new(executor.evidence());
        let executor = Arc::new(executor);
        let task = tokio::spawn(service.run());
        let service = Some(Serving {
            executor: Arc::clone(&executor),
            task,
        });
        Ok(Hands {
            executor,
            events,
            evidence,
            service,
        })
    }
}

/// Waits until the service, if there is one, ends of its own accord.
pub(super) async fn lost(service: &mut Option<Serving>) -> OwnerError {
    match service {
        Some(service) => service.lost().await,
        None => std::future::pending().await,
    }
}
