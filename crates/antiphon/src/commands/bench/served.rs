//! `antiphon serve` in a process of its own, as a benchmark sees it: from outside.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use antiphon_core::signal::Facts;
use antiphon_http::client::Client;
use antiphon_http::model::{Emit, Emitted};
use rustix::process::{Pid, Signal, kill_process};

use super::failed;
use crate::failure::Failure;
use crate::socket;

/// How often the socket of an owner that starts is tried.
const TRY_EVERY: Duration = Duration::from_millis(1);
/// An owner that does not answer by then has a fault.
const READY_WITHIN: Duration = Duration::from_mins(5);

/// An owner that answers, killed when it is dropped.
#[derive(Debug)]
pub(super) struct Served {
    child: Child,
    /// From before its start until it was connected to.
    pub(super) ready_after: Duration,
}

impl Served {
    /// Starts an owner of `root` and waits until it listens.
    pub(super) async fn start(root: &Path) -> Result<(Self, Client), Failure> {
        let executable = std::env::current_exe().map_err(failed("the program is not found"))?;
        let started = Instant::now();
        let child = Command::new(executable)
            .arg("--root")
            .arg(root)
            .args(["--quiet", "serve"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(failed("an owner cannot be started"))?;
        let mut served = Self {
            child,
            ready_after: Duration::ZERO,
        };
        loop {
            let connected = socket::connect(root).map_err(failed("the owner is not reached"))?;
            if let Some(stream) = connected {
                served.ready_after = started.elapsed();
                return Ok((served, Client::over(stream).await?));
            }
            let ended = served.child.try_wait();
            if let Some(status) = ended.map_err(failed("the owner is not reached"))? {
                return Err(Failure::bench(&format!("the owner ended: {status}")));
            }
            if started.elapsed() > READY_WITHIN {
                return Err(Failure::bench("the owner does not answer"));
            }
            tokio::time::sleep(TRY_EVERY).await;
        }
    }

    /// Its process.
    pub(super) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Tells it to go and waits until it has.
    pub(super) fn stop(mut self) -> Result<(), Failure> {
        const WHAT: &str = "the owner does not go";
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).map_err(|error| failed(WHAT)(error.into()))?;
        let status = self.child.wait().map_err(failed(WHAT))?;
        if status.success() {
            Ok(())
        } else {
            Err(Failure::bench(&format!("the owner ended badly: {status}")))
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // One that has gone already needs neither.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Publishes a signal called `name` without facts.
pub(super) async fn emit(client: &mut Client, name: &str) -> Result<Emitted, Failure> {
    let emit = Emit {
        signal: name.to_owned(),
        source: "bench".to_owned(),
        facts: Facts::empty(),
        timestamp: None,
        key: None,
    };
    Ok(client.post("/api/v1/signals", &emit).await?)
}
