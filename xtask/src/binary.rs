//! The `antiphon` binary, built plainly or for tests that need it to go wrong.
//!
//! A build with faults has room for planted bugs (`--cfg antiphon_plant`, woken by
//! `ANTIPHON_PLANT=NAME`) and fail-points (`--cfg antiphon_failpoints`, armed by
//! `ANTIPHON_FAILPOINT=NAME=ACTION@HIT`). Neither is in any other build: the flags are given here
//! only, and what they build has a target directory of its own.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::process::{cargo, run, target_directory};

/// The variable that names the planted bug.
pub(crate) const PLANT_VARIABLE: &str = "ANTIPHON_PLANT";
/// The variable that arms a fail-point.
pub(crate) const FAIL_POINT_VARIABLE: &str = "ANTIPHON_FAILPOINT";

/// Builds the binary that ships.
pub(crate) fn release() -> Result<PathBuf> {
    run(cargo().args(["build", "--release", "--package", "antiphon"]))?;
    Ok(target_directory().join("release/antiphon"))
}

/// Builds the binary that the suites use.
#[cfg(test)]
pub(crate) fn debug() -> Result<PathBuf> {
    run(cargo().args(["build", "--quiet", "--package", "antiphon"]))?;
    Ok(target_directory().join("debug/antiphon"))
}

/// Builds the binary with room for faults; without the variables it promises what the other does.
pub(crate) fn with_faults() -> Result<PathBuf> {
    run(cargo_with_faults().args(["build", "--package", "antiphon"]))?;
    Ok(faults_directory().join("debug/antiphon"))
}

/// Cargo, set to build with room for faults.
pub(crate) fn cargo_with_faults() -> Command {
    let mut command = cargo();
    command
        .env(
            "RUSTFLAGS",
            "--cfg antiphon_plant --cfg antiphon_failpoints",
        )
        .env("CARGO_TARGET_DIR", faults_directory());
    command
}

fn faults_directory() -> PathBuf {
    target_directory().join("faults")
}
