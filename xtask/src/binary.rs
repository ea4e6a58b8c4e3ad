//! The `antiphon` binary, built plainly or with room for planted bugs.
//!
//! A planted bug is code under `#[cfg(antiphon_plant)]` that the environment variable
//! `ANTIPHON_PLANT=NAME` wakes. Such code is in no other build: the flag is given here only, and
//! its artefacts have a target directory of their own.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::process::{cargo, run, target_directory};

/// The variable that names the planted bug.
pub(crate) const PLANT_VARIABLE: &str = "ANTIPHON_PLANT";

/// Builds the binary that ships.
pub(crate) fn release() -> Result<PathBuf> {
    run(cargo().args(["build", "--release", "--package", "antiphon"]))?;
    Ok(target_directory().join("release/antiphon"))
}

/// Builds the binary with room for planted bugs; without the variable it behaves as the other.
pub(crate) fn planted() -> Result<PathBuf> {
    run(planted_cargo().args(["build", "--package", "antiphon"]))?;
    Ok(planted_directory().join("debug/antiphon"))
}

/// Cargo, set to build with room for planted bugs.
pub(crate) fn planted_cargo() -> Command {
    let mut command = cargo();
    command
        .env("RUSTFLAGS", "--cfg antiphon_plant")
        .env("CARGO_TARGET_DIR", planted_directory());
    command
}

fn planted_directory() -> PathBuf {
    target_directory().join("plant")
}
