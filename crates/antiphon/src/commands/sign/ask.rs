//! `antiphon sign ask`: an answer to a rule that asks first.

use antiphon_core::id::Id;
use antiphon_core::name::RuleName;
use antiphon_core::record::{AskAnswered, Body};
use clap::{Args, ValueEnum};

use super::{Signer, print};
use crate::commands::{parse_id, parse_name};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::Context;

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The ask, as `antiphon status` lists it
    #[arg(value_parser = parse_id)]
    ask: Id,
    /// The answer
    answer: Answer,
    /// The rule that asks, as `antiphon status` lists it
    #[arg(long, value_name = "NAME", value_parser = parse_name::<RuleName>)]
    rule: RuleName,
    #[command(flatten)]
    signer: Signer,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Answer {
    /// It may act
    Permit,
    /// It may not
    Deny,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    print(context, &arguments.signer, |by| {
        Body::AskAnswered(Box::new(AskAnswered {
            ask: arguments.ask,
            by,
            permit: arguments.answer == Answer::Permit,
            rule: arguments.rule.clone(),
        }))
    })
}
