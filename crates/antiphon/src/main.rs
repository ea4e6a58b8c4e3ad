//! The `antiphon` program: the only reader of arguments, environment and configuration, and the
//! only place where adapters meet.
//!
//! In: a command line. Out: what the command says, and an exit code. Everything that can be asked
//! of a library is asked of one.

mod backup;
mod cli;
mod commands;
mod exit;
mod failure;
mod hidden;
mod ledger;
mod origin;
mod output;
mod owner;
mod packs;
mod passphrase;
mod root;
mod signing;
mod socket;
mod wire;

use std::io::Write as _;
use std::process::ExitCode;

use antiphon_config::config;
use clap::Parser as _;

use cli::{Cli, Global};
use failure::Failure;
use output::tone::{self, Tone};
use output::{Output, clean};
use wire::Context;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Some(code) = hidden::run() {
        return code;
    }
    let Cli { global, command } = Cli::parse();
    start_log(&global, &command);
    #[cfg(antiphon_failpoints)]
    arm_fail_point();
    let run = |passphrase| {
        let context = Context {
            output: Output::new(global.output, global.quiet),
            verbose: global.verbose,
            root: root::resolve(global.root),
            config: global.config,
            passphrase,
        };
        commands::run(&context, command)
    };
    let exit = match passphrase::read(global.passphrase_fd).and_then(run) {
        Ok(exit) => exit,
        Err(failure) => {
            tell(&failure);
            if failure.is_broken_pipe() {
                exit::Exit::Done
            } else {
                failure.exit()
            }
        }
    };
    ExitCode::from(exit.code())
}

/// Where a build for tests is to fail, as its environment says.
#[cfg(antiphon_failpoints)]
fn arm_fail_point() {
    if let Ok(text) = std::env::var("ANTIPHON_FAILPOINT")
        && let Err(text) = antiphon_engine::fail::arm(&text)
    {
        tracing::error!(text, "this is no fail-point");
    }
}

/// The program's own log, on standard error: warnings, and with `-v` more.
fn start_log(global: &Global, command: &cli::Command) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => tracing::Level::ERROR,
        // The demo tells what happens itself.
        (false, 0) if matches!(command, cli::Command::Demo(_)) => tracing::Level::ERROR,
        (false, 0) => tracing::Level::WARN,
        (false, 1) => tracing::Level::INFO,
        (false, _) => tracing::Level::DEBUG,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .init();
}

fn tell(failure: &Failure) {
    if failure.is_broken_pipe() {
        return;
    }
    let is_colored = std::io::IsTerminal::is_terminal(&std::io::stderr()) && tone::is_wanted();
    let head = format!("error[{}]", failure.code());
    let head = if is_colored {
        Tone::Bad.paint(&head)
    } else {
        head
    };
    let hint = failure
        .hint()
        .map(|hint| format!("hint: {}\n", clean(&hint)));
    let text = format!(
        "{head}: {}\n{}",
        clean(&failure.told()),
        hint.unwrap_or_default()
    );
    // Nobody is left to tell when standard error is gone too.
    std::io::stderr().write_all(text.as_bytes()).ok();
}
