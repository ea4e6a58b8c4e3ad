//! What every `Signer` must do, by verb.
//!
//! Out: which key is valid, which the log says; how secrets are kept from others.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a failed expectation is a failed test"
)]

use std::path::Path;

use antiphon_core::key::{KeyText, LOG, OPERATOR, OWNER, RECOVERY, key_name};
use antiphon_core::record::FirstKey;
use antiphon_core::state::Keys;
use antiphon_engine::ports::signer::{Signer, SignerError};
use antiphon_ledger::key::VerifierKey;

/// Opens the keys of a root.
pub type Open<'a> = &'a dyn Fn(&Path) -> Box<dyn Signer>;

const ORIGIN: &str = "host.example/antiphon";

/// Runs the whole suite.
///
/// # Panics
/// When a claim does not hold.
pub fn suite(open: Open<'_>) {
    begin(open);
    holds(open);
    sign(open);
}

fn begin(open: Open<'_>) {
    let root = tempfile::tempdir().unwrap();
    let signer = open(root.path());
    let first = signer.begin(ORIGIN).unwrap();
    let keys = Keys::first(ORIGIN, &first).unwrap();
    for agent in [LOG, OPERATOR, OWNER] {
        let active = keys.active(agent).unwrap();
        assert!(active.custodial && signer.holds(&active.key), "{agent}");
        assert_eq!(active.key.name(), key_name(ORIGIN, agent));
    }
    if let Some(recovery) = keys.active(RECOVERY) {
        assert!(!recovery.custodial, "the recovery key is another's");
        assert!(!signer.holds(&recovery.key), "and lies elsewhere");
    }
    // A crash before the log's first record: it begins once more, and what was made is not lost.
    drop(signer);
    let again = open(root.path());
    assert!(held(&first).all(|key| again.holds(key)), "kept");
    Keys::first(ORIGIN, &again.begin(ORIGIN).unwrap()).unwrap();
}

fn holds(open: Open<'_>) {
    let root = tempfile::tempdir().unwrap();
    let signer = open(root.path());
    let first = signer.begin(ORIGIN).unwrap();
    let other = KeyText::of(&key_name(ORIGIN, OWNER), &[7; 32]).unwrap();
    assert!(!signer.holds(&other), "the name alone is no key");
    let elsewhere = tempfile::tempdir().unwrap();
    let stranger = open(elsewhere.path());
    drop(stranger.begin(ORIGIN).unwrap());
    assert!(held(&first).all(|key| !stranger.holds(key)), "keys are new");
}

fn sign(open: Open<'_>) {
    let root = tempfile::tempdir().unwrap();
    let signer = open(root.path());
    let first = signer.begin(ORIGIN).unwrap();
    for key in held(&first) {
        let signature = signer.sign(key, b"what was done").unwrap();
        let verifier: VerifierKey = key.as_str().parse().unwrap();
        assert!(verifier.verify(b"what was done", &signature), "{key}");
        assert!(!verifier.verify(b"what was not", &signature), "{key}");
        assert_eq!(signer.sign(key, b"what was done").unwrap(), signature);
    }
    let reopened = open(root.path());
    for key in held(&first) {
        let both = [&signer, &reopened].map(|signer| signer.sign(key, b"x").unwrap());
        assert_eq!(both[0], both[1], "the same key after a restart");
    }
    let other = KeyText::of(&key_name(ORIGIN, OWNER), &[7; 32]).unwrap();
    let refused = signer.sign(&other, b"x");
    assert!(matches!(refused, Err(SignerError::Missing { key }) if key == other));
}

fn held(first: &[FirstKey]) -> impl Iterator<Item = &KeyText> {
    first.iter().filter(|key| key.custodial).map(|key| &key.key)
}
