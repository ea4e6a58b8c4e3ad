//! What can be known of one record by itself, so that many threads may find it out.
//!
//! In: an envelope and a body as stored. Out: [`Examined`]: its leaf, its place as it says, and
//! what is wrong with it alone. Not here: whether it stands where it says, behind the record that
//! it names ([`super::Verifier::take`]).

use super::ProblemKind;
use crate::envelope::Envelope;
use crate::hash::{Hash, SALT_BYTES, body_hash, hex, leaf_hash};
use crate::keyring::Keyring;
use crate::signature::is_never_pruned;

/// Says what is wrong with the JSON of a body as JSON; this crate knows only what it hashes to.
pub type BodyCheck = dyn Fn(&[u8]) -> Result<(), String> + Sync;

/// What one record is by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    pub(super) leaf: Hash,
    pub(super) place: Result<Place, Box<str>>,
    pub(super) is_pruned: bool,
    /// Whether it may have to do with keys: it is signed, or must be, or brings keys.
    pub(crate) concerns_keys: bool,
    pub(super) body_problem: Option<Box<(ProblemKind, String)>>,
}

impl Examined {
    /// What is wrong with its body.
    pub(crate) fn into_body_problem(self) -> Option<(ProblemKind, String)> {
        self.body_problem.map(|problem| *problem)
    }
}

/// Where a record says that it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) seq: u64,
    pub(super) prev: Hash,
}

/// Examines a record: its envelope, and its body as stored, `None` when it was pruned; `check` is
/// asked about the JSON of a body that is the one that was hashed.
#[must_use]
pub fn examine(envelope: &[u8], body: Option<&[u8]>, check: Option<&BodyCheck>) -> Examined {
    let leaf = leaf_hash(envelope);
    let is_pruned = body.is_none();
    match Envelope::decode(envelope) {
        Ok(envelope) => Examined {
            leaf,
            place: Ok(Place {
                seq: envelope.seq,
                prev: envelope.prev,
            }),
            is_pruned,
            concerns_keys: Keyring::concerns(&envelope),
            body_problem: match body {
                Some(stored) => body_problem(&envelope, stored, check),
                None => pruned_problem(envelope.kind),
            },
        },
        Err(error) => Examined {
            leaf,
            place: Err(error.to_string().into()),
            is_pruned: false,
            concerns_keys: false,
            body_problem: None,
        },
    }
}

/// What keeps the body from being the one that the envelope commits to.
fn body_problem(
    envelope: &Envelope<'_>,
    stored: &[u8],
    check: Option<&BodyCheck>,
) -> Option<Box<(ProblemKind, String)>> {
    let expected = u64::from(envelope.body_bytes);
    let json = stored.get(SALT_BYTES..);
    let found = json.and_then(|json| u64::try_from(json.len()).ok());
    if found != Some(expected) {
        let bytes = stored.len();
        let detail = format!("{bytes} bytes are stored, the JSON should have {expected}");
        return Some(Box::new((ProblemKind::BodyLength, detail)));
    }
    if body_hash(stored) != envelope.body_sha256 {
        let detail = format!("its hash is not {}", hex(&envelope.body_sha256));
        return Some(Box::new((ProblemKind::BodyHash, detail)));
    }
    let detail = check?(json?).err()?;
    Some(Box::new((ProblemKind::BodyCanonical, detail)))
}

/// What is wrong when the body of a record of this kind was pruned.
fn pruned_problem(kind: &str) -> Option<Box<(ProblemKind, String)>> {
    let detail = format!("bodies of kind {kind} are never pruned");
    is_never_pruned(kind).then(|| Box::new((ProblemKind::BodyPruned, detail)))
}
