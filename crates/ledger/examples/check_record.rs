//! An outside verifier: is this record in that log, by keys that I trust?
//!
//! ```text
//! cargo run -p antiphon-ledger --example check_record -- TRUST CHECKPOINT PROOF ENVELOPE
//! ```
//!
//! TRUST is the verifier's own trust file; the others are what somebody handed over: a log's
//! checkpoint, a tlog-proof and the record's envelope, as `ledger export` writes them. It says yes
//! and ends with 0, or says why not and ends with 1. Nothing but this crate is asked.
//!
//! It trusts the one key of the log that the trust file names. Whoever must follow rotations walks
//! the log: see `antiphon_ledger::audit`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example stands where the program of a verifier would"
)]

use std::error::Error;
use std::process::ExitCode;

use antiphon_ledger::checkpoint::Checkpoint;
use antiphon_ledger::cosignature::cosigned_at_s;
use antiphon_ledger::envelope::Envelope;
use antiphon_ledger::hash::{hex, leaf_hash};
use antiphon_ledger::note::Note;
use antiphon_ledger::proof::verify_consistency;
use antiphon_ledger::tlog_proof::TlogProof;
use antiphon_ledger::trust::Trust;

fn main() -> ExitCode {
    let paths: Vec<_> = std::env::args_os().skip(1).collect();
    let [trust, checkpoint, proof, envelope] = paths.as_slice() else {
        eprintln!("check_record TRUST CHECKPOINT PROOF ENVELOPE");
        return ExitCode::from(2);
    };
    let read = |path| std::fs::read(path).map_err(Box::<dyn Error>::from);
    let checked = (|| {
        let evidence = [read(checkpoint)?, read(proof)?, read(envelope)?];
        check(&read(trust)?, &evidence)
    })();
    match checked {
        Ok(record) => {
            println!("yes: {record}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("no: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is shown, in words; an error that says why it is not.
pub(crate) fn check(
    trust: &[u8],
    [checkpoint, proof, envelope]: &[Vec<u8>; 3],
) -> Result<String, Box<dyn Error>> {
    let trust = Trust::parse(trust)?;

    // The checkpoint means nothing until a key that we trust has signed it for the log we mean.
    let note = Note::parse(checkpoint)?;
    if !note.verified_by(&trust.log_key) {
        return Err("the log's key has not signed the checkpoint".into());
    }
    let checkpoint: Checkpoint = note.text().parse()?;
    if checkpoint.origin() != trust.origin {
        return Err(format!("it is the log {}", checkpoint.origin()).into());
    }
    let witnesses = trust.witnesses.iter();
    let cosigned = witnesses
        .filter_map(|key| cosigned_at_s(&note, key))
        .count();
    if u64::try_from(cosigned)? < trust.cosignatures_required {
        return Err(format!("only {cosigned} of our witnesses have cosigned it").into());
    }
    // What we saw before is a beginning of it. Sizes that differ need a proof of consistency.
    if let Some(seen) = &trust.head {
        let seen = seen.checkpoint().head();
        if seen.size >= checkpoint.size() {
            verify_consistency(&seen, &checkpoint.head(), &[])?;
        }
    }

    // The proof leads from the envelope's hash to the root of that checkpoint and no other.
    let proof = TlogProof::parse(proof)?;
    if proof.checkpoint() != &checkpoint {
        return Err("the proof is for another checkpoint".into());
    }
    let leaf = leaf_hash(envelope);
    proof.verify(&leaf)?;

    // The envelope says of itself where it stands, and which body it commits to.
    let envelope = Envelope::decode(envelope)?;
    if envelope.seq != proof.index() {
        return Err("the envelope stands at another place than it says".into());
    }
    let (seq, kind, body) = (envelope.seq, envelope.kind, hex(&envelope.body_sha256));
    let (origin, size) = (checkpoint.origin(), checkpoint.size());
    Ok(format!(
        "record {seq} of {origin} is a {kind} with the body {body}, sealed at {size}, {cosigned} cosignatures"
    ))
}
