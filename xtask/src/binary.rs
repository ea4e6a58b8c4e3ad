//! The `antiphon` binary, built plainly or for tests that need it to go wrong.
//!
//! A build with faults has room for planted bugs (`--cfg antiphon_plant`, woken by
//! `ANTIPHON_PLANT=NAME`) and fail-points (`--cfg antiphon_failpoints`, armed by
//! `ANTIPHON_FAILPOINT=NAME=ACTION@HIT`). Neither is in any other build: the flags are given by
//! `rustc_with_faults.sh` only, which Cargo calls for our own crates and keeps apart by its name.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::process::{cargo, repository, run, target_directory};

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
    let build = ["build", "--package", "antiphon"];
    run(cargo_with_faults().args(build))?;
    let plain = target_directory().join("debug/antiphon");
    let kept = target_directory().join("debug/antiphon-with-faults");
    fs::copy(&plain, &kept)?;
    // What lies under the plain name is the plain build again.
    run(cargo().args(build))?;
    Ok(kept)
}

/// Cargo, set to build with room for faults.
pub(crate) fn cargo_with_faults() -> Command {
    let mut command = cargo();
    let wrapper = repository().join("xtask/src/rustc_with_faults.sh");
    command.env("RUSTC_WORKSPACE_WRAPPER", wrapper);
    command
}
