//! `antiphon sign stop`: the operator's mode.
//!
//! The record holds every guard, so whoever signs says what the guard files are: nothing is there
//! unless the options say so. It names the record that it replaces, so that it counts once.

use antiphon_core::guard::{Guards, Mode, Switch};
use antiphon_core::record::{Body, GuardChanged};
use clap::{Args, ValueEnum};

use super::{Signer, print};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::Context;

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The mode
    mode: Word,
    /// Why, for the log
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// The record that changed the guards last, as `antiphon status` shows it
    #[arg(long, value_name = "SEQ")]
    replaces: u64,
    /// The file `maintenance_mode` is there
    #[arg(long)]
    maintenance: bool,
    /// The file `killswitch` is there
    #[arg(long)]
    killswitch: bool,
    #[command(flatten)]
    signer: Signer,
}

/// The modes, as `antiphon stop` calls them.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Word {
    /// Finish what runs, start nothing new
    Drain,
    /// As drain, and mean to come back
    Pause,
    /// Kill what runs, start nothing
    Kill,
    /// Let work go on
    Resume,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let guards = Guards {
        maintenance: arguments.maintenance,
        mode: match arguments.mode {
            Word::Drain => Mode::Drain,
            Word::Pause => Mode::Pause,
            Word::Kill => Mode::Kill,
            Word::Resume => Mode::Normal,
        },
        switch: if arguments.killswitch {
            Switch::Engaged
        } else {
            Switch::Clear
        },
    };
    print(context, &arguments.signer, |by| {
        Body::GuardChanged(Box::new(GuardChanged {
            by,
            guards,
            reason: arguments.reason.clone(),
            replaces: arguments.replaces,
        }))
    })
}
