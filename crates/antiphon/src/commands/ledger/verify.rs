//! `antiphon ledger verify`: reads the whole log and checks chain, tree, bodies and tiles.
//!
//! Reads the files themselves, without an owner and beside one that runs: records that are
//! appended meanwhile are left for the next time.

use std::io::IsTerminal as _;
use std::path::Path;

use antiphon_backend_sqlite::open_reader;
use antiphon_engine::ports::store::{Head, LogReader, StoreError};
use antiphon_ledger::TreeHead;
use antiphon_ledger::hash::hex;
use antiphon_ledger::verify::{Statement, Verifier};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::tone::Tone;
use crate::wire::Context;

/// Bytes of turns that are read at a time.
const READ_BYTES: usize = 4 * 1024 * 1024;

#[derive(Args, Debug)]
pub(crate) struct Arguments {}

/// What `ledger verify` says.
#[derive(Debug, Serialize)]
struct Verdict {
    /// Whether nothing is wrong.
    ok: bool,
    /// Records that were read.
    size: u64,
    /// The root of the tree over them, in hexadecimal.
    root: String,
    /// The size at the newest signed checkpoint; `null` when there is none.
    checkpoint_size: Option<u64>,
    /// Bodies that were pruned and could not be checked.
    pruned: u64,
    /// How many problems there are.
    problem_count: u64,
    /// The first of them.
    problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug, Serialize)]
struct Problem {
    /// The first record that it affects.
    seq: u64,
    /// What kind of problem it is.
    code: String,
    /// More of it.
    detail: String,
}

pub(crate) fn run(context: &Context, _arguments: &Arguments) -> Result<Exit, Failure> {
    antiphon_files::Root::open(&context.root)?;
    let mut log = open_reader(&context.root)?;
    let head = log.head()?;
    let statement = verify(&mut *log, &head, &progress(context, head.next_seq))?;
    let verdict = Verdict {
        ok: statement.is_intact(),
        size: statement.size,
        root: hex(&statement.root),
        checkpoint_size: None,
        pruned: statement.pruned,
        problem_count: statement.problem_count,
        problems: statement
            .problems
            .iter()
            .map(|problem| Problem {
                seq: problem.seq,
                code: problem.kind.code().to_owned(),
                detail: problem.detail.clone(),
            })
            .collect(),
    };
    context
        .output
        .one(&verdict, |verdict| tell(context.output, verdict))?;
    Ok(if verdict.ok {
        Exit::Done
    } else {
        Exit::VerificationFailed
    })
}

/// Reads and checks the whole log of `root`, without progress.
///
/// # Errors
/// [`Failure::Store`] when it cannot be read.
pub(crate) fn verify_root(root: &Path) -> Result<Statement, Failure> {
    let mut log = open_reader(root)?;
    let head = log.head()?;
    Ok(verify(&mut *log, &head, &ProgressBar::hidden())?)
}

fn verify(
    log: &mut dyn LogReader,
    head: &Head,
    progress: &ProgressBar,
) -> Result<Statement, StoreError> {
    let mut verifier = Verifier::new().with_tiles();
    // Nothing has been read, so no head lies behind.
    let is_ahead = verifier.expect(&TreeHead {
        size: head.next_seq,
        root: head.root,
    });
    debug_assert!(is_ahead, "a verifier begins at the start");
    let mut next_seq = 0;
    while next_seq < head.next_seq {
        let turns = log.turns_from(next_seq, READ_BYTES)?;
        if turns.is_empty() {
            break;
        }
        for turn in turns
            .iter()
            .take_while(|turn| turn.first_seq < head.next_seq)
        {
            for record in turn.records()? {
                verifier.record(record.envelope, record.body);
            }
            verifier.turn_root(&turn.root);
            next_seq = turn.first_seq.saturating_add(u64::from(turn.count));
        }
        let mut unread = None;
        verifier.verify_tiles(|level, index| match log.tiles(level, index, 1) {
            Ok(tiles) => tiles
                .into_iter()
                .next()
                .filter(|tile| tile.index == index)
                .map(|tile| tile.hashes),
            Err(error) => {
                unread.get_or_insert(error);
                None
            }
        });
        if let Some(error) = unread {
            return Err(error);
        }
        progress.set_position(next_seq);
    }
    progress.finish_and_clear();
    Ok(verifier.finish())
}

fn progress(context: &Context, records: u64) -> ProgressBar {
    if context.output.is_json() || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} records, {eta}");
    let bar = ProgressBar::new(records);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_unknown_key) => bar,
    }
}

fn tell(output: Output, verdict: &Verdict) -> String {
    let mut lines = Vec::new();
    if verdict.ok {
        let intact = output.paint(Tone::Good, "intact");
        lines.push(format!(
            "{intact}: {} records, root {}",
            verdict.size, verdict.root
        ));
    } else {
        let damaged = output.paint(Tone::Bad, "damaged");
        lines.push(format!(
            "{damaged}: {} problems in {} records",
            verdict.problem_count, verdict.size
        ));
        for problem in &verdict.problems {
            lines.push(format!(
                "record {}: {} ({})",
                problem.seq, problem.detail, problem.code
            ));
        }
    }
    if verdict.pruned > 0 {
        lines.push(format!(
            "{} bodies were pruned and could not be checked",
            verdict.pruned
        ));
    }
    lines.join("\n")
}
