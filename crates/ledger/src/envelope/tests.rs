use proptest::prelude::*;

use super::*;
use crate::hash::{NO_LEAF, body_hash, leaf_hash};

fn example() -> Envelope<'static> {
    Envelope {
        body_bytes: 2,
        body_sha256: body_hash(b"0123456789abcdef{}"),
        elapsed_ms: 1_234,
        kind: "signal.accepted",
        prev: leaf_hash(b"before"),
        seq: 7,
        sig: None,
        time_ms: 1_795_189_012_001,
        version: 1,
    }
}

fn encoded(envelope: &Envelope) -> String {
    let mut bytes = Vec::new();
    envelope.encode_into(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn the_bytes_of_an_envelope_are_frozen() {
    let golden = include_str!("../../tests/golden/envelope.json");
    assert_eq!(encoded(&example()), golden.trim_end());
    assert_eq!(
        Envelope::decode(golden.trim_end().as_bytes()),
        Ok(example())
    );
}

#[test]
fn the_longest_envelope_without_sig_is_as_long_as_documented() {
    let longest = Envelope {
        body_bytes: u32::MAX,
        elapsed_ms: INTEGER_MAX,
        kind: &"k".repeat(KIND_BYTES_MAX),
        seq: INTEGER_MAX,
        version: u32::MAX,
        ..example()
    };
    assert_eq!(encoded(&longest).len(), 353);
}

/// Changes the example and expects that nothing is written.
fn check_no_form(change: impl FnOnce(&mut Envelope<'_>)) {
    let mut envelope = example();
    change(&mut envelope);
    let mut out = b"kept".to_vec();
    let error = envelope.encode_into(&mut out).unwrap_err();
    assert_eq!(error.code(), "envelope.member", "{envelope:?}");
    assert_eq!(out, b"kept");
}

#[test]
fn a_member_without_a_form_is_refused_and_nothing_is_written() {
    for integer in [INTEGER_MAX + 1, u64::MAX] {
        check_no_form(|envelope| envelope.elapsed_ms = integer);
        check_no_form(|envelope| envelope.seq = integer);
    }
    for time_ms in [i64::MIN, TIME_MS_MIN - 1, TIME_MS_MAX + 1, i64::MAX] {
        check_no_form(|envelope| envelope.time_ms = time_ms);
    }
    let too_long = str::from_utf8(&[b'k'; KIND_BYTES_MAX + 1]).unwrap();
    for kind in ["", "Signal", "a b", "a\"b", "a\\b", "é", too_long] {
        check_no_form(|envelope| envelope.kind = kind);
    }
    for sig in [
        "",
        "[]",
        r#"["a", "b"]"#,
        r#"["a"],"x":1"#,
        r#"["\n"]"#,
        r#"["é"]"#,
        r#"["a""#,
    ] {
        check_no_form(|envelope| envelope.sig = Some(sig));
    }
}

#[test]
fn an_envelope_over_its_limit_is_neither_written_nor_read() {
    let room = ENVELOPE_BYTES_MAX
        - encoded(&Envelope {
            sig: Some(r#"[""]"#),
            ..example()
        })
        .len();
    let fits = format!("[\"{}\"]", "s".repeat(room));
    let text = encoded(&Envelope {
        sig: Some(&fits),
        ..example()
    });
    assert_eq!(text.len(), ENVELOPE_BYTES_MAX);
    assert_eq!(Envelope::decode(text.as_bytes()).unwrap().sig, Some(&*fits));

    let over = format!("[\"{}\"]", "s".repeat(room + 1));
    let mut out = b"kept".to_vec();
    let error = Envelope {
        sig: Some(&over),
        ..example()
    }
    .encode_into(&mut out)
    .unwrap_err();
    assert_eq!(
        error,
        EnvelopeError::TooLong {
            bytes: ENVELOPE_BYTES_MAX + 1
        }
    );
    assert_eq!(error.code(), "envelope.too_long");
    assert_eq!(out, b"kept");
    assert_eq!(
        Envelope::decode(text.replace(&fits, &over).as_bytes()),
        Err(error)
    );
}

/// Replaces `part` of the example by `other` and expects that `member` is named.
fn check_refused(part: &str, other: &str, member: &str) {
    let text = encoded(&Envelope {
        sig: Some(r#"["a b"]"#),
        ..example()
    });
    let changed = text.replacen(part, other, 1);
    assert_ne!(text, changed, "{part} is in the example");
    match Envelope::decode(changed.as_bytes()) {
        Err(EnvelopeError::Malformed { member: found, .. }) => {
            assert_eq!(found, member, "{changed}");
        }
        other => panic!("{changed} gives {other:?}"),
    }
}

#[test]
fn every_other_form_of_the_same_members_is_refused() {
    // White space.
    check_refused("{\"body_bytes\"", " {\"body_bytes\"", "body_bytes");
    check_refused("{\"body_bytes\":", "{\"body_bytes\": ", "body_bytes");
    check_refused(",\"kind\"", ", \"kind\"", "kind");
    check_refused("\"v\":1}", "\"v\":1 }", "end");
    check_refused("\"v\":1}", "\"v\":1}\n", "end");
    // Order, missing, doubled and unknown members.
    check_refused(
        "\"seq\":7,\"sig\":[\"a b\"]",
        "\"sig\":[\"a b\"],\"seq\":7",
        "seq",
    );
    check_refused("\"elapsed\":1234,", "", "elapsed");
    check_refused(",\"v\":1", "", "v");
    check_refused("\"seq\":7", "\"seq\":7,\"seq\":7", "time");
    check_refused("\"v\":1", "\"v\":1,\"v\":1", "end");
    check_refused("\"v\":1", "\"v\":1,\"w\":1", "end");
    check_refused("{\"body", "{\"a\":1,\"body", "body_bytes");
    // Escapes and other characters in strings.
    check_refused("signal.accepted", "signal\\u002eaccepted", "kind");
    check_refused("signal.accepted", "signal\\.accepted", "kind");
    check_refused("signal.accepted", "Signal.accepted", "kind");
    check_refused("signal.accepted", "signal-accepted", "kind");
    check_refused("signal.accepted", "", "kind");
    check_refused("\"kind\"", "\"k\\u0069nd\"", "kind");
    // Other forms of the same integer.
    check_refused("\"seq\":7", "\"seq\":07", "seq");
    check_refused("\"seq\":7", "\"seq\":7.0", "time");
    check_refused("\"seq\":7", "\"seq\":7e0", "time");
    check_refused("\"seq\":7", "\"seq\":+7", "seq");
    check_refused("\"seq\":7", "\"seq\":-7", "seq");
    check_refused("\"seq\":7", "\"seq\":\"7\"", "seq");
    check_refused("\"seq\":7", "\"seq\":", "seq");
    check_refused("\"elapsed\":1234", "\"elapsed\":00", "elapsed");
    check_refused("\"elapsed\":1234", "\"elapsed\":null", "elapsed");
    // Integers beyond their type.
    check_refused("\"seq\":7", "\"seq\":9007199254740992", "seq");
    check_refused("\"seq\":7", "\"seq\":99999999999999999999999999", "seq");
    check_refused("\"seq\":7", "\"seq\":18446744073709551623", "seq");
    check_refused("\"v\":1", "\"v\":4294967296", "v");
    check_refused(
        "\"body_bytes\":2",
        "\"body_bytes\":4294967296",
        "body_bytes",
    );
    // Times and signatures.
    check_refused("52.001Z", "52.001+00:00", "time");
    check_refused("52.001Z", "52.01Z", "time");
    check_refused("52.001Z", "52.0010Z", "time");
    check_refused("52.001Z", "52.001z", "time");
    check_refused("52.001Z", "60.001Z", "time");
    check_refused("[\"a b\"]", "[]", "sig");
    check_refused("[\"a b\"]", "[\"a b\",]", "sig");
    check_refused("[\"a b\"]", "[\"a b\", \"c\"]", "sig");
    check_refused("[\"a b\"]", "[\"a\\u0020b\"]", "sig");
    check_refused("[\"a b\"]", "[\"a\tb\"]", "sig");
    check_refused("[\"a b\"]", "[1]", "sig");
    check_refused("[\"a b\"]", "null", "sig");
}

#[test]
fn a_hash_is_64_lower_case_digits() {
    let text = encoded(&example());
    let upper = text.replace(&crate::hash::hex(&example().prev), &"A".repeat(64));
    assert!(Envelope::decode(upper.as_bytes()).is_err());
    for length in [0, 63, 65] {
        let other = text.replace(&crate::hash::hex(&example().prev), &"a".repeat(length));
        assert!(
            Envelope::decode(other.as_bytes()).is_err(),
            "{length} digits"
        );
    }
}

#[test]
fn every_cut_and_every_further_byte_is_refused() {
    let text = encoded(&Envelope {
        sig: Some(r#"["a","b"]"#),
        ..example()
    });
    for length in 0..text.len() {
        assert!(
            Envelope::decode(&text.as_bytes()[..length]).is_err(),
            "cut to {length}"
        );
    }
    for byte in 0..=u8::MAX {
        let longer = [text.as_bytes(), &[byte]].concat();
        assert!(Envelope::decode(&longer).is_err(), "with {byte} behind it");
    }
    let long = vec![b' '; ENVELOPE_BYTES_MAX + 1];
    assert_eq!(
        Envelope::decode(&long).unwrap_err().code(),
        "envelope.too_long"
    );
}

prop_compose! {
    fn any_envelope()(
        body_bytes: u32,
        body_sha256: Hash,
        elapsed_ms in 0..=INTEGER_MAX,
        prev in prop_oneof![Just(NO_LEAF), any::<Hash>()],
        seq in prop_oneof![0..1_000_u64, 0..=INTEGER_MAX],
        time_ms in TIME_MS_MIN..=TIME_MS_MAX,
        version in prop_oneof![0..10_u32, any::<u32>()],
    ) -> Envelope<'static> {
        let (kind, sig) = ("k", None);
        Envelope { body_bytes, body_sha256, elapsed_ms, kind, prev, seq, sig, time_ms, version }
    }
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_and_is_canonical_json(
        envelope in any_envelope(),
        kind in "[a-z0-9._]{1,64}",
        sig in prop::option::of(r#"\[("[ !#-\[\]-~]{0,40}")(,"[ !#-\[\]-~]{0,40}"){0,3}\]"#),
    ) {
        let envelope = Envelope { kind: &kind, sig: sig.as_deref(), ..envelope };
        let text = encoded(&envelope);
        prop_assert_eq!(Envelope::decode(text.as_bytes()), Ok(envelope));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(serde_jcs::to_string(&value).unwrap(), text);
    }

    #[test]
    fn whatever_is_accepted_encodes_to_the_same_bytes(
        envelope in any_envelope(),
        place: prop::sample::Index,
        byte in prop_oneof![b' '..=b'~', any::<u8>()],
        inserts: bool,
    ) {
        let mut bytes = encoded(&envelope).into_bytes();
        let place = place.index(bytes.len());
        bytes.splice(place..place + usize::from(!inserts), [byte]);
        if let Ok(decoded) = Envelope::decode(&bytes) {
            prop_assert_eq!(encoded(&decoded).into_bytes(), bytes);
        }
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(Envelope::decode(&bytes).is_err());
    }
}
