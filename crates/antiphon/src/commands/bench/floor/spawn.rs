//! Processes started and awaited one after the other, with one sync each when asked for.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::sync::MESSAGE_BYTES;
use crate::commands::bench::failed;
use crate::commands::bench::place::written;
use crate::commands::bench::samples::Samples;
use crate::failure::Failure;

/// The least that can be run.
pub(in super::super) const PROGRAM: &str = "/bin/true";

/// Starts and awaits `count` processes.
pub(in super::super) fn run(count: u32) -> Result<Samples, Failure> {
    time(count, || Ok(()))
}

/// Starts and awaits `count` processes, and appends and syncs a kilobyte before each.
pub(in super::super) fn run_with_sync(folder: &Path, count: u32) -> Result<Samples, Failure> {
    let path = folder.join("chain");
    let failed = |source| written(&path, source);
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(&path)
        .map_err(failed)?;
    let message = vec![b'x'; MESSAGE_BYTES];
    time(count, || {
        file.write_all(&message)
            .and_then(|()| file.sync_data())
            .map_err(failed)
    })
}

fn time(count: u32, mut before: impl FnMut() -> Result<(), Failure>) -> Result<Samples, Failure> {
    let mut samples = Samples::default();
    let started = Instant::now();
    for _process in 0..count {
        let begun = Instant::now();
        before()?;
        Command::new(PROGRAM)
            .stdin(Stdio::null())
            .env_clear()
            .status()
            .map_err(failed("a process cannot be started"))?;
        samples.add(begun.elapsed());
    }
    Ok(samples.end(started.elapsed()))
}
