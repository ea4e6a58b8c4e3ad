//! Cosignatures: what they cover, and that nothing else passes as one.

use super::*;
use crate::tree::TreeHead;

const TIME_S: u64 = 1_679_315_147;

fn log_key() -> SigningKey {
    SigningKey::new("example.com/log", Algorithm::Ed25519, &[1; 32]).unwrap()
}

fn witness_key() -> SigningKey {
    SigningKey::new("witness.example/w1", Algorithm::CosignatureV1, &[2; 32]).unwrap()
}

fn note() -> Note {
    let checkpoint = Checkpoint::new("example.com/log", TreeHead::EMPTY).unwrap();
    checkpoint.sign(&log_key()).unwrap()
}

fn cosigned() -> Note {
    let mut note = note();
    note.add(cosign(&note, &witness_key(), TIME_S).unwrap())
        .unwrap();
    note
}

#[test]
fn the_signed_bytes_are_those_of_the_specification() {
    let note = cosigned();
    let bytes = note.signatures()[1].bytes();
    assert_eq!(bytes[..8], TIME_S.to_be_bytes());
    let message = format!("cosignature/v1\ntime 1679315147\n{}", note.text());
    let signature = bytes[8..].as_array().unwrap();
    assert!(
        witness_key()
            .verifier()
            .verify(message.as_bytes(), signature)
    );
}

#[test]
fn a_cosigned_checkpoint_says_by_whom_and_when() {
    let note = Note::parse(cosigned().to_string().as_bytes()).unwrap();
    let witness = witness_key();
    assert!(note.verified_by(log_key().verifier()));
    assert!(note.verified_by(witness.verifier()));
    assert_eq!(cosigned_at_s(&note, witness.verifier()), Some(TIME_S));
    assert_eq!(cosigned_at_s(&note, log_key().verifier()), None);
    let other = SigningKey::new("witness.example/w1", Algorithm::CosignatureV1, &[3; 32]).unwrap();
    assert_eq!(cosigned_at_s(&note, other.verifier()), None);
}

#[test]
fn the_latest_of_several_cosignatures_counts() {
    let mut note = cosigned();
    for time_s in [TIME_S + 5, TIME_S + 3] {
        note.add(cosign(&note, &witness_key(), time_s).unwrap())
            .unwrap();
    }
    assert_eq!(
        cosigned_at_s(&note, witness_key().verifier()),
        Some(TIME_S + 5)
    );
}

#[test]
fn every_flipped_bit_of_a_cosignature_is_found() {
    let note = cosigned();
    let (key, good) = (witness_key(), note.signatures()[1].bytes());
    assert_eq!(time_s_of(note.text(), key.verifier(), good), Some(TIME_S));
    for bit in 0..good.len() * 8 {
        let mut flipped = good.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let time = time_s_of(note.text(), key.verifier(), &flipped);
        assert_eq!(time, None, "bit {bit}");
    }
    for wrong in [&good[..71], &[good, &[0]].concat(), &good[8..], &[]] {
        assert_eq!(time_s_of(note.text(), key.verifier(), wrong), None);
    }
}

#[test]
fn extension_lines_are_cosigned_too() {
    let text = format!("{}extension\n", note().text());
    let mut extended = Note::signed(text, &log_key()).unwrap();
    let signature = cosign(&extended, &witness_key(), TIME_S).unwrap();
    extended.add(signature.clone()).unwrap();
    assert!(extended.verified_by(witness_key().verifier()));
    let mut plain = note();
    plain.add(signature).unwrap();
    assert!(!plain.verified_by(witness_key().verifier()));
}

#[test]
fn what_is_no_checkpoint_or_no_witness_or_no_time_is_refused() {
    let check = |note: &Note, key: &SigningKey, time_s, code| {
        let refused = cosign(note, key, time_s).map_err(|error| error.code());
        assert_eq!(refused, Err(code));
    };
    let text = Note::signed("no checkpoint\n", &log_key()).unwrap();
    check(&text, &witness_key(), TIME_S, "checkpoint.malformed");
    check(&note(), &log_key(), TIME_S, "key.algorithm");
    check(&note(), &witness_key(), TIME_S_MAX + 1, "cosignature.time");
    let latest = cosign(&note(), &witness_key(), TIME_S_MAX).unwrap();
    let mut note = note();
    note.add(latest).unwrap();
    assert_eq!(
        cosigned_at_s(&note, witness_key().verifier()),
        Some(TIME_S_MAX)
    );
}
