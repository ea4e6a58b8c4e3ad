//! Damage to a ledger, judged by two verifiers that share no code: the long run.
//!
//! In: how many random damages, and a seed. Out: what the tests of `crates/testkit/tests/tamper`
//! say of them, of the whole corpus and of every vector. The short run is part of the suites.

use anyhow::{Result, bail};

use crate::process::{cargo, tee};
use crate::random::fresh_seed;
use crate::tools;

/// What to run.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Random damages
    #[arg(long, default_value_t = 100_000)]
    count: u64,
    /// Repeat an earlier run
    #[arg(long)]
    seed: Option<u64>,
}

/// Runs the tests, on the build that the suites have made.
pub(crate) fn run(options: &Options) -> Result<()> {
    tools::ensure()?;
    let seed = options.seed.unwrap_or_else(fresh_seed);
    println!("tamper: {} random damages, seed {seed}", options.count);
    let transcript = tee(cargo()
        .env("ANTIPHON_TAMPER_COUNT", options.count.to_string())
        .env("ANTIPHON_TAMPER_SEED", seed.to_string())
        .args(["test", "-p", "antiphon-testkit"])
        .args(["--test", "tamper", "--", "--nocapture"]))?;
    if transcript.status.success() {
        Ok(())
    } else {
        bail!("with seed {seed}: {}", transcript.status)
    }
}
