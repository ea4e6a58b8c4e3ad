//! Vectors: small questions with one right answer each, put to both verifiers.
//!
//! In: a seed. Out: how many there were, and every one in which the two differ. The first verifier
//! makes trees, proofs, notes and keys for the second, and the second for the first; what is good
//! is then spoiled in one place, and both must still say the same.

use std::convert::Infallible;

use antiphon_ledger::envelope::Envelope;
use antiphon_ledger::hash::{Hash, leaf_hash};
use antiphon_ledger::key::{Algorithm, SigningKey, VerifierKey};
use antiphon_ledger::proof::{Prover, verify_consistency, verify_inclusion};
use antiphon_ledger::signature::{self, LOG, RECOVERY};
use antiphon_ledger::tree::{Tree, TreeHead};
use antiphon_ledger::trust::{Sealed, Trust};
use antiphon_testkit::ledger_maker::{LedgerMaker, cosignature, signed_checkpoint, witness};
use serde_json::{Value, json};

use super::damage::Random;
use super::judge::hex;
use super::second::Second;

/// The largest tree: one leaf more than four full tiles.
const SIZE_MAX: usize = 1_025;
/// Spoiled copies of each note, key, envelope and trust file.
const SPOILED: usize = 40;

/// Asks both, and counts.
pub(crate) struct Vectors<'a> {
    second: &'a mut Second,
    random: Random,
    /// How many questions both answered.
    pub(crate) asked: u64,
    /// Those that they answered differently.
    pub(crate) differences: Vec<String>,
}

/// Puts all of them to both.
pub(crate) fn ask_all(second: &mut Second, seed: u64) -> Vectors<'_> {
    let mut vectors = Vectors {
        second,
        random: Random::part(seed, u64::MAX),
        asked: 0,
        differences: Vec::new(),
    };
    let trees = Trees::new();
    vectors.trees(&trees);
    vectors.made_by_second(&trees);
    vectors.notes(&trees);
    vectors.texts_of_notes();
    vectors.keys();
    vectors.trust_files();
    vectors.envelopes();
    vectors
}

/// Leaves that both make, the hash of each place in decimal, and the heads over the first 0, 1, 2 …
struct Trees {
    leaves: Vec<Hash>,
    heads: Vec<TreeHead>,
}

impl Trees {
    fn new() -> Self {
        let leaf = |place: usize| leaf_hash(place.to_string().as_bytes());
        let leaves: Vec<Hash> = (0..SIZE_MAX).map(leaf).collect();
        let mut tree = Tree::new();
        let mut heads = vec![tree.head()];
        for leaf in &leaves {
            tree.push(leaf);
            heads.push(tree.head());
        }
        Self { leaves, heads }
    }
}

impl Vectors<'_> {
    /// Asks the second, and compares.
    fn ask(&mut self, question: &Value, first: &Value) {
        let answer = self.second.ask(question);
        self.compare(|| question.to_string(), first, &answer);
    }

    fn compare(&mut self, what: impl FnOnce() -> String, first: &Value, second: &Value) {
        self.asked += 1;
        if first != second {
            self.differences
                .push(format!("{}: {first}, {second}", what()));
        }
    }

    /// Roots, inclusion and consistency of every size, each also by a spoiled proof.
    fn trees(&mut self, trees: &Trees) {
        let bytes = trees.leaves.as_flattened();
        let mut prover = Prover::new(|level, index| {
            let start = usize::try_from(index).unwrap() * 8_192;
            let tile = bytes
                .get(start..)
                .map(|it| it[..it.len().min(8_192)].to_vec());
            Ok::<_, Infallible>(tile.filter(|_| level == 0))
        });
        for (size, head) in trees.heads.iter().enumerate() {
            let root = hex(&head.root);
            self.ask(&json!({"op": "root", "size": size}), &root.into());
            if size > 0 {
                let index = self.random.below(size);
                let proof = prover.inclusion(index as u64, size as u64).unwrap();
                self.inclusion(&trees.leaves[index], index, head, &proof);
                let spoiled = self.spoiled_proof(&proof);
                self.inclusion(&trees.leaves[index], index, head, &spoiled);
            }
            let old = &trees.heads[self.random.below(size + 1)];
            let proof = prover.consistency(old.size, head.size).unwrap();
            self.consistency(old, head, &proof);
            let spoiled = self.spoiled_proof(&proof);
            self.consistency(old, head, &spoiled);
        }
    }

    fn inclusion(&mut self, leaf: &Hash, index: usize, head: &TreeHead, proof: &[Hash]) {
        let first = verify_inclusion(leaf, index as u64, head, proof).is_ok();
        let question = json!({
            "op": "inclusion", "leaf": hex(leaf), "index": index, "size": head.size,
            "root": hex(&head.root), "proof": hexes(proof),
        });
        self.ask(&question, &first.into());
    }

    fn consistency(&mut self, old: &TreeHead, new: &TreeHead, proof: &[Hash]) {
        let first = verify_consistency(old, new, proof).is_ok();
        let question = json!({
            "op": "consistency", "old": old.size, "old_root": hex(&old.root), "new": new.size,
            "new_root": hex(&new.root), "proof": hexes(proof),
        });
        self.ask(&question, &first.into());
    }

    /// Another proof: a hash more, a hash less, the other way round, or one bit changed.
    fn spoiled_proof(&mut self, proof: &[Hash]) -> Vec<Hash> {
        let mut spoiled = proof.to_vec();
        let place = self.random.below(spoiled.len() + 1);
        match self.random.below(4) {
            0 => spoiled.insert(place, leaf_hash(b"another")),
            1 => drop(spoiled.pop()),
            2 => spoiled.reverse(),
            _ => {
                if let Some(hash) = spoiled.get_mut(place) {
                    hash[31] ^= 1;
                }
            }
        }
        spoiled
    }

    /// Proofs and notes that the second verifier's side makes.
    fn made_by_second(&mut self, trees: &Trees) {
        let hashes = |value: Value| -> Vec<Hash> {
            let hashes = value.as_array().unwrap().iter();
            hashes
                .map(|it| unhex(it.as_str().unwrap()).try_into().unwrap())
                .collect()
        };
        for step in 1..=100 {
            let size = if step <= 70 {
                step
            } else {
                71 + self.random.below(SIZE_MAX - 70)
            };
            let (index, old) = (self.random.below(size), self.random.below(size + 1));
            let (head, old_head) = (&trees.heads[size], &trees.heads[old]);
            let question = json!({"op": "make_inclusion", "index": index, "size": size});
            let proof = hashes(self.second.ask(&question));
            let holds = verify_inclusion(&trees.leaves[index], index as u64, head, &proof).is_ok();
            self.compare(|| question.to_string(), &holds.into(), &true.into());
            let question = json!({"op": "make_consistency", "old": old, "new": size});
            let proof = hashes(self.second.ask(&question));
            let holds = verify_consistency(old_head, head, &proof).is_ok();
            self.compare(|| question.to_string(), &holds.into(), &true.into());
            let question = json!({
                "op": "make_note", "origin": "example.com/made", "size": size,
                "called": size.to_string(), "witness": "witness.example/made",
            });
            let made = self.second.ask(&question);
            let sealed = Sealed::parse(&unhex(made["note"].as_str().unwrap())).unwrap();
            let is_by = |member: &str| {
                let key: VerifierKey = made[member].as_str().unwrap().parse().unwrap();
                sealed.is_signed_by(&key) == Some(true)
            };
            let holds = is_by("log") && is_by("witness") && sealed.checkpoint().head() == *head;
            self.compare(|| question.to_string(), &holds.into(), &true.into());
        }
    }

    /// Checkpoints with the signatures of many, good and spoiled in one place.
    fn notes(&mut self, trees: &Trees) {
        let maker = LedgerMaker::new("example.com/antiphon/notes", 5);
        let (log, vega) = (maker.key(LOG), witness("witness.example/vega", 9));
        let stranger = SigningKey::new(maker.origin(), Algorithm::Ed25519, &[77; 32]).unwrap();
        let keys = [log.verifier(), vega.verifier()];
        for head in &trees.heads[..100] {
            let mut note = signed_checkpoint(maker.origin(), head, &[&stranger, log]);
            let line = cosignature(&vega, &note, 1_700_000_000 + head.size);
            note.push_str(&line);
            self.note(note.as_bytes(), &keys);
            for _ in 0..3 {
                let spoiled = self.spoiled(note.as_bytes());
                self.note(&spoiled, &keys);
            }
        }
    }

    /// Checkpoints whose text or lines are of another form.
    fn texts_of_notes(&mut self) {
        let maker = LedgerMaker::new("example.com/antiphon/notes", 5);
        let keys = [maker.key(LOG).verifier()];
        let note = maker.checkpoint(0);
        for (from, to) in [
            ("\n0\n", "\n00\n"),
            ("\n0\n", "\n-0\n"),
            ("\n0\n", "\n0 \n"),
            ("\n0\n", "\n0\nmore\n"),
            ("\n0\n", "\n\u{661}\n"),
            ("\n0\n", "\n9007199254740991\n"),
            ("\n0\n", "\n9007199254740992\n"),
            ("\n0\n", "\r\n0\n"),
            ("\n\n", "\n\n\n"),
            ("\n\n", "\n"),
            ("=\n\n", "\n\n"),
            ("\u{2014}", "-"),
            ("\u{2014} ", "\u{2014}  "),
            ("\u{2014} e", "\u{2014} \u{a0}e"),
            ("\u{2014} e", "\u{2014} \u{85}e"),
            ("\u{2014} e", "\u{2014} \u{7f}e"),
            ("\u{2014} e", "\u{2014} +e"),
            ("example.com/antiphon/notes\n0", "\n0"),
        ] {
            self.note(note.replacen(from, to, 1).as_bytes(), &keys);
        }
        let (_, line) = note.split_once("\n\n").unwrap();
        for lines in [1, 99, 100] {
            self.note(format!("{note}{}", line.repeat(lines)).as_bytes(), &keys);
        }
        let long = "A".repeat(64 * 1_024);
        self.note(format!("{note}\u{2014} long {long}\n").as_bytes(), &keys);
    }

    fn note(&mut self, note: &[u8], keys: &[&VerifierKey]) {
        let first = Sealed::parse(note).map_or(Value::Null, |sealed| {
            let signed = |key: &&VerifierKey| sealed.is_signed_by(key);
            // A line of a known key that does not fit refuses the note.
            let is_refused = keys.iter().any(|key| signed(key) == Some(false));
            let signers = keys
                .iter()
                .filter(|key| !is_refused && signed(key) == Some(true));
            let signers: Vec<_> = signers.map(|key| key.name()).collect();
            let checkpoint = sealed.checkpoint();
            json!({
                "origin": checkpoint.origin(), "size": checkpoint.size(),
                "root": hex(checkpoint.root()), "signers": signers,
            })
        });
        let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        let answer = self
            .second
            .ask(&json!({"op": "checkpoint", "note": hex(note), "keys": keys}));
        let what = || format!("checkpoint {:?}", String::from_utf8_lossy(note));
        self.compare(what, &first, &answer);
    }

    fn keys(&mut self) {
        let maker = LedgerMaker::journey(30);
        let mut keys = [LOG, RECOVERY, "FINN"]
            .map(|it| maker.key(it).verifier().to_string())
            .to_vec();
        keys.push(witness("witness.example/vega", 9).verifier().to_string());
        for key in &keys {
            for text in self.variants(key) {
                let first = text.parse::<VerifierKey>().map_or(Value::Null, |key| {
                    json!({
                        "name": key.name(), "id": key.id().to_string(),
                        "kind": key.algorithm().byte(), "public": hex(key.public()),
                    })
                });
                self.ask(&json!({"op": "key", "text": text}), &first);
            }
        }
    }

    fn trust_files(&mut self) {
        let mut trust = LedgerMaker::journey(30).trust(20);
        trust["witnesses"] = json!([witness("witness.example/vega", 9).verifier().to_string()]);
        for (member, value) in [
            ("origin", json!("example.com/another")),
            ("origin", json!("two words")),
            ("key_size", json!(-1)),
            ("key_size", json!(1.0)),
            ("key_size", json!("0")),
            ("witnesses", json!({})),
            ("witnesses", json!([trust["log_key"]])),
            ("log_key", trust["witnesses"][0].clone()),
            ("recovery_key", Value::Null),
            ("head", Value::Null),
            ("head", json!("")),
            ("more", json!(1)),
        ] {
            let mut other = trust.clone();
            other[member] = value;
            self.trust(&other.to_string());
        }
        for text in self.variants(&trust.to_string()) {
            self.trust(&text);
        }
    }

    fn trust(&mut self, text: &str) {
        let first = Trust::parse(text.as_bytes()).is_ok();
        self.ask(&json!({"op": "trust", "text": text}), &first.into());
    }

    fn envelopes(&mut self) {
        for record in LedgerMaker::journey(30).records() {
            let text = String::from_utf8(record.envelope.clone()).unwrap();
            for text in self.variants(&text) {
                let first = Envelope::decode(text.as_bytes()).map_or(Value::Null, |envelope| {
                    json!({
                        "seq": envelope.seq, "kind": envelope.kind,
                        "leaf": hex(&leaf_hash(text.as_bytes())),
                        "signatures": signature::texts(envelope.sig.unwrap_or_default()).count(),
                    })
                });
                self.ask(
                    &json!({"op": "envelope", "text": hex(text.as_bytes())}),
                    &first,
                );
            }
        }
    }

    /// The text, and others that differ from it in one place.
    fn variants(&mut self, text: &str) -> Vec<String> {
        let spoiled = (1..SPOILED).map(|_| String::from_utf8(self.spoiled(text.as_bytes())));
        let spoiled: Vec<String> = spoiled.filter_map(Result::ok).collect();
        [vec![text.to_owned()], spoiled].concat()
    }

    /// The same with one bit changed, or with a byte less, more, or in another's place.
    fn spoiled(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut spoiled = bytes.to_vec();
        let place = self.random.below(bytes.len());
        match self.random.below(6) {
            0 => drop(spoiled.remove(place)),
            1 => spoiled.insert(place, b'0'),
            2 => spoiled.swap(place, 0),
            _ => spoiled[place] ^= 1 << self.random.below(8),
        }
        spoiled
    }
}

fn hexes(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(|hash| hex(hash)).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = (0..text.len()).step_by(2).map(|at| &text[at..at + 2]);
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}
