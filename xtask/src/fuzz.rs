//! Fuzzing: every parser of foreign bytes under libFuzzer, on the stable compiler.

use anyhow::{Result, bail};

use crate::process::{cargo, repository, run as run_command};
use crate::tools;

/// What to run.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Seconds for each target
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Only these targets
    targets: Vec<String>,
}

/// Runs the targets one after the other; fails at the first crash.
pub(crate) fn run(options: &Options) -> Result<()> {
    if !tools::has_cargo_command("fuzz") {
        run_command(cargo().args(["install", "--locked", "cargo-fuzz"]))?;
    }
    for target in select(&options.targets)? {
        println!("fuzz: {target}, {} s", options.seconds);
        let corpus = repository().join("fuzz/corpus").join(&target);
        std::fs::create_dir_all(&corpus)?;
        // `-s none`: sanitizers need a nightly compiler, and the crates forbid unsafe code.
        run_command(
            cargo()
                .env("RUSTC_BOOTSTRAP", "1")
                .args(["fuzz", "run", "-s", "none", &target])
                .args([&corpus, &repository().join("fuzz/seeds").join(&target)])
                .arg("--")
                .args([
                    &format!("-max_total_time={}", options.seconds),
                    "-rss_limit_mb=512",
                ]),
        )?;
    }
    Ok(())
}

/// The targets are the files of `fuzz/fuzz_targets`.
fn select(wanted: &[String]) -> Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in std::fs::read_dir(repository().join("fuzz/fuzz_targets"))? {
        let path = entry?.path();
        if let Some(stem) = path.file_stem() {
            targets.push(stem.to_string_lossy().into_owned());
        }
    }
    targets.sort();
    if let Some(unknown) = wanted.iter().find(|name| !targets.contains(name)) {
        bail!(
            "no target is called {unknown}; there are {}",
            targets.join(" ")
        );
    }
    targets.retain(|target| wanted.is_empty() || wanted.contains(target));
    Ok(targets)
}
