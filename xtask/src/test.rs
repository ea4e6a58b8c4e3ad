//! The one test command: everything that a change must pass, in one go, counted in one line.
//!
//! Two profiles on purpose. Lints and suites run unoptimised, where arithmetic overflow and debug
//! assertions stop a test and where building is cheap; the harnesses that play a user run on the
//! release build of the one binary, which is what ships and what is measured. The dependencies are
//! compiled once for each; nothing is compiled for both reasons twice.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::process::{cargo, repository, tee};
use crate::{bench, binary, crash, tools};

/// Kills of the crash harness.
const CYCLES: u32 = 200;
/// Kills of an owner whose keys are replaced all the while.
const ROTATIONS: u32 = 25;
/// Stops of an owner that starts work.
const STOPS: u32 = 60;
/// The same on a disk that fills up, where one can be mounted.
const STOPS_ON_FULL_DISK: u32 = 15;
/// Power cuts, where a disk can be mounted.
const POWER_CUTS: u32 = 10;
/// What the stripped binary may weigh.
const BINARY_BYTES_MAX: u64 = 15_000_000;

/// Runs everything. The last line of its output is `N passed, N failed`.
pub(crate) fn run() -> Result<()> {
    tools::ensure()?;
    let mut tally = Tally::default();
    tally.step("format", || done(cargo().args(["fmt", "--all", "--check"])));
    tally.step("lints", || {
        let mut clippy = cargo();
        clippy.args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]);
        done(&mut clippy)
    });
    tally.step("documentation", || {
        let mut doc = cargo();
        doc.env("RUSTDOCFLAGS", "-D warnings").args([
            "doc",
            "--workspace",
            "--no-deps",
            "--document-private-items",
        ]);
        done(&mut doc)
    });
    tally.step("second verifier", second_verifier);
    tally.step("suites", suites);
    let mut built = None;
    tally.step("release build", || {
        built = Some(binary::release()?);
        Ok(Count::ONE)
    });
    if let Some(binary) = &built {
        tally.step("size of the binary", || size_of(binary));
        tally.step("demo", || demo(binary));
        tally.step("crash: kills", || crashes(binary, Some(CYCLES), None));
        tally.step("crash: rotations", || rotations(binary));
        tally.step("crash: stops", || stops(binary, STOPS, false));
        if tools::is_root() {
            tally.step("crash: full disk", || {
                stops(binary, STOPS_ON_FULL_DISK, true)
            });
            tally.step("crash: power cuts", || {
                crashes(binary, None, Some(POWER_CUTS))
            });
        } else {
            println!("not run: full disks and power cuts, which need root to mount one");
        }
        tally.step("bench: smoke", || bench::smoke(binary).map(|()| Count::ONE));
    }
    tally.step("crash: fail-points", fail_points);
    tally.close()
}

/// Whether the binary is as small as was promised.
fn size_of(binary: &Path) -> Result<Count> {
    let bytes = std::fs::metadata(binary)?.len();
    println!("{bytes} bytes");
    if bytes > BINARY_BYTES_MAX {
        bail!("the binary has {bytes} bytes, which is more than {BINARY_BYTES_MAX}");
    }
    Ok(Count::ONE)
}

/// How many passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
}

impl Count {
    const ONE: Self = Self {
        passed: 1,
        failed: 0,
    };
}

#[derive(Debug, Default)]
struct Tally {
    count: Count,
    steps: Vec<(&'static str, bool, Duration)>,
}

impl Tally {
    /// Runs a step and goes on whatever comes of it, so that one run shows everything.
    fn step(&mut self, name: &'static str, work: impl FnOnce() -> Result<Count>) {
        println!("\n=== {name}");
        let began = Instant::now();
        let count = work().unwrap_or_else(|error| {
            println!("error: {error:#}");
            Count {
                passed: 0,
                failed: 1,
            }
        });
        self.count.passed += count.passed;
        self.count.failed += count.failed;
        self.steps.push((name, count.failed == 0, began.elapsed()));
    }

    fn close(&self) -> Result<()> {
        println!();
        for (name, passed, time) in &self.steps {
            let verdict = if *passed { "passed" } else { "FAILED" };
            println!("{name:<20}{verdict:>8}{:>7} s", time.as_secs());
        }
        println!(
            "\n{} passed, {} failed",
            self.count.passed, self.count.failed
        );
        if self.count.failed == 0 {
            Ok(())
        } else {
            bail!("the change does not pass")
        }
    }
}

fn done(command: &mut Command) -> Result<Count> {
    let transcript = tee(command)?;
    if transcript.status.success() {
        Ok(Count::ONE)
    } else {
        bail!("{}", transcript.status)
    }
}

/// The suites of all crates and the examples in their documentation. Two suites bring their own
/// `main`, because they run themselves as other programs; `cargo test` runs every kind.
fn suites() -> Result<Count> {
    tests(cargo().args(["test", "--workspace", "--no-fail-fast"]))
}

/// The second verifier's own tests; the suites hold it against the first.
fn second_verifier() -> Result<Count> {
    let mut python = Command::new("python3");
    python.args(["-B", "-m", "unittest", "--quiet"]);
    done(python.current_dir(repository().join("tools")))
}

fn tests(command: &mut Command) -> Result<Count> {
    let transcript = tee(command)?;
    let mut count = count_tests(&transcript.lines);
    if !transcript.status.success() && count.failed == 0 {
        count.failed = 1;
    }
    Ok(count)
}

/// Reads the closing lines of `cargo test`: `test result: ok. 3 passed; 0 failed; …`.
fn count_tests(lines: &[String]) -> Count {
    let mut count = Count::default();
    for line in lines {
        let line = line.trim_start();
        if !line.starts_with("test result:") {
            continue;
        }
        let words: Vec<&str> = line.split([' ', ',', ';', '(', ')']).collect();
        for pair in words.windows(2) {
            if let [number, word] = pair
                && let Ok(number) = number.parse::<u64>()
            {
                match *word {
                    "passed" => count.passed += number,
                    "failed" => count.failed += number,
                    _ => {}
                }
            }
        }
    }
    count
}

fn demo(binary: &Path) -> Result<Count> {
    done(Command::new(binary).args(["demo", "--once"]))
}

fn crashes(binary: &Path, cycles: Option<u32>, cuts: Option<u32>) -> Result<Count> {
    let options = crash::Options {
        cycles,
        power_cuts: cuts,
        verify_every: 1,
        binary: Some(binary.to_owned()),
        ..crash::Options::default()
    };
    crash::run(&options).map(|()| Count::ONE)
}

fn rotations(binary: &Path) -> Result<Count> {
    let options = crash::Options {
        rotations: Some(ROTATIONS),
        binary: Some(binary.to_owned()),
        ..crash::Options::default()
    };
    crash::run(&options).map(|()| Count::ONE)
}

fn stops(binary: &Path, races: u32, full_disk: bool) -> Result<Count> {
    let options = crash::Options {
        stops: Some(races),
        full_disk,
        binary: Some(binary.to_owned()),
        ..crash::Options::default()
    };
    crash::run(&options).map(|()| Count::ONE)
}

/// Every step of persistence, on a build of its own.
fn fail_points() -> Result<Count> {
    let options = crash::Options {
        fail_points: true,
        ..crash::Options::default()
    };
    crash::run(&options).map(|()| Count::ONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, passed: u64, failed: u64) {
        assert_eq!(
            count_tests(&[line.to_owned()]),
            Count { passed, failed },
            "{line}"
        );
    }

    #[test]
    fn closing_lines_are_counted() {
        check(
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured",
            12,
            0,
        );
        check("test result: FAILED. 11 passed; 1 failed; 0 ignored", 11, 1);
        check("a test printed: 5 passed, 5 failed", 0, 0);
    }
}
