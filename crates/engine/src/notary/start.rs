//! What an owner finds when it starts: the checkpoint that was saved, held against the log.
//!
//! A log that is shorter than its checkpoint, or has another root at its size, was cut or changed:
//! it is refused, and stays as it is. Source: reliability rows A34, F17, F18, F20.

use antiphon_core::key::LOG;
use antiphon_core::state::Keys;
use antiphon_ledger::checkpoint::Checkpoint;
use antiphon_ledger::cosignature::cosigned_at_s;
use antiphon_ledger::hash::hex;
use antiphon_ledger::key::VerifierKey;
use antiphon_ledger::note::Note;

use super::Signed;
use crate::error::EngineError;
use crate::ports::store::{Head, LogReader};
use crate::recover::tree_at;

/// Holds the saved checkpoint against the log that ends at `head`; `witnesses` are the names and
/// keys of those whose cosignatures count.
///
/// # Errors
/// [`EngineError::Checkpoint`] when it is none of this log, or the log is not the one that it seals;
/// [`EngineError::Store`] when the log cannot be read.
pub(crate) fn verify_stored(
    stored: &[u8],
    keys: &Keys,
    head: &Head,
    log: &mut dyn LogReader,
    witnesses: &[(String, VerifierKey)],
) -> Result<Signed, EngineError> {
    let note =
        Note::parse(stored).map_err(|error| refused("checkpoint.malformed", error.to_string()))?;
    let checkpoint: Checkpoint = note
        .text()
        .parse()
        .map_err(|error| refused("checkpoint.malformed", format!("{error}")))?;
    if checkpoint.origin() != keys.origin {
        let detail = format!(
            "it is of {}, the log is {}",
            checkpoint.origin(),
            keys.origin
        );
        return Err(refused("checkpoint.origin", detail));
    }
    let agent = keys.agents.get(LOG);
    let replaced = agent.iter().flat_map(|agent| &agent.replaced);
    let active = agent.iter().map(|agent| &agent.active.key);
    let mut all = active.chain(replaced.map(|key| &key.key));
    let is_ours = all.any(|key| {
        let key = key.as_str().parse::<VerifierKey>();
        key.is_ok_and(|key| note.verified_by(&key))
    });
    if !is_ours {
        let detail = "no key of the log has signed it".to_owned();
        return Err(refused("checkpoint.signature", detail));
    }
    let size = checkpoint.size();
    if size > head.next_seq {
        let detail = format!("it covers {size} records, the log has {}", head.next_seq);
        return Err(refused("checkpoint.size", detail));
    }
    let (tree, _last_leaf) = tree_at(log, size)?;
    if tree.root() != *checkpoint.root() {
        let (found, sealed) = (hex(&tree.root()), hex(checkpoint.root()));
        let detail = format!("the first {size} records make the root {found}, it says {sealed}");
        return Err(refused("checkpoint.root", detail));
    }
    let has_cosigned = |(_, key): &&(String, VerifierKey)| cosigned_at_s(&note, key).is_some();
    let cosigned_by = witnesses.iter().filter(has_cosigned);
    let cosigned_by = cosigned_by.map(|(name, _)| name.clone()).collect();
    Ok(Signed {
        checkpoint,
        note,
        cosigned_by,
    })
}

fn refused(code: &'static str, detail: String) -> EngineError {
    EngineError::Checkpoint { code, detail }
}
