//! The floors: runs `antiphon bench` on the release build.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::binary;
use crate::process::run as run_command;

/// What to run.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Only these parts: machine append react tasks start idle verify
    parts: Vec<String>,
}

/// Measures, prints.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binary = binary::release()?;
    run_command(Command::new(binary).arg("bench").args(&options.parts))
}

/// One short part.
pub(crate) fn smoke(binary: &Path) -> Result<()> {
    run_command(Command::new(binary).args(["bench", "machine"]))
}
