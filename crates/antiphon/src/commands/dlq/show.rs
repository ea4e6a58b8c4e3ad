//! `antiphon dlq show`: a dead letter and what it holds.

use antiphon_core::id::Id;
use antiphon_http::model::LetterDetail;
use clap::Args;

use crate::commands::parse_id;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::clean;
use crate::wire::{Context, Need};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The dead letter
    #[arg(value_parser = parse_id)]
    id: Id,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let path = format!("/api/v1/letters/{}", arguments.id);
    let detail: LetterDetail = context.talk(Need::Answers, async |mut client| {
        Ok(client.get(&path).await?)
    })?;
    context.output.one(&detail, tell)?;
    Ok(Exit::Done)
}

fn tell(detail: &LetterDetail) -> String {
    let (letter, payload) = (&detail.letter, &detail.payload);
    let mut lines = vec![
        format!("letter   {}", letter.id),
        format!("parked   {} in record {}", letter.parked_at, letter.seq),
        format!("subject  {}", clean(&letter.subject)),
        format!("code     {}", letter.code),
        format!("error    {}", clean(&letter.error)),
        format!(
            "replays  {}{}",
            letter.replays,
            if letter.purged { ", purged" } else { "" }
        ),
        format!("holds    {}", payload.kind),
    ];
    lines.extend(
        letter
            .signal
            .as_ref()
            .map(|name| format!("signal   {}", clean(name))),
    );
    lines.extend(payload.signal_id.map(|id| format!("         {id}")));
    lines.extend(payload.run.map(|id| format!("run      {id}")));
    lines.extend(
        payload
            .facts
            .as_ref()
            .map(|facts| format!("facts    {}", clean(facts.text()))),
    );
    lines.extend(
        payload
            .excerpt
            .as_ref()
            .map(|text| format!("excerpt  {}", clean(text))),
    );
    lines.extend(
        payload
            .sha256
            .as_ref()
            .map(|hash| format!("sha256   {hash}")),
    );
    lines.join("\n")
}
