//! Notes of the specification, and every way in which bytes are none.

use proptest::prelude::*;

use super::*;

/// The example of C2SP signed-note.
const POEM: &str = "Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
";

/// The example of Go's `golang.org/x/mod/sumdb/note`.
const GO_NOTE: &str = "If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
";
const GO_PRIVATE: &str =
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";

fn key(seed: u8) -> SigningKey {
    SigningKey::new("example.com/log", Algorithm::Ed25519, &[seed; 32]).unwrap()
}

#[test]
fn a_note_of_another_program_is_made_and_verified_byte_for_byte() {
    let key = SigningKey::from_private_text(GO_PRIVATE).unwrap();
    let note = Note::parse(GO_NOTE.as_bytes()).unwrap();
    assert!(note.verified_by(key.verifier()));
    let text = note.text();
    assert_eq!(Note::signed(text, &key).unwrap().to_string(), GO_NOTE);
}

#[test]
fn the_text_ends_at_the_last_empty_line() {
    let note = Note::parse(POEM.as_bytes()).unwrap();
    assert!(note.text().ends_with("\ned è subito sera.\n"));
    assert_eq!(note.signatures().len(), 1);
    assert_eq!(note.signatures()[0].name(), "quasimodo.example/salvatore");
    assert_eq!(note.signatures()[0].id().to_string(), "367ba04b");
    assert_eq!(note.signatures()[0].bytes().len(), 64);
    assert_eq!(note.to_string(), POEM);
    let empty_lines = Note::signed("\n\n\n", &key(1)).unwrap();
    let again = Note::parse(empty_lines.to_string().as_bytes());
    assert_eq!(again.unwrap().text(), "\n\n\n");
}

#[test]
fn signatures_by_unknown_keys_are_kept_and_say_nothing() {
    let mut note = Note::signed("text\n", &key(1)).unwrap();
    for line in POEM.lines().filter(|line| line.starts_with(DASH)) {
        note.add(NoteSignature::parse_line(line).unwrap()).unwrap();
    }
    note.sign(&key(2)).unwrap();
    let note = Note::parse(note.to_string().as_bytes()).unwrap();
    assert_eq!(note.signatures().len(), 3);
    assert!(note.verified_by(key(1).verifier()) && note.verified_by(key(2).verifier()));
    assert!(!note.verified_by(key(3).verifier()));
}

#[test]
fn a_bad_signature_by_a_known_key_spoils_the_note() {
    let mut note = Note::signed("text\n", &key(1)).unwrap();
    let other = Note::signed("other text\n", &key(1)).unwrap();
    assert!(note.verified_by(key(1).verifier()));
    note.add(other.signatures()[0].clone()).unwrap();
    assert!(!note.verified_by(key(1).verifier()));
    let mut short = Note::signed("text\n", &key(2)).unwrap();
    short
        .add(NoteSignature::by(key(1).verifier(), vec![0; 63]))
        .unwrap();
    assert!(!short.verified_by(key(1).verifier()));
}

#[test]
fn every_flipped_bit_of_a_signed_text_is_found() {
    let whole = Note::signed("example.com/log\n3\n", &key(1)).unwrap();
    let bytes = whole.to_string().into_bytes();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let verified = Note::parse(&flipped).is_ok_and(|note| note.verified_by(key(1).verifier()));
        assert!(!verified, "bit {bit}");
    }
}

#[test]
fn bytes_that_are_no_note_are_refused() {
    let check = |bytes: &[u8]| {
        let refused = Note::parse(bytes).map_err(|error| error.code());
        assert_eq!(refused, Err("note.malformed"), "{}", bytes.escape_ascii());
    };
    check(b"");
    check(b"\n");
    check(b"\n\n");
    check(b"text\n");
    check(b"text\n\n");
    check(b"text\n\n\n");
    let line = Note::signed("text\n", &key(1)).unwrap().signatures()[0].to_string();
    let note = |line: &str| format!("text\n\n{line}\n").into_bytes();
    assert!(Note::parse(&note(&line)).is_ok());
    check(format!("text\n\n{line}").as_bytes());
    check(format!("text\n{line}\n").as_bytes());
    check(format!("te\0xt\n\n{line}\n").as_bytes());
    check(format!("text\r\n\n{line}\n").as_bytes());
    check(format!("text\n\n{line}\r\n").as_bytes());
    check(&note(&line.replace(DASH, "- ")));
    check(&note(&line.replace(DASH, "\u{2014}")));
    check(&note(&line.replace("example.com/log", "example.com+log")));
    check(&note(&line.replace("example.com/log", "")));
    check(&note(&line.replace("example.com/log", "a\u{a0}b")));
    check(&note(&format!("{line} ")));
    check(&note(&line.replace('=', "")));
    check(&note("\u{2014} name AAAAAA=="));
    check(&note("\u{2014} name AAAA"));
    let mut not_utf8 = note(&line);
    not_utf8[0] = 0xff;
    check(&not_utf8);
}

#[test]
fn what_is_beyond_a_limit_is_refused() {
    let longest = format!("{}\n", "a".repeat(TEXT_BYTES_MAX - 1));
    assert!(Note::signed(longest.clone(), &key(1)).is_ok());
    let too_long = Note::signed(format!("a{longest}"), &key(1));
    assert_eq!(too_long, Err(NoteError::TooLarge));

    let mut note = Note::signed("text\n", &key(1)).unwrap();
    for _ in 1..SIGNATURES_MAX {
        note.sign(&key(1)).unwrap();
    }
    assert_eq!(note.sign(&key(1)), Err(NoteError::TooLarge));
    assert_eq!(Note::parse(note.to_string().as_bytes()).as_ref(), Ok(&note));
    let line = note.signatures()[0].to_string();
    let one_more = format!("{note}{line}\n");
    assert_eq!(Note::parse(one_more.as_bytes()), Err(NoteError::TooLarge));

    let mut large = Note::signed(longest, &key(1)).unwrap();
    let signature = || NoteSignature::by(key(1).verifier(), vec![0; 5_000]);
    for _ in 0..16 {
        large.add(signature()).unwrap();
    }
    while large.add(signature()).is_ok() {}
    assert!(large.to_string().len() <= NOTE_BYTES_MAX);
    let beyond = format!("{large}{}\n", signature());
    assert_eq!(Note::parse(beyond.as_bytes()), Err(NoteError::TooLarge));
}

#[test]
fn a_witness_key_makes_no_plain_signature() {
    let witness = SigningKey::new("w", Algorithm::CosignatureV1, &[1; 32]).unwrap();
    assert_eq!(Note::signed("a\n", &witness), Err(NoteError::Algorithm));
    let plain = NoteSignature::by(witness.verifier(), witness.sign(b"a\n").to_vec());
    let mut note = Note::signed("a\n", &key(1)).unwrap();
    note.add(plain).unwrap();
    assert!(!note.verified_by(witness.verifier()));
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_it_was(text in "[ -~\n\u{e8}\u{2014}]{0,80}\n", seeds in prop::collection::vec(any::<u8>(), 1..4)) {
        let mut note = Note::signed(text, &key(seeds[0])).unwrap();
        for seed in &seeds[1..] {
            note.sign(&key(*seed)).unwrap();
        }
        let again = Note::parse(note.to_string().as_bytes()).unwrap();
        prop_assert_eq!(&again, &note);
        prop_assert!(seeds.iter().all(|seed| again.verified_by(key(*seed).verifier())));
    }
}
