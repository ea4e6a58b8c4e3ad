//! Proofs in files: their exact bytes, and every way in which bytes are none.

use super::*;
use crate::hash::leaf_hash;
use crate::key::{Algorithm, SigningKey};
use crate::tree::{Tree, TreeHead};

fn key() -> SigningKey {
    SigningKey::new("example.com/log", Algorithm::Ed25519, &[1; 32]).unwrap()
}

fn note(head: TreeHead) -> Note {
    let checkpoint = Checkpoint::new("example.com/log", head).unwrap();
    checkpoint.sign(&key()).unwrap()
}

/// The proof of the second of two leaves.
fn proof() -> TlogProof {
    let (first, second) = (leaf_hash(b"first"), leaf_hash(b"second"));
    let mut tree = Tree::new();
    tree.push(&first);
    tree.push(&second);
    TlogProof::new(1, vec![first], note(tree.head())).unwrap()
}

#[test]
fn a_proof_is_written_as_the_specification_says() {
    let proof = proof();
    let first = text::base64(&leaf_hash(b"first"));
    let expected = format!(
        "c2sp.org/tlog-proof@v1\nindex 1\n{first}\n\n{}",
        proof.note()
    );
    assert_eq!(proof.to_string(), expected);
    assert_eq!(TlogProof::parse(expected.as_bytes()), Ok(proof));
}

#[test]
fn a_proof_shows_its_entry_and_no_other() {
    let proof = TlogProof::parse(proof().to_string().as_bytes()).unwrap();
    assert!(proof.note().verified_by(key().verifier()));
    assert_eq!(proof.checkpoint().origin(), "example.com/log");
    assert_eq!(proof.verify(&leaf_hash(b"second")), Ok(()));
    assert_eq!(
        proof.verify(&leaf_hash(b"first")),
        Err(ProofError::Inclusion)
    );
}

#[test]
fn the_only_entry_needs_no_hash() {
    let leaf = leaf_hash(b"only");
    let head = TreeHead {
        size: 1,
        root: leaf,
    };
    let proof = TlogProof::new(0, Vec::new(), note(head)).unwrap();
    let text = proof.to_string();
    assert!(text.starts_with("c2sp.org/tlog-proof@v1\nindex 0\n\nexample.com/log\n1\n"));
    assert_eq!(
        TlogProof::parse(text.as_bytes()).unwrap().verify(&leaf),
        Ok(())
    );
}

#[test]
fn extra_data_is_kept_and_changes_nothing() {
    let plain = proof().to_string();
    let extra = plain.replace("index", "extra ZXh0cmE=\nindex");
    let proof = TlogProof::parse(extra.as_bytes()).unwrap();
    assert_eq!(proof.extra(), Some(b"extra".as_slice()));
    assert_eq!(proof.to_string(), extra);
    assert_eq!(proof.verify(&leaf_hash(b"second")), Ok(()));
    let empty = plain.replace("index", "extra \nindex");
    assert_eq!(
        TlogProof::parse(empty.as_bytes()).unwrap().to_string(),
        empty
    );
}

#[test]
fn bytes_that_are_no_proof_are_refused() {
    let whole = proof().to_string();
    let check = |from: &str, to: &str, code| {
        let changed = whole.replacen(from, to, 1);
        assert_ne!(changed, whole);
        let refused = TlogProof::parse(changed.as_bytes()).map_err(|error| error.code());
        assert_eq!(refused, Err(code), "{changed}");
    };
    check(&whole, "", "proof.malformed");
    check("@v1", "@v2", "proof.malformed");
    check("c2sp", "\nc2sp", "proof.malformed");
    check("index 1", "index 01", "proof.malformed");
    check("index 1", "index 2", "proof.malformed");
    check("index 1", "index  1", "proof.malformed");
    check("index 1", "index", "proof.malformed");
    check("index 1\n", "", "proof.malformed");
    check("index 1", "index 1\nextra ZXh0cmE=", "proof.malformed");
    check("index", "extra\nindex", "proof.malformed");
    check("index", "extra !\nindex", "proof.malformed");
    check(
        "index",
        "extra ZXh0cmE=\nextra ZXh0cmE=\nindex",
        "proof.malformed",
    );
    check("\n\n", "\n", "proof.malformed");
    check("\n\n", "\n \n\n", "proof.malformed");
    check("\n\n", "\r\n\n", "proof.malformed");
    check("\n\n", "\n\n\n", "checkpoint.malformed");
    check(
        "example.com/log\n2",
        "example.com/log\n02",
        "checkpoint.malformed",
    );
    check("\u{2014}", "-", "note.malformed");
    let line = format!("{}\n", text::base64(&[1; 32]));
    let hashes = |count| line.repeat(count) + "\nexample";
    check("\nexample", &hashes(HASHES_MAX), "proof.malformed");
    let most = whole.replacen("\nexample", &hashes(HASHES_MAX - 1), 1);
    assert!(TlogProof::parse(most.as_bytes()).is_ok());
    let long = format!("extra {}\nindex", "A".repeat(EXTRA_BYTES_MAX + 4));
    check("index", &long, "proof.malformed");
    let refused = TlogProof::parse(&vec![b'a'; PROOF_BYTES_MAX + 1]);
    assert_eq!(refused.unwrap_err().code(), "proof.malformed");
    let mut not_utf8 = whole.clone().into_bytes();
    not_utf8[0] = 0xff;
    assert_eq!(
        TlogProof::parse(&not_utf8).unwrap_err().code(),
        "proof.malformed"
    );
}

#[test]
fn every_flipped_bit_of_a_file_is_found() {
    let whole = proof().to_string().into_bytes();
    let leaf = leaf_hash(b"second");
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let holds = TlogProof::parse(&flipped).is_ok_and(|proof| {
            proof.note().verified_by(key().verifier()) && proof.verify(&leaf).is_ok()
        });
        assert!(!holds, "bit {bit}");
    }
}
