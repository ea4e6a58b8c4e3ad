//! `antiphon key show`.

use antiphon_core::name::AgentName;
use antiphon_http::model::KeyInfo;
use clap::Args;

use super::all;
use super::list::held;
use crate::commands::parse_name;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::duration;
use crate::wire::{Context, Need};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The agent
    #[arg(value_parser = parse_name::<AgentName>)]
    agent: AgentName,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let mut keys = context.talk(Need::Answers, async |mut client| all(&mut client).await)?;
    keys.retain(|key| key.agent == arguments.agent.as_str());
    if keys.is_empty() {
        let what = format!("a key of {}", arguments.agent);
        return Err(Failure::NotFound { what });
    }
    if context.output.is_json() {
        keys.iter().try_for_each(|key| context.output.json(key))?;
    } else {
        let told: Vec<String> = keys.iter().map(tell).collect();
        context.output.line(&told.join("\n\n"))?;
    }
    Ok(Exit::Done)
}

fn tell(key: &KeyInfo) -> String {
    let mut lines = vec![
        format!("id        {}", key.id),
        format!("agent     {}", key.agent),
        format!("state     {}", key.state),
        format!("secret    {}", held(key)),
        format!("key       {}", key.key),
    ];
    if let Some(from) = key.from {
        let to = key
            .to
            .map_or_else(|| "on".to_owned(), |to| format!("and below record {to}"));
        lines.push(format!("valid     from record {from} {to}"));
    }
    if let (Some(age_ms), Some(due_ms)) = (key.age_ms, key.due_ms) {
        let due = match due_ms {
            0 => "overdue".to_owned(),
            due_ms => format!("to be rotated in {}", duration(due_ms)),
        };
        lines.push(format!("age       {}, {due}", duration(age_ms)));
    }
    if let Some(replaced_ms) = key.replaced_ms {
        lines.push(format!("replaced  {} ago", duration(replaced_ms)));
    }
    lines.join("\n")
}
