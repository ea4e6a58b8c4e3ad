//! Every answer of a witness, and what goes over the wire.

use std::convert::Infallible;

use super::*;
use crate::cosignature::{cosign, cosigned_at_s};
use crate::hash::leaf_hash;
use crate::key::{Algorithm, SigningKey};
use crate::proof::Prover;
use crate::tree::Tree;

/// The leaves of a log: those behind `fork` are another's.
fn leaves(size: u64, fork: u64) -> Vec<Hash> {
    let leaf = |at: u64| leaf_hash(&[at.to_be_bytes(), fork.min(at).to_be_bytes()].concat());
    (0..size).map(leaf).collect()
}

const UNFORKED: u64 = u64::MAX;

fn head(size: u64, fork: u64) -> TreeHead {
    let mut tree = Tree::new();
    for leaf in leaves(size, fork) {
        tree.push(&leaf);
    }
    tree.head()
}

fn log_key() -> SigningKey {
    SigningKey::new("example.com/log", Algorithm::Ed25519, &[1; 32]).unwrap()
}

fn witness_key() -> SigningKey {
    SigningKey::new("witness.example/w1", Algorithm::CosignatureV1, &[2; 32]).unwrap()
}

fn request(old_size: u64, size: u64, fork: u64) -> AddCheckpoint {
    let leaves = leaves(size, fork).concat();
    let mut prover = Prover::new(|_, _| Ok::<_, Infallible>(Some(leaves.clone())));
    let proof = prover.consistency(old_size, size).unwrap_or_default();
    let checkpoint = Checkpoint::new("example.com/log", head(size, fork)).unwrap();
    AddCheckpoint::new(old_size, proof, checkpoint.sign(&log_key()).unwrap()).unwrap()
}

/// Judges with a remembered head and expects an acceptance or a refusal of this status and code.
fn check(request: &AddCheckpoint, remembered: TreeHead, expected: Option<(u16, &str)>) {
    let keys = [log_key().verifier().clone()];
    let head = remembered;
    let known = KnownLog { keys: &keys, head };
    let again = AddCheckpoint::parse(request.to_string().as_bytes()).unwrap();
    assert_eq!(&again, request);
    let judged = judge(request, Some(&known));
    let refused = judged.err().map(|it| (it.status(), it.code()));
    assert_eq!(refused, expected, "{request}");
    assert!(judged.is_err() || judged == Ok(request.checkpoint()));
}

#[test]
fn a_checkpoint_that_follows_is_accepted() {
    for (old, size) in [
        (0, 0),
        (0, 1),
        (0, 7),
        (1, 7),
        (4, 7),
        (7, 7),
        (7, 200),
        (128, 200),
    ] {
        check(&request(old, size, UNFORKED), head(old, UNFORKED), None);
    }
}

#[test]
fn an_unknown_log_is_not_found() {
    let request = request(0, 7, UNFORKED);
    let refusal = judge(&request, None).unwrap_err();
    assert_eq!((refusal.status(), refusal.size()), (404, None));
}

#[test]
fn a_checkpoint_that_no_trusted_key_has_signed_is_forbidden() {
    let request = request(0, 7, UNFORKED);
    let other = SigningKey::new("example.com/log", Algorithm::Ed25519, &[9; 32]).unwrap();
    for keys in [vec![], vec![other.verifier().clone()]] {
        let head = TreeHead::EMPTY;
        let known = KnownLog { keys: &keys, head };
        let refusal = judge(&request, Some(&known)).unwrap_err();
        assert_eq!((refusal.status(), refusal.size()), (403, None));
    }
    let keys = [other.verifier().clone(), log_key().verifier().clone()];
    let head = TreeHead::EMPTY;
    assert!(judge(&request, Some(&KnownLog { keys: &keys, head })).is_ok());
}

#[test]
fn another_old_size_than_the_remembered_one_is_a_conflict_that_tells_it() {
    for old in [0, 1, 3, 5, 7] {
        let request = request(old, 7, UNFORKED);
        check(&request, head(4, UNFORKED), Some((409, "witness.stale")));
    }
    let keys = [log_key().verifier().clone()];
    let head = head(4, UNFORKED);
    let known = KnownLog { keys: &keys, head };
    let refusal = judge(&request(3, 7, UNFORKED), Some(&known)).unwrap_err();
    assert_eq!(refusal.size().map(size_text).as_deref(), Some("4\n"));
}

#[test]
fn a_tree_never_shrinks() {
    for (old, size) in [(1, 0), (7, 6), (7, 0), (9, 8)] {
        let request = request(old, size, UNFORKED);
        check(&request, head(old, UNFORKED), Some((400, "witness.shrunk")));
        let older = request;
        check(&older, head(size, UNFORKED), Some((400, "witness.shrunk")));
    }
}

#[test]
fn another_root_of_the_same_size_is_a_conflict() {
    let fork = request(7, 7, 3);
    check(&fork, head(7, UNFORKED), Some((409, "witness.forked")));
    let checkpoint = Checkpoint::new(
        "log",
        TreeHead {
            size: 0,
            root: [1; 32],
        },
    )
    .unwrap();
    let key = SigningKey::new("log", Algorithm::Ed25519, &[1; 32]).unwrap();
    let request = AddCheckpoint::new(0, Vec::new(), checkpoint.sign(&key).unwrap()).unwrap();
    let keys = [key.verifier().clone()];
    let head = TreeHead::EMPTY;
    let refused = judge(&request, Some(&KnownLog { keys: &keys, head }));
    assert_eq!(refused, Err(Refusal::Forked { size: 0 }));
}

#[test]
fn a_proof_that_does_not_hold_is_unprocessable() {
    let unproven = Some((422, "witness.unproven"));
    check(&request(5, 9, 3), head(5, UNFORKED), unproven);
    let good = request(5, 9, UNFORKED);
    for hash in 0..good.proof.len() {
        let mut changed = good.clone();
        changed.proof[hash][0] ^= 1;
        check(&changed, head(5, UNFORKED), unproven);
    }
    for (old, size) in [(0, 9), (9, 9), (5, 9)] {
        let mut longer = request(old, size, UNFORKED);
        longer.proof.push([1; 32]);
        check(&longer, head(old, UNFORKED), unproven);
    }
    let mut without = good;
    without.proof.clear();
    check(&without, head(5, UNFORKED), unproven);
}

#[test]
fn a_request_is_written_as_the_specification_says() {
    let request = request(5, 9, UNFORKED);
    let hashes: String = request
        .proof
        .iter()
        .map(|it| text::base64(it) + "\n")
        .collect();
    let expected = format!("old 5\n{hashes}\n{}", request.note());
    assert_eq!(request.to_string(), expected);
    assert_eq!((request.old_size(), request.checkpoint().size()), (5, 9));
}

#[test]
fn a_body_that_is_no_request_is_refused() {
    let whole = request(5, 9, UNFORKED).to_string();
    let check = |from: &str, to: &str| {
        let changed = whole.replacen(from, to, 1);
        assert_ne!(changed, whole);
        let refused = AddCheckpoint::parse(changed.as_bytes());
        assert_eq!(refused, Err(Refusal::Malformed), "{changed}");
    };
    check(&whole, "");
    check("old 5", "old 05");
    check("old 5", "old 9223372036854775808");
    check("old 5", "old  5");
    check("old 5", "new 5");
    check("old 5\n", "");
    check("old 5\n", "old 5\n\n");
    check("old 5\n", "old 5\r\n");
    check("=\n", "\n");
    check("\n\n", "\n");
    check("\n\n", "\n\n\n");
    check("example.com/log\n9", "example.com/log\n09");
    check("\u{2014}", "-");
    let line = format!("{}\n", text::base64(&[1; 32]));
    check("old 5\n", &format!("old 5\n{}", line.repeat(HASHES_MAX)));
    let long = vec![b'a'; REQUEST_BYTES_MAX + 1];
    assert_eq!(AddCheckpoint::parse(&long), Err(Refusal::Malformed));
    let text = Note::signed("no checkpoint\n", &log_key()).unwrap();
    let refused = AddCheckpoint::new(0, Vec::new(), text);
    assert_eq!(refused.map_err(|it| it.status()), Err(400));
}

#[test]
fn sizes_come_back_as_they_went() {
    for size in [0, 7, 20_852_163, text::NUMBER_MAX] {
        assert_eq!(parse_size(size_text(size).as_bytes()), Some(size));
    }
    for wrong in ["", "\n", "7", "07\n", "7\n\n", "7 \n", "-7\n"] {
        assert_eq!(parse_size(wrong.as_bytes()), None, "{wrong:?}");
    }
}

#[test]
fn only_the_witness_own_good_cosignatures_are_taken() {
    let (request, witness) = (request(0, 7, UNFORKED), witness_key());
    let good = cosign(request.note(), &witness, 5).unwrap();
    let elsewhere = cosign(
        request.note(),
        &SigningKey::new("w2", Algorithm::CosignatureV1, &[3; 32]).unwrap(),
        5,
    )
    .unwrap();
    let bad = NoteSignature::by(witness.verifier(), vec![0; 72]);
    let spoiling = NoteSignature::by(log_key().verifier(), vec![0; 64]);
    let body = cosignatures_text(&[elsewhere, bad, good.clone(), spoiling]);
    let taken = parse_cosignatures(body.as_bytes(), request.note(), witness.verifier()).unwrap();
    assert_eq!(taken, [good]);
    let mut note = request.note().clone();
    for signature in taken {
        note.add(signature).unwrap();
    }
    assert_eq!(cosigned_at_s(&note, witness.verifier()), Some(5));
    assert!(note.verified_by(log_key().verifier()));
    for wrong in ["", "\n", "old 5\n", body.trim_end()] {
        let refused = parse_cosignatures(wrong.as_bytes(), &note, witness.verifier());
        assert_eq!(refused.unwrap_err().code(), "note.malformed", "{wrong:?}");
    }
}
