//! Keys against those of other programs, and every way in which a text is none.

use super::*;

/// A key that Go's `golang.org/x/mod/sumdb/note` documents, and the same as text of ours.
const GO_PRIVATE: &str =
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const GO_VERIFIER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

fn key(name: &str, algorithm: Algorithm) -> SigningKey {
    SigningKey::new(name, algorithm, &[7; 32]).unwrap()
}

#[test]
fn a_key_of_another_program_is_read_and_written_as_it_was() {
    let key = SigningKey::from_private_text(GO_PRIVATE).unwrap();
    assert_eq!(key.to_private_text().as_str(), GO_PRIVATE);
    assert_eq!(key.verifier().to_string(), GO_VERIFIER);
    assert_eq!(GO_VERIFIER.parse().as_ref(), Ok(key.verifier()));
    assert_eq!(key.verifier().name(), "PeterNeumann");
    assert_eq!(key.verifier().id().to_string(), "c74f20a3");
}

#[test]
fn texts_of_keys_come_back_as_they_went() {
    for algorithm in [Algorithm::Ed25519, Algorithm::CosignatureV1] {
        let key = key("example.com/log/owner", algorithm);
        let verifier = key.verifier().to_string();
        assert_eq!(verifier.parse().as_ref(), Ok(key.verifier()));
        let again = SigningKey::from_private_text(&key.to_private_text()).unwrap();
        assert_eq!(again.verifier(), key.verifier());
        assert_eq!(again.sign(b"x"), key.sign(b"x"));
    }
}

#[test]
fn the_same_secret_has_another_id_with_another_name_or_algorithm() {
    let one = key("a", Algorithm::Ed25519);
    let other_name = key("b", Algorithm::Ed25519);
    let other_algorithm = key("a", Algorithm::CosignatureV1);
    assert_ne!(one.verifier().id(), other_name.verifier().id());
    assert_ne!(one.verifier().id(), other_algorithm.verifier().id());
    assert_eq!(one.verifier().public(), other_algorithm.verifier().public());
}

#[test]
fn every_changed_character_of_a_verifier_key_is_refused() {
    for at in 0..GO_VERIFIER.len() {
        for replacement in ["", "A", "z", "0", "+", "/", " ", "\n"] {
            let mut changed = GO_VERIFIER.to_owned();
            changed.replace_range(at..=at, replacement);
            let parsed = changed.parse::<VerifierKey>();
            assert!(changed == GO_VERIFIER || parsed.is_err(), "{changed}");
        }
    }
}

#[test]
fn a_text_that_is_no_key_is_refused() {
    let check = |text: &str| {
        let refused = text.parse::<VerifierKey>().map_err(|error| error.code());
        assert_eq!(refused, Err("key.malformed"), "{text}");
        assert!(SigningKey::from_private_text(text).is_err(), "{text}");
    };
    check("");
    check("PeterNeumann");
    check("PeterNeumann+c74f20a3");
    check("PeterNeumann+c74f20a3+");
    check("PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
    check("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10");
    check("+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
    check(&format!("{GO_VERIFIER}\n"));
    assert!(GO_PRIVATE.parse::<VerifierKey>().is_err());
    let long = "a".repeat(NAME_BYTES_MAX + 1);
    assert!(SigningKey::new(long, Algorithm::Ed25519, &[7; 32]).is_err());
}

#[test]
fn a_public_key_for_which_anybody_can_sign_is_refused() {
    let mut neutral = [0; 32];
    neutral[0] = 1;
    for weak in [[0; 32], neutral] {
        assert!(VerifierKey::new("a", Algorithm::Ed25519, &weak).is_err());
    }
}

#[test]
fn a_signature_fits_one_message_and_one_key() {
    let (key, other) = (key("a", Algorithm::Ed25519), {
        SigningKey::new("a", Algorithm::Ed25519, &[8; 32]).unwrap()
    });
    let signature = key.sign(b"message");
    assert!(key.verifier().verify(b"message", &signature));
    assert!(!key.verifier().verify(b"messagE", &signature));
    assert!(!other.verifier().verify(b"message", &signature));
    for bit in 0..512 {
        let mut flipped = signature;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!key.verifier().verify(b"message", &flipped), "bit {bit}");
    }
}

#[test]
fn a_secret_is_not_shown() {
    let shown = format!("{:?}", key("a", Algorithm::Ed25519));
    assert!(
        shown.contains("\"a\"") && shown.contains("KeyId"),
        "{shown}"
    );
    for secret in ["7, 7", "0707", "BwcH"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn an_id_is_eight_lower_case_digits() {
    assert_eq!("0000000f".parse(), Ok(KeyId([0, 0, 0, 15])));
    for wrong in ["", "f", "0000000F", "+000000f", "00000000f", "0000000g"] {
        assert!(wrong.parse::<KeyId>().is_err(), "{wrong}");
    }
}
