//! `antiphon task enable|disable|reset`: the operator's word over the configuration's.

use antiphon_core::name::TaskName;
use antiphon_http::model::Done;
use clap::Args;

use crate::commands::parse_name;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::{Context, Need};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The task
    #[arg(value_parser = parse_name::<TaskName>)]
    name: TaskName,
}

/// What is set.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Setting {
    /// It may start.
    Enable,
    /// It may not.
    Disable,
    /// As the configuration says.
    Reset,
}

impl Setting {
    fn verb(self) -> &'static str {
        match self {
            Setting::Enable => "enable",
            Setting::Disable => "disable",
            Setting::Reset => "reset",
        }
    }

    fn now(self) -> &'static str {
        match self {
            Setting::Enable => "is enabled",
            Setting::Disable => "is disabled",
            Setting::Reset => "is as the configuration says",
        }
    }
}

pub(crate) fn run(
    context: &Context,
    arguments: &Arguments,
    setting: Setting,
) -> Result<Exit, Failure> {
    let path = format!("/api/v1/tasks/{}/{}", arguments.name, setting.verb());
    let done: Done = context.talk(Need::Answers, async |mut client| {
        Ok(client.act(&path).await?)
    })?;
    context.output.one(&done, |done| {
        let already = if done.changed { "" } else { " already" };
        format!("task {} {}{already}", arguments.name, setting.now())
    })?;
    Ok(Exit::Done)
}
