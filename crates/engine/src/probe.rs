//! Processes that look at the world for a monitor: started, limited and killed like any attempt,
//! but no lease and no record.
//!
//! Their tokens lie above every sequence number, so a report says by itself whose it is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use antiphon_core::id::Id;
use antiphon_core::name::{AgentName, MonitorName, TaskName};
use antiphon_core::report::{Exit, Report, ResultFile, StopCause};
use antiphon_core::signal::Facts;
use antiphon_core::task::{Program, ResourceLimits};
use tokio::sync::oneshot;

use crate::gate::Gate;
use crate::ports::executor::{Executor, Launch};

/// Tokens of probes begin here, beyond the greatest sequence number that a log can have.
const FIRST_TOKEN: u64 = 1 << 60;
/// From the first signal to stop a probe until it is killed, ms.
const GRACE_MS: u64 = 1_000;
/// Open descriptors of a probe.
const OPEN_FILES: u64 = 256;

/// Starts probes and hands their reports to whoever waits.
pub struct Probes {
    gate: Arc<Gate>,
    executor: Arc<dyn Executor>,
    next: AtomicU64,
    waiting: Mutex<BTreeMap<u64, oneshot::Sender<Box<Report>>>>,
}

impl std::fmt::Debug for Probes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probes").finish_non_exhaustive()
    }
}

impl Probes {
    /// Probes behind `gate`, run by `executor`.
    #[must_use]
    pub fn new(gate: Arc<Gate>, executor: Arc<dyn Executor>) -> Self {
        Self {
            gate,
            executor,
            next: AtomicU64::new(FIRST_TOKEN),
            waiting: Mutex::default(),
        }
    }

    /// Takes a report that is a probe's; gives back one that is an attempt's.
    ///
    /// # Errors
    /// The report, when it is none of a probe.
    pub(crate) fn take(&self, token: u64, report: Box<Report>) -> Result<(), Box<Report>> {
        if token < FIRST_TOKEN {
            return Err(report);
        }
        self.executor.forget(token);
        if let Some(waiting) = self.lock().remove(&token) {
            // Whoever waited may have run out of time.
            waiting.send(report).ok();
        }
        Ok(())
    }

    /// Runs `argv` for `monitor` and gives its result, if it left one.
    ///
    /// # Errors
    /// Why it could not run or did not end well, for people.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the process to its end; its report is dropped then.
    pub(crate) async fn run(
        &self,
        monitor: &MonitorName,
        argv: Vec<String>,
        timeout: Duration,
        now_ms: i64,
    ) -> Result<Option<Facts>, String> {
        let token = self.next.fetch_add(1, Ordering::SeqCst);
        let launch = launch(token, monitor, argv, timeout, now_ms)?;
        let (sender, receiver) = oneshot::channel();
        self.lock().insert(token, sender);
        let started = match self.gate.pass().await {
            Some(_pass) => self
                .executor
                .launch(launch)
                .await
                .map_err(|why| format!("{why:?}")),
            None => Err("the gate is closed".to_owned()),
        };
        if let Err(error) = started {
            self.lock().remove(&token);
            return Err(error);
        }
        match tokio::time::timeout(timeout, receiver).await {
            Ok(Ok(report)) => result_of(*report),
            Ok(Err(_gone)) => Err("the executor is gone".to_owned()),
            Err(_elapsed) => {
                self.executor.stop(token, StopCause::Deadline);
                Err(format!("it took longer than {} ms", timeout.as_millis()))
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, oneshot::Sender<Box<Report>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn launch(
    token: u64,
    monitor: &MonitorName,
    argv: Vec<String>,
    timeout: Duration,
    now_ms: i64,
) -> Result<Launch, String> {
    let nobody = Id::from_bytes([0; 16]);
    let name = |error: antiphon_core::name::NameError| error.to_string();
    let timeout_ms = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
    Ok(Launch {
        token,
        run: nobody,
        attempt: 1,
        task: TaskName::new(monitor.as_str()).map_err(name)?,
        agent: AgentName::new("MONITOR").map_err(name)?,
        signal: nobody,
        correlation: nobody,
        program: Program::Process { argv },
        working_directory: None,
        environment: BTreeMap::new(),
        limits: ResourceLimits {
            open_files: Some(OPEN_FILES),
            ..ResourceLimits::default()
        },
        facts: Facts::empty(),
        deadline_wall_ms: now_ms.saturating_add(timeout_ms),
        grace_ms: GRACE_MS,
    })
}

fn result_of(report: Report) -> Result<Option<Facts>, String> {
    match (report.exit, report.result) {
        (Exit::Code(0), ResultFile::Valid(facts)) => Ok(Some(facts)),
        (Exit::Code(0), ResultFile::Absent) => Ok(None),
        (_, ResultFile::Invalid(why)) => Err(format!("its result is not usable: {why}")),
        (Exit::Code(code), _) => Err(format!("it exited with {code}")),
        (Exit::Signal(signal), _) => Err(format!("signal {signal} ended it")),
    }
}
