//! The workshop: one command for each thing that is done to the whole repository.
//!
//! In: building, running the suites, the crash harness, planted bugs, floors and fuzzing. Out:
//! product logic; the harnesses speak to a built `antiphon` as any user would, by command line,
//! socket and files.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool speaks on both"
)]

mod bench;
mod binary;
mod client;
mod crash;
mod fuzz;
mod mutants;
mod owner;
mod process;
mod random;
mod tamper;
mod test;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "The workshop of Antiphon",
    disable_version_flag = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything that a change must pass: format, lints, suites, crash harness, demo, bench.
    Test,
    /// Kill the owner at random instants under load, then account for every promise.
    Crash(crash::Options),
    /// Damage a ledger in every way and hear what two verifiers say.
    Tamper(tamper::Options),
    /// Build with bugs planted one by one; each must be caught by the suite that guards it.
    Mutants(mutants::Options),
    /// Measure the binary against its floors and compare with the limits.
    Bench(bench::Options),
    /// Feed every parser of foreign bytes with libFuzzer.
    Fuzz(fuzz::Options),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Test => test::run(),
        Command::Crash(options) => crash::run(&options),
        Command::Tamper(options) => tamper::run(&options),
        Command::Mutants(options) => mutants::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Fuzz(options) => fuzz::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
