//! The parsers of the ledger's formats. One form of everything is accepted, and what no key has
//! signed is never taken for signed.

use std::sync::LazyLock;

use antiphon_ledger::checkpoint::Checkpoint;
use antiphon_ledger::hash::leaf_hash;
use antiphon_ledger::key::{Algorithm, SigningKey, VerifierKey};
use antiphon_ledger::note::Note;
use antiphon_ledger::tile::{
    TilePath, decode_bodies, decode_entries, encode_bodies, encode_entries,
};
use antiphon_ledger::tlog_proof::TlogProof;
use antiphon_ledger::tree::TreeHead;
use antiphon_ledger::witness::{AddCheckpoint, KnownLog, judge};

/// The key that has signed [`SIGNED`] and nothing else; the seeds of notes are by it.
static KEY: LazyLock<SigningKey> = LazyLock::new(|| {
    let key = SigningKey::new("example.com/log", Algorithm::Ed25519, &[1; 32]);
    key.unwrap_or_else(|error| panic!("{error}"))
});

/// A tree of the two leaves `first` and `second`.
const SIGNED: &str = "example.com/log\n2\nOuW/pX/6dp2WNKhvOiYoaqaf1Q6gWF+AYfkCrV8DJ/c=\n";

/// A bundle behind its width in two bytes: what decodes encodes to the same bytes.
#[must_use]
pub fn bundle(bytes: &[u8]) -> bool {
    let Some((width, bundle)) = bytes.split_first_chunk() else {
        return false;
    };
    let width = u16::from_be_bytes(*width);
    let entries = decode_entries(bundle, width);
    if let Ok(entries) = &entries {
        let again = encode_entries(entries.iter().copied());
        assert_eq!(again.as_deref(), Ok(bundle), "entries have two forms");
    }
    let bodies = decode_bodies(bundle, width);
    if let Ok(bodies) = &bodies {
        let again = encode_bodies(bodies.iter().copied());
        assert_eq!(again.as_deref(), Ok(bundle), "bodies have two forms");
    }
    entries.is_ok() || bodies.is_ok()
}

/// A checkpoint that is read is written as the text it came from, but for extension lines.
#[must_use]
pub fn checkpoint(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Ok(checkpoint) = text.parse::<Checkpoint>() else {
        return false;
    };
    let again = checkpoint.to_string();
    assert!(text.starts_with(&again), "a checkpoint has two forms");
    assert_eq!(
        again.parse(),
        Ok(checkpoint),
        "a checkpoint is not read again"
    );
    true
}

/// A note that is read is written as the bytes it came from, and is verified only if its text was
/// signed.
#[must_use]
pub fn note(bytes: &[u8]) -> bool {
    let Ok(note) = Note::parse(bytes) else {
        return false;
    };
    assert_eq!(note.to_string().as_bytes(), bytes, "a note has two forms");
    let verified = note.verified_by(KEY.verifier());
    assert!(
        !verified || note.text() == SIGNED,
        "an unsigned text is verified"
    );
    true
}

/// A path that is read is written as it was.
#[must_use]
pub fn tile_path(bytes: &[u8]) -> bool {
    let path = std::str::from_utf8(bytes).ok();
    let Some((path, tile)) = path.and_then(|it| Some((it, it.parse::<TilePath>().ok()?))) else {
        return false;
    };
    assert_eq!(tile.to_string(), path, "a path has two forms");
    let _never_panics = tile.is_within(u64::MAX);
    true
}

/// A proof that is read is written as it was, and shows only the entry that it was made for, once
/// its checkpoint is verified.
#[must_use]
pub fn tlog_proof(bytes: &[u8]) -> bool {
    let Ok(proof) = TlogProof::parse(bytes) else {
        return false;
    };
    assert_eq!(proof.to_string().as_bytes(), bytes, "a proof has two forms");
    let verified = proof.note().verified_by(KEY.verifier());
    let (first, second) = (leaf_hash(b"first"), leaf_hash(b"second"));
    for (leaf, index) in [(first, 0), (second, 1), (leaf_hash(b"third"), 2)] {
        let shown = proof.verify(&leaf).is_ok() && verified;
        assert!(
            !shown || proof.index() == index && index < 2,
            "a proof of another entry"
        );
    }
    true
}

/// A key that is read is written as it was.
#[must_use]
pub fn verifier_key(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let verifier = text.parse::<VerifierKey>();
    if let Ok(key) = &verifier {
        assert_eq!(key.to_string(), text, "a verifier key has two forms");
    }
    let secret = SigningKey::from_private_text(text);
    if let Ok(key) = &secret {
        let again = key.to_private_text();
        assert_eq!(again.as_str(), text, "a private key has two forms");
    }
    verifier.is_ok() || secret.is_ok()
}

/// A request that is read is written as it was, and only the signed checkpoint is accepted, by a
/// witness that has seen nothing and by one that has seen its first leaf.
#[must_use]
pub fn witness_request(bytes: &[u8]) -> bool {
    let Ok(request) = AddCheckpoint::parse(bytes) else {
        return false;
    };
    assert_eq!(
        request.to_string().as_bytes(),
        bytes,
        "a request has two forms"
    );
    let keys = [KEY.verifier().clone()];
    let one = TreeHead {
        size: 1,
        root: leaf_hash(b"first"),
    };
    for head in [TreeHead::EMPTY, one] {
        let accepted = judge(&request, Some(&KnownLog { keys: &keys, head }));
        if let Ok(checkpoint) = accepted {
            assert_eq!(
                checkpoint.to_string(),
                SIGNED,
                "another checkpoint is accepted"
            );
        }
    }
    true
}
