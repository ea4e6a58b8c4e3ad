//! The command line as clap reads it. What a command does is in [`crate::commands`].

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::{
    backup, bench, completions, config, demo, dlq, doctor, init, key, ledger, restore, rule, run,
    serve, sign, signal, status, stop, task, why,
};
use crate::output::Format;

/// Hears signals, decides by rules, runs tasks, and keeps a log that anyone can check.
#[derive(Debug, Parser)]
#[command(
    name = "antiphon",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command, before or after it.
#[derive(Args, Debug)]
pub(crate) struct Global {
    /// The data root.
    #[arg(long, global = true, value_name = "DIR", help = ROOT_HELP)]
    pub(crate) root: Option<PathBuf>,
    /// The configuration [default: antiphon.toml in the data root]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Read the passphrase of the keys from this descriptor
    #[arg(long, global = true, value_name = "N")]
    pub(crate) passphrase_fd: Option<u32>,
    /// Tables for people, or JSON for programs
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "table",
        value_name = "FORM"
    )]
    pub(crate) output: Format,
    /// Say only what was asked for
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Say more; twice says everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,
}

/// What `--help` says of the root.
const ROOT_HELP: &str = "The data root [default: $ANTIPHON_ROOT, $STATE_DIRECTORY, or .antiphon]";

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a data root to start from
    Init(init::Arguments),
    /// Show the KLoROS loops live, on real input in a temporary root
    Demo(demo::Arguments),
    /// Own the data root: hear, decide, run
    Serve(serve::Arguments),
    /// Show what is going on
    Status(status::Arguments),
    /// Check this machine and this data root
    Doctor(doctor::Arguments),
    /// Publish and read signals
    #[command(subcommand)]
    Signal(signal::Command),
    /// Look at runs and act on them
    #[command(subcommand)]
    Run(run::Command),
    /// Tell why: the whole chain around a signal, a run or a dead letter
    Why(why::Arguments),
    /// Look at tasks, enable and disable them
    #[command(subcommand)]
    Task(task::Command),
    /// Look at rules and try them
    #[command(subcommand)]
    Rule(rule::Command),
    /// Dead letters: what could not be processed
    #[command(subcommand)]
    Dlq(dlq::Command),
    /// Stop work, and let it go on
    #[command(subcommand)]
    Stop(stop::Command),
    /// The signed log
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// Keys: who may sign
    #[command(subcommand)]
    Key(key::Command),
    /// Sign a decision with a key of one's own
    #[command(subcommand)]
    Sign(sign::Command),
    /// Copy the log and what belongs to it, while work goes on
    Backup(backup::Arguments),
    /// Bring a backup back, into a new root
    Restore(restore::Arguments),
    /// The configuration
    #[command(subcommand)]
    Config(config::Command),
    /// Measure this machine against its floors
    Bench(bench::Arguments),
    /// Print completions for a shell
    Completions(completions::Arguments),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_stand_before_or_after_the_command() {
        for line in [
            [
                "antiphon", "--root", "/r", "--output", "json", "run", "list",
            ],
            [
                "antiphon", "run", "list", "--root", "/r", "--output", "json",
            ],
            [
                "antiphon", "run", "--root", "/r", "list", "--output", "json",
            ],
        ] {
            let read = Cli::try_parse_from(line).unwrap();
            assert_eq!(read.global.root, Some(PathBuf::from("/r")));
            assert_eq!(read.global.output, Format::Json);
        }
    }
}
