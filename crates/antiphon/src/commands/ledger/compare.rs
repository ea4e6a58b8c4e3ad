//! `antiphon ledger compare`: whether two views of one log agree, and the proof when they do not.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::write_file;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::ledger::compare::{Shown, View, compare};
use crate::ledger::place::Place;
use crate::output::tone::Tone;
use crate::wire::Context;

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// A data root, an exported folder or a checkpoint
    #[arg(value_name = "A")]
    one: PathBuf,
    /// Another one
    #[arg(value_name = "B")]
    other: PathBuf,
    /// The file for the proof of a fork, which must not be there yet
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

/// What two views show.
#[derive(Debug, Serialize)]
struct Compared {
    /// Whether one is the beginning of the other.
    consistent: bool,
    /// The sizes at their checkpoints.
    sizes: [u64; 2],
    /// The size at which they differ.
    fork_size: Option<u64>,
    /// The proof's file.
    proof: Option<PathBuf>,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let mut one = View::open(&Place::of(&arguments.one)?)?;
    let mut other = View::open(&Place::of(&arguments.other)?)?;
    let sizes = [&one, &other].map(|view| view.sealed().checkpoint().size());
    let shown = compare(&mut one, &mut other)?;
    let compared = match &shown {
        Shown::Consistent { sizes } => Compared {
            consistent: true,
            sizes: *sizes,
            fork_size: None,
            proof: None,
        },
        Shown::Fork(proof) => {
            if let Some(file) = &arguments.to {
                write_file(file, proof.to_json().as_bytes())?;
            }
            Compared {
                consistent: false,
                sizes,
                fork_size: Some(proof.size),
                proof: arguments.to.clone(),
            }
        }
    };
    context.output.one(&compared, |compared| {
        let [first, second] = compared.sizes;
        let Some(size) = compared.fork_size else {
            let consistent = context.output.paint(Tone::Good, "consistent");
            return format!("{consistent}: one history, seen at {first} and at {second} records");
        };
        let forked = context.output.paint(Tone::Bad, "forked");
        let kept = match &compared.proof {
            Some(file) => format!("; the proof is in {}", file.display()),
            None => "; name a file for the proof: --to FILE".to_owned(),
        };
        format!("{forked}: two histories that differ within {size} records{kept}")
    })?;
    Ok(if compared.consistent {
        Exit::Done
    } else {
        Exit::VerificationFailed
    })
}
