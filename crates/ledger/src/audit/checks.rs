//! What is checked once, when all records are read: keys that are trusted, and who signed the
//! checkpoint.

use super::{Findings, Part};
use crate::key::VerifierKey;
use crate::keyring::Keyring;
use crate::signature::{LOG, RECOVERY};
use crate::trust::{Sealed, Trust};
use crate::verify::ProblemKind;

/// The checkpoint that `bytes` are.
pub(crate) fn read_checkpoint(
    bytes: Option<&[u8]>,
    is_required: bool,
    findings: &mut Findings,
) -> Option<Sealed> {
    let (kind, detail) = match bytes.map(Sealed::parse) {
        Some(Ok(sealed)) => return Some(sealed),
        Some(Err(error)) => (ProblemKind::CheckpointMalformed, error.to_string()),
        None if is_required => (ProblemKind::CheckpointMissing, "there is none".to_owned()),
        None => return None,
    };
    findings.add_whole(Part::Checkpoint, kind, detail);
    None
}

/// Whether the keys of a log with `size` records are the trusted ones.
pub(crate) fn check_trust(trust: &Trust, keyring: &Keyring, size: u64, findings: &mut Findings) {
    let trusted = [
        (LOG, Some(&trust.log_key)),
        (RECOVERY, trust.recovery_key.as_ref()),
    ];
    for (agent, key) in trusted {
        let Some(key) = key else { continue };
        let valid = keyring.valid_at(agent, trust.key_size);
        if valid.is_none_or(|it| it.key != *key) || trust.key_size > size {
            let place = trust.key_size;
            let detail = format!("the key of {agent} at {place} is not {}", key.id());
            findings.add_whole(Part::Trust, ProblemKind::KeyUntrusted, detail);
        }
    }
}

/// Whether `key`, which is valid at its place, signed the checkpoint, and the trusted witnesses
/// that it needs cosigned it; the names of those that did.
pub(crate) fn check_signatures(
    sealed: &Sealed,
    key: Option<&VerifierKey>,
    trust: Option<&Trust>,
    findings: &mut Findings,
) -> Vec<String> {
    let mut refuse = |detail: String| {
        findings.add_whole(Part::Signatures, ProblemKind::CheckpointSignature, detail);
    };
    match key.map(|it| (sealed.is_signed_by(it), it.id())) {
        Some((Some(true), _)) => {}
        Some((Some(false), id)) => {
            refuse(format!("the signature of the log's key {id} does not fit"));
        }
        Some((None, id)) => refuse(format!("the log's key {id} has not signed it")),
        None => refuse("the log has no key at its size".to_owned()),
    }
    let Some(trust) = trust else {
        return Vec::new();
    };
    let mut cosigners: Vec<&VerifierKey> = Vec::new();
    for witness in &trust.witnesses {
        match sealed.is_signed_by(witness) {
            #[cfg(antiphon_plant)]
            Some(true) if crate::plant::is("witness_counted_twice") => cosigners.push(witness),
            Some(true) if !cosigners.contains(&witness) => cosigners.push(witness),
            Some(true) | None => {}
            Some(false) => refuse(format!(
                "the cosignature of {} does not fit",
                witness.name()
            )),
        }
    }
    let (found, needed) = (cosigners.len(), trust.cosignatures_required);
    if u64::try_from(found).is_ok_and(|found| found < needed) {
        let detail = format!("{found} trusted witnesses have cosigned it, {needed} must have");
        findings.add_whole(Part::Signatures, ProblemKind::CosignatureMissing, detail);
    }
    let mut names: Vec<String> = cosigners.iter().map(|it| it.name().to_owned()).collect();
    names.sort();
    names
}
