use super::*;
use crate::key::SigningKey;
use crate::tree::TreeHead;

const ORIGIN: &str = "example.com/log";

fn key(name: &str, seed: u8, algorithm: Algorithm) -> SigningKey {
    SigningKey::new(name, algorithm, &[seed; 32]).unwrap()
}

fn trust() -> Trust {
    let log = key(ORIGIN, 1, Algorithm::Ed25519);
    let head = Checkpoint::new(ORIGIN, TreeHead::EMPTY)
        .unwrap()
        .sign(&log)
        .unwrap();
    Trust {
        origin: ORIGIN.to_owned(),
        log_key: log.verifier().clone(),
        key_size: 7,
        recovery_key: Some(
            key("example.com/log/recovery", 2, Algorithm::Ed25519)
                .verifier()
                .clone(),
        ),
        witnesses: vec![key("vega", 3, Algorithm::CosignatureV1).verifier().clone()],
        cosignatures_required: 1,
        head: Some(Sealed::parse(head.to_string().as_bytes()).unwrap()),
    }
}

#[test]
fn a_trust_file_comes_back_as_it_went() {
    let none = Trust {
        recovery_key: None,
        head: None,
        witnesses: Vec::new(),
        ..trust()
    };
    for trust in [trust(), none] {
        assert_eq!(Trust::parse(trust.to_json().as_bytes()).unwrap(), trust);
    }
    assert!(!trust().to_json().contains("null"));
}

#[test]
fn a_file_that_is_no_trust_file_is_refused() {
    let check = |from: &str, to: &str| {
        let json = trust().to_json();
        let changed = json.replacen(from, to, 1);
        assert_ne!(json, changed, "{from} is in it");
        let code = Trust::parse(changed.as_bytes()).map_err(|error| error.code());
        assert_eq!(code, Err("trust.malformed"), "{changed}");
    };
    check("{", "");
    check("{", "{\"more\": 1,");
    check("\"key_size\": 7,", "");
    check("\"key_size\": 7", "\"key_size\": -1");
    check("\"key_size\": 7", "\"key_size\": 7.5");
    check(
        "\"origin\": \"example.com/log\"",
        "\"origin\": \"example.com/other\"",
    );
    check("\"origin\": \"example.com/log\"", "\"origin\": \"\"");
    check("\"log_key\": \"example", "\"log_key\": \"axample");
    check("\\n0\\n", "\\n00\\n");
    check("\"witnesses\": [\n", "\"witnesses\": [\"\",\n");
    let witness = key(ORIGIN, 1, Algorithm::CosignatureV1)
        .verifier()
        .to_string();
    check(&trust().log_key.to_string(), &witness);
    let log = trust().log_key.to_string();
    check(&trust().witnesses[0].to_string(), &log);
    let padded = format!("{}{}", trust().to_json(), " ".repeat(TRUST_BYTES_MAX));
    assert!(Trust::parse(padded.as_bytes()).is_err());
}

#[test]
fn a_checkpoint_with_extension_lines_is_not_one_of_our_logs() {
    let log = key(ORIGIN, 1, Algorithm::Ed25519);
    let text = Checkpoint::new(ORIGIN, TreeHead::EMPTY)
        .unwrap()
        .to_string();
    let sealed =
        |text: String| Sealed::parse(Note::signed(text, &log).unwrap().to_string().as_bytes());
    assert!(sealed(text.clone()).is_ok());
    assert_eq!(
        sealed(format!("{text}more\n")).map_err(|error| error.code()),
        Err("checkpoint.malformed")
    );
    let beyond = text.replace("\n0\n", "\n9007199254740992\n");
    assert!(sealed(beyond).is_err());
    let key = log.verifier();
    assert_eq!(sealed(text.clone()).unwrap().is_signed_by(key), Some(true));
    let other = self::key(ORIGIN, 2, Algorithm::Ed25519);
    assert_eq!(sealed(text).unwrap().is_signed_by(other.verifier()), None);
}
