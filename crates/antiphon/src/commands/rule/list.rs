//! `antiphon rule list`.

use antiphon_http::model::RuleInfo;
use clap::Args;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::clip;
use crate::output::table::{Cell, Table};
use crate::output::tone::Tone;
use crate::wire::{Context, Need};

/// Characters of a condition in a row.
const WHEN_LENGTH_MAX: usize = 60;

#[derive(Args, Debug)]
pub(crate) struct Arguments {}

pub(crate) fn run(context: &Context, _arguments: &Arguments) -> Result<Exit, Failure> {
    let rules: Vec<RuleInfo> = context.talk(Need::Answers, async |mut client| {
        Ok(client.get("/api/v1/rules").await?)
    })?;
    context
        .output
        .list(&rules, "no rules: the configuration names none", table)?;
    Ok(Exit::Done)
}

fn table(rules: &[RuleInfo]) -> Table {
    let mut table = Table::new(&["NAME", "ON", "WHEN", "EMIT", "TASK", "ENABLED"]);
    for rule in rules {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let when = rule.when.as_deref().unwrap_or("always");
        let (word, tone) = if rule.enabled {
            ("yes", Tone::Good)
        } else {
            ("no", Tone::Warn)
        };
        table.row([
            Cell::new(&rule.name, Tone::Name),
            rule.on.as_str().into(),
            clip(when, WHEN_LENGTH_MAX).into(),
            or_dash(&rule.emit).into(),
            or_dash(&rule.task).into(),
            Cell::new(word, tone),
        ]);
    }
    table
}
