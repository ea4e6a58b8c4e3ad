//! Evidence bundles and proofs of forks, whole and spoiled: both verifiers judge them alike.

use std::fs;

use serde_json::{Value, json};

use super::damage::{Folder, Random};
use super::second::Second;
use super::{Place, judge, seed};

/// Random damages to a bundle.
const BUNDLE_DAMAGES: u64 = 300;
/// Spoiled proofs of a fork.
const FORK_DAMAGES: u64 = 300;

#[test]
fn g17_every_part_of_a_bundle_is_missed_and_judged_alike() {
    let mut second = Second::start();
    let place = made(&mut second, "make_bundle");
    let trust = place.trust();
    let whole = judge::first(&place.folder, &trust);
    assert!(whole.holds(), "{whole}");
    let folder = Folder::read(&place.folder);
    for (name, bytes) in folder
        .files()
        .iter()
        .filter(|(name, _)| name != "bundle.json")
    {
        let path = place.folder.join(name);
        fs::remove_file(&path).unwrap();
        let verdict = judge::first(&place.folder, &trust);
        let other = judge::second(&mut second, &place.folder, &place.trust);
        fs::write(&path, bytes).unwrap();
        assert_eq!(verdict, other, "without {name}");
        // The body of a record that may be pruned is the one part that is not missed.
        let is_prunable = verdict.holds() && name.strip_suffix(".body").is_some();
        assert!(
            is_prunable || verdict.code().is_some(),
            "without {name}: {verdict}"
        );
    }
}

#[test]
fn g17_random_damage_to_a_bundle_is_judged_alike() {
    let mut second = Second::start();
    let place = made(&mut second, "make_bundle");
    let trust = place.trust();
    let folder = Folder::read(&place.folder);
    let whole = judge::first(&place.folder, &trust);
    for index in 0..BUNDLE_DAMAGES {
        let mut random = Random::part(seed(), index);
        let (name, bytes) = folder.pick(&mut random);
        let (damaged, _) = folder.damaged(bytes, &mut random);
        let path = place.folder.join(name);
        fs::write(&path, damaged).unwrap();
        let verdict = judge::first(&place.folder, &trust);
        let other = judge::second(&mut second, &place.folder, &place.trust);
        fs::write(&path, bytes).unwrap();
        assert_eq!(verdict, other, "seed {}, {index}: {name}", seed());
        // What the index calls the run, and which parts it lists, is not proven by the bundle.
        let is_index = name == "bundle.json";
        assert!(
            !verdict.holds() || verdict == whole || is_index,
            "{index}: {name}: {verdict}"
        );
        assert!(
            !verdict.holds() || is_index,
            "{index}: {name} was not missed"
        );
    }
}

#[test]
fn a35_a_proof_of_a_fork_is_spoiled_and_judged_alike() {
    let mut fork = Fork::made();
    assert_eq!(fork.judge("nothing", &fork.proof.clone()), None);
    let proof = fork.proof.clone();
    let at = |pointer: &str| proof.pointer(pointer).unwrap().clone();
    for (pointer, value, expected) in [
        ("/format", json!(2), "fork.malformed"),
        ("/origin", json!("example.com/another"), "checkpoint.origin"),
        ("/size", json!(-1), "fork.malformed"),
        ("/size", json!(619), "proof.invalid"),
        ("/size", json!(0), "proof.invalid"),
        ("/size", json!(10_000), "proof.invalid"),
        ("/branches/0", at("/branches/1"), "fork.none"),
        ("/branches/0/root", at("/branches/1/root"), "proof.invalid"),
        (
            "/branches/1/proof/0",
            at("/branches/1/root"),
            "proof.invalid",
        ),
        ("/branches/1/proof/0", json!("AAAA"), "fork.malformed"),
        (
            "/branches/0/keys/2/proof/0",
            at("/branches/1/root"),
            "proof.invalid",
        ),
        ("/branches/0/keys/2/seq", json!(7), "chain.seq"),
        ("/branches/0/keys/2/body", json!("AAAA"), "body.length"),
        (
            "/branches/0/keys/2/envelope",
            json!("AAAA"),
            "envelope.malformed",
        ),
        ("/branches/1/keys", json!([]), "checkpoint.signature"),
        (
            "/branches/1/checkpoint",
            json!("none"),
            "checkpoint.malformed",
        ),
        (
            "/branches/1/checkpoint",
            at("/branches/0/checkpoint"),
            "proof.invalid",
        ),
    ] {
        let mut spoiled = proof.clone();
        *spoiled.pointer_mut(pointer).unwrap() = value;
        assert_eq!(
            fork.judge(pointer, &spoiled).as_deref(),
            Some(expected),
            "{pointer}"
        );
    }
}

#[test]
fn a35_one_changed_letter_in_a_proof_of_a_fork_is_reported_alike() {
    let mut fork = Fork::made();
    for index in 0..FORK_DAMAGES {
        let mut random = Random::part(seed(), index);
        let mut spoiled = fork.proof.clone();
        // The smaller history needs no proof that it extends itself.
        let (branch, key) = (random.below(2), random.below(5));
        let members = if branch == 0 { 5 } else { 6 };
        let branch = &mut spoiled["branches"][branch];
        let text = match random.below(members) {
            0 => &mut branch["checkpoint"],
            1 => &mut branch["root"],
            2 => &mut branch["keys"][key]["envelope"],
            3 => &mut branch["keys"][key]["body"],
            4 => &mut branch["keys"][key]["proof"][0],
            _ => &mut branch["proof"][0],
        };
        let mut letters: Vec<char> = text.as_str().unwrap().chars().collect();
        let place = random.below(letters.len());
        letters[place] = if letters[place] == 'B' { 'C' } else { 'B' };
        *text = letters.into_iter().collect::<String>().into();
        let what = format!("seed {}, {index}", seed());
        assert!(fork.judge(&what, &spoiled).is_some(), "{what}");
    }
}

/// A proof of a fork that the second side made.
struct Fork {
    second: Second,
    place: Place,
    proof: Value,
}

impl Fork {
    fn made() -> Self {
        let mut second = Second::start();
        let place = made(&mut second, "make_fork");
        let proof = serde_json::from_slice(&fs::read(&place.folder).unwrap()).unwrap();
        Self {
            second,
            place,
            proof,
        }
    }

    /// The code that both give to it, `None` when it holds.
    fn judge(&mut self, what: &str, proof: &Value) -> Option<String> {
        fs::write(&self.place.folder, proof.to_string()).unwrap();
        let trust = self.place.trust();
        let trust = (&trust, self.place.trust.as_path());
        let [first, other] = judge::fork(&mut self.second, &self.place.folder, trust);
        assert_eq!(first, other, "{what}");
        first.map(|(code, _)| code)
    }
}

/// What the second side makes, with the trust file for it.
fn made(second: &mut Second, what: &str) -> Place {
    let place = Place::new();
    let trust = second.ask(&json!({"op": what, "path": place.folder}));
    fs::write(&place.trust, trust.as_str().unwrap()).unwrap();
    place
}
