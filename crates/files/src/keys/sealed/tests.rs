use antiphon_ledger::key::{Algorithm, SigningKey};
use zeroize::Zeroizing;

use super::*;

/// As cheap as a derivation may be: these tests are about the file.
const CHEAP: Cost = Cost {
    memory_kib: 8,
    passes: 1,
    lanes: 1,
};

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(Zeroizing::new(text.as_bytes().to_vec())).unwrap()
}

fn key() -> SigningKey {
    SigningKey::new("here/antiphon/LARS", Algorithm::Ed25519, &[7; 32]).unwrap()
}

fn sealed(text: &str) -> String {
    let derived = passphrase(text).derive([3; SALT_BYTES], CHEAP).unwrap();
    let key = key();
    seal(&key.to_private_text(), key.verifier(), &derived, [5; 24]).unwrap()
}

#[test]
fn what_was_sealed_is_opened_by_its_passphrase_alone() {
    let text = sealed("correct horse");
    assert!(is_sealed(&text));
    assert!(!text.contains("PRIVATE"));
    let read = Sealed::read(&text).unwrap();
    assert_eq!(read.key, *key().verifier());
    let opened = read.open(&passphrase("correct horse\n")).unwrap();
    assert_eq!(opened.as_slice(), key().to_private_text().as_bytes());
    let error = Sealed::read(&text)
        .unwrap()
        .open(&passphrase("correct hors"))
        .unwrap_err();
    assert_eq!(error.code(), "key.passphrase");
}

#[test]
fn no_changed_character_is_taken_for_the_key_that_was_sealed() {
    let text = sealed("p");
    for at in 0..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[at] ^= 1;
        let Ok(changed) = String::from_utf8(changed) else {
            continue;
        };
        let opened = Sealed::read(&changed)
            .ok()
            .filter(|read| read.cost.memory_kib < 1_024)
            .and_then(|read| read.open(&passphrase("p")).ok());
        // The line break at its end is none of the key's.
        assert_eq!(opened.is_some(), at + 1 == text.len(), "byte {at}");
    }
}

#[test]
fn a37_a_planted_file_cannot_ask_for_all_memory_or_for_ever() {
    let check = |cost: &str, is_bearable: bool| {
        let text = sealed("p").replace("argon2id 8 1 1 ", &format!("argon2id {cost} "));
        assert_eq!(Sealed::read(&text).is_ok(), is_bearable, "{cost}");
    };
    check("262144 16 16", true);
    check("262145 1 1", false);
    check("4294967295 1 1", false);
    check("8 17 1", false);
    check("8 0 1", false);
    check("1024 1 17", false);
    check("99999999999 1 1", false);
    check("8 1", false);
}

#[test]
fn a_version_that_is_not_known_is_not_guessed_at() {
    let text = sealed("p").replace("antiphon-key 1", "antiphon-key 2");
    assert!(is_sealed(&text));
    let why = Sealed::read(&text).unwrap_err();
    assert!(why.contains("version"), "{why}");
}

#[test]
fn a_salt_is_derived_once() {
    let passphrase = passphrase("p");
    let first = passphrase.derive([1; SALT_BYTES], CHEAP).unwrap();
    let again = passphrase.derive([1; SALT_BYTES], CHEAP).unwrap();
    let other = passphrase.derive([2; SALT_BYTES], CHEAP).unwrap();
    assert_eq!(*first.key, *again.key);
    assert_ne!(*first.key, *other.key);
    assert!(passphrase.usual().is_none());
}
