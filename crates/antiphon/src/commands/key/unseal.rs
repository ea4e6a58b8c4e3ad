//! `antiphon key unseal`: gives the passphrase of the owner's keys up.
//!
//! The next owner that is given a passphrase seals them with that one: so a passphrase is changed. No
//! owner runs meanwhile; an unseal that is cut short is done again.

use antiphon_files::{Keys, Root};
use clap::Args;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::count;
use crate::owner::assembly::Held;
use crate::owner::entropy::SystemEntropy;
use crate::wire::Context;

#[derive(Args, Debug)]
pub(crate) struct Arguments {}

/// What was done.
#[derive(Debug, Serialize)]
struct Unsealed {
    unsealed: usize,
}

pub(crate) fn run(context: &Context, _arguments: &Arguments) -> Result<Exit, Failure> {
    let root = Root::open(&context.root)?;
    // Holding the root keeps owners out until this command ends.
    let _held = Held::take(&context.root, false, None)?;
    let keys = Keys::new(root, context.passphrase.clone(), Box::new(SystemEntropy));
    let done = Unsealed {
        unsealed: keys.unseal()?,
    };
    context.output.one(&done, |done| match done.unsealed {
        0 => "no key is sealed".to_owned(),
        unsealed => format!(
            "{} not encrypted any more, mode 0600",
            count(unsealed, "key")
        ),
    })?;
    Ok(Exit::Done)
}
