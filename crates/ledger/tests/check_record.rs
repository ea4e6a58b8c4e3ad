//! The example for outside verifiers says yes to what is so, and no to everything else.
#![allow(dead_code, reason = "the example's own main is not called")]
#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

#[path = "../examples/check_record.rs"]
mod example;

use antiphon_ledger::checkpoint::Checkpoint;
use antiphon_ledger::cosignature::cosign;
use antiphon_ledger::hash::leaf_hash;
use antiphon_ledger::key::{Algorithm, SigningKey};
use antiphon_ledger::note::Note;
use antiphon_ledger::tlog_proof::TlogProof;
use antiphon_ledger::tree::{Tree, TreeHead};

const ORIGIN: &str = "example.com/log";
const ENVELOPE: &[u8] = include_bytes!("golden/envelope.json").trim_ascii_end();

fn key(seed: u8) -> SigningKey {
    SigningKey::new(ORIGIN, Algorithm::Ed25519, &[seed; 32]).unwrap()
}

fn witness() -> SigningKey {
    SigningKey::new("witness.example/w1", Algorithm::CosignatureV1, &[2; 32]).unwrap()
}

fn trust(log_key: &SigningKey, origin: &str, head: Option<&Note>) -> String {
    let head = head.map(|note| {
        format!(
            r#","head":{}"#,
            serde_json::to_string(&note.to_string()).unwrap()
        )
    });
    format!(
        r#"{{"origin":"{origin}","log_key":"{}","key_size":0,"witnesses":["{}"],"cosignatures_required":1{}}}"#,
        log_key.verifier(),
        witness().verifier(),
        head.unwrap_or_default()
    )
}

/// A checkpoint of a log of `size` records, the golden one among them, and its cosigned note.
fn log(size: u64) -> (Vec<[u8; 32]>, Note) {
    let golden = leaf_hash(ENVELOPE);
    let leaf = |at: u64| {
        if at == SEQ {
            golden
        } else {
            leaf_hash(&at.to_be_bytes())
        }
    };
    let leaves: Vec<_> = (0..size).map(leaf).collect();
    let mut tree = Tree::new();
    for leaf in &leaves {
        tree.push(leaf);
    }
    (leaves, note(tree.head()))
}

fn note(head: TreeHead) -> Note {
    let mut note = Checkpoint::new(ORIGIN, head)
        .unwrap()
        .sign(&key(1))
        .unwrap();
    note.add(cosign(&note, &witness(), 5).unwrap()).unwrap();
    note
}

#[test]
fn the_example_says_yes_to_a_record_of_the_log_only() {
    let (leaves, note) = log(SEQ + 2);
    let tile = |_, index: u64| {
        let tile = leaves.chunks(256).nth(usize::try_from(index).unwrap());
        Ok::<_, std::convert::Infallible>(tile.map(<[_]>::concat))
    };
    let mut prover = antiphon_ledger::proof::Prover::new(tile);
    let hashes = prover.inclusion(SEQ, SEQ + 2).unwrap();
    let proof = TlogProof::new(SEQ, hashes.clone(), note.clone())
        .unwrap()
        .to_string();
    let check = |trust: &str, note: &Note, proof: &str, envelope: &[u8]| {
        let evidence = [note.to_string().into(), proof.into(), envelope.to_vec()];
        example::check(trust.as_bytes(), &evidence).map_err(|error| error.to_string())
    };
    let trusted = trust(&key(1), ORIGIN, Some(&note));
    let yes = check(&trusted, &note, &proof, ENVELOPE).unwrap();
    assert!(yes.contains(&format!("record {SEQ} of {ORIGIN}")), "{yes}");

    let refused = |trust: &str, note: &Note, proof: &str, envelope: &[u8], why: &str| {
        let error = check(trust, note, proof, envelope).unwrap_err();
        assert!(error.contains(why), "{error}");
    };
    let other_key = trust(&key(9), ORIGIN, None);
    refused(&other_key, &note, &proof, ENVELOPE, "has not signed");
    let other_log = trust(&key(1), "example.com/other", None);
    refused(&other_log, &note, &proof, ENVELOPE, "it is the log");
    let alone = note
        .text()
        .parse::<Checkpoint>()
        .unwrap()
        .sign(&key(1))
        .unwrap();
    refused(
        &trusted,
        &alone,
        &proof,
        ENVELOPE,
        "only 0 of our witnesses",
    );
    let (_, smaller) = log(SEQ + 1);
    refused(&trusted, &smaller, &proof, ENVELOPE, "only grew");
    let (_, larger) = log(SEQ + 3);
    refused(&trusted, &larger, &proof, ENVELOPE, "another checkpoint");
    let mut changed = ENVELOPE.to_vec();
    changed[20] ^= 1;
    refused(&trusted, &note, &proof, &changed, "at its place");
    let elsewhere = TlogProof::new(SEQ - 1, hashes, note.clone())
        .unwrap()
        .to_string();
    refused(&trusted, &note, &elsewhere, ENVELOPE, "at its place");
}

/// The place of the golden envelope.
const SEQ: u64 = 7;
