use super::*;
use crate::key::Algorithm;

const SIGNED: Signed<'static> = Signed {
    origin: "example.com/log",
    kind: "guard.changed",
    subject: "guards",
    body_sha256: &[7; 32],
};

fn key(seed: u8) -> SigningKey {
    SigningKey::new("example.com/log/owner", Algorithm::Ed25519, &[seed; 32]).unwrap()
}

fn signature() -> Signature {
    Signature::sign(OWNER, &key(1), &SIGNED).unwrap()
}

#[test]
fn the_message_is_that_of_the_reference() {
    let mut expected = b"antiphon/signature/v1\0example.com/log\nguard.changed\nguards\n".to_vec();
    expected.extend_from_slice(&[7; 32]);
    assert_eq!(SIGNED.message(), expected);
}

#[test]
fn a_sig_comes_back_as_it_went() {
    let one = signature();
    let other = Signature::sign("FINN", &key(2), &SIGNED).unwrap();
    for signatures in [vec![one.clone()], vec![one, other]] {
        let sig = to_sig(&signatures).unwrap();
        let read: Vec<_> = texts(&sig)
            .map(|text| text.parse::<Signature>().unwrap())
            .collect();
        assert_eq!(read, signatures);
    }
    assert_eq!(to_sig(&[]), None);
}

#[test]
fn a_moved_signature_fits_no_other_record_key_or_log() {
    let (signature, verifier) = (signature(), key(1).verifier().clone());
    let fits = |origin, kind, body: &Hash| signature.is_by(&verifier, origin, kind, body);
    assert!(fits("example.com/log", "guard.changed", &[7; 32]));
    assert!(!fits("example.com/lo", "guard.changed", &[7; 32]));
    assert!(!fits("example.com/log", "task.changed", &[7; 32]));
    assert!(!fits("example.com/log", "guard.changed", &[8; 32]));
    assert!(!signature.is_by(
        key(2).verifier(),
        "example.com/log",
        "guard.changed",
        &[7; 32]
    ));
    let moved: Signature = signature
        .to_string()
        .replace("guards", "guardz")
        .parse()
        .unwrap();
    assert!(!moved.is_by(&verifier, "example.com/log", "guard.changed", &[7; 32]));
}

#[test]
fn every_changed_character_is_refused_or_another_signature() {
    let (signature, verifier) = (signature(), key(1).verifier().clone());
    let text = signature.to_string();
    for at in 0..text.len() {
        for replacement in ["", "A", "0", " ", "+", "\"", "=", "é"] {
            let mut changed = text.clone();
            changed.replace_range(at..=at, replacement);
            let Ok(read) = changed.parse::<Signature>() else {
                continue;
            };
            assert_eq!(read.to_string(), changed, "it has another form");
            let fits = read.is_by(&verifier, SIGNED.origin, SIGNED.kind, SIGNED.body_sha256);
            assert!(
                !fits || read.agent() != OWNER || changed == text,
                "{changed}"
            );
        }
    }
}

#[test]
fn a_text_that_is_no_signature_is_refused() {
    let one = signature().to_string();
    let check = |text: &str| {
        let code = text.parse::<Signature>().map_err(|error| error.code());
        assert_eq!(code, Err("signature.invalid"), "{text}");
    };
    check("");
    check("a");
    check("a b");
    check(&format!("{one} "));
    check(&format!(" {one}"));
    check(&one.replace(" guards", ""));
    check(&one.replace("owner+", "+"));
    check(&one.replace("owner+", "a.b+"));
    check(&one.replace("owner+", "owner"));
    check(&one.replace("guards", "gu\"ards"));
    check(one.trim_end_matches('='));
}

#[test]
fn a_subject_may_have_spaces_and_ends_at_the_last() {
    let signed = Signed {
        subject: "task:a b  c",
        ..SIGNED
    };
    let one = Signature::sign("FINN", &key(2), &signed).unwrap();
    assert_eq!(one.to_string().parse(), Ok(one.clone()));
    assert_eq!(one.subject(), "task:a b  c");
}

#[test]
fn the_texts_of_a_sig_are_those_between_its_quotation_marks() {
    let check = |sig: &str, expected: &[&str]| {
        assert_eq!(texts(sig).collect::<Vec<_>>(), expected, "{sig}");
    };
    check("", &[]);
    check("[]", &[]);
    check("[\"\"]", &[""]);
    check("[\"a\"]", &["a"]);
    check("[\"a,b\",\"c\"]", &["a,b", "c"]);
}

#[test]
fn names_of_agents_and_origins_are_bounded() {
    let check = |text: &str, origin: bool, agent: bool| {
        assert_eq!((is_origin(text), is_agent(text)), (origin, agent), "{text}");
    };
    check("", false, false);
    check("a", true, true);
    check("FINN_2-b", true, true);
    check("example.com/log", true, false);
    check("a b", false, false);
    check("a+b", false, false);
    check("é", false, false);
    check(&"a".repeat(64), true, true);
    check(&"a".repeat(65), true, false);
    check(&"a".repeat(129), false, false);
    assert_eq!(key_name("o", LOG), "o");
    assert_eq!(key_name("o", "FINN"), "o/FINN");
    assert!(SIGNED_KINDS.is_sorted() && is_signed("log.cut") && !is_signed("log.created"));
}
