//! Planted bugs: each is woken in a build that has room for it, and the suite that guards against
//! it must fail. A bug that survives fails the command.
//!
//! The bugs themselves stand in the crates, each under `#[cfg(antiphon_plant)]` at the line that
//! it breaks. Before the first one, every suite must pass in that same build with none awake:
//! a suite that always fails catches nothing.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::binary::{PLANT_VARIABLE, cargo_with_faults, with_faults};
use crate::crash::{self, Death, Place, Stops, Trial};
use crate::process::{output_of, passes_within};
use crate::random::fresh_seed;

/// How long tests of seconds may take: a bug may make one wait for ever.
const TESTS_MAX: Duration = Duration::from_secs(30);

/// What to run.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Only these bugs
    names: Vec<String>,
}

/// A bug, and the suite that must catch it.
struct Mutant {
    name: &'static str,
    breaks: &'static str,
    caught_by: Suite,
}

/// What became of a bug.
struct Verdict {
    mutant: &'static Mutant,
    is_caught: bool,
    time: Duration,
}

/// Something that passes or fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Suite {
    /// Tests of a crate: those whose names contain the filter.
    Tests {
        package: &'static str,
        filter: &'static str,
    },
    /// The crash harness with so many power cuts.
    PowerCuts(u32),
    /// The crash harness with so many stops while work starts.
    Stops(u32),
    /// The crash harness with so many kills while keys are rotated and revoked.
    Rotations(u32),
}

const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "effect_before_commit",
        breaks: "nothing starts before its record is durable",
        caught_by: Suite::Tests {
            package: "antiphon-engine",
            filter: "commit::f7_",
        },
    },
    Mutant {
        name: "sync_dropped",
        breaks: "an acknowledged signal survives a power cut",
        caught_by: Suite::PowerCuts(10),
    },
    Mutant {
        name: "key_not_held_in_flight",
        breaks: "a key is one signal, also while its commit is under way",
        caught_by: Suite::Tests {
            package: "antiphon-engine",
            filter: "keys::",
        },
    },
    Mutant {
        name: "token_reused",
        breaks: "no two leases have one token",
        caught_by: Suite::Tests {
            package: "antiphon-engine",
            filter: "commit::every_launch",
        },
    },
    Mutant {
        name: "gate_ignored",
        breaks: "nothing starts once the gate is closed",
        caught_by: Suite::Tests {
            package: "antiphon-engine",
            filter: "gate::a41_",
        },
    },
    Mutant {
        name: "snapshot_trusted_unrecorded",
        breaks: "only a snapshot that the log records is used",
        caught_by: Suite::Tests {
            package: "antiphon-engine",
            filter: "recovery::a_snapshot_that_no_record_names",
        },
    },
    Mutant {
        name: "tail_not_checked",
        breaks: "a start refuses a log that was changed since the snapshot",
        caught_by: Suite::Tests {
            package: "antiphon-engine",
            filter: "recovery::a_damaged_log",
        },
    },
    Mutant {
        name: "inbox_file_removed_early",
        breaks: "a file is removed only after its signal is durable",
        caught_by: Suite::Tests {
            package: "antiphon-files",
            filter: "arrival::no_file_leaves",
        },
    },
    Mutant {
        name: "checkpoint_before_commit",
        breaks: "a checkpoint covers durable records only",
        caught_by: Suite::Tests {
            package: "antiphon-engine",
            filter: "checkpoints::",
        },
    },
    Mutant {
        name: "signed_body_pruned",
        breaks: "what is signed keeps its body",
        caught_by: Suite::Tests {
            package: "antiphon-engine",
            filter: "prune::",
        },
    },
    Mutant {
        name: "rotated_key_stays_valid",
        breaks: "at every place one key of an agent is valid",
        caught_by: Suite::Tests {
            package: "antiphon-ledger",
            filter: "keys::",
        },
    },
    Mutant {
        name: "revocation_from_now_on",
        breaks: "a revoked key is refused from the place that was named",
        caught_by: Suite::Tests {
            package: "antiphon-ledger",
            filter: "keys::",
        },
    },
    Mutant {
        name: "rotated_key_not_on_disk",
        breaks: "a key is on disk before its record is asked for",
        caught_by: Suite::Rotations(10),
    },
    Mutant {
        name: "queue_outlives_a_stop",
        breaks: "what waits to be started when a stop comes is not",
        caught_by: Suite::Stops(60),
    },
    Mutant {
        name: "node_hashed_as_leaf",
        breaks: "a node never passes as a leaf",
        caught_by: Suite::Tests {
            package: "antiphon-ledger",
            filter: "tree::",
        },
    },
    Mutant {
        name: "inclusion_without_root",
        breaks: "a proof holds for one root only",
        caught_by: Suite::Tests {
            package: "antiphon-ledger",
            filter: "proof::",
        },
    },
    Mutant {
        name: "seen_head_not_compared",
        breaks: "whoever saw more finds a rollback and a fork",
        caught_by: Suite::Tests {
            package: "antiphon-ledger",
            filter: "history::",
        },
    },
    Mutant {
        name: "witness_counted_twice",
        breaks: "a witness counts once",
        caught_by: Suite::Tests {
            package: "antiphon-ledger",
            filter: "history::",
        },
    },
    Mutant {
        name: "witness_in_two_steps",
        breaks: "a witness judges and keeps in one step",
        caught_by: Suite::Tests {
            package: "antiphon-witness",
            filter: "races::",
        },
    },
    Mutant {
        name: "restored_in_the_old_epoch",
        breaks: "a restored log goes on in an epoch of its own",
        caught_by: Suite::Tests {
            package: "antiphon",
            filter: "backup::f20_",
        },
    },
    Mutant {
        name: "export_without_its_last_bundle",
        breaks: "an export holds all that its checkpoint covers",
        caught_by: Suite::Tests {
            package: "antiphon",
            filter: "export::",
        },
    },
];

/// Runs each bug against its suite; fails when one survives.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mutants = select(&options.names)?;
    let binary = with_faults()?;
    let suites: BTreeSet<Suite> = mutants.iter().map(|mutant| mutant.caught_by).collect();
    for suite in suites {
        println!("without a bug: {}", suite.name());
        if !suite.passes(&binary, None)? {
            bail!("{} fails without any bug: it can catch none", suite.name());
        }
    }
    let mut verdicts = Vec::new();
    for mutant in mutants {
        println!("{}: {}", mutant.name, mutant.breaks);
        let began = Instant::now();
        let is_caught = !mutant.caught_by.passes(&binary, Some(mutant.name))?;
        verdicts.push(Verdict {
            mutant,
            is_caught,
            time: began.elapsed(),
        });
    }
    close(&verdicts)
}

/// Prints what became of each, the survivors once more.
fn close(verdicts: &[Verdict]) -> Result<()> {
    println!();
    for Verdict {
        mutant,
        is_caught,
        time,
    } in verdicts
    {
        let word = if *is_caught { "caught" } else { "SURVIVED" };
        let (seconds, suite) = (time.as_secs_f64(), mutant.caught_by.name());
        println!("{:<32}{word:<10}{seconds:>6.1} s  {suite}", mutant.name);
    }
    let survivors: Vec<&str> = verdicts
        .iter()
        .filter(|verdict| !verdict.is_caught)
        .map(|verdict| verdict.mutant.name)
        .collect();
    println!(
        "\n{} caught of {}",
        verdicts.len() - survivors.len(),
        verdicts.len()
    );
    if survivors.is_empty() {
        Ok(())
    } else {
        bail!("survived: {}", survivors.join(" "))
    }
}

fn select(names: &[String]) -> Result<Vec<&'static Mutant>> {
    for name in names {
        if !MUTANTS.iter().any(|mutant| mutant.name == name) {
            let known: Vec<&str> = MUTANTS.iter().map(|mutant| mutant.name).collect();
            bail!("no bug is called {name}; there are {}", known.join(" "));
        }
    }
    Ok(MUTANTS
        .iter()
        .filter(|mutant| names.is_empty() || names.iter().any(|name| name == mutant.name))
        .collect())
}

impl Suite {
    fn name(self) -> String {
        match self {
            Suite::Tests { package, filter } => format!("the tests {filter} of {package}"),
            Suite::PowerCuts(times) => format!("{times} power cuts"),
            Suite::Stops(times) => format!("{times} stops"),
            Suite::Rotations(times) => format!("{times} kills while keys change"),
        }
    }

    fn passes(self, binary: &Path, plant: Option<&'static str>) -> Result<bool> {
        match self {
            Suite::Tests { package, filter } => tests_pass(package, filter, plant),
            Suite::PowerCuts(times) => survives(&trial(binary, plant, Death::PowerCut, times)),
            Suite::Rotations(times) => {
                let rotated = crash::rotate(&trial(binary, plant, Death::Kill, times));
                Ok(is_sound(&rotated))
            }
            Suite::Stops(races) => {
                let stops = Stops {
                    binary,
                    plant,
                    races,
                    place: Place::Host,
                    seed: fresh_seed(),
                };
                Ok(is_sound(&stops.run()))
            }
        }
    }
}

/// Whether a harness found nothing; says what it found.
fn is_sound(found: &Result<()>) -> bool {
    if let Err(error) = found {
        println!("  {error:#}");
    }
    found.is_ok()
}

/// Whether the tests of `package` that contain `filter` pass. Building them is not part of the answer: a build that
/// fails is an error, not a caught bug.
fn tests_pass(package: &str, filter: &str, plant: Option<&str>) -> Result<bool> {
    output_of(cargo_with_faults().args(["test", "--no-run", "--package", package]))?;
    let mut command = cargo_with_faults();
    // Not by another runner: a suite with a `main` of its own runs under Cargo's only.
    command.args(["test", "--package", package, filter]);
    command.env_remove(PLANT_VARIABLE);
    if let Some(plant) = plant {
        command.env(PLANT_VARIABLE, plant);
    }
    passes_within(TESTS_MAX, &mut command)
}

fn trial<'a>(
    binary: &'a Path,
    plant: Option<&'static str>,
    death: Death,
    crashes: u32,
) -> Trial<'a> {
    Trial {
        binary,
        plant,
        death,
        crashes,
        verify_every: 1,
        seed: fresh_seed(),
    }
}

fn survives(trial: &Trial<'_>) -> Result<bool> {
    let finding = trial.run()?;
    for (kind, fault) in &finding.account.faults {
        println!("  {kind}: {}", fault.examples.join("; "));
    }
    Ok(finding.is_sound())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bug_that_nobody_planted_is_refused() {
        assert!(select(&["no_such_bug".to_owned()]).is_err());
        assert_eq!(select(&[]).unwrap().len(), MUTANTS.len());
        assert_eq!(select(&["gate_ignored".to_owned()]).unwrap().len(), 1);
    }
}
