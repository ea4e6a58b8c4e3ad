//! Evidence bundles and proofs of forks: a few records with proofs.

use std::collections::BTreeMap;

use antiphon_ledger::bundle;
use antiphon_ledger::fork::{Branch, ForkProof, KeyRecord};
use antiphon_ledger::hash::leaf_hash;
use antiphon_ledger::note::Note;
use antiphon_ledger::proof::Prover;
use antiphon_ledger::signature::{LOG, OWNER};
use antiphon_ledger::tlog_proof::TlogProof;
use antiphon_testkit::ledger_maker::{LedgerMaker, ORIGIN};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::*;

type Files = BTreeMap<String, Vec<u8>>;

/// A tile, when it is stored.
type StoredTile = Result<Option<Vec<u8>>, std::convert::Infallible>;

/// Proofs from the leaves of a made log.
pub(super) fn prover(maker: &LedgerMaker) -> Prover<impl FnMut(u8, u64) -> StoredTile> {
    let leaves: Vec<_> = maker
        .records()
        .iter()
        .map(|it| leaf_hash(&it.envelope))
        .collect();
    Prover::new(move |level, index| {
        let chunk = leaves.chunks(256).nth(usize::try_from(index).unwrap());
        Ok((level == 0)
            .then(|| chunk.map(|it| it.as_flattened().to_vec()))
            .flatten())
    })
}

/// Record 0 and those whose kind begins with `key.`.
fn key_records(maker: &LedgerMaker, size: u64) -> Vec<u64> {
    let is_about_keys = |seq: &u64| {
        let envelope = &maker.records()[usize::try_from(*seq).unwrap()].envelope;
        *seq == 0 || envelope.windows(12).any(|it| it == b"\"kind\":\"key.")
    };
    (0..size).filter(is_about_keys).collect()
}

/// A bundle of some records, one of which names an output.
fn bundle_of(maker: &LedgerMaker, records: &[u64], output: &[u8]) -> Files {
    let size = maker.size();
    let note = maker.checkpoint(size);
    let sha256 = antiphon_ledger::hash::hex(&Sha256::digest(output).into());
    let keys = key_records(maker, size);
    let index = json!({
        "format": 1, "run": "r", "origin": maker.origin(), "records": records, "keys": keys,
        "evidence": [sha256],
    });
    let mut files = Files::from([
        (bundle::INDEX.to_owned(), index.to_string().into_bytes()),
        ("checkpoint".to_owned(), note.clone().into_bytes()),
        (bundle::evidence_path(&sha256), output.to_vec()),
    ]);
    let mut prover = prover(maker);
    for seq in records.iter().chain(&keys) {
        let record = &maker.records()[usize::try_from(*seq).unwrap()];
        files.insert(bundle::envelope_path(*seq), record.envelope.clone());
        if let Some(body) = &record.body {
            files.insert(bundle::body_path(*seq), body.clone());
        }
        let hashes = prover.inclusion(*seq, size).unwrap();
        let note = Note::parse(note.as_bytes()).unwrap();
        let proof = TlogProof::new(*seq, hashes, note).unwrap();
        files.insert(bundle::proof_path(*seq), proof.to_string().into_bytes());
    }
    files
}

const OUTPUT: &[u8] = b"what came of it";

fn journey() -> LedgerMaker {
    let mut maker = LedgerMaker::journey(30);
    let sha256 = antiphon_ledger::hash::hex(&Sha256::digest(OUTPUT).into());
    maker.unsigned("run.settled", &json!({"evidence": sha256}));
    maker.plain();
    maker
}

fn judge(files: &Files, trust: Option<&Value>) -> Audit {
    let trust = trust.map(parsed);
    bundle::audit(trust.as_ref(), |path| files.get(path).cloned())
}

#[test]
fn a_bundle_verifies_alone() {
    let maker = journey();
    let files = bundle_of(&maker, &[20, 21, 25, 30], OUTPUT);
    for trust in [
        None,
        Some(maker.trust(32)),
        Some(maker.trust(10)),
        Some(LedgerMaker::journey(60).trust(60)),
    ] {
        let audit = judge(&files, trust.as_ref());
        assert_eq!(told(&audit), []);
        assert_eq!((audit.checkpoint_size, audit.pruned), (Some(32), 2));
        assert_eq!(audit.size, 4 + key_records(&maker, 32).len() as u64);
    }
}

#[test]
fn a_flipped_byte_of_a_bundle_is_found() {
    let maker = journey();
    let (whole, trust) = (bundle_of(&maker, &[20, 21, 30], OUTPUT), maker.trust(32));
    for (path, bytes) in &whole {
        for place in (0..bytes.len()).step_by(7) {
            let mut files = whole.clone();
            files.get_mut(path).unwrap()[place] ^= 1 << (place % 8);
            let audit = judge(&files, Some(&trust));
            // The run's name is whoever made the bundle's own word.
            let is_open = path == bundle::INDEX;
            assert!(!audit.is_intact() || is_open, "byte {place} of {path}");
        }
    }
}

/// What is told when `change` was done to a bundle.
fn check(change: impl FnOnce(&mut Files), expected: &[(&'static str, Option<u64>)]) {
    let maker = journey();
    let mut files = bundle_of(&maker, &[20, 21, 30], OUTPUT);
    change(&mut files);
    assert_eq!(told(&judge(&files, Some(&maker.trust(32)))), expected);
}

#[test]
fn what_a_bundle_lacks_is_told() {
    let evidence =
        bundle::evidence_path(&antiphon_ledger::hash::hex(&Sha256::digest(OUTPUT).into()));
    check(|_| (), &[]);
    check(
        |files| drop(files.remove("checkpoint")),
        &[("checkpoint.missing", None)],
    );
    check(
        |files| drop(files.remove("bundle.json")),
        &[("bundle.malformed", None)],
    );
    check(
        |files| drop(files.remove("records/30.envelope")),
        &[("bundle.malformed", Some(30)), ("evidence.hash", None)],
    );
    check(
        |files| drop(files.remove("records/20.tlog-proof")),
        &[("proof.malformed", Some(20))],
    );
    let first = {
        let maker = journey();
        let mut files = bundle_of(&maker, &[20, 21, 30], OUTPUT);
        files.remove("records/0.body");
        told(&judge(&files, Some(&maker.trust(32))))[0]
    };
    assert_eq!(first, ("body.pruned", Some(0)));
    check(
        |files| drop(files.remove(&evidence)),
        &[("evidence.missing", None)],
    );
    check(
        |files| files.get_mut(&evidence).unwrap().push(0),
        &[("evidence.hash", None)],
    );
    check(
        |files| {
            let other = files["records/21.tlog-proof"].clone();
            files.insert("records/20.tlog-proof".to_owned(), other);
        },
        &[("proof.malformed", Some(20))],
    );
    check(
        |files| {
            let proof = String::from_utf8(files["records/21.tlog-proof"].clone()).unwrap();
            let moved = proof.replace("index 21\n", "index 20\n");
            files.insert("records/20.tlog-proof".to_owned(), moved.into_bytes());
        },
        &[("proof.invalid", Some(20))],
    );
    check(
        |files| {
            let proof = files.get_mut("records/20.tlog-proof").unwrap();
            let older = LedgerMaker::journey(30).checkpoint(30);
            let end = proof.windows(2).position(|it| it == b"\n\n").unwrap() + 2;
            proof.truncate(end);
            proof.extend_from_slice(older.as_bytes());
        },
        &[("proof.invalid", Some(20))],
    );
}

/// The branch of `maker` at its whole size, compared at `size`.
fn branch(maker: &LedgerMaker, size: u64) -> Branch {
    let whole = maker.size();
    let mut prover = prover(maker);
    let keys = key_records(maker, whole).into_iter().map(|seq| {
        let record = &maker.records()[usize::try_from(seq).unwrap()];
        KeyRecord {
            seq,
            envelope: record.envelope.clone(),
            body: record.body.clone().unwrap(),
            proof: prover.inclusion(seq, whole).unwrap(),
        }
    });
    let keys = keys.collect();
    Branch {
        checkpoint: maker.checkpoint(whole),
        root: maker.tree(size).root(),
        proof: prover.consistency(size, whole).unwrap(),
        keys,
    }
}

/// Two histories of one log that part at record 25.
fn fork() -> (LedgerMaker, LedgerMaker, ForkProof) {
    let ours = LedgerMaker::journey(40);
    let mut theirs = LedgerMaker::journey(25);
    theirs.guard_changed(OWNER);
    theirs.rotate(LOG);
    while theirs.size() < 50 {
        theirs.plain();
    }
    let proof = ForkProof {
        origin: ORIGIN.to_owned(),
        size: 40,
        branches: [branch(&ours, 40), branch(&theirs, 40)],
    };
    (ours, theirs, proof)
}

fn judged(proof: &ForkProof, trust: &Value) -> Vec<&'static str> {
    let judgement = proof.judge(&parsed(trust));
    judgement.findings.iter().map(|it| it.kind.code()).collect()
}

#[test]
fn a35_f19_g18_the_proof_of_a_fork_convinces_whoever_trusts_the_log_and_has_neither_history() {
    let (ours, theirs, proof) = fork();
    assert_eq!(judged(&proof, &ours.trust(0)), [""; 0]);
    assert_eq!(judged(&proof, &theirs.trust(50)), [""; 0]);
    let again = ForkProof::parse(proof.to_json().as_bytes()).unwrap();
    assert_eq!(again, proof);
    let stranger = LedgerMaker::new(ORIGIN, 9).trust(1);
    assert!(judged(&proof, &stranger).contains(&"key.untrusted"));
    let other = LedgerMaker::new("example.com/other", 9).trust(1);
    assert_eq!(judged(&proof, &other)[0], "checkpoint.origin");
}

#[test]
fn nobody_can_make_the_proof_of_a_fork_without_the_logs_key() {
    let (ours, theirs, proof) = fork();
    let trust = ours.trust(0);
    let check = |change: &dyn Fn(&mut ForkProof), expected: &str| {
        let mut changed = proof.clone();
        change(&mut changed);
        let found = judged(&changed, &trust);
        assert!(
            found.contains(&expected),
            "{found:?} should hold {expected}"
        );
    };
    check(
        &|proof| proof.branches[1] = proof.branches[0].clone(),
        "fork.none",
    );
    check(&|proof| proof.branches[1].root[0] ^= 1, "proof.invalid");
    check(
        &|proof| {
            proof.branches[1].proof.pop();
        },
        "proof.invalid",
    );
    check(&|proof| proof.size = 39, "proof.invalid");
    check(
        &|proof| drop(proof.branches[1].keys.pop()),
        "checkpoint.signature",
    );
    check(
        &|proof| proof.branches[1].keys[0].proof[0][0] ^= 1,
        "proof.invalid",
    );
    check(
        &|proof| proof.branches[1].keys[0].body[20] ^= 1,
        "body.hash",
    );
    check(
        &|proof| proof.branches[1].checkpoint.clear(),
        "checkpoint.malformed",
    );
    // The same history at two sizes is no fork.
    let same = ForkProof {
        branches: [branch(&ours, 30), branch(&LedgerMaker::journey(35), 30)],
        size: 30,
        ..proof.clone()
    };
    assert_eq!(judged(&same, &trust), ["fork.none"]);
    // Nor is one that a stranger wrote.
    let forged = LedgerMaker::new(ORIGIN, 9);
    let with_forged = ForkProof {
        branches: [branch(&ours, 1), branch(&forged, 1)],
        size: 1,
        ..proof.clone()
    };
    assert!(judged(&with_forged, &trust).contains(&"key.untrusted"));
    assert_eq!(theirs.size(), 50);
}

#[test]
fn a_text_that_is_no_proof_of_a_fork_is_refused() {
    let (_, _, proof) = fork();
    let check = |from: &str, to: &str| {
        let json = proof.to_json();
        let changed = json.replacen(from, to, 1);
        assert_ne!(json, changed, "{from} is in it");
        let code = ForkProof::parse(changed.as_bytes()).map_err(|error| error.code());
        assert_eq!(code, Err("fork.malformed"));
    };
    check("{", "");
    check("\"format\": 1", "\"format\": 2");
    check("\"size\": 40", "\"size\": 40, \"more\": 1");
    check("\"root\": \"", "\"root\": \"=");
    check("\"seq\": 0", "\"seq\": 1000");
    check("\"envelope\": \"", "\"envelope\": \"!");
}

#[test]
fn two_checkpoints_of_one_size_prove_a_fork_by_the_trusted_key_alone() {
    let (ours, mut theirs) = (LedgerMaker::new(ORIGIN, 1), LedgerMaker::new(ORIGIN, 1));
    let mut ours = ours;
    ours.plain();
    theirs.guard_changed(OWNER);
    let alone = |maker: &LedgerMaker| Branch {
        keys: Vec::new(),
        ..branch(maker, 2)
    };
    let proof = ForkProof {
        origin: ORIGIN.to_owned(),
        size: 2,
        branches: [alone(&ours), alone(&theirs)],
    };
    assert_eq!(judged(&proof, &ours.trust(0)), [""; 0]);
    let stranger = LedgerMaker::new(ORIGIN, 9).trust(1);
    assert_eq!(judged(&proof, &stranger), ["checkpoint.signature"; 2]);
}
