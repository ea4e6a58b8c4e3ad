//! A real owner of a root: `antiphon serve`, started, asked, killed.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;

use crate::binary::{FAIL_POINT_VARIABLE, PLANT_VARIABLE};
use crate::client::Connection;
use crate::process::{output_of, until};

/// How long an owner may take until it answers.
const READY_MAX: Duration = Duration::from_secs(30);
/// How long an owner may take to drain after SIGTERM.
const DRAIN_MAX: Duration = Duration::from_mins(1);

/// A binary and the root that it serves.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) binary: PathBuf,
    pub(crate) root: PathBuf,
    /// Where the owner's own words go.
    pub(crate) log: PathBuf,
    /// The planted bug that is awake.
    pub(crate) plant: Option<&'static str>,
}

impl Site {
    /// Starts an owner and does not wait for it.
    pub(crate) fn serve(&self) -> Result<Owner> {
        self.start(&mut self.command(&["serve"]))
    }

    /// Starts an owner with a fail-point armed: `NAME=ACTION@HIT`.
    pub(crate) fn serve_armed(&self, fail_point: &str) -> Result<Owner> {
        let mut command = self.command(&["serve"]);
        self.start(command.env(FAIL_POINT_VARIABLE, fail_point))
    }

    fn start(&self, command: &mut Command) -> Result<Owner> {
        let child = command
            .stdin(Stdio::null())
            .stdout(self.open_log()?)
            .stderr(self.open_log()?)
            .spawn()
            .context("antiphon serve could not be started")?;
        Ok(Owner {
            child,
            socket: self.socket(),
            log: self.log.clone(),
        })
    }

    /// Runs one command and reads the JSON that it prints: one document or many.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let bytes = output_of(&mut self.json_command(arguments))?;
        serde_json::Deserializer::from_slice(&bytes)
            .into_iter::<Value>()
            .map(|value| value.context("antiphon printed no JSON"))
            .flat_map(|value| match value {
                Ok(Value::Array(values)) => values.into_iter().map(Ok).collect(),
                other => vec![other],
            })
            .collect()
    }

    /// Runs one command that prints JSON to its end, whatever that is.
    pub(crate) fn output(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = self.json_command(arguments);
        let output = command.stdin(Stdio::null()).output();
        output.context("antiphon could not be started")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.root.join("antiphon.sock")
    }

    fn json_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.args(["--output", "json"]);
        command
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .arg("--root")
            .arg(&self.root)
            // What a verifier remembers of this log dies with it.
            .env("XDG_STATE_HOME", self.log.with_file_name("state"))
            .env_remove(PLANT_VARIABLE)
            .env_remove(FAIL_POINT_VARIABLE);
        if let Some(plant) = self.plant {
            command.env(PLANT_VARIABLE, plant);
        }
        command
    }

    fn open_log(&self) -> Result<File> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("{} cannot be opened", self.log.display()))
    }
}

/// A running owner.
#[derive(Debug)]
pub(crate) struct Owner {
    child: Child,
    socket: PathBuf,
    log: PathBuf,
}

impl Owner {
    /// Waits until it answers on its socket.
    pub(crate) fn wait_until_ready(&mut self) -> Result<()> {
        match self.answers_or_ends()? {
            None => Ok(()),
            Some(status) => bail!(
                "the owner ended ({status}) before it was ready:\n{}",
                tail(&self.log)
            ),
        }
    }

    /// Waits until it answers on its socket; how it ended, if it did so before.
    pub(crate) fn answers_or_ends(&mut self) -> Result<Option<ExitStatus>> {
        let mut last = String::new();
        let ready = until("the owner answers", READY_MAX, || {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(Some(status)));
            }
            let answer = Connection::open(&self.socket).and_then(|mut it| it.get("/readyz"));
            last = match answer {
                Ok(answer) if answer.status == 200 => return Ok(Some(None)),
                Ok(answer) => format!(
                    "{} {}",
                    answer.status,
                    String::from_utf8_lossy(&answer.body)
                ),
                Err(error) => error.to_string(),
            };
            Ok(None)
        });
        ready.map_err(|error| anyhow!("{error:#}: {last}\n{}", tail(&self.log)))
    }

    /// Kills it with SIGKILL, itself only: what it started is its spawner's to clean up. Says
    /// whether it was still alive.
    pub(crate) fn kill(mut self) -> Result<bool> {
        let alive = self.child.try_wait()?.is_none();
        self.child.kill().context("the owner cannot be killed")?;
        self.child.wait().context("the owner cannot be awaited")?;
        Ok(alive)
    }

    /// How it ended by itself, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Asks it to end with SIGTERM and waits for that.
    pub(crate) fn stop(mut self) -> Result<()> {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, rustix::process::Signal::TERM)?;
        let status = until("the owner drains", DRAIN_MAX, || {
            Ok(self.child.try_wait()?)
        })?;
        if status.success() {
            Ok(())
        } else {
            bail!("the owner ended badly: {status}")
        }
    }
}

impl Drop for Owner {
    /// Leaves no owner behind when a harness gives up; one that ended stays as it is.
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The last lines of a log, to show with an error.
pub(crate) fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines
        .iter()
        .skip(lines.len().saturating_sub(20))
        .fold(String::new(), |mut out, line| {
            out.push_str("    ");
            out.push_str(line);
            out.push('\n');
            out
        })
}
